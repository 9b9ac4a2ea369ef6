package events

import (
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
)

// prefix begins every topic of an event.
const prefix = "$aws/events/"

// Event is a message that can be written.
type Event interface {
	// Topic is where it is published.
	Topic() string
}

// Append writes an event after dst. Its members are texts, numbers, and lists and
// maps of them, so it cannot fail.
func Append(dst []byte, e Event) []byte {
	b, err := json.Marshal(e, json.Deterministic(true))
	if err != nil {
		panic("events: " + err.Error())
	}
	return append(dst, b...)
}

// Head is what most events begin with.
type Head struct {
	EventType string `json:"eventType"`
	EventID   string `json:"eventId"`
	Timestamp int64  `json:"timestamp"`
	Operation string `json:"operation"`
}

// head is of a registry event: in milliseconds, the operation in capitals.
func head(eventType, id, operation string, at time.Time) Head {
	return Head{EventType: eventType, EventID: id, Timestamp: at.UnixMilli(), Operation: strings.ToUpper(operation)}
}

// Job is what became of a job.
type Job struct {
	Head
	JobID             job.ID            `json:"jobId"`
	Status            string            `json:"status"`
	TargetSelection   string            `json:"targetSelection"`
	Targets           []string          `json:"targets"`
	Description       string            `json:"description,omitzero"`
	Comment           string            `json:"comment,omitzero"`
	CompletedAt       int64             `json:"completedAt,omitzero"`
	CreatedAt         int64             `json:"createdAt"`
	LastUpdatedAt     int64             `json:"lastUpdatedAt"`
	JobProcessDetails *JobProcessDetail `json:"jobProcessDetails,omitzero"`
}

// JobProcessDetail are the five counters of a job that is completed.
type JobProcessDetail struct {
	NumberOfCanceledThings  int64 `json:"numberOfCanceledThings"`
	NumberOfRejectedThings  int64 `json:"numberOfRejectedThings"`
	NumberOfFailedThings    int64 `json:"numberOfFailedThings"`
	NumberOfRemovedThings   int64 `json:"numberOfRemovedThings"`
	NumberOfSucceededThings int64 `json:"numberOfSucceededThings"`
}

// JobOperation is what happened to a job.
type JobOperation string

// What can happen to a job.
const (
	JobCompleted              JobOperation = "completed"
	JobCancellationInProgress JobOperation = "cancellation_in_progress"
	JobCanceled               JobOperation = "canceled"
	JobDeletionInProgress     JobOperation = "deletion_in_progress"
	JobDeleted                JobOperation = "deleted"
)

// NewJob is the event of a job after an operation; t are its counters.
func NewJob(id string, op JobOperation, j job.Job, t job.Tally, at time.Time) *Job {
	e := &Job{
		Head:  Head{EventType: "JOB", EventID: id, Timestamp: at.Unix(), Operation: string(op)},
		JobID: j.ID, Status: strings.ToUpper(string(op)), TargetSelection: j.Selection.String(), Targets: j.Targets,
		Description: j.Description, CreatedAt: j.CreatedAt.UnixMilli(), LastUpdatedAt: j.LastUpdatedAt.UnixMilli(),
	}
	switch op {
	case JobCompleted:
		e.CompletedAt = j.CompletedAt.UnixMilli()
		e.JobProcessDetails = &JobProcessDetail{
			NumberOfCanceledThings: t.Things[job.Canceled], NumberOfRejectedThings: t.Things[job.Rejected],
			NumberOfFailedThings: t.Things[job.Failed], NumberOfRemovedThings: t.Things[job.Removed],
			NumberOfSucceededThings: t.Things[job.Succeeded],
		}
	case JobCancellationInProgress, JobDeletionInProgress, JobDeleted:
		e.Comment = j.Comment
	}
	return e
}

// Topic is `$aws/events/job/{jobId}/{operation}`.
func (e *Job) Topic() string { return prefix + "job/" + string(e.JobID) + "/" + e.Operation }

// JobExecution is how an execution ended, or that it was deleted.
type JobExecution struct {
	Head
	JobID         job.ID      `json:"jobId"`
	ThingARN      string      `json:"thingArn"`
	Status        string      `json:"status"`
	StatusDetails job.Details `json:"statusDetails,omitzero"`
}

// NewJobExecution is the event of an execution that reached a status, or DELETED.
func NewJobExecution(id, status, thingARN string, e job.Execution, at time.Time) *JobExecution {
	return &JobExecution{
		Head:  Head{EventType: "JOB_EXECUTION", EventID: id, Timestamp: at.Unix(), Operation: strings.ToLower(status)},
		JobID: e.JobID, ThingARN: thingARN, Status: status, StatusDetails: e.Details,
	}
}

// Topic is `$aws/events/jobExecution/{jobId}/{operation}`.
func (e *JobExecution) Topic() string {
	return prefix + "jobExecution/" + string(e.JobID) + "/" + e.Operation
}

// text is a name that is null when there is none.
func text[S ~string](s S) *string {
	if s == "" {
		return nil
	}
	t := string(s)
	return &t
}

func attributes(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// Thing is what became of a thing.
type Thing struct {
	Head
	AccountID     string            `json:"accountId"`
	ThingID       string            `json:"thingId"`
	ThingName     registry.Name     `json:"thingName"`
	VersionNumber int64             `json:"versionNumber"`
	ThingTypeName *string           `json:"thingTypeName"`
	Attributes    map[string]string `json:"attributes"`
}

// NewThing is the event of a thing that was created, updated or deleted.
func NewThing(id, account, operation string, t registry.Thing, at time.Time) *Thing {
	return &Thing{
		Head: head("THING_EVENT", id, operation, at), AccountID: account, ThingID: t.UUID, ThingName: t.Name,
		VersionNumber: t.Version, ThingTypeName: text(t.Type), Attributes: attributes(t.Attributes),
	}
}

// Topic is `$aws/events/thing/{thing}/{operation}`.
func (e *Thing) Topic() string {
	return prefix + "thing/" + string(e.ThingName) + "/" + strings.ToLower(e.Operation)
}

// ThingType is what became of a thing type.
type ThingType struct {
	Head
	AccountID            string            `json:"accountId"`
	ThingTypeID          string            `json:"thingTypeId"`
	ThingTypeName        registry.TypeName `json:"thingTypeName"`
	IsDeprecated         bool              `json:"isDeprecated"`
	DeprecationDate      *int64            `json:"deprecationDate"`
	SearchableAttributes []string          `json:"searchableAttributes"`
	Description          string            `json:"description"`
}

// NewThingType is the event of a thing type that was created, updated or deleted.
func NewThingType(id, account, operation string, t registry.Type, at time.Time) *ThingType {
	e := &ThingType{
		Head: head("THING_TYPE_EVENT", id, operation, at), AccountID: account, ThingTypeID: t.UUID, ThingTypeName: t.Name,
		IsDeprecated: t.Deprecated(), SearchableAttributes: t.Searchable, Description: t.Description,
	}
	if t.Deprecated() {
		ms := t.DeprecatedAt.UnixMilli()
		e.DeprecationDate = &ms
	}
	return e
}

// Topic is `$aws/events/thingType/{type}/{operation}`.
func (e *ThingType) Topic() string {
	return prefix + "thingType/" + string(e.ThingTypeName) + "/" + strings.ToLower(e.Operation)
}

// Association is that a thing got a type, or lost it.
type Association struct {
	Head
	ThingID       string            `json:"thingId"`
	ThingName     registry.Name     `json:"thingName"`
	ThingTypeName registry.TypeName `json:"thingTypeName"`
}

// NewAssociation is the event of a type that was added to a thing or removed.
func NewAssociation(id, operation string, t registry.Thing, of registry.TypeName, at time.Time) *Association {
	return &Association{Head: head("THING_TYPE_ASSOCIATION_EVENT", id, operation, at), ThingID: t.UUID, ThingName: t.Name, ThingTypeName: of}
}

// Topic is `$aws/events/thingTypeAssociation/thing/{thing}/thingType/{type}/{operation}`.
func (e *Association) Topic() string {
	return prefix + "thingTypeAssociation/thing/" + string(e.ThingName) + "/thingType/" + string(e.ThingTypeName) + "/" + strings.ToLower(e.Operation)
}

// Group is what became of a thing group.
type Group struct {
	Head
	AccountID               string             `json:"accountId"`
	ThingGroupID            string             `json:"thingGroupId"`
	ThingGroupName          registry.GroupName `json:"thingGroupName"`
	VersionNumber           int64              `json:"versionNumber"`
	ParentGroupName         *string            `json:"parentGroupName"`
	ParentGroupID           *string            `json:"parentGroupId"`
	Description             string             `json:"description"`
	RootToParentThingGroups []GroupRef         `json:"rootToParentThingGroups"`
	Attributes              map[string]string  `json:"attributes"`
	DynamicGroupMappingID   *string            `json:"dynamicGroupMappingId"`
}

// GroupRef is a group that another is below.
type GroupRef struct {
	GroupARN string `json:"groupArn"`
	GroupID  string `json:"groupId"`
}

// NewGroup is the event of a group that was created, updated or deleted. above are
// the groups that it is below, the root first.
func NewGroup(id, account, operation string, g registry.Group, above []registry.Group, arn func(registry.GroupName) string, at time.Time) *Group {
	e := &Group{
		Head: head("THING_GROUP_EVENT", id, operation, at), AccountID: account, ThingGroupID: g.UUID, ThingGroupName: g.Name,
		VersionNumber: g.Version, Description: g.Description, RootToParentThingGroups: []GroupRef{}, Attributes: attributes(g.Attributes),
	}
	for _, a := range above {
		e.RootToParentThingGroups = append(e.RootToParentThingGroups, GroupRef{arn(a.Name), a.UUID})
		e.ParentGroupName, e.ParentGroupID = text(a.Name), text(a.UUID)
	}
	return e
}

// Topic is `$aws/events/thingGroup/{group}/{operation}`.
func (e *Group) Topic() string {
	return prefix + "thingGroup/" + string(e.ThingGroupName) + "/" + strings.ToLower(e.Operation)
}

// Membership is that a thing was put into a group, or taken out.
type Membership struct {
	Head
	AccountID    string `json:"accountId"`
	GroupARN     string `json:"groupArn"`
	GroupID      string `json:"groupId"`
	ThingARN     string `json:"thingArn"`
	ThingID      string `json:"thingId"`
	MembershipID string `json:"membershipId"`

	group registry.GroupName
	thing registry.Name
}

// NewMembership is the event of a thing that was added to a group or removed.
func NewMembership(id, account, operation, membership string, g registry.Group, groupARN string, t registry.Thing, thingARN string, at time.Time) *Membership {
	return &Membership{
		Head: head("THING_GROUP_MEMBERSHIP_EVENT", id, operation, at), AccountID: account, GroupARN: groupARN, GroupID: g.UUID,
		ThingARN: thingARN, ThingID: t.UUID, MembershipID: membership, group: g.Name, thing: t.Name,
	}
}

// Topic is `$aws/events/thingGroupMembership/thingGroup/{group}/thing/{thing}/{operation}`.
func (e *Membership) Topic() string {
	return prefix + "thingGroupMembership/thingGroup/" + string(e.group) + "/thing/" + string(e.thing) + "/" + strings.ToLower(e.Operation)
}

// Hierarchy is that a group got a child, or lost it.
type Hierarchy struct {
	Head
	AccountID      string             `json:"accountId"`
	ThingGroupID   string             `json:"thingGroupId"`
	ThingGroupName registry.GroupName `json:"thingGroupName"`
	ChildGroupID   string             `json:"childGroupId"`
	ChildGroupName registry.GroupName `json:"childGroupName"`
}

// NewHierarchy is the event of a child that was added to a group or removed.
func NewHierarchy(id, account, operation string, parent, child registry.Group, at time.Time) *Hierarchy {
	return &Hierarchy{
		Head: head("THING_GROUP_HIERARCHY_EVENT", id, operation, at), AccountID: account, ThingGroupID: parent.UUID,
		ThingGroupName: parent.Name, ChildGroupID: child.UUID, ChildGroupName: child.Name,
	}
}

// Topic is `$aws/events/thingGroupHierarchy/thingGroup/{parent}/childThingGroup/{child}/{operation}`.
func (e *Hierarchy) Topic() string {
	return prefix + "thingGroupHierarchy/thingGroup/" + string(e.ThingGroupName) + "/childThingGroup/" + string(e.ChildGroupName) + "/" + strings.ToLower(e.Operation)
}
