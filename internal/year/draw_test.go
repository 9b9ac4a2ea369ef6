package year

import (
	"fmt"
	"slices"
	"time"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/year/reference"
)

// namespace is the one that some jobs have.
const namespace = "gateway"

func (r *run) pick(names []string) string { return names[r.rnd.IntN(len(names))] }

// names are the names of all things that ever were, in order.
func (r *run) names() []string { return sorted(r.fleet) }

// targets draws what a job is for.
func (r *run) targets() (all []reference.Target) {
	group := func(format string, n int) {
		t := reference.Target{Group: true, Name: fmt.Sprintf(format, n)}
		if !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	thing := func() {
		all = append(all, reference.Target{Name: r.pick(r.names())})
	}
	switch n := r.rnd.IntN(20); {
	case n < 2:
		for range 1 + r.rnd.IntN(8) {
			thing()
		}
	case n < 9:
		for range 1 + r.rnd.IntN(2) {
			group("line-%02d", r.rnd.IntN(lines))
		}
	case n < 14:
		for range 1 + r.rnd.IntN(3) {
			group("pilot-%d", r.rnd.IntN(pilots))
		}
		group("line-%02d", r.rnd.IntN(lines))
		thing()
	case n < 16:
		group("region-%d", r.rnd.IntN(regions))
		group("pilot-%d", r.rnd.IntN(pilots))
		group("line-%02d", r.rnd.IntN(lines))
	case n < 18:
		for range 1 + r.rnd.IntN(4) { // a hall is in a site
			group("site-%d", r.rnd.IntN(sites))
			group("hall-%02d", r.rnd.IntN(halls))
		}
	default:
		for range 2 + r.rnd.IntN(3) {
			group("region-%d", r.rnd.IntN(regions))
		}
	}
	return all
}

// config draws a job.
func (r *run) config(id string) reference.Config {
	c := reference.Config{ID: id, Targets: r.targets(), Forever: r.rnd.IntN(5) < 2, Rollout: r.rollout(), Minutes: r.minutes(), Retries: r.retries()}
	if !c.Forever || r.rnd.IntN(3) == 0 { // those that go on for ever would all come to it
		c.Abort = r.abort()
	}
	if r.rnd.IntN(12) == 0 {
		c.Namespace = namespace
	}
	return c
}

func oneOf(r *run, of ...int64) int64 { return of[r.rnd.IntN(len(of))] }

func (r *run) rollout() reference.Rollout {
	switch r.rnd.IntN(6) {
	case 0:
		return reference.Rollout{}
	case 1, 2:
		return reference.Rollout{PerMinute: oneOf(r, 1, 2, 7, 30, 59, 61, 120, 1000)}
	}
	x := reference.Rollout{Base: oneOf(r, 1, 2, 5, 10, 50), Tenths: oneOf(r, 11, 15, 20, 35, 50)}
	switch r.rnd.IntN(3) {
	case 0:
		x.Notified = oneOf(r, 3, 10, 40)
	case 1:
		x.Succeeded = oneOf(r, 1, 5, 20)
	default:
		x.Notified, x.Succeeded = oneOf(r, 20, 60), oneOf(r, 3, 15)
	}
	if r.rnd.IntN(2) == 0 {
		x.PerMinute = oneOf(r, 20, 55, 200)
	}
	return x
}

func (r *run) abort() (all []reference.Criterion) {
	if r.rnd.IntN(3) == 0 {
		return nil
	}
	for range 1 + r.rnd.IntN(3) {
		all = append(all, reference.Criterion{
			Failure: []string{"FAILED", "REJECTED", "TIMED_OUT", "ALL"}[r.rnd.IntN(4)], Hundredths: oneOf(r, 2000, 2500, 3333, 5000, 6667, 10000), Min: oneOf(r, 1, 2, 3, 4, 5, 10, 40),
		})
	}
	return all
}

func (r *run) minutes() int64 {
	if r.rnd.IntN(3) == 0 {
		return 0
	}
	return oneOf(r, 1, 5, 20, 60, 240, 1440, 10080)
}

func (r *run) retries() []reference.Retries {
	switch r.rnd.IntN(5) {
	case 0:
		return []reference.Retries{{Failure: "ALL", Number: oneOf(r, 1, 2, 3)}}
	case 1:
		return []reference.Retries{{Failure: "FAILED", Number: oneOf(r, 0, 1, 2)}}
	case 2, 3:
		return []reference.Retries{{Failure: "TIMED_OUT", Number: oneOf(r, 1, 2)}, {Failure: "FAILED", Number: oneOf(r, 1, 2, 4)}}
	}
	return nil
}

// The shapes of the control plane for what was drawn.

func arns(targets []reference.Target) (all []string) {
	for _, t := range targets {
		kind := "thing/"
		if t.Group {
			kind = "thinggroup/"
		}
		all = append(all, arnPrefix+kind+t.Name)
	}
	return all
}

func rolloutShape(x reference.Rollout) *iot.JobExecutionsRolloutConfig {
	if x == (reference.Rollout{}) {
		return nil
	}
	out := &iot.JobExecutionsRolloutConfig{MaximumPerMinute: minutes(x.PerMinute)}
	if x.Base > 0 {
		factor := float64(x.Tenths) / 10
		out.ExponentialRate = &iot.ExponentialRolloutRate{
			BaseRatePerMinute: &x.Base, IncrementFactor: &factor,
			RateIncreaseCriteria: &iot.RateIncreaseCriteria{NumberOfNotifiedThings: minutes(x.Notified), NumberOfSucceededThings: minutes(x.Succeeded)},
		}
	}
	return out
}

func abortShape(all []reference.Criterion) *iot.AbortConfig {
	if len(all) == 0 {
		return nil
	}
	out := &iot.AbortConfig{}
	for _, c := range all {
		percent, least := float64(c.Hundredths)/100, c.Min
		out.CriteriaList = append(out.CriteriaList, iot.AbortCriteria{FailureType: c.Failure, Action: "CANCEL", ThresholdPercentage: &percent, MinNumberOfExecutedThings: &least})
	}
	return out
}

func retriesShape(all []reference.Retries) *iot.JobExecutionsRetryConfig {
	if len(all) == 0 {
		return nil
	}
	out := &iot.JobExecutionsRetryConfig{}
	for _, c := range all {
		n := c.Number
		out.CriteriaList = append(out.CriteriaList, iot.RetryCriteria{FailureType: c.Failure, NumberOfRetries: &n})
	}
	return out
}

func timeoutShape(n int64) *iot.TimeoutConfig {
	if n == 0 {
		return nil
	}
	return &iot.TimeoutConfig{InProgressTimeoutInMinutes: &n}
}

func createShape(c reference.Config) *iot.CreateJobInput {
	in := &iot.CreateJobInput{
		JobID: job.ID(c.ID), Targets: arns(c.Targets), Document: `{"operation":"flash"}`, NamespaceID: job.Namespace(c.Namespace),
		JobExecutionsRolloutConfig: rolloutShape(c.Rollout), AbortConfig: abortShape(c.Abort), TimeoutConfig: timeoutShape(c.Minutes),
		JobExecutionsRetryConfig: retriesShape(c.Retries), TargetSelection: "SNAPSHOT",
	}
	if c.Forever {
		in.TargetSelection = "CONTINUOUS"
	}
	return in
}

// hour draws a time of the day.
func (r *run) hour() time.Duration {
	return time.Duration(r.rnd.Int64N(int64(24*time.Hour - time.Minute)))
}
