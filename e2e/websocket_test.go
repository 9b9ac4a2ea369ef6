package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const (
	emptyHash        = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	webSocketService = "iotdevicegateway"
	sessionToken     = "IQoJb3JpZ2luX2VjEPT//////////wEaCXVzLWVhc3QtMSJ+/=="
)

// signers are two ways to sign the URL of MQTT over WebSocket: that of
// aws-sdk-go-v2, which signs the session token, and what the SDKs of AWS IoT do,
// which append it (registry-and-auth.md F.3).
var signers = map[string]func(t *testing.T, key aws.Credentials, host string) (query string){
	"aws-sdk-go-v2, the token signed": func(t *testing.T, key aws.Credentials, host string) string {
		r, err := http.NewRequest(http.MethodGet, "https://"+host+"/mqtt", nil)
		if err != nil {
			t.Fatal(err)
		}
		signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), key, r, emptyHash, webSocketService, "us-east-1", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(signed)
		if err != nil {
			t.Fatal(err)
		}
		return u.RawQuery
	},
	"as the IoT SDKs do, the token appended": func(_ *testing.T, key aws.Credentials, host string) string {
		mac := func(k []byte, s string) []byte { h := hmac.New(sha256.New, k); h.Write([]byte(s)); return h.Sum(nil) }
		stamp := time.Now().UTC().Format("20060102T150405Z")
		scope := stamp[:8] + "/us-east-1/" + webSocketService + "/aws4_request"
		query := "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + url.QueryEscape(key.AccessKeyID+"/"+scope) +
			"&X-Amz-Date=" + stamp + "&X-Amz-SignedHeaders=host"
		canonical := sha256.Sum256([]byte("GET\n/mqtt\n" + query + "\nhost:" + host + "\n\nhost\n" + emptyHash))
		k := []byte("AWS4" + key.SecretAccessKey)
		for _, part := range strings.Split(scope, "/") {
			k = mac(k, part)
		}
		query += "&X-Amz-Signature=" + hex.EncodeToString(mac(k, "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(canonical[:])))
		if key.SessionToken != "" {
			query += "&X-Amz-Security-Token=" + url.QueryEscape(key.SessionToken)
		}
		return query
	},
}

// webSocket opens one with paho's own client of it.
func (s *server) webSocket(t *testing.T, query string) func() (net.Conn, error) {
	t.Helper()
	door, over := "ws://"+s.doors.HTTP, (*tls.Config)(nil)
	if s.mode == "serve" {
		door, over = "wss://"+s.doors.HTTPS, &tls.Config{RootCAs: s.roots(t)}
	}
	return func() (net.Conn, error) {
		return mqtt.NewWebsocket(door+"/mqtt?"+query, over, patience, http.Header{}, nil)
	}
}

// issueToken makes the access key of a serve one that comes with a session token.
func (s *server) issueToken(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(s.data, "credentials"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(f, "aws_session_token = %s\n", sessionToken); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s.restart(t, syscall.SIGTERM)
}

func TestPahoADeviceRunsAJobOverWebSocket(t *testing.T) {
	for name, sign := range signers {
		t.Run(name, func(t *testing.T) {
			onBothProtocols(t, func(t *testing.T, s *server, protocol string) {
				s.newThing(t, "pump-7")
				key, host := aws.Credentials{SessionToken: sessionToken}, s.doors.HTTP
				key.AccessKeyID, key.SecretAccessKey = s.credentials(t)
				s.createJob(t, "fw-1", "pump-7")
				eventually(t, func() error { return match(`["QUEUED"]`, s.statuses(t, "fw-1")) })
				if s.mode == "serve" {
					host = s.doors.HTTPS
					s.issueToken(t)
				}
				d := s.connect(t, "pump-7", session{protocol: protocol, dial: s.webSocket(t, sign(t, key, host))})
				d.listen(t, "notify-next")
				d.ask(t, "start-next", `{"clientToken":"a"}`)
				d.expect(t, "start-next/accepted", `{"clientToken":"a","timestamp":"$seconds","execution":{
					"jobId":"fw-1","thingName":"pump-7","status":"IN_PROGRESS","queuedAt":"$seconds","startedAt":"$seconds","lastUpdatedAt":"$seconds",
					"versionNumber":2,"executionNumber":1,"jobDocument":{"op":"flash","job":"fw-1"}}}`)
				d.ask(t, "fw-1/update", `{"status":"SUCCEEDED"}`)
				d.expect(t, "fw-1/update/accepted", `{"timestamp":"$seconds"}`)
				d.expect(t, "notify-next", `{"timestamp":"$seconds"}`)
				d.quiet(t)
			})
		})
	}
}

func TestPahoOverWebSocketIsRefusedWithoutASignature(t *testing.T) {
	s := start(t, "serve")
	key := aws.Credentials{SecretAccessKey: "guess"}
	key.AccessKeyID, _ = s.credentials(t)
	for name, query := range map[string]string{"none": "", "another secret": signers["aws-sdk-go-v2, the token signed"](t, key, s.doors.HTTPS)} {
		if conn, err := s.webSocket(t, query)(); err == nil {
			conn.Close()
			t.Errorf("%s: came in", name)
		}
	}
}

// TestBoto3PublishesOverHTTPS runs testdata/boto3_publish.py and looks at what a
// subscriber of MQTT 5 hears of it (device-plane.md 6.6).
func TestBoto3PublishesOverHTTPS(t *testing.T) {
	python := need(t, "python")
	onBoth(t, func(t *testing.T, s *server) {
		s.newThing(t, "watcher")
		d := s.connect(t, "watcher", session{protocol: "5"})
		if err := d.subscribe("plant/#"); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(python, "testdata/boto3_publish.py")
		cmd.Env = s.env()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		next := func(topic, payload string, qos byte) message {
			t.Helper()
			select {
			case m := <-d.inbox:
				if m.topic != topic || m.payload != payload || m.qos != qos {
					t.Fatalf("got %.100q on %s at QoS %d, want %.100q on %s at QoS %d", m.payload, m.topic, m.qos, payload, topic, qos)
				}
				return m
			case <-time.After(patience):
				t.Fatalf("nothing came on %s", topic)
			}
			return message{}
		}
		next("plant/plain", "hello", 0)
		p := next("plant/rich", `{"state": "running"}`, 1).properties
		if p.ContentType != "application/json; charset=utf-8" || p.ResponseTopic != "plant/reply" || string(p.CorrelationData) != "\x00\xff42" ||
			p.PayloadFormat == nil || *p.PayloadFormat != 1 || p.MessageExpiry == nil || *p.MessageExpiry < 1 || *p.MessageExpiry > 600 {
			t.Errorf("the properties are %+v", p)
		}
		if fmt.Sprint(p.User) != fmt.Sprint([]struct{ Key, Value string }{{"deviceName", "alpha"}, {"deviceCnt", "45"}}) {
			t.Errorf("the user properties are %v", p.User)
		}
		if u := next("plant/text", "", 0).properties.User; u.Get("given") != "as a text" {
			t.Errorf("the user properties are %v", u)
		}
		next("plant/largest", strings.Repeat("x", 131072), 0)

		s.restart(t, syscall.SIGKILL) // a 200 means on disk
		again := s.connect(t, "watcher", session{protocol: "5"})
		if err := again.subscribe("plant/rich"); err != nil {
			t.Fatal(err)
		}
		select {
		case m := <-again.inbox:
			if m.payload != `{"state": "running"}` || m.properties.ContentType != "application/json; charset=utf-8" {
				t.Errorf("retained: %+v", m)
			}
		case <-time.After(patience):
			t.Error("the retained message is lost")
		}
	})
}
