package ops

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// The operations below are asynchronous: they return at once, and done is
// called when the answer may be given, which is after its changes are on disk.
// done runs in the store's completion goroutine and must not block. Each has a
// blocking form in data_blocking.go.

// GetPendingJobExecutionsAsync lists what waits for the thing (device-plane.md
// 3.1). Errors: NotFound for a thing that nobody registered.
func (d *Data) GetPendingJobExecutionsAsync(_ Caller, in *jobsdata.GetPendingJobExecutionsInput, done func(*jobsdata.GetPendingJobExecutionsOutput, error)) {
	out := new(jobsdata.GetPendingJobExecutionsOutput)
	d.submit(store.Keys{Thing: in.ThingName, Queue: store.WholeQueue}, func(snap store.Snapshot) (store.Changes, error) {
		out.InProgressJobs, out.QueuedJobs = d.summaries(snap.Queue, snap.At)
		return store.Changes{}, nil
	}, func(err error) {
		if err != nil {
			out = nil
		}
		done(out, err)
	})
}

// StartNextPendingJobExecutionAsync hands out the head of the queue, starting
// it if it is QUEUED; an empty queue is success (device-plane.md 3.2).
// Errors: NotFound for a thing that nobody registered.
func (d *Data) StartNextPendingJobExecutionAsync(c Caller, in *jobsdata.StartNextPendingJobExecutionInput, done func(*jobsdata.StartNextPendingJobExecutionOutput, error)) {
	change := job.Change{Kind: job.Start, Details: in.StatusDetails, Step: stepTimeout(in.StepTimeoutInMinutes), Actor: c.Principal}
	var head job.Execution
	d.submit(store.Keys{Thing: in.ThingName, Queue: store.WholeQueue}, func(snap store.Snapshot) (store.Changes, error) {
		out, next, ok, err := snap.Queue.StartNext(change, snap.At)
		head = job.Execution{}
		if ok {
			head = next
		}
		return d.changes(in.ThingName, out, snap.At), err
	}, func(err error) {
		var out jobsdata.StartNextPendingJobExecutionOutput
		if err == nil && head.Number != 0 {
			out.Execution, err = d.execution(in.ThingName, head, true)
		}
		if err != nil {
			done(nil, err)
			return
		}
		done(&out, nil)
	})
}

// DescribeJobExecutionAsync reads one execution, or with jobsdata.Next the head
// of the queue (device-plane.md 3.3). Errors: NotFound; TerminalStateReached
// for an execution that is not pending any more.
func (d *Data) DescribeJobExecutionAsync(_ Caller, in *jobsdata.DescribeJobExecutionInput, done func(*jobsdata.DescribeJobExecutionOutput, error)) {
	keys := store.Keys{Thing: in.ThingName, Job: in.JobID, Number: value(in.ExecutionNumber), Queue: store.QueueIfLate}
	if in.JobID == jobsdata.Next {
		keys = store.Keys{Thing: in.ThingName, Queue: store.WholeQueue, Namespace: in.Namespace}
	} else if in.ExecutionNumber != nil && *in.ExecutionNumber == 0 {
		keys.Number = noNumber
	}
	var found job.Execution
	d.submit(keys, func(snap store.Snapshot) (store.Changes, error) {
		if in.JobID == jobsdata.Next {
			found, _ = job.Head(snap.Queue, snap.At)
			return store.Changes{}, nil
		}
		var err error
		found, err = snap.Queue.Within(in.Namespace).Find(snap.At)
		if err == nil && found.Status.Terminal() {
			err = job.Errorf(job.TerminalStateReached, "The job execution has reached the terminal state %s: only a QUEUED or IN_PROGRESS one can be described here", found.Status)
		}
		return store.Changes{}, err
	}, func(err error) {
		var out jobsdata.DescribeJobExecutionOutput
		if err == nil && found.Number != 0 {
			out.Execution, err = d.execution(in.ThingName, found, in.IncludeJobDocument == nil || *in.IncludeJobDocument)
		}
		if err != nil {
			done(nil, err)
			return
		}
		done(&out, nil)
	})
}

// noNumber is an execution number that no execution has: a request for number 0
// is a request for a number, not for the newest (device-plane.md 3.4).
const noNumber = -1

// UpdateJobExecutionAsync applies a device's report (device-plane.md 3.4).
// Errors: NotFound, VersionMismatch, InvalidStateTransition (both with the
// current state), InvalidRequest.
func (d *Data) UpdateJobExecutionAsync(c Caller, in *jobsdata.UpdateJobExecutionInput, done func(*jobsdata.UpdateJobExecutionOutput, error)) {
	keys := store.Keys{Thing: in.ThingName, Job: in.JobID, Number: value(in.ExecutionNumber), Queue: store.WholeQueue}
	if in.Status == job.InProgress {
		keys.Queue = store.QueueUnlessStarted
	}
	if in.ExecutionNumber != nil && *in.ExecutionNumber == 0 {
		keys.Number = noNumber
	}
	change := job.Change{
		Kind: job.Report, Status: in.Status, Details: in.StatusDetails, ExpectedVersion: in.ExpectedVersion,
		Step: stepTimeout(in.StepTimeoutInMinutes), Actor: c.Principal,
	}
	var after job.Execution
	var refused error
	d.submit(keys, func(snap store.Snapshot) (store.Changes, error) {
		var out job.Outcome
		out, refused = snap.Queue.Within(in.Namespace).Apply(job.Ref{Job: in.JobID, Number: keys.Number}, change, snap.At)
		after = out.Queue.Named.Execution
		if len(out.Moves) == 0 {
			return store.Changes{}, refused
		}
		return d.changes(in.ThingName, out, snap.At), nil
	}, func(err error) {
		if err == nil {
			err = refused
		}
		if err != nil {
			done(nil, err)
			return
		}
		done(d.updated(in, after))
	})
}

func (d *Data) updated(in *jobsdata.UpdateJobExecutionInput, e job.Execution) (*jobsdata.UpdateJobExecutionOutput, error) {
	out := new(jobsdata.UpdateJobExecutionOutput)
	if in.IncludeJobExecutionState != nil && *in.IncludeJobExecutionState {
		out.ExecutionState = &jobsdata.JobExecutionState{Status: e.Status, StatusDetails: e.Details, VersionNumber: e.Version}
	}
	if in.IncludeJobDocument != nil && *in.IncludeJobDocument {
		doc, err := d.Store.Document(e.JobKey)
		if err != nil {
			return nil, err
		}
		out.JobDocument = doc
	}
	return out, nil
}

// submit asks the store for a decision about a thing that must be registered.
// With AutoThings an unknown one is registered first.
func (d *Data) submit(keys store.Keys, decide store.Decide, done func(error)) {
	checked := func(snap store.Snapshot) (store.Changes, error) {
		if snap.ThingKey == 0 {
			return store.Changes{}, errUnregistered
		}
		return d.timely(keys.Thing, snap, decide)
	}
	d.Store.Submit(keys, checked, func(_ store.Commit, err error) {
		if !errors.Is(err, errUnregistered) {
			done(err)
			return
		}
		if !d.AutoThings {
			done(notRegistered(keys.Thing))
			return
		}
		// The completion goroutine must not wait for the writer that feeds it.
		go d.registerAndRetry(keys, checked, done)
	})
}

var errUnregistered = errors.New("the thing is not registered")

func notRegistered(thing registry.Name) error {
	return job.Errorf(job.NotFound, "No such thing: %s is not registered; create it with CreateThing", thing)
}

// registerAndRetry is AutoThings: it ends when the retry has been submitted.
func (d *Data) registerAndRetry(keys store.Keys, decide store.Decide, done func(error)) {
	if err := d.register(keys.Thing); err != nil {
		done(err)
		return
	}
	d.Store.Submit(keys, decide, func(_ store.Commit, err error) {
		if errors.Is(err, errUnregistered) {
			err = notRegistered(keys.Thing)
		}
		done(err)
	})
}

// register makes a thing, unless there is one of the name.
func (k *core) register(name registry.Name) error {
	return k.Store.Update(context.Background(), func(tx store.Tx) error {
		if _, err := tx.Thing(name); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		thing := registry.NewThing(uuid.NewString(), name, nil, k.Now())
		return tx.PutThing(&thing)
	})
}

// value is what a member says; one that was not given says zero.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func stepTimeout(minutes *int64) job.StepTimeout {
	switch {
	case minutes == nil:
		return job.StepTimeout{}
	case *minutes < 0:
		return job.StepTimeout{Drop: true}
	}
	return job.StepTimeout{Minutes: *minutes}
}
