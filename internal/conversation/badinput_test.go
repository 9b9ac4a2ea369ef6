package conversation

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// bench is a server with one thing, one queued job, and what is known of them:
// bad input must change none of it.
type bench struct {
	*runner
	before string
}

const benchTopic = "$aws/things/pump-7/jobs/fw-42/update"

func newBench(t *testing.T) *bench { return newBenchWith(t, `{"op":"flash"}`) }

// newBenchWith is newBench with a document of the job.
func newBenchWith(t *testing.T, document string) *bench {
	t.Helper()
	target := startServer(t, nil)
	b := &bench{runner: &runner{
		over: MQTT, target: target, start: target.Now(),
		http:   &http.Client{Timeout: patience, Transport: &http.Transport{}},
		raw:    map[string]*client{},
		pushes: map[string][]message{},
		// Every push would be an unexpected one.
		conv: Conversation{Steps: []Step{{Verb: "silence"}}},
	}}
	t.Cleanup(b.close)
	for _, err := range []error{
		b.listen(),
		b.things([]string{"pump-7"}),
		b.createJob("fw-42", []string{"pump-7"}, document, 10, ""),
		b.queued("fw-42", 1),
		b.forget(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b.before = b.state(t)
	return b
}

// state is what device and operator can see of the job.
func (b *bench) state(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, q := range []request{
		{method: "GET", path: "/things/pump-7/jobs"},
		{method: "GET", path: "/things/pump-7/jobs/fw-42"},
		{method: "GET", path: "/things/pump-7/jobs/fw-42", service: "iot"},
		{method: "GET", path: "/jobs/fw-42/things", service: "iot"},
	} {
		a, err := b.do(q)
		if err != nil {
			t.Fatal(err)
		}
		if a.status != http.StatusOK {
			t.Fatalf("%s was answered %s", q, a)
		}
		all.Write(a.body)
		all.WriteByte('\n')
	}
	return all.String()
}

// unchanged holds the state against what it was, and that nobody was told
// anything.
func (b *bench) unchanged(t *testing.T) {
	t.Helper()
	if now := b.state(t); now != b.before {
		t.Errorf("bad input changed the state\nfrom %s\nto   %s", b.before, now)
	}
	if err := b.silence(); err != nil {
		t.Error(err)
	}
}

func (b *bench) dial(t *testing.T, id string, v5 bool) *client {
	t.Helper()
	c, err := dial(b.target.MQTTAddr(), connectOptions{id: id, v5: v5})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	if err := c.welcomed(false); err != nil {
		t.Fatal(err)
	}
	return c
}

// rejection sends a payload that must be refused, and gives the code.
func (b *bench) rejection(t *testing.T, c *client, payload string) string {
	t.Helper()
	if _, err := c.publish(benchTopic, []byte(payload), publishOptions{qos: 1}); err != nil {
		t.Fatal(err)
	}
	m, err := c.next()
	if err != nil {
		t.Fatal(err)
	}
	return rejectionCode(t, m, benchTopic)
}

func rejectionCode(t *testing.T, m message, topic string) string {
	t.Helper()
	got, err := decode(m.payload)
	o, ok := got.(*object)
	if err != nil || !ok || m.topic != topic+"/rejected" {
		t.Fatalf("%.200q was answered at %.300q with %.200q (%v), want a rejection", topic, m.topic, m.payload, err)
	}
	code, _ := o.values["code"].(string) // not a string: no code that a test wants
	return code
}

func TestBadBodiesAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	deep := func(n int) string {
		return `{"status":"SUCCEEDED","x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	for _, row := range []struct {
		name, body string
		codes      string // any of these
	}{
		{"deep JSON, closed", deep(50_000), "InvalidJson"},
		{"deep JSON, open", `{"status":"SUCCEEDED","x":` + strings.Repeat("[", 100_000), "InvalidJson"},
		{"deep objects, open", strings.Repeat(`{"a":`, 20_000), "InvalidJson"},
		{"deep details", `{"status":"SUCCEEDED","statusDetails":` + strings.Repeat(`{"a":`, 5_000) + "1" + strings.Repeat("}", 5_000) + `}`, "InvalidRequest InvalidJson"},
		{"a duplicate key", `{"status":"SUCCEEDED","status":"SUCCEEDED"}`, "InvalidJson"},
		{"a duplicate key, escaped", `{"status":"SUCCEEDED","stat\u0075s":"SUCCEEDED"}`, "InvalidJson"},
		{"a duplicate key in details", `{"status":"SUCCEEDED","statusDetails":{"a":"1","a":"1"}}`, "InvalidJson"},
		{"bad UTF-8 in a value", "{\"status\":\"SUCCEEDED\",\"statusDetails\":{\"a\":\"\xc3\x28\"}}", "InvalidJson"},
		{"bad UTF-8 in a key", "{\"status\":\"SUCCEEDED\",\"\xff\":1}", "InvalidJson"},
		{"bad UTF-8 in a surrogate", `{"status":"SUCCEEDED","statusDetails":{"a":"\ud800"}}`, "InvalidJson"},
		{"UTF-16", "\xff\xfe{\x00}\x00", "InvalidJson"},
		{"a byte order mark", "\xef\xbb\xbf{\"status\":\"SUCCEEDED\"}", "InvalidJson"},
		{"a NUL behind", "{\"status\":\"SUCCEEDED\"}\x00", "InvalidJson"},
		{"a comment", `{"status":"SUCCEEDED"/**/}`, "InvalidJson"},
		{"single quotes", `{'status':'SUCCEEDED'}`, "InvalidJson"},
		{"a trailing comma", `{"status":"SUCCEEDED",}`, "InvalidJson"},
		{"a huge number", `{"status":"SUCCEEDED","expectedVersion":` + strings.Repeat("9", 1000) + `}`, "InvalidRequest"},
		{"a huge exponent", `{"status":"SUCCEEDED","expectedVersion":1e999999}`, "InvalidRequest"},
		{"a number beyond long", `{"status":"SUCCEEDED","expectedVersion":9223372036854775808}`, "InvalidRequest"},
		{"NaN", `{"status":"SUCCEEDED","expectedVersion":NaN}`, "InvalidJson"},
		{"120 KB of keys", `{"status":"SUCCEEDED","statusDetails":{` + manyPairs(8_000) + `}}`, "InvalidRequest"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := b.dial(t, "bad-body", false)
			if code := b.rejection(t, c, row.body); !strings.Contains(" "+row.codes+" ", " "+code+" ") {
				t.Errorf("MQTT: code %q, want %s", code, row.codes)
			}
			if err := b.quiet("the client", c); err != nil {
				t.Error(err)
			}
			a, err := b.do(request{method: "POST", path: "/things/pump-7/jobs/fw-42", body: row.body})
			if err != nil {
				t.Fatal(err)
			}
			if a.status != 400 || a.errorType != "InvalidRequestException" {
				t.Errorf("HTTPS: %.300s, want 400 InvalidRequestException", a)
			}
			b.unchanged(t)
		})
	}
}

func manyPairs(n int) string {
	var pairs []string
	for i := range n {
		pairs = append(pairs, fmt.Sprintf(`"k%d":"v"`, i))
	}
	return strings.Join(pairs, ",")
}

func TestAPayloadOfAMegabyteEndsTheConnectionAndChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	body := `{"status":"SUCCEEDED","statusDetails":{"a":"` + strings.Repeat("x", 1<<20) + `"}}`
	for _, v5 := range []bool{false, true} {
		c := b.dial(t, "megabyte", v5)
		// The server may close while this is being written: that is its answer.
		_, _ = c.publish(benchTopic, []byte(body), publishOptions{qos: 1})
		if err := c.wait(func() bool { return c.ended != nil }); err != nil {
			t.Errorf("v5=%t: the connection is open: %v", v5, err)
		}
		if m := c.waiting(); len(m) > 0 {
			t.Errorf("v5=%t: it was answered %s", v5, m[0].topic)
		}
	}
	a, err := b.do(request{method: "POST", path: "/things/pump-7/jobs/fw-42", body: body})
	if err != nil {
		t.Fatal(err)
	}
	if a.status/100 != 4 {
		t.Errorf("HTTPS: %.300s, want a refusal", a)
	}
	b.unchanged(t)
}

// A nearMiss is a topic that is almost an operation, and what a publish to it
// must come to.
type nearMiss struct {
	topic string
	want  string // rejected: an answer at topic/rejected; closed: the end; ignored: neither
}

// nearMisses makes the table: each mutation of each operation's topic, under a
// payload that would end the job if it were taken.
func nearMisses() []nearMiss {
	const root = "$aws/things/pump-7/jobs/"
	var all []nearMiss
	add := func(topic, want string) { all = append(all, nearMiss{topic, want}) }
	for _, op := range []string{"get", "start-next", "fw-42/get", "fw-42/update", "$next/get"} {
		for _, suffix := range []string{"/", "s", " ", "/x", "/x/y", "/accept", "/get/x/y", ".", "?a=b", "%20", "/%2e%2e/update", "//", "é", "-next"} {
			add(root+op+suffix, "rejected")
		}
		upper := strings.ToUpper(op)
		add(root+upper, "rejected")
		add(root+"/"+op, "rejected")
		add(root+strings.Replace(op, "/", "//", 1)+"/", "rejected")
		for _, suffix := range []string{"/accepted", "/rejected"} {
			add(root+op+suffix, "closed")
		}
		for _, suffix := range []string{"/+", "/#", "\x00", "\xff"} {
			add(root+op+suffix, "closed") // no topic name at all (MQTT 3.3.2.1)
		}
		for _, prefix := range []string{"aws/things/pump-7/jobs/", "/$aws/things/pump-7/jobs/", "things/pump-7/jobs/", " $aws/things/pump-7/jobs/"} {
			add(prefix+op, "ignored")
		}
		for _, prefix := range []string{"$AWS/things/pump-7/jobs/", "$aws/thing/pump-7/jobs/", "$aws/things/pump-7/job/", "$aws/things/pump-7/Jobs/", "$aws//things/pump-7/jobs/", "$aws/things/pump-7//jobs/", "$aws/things/jobs/", "$drover/things/pump-7/jobs/"} {
			add(prefix+op, "any") // 6.5 is a later issue: closed or dropped, never executed
		}
		add("$aws/things//jobs/"+op, "rejected")
		add("$aws/things/pump 7/jobs/"+op, "rejected")
		add("$aws/things/"+strings.Repeat("t", 129)+"/jobs/"+op, "rejected")
		add("$aws/things/pump-7\u00a0/jobs/"+op, "rejected")
	}
	for _, id := range []string{"fw.42", "fw 42", "fw:42", "fw-42é", "$Next", "$next2", "$", strings.Repeat("j", 65), "%66w-42", "..", ""} {
		add(root+id+"/update", "rejected")
		add(root+id+"/get", "rejected")
	}
	add(root+"notify", "closed")
	add(root+"notify-next", "closed")
	add(root, "rejected")
	return all
}

func TestTopicsThatAreAlmostAnOperationChangeNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	misses := nearMisses()
	if len(misses) < 200 {
		t.Fatalf("the table has %d topics, want 200", len(misses))
	}
	seen := map[string]bool{}
	var c *client
	for _, miss := range misses {
		if seen[miss.topic] {
			continue
		}
		seen[miss.topic] = true
		if c == nil || !c.alive() {
			c = b.dial(t, "near-miss", false)
		}
		if got := b.outcome(t, c, miss); got != miss.want && miss.want != "any" {
			t.Errorf("%.200q: %s, want %s", miss.topic, got, miss.want)
		}
	}
	if len(seen) < 200 {
		t.Errorf("%d different topics, want 200", len(seen))
	}
	b.unchanged(t)
}

// outcome publishes to the topic and says what became of it. A reply, where one
// is due, is waited for; that none comes is known from the answer to a request
// behind it, for requests of a connection are answered in order.
func (b *bench) outcome(t *testing.T, c *client, miss nearMiss) string {
	t.Helper()
	const marker = "$aws/things/pump-7/jobs/get"
	_, _ = c.publish(miss.topic, []byte(`{"status":"SUCCEEDED"}`), publishOptions{}) // a closed connection is an outcome
	_, _ = c.publish(marker, []byte(`{"clientToken":"behind"}`), publishOptions{})
	var got []message
	for {
		m, err := c.next()
		if err != nil {
			if c.alive() {
				t.Fatalf("%.200q: %v", miss.topic, err)
			}
			if len(got) > 0 {
				t.Errorf("%.200q: before the end came %s", miss.topic, got[0].topic)
			}
			return "closed"
		}
		if m.topic == marker+"/accepted" && bytes.Contains(m.payload, []byte(`"behind"`)) {
			break
		}
		got = append(got, m)
	}
	switch len(got) {
	case 0:
		return "ignored"
	case 1:
		if code := rejectionCode(t, got[0], miss.topic); code != "InvalidTopic" && code != "InvalidRequest" {
			t.Errorf("%.200q: code %s, want InvalidTopic or InvalidRequest", miss.topic, code)
		}
		return "rejected"
	}
	t.Errorf("%.200q: %d answers, first at %s", miss.topic, len(got), got[0].topic)
	return "rejected"
}

func TestAClientThatNeverFinishesConnectIsClosed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	whole := connectPacket(connectOptions{id: "slow", persistent: true})
	var halves []net.Conn
	for n := range len(whole) { // from nothing at all to one byte short
		conn, err := net.Dial("tcp", b.target.MQTTAddr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(whole[:n]); err != nil {
			t.Fatal(err)
		}
		halves = append(halves, conn)
	}
	b.rejection(t, b.dial(t, "quick", false), "nonsense") // the others are served meanwhile
	for n, conn := range halves {
		if err := conn.SetReadDeadline(time.Now().Add(3 * patience)); err != nil {
			t.Fatal(err)
		}
		if got, err := conn.Read(make([]byte, 1)); got != 0 || isTimeout(err) {
			t.Errorf("after %d bytes of CONNECT: %d bytes, %v; want the connection closed", n, got, err)
		}
	}
	b.unchanged(t)
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

func TestAClientThatNeverReadsHarmsNobodyAndIsClosed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	stuck, err := net.Dial("tcp", b.target.MQTTAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	if err := stuck.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	for _, p := range [][]byte{
		connectPacket(connectOptions{id: "stuck"}),
		frame(pktSubscribe, 2, uint16(1), "plant/#", byte(1)),
	} {
		if _, err := stuck.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	loud := b.dial(t, "loud", false)
	payload := bytes.Repeat([]byte("x"), 100_000)
	for range 300 { // 30 MB, more than any socket and queue hold
		id, err := loud.publish("plant/noise", payload, publishOptions{qos: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := loud.acknowledged(id, pktPuback); err != nil {
			t.Fatalf("the publisher waits for a subscriber that does not read: %v", err)
		}
	}
	for { // until the server closes it; how soon, a busy machine decides
		if _, err := stuck.Write(frame(pktPingreq, 0)); err != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.unchanged(t)
}

func TestAClientThatAsksAndNeverReadsIsBoundedAndClosed(t *testing.T) {
	t.Parallel()
	// Long answers, so that few of them fill what the kernel holds (megabytes).
	b := newBenchWith(t, `{"op":"`+strings.Repeat("x", 30_000)+`"}`)
	stuck, err := net.Dial("tcp", b.target.MQTTAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	if err := stuck.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	if _, err := stuck.Write(connectPacket(connectOptions{id: "stuck"})); err != nil {
		t.Fatal(err)
	}
	ask := bytes.Repeat(publishFrame(0, "$aws/things/pump-7/jobs/fw-42/get", `{}`), 100)
	for { // until the server closes it; how soon, a busy machine decides
		if _, err := stuck.Write(ask); err != nil {
			break
		}
	}
	b.unchanged(t)
}
