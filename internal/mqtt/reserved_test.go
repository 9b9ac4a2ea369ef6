package mqtt

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestAnotherServiceRefusesInItsFormAndOnItsTopic(t *testing.T) {
	at := time.UnixMilli(1_760_000_000_678)
	for topic, want := range map[string]struct{ reply, body string }{
		"$aws/certificates/create/json":                      {"$aws/certificates/create/json/rejected", `{"statusCode":501,"errorCode":"NotImplemented","errorMessage":"` + notHere + `"}`},
		"$aws/provisioning-templates/t/provision/json":       {"$aws/provisioning-templates/t/provision/json/rejected", `{"statusCode":501,"errorCode":"NotImplemented","errorMessage":"` + notHere + `"}`},
		"$aws/things/T/defender/metrics/json":                {"$aws/things/T/defender/metrics/json/rejected", `{"thingName":"T","reportId":7,"status":"REJECTED","statusDetails":{"ErrorCode":"NotImplemented","ErrorMessage":"` + notHere + `"},"timestamp":1760000000678}`},
		"$aws/things/T/streams/s/describe/json":              {"$aws/things/T/streams/s/rejected/json", `{"o":"ResourceNotFound","m":"There is no stream s: ` + notHere + `","c":"tok"}`},
		"$aws/commands/clients/c/executions/e/response/json": {"$aws/commands/clients/c/executions/e/response/rejected/json", `{"error":"ResourceNotFound","errorMessage":"` + notHere + `","executionId":"e"}`},
	} {
		reply, body, ok := refuseService(topic, []byte(`{"hed":{"rid":7},"c":"tok"}`), at)
		if !ok || reply != want.reply || string(body) != want.body {
			t.Errorf("%s: %v %s %s", topic, ok, reply, body)
		}
	}
	for _, topic := range []string{
		"$aws/certificates/create/xml", "$aws/certificates/create/json/rejected", "$aws/certificates/create/",
		"$aws/things/T/defender/metrics", "$aws/things//defender/metrics/json", "$aws/rules/r/json", "$aws/things/T/streams/s/data/json",
	} {
		if reply, _, ok := refuseService(topic, nil, at); ok {
			t.Errorf("%s is answered on %s", topic, reply)
		}
	}
}

// The bytes are those of RFC 8949, worked out by hand.
func TestARefusalInCBOR(t *testing.T) {
	long := strings.Repeat("x", 300)
	got := fields{{"a", "é"}, {"n", int64(23)}, {"m", int64(500)}, {"l", int64(70_000)}, {"t", int64(1_760_000_000_678)}, {"s", fields{{"z", long[:30]}}}, {"b", long}}.cbor()
	want := append([]byte("\xa7\x61a\x62é\x61n\x17\x61m\x19\x01\xf4\x61l\x1a\x00\x01\x11\x70\x61t\x1b\x00\x00\x01\x99\xc8\x2c\xc2\xa6\x61s\xa1\x61z\x78\x1e"+long[:30]+"\x61b\x79\x01\x2c"), long...)
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%x\nwant\n%x", got, want)
	}
	reply, body, ok := refuseService("$aws/certificates/create/cbor", []byte{0xa0}, time.Time{})
	if !ok || reply != "$aws/certificates/create/cbor/rejected" || !bytes.HasPrefix(body, []byte("\xa3\x6astatusCode\x19\x01\xf5\x69errorCode\x6eNotImplemented")) {
		t.Errorf("%v %s %x", ok, reply, body)
	}
}

func TestTheTopicsOfShadows(t *testing.T) {
	for topic, want := range map[string]string{
		"$aws/things/T/shadow/get":                 "T||get",
		"$aws/things/T/shadow/name/n1/update":      "T|n1|update",
		"$aws/things/T/shadow/name/get/delete":     "T|get|delete",
		"$aws/things/T/shadow/name/get":            "",
		"$aws/things/T/shadow/name//get":           "",
		"$aws/things/T/shadow/update/accepted":     "",
		"$aws/things/T/shadow/name/n/get/accepted": "",
		"$aws/things/T/shadow/list":                "",
		"$aws/things/T/jobs/shadow/get":            "",
		"$aws/things/T/shadow":                     "",
		"aws/things/T/shadow/get":                  "",
	} {
		r, ok := parseShadow(topic)
		got := ""
		if ok {
			got = string(r.key.ThingName) + "|" + string(r.key.ShadowName) + "|" + r.verb
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", topic, got, want)
		}
	}
}
