package store

import (
	"context"
	"errors"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
)

// ErrNotFound says that a row that was asked for by its name is not there.
var ErrNotFound = errors.New("not found")

// ErrCursor says that a page was asked for after something that is no cursor
// of that list.
var ErrCursor = errors.New("not a cursor of this list")

// Store keeps everything that Drover acknowledges.
//
// The device path is Submit: a decision over a prefetched snapshot of one thing.
// Decisions that wait together form a batch: they run in order, each sees the
// changes of those before it, one that fails changes nothing and harms no
// neighbour; then there is one set of writes, one commit, synced, and only then
// the answers. A thing is the unit of serialisation.
type Store interface {
	// Submit queues a decision. decide gets the snapshot that keys ask for and
	// returns what to change; it must be a pure function of its argument, for
	// a batch whose commit fails is decided again. done is called once, from
	// the store's completion goroutine, in commit order: after the changes are
	// on disk, or with decide's error, or with the store's. A decision may
	// return changes and keep a refusal for its caller in a variable of its own
	// (a sweep before a refused request): an error means no changes at all, but
	// for those that it asked to be made first (Changes.Again).
	Submit(keys Keys, decide Decide, done func(Commit, error))
	// Transact is Submit for one who waits. If ctx ends first the changes may
	// be made all the same.
	Transact(ctx context.Context, keys Keys, decide Decide) (Commit, error)

	// Update runs an ordinary read and write transaction of the control plane,
	// serialised with the batches; it is on disk when Update returns nil.
	// An error from fn is returned as it is and nothing is changed. fn may be
	// run again, from the start, when a commit has failed.
	Update(ctx context.Context, fn func(Tx) error) error
	// View runs fn on a consistent snapshot that has all that was committed
	// before the call. It fails once the store is closed.
	View(ctx context.Context, fn func(Tx) error) error

	// Document gives a job's document, from a bounded cache. ErrNotFound.
	Document(jobKey int64) ([]byte, error)
	// Durability describes how commits reach the disk, read back from the
	// committing connection, for operators and tests: e.g. "wal/full".
	Durability() string
	// Close finishes what was submitted and closes the files.
	Close() error
}

// Decide is a decision over a snapshot.
type Decide func(Snapshot) (Changes, error)

// Keys say what a decision must see.
type Keys struct {
	Thing registry.Name
	// ThingKey, if it is not 0, is the thing in place of its name: also a deleted one.
	ThingKey int64
	Job      job.ID // the execution to read as Queue.Named; empty: none
	Number   int64  // its number; 0: the newest
	Queue    QueueNeed
	// Namespace is of the queue to read where no job is named; a named one is
	// in the queue of its own namespace.
	Namespace job.Namespace
	// Shadow is the name of the device shadow to read, empty for the classic
	// one; nil: none.
	Shadow *string
}

// QueueNeed says whether a decision needs the thing's pending rows.
type QueueNeed uint8

// The needs. A progress report of a started execution does not need the queue,
// which is not known before the execution is read: QueueUnlessStarted leaves it
// out then, unless the flag of its job has overtaken it. While a timer of the store
// has run out and nobody has written it down, the thing's may be one of them: then
// QueueUnlessStarted and QueueIfLate read the queue.
const (
	NoQueue QueueNeed = iota
	WholeQueue
	QueueUnlessStarted
	QueueIfLate
)

// Snapshot is what a decision sees.
type Snapshot struct {
	ThingKey int64     // 0: nobody registered this thing
	At       time.Time // the domain time at which it was taken
	Queue    job.Queue
	// HasQueue says that Queue.Pending was read (Keys.Queue).
	HasQueue bool
	// Shadow was read if Keys.Shadow was given.
	Shadow Shadow
	// Named was counted if Shadow is a named one that is not there.
	Named NamedShadows
}

// NamedShadows counts the named shadows of a thing.
type NamedShadows struct {
	There, Deleted int
	Oldest         string // of the deleted ones: the one that was deleted first
}

// Shadow is a device shadow of a thing: what the rules of package shadow need
// beside the document, whose bytes are the caller's.
type Shadow struct {
	ThingKey int64
	Name     string
	Version  int64     // 0: there is none, and none is remembered
	At       time.Time // of its last change
	Document []byte    // nil: it was deleted
}

// Same says whether s is the state of a shadow that o is: nobody has put another.
func (s Shadow) Same(o Shadow) bool {
	return s.ThingKey == o.ThingKey && s.Version == o.Version && s.At.Equal(o.At) && (s.Document == nil) == (o.Document == nil)
}

// Changes are what a decision wants written. Moves must start from the
// executions that the snapshot held.
type Changes struct {
	Moves   []job.Move
	Effects []job.Effect
	Events  []job.Message
	At      time.Time // the domain time of the moves, for their history
	Shadow  *Shadow   // to be put; nil: none
	Forget  string    // the name of a deleted shadow of the same thing, of which nothing is to stay; empty: none
	Wake    time.Time // when something of this will be due, for the Observer; zero: never
	// Again asks for another decision, after these changes and before anybody else's.
	Again bool
}

// Commit tells when the changes were committed.
type Commit struct {
	Seq int64 // of the batch; grows with every commit of this process
}

// Observer hears what was committed, in commit order, from the completion
// goroutine and after the done of the decision that caused it; it must not
// block.
type Observer interface {
	// Effects are to be told to devices.
	Effects([]job.Effect)
	// Events are to be told to those who listen; they follow the effects of the
	// same decision.
	Events([]job.Message)
	// Wake says that something is due at this time: a timer, or (zero) a job
	// whose counters have changed or whose rollout or sweep can go on.
	Wake(at time.Time)
}

// Config is what every engine needs to be told.
type Config struct {
	// Visible is how many pending executions a device may see, 0 for all. A
	// snapshot's queue holds one more.
	Visible int
	// Observer may be nil. It can be set later through SetObserver, before
	// the first Submit.
	Observer Observer
	// Now is domain time.
	Now func() time.Time
}
