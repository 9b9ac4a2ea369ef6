package broker_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	wsclient "github.com/coder/websocket"
	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/broker/brokertest"
	"github.com/drover-iot/drover/internal/broker/packet"
	"github.com/drover-iot/drover/internal/websocket"
)

// The tests here use real sockets, because that is what they are about. They
// wait for what must come, and never measure time.

// transport is how packets travel between a broker and its clients: over TCP, over
// TLS, or in the frames of a WebSocket.
type transport struct {
	server, client *tls.Config
	webSocket      bool
}

var overTCP transport

// listen serves a broker on loopback.
func listen(t *testing.T, cfg broker.Config, over transport) (*broker.Broker, string) {
	t.Helper()
	b, err := broker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if over.server != nil {
		ln = tls.NewListener(ln, over.server)
	}
	served := make(chan error, 1)
	if over.webSocket {
		s := &http.Server{Handler: upgrade(t, b)}
		go func() { served <- s.Serve(ln) }()
		t.Cleanup(func() { s.Close() })
	} else {
		go func() { served <- b.Serve(ln) }()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		ln.Close()
		if err := <-served; err != nil && !over.webSocket {
			t.Errorf("Serve: %v", err)
		}
	})
	return b, addr
}

// upgrade is the door of MQTT over WebSocket without its lock.
func upgrade(t *testing.T, b *broker.Broker) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, err := websocket.Upgrade(w, r, "mqtt")
		if err != nil {
			t.Error(err)
			return
		}
		b.Attach(nc, nil)
	})
}

// peer is a client that reads when the test says so.
type peer struct {
	t  *testing.T
	nc net.Conn
	v  byte
}

func dial(t *testing.T, addr string, over transport, v byte, id string, opts ...connectOption) *peer {
	t.Helper()
	nc, err := over.dial(t, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(time.Minute)) // a hung test fails
	p := packet.Connect{Version: v, Clean: true, KeepAlive: 1200, ClientID: id}
	for _, o := range opts {
		o(&p)
	}
	c := &peer{t, nc, v}
	c.send(packet.AppendConnect(nil, &p))
	return c
}

func (over transport) dial(t *testing.T, addr string) (net.Conn, error) {
	if over.webSocket {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c, _, err := wsclient.Dial(ctx, "ws://"+addr, &wsclient.DialOptions{Subprotocols: []string{"mqtt"}})
		if err != nil {
			return nil, err
		}
		return wsclient.NetConn(context.Background(), c, wsclient.MessageBinary), nil
	}
	nc, err := net.Dial("tcp", addr)
	if err == nil && over.client != nil {
		nc = tls.Client(nc, over.client)
	}
	return nc, err
}

func (p *peer) send(b []byte) *peer {
	p.t.Helper()
	if _, err := p.nc.Write(b); err != nil {
		p.t.Fatal(err)
	}
	return p
}

func (p *peer) next() string {
	h, body, err := readPacket(p.nc)
	if err != nil {
		return "CLOSED"
	}
	return show(h, body, p.v)
}

func (p *peer) expect(want ...string) *peer {
	p.t.Helper()
	for _, line := range want {
		got := p.next()
		prefix, any := strings.CutSuffix(line, "*")
		if got != line && !(any && strings.HasPrefix(got, prefix)) {
			p.t.Fatalf("got %.200q, want %q", got, line)
		}
	}
	return p
}

func selfSigned(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"broker"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots, ServerName: "broker"}
}

func transports(t *testing.T, f func(t *testing.T, over transport)) {
	t.Run("TCP", func(t *testing.T) { f(t, overTCP) })
	t.Run("TLS", func(t *testing.T) {
		s, c := selfSigned(t)
		f(t, transport{server: s, client: c})
	})
	t.Run("WebSocket", func(t *testing.T) { f(t, transport{webSocket: true}) })
}

func TestMessagesOfEverySizeArriveWhole(t *testing.T) {
	transports(t, func(t *testing.T, over transport) {
		_, addr := listen(t, broker.Config{}, over)
		c := dial(t, addr, over, packet.V5, "c").expect("CONNACK false 00*")
		c.send(subscribe(packet.V5, 0, "t")).expect("SUBACK #1 00")
		sizes := []int{0, 1, 120, 511, 512, 513, 4 << 10, 32<<10 - 8, 32 << 10, 33 << 10, 65 << 10, 128 << 10}
		var want []string
		go func() {
			var all []byte
			for i, n := range sizes {
				p := packet.AppendPublish(nil, packet.V5, "t", []byte(strings.Repeat(fmt.Sprint(i%10), n)), 0, false, 0, nil)
				if i%2 == 0 {
					all = append(all, p...) // with what follows, in one write
					continue
				}
				for all = append(all, p...); len(all) > 0; {
					n := min(len(all), 10_007)
					c.nc.Write(all[:n])
					all = all[n:]
				}
			}
			c.nc.Write(all)
		}()
		for i, n := range sizes {
			want = append(want, strings.TrimRight("PUBLISH q0 r0 d0 #0 t "+strings.Repeat(fmt.Sprint(i%10), n), " "))
		}
		c.expect(want...)
	})
}

func TestTheLastWordReachesAClientThatIsStillSending(t *testing.T) {
	transports(t, func(t *testing.T, over transport) {
		_, addr := listen(t, broker.Config{}, over)
		c := dial(t, addr, over, packet.V5, "c").expect("CONNACK false 00*")
		c.send(publish(packet.V5, "t", 200<<10)[:100<<10]).expect("DISCONNECT 97", "CLOSED")
	})
}

// TestAPeerThatStopsReadingHoldsUpNobody floods one that does not read until
// the broker has closed it, while another client is served throughout.
func TestAPeerThatStopsReadingHoldsUpNobody(t *testing.T) {
	transports(t, func(t *testing.T, over transport) {
		gone := make(chan string, 10)
		h := &hooks{events: make(chan string, 100)}
		b, addr := listen(t, broker.Config{Hooks: h, Limits: broker.Limits{WriteTimeout: 200 * time.Millisecond}}, over)
		go func() {
			for e := range h.events {
				if strings.Contains(e, "disconnected") {
					gone <- e
				}
			}
		}()
		defer close(h.events)
		stuck := dial(t, addr, over, packet.V311, "stuck").expect("CONNACK false 00").send(subscribe(packet.V311, 1, "flood")).expect("SUBACK #1 01")
		good := dial(t, addr, over, packet.V311, "good").expect("CONNACK false 00")
		payload := make([]byte, 60<<10)
		for flooding := true; flooding; {
			for range 10 {
				b.Publish(broker.Message{Topic: "flood", Payload: payload}, nil)
			}
			good.send([]byte{0xC0, 0}).expect("PINGRESP")
			select {
			case e := <-gone:
				if e != "stuck disconnected: CONNECTION_LOST" {
					t.Error(e)
				}
				flooding = false
			default:
			}
		}
		stuck.nc.Close()
		good.nc.Close()
		<-gone
	})
}

// TestASlowReaderGetsEveryQoS1MessageInOrder fills the socket and the queue,
// and then reads: what waited follows by itself.
func TestASlowReaderGetsEveryQoS1MessageInOrder(t *testing.T) {
	transports(t, func(t *testing.T, over transport) {
		b, addr := listen(t, broker.Config{Limits: broker.Limits{SessionBytes: 64 << 20}}, over)
		c := dial(t, addr, over, packet.V311, "c").expect("CONNACK false 00").send(subscribe(packet.V311, 1, "t")).expect("SUBACK #1 01")
		const n = 150
		pad := strings.Repeat(".", 100<<10)
		for i := range n {
			b.Publish(broker.Message{Topic: "t", Payload: fmt.Append(nil, i, pad), QoS: 1}, nil)
		}
		for i := range n {
			c.expect(fmt.Sprintf("PUBLISH q1 r0 d0 #%d t %d%s", i+1, i, pad))
			c.send(packet.AppendPuback(nil, packet.V311, uint16(i+1), 0))
		}
	})
}

// TestTakeoverUnderStress lets many connections fight for few client ids while
// messages flow: at the end exactly the last of each id is there, and it hears.
func TestTakeoverUnderStress(t *testing.T) {
	store := brokertest.NewMemory()
	b, addr := listen(t, broker.Config{Sessions: store}, overTCP)
	const ids, rounds = 4, 60
	stop := make(chan struct{})
	var noise sync.WaitGroup
	noise.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				b.Publish(broker.Message{Topic: "t", Payload: []byte("noise"), QoS: byte(i % 2)}, i)
			}
			if i%100 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	})
	var fighters sync.WaitGroup
	for f := range 3 * ids {
		fighters.Go(func() {
			for r := range rounds {
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				p := packet.Connect{Version: packet.V5, ClientID: fmt.Sprint("id", f%ids), Clean: (f+r)%3 == 0}
				if r%2 == 0 {
					p.Props = packet.Properties{{ID: packet.SessionExpiry, Num: 3600}}
				}
				nc.Write(append(packet.AppendConnect(nil, &p), subscribe(packet.V5, 1, "t", "u/#")...))
				if r%5 > 0 { // some are gone before they are greeted
					nc.SetReadDeadline(time.Now().Add(time.Minute))
					readPacket(nc)
				}
				nc.Close()
			}
		})
	}
	fighters.Wait()
	close(stop)
	noise.Wait()
	for i := range ids {
		id := fmt.Sprint("id", i)
		old := dial(t, addr, overTCP, packet.V5, id).expect("CONNACK false 00*")
		last := dial(t, addr, overTCP, packet.V5, id).expect("CONNACK false 00*").send(subscribe(packet.V5, 0, "mine/"+id)).expect("SUBACK #1 00")
		old.expect("DISCONNECT 8E", "CLOSED")
		b.Publish(broker.Message{Topic: "mine/" + id, Payload: []byte("heard")}, nil)
		last.expect("PUBLISH q0 r0 d0 #0 mine/" + id + " heard")
		last.send(packet.AppendDisconnect(nil, packet.V5, &packet.Disconnect{})).expect("CLOSED")
	}
	for b.Stats().Connections > 0 { // the test's own deadline bounds this
		time.Sleep(time.Millisecond)
	}
	if st := b.Stats(); st.Sessions != 0 || b.HasAudience("t") || b.HasAudience("u/x") {
		t.Errorf("clean sessions left something behind: %+v", st)
	}
	done := make(chan error, 1)
	store.Apply(nil, func(err error) { done <- err })
	<-done
	for i := range ids {
		if s := store.Session(fmt.Sprint("id", i)); s != nil {
			t.Errorf("the store still holds %+v", s)
		}
	}
}

func TestRepliesFromOneGoroutineToManyConnections(t *testing.T) {
	type ask struct {
		p     *broker.Pending
		topic string
	}
	asked := make(chan ask, 100_000)
	var completing sync.WaitGroup
	completing.Go(func() {
		for a := range asked {
			a.p.Reply(a.topic+"/accepted", []byte(a.topic))
		}
	})
	h := &hooks{events: make(chan string, 1000)}
	h.publish = func(c *broker.Conn, m *broker.Message) broker.Verdict {
		asked <- ask{c.Begin(), m.Topic}
		return broker.Consumed
	}
	_, addr := listen(t, broker.Config{Hooks: h}, overTCP)
	var clients sync.WaitGroup
	for i := range 20 {
		clients.Go(func() {
			c := dial(t, addr, overTCP, packet.V311, fmt.Sprint("c", i)).expect("CONNACK false 00")
			const n = 500
			var all []byte
			for j := range n {
				all = packet.AppendPublish(all, packet.V311, fmt.Sprintf("op/%d", j), nil, 1, false, uint16(j+1), nil)
			}
			go c.nc.Write(all)
			for j := range n {
				c.expect(fmt.Sprintf("PUBACK #%d 00", j+1), fmt.Sprintf("PUBLISH q0 r0 d0 #0 op/%d/accepted op/%d", j, j))
			}
			c.nc.Close()
		})
	}
	clients.Wait()
	close(asked)
	completing.Wait()
}

func TestServeAndAttachAfterCloseRefuse(t *testing.T) {
	b, err := broker.New(broker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(ln); err != nil {
		t.Error(err)
	}
	if _, err := ln.Accept(); err == nil {
		t.Error("the listener is still open")
	}
	ours, theirs := net.Pipe()
	b.Attach(theirs, nil)
	if _, err := ours.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection is still open: %v", err)
	}
}
