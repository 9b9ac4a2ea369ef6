package store

import (
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
)

// Tx is a transaction of the control plane, of the scheduler, or of a reader.
// Every list is paged by key: a page goes on after the cursor of the one
// before it, so that writes between two pages neither repeat nor skip a row
// that was there all the time. A page that has examined Examine rows ends short.
type Tx interface {
	Registry
	Jobs
	Executions
	Rollouts
	Messaging
}

// Examine is how many rows a filtered page looks at before it answers short.
const Examine = 10_000

// Page asks for the next rows after a cursor.
type Page struct {
	After string // cursor of the page before; empty: from the start
	Limit int    // rows wanted, > 0
}

// Registry are the rows of things, groups, types, certificates and tags.
type Registry interface {
	// Thing: ErrNotFound.
	Thing(registry.Name) (registry.Thing, error)
	// PutThing inserts a thing whose Key is 0 (and sets Key) or rewrites it.
	PutThing(*registry.Thing) error
	// DeleteThing takes the thing and its memberships away; the name is free at
	// once. What it had pending has no timer any more and is listed by Removals. Its
	// shadows are there for nobody any more, and go with PruneShadows.
	DeleteThing(key int64) error
	// Things are ordered by name.
	Things(f ThingFilter, p Page) (things []registry.Thing, next string, err error)

	// Group: ErrNotFound.
	Group(registry.GroupName) (registry.Group, error)
	// GroupByUUID: ErrNotFound.
	GroupByUUID(uuid string) (registry.Group, error)
	// GroupByKey: ErrNotFound.
	GroupByKey(int64) (registry.Group, error)
	// PutGroup inserts a group whose Key is 0 (and sets Key), below its Parent if
	// it has one, or rewrites it; the Parent never changes.
	PutGroup(*registry.Group) error
	// DeleteGroup takes a group without children away, and its tags.
	DeleteGroup(key int64) error
	// Groups are ordered by name; those of a subtree from the top down.
	Groups(f GroupFilter, p Page) (groups []registry.Group, next string, err error)
	// Above are the keys of a group and of its ancestors, the root first: also of
	// a deleted one whose memberships remain. None: it is not known.
	Above(group int64) ([]int64, error)
	// Pressed says whether devices wait for this transaction: one that walks many
	// rows stops at the next and does the rest in another. Never so in a View.
	Pressed() bool

	// CountChildren counts the direct children of a group, up to limit.
	CountChildren(group int64, limit int) (int, error)

	// Join and Leave are idempotent; they draw a membership sequence number.
	Join(group, thing int64) error
	Leave(group, thing int64) error
	// ThingsInGroup are ordered by name, GroupsOfThing too.
	ThingsInGroup(group int64, p Page) (names []registry.Name, next string, err error)
	GroupsOfThing(thing int64, p Page) (groups []registry.Group, next string, err error)
	// ThingsUnder are the things of a group and of those below it: group by group
	// from the top down, those of a group by name.
	ThingsUnder(group int64, p Page) (names []registry.Name, next string, err error)

	// Type: ErrNotFound.
	Type(registry.TypeName) (registry.Type, error)
	// PutType inserts a type whose Key is 0 (and sets Key) or rewrites it.
	PutType(*registry.Type) error
	// DeleteType takes a type and its tags away; no thing may have it any more.
	DeleteType(key int64) error
	// Types are ordered by name.
	Types(p Page) (types []registry.Type, next string, err error)

	// PutTag sets one tag of a resource; DeleteTag is idempotent. The tags go with
	// their resource.
	PutTag(of registry.Tagged, t registry.Tag) error
	DeleteTag(of registry.Tagged, key string) error
	// Tags are ordered by key.
	Tags(of registry.Tagged, p Page) (tags []registry.Tag, next string, err error)

	// EventConfiguration is what PutEventConfiguration kept last.
	EventConfiguration() (registry.EventConfiguration, error)
	PutEventConfiguration(registry.EventConfiguration) error

	// Certificate: ErrNotFound.
	Certificate(id string) (registry.Certificate, error)
	// PutCertificate inserts a certificate; of one that is there it rewrites the
	// status, the version and when it was updated.
	PutCertificate(registry.Certificate) error
	// DeleteCertificate: ErrNotFound. Nothing may be attached any more.
	DeleteCertificate(id string) error
	// Certificates are ordered by creation, the newest first or last, and come
	// without their PEM.
	Certificates(ascending bool, p Page) (certificates []registry.Certificate, next string, err error)
	// Attach is idempotent: an attachment keeps its place in the order, and
	// becomes exclusive or not. ErrNotFound.
	Attach(certificate string, thing int64, exclusive bool) error
	// Detach says whether there was such an attachment.
	Detach(certificate string, thing int64) (was bool, err error)
	// CertificatesOfThing are in the order of their attachment.
	CertificatesOfThing(thing int64, f AttachmentFilter, p Page) (attached []registry.Attachment, next string, err error)
	// ThingsOfCertificate are in the order in which the things were registered.
	ThingsOfCertificate(id string, f AttachmentFilter, p Page) (attached []registry.Attachment, next string, err error)
}

// AttachmentFilter narrows a list of attachments; nil does not.
type AttachmentFilter struct{ Exclusive *bool }

// ThingFilter narrows Things; empty fields do not.
type ThingFilter struct {
	Attribute, Value string
	Prefix           bool // Value is a prefix
	Type             registry.TypeName
}

// GroupFilter narrows Groups; empty fields do not.
type GroupFilter struct {
	NamePrefix string
	Of         GroupTree
	Group      int64 // that Of speaks of
}

// GroupTree says which part of the hierarchies a list of groups is of.
type GroupTree uint8

// The parts.
const (
	AllGroups  GroupTree = iota
	ChildrenOf           // the direct children of Group; of 0: the roots
	Below                // everything below Group
)

// Jobs are the rows of jobs.
type Jobs interface {
	// Job: ErrNotFound. A job in DELETION_IN_PROGRESS is still found.
	Job(job.ID) (job.Job, job.Tally, error)
	JobByKey(int64) (job.Job, job.Tally, error)
	// PutJob inserts a job whose Key is 0 (and sets Key), with its document,
	// or rewrites it (document is then nil: it never changes).
	PutJob(j *job.Job, document []byte) error
	Document(jobKey int64) ([]byte, error)
	// JobList is ordered by creation, newest first. TargetGroup limits to jobs
	// that target this group's ARN.
	JobList(f JobFilter, p Page) (jobs []job.Job, next string, err error)
	// CountJobs counts the jobs of this status and selection (0: of any), up to
	// limit.
	CountJobs(s job.JobStatus, of job.Selection, limit int) (int, error)
	// DropJob removes the row of a job whose executions are gone, and its tags;
	// its id is then free.
	DropJob(key int64) error
}

// JobFilter narrows JobList; zero fields do not.
type JobFilter struct {
	Status    job.JobStatus
	Selection job.Selection
	Target    string
	Namespace job.Namespace
}

// Executions are the rows of executions.
type Executions interface {
	// Snapshot is what Submit would show a decision.
	Snapshot(Keys) (Snapshot, error)
	// PendingNamespaces are those in which the thing, also a deleted one, has stored
	// pending rows, in their order.
	PendingNamespaces(thing int64) ([]job.Namespace, error)
	// Write applies what a decision has returned.
	Write(Changes) error
	// ExecutionsForJob are ordered by thing, then newest number first.
	// Rows of deleted things stay listed under the name that they had.
	ExecutionsForJob(jobKey int64, f ExecutionFilter, p Page) (rows []Row, next string, err error)
	// ExecutionsForThing are ordered newest first.
	ExecutionsForThing(thing int64, f ExecutionFilter, p Page) (rows []Row, next string, err error)
	// Recount counts a job's rows, for tests and repair: it reads all of them.
	Recount(jobKey int64) (job.Tally, error)
	// History visits an execution's events, newest first.
	History(e job.Execution, yield func(job.Event) error) error
}

// ExecutionFilter narrows a list of executions. Status is compared with what
// Effective makes of the row at Now; zero fields do not narrow. Job and
// Namespace are for ExecutionsForThing.
type ExecutionFilter struct {
	Status    job.Status
	Job       job.ID
	Namespace job.Namespace
	Now       time.Time
}

// Row is a listed execution: as stored, with the state of its job.
type Row struct {
	job.Entry
	Thing registry.Name
}

// Rollouts are what the scheduler walks: in slices, by stored cursors.
type Rollouts interface {
	// Pin is the current membership sequence.
	Pin() (int64, error)
	// Members visits the things of a group as it was at pin, by key, after a
	// thing's key; living things only.
	Members(group, pin, after int64, limit int) ([]Member, error)
	// NextGroup is the group that follows another in the walk of a group and all
	// that is below it, parents before children; after 0 comes the group itself.
	// Deleted groups whose memberships remain are walked too. 0: there is none.
	NextGroup(group, after int64) (int64, error)
	// WasMember says whether the thing was in the group at pin, or in one below it.
	WasMember(group, pin, thing int64) (bool, error)
	// Newest is the thing's newest attempt of the job, as stored and without the
	// job's id; Number 0: it has none.
	Newest(jobKey, thing int64) (job.Execution, error)
	// LastQueued is the queue sequence (Seq) of the execution that was queued last.
	LastQueued() (int64, error)

	// Followers are the CONTINUOUS jobs that are not over and have this group
	// among their targets.
	Followers(group int64) (jobs []int64, err error)
	// AddRetarget notes, behind all others, what has become of what the job
	// follows, and makes the job due.
	AddRetarget(jobKey int64, r Retarget) error
	// Retargets are the first that were noted.
	Retargets(jobKey int64, limit int) ([]Retarget, error)
	// PutRetarget rewrites the cursor of one, ErrNotFound.
	PutRetarget(jobKey int64, r Retarget) error
	// DropRetargets forgets all up to this sequence.
	DropRetargets(jobKey, until int64) error
	// MarkLeft sets or clears Left of one execution, and nothing else of it: it
	// is no change that a device sees. ErrNotFound.
	MarkLeft(e job.Execution, left bool) error
	// WhoLeft are the things, by key, after a thing's key, of which an attempt of the
	// job has Left; living things only.
	WhoLeft(jobKey, after int64, limit int) ([]Member, error)
	// Removals are deleted things that may have stored pending rows, limit at most.
	Removals(limit int) ([]Member, error)
	// Removed says that a deleted thing has none any more.
	Removed(thing int64) error
	// DueTimers are executions whose timer has run out, earliest first; those
	// of jobs that are being deleted end with their job, of deleted things with their
	// thing.
	DueTimers(now time.Time, limit int) ([]Due, error)
	// NextTimer is when the earliest timer runs out; zero: there is none.
	NextTimer() (time.Time, error)
	// DueJobs are jobs that want attention at now: a rollout or a sweep to go
	// on with, or counters that have changed; earliest first.
	DueJobs(now time.Time, limit int) ([]int64, error)
	// NextJob is when the earliest job wants attention; zero: none does.
	NextJob() (time.Time, error)
	// SetDue says when a job wants attention next; zero: not any more.
	SetDue(jobKey int64, at time.Time) error
	// Prune forgets memberships that have ended and that no expansion under
	// way, nor the walk of a dissolved group, can reach, limit at most; more says that there are others. With limit
	// 0 it only asks.
	Prune(limit int) (more bool, err error)
	// PruneShadows forgets shadows that were deleted before a time, and those of
	// deleted things, limit at most; more says that there are others. With limit
	// 0 it only asks.
	PruneShadows(before time.Time, limit int) (more bool, err error)
	// NextShadow is when the earliest of the deleted shadows was deleted; zero:
	// there is none.
	NextShadow() (time.Time, error)
}

// Member is a thing on a walk.
type Member struct {
	Key  int64
	Name registry.Name
}

// Retarget is what has become of something that a CONTINUOUS job follows: a
// thing has become a target of it or ceased to be one; or a group was dissolved,
// whose things are walked by the cursor After; or, with neither, targets were
// associated, and the things that have left are walked.
type Retarget struct {
	Seq    int64  // of the job's
	Thing  Member // its name is empty when it is gone
	Joined bool
	Group  int64
	After  int64
}

// Due is an execution whose timer has run out.
type Due struct {
	Thing registry.Name
	Ref   job.Ref
	At    time.Time
}

// Messaging are the rows of the broker's persistent sessions and of effects
// that they have not been given yet. The bytes are the broker's.
type Messaging interface {
	PutSession(Session) error
	DeleteSession(client string) error
	Sessions(yield func(Session) error) error
	PutSubscription(client, filter string, qos byte) error
	DeleteSubscription(client, filter string) error
	Subscriptions(client string, yield func(filter string, qos byte) error) error
	// Enqueue appends a message to a session's queue under its own sequence.
	EnqueueMessage(client string, seq int64, message []byte) error
	// DequeueMessages removes messages by their sequences.
	DequeueMessages(client string, seqs []int64) error
	Messages(client string, yield func(seq int64, message []byte) error) error
	PutRetained(topic string, message []byte) error // empty: removes it
	Retained(yield func(topic string, message []byte) error) error
	// DropEffect removes an effect's durable row.
	DropEffect(row int64) error
	// DropEvent removes an event's durable row.
	DropEvent(row int64) error
	// Events visits the events that were kept and never consumed, oldest first;
	// they have a Payload and no Body.
	Events(yield func(job.Message) error) error
	// Effects visits the durable effects that were never consumed, oldest first.
	Effects(yield func(EffectRow) error) error
}

// Session is a persistent session of the broker.
type Session struct {
	Client         string
	Expiry         time.Duration // after the disconnection
	DisconnectedAt time.Time     // zero: it is connected, or was when the server ended
}

// EffectRow is a durable effect: which thing's devices must be told what.
type EffectRow struct {
	Row          int64
	Thing        registry.Name
	Namespace    job.Namespace
	Notify, Next bool
}
