package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
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
	joining bool  // CONTINUOUS: what joins and leaves

	made, canceled, deleted standing
	ends                    map[string]*ends // by thing
	joins                   map[string]int   // acknowledged; of a CONTINUOUS job
	asked                   map[string]bool  // to join, and not answered
	members                 map[string]*register
	frozen                  int // executions when it was first seen to be over; -1: it was not
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
	c.id, c.group = fmt.Sprintf("%s-%04d", kind, r.made), "campaigners"
	c.ends, c.joins, c.asked, c.members, c.frozen = map[string]*ends{}, map[string]int{}, map[string]bool{}, map[string]*register{}, -1
	if c.joining {
		c.group = c.id
	}
	if r.groups[c.group] == "" {
		n := campaigners
		if c.joining {
			n = 0
		}
		if err := r.fleet(c.group, n, campaigner); err != nil {
			return err
		}
	}
	for i := range campaigners {
		name := campaigner(i)
		if c.joining {
			if name = fmt.Sprintf("%s-%02d", c.id, i); i >= movers {
				break
			}
			if _, err := r.api.CreateThing(r.ctx, name); err != nil {
				return err
			}
		}
		c.things = append(c.things, name)
		c.ends[name] = new(ends)
	}
	err := r.api.CreateJob(r.ctx, operator.Job{ID: c.id, Targets: []string{r.groups[c.group]}, Document: "{}", Continuous: c.joining, More: more})
	c.made = yes
	r.campaigns = append(r.campaigns, &c)
	return err
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
// failing is how many of a hundred attempts fail.
func (r *round) campaignWork(c *campaign, failing int) {
	var next sync.Mutex
	todo := slices.Clone(c.things)
	for range 8 {
		r.actor(func(rnd *rand.Rand) {
			for {
				next.Lock()
				if len(todo) == 0 {
					next.Unlock()
					return
				}
				thing := todo[0]
				todo = todo[1:]
				next.Unlock()
				if !r.campaignThing(thing, rnd, failing) {
					return
				}
			}
		})
	}
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
		var a answer
		o, _ := r.request("StartNextPendingJobExecution", func(ctx context.Context) (err error) {
			a, err = d.ask(ctx, "start-next", map[string]any{})
			return err
		})
		if o != accepted || a.Execution == nil {
			return o != unanswered
		}
		i := slices.IndexFunc(r.campaigns, func(c *campaign) bool { return c.id == a.Execution.JobID })
		if i < 0 {
			r.find(wrong, "%s was handed out %s, which is no campaign that is there", thing, a.Execution.JobID)
			return true
		}
		end, status := r.campaigns[i].ends[thing], "SUCCEEDED"
		r.mu.Lock()
		if rnd.IntN(100) < failing {
			status = "FAILED"
			end.openFailed++
		} else {
			end.openSucceeded++
		}
		r.mu.Unlock()
		o, _ = r.request("UpdateJobExecution", func(ctx context.Context) (err error) {
			_, err = d.report(ctx, a.Execution.JobID, status, a.Execution.Version, 1)
			return err
		})
		if o == unanswered {
			return false
		}
		r.mu.Lock()
		acked := 0
		if o == accepted {
			acked = 1 // else somebody was faster: the operator, or the abort
		}
		if status == "FAILED" {
			end.openFailed, end.failed = end.openFailed-1, end.failed+acked
		} else {
			end.openSucceeded, end.succeeded = end.openSucceeded-1, end.succeeded+acked
		}
		r.mu.Unlock()
	}
	return true
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
var growthPhase = campaignPhase("growing rollout", "growing", "UpdateJobExecution", 20, 10, campaign{}, members{
	"jobExecutionsRolloutConfig": members{"exponentialRate": members{
		"baseRatePerMinute": 1000, "incrementFactor": 4, "rateIncreaseCriteria": members{"numberOfSucceededThings": 3},
	}},
})

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
	return nil
}

func (r *round) verifyCampaign(c *campaign) (there bool, err error) {
	if c.joining {
		for thing := range c.asked { // verifyRegisters has learnt what became of them
			if c.members[thing].is.text == "in" {
				c.joins[thing]++
			}
		}
		c.asked = map[string]bool{}
	}
	var got operator.JobCounts
	err = until(r.ctx, "it is still being deleted", func() (_ bool, err error) {
		got, err = r.api.DescribeJob(r.ctx, c.id)
		return got.Status != "DELETION_IN_PROGRESS", err
	})
	r.checked()
	switch {
	case missing(err) && c.deleted != no:
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
