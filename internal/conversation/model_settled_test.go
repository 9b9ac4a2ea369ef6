package conversation

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/drover-iot/drover/internal/job/jobtest"
)

// settled waits until the server has done all that follows by itself: every
// thing's executions are those of the model, and so is what became of each job.
func (f *fleet) settled(t *rapid.T) {
	for _, thing := range append(f.things, f.marker()) {
		var want []string
		for _, e := range f.m.Rows {
			if e.Thing == thing {
				want = append(want, fmt.Sprintf("%s#%d %s retry %d", e.Job, e.Number, e.Status, e.Used["FAILED"]+e.Used["TIMED_OUT"]))
			}
		}
		slices.Sort(want)
		var got []string
		err := until("a thing's executions are the model's", func() (bool, error) {
			var out struct {
				Summaries []struct {
					JobID   string `json:"jobId"`
					Summary struct {
						Status string `json:"status"`
						Number int64  `json:"executionNumber"`
						Retry  int    `json:"retryAttempt"`
					} `json:"jobExecutionSummary"`
				} `json:"executionSummaries"`
			}
			err := json.Unmarshal(f.operate(t, "GET", "/things/"+thing+"/jobs?maxResults=250", "", http.StatusOK), &out)
			got = nil
			for _, s := range out.Summaries {
				got = append(got, fmt.Sprintf("%s#%d %s retry %d", s.JobID, s.Summary.Number, s.Summary.Status, s.Summary.Retry))
			}
			slices.Sort(got)
			return slices.Equal(got, want), err
		})
		if err != nil {
			t.Fatalf("%s has %v, the model says %v (%v)", thing, got, want, err)
		}
	}
	for id, j := range f.m.Jobs {
		want := j.Over
		if want == "" {
			want = "IN_PROGRESS"
		}
		got := ""
		err := until("a job is as the model says", func() (bool, error) {
			var out struct {
				Job struct {
					Status       string `json:"status"`
					IsConcurrent bool   `json:"isConcurrent"`
				} `json:"job"`
			}
			err := json.Unmarshal(f.operate(t, "GET", "/jobs/"+id, "", http.StatusOK), &out)
			got = out.Job.Status
			return got == want && !out.Job.IsConcurrent, err
		})
		if err != nil {
			t.Fatalf("job %s is %s, the model says %s (%v)", id, got, want, err)
		}
	}
}

// configure adds what a job does about failures to its request.
func configure(body map[string]any, retries map[string]int, aborts []jobtest.Abort) {
	var criteria []any
	for failure, n := range retries {
		criteria = append(criteria, map[string]any{"failureType": failure, "numberOfRetries": n})
	}
	if criteria != nil {
		body["jobExecutionsRetryConfig"] = map[string]any{"criteriaList": criteria}
	}
	criteria = nil
	for _, a := range aborts {
		criteria = append(criteria, map[string]any{
			"failureType": a.Failure, "action": "CANCEL", "thresholdPercentage": a.Percent, "minNumberOfExecutedThings": a.Least,
		})
	}
	if criteria != nil {
		body["abortConfig"] = map[string]any{"criteriaList": criteria}
	}
}

// move makes a thing a member of the group, or takes it out.
func (f *fleet) move(t *rapid.T, thing string) {
	body := fmt.Sprintf(`{"thingGroupName":%q,"thingName":%q}`, f.group(), thing)
	if f.inside[thing] {
		f.operate(t, "PUT", "/thing-groups/removeThingFromThingGroup", body, http.StatusOK)
		f.m.Leave(thing, f.group())
	} else {
		f.operate(t, "PUT", "/thing-groups/addThingToThingGroup", body, http.StatusOK)
		f.m.Join(thing, f.group())
	}
	f.inside[thing] = !f.inside[thing]
}

// untilDue is d, or less when a timer runs out before: time stops there.
func (f *fleet) untilDue(d time.Duration) time.Duration {
	for _, e := range f.m.Rows {
		if due := e.Due(); !due.IsZero() && due.Before(f.m.Now.Add(d)) {
			d = due.Sub(f.m.Now)
		}
	}
	return d
}
