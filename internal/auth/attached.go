package auth

import (
	"slices"
	"strings"

	"github.com/drover-iot/drover/internal/registry"
)

// AttachedThings is the Authorizer of `serve` until policies land (design.md
// decision 13). An access key is an operator's and may do everything. The holder
// of an ACTIVE certificate acts for the things that it is attached to, and no
// other; that of a certificate which is not ACTIVE any more does nothing:
//
//   - it connects with any client id;
//   - it uses every topic and filter that does not begin with `$`;
//   - it uses `$aws/things/{thing}/…` and the Jobs and shadow operations of
//     those things;
//   - it uses the reserved topics of services that name no thing and on which
//     nobody hears another (device-plane.md 11 row 25), and of commands and
//     device location those of the things.
//
// Everything else is refused, and device-plane.md 6.5 says how that looks.
type AttachedThings struct {
	// Of gives the names of the things to which a certificate is attached, in
	// ascending order, and whether it is ACTIVE: Certificates.Attached.
	Of func(certificateID string) (things []registry.Name, active bool)
}

// Allow says whether p may do this.
func (a AttachedThings) Allow(p Principal, action Action, resource string) bool {
	switch p.Kind {
	case ByAccessKey:
		return true
	case ByCertificate:
		return a.device(p.ID, action, resource)
	}
	return false
}

func (a AttachedThings) device(certificate string, action Action, resource string) bool {
	things, active := a.Of(certificate)
	if !active {
		return false
	}
	switch action {
	case Connect:
		return true
	case Publish, RetainPublish, Receive:
		return topic(things, resource)
	case Subscribe:
		return topic(things, unshared(resource))
	case DescribeJobExecution, GetPendingJobExecutions, StartNextPendingJobExecution, UpdateJobExecution,
		GetThingShadow, UpdateThingShadow, DeleteThingShadow:
		return acts(things, resource)
	}
	return false
}

// topic judges a topic and a filter alike. A wildcard in the first level does
// not match `$aws` (device-plane.md 6.3), and one in the place of the thing is
// no name: `$aws/things/+/jobs/notify` is refused.
func topic(things []registry.Name, topic string) bool {
	if !strings.HasPrefix(topic, "$") {
		return topic != ""
	}
	for _, prefix := range nobodys {
		if rest, ok := strings.CutPrefix(topic, prefix); ok {
			return rest != ""
		}
	}
	for _, prefix := range ofThings {
		if rest, ok := strings.CutPrefix(topic, prefix); ok {
			thing, below, _ := strings.Cut(rest, "/")
			return below != "" && acts(things, thing)
		}
	}
	return false
}

// nobodys are reserved topics that name no thing; ofThings are those where its
// name follows.
var (
	nobodys  = []string{"$aws/rules/", "$aws/certificates/", "$aws/provisioning-templates/"}
	ofThings = []string{"$aws/things/", "$aws/commands/things/", "$aws/device_location/"}
)

func acts(things []registry.Name, thing string) bool {
	_, found := slices.BinarySearch(things, registry.Name(thing))
	return found
}

// unshared gives the filter of a shared subscription, `$share/{group}/{filter}`:
// what it would deliver decides, not the group.
func unshared(filter string) string {
	rest, shared := strings.CutPrefix(filter, "$share/")
	if !shared {
		return filter
	}
	group, filter, _ := strings.Cut(rest, "/")
	if group == "" {
		return ""
	}
	return filter
}
