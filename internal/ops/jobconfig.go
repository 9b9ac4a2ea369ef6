package ops

import (
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire/iot"
)

// rollout reads jobExecutionsRolloutConfig. Errors: InvalidRequest.
func (k *core) rollout(in *iot.JobExecutionsRolloutConfig) (r job.Rollout, err error) {
	if in != nil {
		r.Asked = value(in.MaximumPerMinute)
		if r.Growth, err = growth(in.ExponentialRate); err != nil {
			return r, err
		}
	}
	if err := r.Check(k.RolloutMax); err != nil {
		return r, err
	}
	return r.Capped(k.RolloutDefault, k.RolloutMax), nil
}

func growth(in *iot.ExponentialRolloutRate) (g job.Growth, err error) {
	if in == nil {
		return g, nil
	}
	tenths, ok := job.Fixed(*in.IncrementFactor, 1)
	if !ok {
		return g, job.Errorf(job.InvalidRequest, "jobExecutionsRolloutConfig.exponentialRate.incrementFactor is %v: at most one decimal is allowed", *in.IncrementFactor)
	}
	return job.Growth{
		Base: value(in.BaseRatePerMinute), Tenths: tenths,
		Notified: value(in.RateIncreaseCriteria.NumberOfNotifiedThings), Succeeded: value(in.RateIncreaseCriteria.NumberOfSucceededThings),
	}, nil
}

// rolloutConfig shows a rollout as the job was given it; nil: it said nothing.
func rolloutConfig(r job.Rollout) *iot.JobExecutionsRolloutConfig {
	if r.Asked == 0 && r.Growth.Base == 0 {
		return nil
	}
	out := &iot.JobExecutionsRolloutConfig{MaximumPerMinute: given(r.Asked)}
	if g := r.Growth; g.Base > 0 {
		factor := float64(g.Tenths) / 10
		out.ExponentialRate = &iot.ExponentialRolloutRate{
			BaseRatePerMinute: &g.Base, IncrementFactor: &factor,
			RateIncreaseCriteria: &iot.RateIncreaseCriteria{NumberOfNotifiedThings: given(g.Notified), NumberOfSucceededThings: given(g.Succeeded)},
		}
	}
	return out
}

// given is a number as a member that is absent when it is 0.
func given(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// abort reads abortConfig; nil: it was not given. Errors: InvalidRequest.
func abort(in *iot.AbortConfig) (job.AbortPolicy, error) {
	if in == nil {
		return nil, nil
	}
	policy := job.AbortPolicy{}
	for _, c := range in.CriteriaList {
		failure, err := job.ParseFailure(c.FailureType)
		if err != nil {
			return nil, err
		}
		hundredths, ok := job.Fixed(*c.ThresholdPercentage, 2)
		if !ok || hundredths < 0 {
			return nil, job.Errorf(job.InvalidRequest, "abortConfig: thresholdPercentage is %v, expected 0 to 100 with at most two decimals", *c.ThresholdPercentage)
		}
		policy = append(policy, job.Criterion{Failure: failure, Hundredths: hundredths, Min: value(c.MinNumberOfExecutedThings)})
	}
	return policy, nil
}

func abortConfig(policy job.AbortPolicy) *iot.AbortConfig {
	if len(policy) == 0 {
		return nil
	}
	out := &iot.AbortConfig{}
	for _, c := range policy {
		percent := float64(c.Hundredths) / 100
		out.CriteriaList = append(out.CriteriaList, iot.AbortCriteria{
			FailureType: c.Failure.String(), Action: "CANCEL", ThresholdPercentage: &percent, MinNumberOfExecutedThings: &c.Min,
		})
	}
	return out
}

// retry reads jobExecutionsRetryConfig; nil: it was not given. Errors:
// InvalidRequest.
func (k *core) retry(in *iot.JobExecutionsRetryConfig) (job.RetryPolicy, error) {
	if in == nil {
		return nil, nil
	}
	policy := job.RetryPolicy{}
	for _, c := range in.CriteriaList {
		failure, err := job.ParseFailure(c.FailureType)
		if err != nil {
			return nil, err
		}
		policy = append(policy, job.Retries{Failure: failure, Number: value(c.NumberOfRetries)})
	}
	return policy, policy.Check(k.jobQuotas.Retries)
}

func retryConfig(policy job.RetryPolicy) *iot.JobExecutionsRetryConfig {
	if len(policy) == 0 {
		return nil
	}
	out := &iot.JobExecutionsRetryConfig{}
	for _, c := range policy {
		out.CriteriaList = append(out.CriteriaList, iot.RetryCriteria{FailureType: c.Failure.String(), NumberOfRetries: &c.Number})
	}
	return out
}
