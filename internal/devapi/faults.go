package devapi

import (
	"context"
	"time"

	"github.com/drover-iot/drover/internal/fault"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire"
)

type faultAPI struct{ *fault.Set }

// faultInput is the body of CreateFault.
type faultInput struct {
	Thing       *string  `json:"thing"`
	Operation   string   `json:"operation"`
	Direction   string   `json:"direction"`
	Kind        string   `json:"kind"`
	Over        string   `json:"over"`
	Skip        int      `json:"skip"`
	Count       *int     `json:"count"`
	Probability *float64 `json:"probability"`
	Seed        uint64   `json:"seed"`
	By          Duration `json:"by"`
	Code        string   `json:"code"`
	Message     string   `json:"message"`
	PerSecond   float64  `json:"perSecond"`
}

// rule fills in what a body leaves out.
func (in faultInput) rule() (fault.Rule, error) {
	r := fault.Rule{
		Thing: "*", Operation: fault.Operation(in.Operation), Direction: fault.Direction(in.Direction), Kind: fault.Kind(in.Kind),
		Over: fault.Via(in.Over), Skip: in.Skip, Count: 1, Probability: 1, Seed: in.Seed,
		By: time.Duration(in.By), Message: in.Message, PerSecond: in.PerSecond,
	}
	if in.Thing != nil {
		r.Thing = *in.Thing
	}
	if in.Probability != nil {
		r.Probability = *in.Probability
	}
	if in.Count != nil {
		r.Count = *in.Count
	} else if in.PerSecond != 0 {
		r.Count = 0 // a rate is for good
	}
	if r.Operation == "" {
		r.Operation = fault.Any
	}
	if r.Direction == "" {
		r.Direction = fault.Request
		if r.Operation == fault.Notify || r.Operation == fault.NotifyNext {
			r.Direction = fault.Notification
		}
	}
	switch {
	case r.Kind != fault.Answer && in.Code == "":
		return r, nil
	case r.Kind != fault.Answer:
		return r, job.Errorf(job.InvalidRequest, "code is for kind %q, not %q.", fault.Answer, r.Kind)
	}
	code, known := codes[in.Code]
	if !known {
		return r, job.Errorf(job.InvalidRequest, "code is %q, expected an error as a device hears it, %s, or the type of one over HTTPS, such as ServiceUnavailableException.", in.Code, deviceCodes)
	}
	r.Code = code
	return r, nil
}

// codes are the errors by the names that devices know. Where several share one, it
// means the error of that very name, else the first.
var codes = func() map[string]job.Code {
	all := map[string]job.Code{}
	name := func(as string, c job.Code) {
		if _, taken := all[as]; !taken {
			all[as] = c
		}
	}
	for _, c := range job.Codes() {
		s := wire.Spell(c)
		name(s.MQTT, c)
		if s.Data.Type == s.MQTT+"Exception" {
			name(s.Data.Type, c)
		}
	}
	for _, c := range job.Codes() {
		name(wire.Spell(c).Data.Type, c)
	}
	return all
}()

const deviceCodes = "InvalidTopic, InvalidJson, InvalidRequest, InvalidStateTransition, ResourceNotFound, VersionMismatch, InternalError, RequestThrottled or TerminalStateReached"

// faultOutput is a fault as the replies show it.
type faultOutput struct {
	ID          string          `json:"id"`
	Thing       string          `json:"thing"`
	Operation   fault.Operation `json:"operation"`
	Direction   fault.Direction `json:"direction"`
	Kind        fault.Kind      `json:"kind"`
	Over        fault.Via       `json:"over,omitzero"`
	Skip        int             `json:"skip,omitzero"`
	Count       int             `json:"count"`
	Probability float64         `json:"probability"`
	Seed        uint64          `json:"seed,omitzero"`
	By          string          `json:"by,omitzero"`
	Code        string          `json:"code,omitzero"`
	Message     string          `json:"message,omitzero"`
	PerSecond   float64         `json:"perSecond,omitzero"`
	Seen        int             `json:"seen"`
	Injected    int             `json:"injected"`
	Remaining   *int            `json:"remaining,omitzero"` // left out without a count
}

func shownFault(s fault.Status) faultOutput {
	out := faultOutput{
		ID: s.ID, Thing: s.Thing, Operation: s.Operation, Direction: s.Direction, Kind: s.Kind, Over: s.Over, Skip: s.Skip,
		Count: s.Count, Probability: s.Probability, Seed: s.Seed, Message: s.Message, PerSecond: s.PerSecond,
		Seen: s.Seen, Injected: s.Injected,
	}
	if s.By > 0 {
		out.By = s.By.String()
	}
	if s.Kind == fault.Answer {
		out.Code = wire.Spell(s.Code).MQTT
	}
	if s.Count > 0 {
		left := s.Count - s.Injected
		out.Remaining = &left
	}
	return out
}

func (f faultAPI) create(_ context.Context, r request) (any, error) {
	var in faultInput
	if err := read(r.body, &in); err != nil {
		return nil, err
	}
	rule, err := in.rule()
	if err != nil {
		return nil, err
	}
	s, err := f.Add(rule)
	if err != nil {
		return nil, err
	}
	return shownFault(s), nil
}

func (f faultAPI) list(context.Context, request) (any, error) {
	out := struct {
		Faults []faultOutput `json:"faults"`
	}{[]faultOutput{}}
	for _, s := range f.Rules() {
		out.Faults = append(out.Faults, shownFault(s))
	}
	return out, nil
}

func (f faultAPI) remove(_ context.Context, r request) (any, error) {
	if !f.Remove(r.id) {
		return nil, job.Errorf(job.NotFound, "There is no fault %s. GET /drover/v1/faults lists them.", shorten([]byte(r.id)))
	}
	return struct{}{}, nil
}

func (f faultAPI) clear(context.Context, request) (any, error) {
	f.Clear()
	return struct{}{}, nil
}

// injection is one line of the report.
type injection struct {
	At        time.Time       `json:"at"`
	Fault     string          `json:"fault"`
	Kind      fault.Kind      `json:"kind"`
	Thing     string          `json:"thing"`
	Operation fault.Operation `json:"operation"`
	Direction fault.Direction `json:"direction"`
	Over      fault.Via       `json:"over"`
	Job       string          `json:"jobId,omitzero"`
	Client    string          `json:"clientId,omitzero"`
	Did       string          `json:"did"`
}

func (f faultAPI) report(context.Context, request) (any, error) {
	latest, total := f.Report()
	out := struct {
		Total    int         `json:"total"`
		Injected []injection `json:"injected"`
	}{total, make([]injection, 0, len(latest))}
	for _, i := range latest {
		out.Injected = append(out.Injected, injection{
			At: i.At, Fault: i.Rule, Kind: i.Kind, Thing: i.Thing, Operation: i.Operation, Direction: i.Direction,
			Over: i.Via, Job: i.Job, Client: i.Client, Did: i.Did,
		})
	}
	return out, nil
}
