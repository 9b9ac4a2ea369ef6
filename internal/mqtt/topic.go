package mqtt

import (
	"strings"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
)

// prefix begins every topic of the Jobs protocol (device-plane.md 1).
const prefix = "$aws/things/"

// operation is what a topic that a client publishes to asks for.
type operation uint8

const (
	notJobs    operation = iota // a topic outside Jobs
	getPending                  // jobs/get
	startNext                   // jobs/start-next
	describe                    // jobs/{id}/get, jobs/{id}/namespace-{ns}/get
	update                      // jobs/{id}/update, jobs/{id}/namespace-{ns}/update
	unknown                     // under jobs/, but no operation: InvalidTopic
	answer                      // a topic that only the service publishes to
)

// request is a topic taken apart. The names are not checked yet.
type request struct {
	op         operation
	thing      registry.Name
	job        job.ID
	namespaced bool // the topic names a namespace
	namespace  job.Namespace
}

// namespaceMark begins the segment that names a namespace, as the Greengrass
// nucleus writes it (device-plane.md 4.4).
const namespaceMark = "namespace-"

// parse takes a topic apart by the number of its segments after jobs/, so that
// a job may have any legal id, `get` and `notify` too (device-plane.md 1.2).
func parse(topic string) request {
	rest, ok := strings.CutPrefix(topic, prefix)
	if !ok {
		return request{}
	}
	thing, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return request{}
	}
	rest, ok = strings.CutPrefix(rest, "jobs/")
	if !ok {
		return request{}
	}
	r := request{thing: registry.Name(thing)}
	first, rest, more := strings.Cut(rest, "/")
	if !more {
		r.op = oneSegment(first)
		return r
	}
	second, rest, more := strings.Cut(rest, "/")
	if !more {
		r.op, r.job = twoSegments(first, second), job.ID(first)
		return r
	}
	r.op = unknown
	if namespace, ok := strings.CutPrefix(second, namespaceMark); ok {
		second, rest, more = strings.Cut(rest, "/")
		if op := twoSegments("", second); !more && (op == describe || op == update) {
			r.op, r.job, r.namespaced, r.namespace = op, job.ID(first), true, job.Namespace(namespace)
			return r
		}
	}
	if isReply(rest) && (second == "get" || second == "update") {
		r.op = answer
	}
	return r
}

func oneSegment(verb string) operation {
	switch verb {
	case "get":
		return getPending
	case "start-next":
		return startNext
	case "notify", "notify-next":
		return answer
	}
	if strings.HasPrefix(verb, "notify-"+namespaceMark) {
		return answer
	}
	return unknown
}

func twoSegments(first, second string) operation {
	switch {
	case isReply(second) && (first == "get" || first == "start-next"):
		return answer
	case second == "get":
		return describe
	case second == "update":
		return update
	}
	return unknown
}

func isReply(segment string) bool { return segment == "accepted" || segment == "rejected" }

// covers says whether some topic could match both the filter and one of the
// patterns: `$aws/things/t/#` is granted because it covers known topics.
func covers(filter string, patterns []string) bool {
	f := strings.Split(filter, "/")
	for _, p := range patterns {
		if overlap(f, strings.Split(p, "/")) {
			return true
		}
	}
	return false
}

// overlap says whether two filters have a topic in common.
func overlap(a, b []string) bool {
	for i := 0; ; i++ {
		switch {
		case i < len(a) && a[i] == "#" || i < len(b) && b[i] == "#":
			// AWS's `x/#` needs at least one level below x (device-plane.md 6.3).
			return i < len(a) && i < len(b)
		case i >= len(a) || i >= len(b):
			return len(a) == len(b)
		case a[i] != b[i] && a[i] != "+" && b[i] != "+":
			return false
		}
	}
}
