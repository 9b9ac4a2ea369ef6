package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/drover-iot/drover/internal/sim/packet"
)

// rawDevice is the connection of the thing pump-7, packet by packet.
type rawDevice struct {
	t    *testing.T
	s    *Server
	nc   net.Conn
	in   []byte
	id   uint16
	seen []string
}

// started is a server with the job fw, IN_PROGRESS on pump-7 at version 2, and
// the device that listens.
func started(t *testing.T) *rawDevice {
	t.Helper()
	s := begin(t, virtualConfig())
	op := operator(t, s)
	createThing(t, op, "pump-7")
	createThing(t, op, "marker")
	createJob(t, s, "fw", "", "pump-7")
	advance(t, s, `{"by":0}`)
	d := dialDevice(t, s)
	d.say("start-next", "{}")
	d.want("PUBACK 2", "start-next/accepted")
	return d
}

func dialDevice(t *testing.T, s *Server) *rawDevice {
	t.Helper()
	nc, err := net.Dial("tcp", s.addrs.MQTT)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	d := &rawDevice{t: t, s: s, nc: nc}
	b := packet.AppendConnect(nil, packet.Login{ClientID: "pump-7", Clean: true})
	d.id++
	d.write(packet.AppendSubscribe(b, d.id, 1, "$aws/things/pump-7/jobs/notify", "$aws/things/pump-7/jobs/notify-next"))
	return d
}

func (d *rawDevice) write(b []byte) {
	d.t.Helper()
	if _, err := d.nc.Write(b); err != nil {
		d.t.Fatal(err)
	}
}

// say publishes a request at QoS 1.
func (d *rawDevice) say(what, body string) {
	d.t.Helper()
	d.id++
	d.write(packet.AppendPublish(nil, "$aws/things/pump-7/jobs/"+what, 1, d.id, []byte(body)))
}

// next reads one packet as a line; "CLOSED" when the server has ended it.
func (d *rawDevice) next() string {
	d.t.Helper()
	for {
		p, n, err := packet.Next(d.in)
		if err != nil {
			d.t.Fatal(err)
		}
		if n > 0 {
			line := d.line(p)
			d.in = d.in[n:]
			return line
		}
		if err := d.nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
			d.t.Fatal(err)
		}
		buf := make([]byte, 4096)
		k, err := d.nc.Read(buf)
		d.in = append(d.in, buf[:k]...)
		if k == 0 && err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				d.t.Fatalf("the server says nothing; so far %q", d.seen)
			}
			return "CLOSED"
		}
	}
}

func (d *rawDevice) line(p packet.Packet) string {
	switch p.Type {
	case packet.Connack:
		return "CONNACK"
	case packet.Suback:
		return "SUBACK"
	case packet.Puback:
		id, _ := p.ID()
		return fmt.Sprintf("PUBACK %d", id)
	case packet.Publish:
		m, err := p.Message()
		if err != nil {
			d.t.Fatal(err)
		}
		if m.QoS > 0 {
			d.write(packet.AppendPuback(nil, m.ID))
		}
		var body struct {
			ClientToken    string
			Code           string
			ExecutionState *struct {
				Status        string
				VersionNumber int
			}
		}
		if err := json.Unmarshal(m.Payload, &body); err != nil {
			d.t.Fatalf("%s %s: %v", m.Topic, m.Payload, err)
		}
		line := strings.TrimPrefix(string(m.Topic), "$aws/things/pump-7/jobs/")
		for _, part := range []string{body.ClientToken, body.Code} {
			if part != "" {
				line += " " + part
			}
		}
		if st := body.ExecutionState; st != nil {
			line += fmt.Sprintf(" %s v%d", st.Status, st.VersionNumber)
		}
		return line
	}
	return fmt.Sprintf("packet %d", p.Type)
}

// lines are the packets that came, up to the answer of a request that is sent
// now: what was asked and caused before has been answered by then.
func (d *rawDevice) lines() (got []string) {
	d.t.Helper()
	const marker = "$aws/things/marker/jobs/get"
	d.id++
	_, _ = d.nc.Write(packet.AppendPublish(nil, marker, 0, 0, nil)) // it fails where the connection is closed
	for {
		switch line := d.next(); line {
		case "CONNACK", "SUBACK":
		case marker + "/accepted":
			return got
		case "CLOSED":
			return append(got, line)
		default:
			got = append(got, line)
			d.seen = append(d.seen, line)
		}
	}
}

func (d *rawDevice) want(want ...string) {
	d.t.Helper()
	wantLines(d.t, d.lines(), want...)
}

func inject(t *testing.T, s *Server, body string) string {
	t.Helper()
	var out struct{ ID string }
	if err := json.Unmarshal([]byte(succeed(t, s, "POST", "/drover/v1/faults", body)), &out); err != nil {
		t.Fatal(err)
	}
	return out.ID
}

// did is the report: one line for each injection.
func did(t *testing.T, s *Server) (lines []string) {
	t.Helper()
	var out struct {
		Injected []struct{ Fault, Operation, Direction, Over, JobID, Did string }
	}
	if err := json.Unmarshal([]byte(succeed(t, s, "GET", "/drover/v1/faults/report", "")), &out); err != nil {
		t.Fatal(err)
	}
	for _, i := range out.Injected {
		lines = append(lines, fmt.Sprintf("%s %s of %s over %s: %s", i.Fault, i.Direction, i.Operation, i.Over, i.Did))
	}
	return lines
}

func TestRequestsAndResponsesAreDisturbedOverMQTT(t *testing.T) {
	const report = `{"status":"IN_PROGRESS","clientToken":"a","includeJobExecutionState":true}`
	for _, row := range []struct {
		name, fault string
		play        func(d *rawDevice)
		did         string // what the report says of the first injection
	}{
		{"a request is dropped: acknowledged, and forgotten", `{"kind":"drop","operation":"update"}`, func(d *rawDevice) {
			d.say("fw/update", report)
			d.want("PUBACK 4")
			d.say("fw/update", report)
			d.want("PUBACK 6", "fw/update/accepted a IN_PROGRESS v3")
		}, "fault-1 request of update over mqtt: the PUBLISH was acknowledged and forgotten"},
		{"a request is delayed in domain time", `{"kind":"delay","operation":"update","by":"90s"}`, func(d *rawDevice) {
			d.say("fw/update", report)
			d.want("PUBACK 4")
			advance(d.t, d.s, `{"by":"89s"}`)
			d.want()
			advance(d.t, d.s, `{"by":"1s"}`)
			d.want("fw/update/accepted a IN_PROGRESS v3")
		}, "fault-1 request of update over mqtt: the PUBLISH was acknowledged, and carried out 1m30s later"},
		{"a request is carried out twice", `{"kind":"duplicate","operation":"update"}`, func(d *rawDevice) {
			d.say("fw/update", `{"status":"IN_PROGRESS","clientToken":"a","expectedVersion":2}`)
			d.want("PUBACK 4", "fw/update/accepted a", "fw/update/rejected a VersionMismatch IN_PROGRESS v3")
		}, "fault-1 request of update over mqtt: the request was carried out twice"},
		{"two requests change places", `{"kind":"reorder","operation":"update"}`, func(d *rawDevice) {
			d.say("fw/update", report)
			d.want("PUBACK 4")
			d.say("fw/update", `{"status":"IN_PROGRESS","clientToken":"b","includeJobExecutionState":true}`)
			d.want("PUBACK 6", "fw/update/accepted b IN_PROGRESS v3", "fw/update/accepted a IN_PROGRESS v4")
		}, "fault-1 request of update over mqtt: the PUBLISH was acknowledged, and carried out after the thing's next request"},
		{"a request is answered with a code", `{"kind":"answer","operation":"get","code":"InternalError","message":"as if"}`, func(d *rawDevice) {
			d.say("get", `{"clientToken":"a"}`)
			d.want("PUBACK 4", "get/rejected a InternalError")
		}, "fault-1 request of get over mqtt: the request was not carried out, and rejected"},
		{"a code that has a state comes with the state", `{"kind":"answer","operation":"update","code":"InvalidStateTransition"}`, func(d *rawDevice) {
			d.say("fw/update", report)
			d.want("PUBACK 4", "fw/update/rejected a InvalidStateTransition IN_PROGRESS v2")
		}, "fault-1 request of update over mqtt: the request was not carried out, and rejected"},
		{"n requests are throttled", `{"kind":"throttle","count":2}`, func(d *rawDevice) {
			d.say("fw/update", report)
			d.say("get", `{"clientToken":"b"}`)
			d.say("fw/get", `{"clientToken":"c"}`)
			d.want("PUBACK 4", "fw/update/rejected a RequestThrottled", "PUBACK 5", "get/rejected b RequestThrottled",
				"PUBACK 6", "fw/get/accepted c")
		}, "fault-1 request of update over mqtt: the request was not carried out, and rejected with RequestThrottled"},
		{"what is above a rate is throttled", `{"kind":"throttle","operation":"get","perSecond":2}`, func(d *rawDevice) {
			ask := func() {
				for range 3 {
					d.say("get", "")
				}
			}
			ask()
			d.want("PUBACK 4", "get/accepted", "PUBACK 5", "get/accepted", "PUBACK 6", "get/rejected RequestThrottled")
			advance(d.t, d.s, `{"by":"500ms"}`)
			ask()
			d.want("PUBACK 8", "get/accepted", "PUBACK 9", "get/rejected RequestThrottled", "PUBACK 10", "get/rejected RequestThrottled")
		}, "fault-1 request of get over mqtt: the request was not carried out, and rejected with RequestThrottled"},
		{"the connection is lost before a request took effect", `{"kind":"disconnect","operation":"update"}`, func(d *rawDevice) {
			d.say("fw/update", report)
			d.want("CLOSED")
			d.hasVersion(2)
		}, "fault-1 request of update over mqtt: the connection was closed, the request not carried out and not acknowledged"},
		{"the connection is lost after a request took effect", `{"kind":"disconnect","operation":"update","direction":"response"}`, func(d *rawDevice) {
			d.say("fw/update", report)
			d.want("CLOSED")
			d.hasVersion(3)
		}, "fault-1 response of update over mqtt: the request was carried out, the connection closed without acknowledgement and response"},
		{"a version is stale, for another has really changed the execution", `{"kind":"staleVersion","operation":"update"}`, func(d *rawDevice) {
			d.say("fw/update", `{"status":"SUCCEEDED","expectedVersion":2,"clientToken":"a"}`)
			d.want("PUBACK 4", "fw/update/rejected a VersionMismatch IN_PROGRESS v3")
			d.say("fw/update", `{"status":"SUCCEEDED","expectedVersion":3,"clientToken":"a"}`)
			d.want("PUBACK 6", "fw/update/accepted a", "notify", "notify-next")
		}, "fault-1 request of update over mqtt: version 2 became 3 before the request was carried out"},
		{"a response is lost after its request took effect", `{"kind":"drop","operation":"update","direction":"response"}`, func(d *rawDevice) {
			d.say("fw/update", report)
			d.want("PUBACK 4")
			d.hasVersion(3)
		}, "fault-1 response of update over mqtt: the request was acknowledged and carried out, its response PUBLISH never sent"},
		{"a response is late", `{"kind":"delay","operation":"update","direction":"response","by":5}`, func(d *rawDevice) {
			d.say("fw/update", report)
			d.want("PUBACK 4")
			d.hasVersion(3)
			advance(d.t, d.s, `{"by":"5s"}`)
			d.want("fw/update/accepted a IN_PROGRESS v3")
		}, "fault-1 response of update over mqtt: the response PUBLISH was sent 5s late"},
		{"a response comes twice", `{"kind":"duplicate","direction":"response"}`, func(d *rawDevice) {
			d.say("fw/update", report)
			d.want("PUBACK 4", "fw/update/accepted a IN_PROGRESS v3", "fw/update/accepted a IN_PROGRESS v3")
		}, "fault-1 response of update over mqtt: the response PUBLISH was sent twice"},
		{"two responses change places", `{"kind":"reorder","direction":"response"}`, func(d *rawDevice) {
			d.say("fw/update", report)
			d.say("get", `{"clientToken":"b"}`)
			d.want("PUBACK 4", "PUBACK 5", "get/accepted b", "fw/update/accepted a IN_PROGRESS v3")
		}, "fault-1 response of update over mqtt: the response PUBLISH was sent after the thing's next response"},
		{"a request took effect and is rejected all the same", `{"kind":"answer","direction":"response","code":"InternalError"}`, func(d *rawDevice) {
			d.say("fw/update", report)
			d.want("PUBACK 4", "fw/update/rejected a InternalError")
			d.hasVersion(3)
		}, "fault-1 response of update over mqtt: the request was carried out, and a rejection sent"},
		{"what is held goes when its rule is deleted", `{"kind":"reorder","operation":"update"}`, func(d *rawDevice) {
			d.say("fw/update", report)
			d.want("PUBACK 4")
			succeed(d.t, d.s, "DELETE", "/drover/v1/faults/fault-1", "")
			d.want("fw/update/accepted a IN_PROGRESS v3")
		}, "fault-1 request of update over mqtt: the PUBLISH was acknowledged, and carried out after the thing's next request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := started(t)
			inject(t, d.s, strings.Replace(row.fault, "{", `{"thing":"pump-7",`, 1))
			row.play(d)
			if lines := did(t, d.s); len(lines) == 0 || lines[0] != row.did {
				t.Errorf("the report says %q, want first %q", lines, row.did)
			}
		})
	}
}

// hasVersion reads the execution as an operator does.
func (d *rawDevice) hasVersion(want int) {
	d.t.Helper()
	if got := succeed(d.t, d.s, "GET", "/things/pump-7/jobs/fw", ""); !strings.Contains(got, fmt.Sprintf(`"versionNumber":%d`, want)) {
		d.t.Errorf("the execution is %s, want version %d", got, want)
	}
}

func TestNotificationsAreDisturbed(t *testing.T) {
	finish := func(d *rawDevice, id string) { d.say(id+"/update", `{"status":"SUCCEEDED"}`) }
	for _, row := range []struct {
		name, fault string
		play        func(d *rawDevice)
		did         string
	}{
		{"one is lost", `{"kind":"drop","operation":"notify-next"}`, func(d *rawDevice) {
			finish(d, "fw")
			d.want("PUBACK 4", "fw/update/accepted", "notify")
		}, "fault-1 notification of notify-next over mqtt: the notification PUBLISH was never sent"},
		{"one comes twice", `{"kind":"duplicate","operation":"notify"}`, func(d *rawDevice) {
			finish(d, "fw")
			d.want("PUBACK 4", "fw/update/accepted", "notify", "notify", "notify-next")
		}, "fault-1 notification of notify over mqtt: the notification PUBLISH was sent twice"},
		{"one is late", `{"kind":"delay","operation":"any","direction":"notification","by":"1m"}`, func(d *rawDevice) {
			finish(d, "fw")
			d.want("PUBACK 4", "fw/update/accepted", "notify-next")
			advance(d.t, d.s, `{"by":"1m"}`)
			d.want("notify")
		}, "fault-1 notification of notify over mqtt: the notification PUBLISH was sent 1m0s late"},
		{"two change places", `{"kind":"reorder","direction":"notification"}`, func(d *rawDevice) {
			finish(d, "fw")
			d.want("PUBACK 4", "fw/update/accepted", "notify-next", "notify")
		}, "fault-1 notification of notify over mqtt: the notification PUBLISH was sent after the thing's next notification"},
		{"the connection is lost before one", `{"kind":"disconnect","operation":"notify-next"}`, func(d *rawDevice) {
			finish(d, "fw")
			lines := d.lines()
			if len(lines) == 0 || lines[len(lines)-1] != "CLOSED" || strings.Contains(strings.Join(lines, " "), "notify-next") {
				d.t.Errorf("got %q, want the end without a notify-next", lines)
			}
		}, "fault-1 notification of notify-next over mqtt: the connection was closed before the notification PUBLISH"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := started(t)
			inject(t, d.s, row.fault)
			row.play(d)
			if lines := did(t, d.s); len(lines) != 1 || lines[0] != row.did {
				t.Errorf("the report says %q, want %q", lines, row.did)
			}
		})
	}
}

func TestConnectionsAreDisturbed(t *testing.T) {
	s := begin(t, virtualConfig())
	createThing(t, operator(t, s), "marker")
	first := func() string { return dialDevice(t, s).next() }
	inject(t, s, `{"kind":"disconnect","operation":"connect","thing":"pump-*"}`)
	inject(t, s, `{"kind":"disconnect","operation":"connect","thing":"pump-7","direction":"response"}`)
	inject(t, s, `{"kind":"throttle","operation":"connect","skip":1}`)
	if got := first(); got != "CLOSED" {
		t.Errorf("in place of CONNACK came %s", got)
	}
	d := dialDevice(t, s)
	if a, b := d.next(), d.next(); a != "CONNACK" || b != "CLOSED" {
		t.Errorf("the connection began with %s, %s, want it closed after CONNACK", a, b)
	}
	if got := first(); got != "CLOSED" {
		t.Errorf("a throttled 3.1.1 connection heard %s", got)
	}
	dialDevice(t, s).want() // and then it works
	wantLines(t, did(t, s),
		"fault-1 request of connect over mqtt: the connection was closed in place of the CONNACK",
		"fault-2 response of connect over mqtt: the connection was closed after the CONNACK",
		"fault-3 request of connect over mqtt: the CONNECT was refused with reason 0x97 on MQTT 5, closed without CONNACK on 3.1.1")
}

func TestFaultsAreListedAndCleared(t *testing.T) {
	d := started(t)
	inject(t, d.s, `{"thing":"pump-7","kind":"drop","operation":"get","count":2}`)
	inject(t, d.s, `{"thing":"pump-*","kind":"answer","code":"ThrottlingException","count":0,"probability":0.5,"seed":7,"skip":1}`)
	d.say("get", "")
	d.want("PUBACK 4")
	want := `{"faults":[` +
		`{"id":"fault-1","thing":"pump-7","operation":"get","direction":"request","kind":"drop","count":2,"probability":1,"seen":1,"injected":1,"remaining":1},` +
		`{"id":"fault-2","thing":"pump-*","operation":"any","direction":"request","kind":"answer","skip":1,"count":0,"probability":0.5,"seed":7,"code":"RequestThrottled","seen":0,"injected":0}]}`
	if got := succeed(t, d.s, "GET", "/drover/v1/faults", ""); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	wantReport := `{"total":1,"injected":[{"at":1760000000,"fault":"fault-1","kind":"drop","thing":"pump-7","operation":"get","direction":"request",` +
		`"over":"mqtt","clientId":"pump-7","did":"the PUBLISH was acknowledged and forgotten"}]}`
	if got := succeed(t, d.s, "GET", "/drover/v1/faults/report", ""); got != wantReport {
		t.Errorf("got  %s\nwant %s", got, wantReport)
	}
	succeed(t, d.s, "DELETE", "/drover/v1/faults/fault-1", "")
	if a := ask(t, d.s, "DELETE", "/drover/v1/faults/fault-1", ""); a.status != 404 || a.kind != "ResourceNotFoundException" {
		t.Errorf("deleted twice: %+v", a)
	}
	succeed(t, d.s, "DELETE", "/drover/v1/faults", "")
	if got := succeed(t, d.s, "GET", "/drover/v1/faults", ""); got != `{"faults":[]}` {
		t.Errorf("after the clearing: %s", got)
	}
	if got := succeed(t, d.s, "GET", "/drover/v1/faults/report", ""); got != `{"total":0,"injected":[]}` {
		t.Errorf("after the clearing: %s", got)
	}
	d.say("get", "")
	d.want("PUBACK 6", "get/accepted")
}

func TestAFaultThatCannotBeMeantIsRefused(t *testing.T) {
	s := begin(t, virtualConfig())
	for _, row := range []struct{ body, says string }{
		{`{}`, `kind is \"\"`},
		{`{"kind":"explode"}`, `kind is \"explode\", expected for the request of \"any\" one of drop, delay`},
		{`{"kind":"drop","operation":"delete"}`, `operation is \"delete\"`},
		{`{"kind":"drop","direction":"sideways"}`, `direction is \"sideways\"`},
		{`{"kind":"drop","operation":"notify","direction":"request"}`, `operation is \"notify\", expected for a request`},
		{`{"kind":"answer","operation":"notify","code":"InternalError"}`, `kind is \"answer\", expected for the notification`},
		{`{"kind":"drop","operation":"connect"}`, `kind is \"drop\", expected for the request of \"connect\" one of throttle, disconnect`},
		{`{"kind":"staleVersion","operation":"get"}`, `is for operation \"update\"`},
		{`{"kind":"answer"}`, `code is \"\"`},
		{`{"kind":"answer","code":"Oops"}`, `code is \"Oops\", expected`},
		{`{"kind":"drop","code":"InternalError"}`, `code is for kind \"answer\"`},
		{`{"kind":"drop","message":"oops"}`, `message is for kind \"answer\"`},
		{`{"kind":"delay"}`, `by is 0s`},
		{`{"kind":"drop","by":"1s"}`, `by is 1s`},
		{`{"kind":"delay","by":"-1s"}`, `is no duration`},
		{`{"kind":"drop","thing":"a*b"}`, `thing is \"a*b\"`},
		{`{"kind":"drop","thing":""}`, `thing is \"\"`},
		{`{"kind":"drop","count":-1}`, `count -1`},
		{`{"kind":"drop","probability":0}`, `probability is 0`},
		{`{"kind":"drop","probability":1.5}`, `probability is 1.5`},
		{`{"kind":"drop","perSecond":1}`, `perSecond is 1`},
		{`{"kind":"reorder","over":"https"}`, `no meaning over HTTPS`},
		{`{"kind":"drop","over":"carrier pigeon"}`, `over is \"carrier pigeon\"`},
		{`{"kind":"drop","times":1}`, `times`},
	} {
		a := ask(t, s, "POST", "/drover/v1/faults", row.body)
		if a.status != 400 || a.kind != "InvalidRequestException" || !strings.Contains(a.body, row.says) {
			t.Errorf("%s: %+v, want 400 with %s", row.body, a, row.says)
		}
	}
}
