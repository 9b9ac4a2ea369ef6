package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/drover-iot/drover/internal/sim/operator"
)

// campaign is the ledger's knowledge of a job whose executions the service makes
// as it goes: at a rate that grows, again after a failure, for things that join.
// What must be there then follows from rules and from what was acknowledged.
type campaign struct {
	id     string
	group  string
	things []string

	retries int64 // for FAILED, of each thing
	abort   bool  // when half of abortMin or more have FAILED
	rate    *rate // that it is handed out at; nil: all at once

	continuous bool
	followed   map[string]*follower // by thing: those that join and leave a CONTINUOUS job

	made, canceled, deleted standing
	ends                    map[string]*ends // by thing
	frozen                  int              // executions when it was first seen to be over; -1: it was not
}

// ends are the attempts that a device has ended.
type ends struct {
	failed, succeeded         int // acknowledged
	openFailed, openSucceeded int // not answered
}

// The abort criterion of campaigns that have one.
const (
	abortMin        = 6
	abortPercentage = 50
)

const (
	campaigners   = 40 // things that campaigns are for; nobody else's
	campaignsKept = 4
)

func campaigner(i int) string { return fmt.Sprintf("campaigner-%02d", i) }

// openCampaign is a setup: it makes a campaign, of fresh things where they join.
func (r *round) openCampaign(kind string, c campaign, more map[string]any) error {
	for len(r.campaigns) >= campaignsKept {
		if r.removeCampaign(r.campaigns[0]) != accepted {
			return nil
		}
		r.campaigns = r.campaigns[1:]
	}
	r.made++
	c.id = fmt.Sprintf("%s-%04d", kind, r.made)
	if c.continuous {
		if err := r.openFollowed(&c); err != nil {
			return err
		}
	} else {
		c.group = "campaigners"
		if r.groups[c.group] == "" {
			if err := r.fleet(c.group, campaigners, campaigner); err != nil {
				return err
			}
		}
		for i := range campaigners {
			c.things = append(c.things, campaigner(i))
		}
	}
	r.campaigns = append(r.campaigns, &c)
	return r.launch(&c, more)
}

// launch makes a campaign's job.
func (r *round) launch(c *campaign, more map[string]any) error {
	c.ends, c.frozen = map[string]*ends{}, -1
	for _, thing := range c.things {
		c.ends[thing] = new(ends)
	}
	c.made = yes
	return r.api.CreateJob(r.ctx, operator.Job{ID: c.id, Targets: []string{r.groups[c.group]}, Document: "{}", Continuous: c.continuous, More: more})
}

func (r *round) removeCampaign(c *campaign) outcome {
	c.deleted = open
	r.mu.Lock()
	delete(r.registers, "description of "+c.id) // it goes with its job
	r.mu.Unlock()
	o, err := r.request("DeleteJob", func(ctx context.Context) error { return r.api.DeleteJob(ctx, c.id, true) })
	switch o {
	case accepted:
		c.deleted = yes
	case refused:
		r.find(wrong, "DeleteJob of %s was refused: %v", c.id, err)
	}
	return o
}

// campaignWork has devices start and end executions of campaigns, some at a time.
// failing is how many of a hundred attempts fail. Devices ask once; those of a
// campaign that has a rate ask until they have had their turn.
func (r *round) campaignWork(c *campaign, failing int) {
	todo := make(chan string, len(c.things))
	for _, thing := range c.things {
		todo <- thing
	}
	for range 8 {
		r.actor(func(rnd *rand.Rand) {
			for {
				select {
				case thing := <-todo:
					if !r.campaignThing(thing, rnd, failing) {
						return
					}
					if r.waitsItsTurn(c, thing) {
						todo <- thing
						r.rest(rnd)
					}
				default:
					return
				}
			}
		})
	}
}

// waitsItsTurn says whether a device of a campaign that has a rate must ask again.
func (r *round) waitsItsTurn(c *campaign, thing string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	had := *c.ends[thing] != ends{}
	return c.rate != nil && !had && c.canceled == no && c.deleted == no && !r.ending.Load()
}

// campaignThing works on what a thing has, for a few executions.
func (r *round) campaignThing(thing string, rnd *rand.Rand, failing int) (answered bool) {
	d, err := dial(r.ctx, r.Ready.MQTT, thing, false)
	if err != nil {
		r.unanswered("CONNECT", err)
		return false
	}
	defer d.Drop() //nolint:errcheck // nothing is lost with it
	for range 5 {
		a, o := r.startAttempt(d)
		if o != accepted || a.Execution == nil {
			return o != unanswered
		}
		i := slices.IndexFunc(r.campaigns, func(c *campaign) bool { return c.id == a.Execution.JobID })
		if i < 0 {
			r.find(wrong, "%s was handed out %s, which is no campaign that is there", thing, a.Execution.JobID)
			return true
		}
		status := "SUCCEEDED"
		if rnd.IntN(100) < failing {
			status = "FAILED"
		}
		if o, _ := r.endAttempt(r.campaigns[i], d, a, status); o == unanswered {
			return false
		}
	}
	return true
}

func (r *round) startAttempt(d *client) (a answer, o outcome) {
	o, err := r.request("StartNextPendingJobExecution", func(ctx context.Context) (err error) {
		a, err = d.ask(ctx, "start-next", map[string]any{})
		return err
	})
	if o == refused {
		r.find(wrong, "start-next of %s was refused: %v", d.thing, err)
	}
	return a, o
}

// endAttempt has a device end what it was handed out.
func (r *round) endAttempt(c *campaign, d *client, a answer, status string) (outcome, error) {
	end := c.ends[d.thing]
	count := func(acked, open int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if status == "FAILED" {
			end.failed, end.openFailed = end.failed+acked, end.openFailed+open
		} else {
			end.succeeded, end.openSucceeded = end.succeeded+acked, end.openSucceeded+open
		}
	}
	count(0, 1)
	o, err := r.request("UpdateJobExecution", func(ctx context.Context) error {
		_, err := d.report(ctx, a.Execution.JobID, status, a.Execution.Version, 1)
		return err
	})
	if o != unanswered { // refused: somebody was faster, the operator or the abort
		count(boolInt(o == accepted), -1)
	}
	return o, err
}

// meddle cancels or deletes the campaign in the middle, in one round of three.
func (r *round) meddle(c *campaign) {
	r.actor(func(rnd *rand.Rand) {
		switch r.rest(rnd); rnd.IntN(6) {
		case 0:
			c.canceled = open
			o, err := r.request("CancelJob", func(ctx context.Context) error { return r.api.CancelJob(ctx, c.id, rnd.IntN(2) == 0) })
			switch {
			case o == accepted:
				c.canceled = yes
			case o == refused && strings.Contains(err.Error(), "COMPLETED"):
				c.canceled = no
			case o == refused:
				r.find(wrong, "CancelJob of %s was refused: %v", c.id, err)
			}
		case 1:
			r.removeCampaign(c)
		}
	})
}

func (r *round) newest() *campaign { return r.campaigns[len(r.campaigns)-1] }

func campaignPhase(name, kind, count string, most, failing int, c campaign, more map[string]any) *phase {
	return &phase{
		name: name, weight: 2, plan: fact(count, most, 4*time.Millisecond),
		setup: func(r *round) error { return r.openCampaign(kind, c, more) },
		run: func(r *round) {
			r.campaignWork(r.newest(), failing)
			r.meddle(r.newest())
		},
	}
}

type members = map[string]any

// What fails is queued again, twice at most: an end and its successor are both
// there or neither is.
var retryPhase = campaignPhase("retry", "retried", "UpdateJobExecution", 70, 70, campaign{retries: 2}, members{
	"jobExecutionsRetryConfig": members{"criteriaList": []members{{"failureType": "FAILED", "numberOfRetries": 2}}},
})

// So many fail that the job aborts in the middle of its rollout.
var abortPhase = campaignPhase("abort", "aborted", "UpdateJobExecution", 25, 60, campaign{abort: true}, members{
	"abortConfig": members{"criteriaList": []members{{
		"failureType": "FAILED", "action": "CANCEL", "thresholdPercentage": abortPercentage, "minNumberOfExecutedThings": abortMin,
	}}},
})

// Devices succeed and the rate grows with them.
var growthPhase = &phase{
	name: "growing rollout", weight: 2, plan: fact("UpdateJobExecution", 35, 4*time.Millisecond),
	setup: func(r *round) error {
		g := rates[r.rnd.IntN(len(rates))]
		return r.openCampaign("growing", campaign{rate: &g}, g.config())
	},
	run: func(r *round) {
		r.campaignWork(r.newest(), 10)
		r.meddle(r.newest())
	},
}

// verifyCampaigns holds the campaigns against the rules of the service.
func (r *round) verifyCampaigns() error {
	var kept []*campaign
	for _, c := range r.campaigns {
		there, err := r.verifyCampaign(c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.id, err)
		}
		if there {
			kept = append(kept, c)
		}
	}
	r.campaigns = kept
	_, err := r.verifyCampaign(r.slow)
	return err
}

func (r *round) verifyCampaign(c *campaign) (there bool, err error) {
	var got operator.JobCounts
	err = until(r.ctx, "it is still being deleted", func() (_ bool, err error) {
		got, err = r.api.DescribeJob(r.ctx, c.id)
		return got.Status != "DELETION_IN_PROGRESS", err
	})
	r.checked()
	switch {
	case missing(err) && c.deleted != no:
		r.mustTell(due{job: c.id, operations: map[string]times{"deletion_in_progress": once, "deleted": once}, loosely: true})
		return false, nil
	case missing(err):
		r.find(lost, "%s was made, and is not there", c.id)
		return false, nil
	case err != nil:
		return false, err
	case c.deleted == yes:
		r.find(lost, "%s was deleted, and is %s", c.id, got.Status)
	}
	c.deleted = no
	return true, r.verifyAttempts(c)
}

// verifyAttempts looks until the service has done what it has to, or never does.
// A rollout may be under way: what is read counts when the counters were the same
// before and after.
func (r *round) verifyAttempts(c *campaign) error {
	ctx, cancel := context.WithTimeout(r.ctx, settling)
	defer cancel()
	var wrongs []judged
	err := until(ctx, "", func() (bool, error) {
		before, err := r.api.DescribeJob(r.ctx, c.id)
		if err != nil {
			return false, err
		}
		list, err := r.api.JobExecutions(r.ctx, c.id)
		if err != nil {
			return false, err
		}
		after, err := r.api.DescribeJob(r.ctx, c.id)
		if err != nil || before != after {
			return false, err
		}
		if wrongs = c.judge(after, list); len(wrongs) == 0 {
			c.learn(after, list)
			r.mustTellEnds(c.id, list)
			r.mustTell(due{job: c.id, operations: toldOf(after.Status)})
		}
		return len(wrongs) == 0, nil
	})
	for _, w := range wrongs {
		r.find(w.verdict, "%s: %s", c.id, w.why)
	}
	r.checked()
	if len(wrongs) > 0 {
		return nil
	}
	return err
}

// toldOf is what must have been told of a campaign of this status; one that has
// aborted may have been canceled with force as well.
func toldOf(status string) map[string]times {
	switch status {
	case "CANCELED":
		return map[string]times{"cancellation_in_progress": {1, 2}, "canceled": {1, 2}}
	case "COMPLETED":
		return map[string]times{"completed": once}
	}
	return nil
}
