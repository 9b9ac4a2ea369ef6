package app

import (
	"fmt"
	"net"
	"os"
	"regexp"

	"github.com/drover-iot/drover/internal/cli"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
	"github.com/drover-iot/drover/internal/server"
)

// jobFlags are what the server commands share beside their doors.
type jobFlags struct {
	Region         string `help:"Region in ARNs, and of signatures." default:"us-east-1" group:"jobs"`
	Account        string `help:"Account in ARNs, twelve digits." default:"000000000000" group:"jobs"`
	PendingLimit   int    `help:"Pending executions that a device sees of its queue; 0 for all." default:"10" group:"ceilings"`
	NamedShadows   int    `help:"Named shadows that a thing may have; 0 for no limit." default:"100" group:"ceilings"`
	MQTTThingName  bool   `name:"mqtt-thing-name" help:"Executions carry thingName over MQTT, as AWS documents; without it they have the form that was captured from AWS." default:"true" negatable:"" group:"jobs"`
	RolloutDefault int64  `help:"Executions a minute of a job that does not say; 0 for no limit." default:"1000" group:"jobs"`
	RolloutMax     int64  `help:"Executions a minute that a job may ask for at most; 0 for no limit." default:"1000" group:"ceilings"`

	MaxActiveSnapshotJobs   int `help:"SNAPSHOT jobs that may be active at once; 0 for no limit." default:"100" group:"ceilings"`
	MaxActiveContinuousJobs int `help:"CONTINUOUS jobs that may be active at once; 0 for no limit." default:"100" group:"ceilings"`
	MaxDeletingJobs         int `help:"Jobs that may be in deletion at once; 0 for no limit." default:"10" group:"ceilings"`
	quotaFlags
	RejoinAfterSuccess bool `help:"A thing that has succeeded, leaves and joins a CONTINUOUS job again gets it once more." default:"true" negatable:"" group:"jobs"`

	Config configFile `help:"YAML file with values for these flags, one \"flag: value\" a line." placeholder:"FILE"`
	logFlags
}

// quotaFlags are AWS's ceilings on a job and on the registry.
type quotaFlags struct {
	MaxTargets         int   `help:"Targets that a job may have; 0 for no limit." default:"100" group:"ceilings"`
	MaxRetries         int64 `help:"Retries that a job may allow each thing in all; 0 for no limit." default:"10" group:"ceilings"`
	MaxGroupsOfThing   int   `help:"Thing groups that a thing may be in; 0 for no limit." default:"10" group:"ceilings"`
	MaxGroupDepth      int   `help:"Levels that a hierarchy of thing groups may have; 0 for no limit." default:"7" group:"ceilings"`
	MaxGroupChildren   int   `help:"Child groups that a thing group may have; 0 for no limit." default:"100" group:"ceilings"`
	MaxAttributes      int   `help:"Attributes that a thing without a type, or a thing group, may have; 0 for no limit." default:"3" group:"ceilings"`
	MaxTypedAttributes int   `help:"Attributes that a thing with a type may have; 0 for no limit." default:"50" group:"ceilings"`
	MaxTags            int   `help:"Tags that a resource may have; 0 for no limit." default:"50" group:"ceilings"`
}

// apply says it to the server.
func (f *quotaFlags) apply(c *server.Config) {
	c.JobQuotas = &job.Quotas{Targets: f.MaxTargets, Retries: f.MaxRetries}
	c.Quotas = &registry.Quotas{
		Groups: f.MaxGroupsOfThing, Depth: f.MaxGroupDepth, Children: f.MaxGroupChildren,
		Attributes: f.MaxAttributes, TypedAttributes: f.MaxTypedAttributes, Tags: f.MaxTags,
	}
}

// check refuses what is below 0.
func (f *quotaFlags) check() error {
	for _, q := range []struct {
		flag string
		n    int64
	}{
		{"targets", int64(f.MaxTargets)},
		{"retries", f.MaxRetries},
		{"groups-of-thing", int64(f.MaxGroupsOfThing)},
		{"group-depth", int64(f.MaxGroupDepth)},
		{"group-children", int64(f.MaxGroupChildren)},
		{"attributes", int64(f.MaxAttributes)},
		{"typed-attributes", int64(f.MaxTypedAttributes)},
		{"tags", int64(f.MaxTags)},
	} {
		if q.n < 0 {
			return fmt.Errorf("--max-%s %d: expected 0 or more", q.flag, q.n)
		}
	}
	return nil
}

// tlsFlags are a server certificate of the operator's own.
type tlsFlags struct {
	TLSCert string `name:"tls-cert" help:"The server's own certificate, PEM: first it, then its issuers. Read again on SIGHUP. Without it Drover's CA makes one." placeholder:"FILE" group:"doors"`
	TLSKey  string `name:"tls-key" help:"The key of --tls-cert, PEM, not encrypted." placeholder:"FILE" group:"doors"`
	TLSCA   string `name:"tls-ca" help:"What clients are to trust of --tls-cert, handed out at /ca.pem; without it the root, if the chain has one." placeholder:"FILE" group:"doors"`
}

// apply says it to the server.
func (f *tlsFlags) apply(c *server.Config) {
	c.TLSCert, c.TLSKey, c.TLSCA = f.TLSCert, f.TLSKey, f.TLSCA
}

var (
	regionForm  = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
)

// Validate is called by kong when the flags are read.
func (f *jobFlags) Validate() error {
	switch {
	case !regionForm.MatchString(f.Region):
		return fmt.Errorf("--region %q: expected a name such as us-east-1", f.Region)
	case !accountForm.MatchString(f.Account):
		return fmt.Errorf("--account %q: expected twelve digits", f.Account)
	case f.PendingLimit < 0:
		return fmt.Errorf("--pending-limit %d: expected 0 or more", f.PendingLimit)
	case f.NamedShadows < 0:
		return fmt.Errorf("--named-shadows %d: expected 0 or more", f.NamedShadows)
	case f.RolloutDefault < 0 || f.RolloutMax < 0:
		return fmt.Errorf("--rollout-default %d, --rollout-max %d: expected 0 or more", f.RolloutDefault, f.RolloutMax)
	case f.MaxActiveSnapshotJobs < 0 || f.MaxActiveContinuousJobs < 0 || f.MaxDeletingJobs < 0:
		return fmt.Errorf("--max-active-snapshot-jobs %d, --max-active-continuous-jobs %d, --max-deleting-jobs %d: expected 0 or more",
			f.MaxActiveSnapshotJobs, f.MaxActiveContinuousJobs, f.MaxDeletingJobs)
	case f.RolloutMax > 0 && (f.RolloutDefault > f.RolloutMax):
		return fmt.Errorf("--rollout-default %d is above --rollout-max %d", f.RolloutDefault, f.RolloutMax)
	}
	return f.check()
}

// apply says it to the server.
func (f *jobFlags) apply(c *server.Config, s cli.Streams) {
	c.Region, c.Account = f.Region, f.Account
	c.PendingLimit, c.NamedShadows = f.PendingLimit, f.NamedShadows
	c.OmitMQTTThingName = !f.MQTTThingName
	c.RolloutDefault, c.RolloutMax = f.RolloutDefault, f.RolloutMax
	c.MaxActiveSnapshot, c.MaxActiveContinuous, c.MaxDeleting = f.MaxActiveSnapshotJobs, f.MaxActiveContinuousJobs, f.MaxDeletingJobs
	c.NoSecondSuccess = !f.RejoinAfterSuccess
	f.quotaFlags.apply(c)
	c.Log = f.logger(s.Err)
	c.Build = server.Build(cli.ThisBuild())
}

// hostName is the name of this machine, for clients on others.
func hostName() string {
	if name, err := os.Hostname(); err == nil && name != "" {
		return name
	}
	return "localhost"
}

// hosts are the names and addresses under which a door is reached: what the
// server's certificate is made for.
func hosts(advertised string, addrs ...string) []string {
	all := []string{advertised, "localhost", "127.0.0.1", "::1", hostName()}
	for _, addr := range addrs {
		host, _, err := net.SplitHostPort(addr)
		if ip := net.ParseIP(host); err == nil && host != "" && (ip == nil || !ip.IsUnspecified()) {
			all = append(all, host)
		}
	}
	return all
}
