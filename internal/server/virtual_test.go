package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/cli"
	"github.com/drover-iot/drover/internal/clock"
	"github.com/drover-iot/drover/internal/devapi"
	"github.com/drover-iot/drover/internal/sim"
)

// epoch is where the virtual clocks of these tests begin.
var epoch = time.Unix(1_760_000_000, 0).UTC()

func virtualConfig() Config {
	cfg := devConfig()
	cfg.Clock = clock.NewVirtual(epoch)
	return cfg
}

// answerOf is what an HTTP door says.
type answerOf struct {
	status int
	kind   string // x-amzn-ErrorType
	body   string
}

// ask sends a request without a signature: dev lets it in.
func ask(t *testing.T, s *Server, method, path, body string) answerOf {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.addrs.HTTP+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answerOf{resp.StatusCode, resp.Header.Get("X-Amzn-Errortype"), string(b)}
}

// succeed is ask, for what must work.
func succeed(t *testing.T, s *Server, method, path, body string) string {
	t.Helper()
	a := ask(t, s, method, path, body)
	if a.status != http.StatusOK {
		t.Fatalf("%s %s %s: %d %s %s", method, path, body, a.status, a.kind, a.body)
	}
	return a.body
}

// moved is what a test reads of an advance's reply.
type moved struct {
	From, Now, NextDue float64
	Idle               bool
	Total              int
	Counts             map[string]map[string]int
	Fired              []struct {
		At                               float64
		Kind, ThingName, JobID, ClientID string
		ExecutionNumber                  int
		Was, Status                      string
	}
}

// lines are the events with their seconds after the epoch.
func (m moved) lines() (lines []string) {
	for _, f := range m.Fired {
		who := f.ClientID + f.JobID
		if f.ThingName != "" {
			who += fmt.Sprintf("/%s#%d", f.ThingName, f.ExecutionNumber)
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("+%g %s %s %s->%s", f.At-float64(epoch.Unix()), f.Kind, who, f.Was, f.Status)))
	}
	return lines
}

func advance(t *testing.T, s *Server, body string) (m moved) {
	t.Helper()
	answer := succeed(t, s, "POST", "/drover/v1/clock/advance", body)
	if err := json.NewDecoder(strings.NewReader(answer)).Decode(&m); err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
	return m
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// createJob makes a job for things; members are more of its body, with a comma.
func createJob(t *testing.T, s *Server, id, members string, things ...string) {
	t.Helper()
	var targets []string
	for _, thing := range things {
		targets = append(targets, "arn:aws:iot:us-east-1:000000000000:thing/"+thing)
	}
	in := map[string]any{"targets": targets, "document": `{"op":"flash"}`}
	if err := json.Unmarshal([]byte("{"+members+"}"), &in); err != nil {
		t.Fatal(err)
	}
	if err := operator(t, s).Do(t.Context(), cli.Call{Operation: "CreateJob", Method: "PUT", Path: "/jobs/" + id, In: in}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestEverythingDueHappensInOrderBeforeTheAnswer(t *testing.T) {
	s := begin(t, virtualConfig())
	op := operator(t, s)
	for _, thing := range []string{"pump-7", "valve-1", "fan-3"} {
		createThing(t, op, thing)
	}
	createJob(t, s, "slow", `"timeoutConfig":{"inProgressTimeoutInMinutes":20}`, "valve-1")
	createJob(t, s, "quick", `"timeoutConfig":{"inProgressTimeoutInMinutes":10}`, "pump-7", "fan-3")
	advance(t, s, `{"by":0}`) // they are handed out
	for _, thing := range []string{"pump-7", "valve-1", "fan-3"} {
		succeed(t, s, "PUT", "/things/"+thing+"/jobs/$next", "{}")
		advance(t, s, `{"by":"30s"}`)
	}
	m := advance(t, s, `{"by":"1h"}`)
	wantLines(t, m.lines(),
		"+600 execution quick/pump-7#1 IN_PROGRESS->TIMED_OUT",
		"+660 execution quick/fan-3#1 IN_PROGRESS->TIMED_OUT",
		"+660 job quick IN_PROGRESS->COMPLETED",
		"+1230 execution slow/valve-1#1 IN_PROGRESS->TIMED_OUT",
		"+1230 job slow IN_PROGRESS->COMPLETED")
	if m.From != float64(epoch.Unix()+90) || m.Now != float64(epoch.Unix()+90+3600) || !m.Idle || m.NextDue != 0 {
		t.Errorf("the move went from %f to %f, idle %v, next %f", m.From, m.Now, m.Idle, m.NextDue)
	}
	if m.Total != 5 || m.Counts["execution"]["TIMED_OUT"] != 3 || m.Counts["job"]["COMPLETED"] != 2 {
		t.Errorf("counted %d, %v", m.Total, m.Counts)
	}
}

func TestARolloutGoesOnAtItsRateUntilTheServerIsIdle(t *testing.T) {
	cfg := virtualConfig()
	cfg.RolloutDefault, cfg.RolloutMax = 2, 2
	s := begin(t, cfg)
	op := operator(t, s)
	var things []string
	for i := range 5 {
		things = append(things, fmt.Sprintf("t%d", i))
		createThing(t, op, things[i])
	}
	createJob(t, s, "fw", "", things...)
	var state struct {
		Mode         string
		Now, NextDue float64
		Time         string
	}
	if err := json.NewDecoder(strings.NewReader(succeed(t, s, "GET", "/drover/v1/clock", ""))).Decode(&state); err != nil {
		t.Fatal(err)
	}
	start := float64(epoch.Unix())
	if state.Mode != "virtual" || state.Now != start || state.Time != "2025-10-09T08:53:20Z" || state.NextDue <= start || state.NextDue > start+60 {
		t.Errorf("GET clock: %+v, want the rollout to go on within the minute", state)
	}
	m := advance(t, s, `{"until":"idle"}`)
	if !m.Idle || m.NextDue != 0 {
		t.Errorf("it came to rest at %f, and %f is due", m.Now, m.NextDue)
	}
	at := start
	for _, f := range m.Fired {
		if f.At < at || f.At == start || f.Kind != "execution" || f.Status != "QUEUED" {
			t.Errorf("after +%g: %+v", at-start, f)
		}
		at = f.At
	}
	// Five at two a minute take two minutes, whatever the pace within one.
	if at < start+60 || at > start+180 {
		t.Errorf("the last was queued at +%g: %v", at-start, m.lines())
	}
	for _, thing := range things {
		if pending := succeed(t, s, "GET", "/things/"+thing+"/jobs", ""); !strings.Contains(pending, `"jobId":"fw"`) {
			t.Errorf("%s has %s", thing, pending)
		}
	}
}

// listener connects, and hears of its jobs.
func listener(t *testing.T, s *Server, login sim.Login, topics ...string) *sim.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", s.addrs.MQTT)
	if err != nil {
		t.Fatal(err)
	}
	c, err := sim.Connect(t.Context(), nc, login)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Drop() }) // it may be closed already
	for i, topic := range topics {
		topics[i] = "$aws/things/" + login.ClientID + "/jobs/" + topic
	}
	if err := c.Subscribe(t.Context(), topics...); err != nil {
		t.Fatal(err)
	}
	return c
}

func receive(t *testing.T, c *sim.Conn) sim.Message {
	t.Helper()
	m, err := c.Receive(t.Context(), time.Now().Add(patience))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestADeviceStaysConnectedAndHasBeenToldWhenTheAnswerComes(t *testing.T) {
	s := begin(t, virtualConfig())
	createThing(t, operator(t, s), "pump-7")
	createJob(t, s, "fw", `"timeoutConfig":{"inProgressTimeoutInMinutes":10080}`, "pump-7")
	advance(t, s, `{"by":0}`)
	c := listener(t, s, sim.Login{ClientID: "pump-7", KeepAlive: 30 * time.Second}, "notify-next")
	succeed(t, s, "PUT", "/things/pump-7/jobs/$next", "{}")
	advance(t, s, `{"by":"8d"}`)
	// Seven days and a keep-alive of 30 seconds later it speaks; what it was told
	// was on its way before it did.
	c.Publish("$aws/things/pump-7/jobs/get", nil)
	for _, want := range []struct{ topic, payload string }{
		{"notify-next", `{"timestamp":1760604800}`},
		{"get/accepted", `{"timestamp":1760691200,"inProgressJobs":[],"queuedJobs":[]}`},
	} {
		if m := receive(t, c); m.Topic != "$aws/things/pump-7/jobs/"+want.topic || string(m.Payload) != want.payload {
			t.Errorf("heard %s %s, want %s %s", m.Topic, m.Payload, want.topic, want.payload)
		}
	}
}

func TestASessionExpiresInDomainTime(t *testing.T) {
	s := begin(t, virtualConfig())
	c := listener(t, s, sim.Login{ClientID: "pump-7", Persistent: true}, "notify-next")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return s.broker.Stats().Connections == 0 })
	if m := advance(t, s, `{"until":"idle","atMost":"59m"}`); m.Idle || m.NextDue != float64(epoch.Unix()+3600) || m.Now != float64(epoch.Unix()) {
		t.Errorf("before the hour is over: %+v", m)
	}
	m := advance(t, s, `{"until":"idle"}`)
	wantLines(t, m.lines(), "+3600 session pump-7 ->EXPIRED")
	if n := s.broker.Stats().Sessions; n != 0 || !m.Idle {
		t.Errorf("%d sessions are left, idle %v", n, m.Idle)
	}
}

// waitFor asks again and again, for what the server does by itself.
func waitFor(t *testing.T, ask func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ask(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

func TestAdvancesFollowOneAnother(t *testing.T) {
	s := begin(t, virtualConfig())
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { advance(t, s, `{"by":"1h"}`) })
	}
	all.Wait()
	if got := s.Time().Now().Sub(epoch); got != 10*time.Hour {
		t.Errorf("ten hours, asked for at once, moved the clock by %s", got)
	}
}

func TestWhoWaitsForTheClockLeavesWithItsContext(t *testing.T) {
	s := begin(t, virtualConfig())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Time().Advance(ctx, time.Hour); err == nil {
		t.Error("an advance of a caller that is gone succeeded")
	}
	if !s.Time().Now().Equal(epoch) {
		t.Errorf("and moved the clock to %s", s.Time().Now())
	}
}

func TestTheClockOfAFolderDoesNotGoBack(t *testing.T) {
	cfg := virtualConfig()
	cfg.Data = filepath.Join(t.TempDir(), "data")
	s := begin(t, cfg)
	advance(t, s, `{"by":"1w"}`)
	end(t, s)
	cfg.Clock = clock.NewVirtual(epoch)
	s = begin(t, cfg)
	if got := s.Time().Now().Sub(epoch); got != 7*24*time.Hour {
		t.Errorf("after the restart the clock stands at +%s", got)
	}
	end(t, s)
	var log bytes.Buffer
	var mu sync.Mutex
	cfg.Clock, cfg.Log = realAt(epoch), slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil))
	begin(t, cfg)
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(log.String(), "is ahead of the real one") {
		t.Errorf("on the real clock nothing warns: %s", &log)
	}
}

// realAt is a clock that nobody can move, wherever it stands.
type realAt time.Time

func (c realAt) Now() time.Time                            { return time.Time(c) }
func (realAt) AfterFunc(time.Duration, func()) clock.Timer { return nobody{} }

func TestTheClockIsMovedByWhatCanBeMeantOnly(t *testing.T) {
	virtual, real := begin(t, virtualConfig()), begin(t, devConfig())
	for _, row := range []struct {
		name   string
		on     *Server
		body   string
		status int
		kind   string
		says   string
	}{
		{"seconds", virtual, `{"by":90.5}`, 200, "", `"now":1760000090.5`},
		{"a duration", virtual, `{"by":"1m30s"}`, 200, "", `"now":1760000180.5`},
		{"days and weeks", virtual, `{"by":"1w1d"}`, 200, "", `"now":1760691380.5`},
		{"a time", virtual, `{"to":1760700000}`, 200, "", `"time":"2025-10-17T11:20:00Z"`},
		{"RFC 3339", virtual, `{"to":"2025-10-17T11:21:00+00:00"}`, 200, "", `"now":1760700060`},
		{"null is absent", virtual, `{"by":null,"to":1760700061}`, 200, "", `"now":1760700061`},
		{"the past", virtual, `{"to":1760000000}`, 400, "InvalidRequestException", "does not go back"},
		{"a negative duration", virtual, `{"by":"-1m"}`, 400, "InvalidRequestException", "is no duration"},
		{"no duration", virtual, `{"by":"soon"}`, 400, "InvalidRequestException", `\"soon\" is no duration`},
		{"a duration of more than a century", virtual, `{"by":"99999999999d"}`, 400, "InvalidRequestException", "at most 100 years"},
		{"no time", virtual, `{"to":"tomorrow"}`, 400, "InvalidRequestException", "is no time"},
		{"nothing", virtual, ``, 400, "InvalidRequestException", `Say one of`},
		{"two ways", virtual, `{"by":1,"until":"idle"}`, 400, "InvalidRequestException", `has 2 of them`},
		{"until something else", virtual, `{"until":"done"}`, 400, "InvalidRequestException", `until \"idle\"`},
		{"a bound of nothing", virtual, `{"by":1,"atMost":"1d"}`, 400, "InvalidRequestException", `\"atMost\" bounds`},
		{"an unknown key", virtual, `{"byy":1}`, 400, "InvalidRequestException", "byy"},
		{"no JSON", virtual, `by=1`, 400, "InvalidRequestException", "cannot be understood"},
		{"the real clock", real, `{"by":1}`, 409, "ConflictException", "--clock virtual"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := ask(t, row.on, "POST", "/drover/v1/clock/advance", row.body)
			if a.status != row.status || a.kind != row.kind || !strings.Contains(a.body, row.says) {
				t.Errorf("%+v, want %d %s with %s", a, row.status, row.kind, row.says)
			}
		})
	}
	if a := ask(t, real, "GET", "/drover/v1/clock", ""); a.status != 200 || !strings.Contains(a.body, `"mode":"real"`) {
		t.Errorf("the real clock: %+v", a)
	}
	if a := ask(t, virtual, "GET", "/drover/v1/clocks", ""); a.status != 404 || a.kind != "UnknownOperationException" {
		t.Errorf("a path that is none: %+v", a)
	}
}

func TestWhoWaitsForAChangeHearsOfIt(t *testing.T) {
	s := begin(t, virtualConfig())
	seq := func(after string) (n int64) {
		var out struct{ Seq int64 }
		if err := json.Unmarshal([]byte(succeed(t, s, "GET", "/drover/v1/changes"+after, "")), &out); err != nil {
			t.Error(err)
		}
		return out.Seq
	}
	known := seq("")
	heard := make(chan int64, 1)
	go func() { heard <- seq(fmt.Sprintf("?after=%d", known)) }()
	createThing(t, operator(t, s), "pump-7")
	if n := <-heard; n <= known {
		t.Errorf("after %d came %d", known, n)
	}
	if n := seq(fmt.Sprintf("?after=%d", known)); n <= known {
		t.Errorf("what has changed already was waited for, and was %d", n)
	}
	if a := ask(t, s, "GET", "/drover/v1/changes?after=x", ""); a.status != 400 {
		t.Errorf("after x: %+v", a)
	}
}

func TestAServerThatEndsLetsGoOfThoseWhoWait(t *testing.T) {
	s := begin(t, virtualConfig())
	known, next := s.changes.wait()
	end(t, s)
	<-next
	if _, next = s.changes.wait(); next == nil {
		t.Fatal("nothing to wait for")
	}
	<-next
	s.changes.signal() // whoever is late
	if seq, _ := s.changes.wait(); seq <= known {
		t.Errorf("after %d came %d", known, seq)
	}
}

func TestNobodyMovesTheClockOfAFleet(t *testing.T) {
	s := begin(t, serveConfig(t))
	op := operator(t, s)
	for _, e := range devapi.Extensions(devapi.Config{}) {
		var in any
		switch e.Name {
		case "AdvanceClock":
			in = map[string]string{"by": "1h"}
		case "CreateFault":
			in = map[string]string{"kind": "drop"}
		}
		err := op.Do(t.Context(), cli.Call{Operation: e.Name, Method: e.Method, Path: strings.ReplaceAll(e.Path, "{id}", "fault-1"), In: in}, nil)
		var refused *cli.APIError
		if !errors.As(err, &refused) || refused.Status != 404 || refused.Type != "UnknownOperationException" ||
			!strings.Contains(refused.Message, e.Method+" "+e.Path) || !strings.Contains(refused.Message, "exists in drover dev only") {
			t.Errorf("%s on serve: %v", e.Name, err)
		}
	}
	if s.Time() != nil || s.faults != nil {
		t.Error("serve has a hand on its clock, or faults")
	}
}
