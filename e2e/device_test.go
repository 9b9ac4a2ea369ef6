package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// A device is one MQTT connection of an unmodified client. What arrives, on
// whatever topic and subscribed or not, comes out of inbox in order.
type device struct {
	thing     string
	inbox     chan message
	lost      chan error // the connection ended without our asking
	resumed   bool       // the server had a session for this client id
	publish   func(topic string, qos byte, payload string) error
	subscribe func(filters ...string) error
	close     func()
}

type message struct {
	topic, payload string
	qos            byte
	properties     *paho.PublishProperties // of MQTT 5
}

// session is what a test may want of a connection.
type session struct {
	protocol   string // "3.1.1" or "5"
	persistent bool
	clientID   string // the thing's name if empty

	dial func() (net.Conn, error) // nil: the MQTT door
}

var protocols = []string{"3.1.1", "5"}

// newThing registers a thing; on `serve` with the certificate and the files that
// `drover thing create` writes, because there a device is its certificate.
func (s *server) newThing(t *testing.T, name string) {
	t.Helper()
	args := []string{"thing", "create", name}
	if s.mode == "serve" {
		args = append(args, "--cert-out", s.certs())
	}
	cmd := exec.Command(drover, args...)
	cmd.Env = s.env()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("drover thing create %s: %v\n%s", name, err, out)
	}
}

func (s *server) certs() string { return filepath.Join(filepath.Dir(s.data), "certs") }

func (s *server) certFile(thing string) string {
	return filepath.Join(s.certs(), thing+".cert.pem")
}

func (s *server) keyFile(thing string) string {
	return filepath.Join(s.certs(), thing+".private.key")
}

func (s *server) certificate(t *testing.T, thing string) tls.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(s.certFile(thing), s.keyFile(thing))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(s.keyFile(thing)); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the private key of %s is readable by others: %v %v", thing, info.Mode(), err)
	}
	return pair
}

// connect brings a device up; it is closed when the test ends.
func (s *server) connect(t *testing.T, thing string, how session) *device {
	t.Helper()
	if how.clientID == "" {
		how.clientID = thing
	}
	d := &device{thing: thing, inbox: make(chan message, 256), lost: make(chan error, 8)}
	connect := d.connect3
	if how.protocol == "5" {
		connect = d.connect5
	}
	if err := connect(t, s, how); err != nil {
		t.Fatalf("%s over MQTT %s: %v", thing, how.protocol, err)
	}
	t.Cleanup(d.close)
	return d
}

// dialer opens the way to the MQTT door: TCP on `dev`, TLS with the thing's
// certificate on `serve`.
func (s *server) dialer(t *testing.T, thing string) func() (net.Conn, error) {
	t.Helper()
	tcp := &net.Dialer{Timeout: patience}
	if s.mode == "dev" {
		return func() (net.Conn, error) { return tcp.Dial("tcp", s.doors.MQTT) }
	}
	config := &tls.Config{RootCAs: s.roots(t), Certificates: []tls.Certificate{s.certificate(t, thing)}}
	return func() (net.Conn, error) { return tls.DialWithDialer(tcp, "tcp", s.doors.MQTTS, config) }
}

func (d *device) connect3(t *testing.T, s *server, how session) error {
	dial := how.dial
	if dial == nil {
		dial = s.dialer(t, d.thing)
	}
	options := mqtt.NewClientOptions().
		AddBroker("tcp://drover:1883"). // the dialer decides
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return dial() }).
		SetProtocolVersion(4).SetClientID(how.clientID).SetCleanSession(!how.persistent).
		SetAutoReconnect(false).SetConnectTimeout(patience).SetWriteTimeout(patience).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { d.lost <- err }).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			d.inbox <- message{m.Topic(), string(m.Payload()), m.Qos(), nil}
		})
	client := mqtt.NewClient(options)
	connected := client.Connect()
	if err := done(connected); err != nil {
		return err
	}
	d.resumed = connected.(*mqtt.ConnectToken).SessionPresent()
	d.close = func() { client.Disconnect(0) }
	d.publish = func(topic string, qos byte, payload string) error {
		return done(client.Publish(topic, qos, false, payload))
	}
	d.subscribe = func(filters ...string) error {
		wanted := map[string]byte{}
		for _, f := range filters {
			wanted[f] = 1
		}
		token := client.SubscribeMultiple(wanted, nil)
		if err := done(token); err != nil {
			return err
		}
		for filter, granted := range token.(*mqtt.SubscribeToken).Result() {
			if granted != 1 {
				return fmt.Errorf("SUBACK 0x%02x for %s", granted, filter)
			}
		}
		return nil
	}
	return nil
}

func done(token mqtt.Token) error {
	if !token.WaitTimeout(patience) {
		return errors.New("no acknowledgement")
	}
	return token.Error()
}

func (d *device) connect5(t *testing.T, s *server, how session) error {
	dial := how.dial
	if dial == nil {
		dial = s.dialer(t, d.thing)
	}
	conn, err := dial()
	if err != nil {
		return err
	}
	client := paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(conn), PacketTimeout: patience,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			d.inbox <- message{p.Packet.Topic, string(p.Packet.Payload), p.Packet.QoS, p.Packet.Properties}
			return true, nil
		}},
		OnClientError:      func(err error) { d.lost <- err },
		OnServerDisconnect: func(p *paho.Disconnect) { d.lost <- fmt.Errorf("DISCONNECT 0x%02x", p.ReasonCode) },
	})
	request := &paho.Connect{ClientID: how.clientID, KeepAlive: 60, CleanStart: !how.persistent}
	if how.persistent {
		hour := uint32(3600)
		request.Properties = &paho.ConnectProperties{SessionExpiryInterval: &hour}
	}
	within := func() context.Context { // of the process, because cleanup outlives t.Context()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		t.Cleanup(cancel)
		return ctx
	}
	connack, err := client.Connect(within(), request)
	if err != nil {
		conn.Close()
		return err
	}
	d.resumed = connack.SessionPresent
	d.close = func() { client.Disconnect(&paho.Disconnect{}); conn.Close() }
	d.publish = func(topic string, qos byte, payload string) error {
		puback, err := client.Publish(within(), &paho.Publish{Topic: topic, QoS: qos, Payload: []byte(payload)})
		if err != nil && puback != nil {
			return fmt.Errorf("PUBACK %02x: %w", puback.ReasonCode, err)
		}
		return err
	}
	d.subscribe = func(filters ...string) error {
		packet := &paho.Subscribe{}
		for _, f := range filters {
			packet.Subscriptions = append(packet.Subscriptions, paho.SubscribeOptions{Topic: f, QoS: 1})
		}
		suback, err := client.Subscribe(within(), packet)
		if err != nil && suback != nil {
			return fmt.Errorf("SUBACK % x: %w", suback.Reasons, err)
		}
		return err
	}
	return nil
}

// topic is a jobs topic of the device's thing.
func (d *device) topic(suffix string) string { return "$aws/things/" + d.thing + "/jobs/" + suffix }

// ask publishes a request at QoS 1.
func (d *device) ask(t *testing.T, suffix, payload string) {
	t.Helper()
	if err := d.publish(d.topic(suffix), 1, payload); err != nil {
		t.Fatalf("publish %s: %v", suffix, err)
	}
}

// listen subscribes to jobs topics of the thing.
func (d *device) listen(t *testing.T, suffixes ...string) {
	t.Helper()
	filters := make([]string, 0, len(suffixes))
	for _, suffix := range suffixes {
		filters = append(filters, d.topic(suffix))
	}
	if err := d.subscribe(filters...); err != nil {
		t.Fatalf("subscribe %s: %v", strings.Join(filters, ", "), err)
	}
}

// expect is the very next message: on this topic, like this pattern.
func (d *device) expect(t *testing.T, suffix, pattern string) message {
	t.Helper()
	select {
	case m := <-d.inbox:
		if m.topic != d.topic(suffix) {
			t.Fatalf("got %s on %s, want a message on %s", m.payload, m.topic, d.topic(suffix))
		}
		if err := match(pattern, []byte(m.payload)); err != nil {
			t.Fatalf("%s: %v", suffix, err)
		}
		return m
	case err := <-d.lost:
		t.Fatalf("the connection was lost while waiting for %s: %v", suffix, err)
	case <-time.After(patience):
		t.Fatalf("nothing came on %s", suffix)
	}
	return message{}
}

// quiet proves that nothing else is on its way: the answer to a question asked
// now is the next message, and messages of one connection keep their order.
func (d *device) quiet(t *testing.T) {
	t.Helper()
	d.ask(t, "quiet/get", `{"clientToken":"quiet"}`)
	d.expect(t, "quiet/get/rejected", `{"code":"ResourceNotFound","message":"$string","clientToken":"quiet","timestamp":"$seconds"}`)
}

// expectLost waits for the server to end the connection.
func (d *device) expectLost(t *testing.T) error {
	t.Helper()
	select {
	case err := <-d.lost:
		return err
	case m := <-d.inbox:
		t.Fatalf("got %s on %s, want the connection closed", m.payload, m.topic)
	case <-time.After(patience):
		t.Fatal("the connection is still there")
	}
	return nil
}
