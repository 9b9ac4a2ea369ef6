package conversation

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// fake is a server that says whatever a test of the runner makes it say: so
// that the runner is seen to fail where a real server would be wrong.
type fake struct {
	listener net.Listener
	web      *httptest.Server
	// replies are the packets for a PUBLISH on a topic, after its PUBACK.
	replies map[string][][]byte
	connack []byte
}

func newFake(t *testing.T, web http.HandlerFunc) *fake {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{listener: l, web: httptest.NewServer(web), replies: map[string][][]byte{}, connack: frame(pktConnack, 0, byte(0), byte(0))}
	t.Cleanup(func() { l.Close(); f.web.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(conn)
		}
	}()
	return f
}

func (f *fake) serve(conn net.Conn) {
	defer conn.Close()
	for r := bufio.NewReader(conn); ; {
		p, err := readPacket(r)
		if err != nil {
			return
		}
		body := cursor{rest: p.body}
		var out []byte
		switch p.kind {
		case pktConnect:
			out = f.connack
		case pktPingreq:
			out = frame(pktPingresp, 0)
		case pktSubscribe:
			out = frame(pktSuback, 0, uint16(body.uint(2)), byte(1))
		case pktPublish:
			topic := body.text()
			if p.flags>>1&3 == 1 {
				out = frame(pktPuback, 0, uint16(body.uint(2)))
			}
			for _, reply := range f.replies[topic] {
				out = append(out, reply...)
			}
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

var fakeStart = time.Unix(1760000000, 678e6)

func (f *fake) MQTTAddr() string            { return f.listener.Addr().String() }
func (f *fake) HTTPAddr() string            { return strings.TrimPrefix(f.web.URL, "http://") }
func (f *fake) Now() time.Time              { return fakeStart }
func (f *fake) Advance(time.Duration) error { return nil }
func (f *fake) Restart() error              { return nil }
func (f *fake) BreakStorage(bool) error     { return nil }
func (f *fake) Close() error                { return nil }

func publishFrame(flags byte, topic, payload string) []byte {
	parts := []any{topic}
	if flags&2 != 0 {
		parts = append(parts, uint16(7))
	}
	return frame(pktPublish, flags, append(parts, []byte(payload))...)
}

func TestTheRunnerFailsWhereAServerIsWrongOverMQTT(t *testing.T) {
	const (
		neutral = "A title\n\nrows: 1-a\nover: mqtt\n-- device get p --\n{}\n-- accepted --\n{\"inProgressJobs\":[],\"queuedJobs\":[]}\n"
		refusal = "A title\n\nrows: 1-a\nover: mqtt\n-- device get p --\n{}\n-- rejected InvalidRequest --\n"
		rawStep = "A title\n\nrows: 1-a\nover: mqtt\n-- connect p --\n-- publish p $aws/things/p/jobs/get qos=1 --\n{}\n-- receive p $aws/things/p/jobs/get/accepted qos=1 --\n{\"timestamp\":\"T\"}\n"
		request = "$aws/things/p/jobs/get"
		topic   = request + "/accepted"
		good    = `{"clientToken":"token-1","timestamp":1760000000,"inProgressJobs":[],"queuedJobs":[]}`
		refused = `{"code":"InvalidRequest","message":"no","clientToken":"token-1","timestamp":1760000000}`
	)
	one := func(flags byte, topic, payload string) [][]byte { return [][]byte{publishFrame(flags, topic, payload)} }
	for name, c := range map[string]struct {
		file    string
		replies [][]byte
		want    string // empty: it passes
	}{
		"a right reply passes":          {neutral, one(0, topic, good), ""},
		"a doubled reply":               {neutral, append(one(0, topic, good), one(0, topic, good)...), "messages that nobody expected"},
		"another QoS":                   {neutral, one(2, topic, good), "has qos 1, retain false"},
		"retained":                      {neutral, one(1, topic, good), "retain true"},
		"a duplicate":                   {neutral, one(8, topic, good), "dup true"},
		"another topic":                 {neutral, one(0, request+"/rejected", good), "want topic " + topic},
		"another thing's topic":         {neutral, one(0, "$aws/things/q/jobs/get/accepted", good), "want topic " + topic},
		"no token":                      {neutral, one(0, topic, `{"timestamp":1760000000,"inProgressJobs":[],"queuedJobs":[]}`), `want clientToken "token-1"`},
		"another time":                  {neutral, one(0, topic, strings.Replace(good, "1760000000", "1760000001", 1)), "want timestamp 1760000000"},
		"milliseconds":                  {neutral, one(0, topic, strings.Replace(good, "1760000000", "1760000000678", 1)), "want timestamp 1760000000"},
		"time before token":             {neutral, one(0, topic, `{"timestamp":1760000000,"clientToken":"token-1","inProgressJobs":[],"queuedJobs":[]}`), "accepted begins with"},
		"a key too many":                {neutral, one(0, topic, strings.Replace(good, `"queuedJobs":[]`, `"queuedJobs":[],"execution":null`, 1)), "one too many"},
		"a key missing":                 {neutral, one(0, topic, `{"clientToken":"token-1","timestamp":1760000000,"inProgressJobs":[]}`), `"queuedJobs" is missing`},
		"a right refusal passes":        {refusal, one(0, request+"/rejected", refused), ""},
		"another code":                  {refusal, one(0, request+"/rejected", strings.Replace(refused, "InvalidRequest", "InvalidJson", 1)), `want code "InvalidRequest"`},
		"a refusal with a state":        {refusal, one(0, request+"/rejected", strings.Replace(refused, "}", `,"executionState":{}}`, 1)), "one too many"},
		"a refusal without a message":   {refusal, one(0, request+"/rejected", strings.Replace(refused, `"message":"no",`, "", 1)), `"message" is missing`},
		"a raw reply at its QoS passes": {rawStep, one(2, topic, `{"timestamp":1760000000}`), ""},
		"a raw reply at another QoS":    {rawStep, one(0, topic, `{"timestamp":1760000000}`), "it has qos 0"},
		"a raw reply twice":             {rawStep, append(one(2, topic, `{"timestamp":1760000000}`), one(2, topic, `{"timestamp":1760000000}`)...), "nobody expected"},
		"no refusal looked at":          {"A title\n\nrows: 1-a\nover: mqtt\n-- device get p --\n{}\n", one(0, topic, good), "has no accepted or rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, http.NotFound)
			f.replies[request] = c.replies
			verdict(t, c.file, MQTT, f, c.want)
		})
	}
}

func TestTheRunnerFailsWhereAServerIsWrongOverHTTP(t *testing.T) {
	const (
		neutral = "A title\n\nrows: 1-a\nover: http\n-- device update p j --\n{\"status\":\"FAILED\"}\n-- accepted --\n{\"jobDocument\":{\"a\":1}}\n"
		refusal = "A title\n\nrows: 1-a\nover: http\n-- device update p j --\n{}\n-- rejected VersionMismatch --\n"
	)
	type headers map[string]string
	right := headers{"Content-Type": "application/json", "x-amzn-RequestId": "1"}
	wrong := headers{"Content-Type": "application/json", "x-amzn-RequestId": "1", "x-amzn-ErrorType": "InvalidStateTransitionException"}
	for name, c := range map[string]struct {
		file    string
		status  int
		headers headers
		body    string
		want    string
	}{
		"a right answer passes":      {neutral, 200, right, `{"jobDocument":"{\"a\":1}"}`, ""},
		"a document as an object":    {neutral, 200, right, `{"jobDocument":{"a":1}}`, "must be a string"},
		"no request id":              {neutral, 200, headers{"Content-Type": "application/json"}, `{"jobDocument":"{\"a\":1}"}`, "no x-amzn-RequestId"},
		"HTML":                       {neutral, 200, headers{"Content-Type": "text/html", "x-amzn-RequestId": "1"}, `{"jobDocument":"{\"a\":1}"}`, "Content-Type"},
		"an error in a 200":          {neutral, 200, wrong, `{"jobDocument":"{\"a\":1}"}`, "must come with an error"},
		"a timestamp":                {neutral, 200, right, `{"timestamp":1760000000,"jobDocument":"{\"a\":1}"}`, "one too many"},
		"a right refusal passes":     {refusal, 409, wrong, `{"message":"no","code":"VersionMismatch"}`, ""},
		"a refusal without its code": {refusal, 409, wrong, `{"message":"no"}`, `want code "VersionMismatch"`},
		"another status":             {refusal, 400, wrong, `{"message":"no","code":"VersionMismatch"}`, "want 409"},
		"an error without its type":  {refusal, 409, right, `{"message":"no","code":"VersionMismatch"}`, "must come with an error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range c.headers {
					w.Header().Set(k, v)
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body)) // a client that left fails on its own
			})
			verdict(t, c.file, HTTP, f, c.want)
		})
	}
}

// verdict runs a file against a target and holds the outcome against want.
func verdict(t *testing.T, file string, over Protocol, target Target, want string) {
	t.Helper()
	c, err := Parse("x", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	err = Run(c, over, target)
	switch {
	case want == "" && err != nil:
		t.Errorf("want it to pass, got %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "x.txtar")):
		t.Errorf("got %v, want it to say %q and where", err, want)
	}
}
