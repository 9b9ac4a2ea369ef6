package mqtt

import "testing"

func TestTopicsAreTakenApartByTheirNumberOfSegments(t *testing.T) {
	const thing = "pump:7"
	rows := []struct {
		name string
		rest string
		op   operation
		job  string
	}{
		{"get is GetPendingJobExecutions", "jobs/get", getPending, ""},
		{"start-next is StartNextPendingJobExecution", "jobs/start-next", startNext, ""},
		{"id/get is DescribeJobExecution", "jobs/fw-42/get", describe, "fw-42"},
		{"$next/get describes the head", "jobs/$next/get", describe, "$next"},
		{"id/update is UpdateJobExecution", "jobs/fw-42/update", update, "fw-42"},
		{"a job may be called get", "jobs/get/get", describe, "get"},
		{"a job may be called start-next", "jobs/start-next/update", update, "start-next"},
		{"a job may be called notify", "jobs/notify/get", describe, "notify"},
		{"notify is the service's", "jobs/notify", answer, ""},
		{"notify-next is the service's", "jobs/notify-next", answer, ""},
		{"get/accepted is a reply", "jobs/get/accepted", answer, "get"},
		{"start-next/rejected is a reply", "jobs/start-next/rejected", answer, "start-next"},
		{"id/get/accepted is a reply", "jobs/fw-42/get/accepted", answer, ""},
		{"id/update/rejected is a reply", "jobs/fw-42/update/rejected", answer, ""},
		{"id/namespace/get describes within a namespace", "jobs/fw-42/namespace-aws-gg-deployment/get", describe, "fw-42"},
		{"$next/namespace/get describes the head of a namespace", "jobs/$next/namespace-gg/get", describe, "$next"},
		{"id/namespace/update updates within a namespace", "jobs/fw-42/namespace-gg/update", update, "fw-42"},
		{"a job may be called as a namespace is written", "jobs/namespace-gg/get", describe, "namespace-gg"},
		{"notify-namespace is the service's", "jobs/notify-namespace-gg", answer, ""},
		{"id/namespace/get/accepted is a reply", "jobs/fw-42/namespace-gg/get/accepted", answer, ""},
		{"id/namespace/update/rejected is a reply", "jobs/fw-42/namespace-gg/update/rejected", answer, ""},
		{"id/namespace/start-next is no operation", "jobs/fw-42/namespace-gg/start-next", unknown, ""},
		{"id/namespace/get/more is no operation", "jobs/fw-42/namespace-gg/get/more", unknown, ""},
		{"another verb is no operation", "jobs/fw-42/cancel", unknown, "fw-42"},
		{"another single segment is no operation", "jobs/gets", unknown, ""},
		{"an empty segment is no operation", "jobs/", unknown, ""},
		{"a reply of another verb is no operation", "jobs/fw-42/cancel/accepted", unknown, ""},
		{"too deep is no operation", "jobs/fw-42/get/accepted/x", unknown, ""},
		{"jobs alone is not Jobs", "jobs", notJobs, ""},
		{"shadow is not Jobs", "shadow/get", notJobs, ""},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			got := parse(prefix + thing + "/" + r.rest)
			if got.op != r.op || r.op != notJobs && got.thing != thing {
				t.Fatalf("got %+v, expected operation %d of %s", got, r.op, thing)
			}
			if (r.op == describe || r.op == update) && string(got.job) != r.job {
				t.Fatalf("got job %q, expected %q", got.job, r.job)
			}
		})
	}
}

func TestAReservedFilterIsGrantedWhenItCoversKnownTopics(t *testing.T) {
	rows := []struct {
		filter string
		want   bool
	}{
		{"$aws/things/t/#", true},
		{"$aws/things/t/jobs/#", true},
		{"$aws/things/+/jobs/notify", true},
		{"$aws/things/t/jobs/fw/update/#", true},
		{"$aws/things/t/jobs/+/update/accepted", true},
		{"$aws/things/t/shadow/update/delta", true},
		{"$aws/events/presence/connected/+", true},
		{"$aws/#", true},
		{"$aws/things/t/jobs", false},
		{"$aws/things/t/job/#", false},
		{"$aws/nothing/x", false},
		{"$aws/things/t/shadow/name/+/update/delta", true},
		{"$aws/rules/r/#", true},
		{"$aws/sitewise/asset-models/+/assets/+/properties/+", true},
		{"$aws/device_location/t/get_position_estimate/accepted", true},
		{"$aws/commands/things/t/executions/+/request/json", true},
		{"$SYS/#", false},
	}
	for _, r := range rows {
		if got := covers(r.filter, audible); got != r.want {
			t.Errorf("covers(%q) = %v, expected %v", r.filter, got, r.want)
		}
	}
}

// within is the segment that names a request's namespace.
func within(r request) string {
	if !r.namespaced {
		return ""
	}
	return "/namespace-" + string(r.namespace)
}

func FuzzTopic(f *testing.F) {
	for _, s := range []string{"$aws/things/t/jobs/get", "$aws/things/t/jobs/j/update", "$aws/things//jobs//get", "$aws/things/t/jobs/j/get/accepted", "$aws/things/t/jobs/j/namespace-n/update", "$aws/things/t/jobs/j/namespace-/get"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, topic string) {
		r := parse(topic)
		switch r.op {
		case describe:
			if want := prefix + string(r.thing) + "/jobs/" + string(r.job) + within(r) + "/get"; topic != want {
				t.Fatalf("%q was read as %q", topic, want)
			}
		case update:
			if want := prefix + string(r.thing) + "/jobs/" + string(r.job) + within(r) + "/update"; topic != want {
				t.Fatalf("%q was read as %q", topic, want)
			}
		case getPending:
			if want := prefix + string(r.thing) + "/jobs/get"; topic != want {
				t.Fatalf("%q was read as %q", topic, want)
			}
		}
	})
}
