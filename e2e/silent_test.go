package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// A silentDevice is a client like coreMQTT under the FreeRTOS libraries: it says
// one packet at a time, subscribes to notify-next and to nothing else, sends
// bodies of no bytes and quotes its numbers (device-plane.md 1.3, 9).
type silentDevice struct {
	thing string
	conn  net.Conn
	in    *bufio.Reader
	id    uint16
}

// connectSilently comes in over TLS with the thing's certificate; with protos, by
// ALPN.
func (s *server) connectSilently(t *testing.T, thing, addr string, protos ...string) *silentDevice {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{
		RootCAs: s.roots(t), Certificates: []tls.Certificate{s.certificate(t, thing)}, NextProtos: protos, ServerName: "localhost",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if got := conn.ConnectionState().NegotiatedProtocol; len(protos) > 0 && got != protos[0] {
		t.Fatalf("the server chose the protocol %q of %q", got, protos)
	}
	conn.SetDeadline(time.Now().Add(patience))
	d := &silentDevice{thing: thing, conn: conn, in: bufio.NewReader(conn)}
	connect := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	connect.ProtocolName, connect.ProtocolVersion = "MQTT", 4
	connect.ClientIdentifier, connect.CleanSession, connect.Keepalive = thing, true, 60
	d.send(t, connect)
	if ack := receive[*packets.ConnackPacket](t, d); ack.ReturnCode != 0 || ack.SessionPresent {
		t.Fatalf("got %v", ack)
	}
	return d
}

func (d *silentDevice) send(t *testing.T, packet packets.ControlPacket) {
	t.Helper()
	if err := packet.Write(d.conn); err != nil {
		t.Fatal(err)
	}
}

// receive is the very next packet, which must be of this kind.
func receive[P packets.ControlPacket](t *testing.T, d *silentDevice) P {
	t.Helper()
	packet, err := packets.ReadPacket(d.in)
	if err != nil {
		t.Fatal(err)
	}
	want, ok := packet.(P)
	if !ok {
		t.Fatalf("got %v, want a %T", packet, want)
	}
	return want
}

func (d *silentDevice) topic(suffix string) string {
	return "$aws/things/" + d.thing + "/jobs/" + suffix
}

func (d *silentDevice) subscribe(t *testing.T, suffix string) {
	t.Helper()
	d.id++
	subscribe := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	subscribe.MessageID, subscribe.Topics, subscribe.Qoss = d.id, []string{d.topic(suffix)}, []byte{1}
	d.send(t, subscribe)
	if ack := receive[*packets.SubackPacket](t, d); ack.MessageID != d.id || len(ack.ReturnCodes) != 1 || ack.ReturnCodes[0] != 1 {
		t.Fatalf("got %v", ack)
	}
}

// ask publishes a request and gives its answer: unasked for, at QoS 0, with no
// flag set (1.4). The acknowledgement of a request at QoS 1 may come before or
// after it.
func (d *silentDevice) ask(t *testing.T, qos byte, suffix, body, wantSuffix, want string) {
	t.Helper()
	request := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	request.TopicName, request.Payload, request.Qos = d.topic(suffix), []byte(body), qos
	if qos > 0 {
		d.id++
		request.MessageID = d.id
	}
	d.send(t, request)
	for left := int(qos) + 1; left > 0; left-- {
		packet, err := packets.ReadPacket(d.in)
		if err != nil {
			t.Fatal(err)
		}
		switch p := packet.(type) {
		case *packets.PubackPacket:
			if qos == 0 || p.MessageID != request.MessageID {
				t.Fatalf("got %v for the request %d at QoS %d", p, request.MessageID, qos)
			}
			qos = 0
		case *packets.PublishPacket:
			if p.TopicName != d.topic(wantSuffix) || p.Qos != 0 || p.Retain || p.Dup {
				t.Fatalf("got %v, want a message on %s at QoS 0", p, wantSuffix)
			}
			if err := match(want, p.Payload); err != nil {
				t.Fatalf("%s: %v", wantSuffix, err)
			}
			wantSuffix = "nothing more"
		default:
			t.Fatalf("got %v", packet)
		}
	}
}

// notified is the next packet: a notification at QoS 1, which it acknowledges.
func (d *silentDevice) notified(t *testing.T, want string) {
	t.Helper()
	p := receive[*packets.PublishPacket](t, d)
	if p.TopicName != d.topic("notify-next") || p.Qos != 1 || p.Retain || p.Dup {
		t.Fatalf("got %v, want notify-next at QoS 1", p)
	}
	if err := match(want, p.Payload); err != nil {
		t.Fatalf("notify-next: %v", err)
	}
	ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
	ack.MessageID = p.MessageID
	d.send(t, ack)
}

// runJob waits for a job that the operator then makes, and runs it to its end.
func (d *silentDevice) runJob(t *testing.T, s *server, job string) {
	t.Helper()
	execution := func(more string) string {
		return fmt.Sprintf(`{"timestamp":"$seconds","execution":{"jobId":%q,"thingName":%q,"queuedAt":"$seconds","lastUpdatedAt":"$seconds",
			"executionNumber":1,"jobDocument":{"op":"flash","job":%q},%s}}`, job, d.thing, job, more)
	}
	const queued, done = `"status":"QUEUED","versionNumber":1`, `{"timestamp":"$seconds"}`
	d.subscribe(t, "notify-next")
	d.ask(t, 0, "$next/get", "", "$next/get/accepted", done)
	s.createJob(t, job, d.thing)
	d.notified(t, execution(queued))
	d.ask(t, 0, "$next/get", "", "$next/get/accepted", execution(queued))
	d.ask(t, 0, "start-next", "", "start-next/accepted", execution(`"status":"IN_PROGRESS","versionNumber":2,"startedAt":"$seconds"`))
	d.ask(t, 1, job+"/update", `{"status":"IN_PROGRESS","expectedVersion":"2","statusDetails":{"received":"12/40"}}`, job+"/update/accepted", done)
	d.ask(t, 0, job+"/update", `{"status":"IN_PROGRESS","expectedVersion":"2"}`, job+"/update/rejected",
		`{"code":"VersionMismatch","message":"$string","timestamp":"$seconds",
		"executionState":{"status":"IN_PROGRESS","statusDetails":{"received":"12/40"},"versionNumber":3}}`)
	d.ask(t, 0, job+"/update", `{"status":"SUCCEEDED","expectedVersion":"3"}`, job+"/update/accepted", done)
	d.notified(t, done)
	d.ask(t, 0, "get", "", "get/accepted", `{"timestamp":"$seconds","inProgressJobs":[],"queuedJobs":[]}`)
	s.executionIs(t, job, d.thing, "SUCCEEDED", 4, map[string]string{"received": "12/40"})
}

func TestSilentDeviceRunsAWholeJob(t *testing.T) {
	s := start(t, "serve")
	s.newThing(t, "pump-7")
	s.connectSilently(t, "pump-7", s.doors.MQTTS).runJob(t, s, "fw-1")
}

// On the one TLS port, the protocol that a client offers in its handshake says
// what it speaks (device-plane.md 6.1).
func TestALPNBringsMQTTToThePortOfHTTPS(t *testing.T) {
	s := start(t, "serve")
	s.newThing(t, "pump-7")
	s.connectSilently(t, "pump-7", s.doors.HTTPS, "x-amzn-mqtt-ca").runJob(t, s, "fw-1")
}
