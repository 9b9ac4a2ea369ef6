package auth

// Kind says how a principal proved who it is.
type Kind uint8

// The kinds of principal.
const (
	Anonymous     Kind = iota // nothing was shown; only `dev` lets it do anything
	ByAccessKey               // a signature of an access key: an operator
	ByCertificate             // a client certificate: a device
)

// Principal is who is calling. It is comparable and small: every connection
// keeps one.
type Principal struct {
	Kind Kind
	ID   string // of the access key or of the certificate
}

// Action is what a caller wants to do, in the words of an IoT policy
// (registry-and-auth.md E.4).
type Action string

// The actions, and what the resource of each is.
const (
	Connect       Action = "iot:Connect"       // client id
	Publish       Action = "iot:Publish"       // topic, also of the will
	RetainPublish Action = "iot:RetainPublish" // topic; needs Publish too
	Subscribe     Action = "iot:Subscribe"     // topic filter
	Receive       Action = "iot:Receive"       // topic

	DescribeJobExecution         Action = "iotjobsdata:DescribeJobExecution" // thing name, as the next three
	GetPendingJobExecutions      Action = "iotjobsdata:GetPendingJobExecutions"
	StartNextPendingJobExecution Action = "iotjobsdata:StartNextPendingJobExecution"
	UpdateJobExecution           Action = "iotjobsdata:UpdateJobExecution"

	// Device shadows over HTTPS: the resource is the thing.
	GetThingShadow    Action = "iot:GetThingShadow"
	UpdateThingShadow Action = "iot:UpdateThingShadow"
	DeleteThingShadow Action = "iot:DeleteThingShadow"
)

// Authorizer answers the one question for permission (design.md decision 13).
// It is asked for every message of a device: an answer must be cheap.
type Authorizer interface {
	Allow(p Principal, action Action, resource string) bool
}

// Everything is the Authorizer of `dev`: whoever calls may do everything.
type Everything struct{}

// Allow is true.
func (Everything) Allow(Principal, Action, string) bool { return true }
