package broker_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/drover-iot/drover/internal/broker"
)

// told collects what Subscribed and Unsubscribed say of the filters of clients.
func (w *world) told() (take func() []string) {
	lines := make(chan string, 1000)
	w.hooks.filters = func(c *broker.Conn, what string, filters []string) {
		lines <- fmt.Sprintf("%s %s %q", c.ClientID(), what, filters)
	}
	return func() (all []string) {
		synctest.Wait()
		for len(lines) > 0 {
			all = append(all, <-lines)
		}
		return all
	}
}

// TestFiltersAreToldAsTheSessionHasThem, once for each packet, whether the session is
// kept or not: a filter that was refused, or was never there, is not told of.
func TestFiltersAreToldAsTheSessionHasThem(t *testing.T) {
	for _, kept := range []bool{false, true} {
		t.Run(fmt.Sprint("kept ", kept), func(t *testing.T) {
			versions(t, func(w *world, v byte) {
				take := w.told()
				told := func(when string, want ...string) {
					t.Helper()
					if got := take(); fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("%s: told %q, want %q", when, got, want)
					}
				}
				var options []connectOption
				if kept {
					options = append(options, lasting(v))
				}
				w.hooks.subscribe = func(_ *broker.Conn, filter string, _ byte) broker.Verdict {
					if filter == "too/many" {
						return broker.RefuseQuota
					}
					return broker.Forward
				}
				c := w.dial(v).hello("c", options...).expect("CONNACK false 00*")
				told("connected")
				c.sub(1, 1, "a/b", "too/many", "c/#").expect("SUBACK #1*")
				told("subscribed", `c has ["a/b" "c/#"]`)
				c.sub(2, 1, "too/many").expect("SUBACK #2*")
				told("refused")
				c.sub(3, 0, "a/b").expect("SUBACK #3 00")
				told("subscribed again", `c has ["a/b"]`)
				c.unsub(4, "never/there").expect("UNSUBACK #4*")
				told("unsubscribed from what was never there")
				c.unsub(5, "c/#", "never/there", "too/many", "a/b", "a/b").expect("UNSUBACK #5*")
				told("unsubscribed", `c had ["c/#" "a/b"]`)
				c.unsub(6, "a/b").expect("UNSUBACK #6*")
				told("unsubscribed twice")
				c.sub(7, 1, "d").expect("SUBACK #7*")
				told("subscribed", `c has ["d"]`)
				c.nc.Close()
				told("gone: what a session had is no UNSUBSCRIBE")
			})
		})
	}
}

// TestFiltersOfAKeptSessionAreToldWhenTheyAreOnDisk, and not when they cannot be.
func TestFiltersOfAKeptSessionAreToldWhenTheyAreOnDisk(t *testing.T) {
	versions(t, func(w *world, v byte) {
		take := w.told()
		told := func(when string, want ...string) {
			t.Helper()
			if got := take(); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: told %q, want %q", when, got, want)
			}
		}
		c := w.dial(v).hello("c", lasting(v)).expect("CONNACK false 00*")
		w.store.Hold()
		c.sub(1, 1, "a", "b").silent()
		told("while it is written")
		w.store.Release()
		c.expect("SUBACK #1*")
		told("when it is", `c has ["a" "b"]`)
		w.store.Hold()
		c.unsub(2, "a").silent()
		told("while it is written")
		w.store.Release()
		c.expect("UNSUBACK #2*")
		told("when it is", `c had ["a"]`)
		w.store.Fail(errors.New("the disk is full"))
		c.unsub(3, "b")
		told("when it cannot be")
		w.store.Fail(nil)
	})
}
