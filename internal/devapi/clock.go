package devapi

import (
	"context"
	"errors"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/virtual"
)

// Clock is the hand on a virtual clock: *virtual.Time.
type Clock interface {
	Settle(ctx context.Context) (next time.Time, err error)
	Advance(ctx context.Context, by time.Duration) (virtual.Report, error)
	AdvanceTo(ctx context.Context, to time.Time) (virtual.Report, error)
	AdvanceUntilIdle(ctx context.Context, atMost time.Duration) (virtual.Report, error)
}

// Now is domain time.
type Now func() time.Time

type clockAPI struct{ Config }

// clockState is the reply of GetClock.
type clockState struct {
	Mode string    `json:"mode"` // real or virtual
	Now  time.Time `json:"now"`
	Text string    `json:"time"` // now, for people
	Next time.Time `json:"nextDue,omitzero"`
}

// get is GetClock. What is due now has happened when it answers, so that nextDue
// lies ahead.
func (k clockAPI) get(ctx context.Context, _ request) (any, error) {
	out := clockState{Mode: "real"}
	if k.Clock != nil {
		out.Mode = "virtual"
		var err error
		if out.Next, err = k.Clock.Settle(ctx); err != nil {
			return nil, err
		}
	}
	out.Now = k.Now()
	out.Text = written(out.Now)
	return out, nil
}

func written(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// advanceInput is the body of AdvanceClock: one of by, to, until.
type advanceInput struct {
	By     *Duration `json:"by"`
	To     *Instant  `json:"to"`
	Until  *string   `json:"until"`
	AtMost *Duration `json:"atMost"` // with until
}

// idleAtMost is how far `until: idle` goes if the caller does not say.
const idleAtMost = 366 * 24 * time.Hour

// advanced is the reply of AdvanceClock.
type advanced struct {
	From   time.Time                       `json:"from"`
	Now    time.Time                       `json:"now"`
	Text   string                          `json:"time"`
	Next   time.Time                       `json:"nextDue,omitzero"`
	Idle   bool                            `json:"idle"`
	Fired  []fired                         `json:"fired"`
	Total  int                             `json:"total"`
	Counts map[virtual.Kind]map[string]int `json:"counts"`
}

// fired is one thing that has happened on the way.
type fired struct {
	At     time.Time    `json:"at"`
	Kind   virtual.Kind `json:"kind"`
	Thing  string       `json:"thingName,omitzero"`
	Job    string       `json:"jobId,omitzero"`
	Number int64        `json:"executionNumber,omitzero"`
	Client string       `json:"clientId,omitzero"`
	Was    string       `json:"was,omitzero"`
	Status string       `json:"status"`
}

func (k clockAPI) advance(ctx context.Context, r request) (any, error) {
	var in advanceInput
	if err := read(r.body, &in); err != nil {
		return nil, err
	}
	ways := 0
	for _, given := range []bool{in.By != nil, in.To != nil, in.Until != nil} {
		if given {
			ways++
		}
	}
	switch {
	case k.Clock == nil:
		return nil, job.Errorf(job.Conflict, "This server lives in real time, which nobody can move. Start it with `drover dev --clock virtual`.")
	case ways != 1:
		return nil, job.Errorf(job.InvalidRequest, `Say one of "by" (a duration, "45m"), "to" (a time) and "until" ("idle"); the body has %d of them.`, ways)
	case in.Until != nil && *in.Until != "idle":
		return nil, job.Errorf(job.InvalidRequest, `The clock can be moved until "idle", not until %q.`, shorten([]byte(*in.Until)))
	case in.AtMost != nil && in.Until == nil:
		return nil, job.Errorf(job.InvalidRequest, `"atMost" bounds "until"; the body has none.`)
	}
	report, err := k.move(ctx, in)
	if errors.Is(err, virtual.ErrBackwards) {
		return nil, job.Errorf(job.InvalidRequest, "%s. Nothing was changed.", sentence(err))
	}
	if err != nil {
		return nil, err
	}
	return reply(report), nil
}

func (k clockAPI) move(ctx context.Context, in advanceInput) (virtual.Report, error) {
	switch {
	case in.By != nil:
		return k.Clock.Advance(ctx, time.Duration(*in.By))
	case in.To != nil:
		return k.Clock.AdvanceTo(ctx, time.Time(*in.To))
	}
	atMost := idleAtMost
	if in.AtMost != nil {
		atMost = time.Duration(*in.AtMost)
	}
	return k.Clock.AdvanceUntilIdle(ctx, atMost)
}

func sentence(err error) string {
	s := []byte(err.Error())
	if s[0] >= 'a' && s[0] <= 'z' {
		s[0] -= 'a' - 'A'
	}
	return string(s)
}

func reply(r virtual.Report) advanced {
	out := advanced{
		From: r.From, Now: r.Now, Text: written(r.Now), Next: r.Next, Idle: r.Idle,
		Fired: make([]fired, 0, len(r.Events)), Total: r.Total, Counts: r.Counts,
	}
	for _, e := range r.Events {
		out.Fired = append(out.Fired, fired{
			At: e.At, Kind: e.Kind, Thing: e.Thing, Job: e.Job, Number: e.Number, Client: e.Client, Was: e.Was, Status: e.Is,
		})
	}
	return out
}
