package e2e

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// A certificate's holder acts for the things it is attached to, and no other
// (device-plane.md 6.5 says how it is told).
func TestCertificateOfAnotherThingIsRefusedOverMQTT(t *testing.T) {
	for _, protocol := range protocols {
		t.Run("paho "+protocol, func(t *testing.T) {
			t.Parallel()
			s := start(t, "serve")
			s.newThing(t, "thing-a")
			s.newThing(t, "thing-b")
			s.createJob(t, "fw-1", "thing-b")
			eventually(t, func() error { return match(`["QUEUED"]`, s.statuses(t, "fw-1")) })

			for _, row := range []struct {
				name string
				do   func(d *device) error
			}{
				{"publish", func(d *device) error {
					return d.publish("$aws/things/thing-b/jobs/fw-1/update", 0, `{"status":"SUCCEEDED"}`)
				}},
				{"publish at QoS 1", func(d *device) error {
					return d.publish("$aws/things/thing-b/jobs/fw-1/update", 1, `{"status":"SUCCEEDED"}`)
				}},
				{"subscribe", func(d *device) error {
					return d.subscribe("$aws/things/thing-b/jobs/notify-next")
				}},
				{"subscribe to everybody's", func(d *device) error {
					return d.subscribe("$aws/things/+/jobs/notify-next")
				}},
			} {
				t.Run(row.name, func(t *testing.T) {
					d := s.connect(t, "thing-a", session{protocol: protocol})
					d.ask(t, "get", "{}") // its own thing is open to it
					d.expect(t, "get/accepted", `{"timestamp":"$seconds","inProgressJobs":[],"queuedJobs":[]}`)
					err := row.do(d)
					if protocol == "5" && row.name != "publish" {
						// MQTT 5 has a reason code in the acknowledgement.
						if err == nil || !strings.Contains(err.Error(), "ACK 87") {
							t.Errorf("got %v, want reason code 0x87", err)
						}
						return
					}
					lost := d.expectLost(t)
					if protocol == "5" && !strings.Contains(lost.Error(), "0x87") {
						t.Errorf("got %v, want DISCONNECT 0x87", lost)
					}
				})
			}
			if err := match(`["QUEUED"]`, s.statuses(t, "fw-1")); err != nil {
				t.Errorf("somebody else's execution was touched: %v", err)
			}
		})
	}
}

func TestCertificateOpensTheDataPlaneOverHTTPS(t *testing.T) {
	s := start(t, "serve")
	s.newThing(t, "thing-a")
	s.newThing(t, "thing-b")
	for _, row := range []struct {
		name, method, path, body string
		status                   int
		kind, want               string
	}{
		{"its own queue", "GET", "/things/thing-a/jobs", "", 200, "", `{"inProgressJobs":[],"queuedJobs":[]}`},
		{"its own next", "GET", "/things/thing-a/jobs/%24next", "", 200, "", `{}`},
		{"start next", "PUT", "/things/thing-a/jobs/$next", "", 200, "", `{}`},
		{"an unknown job", "POST", "/things/thing-a/jobs/fw-1", `{"status":"SUCCEEDED"}`, 404, "ResourceNotFoundException", `{"message":"$string"}`},
		{"another thing's queue", "GET", "/things/thing-b/jobs", "", 403, "ForbiddenException", `{"message":"$string","traceId?":"$string"}`},
		{"another thing's job", "POST", "/things/thing-b/jobs/fw-1", `{"status":"SUCCEEDED"}`, 403, "ForbiddenException", `{"message":"$string","traceId?":"$string"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := &http.Client{Transport: s.transport(t, s.certificate(t, "thing-a"))}
			request, err := http.NewRequestWithContext(t.Context(), row.method, s.endpoint()+row.path, strings.NewReader(row.body))
			if err != nil {
				t.Fatal(err)
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if kind := response.Header.Get("X-Amzn-Errortype"); response.StatusCode != row.status || kind != row.kind {
				t.Errorf("got %d %s %s, want %d %s", response.StatusCode, kind, body, row.status, row.kind)
			}
			if err := match(row.want, body); err != nil {
				t.Error(err)
			}
			if got := response.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type is %q", got)
			}
			if response.Header.Get("X-Amzn-Requestid") == "" || response.Header.Get("Date") == "" {
				t.Errorf("x-amzn-RequestId and Date must be there: %v", response.Header)
			}
		})
	}
}

// TestCertificateIsRequiredForMQTT: a device without one, or with one of another
// authority, does not come in.
func TestCertificateIsRequiredForMQTT(t *testing.T) {
	s, elsewhere := start(t, "serve"), start(t, "serve")
	elsewhere.newThing(t, "thing-a")
	s.newThing(t, "thing-a")
	for name, certs := range map[string][]tls.Certificate{
		"no certificate":                       nil,
		"a certificate of another drover's CA": {elsewhere.certificate(t, "thing-a")},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := tls.Dial("tcp", s.doors.MQTTS, &tls.Config{RootCAs: s.roots(t), Certificates: certs})
			if err != nil {
				return // refused in the handshake
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			connect := "\x10\x13\x00\x04MQTT\x04\x02\x00\x3c\x00\x07thing-a"
			if _, err := conn.Write([]byte(connect)); err != nil {
				return
			}
			answer, err := io.ReadAll(conn)
			if len(answer) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the server answered % x, %v; want the connection closed", answer, err)
			}
		})
	}
}
