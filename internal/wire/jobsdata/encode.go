package jobsdata

import (
	"slices"
	"strconv"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/go-json-experiment/json/jsontext"
)

// Protocol is what a reply travels over.
type Protocol uint8

// The two protocols of the device plane.
const (
	MQTT Protocol = iota
	HTTPS
)

// Form is how a reply is written. The protocols differ in more than the transport
// (device-plane.md 2.1, 2.4): over MQTT the job document is an embedded value and
// the reply carries the caller's token and a time; over HTTPS the document is a
// string and there is neither.
type Form struct {
	Protocol
	ClientToken *string   // MQTT: echoed verbatim, left out when nil
	Timestamp   time.Time // MQTT
	// OmitThingName leaves thingName out of MQTT executions, as captures of AWS show
	// them (device-plane.md 11 row 16). HTTPS always has it.
	OmitThingName bool
}

// Reply is any Output of this package: Append adds its JSON to dst, keys in the
// order in which AWS writes them.
type Reply interface {
	Append(dst []byte, f Form) []byte
}

var (
	_ Reply = (*GetPendingJobExecutionsOutput)(nil)
	_ Reply = (*StartNextPendingJobExecutionOutput)(nil)
	_ Reply = (*DescribeJobExecutionOutput)(nil)
	_ Reply = (*UpdateJobExecutionOutput)(nil)
)

// Append implements Reply.
func (o *GetPendingJobExecutionsOutput) Append(dst []byte, f Form) []byte {
	dst = f.open(dst)
	dst = appendSummaries(key(dst, `"inProgressJobs":`), o.InProgressJobs)
	dst = appendSummaries(key(dst, `"queuedJobs":`), o.QueuedJobs)
	return append(dst, '}')
}

// Append implements Reply.
func (o *StartNextPendingJobExecutionOutput) Append(dst []byte, f Form) []byte {
	return appendNext(dst, o.Execution, f)
}

// Append implements Reply.
func (o *DescribeJobExecutionOutput) Append(dst []byte, f Form) []byte {
	return appendNext(dst, o.Execution, f)
}

// Append implements Reply.
func (o *UpdateJobExecutionOutput) Append(dst []byte, f Form) []byte {
	dst = f.open(dst)
	if o.ExecutionState != nil {
		dst = o.ExecutionState.append(key(dst, `"executionState":`))
	}
	if o.JobDocument != nil {
		dst = f.document(key(dst, `"jobDocument":`), o.JobDocument)
	}
	return append(dst, '}')
}

// Append writes the payload of `notify`; of the Form only the Timestamp matters.
func (n *JobExecutionsChanged) Append(dst []byte, f Form) []byte {
	dst = Form{Timestamp: f.Timestamp}.open(dst)
	dst = append(key(dst, `"jobs":`), '{')
	if len(n.InProgress) > 0 {
		dst = appendSummaries(key(dst, `"IN_PROGRESS":`), n.InProgress)
	}
	if len(n.Queued) > 0 {
		dst = appendSummaries(key(dst, `"QUEUED":`), n.Queued)
	}
	return append(dst, '}', '}')
}

// Append writes the payload of `notify-next`; of the Form the Timestamp and
// OmitThingName matter.
func (n *NextJobExecutionChanged) Append(dst []byte, f Form) []byte {
	return appendNext(dst, n.Execution, Form{Timestamp: f.Timestamp, OmitThingName: f.OmitThingName})
}

// AppendError writes the document of a refusal: the payload of `rejected` over MQTT
// (device-plane.md 5.1), the body beside the status over HTTPS (5.4), where the code
// tells apart what shares the status 409 (section 11 row 18).
func AppendError(dst []byte, e *job.Error, f Form) []byte {
	spelling := wire.Spell(e.Code)
	conflict := e.Code == job.InvalidStateTransition || e.Code == job.VersionMismatch
	dst = append(dst, '{')
	if f.Protocol == MQTT || conflict {
		dst = appendQuoted(key(dst, `"code":`), spelling.MQTT)
	}
	dst = appendQuoted(key(dst, `"message":`), e.Message)
	if f.Protocol == MQTT {
		dst = f.envelope(dst)
	}
	if conflict && e.State != nil {
		s := JobExecutionState{Status: e.State.Status, StatusDetails: e.State.Details, VersionNumber: e.State.Version}
		dst = s.append(key(dst, `"executionState":`))
	}
	return append(dst, '}')
}

// open begins a reply.
func (f Form) open(dst []byte) []byte {
	dst = append(dst, '{')
	if f.Protocol == MQTT {
		dst = f.envelope(dst)
	}
	return dst
}

func (f Form) envelope(dst []byte) []byte {
	if f.ClientToken != nil {
		dst = appendQuoted(key(dst, `"clientToken":`), *f.ClientToken)
	}
	return wire.AppendSeconds(key(dst, `"timestamp":`), f.Timestamp)
}

func (f Form) document(dst, document []byte) []byte {
	if f.Protocol == HTTPS {
		return appendQuoted(dst, document)
	}
	return append(dst, document...)
}

func appendNext(dst []byte, e *JobExecution, f Form) []byte {
	dst = f.open(dst)
	if e != nil {
		dst = e.append(key(dst, `"execution":`), f)
	}
	return append(dst, '}')
}

func (e *JobExecution) append(dst []byte, f Form) []byte {
	dst = appendQuoted(append(dst, `{"jobId":`...), e.JobID)
	if f.Protocol == HTTPS || !f.OmitThingName {
		dst = appendQuoted(append(dst, `,"thingName":`...), e.ThingName)
	}
	dst = appendStatus(dst, `,"status":"`, e.Status)
	dst = appendDetails(dst, e.StatusDetails)
	dst = appendTimes(dst, e.QueuedAt, e.StartedAt, e.LastUpdatedAt, false)
	dst = strconv.AppendInt(append(dst, `,"versionNumber":`...), e.VersionNumber, 10)
	dst = strconv.AppendInt(append(dst, `,"executionNumber":`...), e.ExecutionNumber, 10)
	if e.ApproximateSecondsBeforeTimedOut != nil {
		dst = append(dst, `,"approximateSecondsBeforeTimedOut":`...)
		dst = strconv.AppendInt(dst, *e.ApproximateSecondsBeforeTimedOut, 10)
	}
	if e.JobDocument != nil {
		dst = f.document(append(dst, `,"jobDocument":`...), e.JobDocument)
	}
	return append(dst, '}')
}

func (s *JobExecutionState) append(dst []byte) []byte {
	dst = appendStatus(dst, `{"status":"`, s.Status)
	dst = appendDetails(dst, s.StatusDetails)
	dst = strconv.AppendInt(append(dst, `,"versionNumber":`...), s.VersionNumber, 10)
	return append(dst, '}')
}

func appendSummaries(dst []byte, list []JobExecutionSummary) []byte {
	dst = append(dst, '[')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		s := &list[i]
		dst = appendQuoted(append(dst, `{"jobId":`...), s.JobID)
		dst = appendTimes(dst, s.QueuedAt, s.StartedAt, s.LastUpdatedAt, true)
		dst = strconv.AppendInt(append(dst, `,"executionNumber":`...), s.ExecutionNumber, 10)
		dst = strconv.AppendInt(append(dst, `,"versionNumber":`...), s.VersionNumber, 10)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendTimes writes the three times of an execution. AWS has startedAt before
// lastUpdatedAt in an execution and after it in a summary (device-plane.md 2.1, 2.2).
func appendTimes(dst []byte, queued, started, updated time.Time, summary bool) []byte {
	dst = wire.AppendSeconds(append(dst, `,"queuedAt":`...), queued)
	if summary {
		dst = wire.AppendSeconds(append(dst, `,"lastUpdatedAt":`...), updated)
	}
	if !started.IsZero() {
		dst = wire.AppendSeconds(append(dst, `,"startedAt":`...), started)
	}
	if !summary {
		dst = wire.AppendSeconds(append(dst, `,"lastUpdatedAt":`...), updated)
	}
	return dst
}

// appendDetails writes statusDetails, keys in order, or nothing for none.
func appendDetails(dst []byte, d job.Details) []byte {
	if len(d) == 0 {
		return dst
	}
	names := make([]string, 0, 10) // at most ten pairs: on the stack
	for k := range d {
		names = append(names, k)
	}
	slices.Sort(names)
	dst = append(dst, `,"statusDetails":`...)
	sep := byte('{')
	for _, k := range names {
		dst = append(appendQuoted(append(dst, sep), k), ':')
		dst = appendQuoted(dst, d[k])
		sep = ','
	}
	return append(dst, '}')
}

func appendStatus(dst []byte, prefix string, s job.Status) []byte {
	return append(append(append(dst, prefix...), s.String()...), '"')
}

// key begins a member: with a comma, unless it is the first of its object.
func key(dst []byte, quoted string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(dst, quoted...)
}

// appendQuoted writes a JSON string. The only error that the library knows is of
// bytes that are not UTF-8, which it has replaced by then.
func appendQuoted[S ~string | ~[]byte](dst []byte, s S) []byte {
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}
