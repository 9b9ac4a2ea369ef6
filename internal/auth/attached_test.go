package auth

import (
	"testing"

	"github.com/drover-iot/drover/internal/registry"
)

// The rule of design.md decision 13, and the filters of device-plane.md 1.3 and 6.5.
func TestTheHolderOfACertificateActsForTheThingsItIsAttachedTo(t *testing.T) {
	rule := AttachedThings{Of: func(id string) ([]registry.Name, bool) {
		if id == "c1" {
			return []registry.Name{"T", "gw:1"}, true
		}
		return nil, id == "c2"
	}}
	for _, c := range []struct {
		action   Action
		resource string
		want     bool
	}{
		{Connect, "T", true},
		{Connect, "any-client-id", true},

		{Publish, "$aws/things/T/jobs/get", true},
		{Publish, "$aws/things/T/jobs/fw-42/update", true},
		{Publish, "$aws/things/T/jobs/$next/get", true},
		{Publish, "$aws/things/T/shadow/update", true},
		{Publish, "$aws/things/gw:1/jobs/get", true},
		{Publish, "$aws/things/U/jobs/get", false},
		{Publish, "$aws/things/TT/jobs/get", false},
		{Publish, "$aws/things/t/jobs/get", false},
		{Publish, "$aws/things//jobs/get", false},
		{Publish, "$aws/things/T", false},
		{Publish, "$aws/things/T/", false},
		{Publish, "$aws/things/U/../T/jobs/get", false},
		{Publish, "$aws/events/job/fw-42/completed", false},
		{Publish, "$aws/rules/r", true},
		{Publish, "$aws/rules/", false},
		{Publish, "$aws/certificates/create/json", true},
		{Publish, "$aws/provisioning-templates/t/provision/json", true},
		{Publish, "$aws/commands/things/T/executions/e/response/json", true},
		{Publish, "$aws/commands/things/U/executions/e/response/json", false},
		{Publish, "$aws/commands/clients/T/executions/e/response/json", false},
		{Publish, "$aws/device_location/T/get_position_estimate", true},
		{Publish, "$aws/device_location/U/get_position_estimate", false},
		{Subscribe, "$aws/commands/things/+/executions/#", false},
		{Subscribe, "$aws/certificates/create/json/accepted", true},
		{Publish, "$SYS/broker", false},
		{Publish, "$", false},
		{Publish, "", false},
		{Publish, "telemetry/T", true},
		{Publish, "aws/things/U/jobs/get", true},
		{Publish, "$share/g/telemetry", false},
		{RetainPublish, "telemetry/T", true},
		{RetainPublish, "$aws/things/U/x", false},
		{Receive, "$aws/things/T/jobs/notify", true},
		{Receive, "$aws/things/U/jobs/notify", false},
		{Receive, "telemetry/x", true},

		{Subscribe, "$aws/things/T/jobs/notify-next", true},
		{Subscribe, "$aws/things/T/jobs/get/+", true},
		{Subscribe, "$aws/things/T/jobs/+/update/accepted", true},
		{Subscribe, "$aws/things/T/jobs/fw-42/update/#", true},
		{Subscribe, "$aws/things/T/jobs/#", true},
		{Subscribe, "$aws/things/T/#", true},
		{Subscribe, "$aws/things/T/+/notify", true},
		{Subscribe, "$aws/things/+/jobs/notify", false},
		{Subscribe, "$aws/things/#", false},
		{Subscribe, "$aws/+/T/jobs/notify", false},
		{Subscribe, "$aws/#", false},
		{Subscribe, "$aws/things/U/jobs/notify", false},
		{Subscribe, "$aws/events/#", false},
		{Subscribe, "$SYS/#", false},
		{Subscribe, "#", true},
		{Subscribe, "+/things/T/#", true},
		{Subscribe, "telemetry/#", true},
		{Subscribe, "$share/g/telemetry/#", true},
		{Subscribe, "$share/g/$aws/things/T/jobs/notify", true},
		{Subscribe, "$share/g/$aws/things/U/jobs/notify", false},
		{Subscribe, "$share/g/$share/h/telemetry", false},
		{Subscribe, "$share/g", false},
		{Subscribe, "$share//telemetry", false},

		{GetPendingJobExecutions, "T", true},
		{GetThingShadow, "T", true},
		{UpdateThingShadow, "U", false},
		{DeleteThingShadow, "U", false},
		{StartNextPendingJobExecution, "gw:1", true},
		{DescribeJobExecution, "U", false},
		{UpdateJobExecution, "", false},
		{Action("iot:CreateJob"), "T", false},
	} {
		if got := rule.Allow(Principal{ByCertificate, "c1"}, c.action, c.resource); got != c.want {
			t.Errorf("%s %q: %v, want %v", c.action, c.resource, got, c.want)
		}
		if rule.Allow(Principal{}, c.action, c.resource) {
			t.Errorf("%s %q: nobody may do this", c.action, c.resource)
		}
		if rule.Allow(Principal{ByCertificate, "inactive"}, c.action, c.resource) {
			t.Errorf("%s %q: the holder of a certificate that is not ACTIVE may not do this", c.action, c.resource)
		}
		if !rule.Allow(Principal{ByAccessKey, "AKIA"}, c.action, c.resource) {
			t.Errorf("%s %q: refused to an operator", c.action, c.resource)
		}
		if !(Everything{}).Allow(Principal{}, c.action, c.resource) {
			t.Errorf("%s %q: refused in dev", c.action, c.resource)
		}
	}
	if rule.Allow(Principal{ByCertificate, "c2"}, Publish, "$aws/things/T/jobs/get") {
		t.Error("a certificate acts for the thing of another")
	}
}

func BenchmarkAllow(b *testing.B) {
	certificates := NewCertificates(func(string) (Certificate, error) {
		return Certificate{Active: true, Things: []registry.Name{"pump-7"}}, nil
	})
	var rule Authorizer = AttachedThings{Of: certificates.Attached}
	p := Principal{ByCertificate, CertificateID(nil)}
	for b.Loop() {
		if !rule.Allow(p, Publish, "$aws/things/pump-7/jobs/fw-42/update") {
			b.Fatal("refused")
		}
	}
}
