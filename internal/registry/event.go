package registry

import "time"

// EventType is a kind of event messages that can be switched on
// (control-plane.md C).
type EventType uint8

// The event types, as UpdateEventConfigurations knows them. The last three are
// kept for callers who set them. AWS documents no message of POLICY and
// CA_CERTIFICATE, and one of CERTIFICATE, of a certificate that the registration of
// CAs brings in by itself (registry-and-auth.md E.2), which is not here yet.
const (
	ThingEvents EventType = iota
	ThingGroupEvents
	ThingTypeEvents
	MembershipEvents
	HierarchyEvents
	TypeAssociationEvents
	JobEvents
	JobExecutionEvents
	PolicyEvents
	CertificateEvents
	CACertificateEvents
	eventTypes
)

var eventNames = [eventTypes]string{
	"THING", "THING_GROUP", "THING_TYPE", "THING_GROUP_MEMBERSHIP", "THING_GROUP_HIERARCHY", "THING_TYPE_ASSOCIATION",
	"JOB", "JOB_EXECUTION", "POLICY", "CERTIFICATE", "CA_CERTIFICATE",
}

func (t EventType) String() string { return eventNames[t] }

// EventTypes are all of them.
func EventTypes() []EventType {
	all := make([]EventType, eventTypes)
	for i := range all {
		all[i] = EventType(i)
	}
	return all
}

// EventSet is a set of event types.
type EventSet uint16

// Has says whether t is in the set.
func (s EventSet) Has(t EventType) bool { return s&(1<<t) != 0 }

// With gives the set with t or without it.
func (s EventSet) With(t EventType, in bool) EventSet {
	if in {
		return s | 1<<t
	}
	return s &^ (1 << t)
}

// EventConfiguration is which events are told.
type EventConfiguration struct {
	Enabled    EventSet
	CreatedAt  time.Time // of the first change; zero: it was never changed
	ModifiedAt time.Time
}

// Changed is the configuration after a change.
func (c EventConfiguration) Changed(enabled EventSet, now time.Time) EventConfiguration {
	if c.CreatedAt.IsZero() {
		c.CreatedAt = now
	}
	c.Enabled, c.ModifiedAt = enabled, now
	return c
}
