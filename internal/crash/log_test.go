package crash

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

const (
	database = "drover.db"
	logFile  = database + "-wal"
)

// wal is what a log says of itself (sqlite.org/fileformat2.html, section 4.1). It
// begins anew under another salt; what is left of an older one behind it does not
// count.
type wal struct {
	salt  uint64
	pages int
}

const (
	walHeader   = 32
	frameHeader = 24
	pageSize    = 4096
)

// bytes is how long it is.
func (w wal) bytes() int64 { return walHeader + int64(w.pages)*(frameHeader+pageSize) }

// readLog reads the header of a log, and finds out how many pages it holds. None is
// there when the server has ended by itself.
func readLog(name string) (w wal, err error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return w, nil
	}
	if err != nil {
		return w, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() < walHeader {
		return w, err
	}
	salt := func(at int64) uint64 {
		var b [8]byte
		if _, e := f.ReadAt(b[:], at); e != nil && !errors.Is(e, io.EOF) {
			err = e
		}
		return binary.BigEndian.Uint64(b[:])
	}
	w.salt = salt(16)
	room := int((info.Size() - walHeader) / (frameHeader + pageSize))
	w.pages = sort.Search(room, func(i int) bool { return salt(wal{pages: i}.bytes()+8) != w.salt })
	return w, err
}

// logLimit is how many pages the log has when the writer is asked to begin it anew
// (walLimit in internal/store/sqlite).
const logLimit = 12_000

// watch looks at a file again and again, until the server is gone.
func (r *round) watch(look func() (tripped bool, err error)) {
	r.actor(func(*rand.Rand) {
		tick := time.NewTicker(200 * time.Microsecond)
		defer tick.Stop()
		for range tick.C {
			tripped, err := look()
			if err != nil {
				r.find(wrong, "%v", err)
				return
			}
			if tripped {
				r.tripNow()
			}
			select {
			case <-r.down:
				return
			default:
			}
		}
	})
}

// moment is a plan whose moment is no fact: the phase watches for it.
func moment(rnd *rand.Rand, delay time.Duration, kinds ...string) plan {
	return plan{kind: kinds[rnd.IntN(len(kinds))], facts: 1, delay: upTo(rnd, delay)}
}

// The log is moved into the database when enough was written. Only that writes
// to the database's file, so its first change is the moment.
var checkpointPhase = &phase{
	name: "checkpoint", weight: 1,
	plan:  func(rnd *rand.Rand) plan { return moment(rnd, 4*time.Millisecond, "checkpoint") },
	setup: func(r *round) error { r.tidy(); return moreWork(1)(r) },
	run: func(r *round) {
		file := filepath.Join(r.data, database)
		before, err := os.Stat(file)
		if err != nil {
			r.find(wrong, "%v", err)
			return
		}
		r.allWork()
		r.actor(func(*rand.Rand) { r.grind() })
		r.watch(func() (bool, error) {
			now, err := os.Stat(file)
			return err == nil && !now.ModTime().Equal(before.ModTime()), err
		})
	},
}

// grind makes, cancels and deletes wide jobs: many rows are written.
func (r *round) grind() {
	for !r.ending.Load() {
		j := r.newJob("wide", r.wide, false)
		if o, _ := r.create(j, []string{r.groups["wide"]}, 0); o != accepted {
			return
		}
		if _, err := r.quiet(j); err != nil || r.cancel(j, true) != accepted {
			return
		}
		if _, err := r.quiet(j); err != nil || r.remove(j) != accepted {
			return
		}
		if r.drainAll() != nil { // else the sessions have no room; the server has gone
			return
		}
	}
}

const (
	fullLog = "full log being moved"
	newLog  = "log begun anew"

	bulkTopics = 6
	bulk       = 120_000 // bytes: 30 pages
)

// Under a load without a pause the log is never wholly moved, so when it is full
// the writer moves what is left and begins it anew. Large retained messages fill it
// within a second or two. The server is ended when a full log is being moved, or,
// more often, when the log has begun anew.
var logPhase = &phase{
	name: "log anew", weight: 2,
	plan:  func(rnd *rand.Rand) plan { return moment(rnd, 20*time.Millisecond, fullLog, newLog, newLog) },
	setup: func(r *round) error { r.tidy(); return moreWork(1)(r) },
	run: func(r *round) {
		r.allWork()
		r.actor(func(*rand.Rand) { r.grind() })
		for i := range bulkTopics {
			r.actor(func(rnd *rand.Rand) { r.retainsBulk(rnd, fmt.Sprintf("bulk/%d", i)) })
		}
		var last wal
		var moved time.Time // the database's file was written to
		r.watch(func() (bool, error) {
			now, err := readLog(filepath.Join(r.data, logFile))
			if err != nil {
				return false, err
			}
			info, err := os.Stat(filepath.Join(r.data, database))
			if err != nil {
				return false, err
			}
			anew := last.pages >= logLimit && now.salt != last.salt
			if anew {
				r.report.cut(newLog)
			}
			moving := now.pages >= logLimit && last.pages >= logLimit && !info.ModTime().Equal(moved)
			last, moved = now, info.ModTime()
			return anew || moving && r.plan.kind == fullLog, nil
		})
	},
}

// retainsBulk replaces a large retained message, over and over.
func (r *round) retainsBulk(rnd *rand.Rand, topic string) {
	g := r.register("the retained message of "+topic, func(ctx context.Context) (value, error) {
		v, err := readRetained(ctx, r.world.Ready.MQTT, topic)
		return summary(v.text), err
	})
	c := r.connected("retainer-"+topic, false, "CONNECT")
	if c == nil {
		return
	}
	defer c.Drop() //nolint:errcheck // nothing is lost with it
	for o := accepted; o == accepted; {
		text := fmt.Sprint(rnd.Uint64())
		text += strings.Repeat("x", bulk-len(text))
		o = r.set(g, summary(text), "PUBACK, retained", func(ctx context.Context) error { return c.Confirm(ctx, topic, []byte(text), true) })
	}
}

// summary is a large text in short: it ends in nothing but x.
func summary(text string) value {
	if text == "" {
		return value{}
	}
	return value{text: fmt.Sprintf("%s and so on, %d bytes", strings.TrimRight(text, "x"), len(text))}
}
