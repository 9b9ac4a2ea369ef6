package jobtest

import "maps"

// Abort is one criterion of a job's abortConfig.
type Abort struct {
	Failure string // a status, or ALL
	Percent float64
	Least   int
}

// again queues the attempt that follows a failed or timed-out one, where the
// job's budget has one left.
func (m *Model) again(e *Execution) {
	j := m.Jobs[e.Job]
	if e.Status != "FAILED" && e.Status != "TIMED_OUT" || j.Over != "" || e.Gone {
		return
	}
	used := e.Used["FAILED"] + e.Used["TIMED_OUT"]
	if used >= j.Retries["ALL"] && e.Used[e.Status] >= j.Retries[e.Status] {
		return
	}
	next := map[string]int{e.Status: 1}
	for status, n := range e.Used {
		next[status] += n
	}
	m.enqueue(e.Thing, e.Job, e.Number+1, next)
}

// Join makes a thing a member of a group that it is not in.
func (m *Model) Join(thing, group string) {
	for _, j := range m.following(group) {
		switch e := m.Find(thing, j.ID); {
		case e == nil:
			m.enqueue(thing, j.ID, 1, nil)
		case e.Status == "IN_PROGRESS":
			e.Gone = false
		case e.Status != "QUEUED":
			m.enqueue(thing, j.ID, e.Number+1, nil)
		}
	}
}

// Leave takes a thing out of a group that it is in.
func (m *Model) Leave(thing, group string) {
	for _, j := range m.following(group) {
		switch e := m.Find(thing, j.ID); {
		case e == nil:
		case e.Status == "QUEUED":
			m.end(e, "REMOVED", m.Now)
		case e.Status == "IN_PROGRESS":
			e.Gone = true
		}
	}
}

// following are the continuous jobs of a group, in the order of their creation.
func (m *Model) following(group string) (jobs []*Job) {
	for _, id := range m.Order {
		if j := m.Jobs[id]; j.Group == group && group != "" && j.Over == "" {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// Settle is what the service does by itself after a change: jobs whose abort
// criteria are met are cancelled, those of which all is done are completed. It
// tells whether any was cancelled.
func (m *Model) Settle() (aborted bool) {
	for _, j := range m.Jobs {
		switch {
		case j.Over != "":
		case m.trips(j):
			m.CancelJob(j.ID, false)
			aborted = true
		case j.Group == "" && m.Counts(j.ID)["QUEUED"]+m.Counts(j.ID)["IN_PROGRESS"] == 0:
			j.Over = "COMPLETED"
		}
	}
	return aborted
}

// trips looks at each thing's latest attempt that it finished.
func (m *Model) trips(j *Job) bool {
	latest := map[string]*Execution{}
	for _, e := range m.Rows {
		ended := e.Status == "SUCCEEDED" || e.Status == "FAILED" || e.Status == "REJECTED" || e.Status == "TIMED_OUT"
		if e.Job == j.ID && ended && (latest[e.Thing] == nil || latest[e.Thing].Number < e.Number) {
			latest[e.Thing] = e
		}
	}
	ended := map[string]int{}
	for e := range maps.Values(latest) {
		ended[e.Status]++
	}
	ended["ALL"] = ended["FAILED"] + ended["REJECTED"] + ended["TIMED_OUT"]
	for _, a := range j.Abort {
		if len(latest) > 0 && len(latest) >= a.Least && 100*float64(ended[a.Failure]) >= a.Percent*float64(len(latest)) {
			return true
		}
	}
	return false
}
