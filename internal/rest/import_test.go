package rest_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/rest"
	"github.com/drover-iot/drover/internal/wire/fleet"
)

const importPath = "/drover/v1/import"

// registry is an import's operation: it refuses the thing "bad".
type registry struct {
	mu     sync.Mutex
	things []string
	most   int // lines of a batch
}

func (r *registry) do(_ context.Context, _ ops.Caller, lines []fleet.Line) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.most = max(r.most, len(lines))
	for i, l := range lines {
		if l.Thing == nil {
			continue
		}
		if l.Thing.ThingName == "bad" {
			return i, job.Errorf(job.AlreadyExists, "Thing bad already exists with different attributes")
		}
		r.things = append(r.things, string(l.Thing.ThingName))
	}
	return len(lines), nil
}

func importing(t *testing.T, change func(*rest.Config)) (*door, *registry) {
	r := new(registry)
	return open(t, func(c *rest.Config) {
		if change != nil {
			change(c)
		}
		c.Extensions = []rest.Extension{rest.Import(r.do)}
	}), r
}

// reply is a line of an import's answer.
type reply struct {
	Line, Things, ThingGroups, Memberships int64
	Done                                   bool
	Error, Message                         string
}

func send(t *testing.T, d *door, body io.Reader, header http.Header) (*http.Response, []reply) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+importPath, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var all []reply
	for in := bufio.NewScanner(resp.Body); in.Scan(); {
		var l reply
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v", in.Text(), err)
		}
		all = append(all, l)
	}
	return resp, all
}

func manyThings(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"thingName":"t%d","thingGroupNames":["g"]}`+"\n", i)
	}
	return b.String()
}

func TestAnImportIsCarriedOutInBatchesAndTellsHowFarItIs(t *testing.T) {
	d, r := importing(t, nil)
	resp, all := send(t, d, strings.NewReader(`{"thingGroupName":"g"}`+"\n\n"+manyThings(25_000)+`{"thingName":"t0","thingGroupName":"h"}`), nil)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/jsonl" || resp.Header.Get("X-Amzn-RequestId") == "" {
		t.Errorf("answered %d %v", resp.StatusCode, resp.Header)
	}
	if want := (reply{Line: 25_003, Things: 25_000, ThingGroups: 1, Memberships: 25_001, Done: true}); len(all) != 3 || all[2] != want {
		t.Errorf("got %+v, want two lines of progress and %+v", all, want)
	}
	if len(r.things) != 25_000 || r.things[24_999] != "t24999" || r.most != ops.ImportBatch {
		t.Errorf("%d things came, %d at once", len(r.things), r.most)
	}
}

func TestAnImportStopsAtItsFirstBadLineAndSaysWhichItIs(t *testing.T) {
	for _, row := range []struct {
		name, bad, says string
		status          int
	}{
		{"a line that is no JSON", `{"thingName":`, "Line 3: The line is not JSON", 400},
		{"a line that is refused", `{"thingName":"bad"}`, "Line 3: Thing bad already exists", 409},
		{"a line that is too long", `{"thingName":"` + strings.Repeat("x", fleet.MaxLine) + `"}`, "Line 3: The line is longer than 65536 bytes", 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			d, r := importing(t, nil)
			resp, all := send(t, d, strings.NewReader(`{"thingName":"a"}`+"\n"+`{"thingName":"b"}`+"\n"+row.bad+"\n"+`{"thingName":"c"}`+"\n"), nil)
			if resp.StatusCode != row.status || len(all) != 1 || !strings.Contains(all[0].Message, row.says) || !strings.Contains(all[0].Message, "lines up to 2 (2 things,") {
				t.Errorf("answered %d %+v", resp.StatusCode, all)
			}
			if got := strings.Join(r.things, ""); got != "ab" {
				t.Errorf("carried out: %s", got)
			}
		})
	}
}

func TestAnImportThatStopsLateSaysSoInItsLastLine(t *testing.T) {
	d, _ := importing(t, nil)
	resp, all := send(t, d, strings.NewReader(manyThings(12_000)+`{"thingName":"bad"}`+"\n"+manyThings(50_000)), nil)
	if resp.StatusCode != 200 || len(all) != 2 || all[1].Error != "ResourceAlreadyExistsException" || !strings.Contains(all[1].Message, "Line 12001: ") || all[1].Done {
		t.Errorf("answered %d %+v", resp.StatusCode, all)
	}
}

// streamed is a signed import whose header says of its body what hash says.
func streamed(host, hash string) http.Header {
	h := signNamed("secret", "iot", "POST", host, importPath, hash)
	return h
}

func TestServeTakesAnImportWhoseSignatureCoversItsBodyOrLeavesItOut(t *testing.T) {
	d, r := importing(t, serve)
	host := strings.TrimPrefix(d.url, "http://")
	body := manyThings(3)
	sum := sha256.Sum256([]byte(body))
	for _, row := range []struct {
		name, hash, body string
		header           func(string, string) http.Header
		status           int
		things           int
	}{
		{"not signed", "", body, func(string, string) http.Header { return nil }, 403, 0},
		{"signed, without x-amz-content-sha256", "", body, func(h, _ string) http.Header { return sign("secret", "iot", "POST", h, importPath, body) }, 403, 0},
		{"signed with its hash", hex.EncodeToString(sum[:]), body, streamed, 200, 3},
		{"signed with UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD", body, streamed, 200, 3},
		{"signed with another hash", hex.EncodeToString(make([]byte, 32)), body, streamed, 403, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			r.things = nil
			resp, all := send(t, d, strings.NewReader(row.body), row.header(host, row.hash))
			if resp.StatusCode != row.status || len(r.things) != row.things {
				t.Errorf("answered %d %+v, %d things", resp.StatusCode, all, len(r.things))
			}
		})
	}
}

func TestUnsignedPayloadIsForTheImportAlone(t *testing.T) {
	d, _ := importing(t, serve)
	host := strings.TrimPrefix(d.url, "http://")
	a := d.do(t, "GET", "/things/T", "", signNamed("secret", "iot", "GET", host, "/things/T", "UNSIGNED-PAYLOAD"))
	if a.status != 403 || a.errorType != "InvalidSignatureException" {
		t.Errorf("answered %+v", a)
	}
}
