package crash

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/drover-iot/drover/internal/sim/process"
	"github.com/drover-iot/drover/internal/store"
)

// starts are a few lives that end before they are ready.
func starts(least int, each time.Duration) func(*rand.Rand) plan {
	return func(rnd *rand.Rand) plan {
		p := plan{facts: 1}
		for range least + rnd.IntN(3) {
			p.again = append(p.again, upTo(rnd, each))
		}
		return p
	}
}

// The server is killed while it opens its folder: it reads the log, tells
// devices what an earlier life had not, and goes on with what is due.
var startPhase = &phase{
	name: "start", weight: 1, plan: starts(2, 35*time.Millisecond),
	setup: func(r *round) error { _, err := r.prepare("work", "devices", r.deviceNames(), true); return err },
	run: func(r *round) {
		r.actor(func(rnd *rand.Rand) { r.work(r.devices[0], rnd) }) // something to replay
	},
}

// The server is killed at the first start of all, while it makes its folder, its
// CA and its access key. What it said it was ready with stays.
var firstStartPhase = &phase{name: "first start", weight: 1, plan: starts(1, 70*time.Millisecond), away: (*round).firstStart}

func (r *round) firstStart() error {
	dir, err := os.MkdirTemp(r.harness.dir, "first-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	data := filepath.Join(dir, "data")
	args := []string{"serve", "--data", data, "--mqtts-addr=127.0.0.1:0", "--https-addr=127.0.0.1:0", "--admin-addr="}
	for _, after := range r.plan.again {
		if err := stillborn(r.ctx, after, r.binary, args...); err != nil {
			return fmt.Errorf("a first start that was killed: %w", err)
		}
		r.report.killed(r.phase.name, born)
	}
	s := server{binary: r.binary, data: data}
	var before identity
	for life := range 2 {
		if s.Child, err = process.StartDrover(r.ctx, r.binary, args...); err != nil {
			return fmt.Errorf("start %d after first starts that were killed: %w", life+1, err)
		}
		now, err := readIdentity(r.ctx, data, s.Ready.HTTPS)
		if err == nil && life == 0 {
			before = now
			r.ack("first start")
			err = createThing(r.ctx, r.binary, data, s.Ready.HTTPS, "first")
		}
		if err != nil {
			s.Kill()
			return err
		}
		if life == 0 {
			r.ack("CreateThing, signed over TLS")
		} else if r.checked(); !now.equal(before) {
			r.find(lost, "the CA or the access key of the first start is another after the second")
		}
		r.ending.Store(true)
		err = s.end(r.plan.how, r.plan.between)
		r.report.killed(r.phase.name, r.plan.how)
		if err != nil {
			r.find(wrong, "%s: %v", r.plan.how, err)
		}
	}
	r.checked()
	return inStore(r.ctx, data, func(tx store.Tx) error {
		if _, err := tx.Thing("first"); err != nil {
			r.find(lost, "the thing of the first start: %v", err)
		}
		return nil
	})
}

// identity is what a first start makes.
type identity struct{ ca, credentials []byte }

func (i identity) equal(o identity) bool {
	return bytes.Equal(i.ca, o.ca) && bytes.Equal(i.credentials, o.credentials)
}

// readIdentity reads it, and checks that the server answers with it.
func readIdentity(ctx context.Context, data, addr string) (i identity, err error) {
	if i.ca, err = os.ReadFile(filepath.Join(data, "ca.pem")); err != nil {
		return i, err
	}
	if i.credentials, err = os.ReadFile(filepath.Join(data, "credentials")); err != nil {
		return i, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(i.ca) {
		return i, fmt.Errorf("ca.pem of %d bytes is no certificate", len(i.ca))
	}
	c := http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+addr+"/ca.pem", nil)
	if err != nil {
		return i, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return i, err
	}
	defer resp.Body.Close()
	served, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err == nil && !bytes.Equal(served, i.ca) {
		err = fmt.Errorf("/ca.pem is not the ca.pem of the data folder")
	}
	return i, err
}

// createThing makes a thing as an operator does, with the credentials file.
func createThing(ctx context.Context, binary, data, addr, name string) error {
	cmd := exec.CommandContext(ctx, binary, "thing", "create", name, "--endpoint", "https://"+addr, "--ca", filepath.Join(data, "ca.pem"))
	cmd.Env = append(os.Environ(), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(data, "credentials"), "AWS_PROFILE=drover", "AWS_DEFAULT_REGION=us-east-1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("drover thing create: %w: %s", err, out)
	}
	return nil
}
