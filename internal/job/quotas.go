package job

// Quotas are the ceilings that AWS puts on a job (control-plane.md H); 0 is none.
type Quotas struct {
	Targets int   // of a job
	Retries int64 // of a thing, in all
}

// AWSQuotas are AWS's own.
func AWSQuotas() Quotas { return Quotas{Targets: MaxTargets, Retries: MaxRetries} }

// MaxDocument is the longest job document, in bytes (control-plane.md H).
const MaxDocument = 32_768

// CheckTargets errors: LimitExceeded for a job of more targets.
func (q Quotas) CheckTargets(id ID, n int) error {
	if q.Targets > 0 && n > q.Targets {
		return Errorf(LimitExceeded, "Job %s would have %d targets: at most %d are allowed, put the things into a group", id, n, q.Targets)
	}
	return nil
}
