package job

// Status is the state of one execution (control-plane.md A.1, B.2).
type Status uint8

// The states of an execution. QUEUED and IN_PROGRESS are pending; the rest are
// terminal and final.
const (
	Queued Status = iota + 1
	InProgress
	Succeeded
	Failed
	TimedOut
	Rejected
	Removed
	Canceled
	statuses
)

var statusNames = [statuses]string{
	Queued: "QUEUED", InProgress: "IN_PROGRESS", Succeeded: "SUCCEEDED", Failed: "FAILED",
	TimedOut: "TIMED_OUT", Rejected: "REJECTED", Removed: "REMOVED", Canceled: "CANCELED",
}

func (s Status) String() string {
	if s < statuses {
		return statusNames[s]
	}
	return ""
}

// ParseStatus gives the status with this name, as AWS spells it.
func ParseStatus(name string) (Status, bool) {
	for s := Queued; s < statuses; s++ {
		if statusNames[s] == name {
			return s, true
		}
	}
	return 0, false
}

// Statuses lists every status.
func Statuses() []Status {
	return []Status{Queued, InProgress, Succeeded, Failed, TimedOut, Rejected, Removed, Canceled}
}

// Pending says whether an execution in this state is in its thing's queue.
func (s Status) Pending() bool { return s == Queued || s == InProgress }

// Terminal says whether this state is final.
func (s Status) Terminal() bool { return s >= Succeeded && s < statuses }

// Finished says whether an attempt in this state counts as executed for the
// abort rule: the device ended it or its time ran out (control-plane.md B.5).
func (s Status) Finished() bool {
	return s == Succeeded || s == Failed || s == TimedOut || s == Rejected
}

// JobStatus is the state of a job (control-plane.md B.1).
type JobStatus uint8

// The states of a job.
const (
	JobInProgress JobStatus = iota + 1
	JobCanceled
	JobCompleted
	JobDeletionInProgress
	JobScheduled
	jobStatuses
)

var jobStatusNames = [jobStatuses]string{
	JobInProgress: "IN_PROGRESS", JobCanceled: "CANCELED", JobCompleted: "COMPLETED",
	JobDeletionInProgress: "DELETION_IN_PROGRESS", JobScheduled: "SCHEDULED",
}

func (s JobStatus) String() string {
	if s < jobStatuses {
		return jobStatusNames[s]
	}
	return ""
}

// ParseJobStatus gives the job status with this name, as AWS spells it.
func ParseJobStatus(name string) (JobStatus, bool) {
	for s := JobInProgress; s < jobStatuses; s++ {
		if jobStatusNames[s] == name {
			return s, true
		}
	}
	return 0, false
}
