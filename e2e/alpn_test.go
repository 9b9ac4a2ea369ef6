package e2e

import (
	"fmt"
	"net"
	"os"
	"testing"
)

// TestALPNOfTheDeviceSDKsOnPort443: a device behind a firewall has port 443 and
// nothing else. The SDKs offer x-amzn-mqtt-ca there by themselves: the one of
// Python takes that port when it is told none. Where this process may not bind
// port 443, TestALPNBringsMQTTToThePortOfHTTPS shows the same without an SDK.
func TestALPNOfTheDeviceSDKsOnPort443(t *testing.T) {
	python, node := need(t, "python"), needModule(t, "aws-iot-device-sdk-v2")
	host := fmt.Sprintf("127.%d.%d.1", 1+os.Getpid()>>8&0x7f, os.Getpid()&0xff) // nobody else's
	free, err := net.Listen("tcp", net.JoinHostPort(host, "443"))
	if err != nil {
		t.Logf("port 443 is closed to this test: %v", err)
		return
	}
	free.Close()
	s := start(t, "serve", "--https-addr", free.Addr().String())
	for i, row := range []struct {
		name, program, script, port, generation, protocol string
	}{
		{"Python, MQTT 3.1.1", python, "python/device_sdk.py", "", "v1", "3.1.1"},
		{"Python, MQTT 5", python, "python/device_sdk.py", "", "v2", "5"},
		{"JavaScript, MQTT 3.1.1", node, "js/device_sdk_v2.js", "443", "v1", "3.1.1"},
		{"JavaScript, MQTT 5", node, "js/device_sdk_v2.js", "443", "v2", "5"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			thing := fmt.Sprintf("alpn-%d", i)
			s.newThing(t, thing)
			env := append(s.scriptEnv(t, thing, s.doors.HTTPS), "HOST="+host, "PORT="+row.port)
			s.wholeJob(t, thing, startScript(t, env, row.program, row.script, row.generation, row.protocol, "mtls"))
		})
	}
}
