package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// mosquitto is a command of mosquitto's clients with the address, the identity
// and the protocol of a thing's connection.
func (s *server) mosquitto(t *testing.T, client, protocol, thing, id string, args ...string) *exec.Cmd {
	t.Helper()
	version := map[string]string{"3.1.1": "mqttv311", "5": "mqttv5"}[protocol]
	addr := s.doors.MQTT
	if s.mode == "serve" {
		addr = s.doors.MQTTS
		args = append(args, "--cafile", s.ca(), "--cert", s.certFile(thing), "--key", s.keyFile(thing))
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(client, append([]string{"-h", host, "-p", port, "-i", id, "-V", version}, args...)...)
	cmd.WaitDelay = patience
	return cmd
}

// A listener is a mosquitto_sub that has subscribed.
type listener struct {
	lines chan string
	cmd   *exec.Cmd
}

// listen starts mosquitto_sub and waits for its SUBACK, which it tells with -d;
// without stdbuf it would keep that for itself until a message comes.
func (s *server) listen(t *testing.T, sub, protocol, thing, id, filter string) *listener {
	t.Helper()
	cmd := s.mosquitto(t, sub, protocol, thing, id, "-q", "1", "-t", filter, "-d", "-F", "MESSAGE %t %p")
	cmd.Args = append([]string{"stdbuf", "-oL"}, cmd.Args...)
	cmd.Path = need(t, "stdbuf")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l := &listener{lines: make(chan string, 256), cmd: cmd}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			l.lines <- scan.Text()
		}
		cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	l.await(t, "Subscribed (mid: 1): 1")
	return l
}

// await gives the rest of the first line that begins so.
func (l *listener) await(t *testing.T, prefix string) string {
	t.Helper()
	deadline := time.After(patience)
	var heard []string
	for {
		select {
		case line := <-l.lines:
			if rest, ok := strings.CutPrefix(line, prefix); ok {
				return rest
			}
			heard = append(heard, line)
		case <-deadline:
			t.Fatalf("mosquitto_sub never said %q, but:\n%s", prefix, strings.Join(heard, "\n"))
		}
	}
}

func TestMosquittoHearsOfAJobAndReportsIt(t *testing.T) {
	sub, pub := need(t, "mosquitto_sub"), need(t, "mosquitto_pub")
	for _, protocol := range protocols {
		t.Run("MQTT "+protocol, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s *server) {
				s.newThing(t, "pump-7")
				l := s.listen(t, sub, protocol, "pump-7", "pump-7", "$aws/things/pump-7/jobs/notify-next")
				s.createJob(t, "fw-1", "pump-7")
				heard := l.await(t, "MESSAGE $aws/things/pump-7/jobs/notify-next ")
				if err := match(`{"timestamp":"$seconds","execution":{
					"jobId":"fw-1","thingName":"pump-7","status":"QUEUED","queuedAt":"$seconds","lastUpdatedAt":"$seconds",
					"versionNumber":1,"executionNumber":1,"jobDocument":{"op":"flash","job":"fw-1"}}}`, []byte(heard)); err != nil {
					t.Fatal(err)
				}
				for _, status := range []string{"IN_PROGRESS", "SUCCEEDED"} {
					cmd := s.mosquitto(t, pub, protocol, "pump-7", "pump-7-pub", "-q", "1",
						"-t", "$aws/things/pump-7/jobs/fw-1/update", "-m", fmt.Sprintf(`{"status":%q}`, status))
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Fatalf("mosquitto_pub: %v\n%s", err, out)
					}
				}
				heard = l.await(t, "MESSAGE $aws/things/pump-7/jobs/notify-next ")
				if err := match(`{"timestamp":"$seconds"}`, []byte(heard)); err != nil {
					t.Error(err)
				}
				if err := match(`["SUCCEEDED"]`, s.statuses(t, "fw-1")); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// mosquitto_rr subscribes to the reply, publishes the request and prints what
// came.
func TestMosquittoAsksAndPrintsTheReply(t *testing.T) {
	rr := need(t, "mosquitto_rr")
	for _, protocol := range protocols {
		t.Run("MQTT "+protocol, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s *server) {
				s.newThing(t, "pump-7")
				cmd := s.mosquitto(t, rr, protocol, "pump-7", "pump-7", "-q", "1", "-W", "60",
					"-t", "$aws/things/pump-7/jobs/get", "-e", "$aws/things/pump-7/jobs/get/accepted", "-m", `{"clientToken":"rr"}`)
				var out, complaint bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &complaint
				if err := cmd.Run(); err != nil {
					t.Fatalf("mosquitto_rr: %v\n%s", err, complaint.String())
				}
				if err := match(`{"clientToken":"rr","timestamp":"$seconds","inProgressJobs":[],"queuedJobs":[]}`, out.Bytes()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Ordinary topics are an ordinary broker: mosquitto to mosquitto, retained too.
func TestMosquittoTalksToItselfOnOrdinaryTopics(t *testing.T) {
	sub, pub := need(t, "mosquitto_sub"), need(t, "mosquitto_pub")
	for _, protocol := range protocols {
		t.Run("MQTT "+protocol, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s *server) {
				s.newThing(t, "pump-7")
				l := s.listen(t, sub, protocol, "pump-7", "listener", "plant/+/pressure")
				send := func(text string, flags ...string) {
					t.Helper()
					args := append([]string{"-q", "1", "-t", "plant/7/pressure", "-m", text}, flags...)
					if out, err := s.mosquitto(t, pub, protocol, "pump-7", "talker", args...).CombinedOutput(); err != nil {
						t.Fatalf("mosquitto_pub: %v\n%s", err, out)
					}
				}
				send("3 bar")
				if got := l.await(t, "MESSAGE plant/7/pressure "); got != "3 bar" {
					t.Errorf("heard %q", got)
				}
				send("4 bar", "-r")
				late := s.listen(t, sub, protocol, "pump-7", "late", "plant/7/pressure")
				if got := late.await(t, "MESSAGE plant/7/pressure "); got != "4 bar" {
					t.Errorf("the retained message is %q", got)
				}
			})
		})
	}
}
