package ops

import (
	"strings"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/registry"
)

// The kinds of resources that ARNs name (registry-and-auth.md D.1).
const (
	kindThing       = "thing"
	kindGroup       = "thinggroup"
	kindType        = "thingtype"
	kindJob         = "job"
	kindCertificate = "cert"
)

func (k *core) arn(kind, name string) string {
	return "arn:aws:iot:" + k.Region + ":" + k.Account + ":" + kind + "/" + name
}

func (k *core) thingARN(n registry.Name) string      { return k.arn(kindThing, string(n)) }
func (k *core) groupARN(n registry.GroupName) string { return k.arn(kindGroup, string(n)) }
func (k *core) typeARN(n registry.TypeName) string   { return k.arn(kindType, string(n)) }
func (k *core) jobARN(id job.ID) string              { return k.arn(kindJob, string(id)) }

// parseARN splits an ARN of this region and account. Names hold colons, so it
// splits at the first five colons and the first slash only. Errors:
// InvalidRequest.
func (k *core) parseARN(arn string) (kind, name string, err error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] != "aws" || parts[2] != "iot" {
		return "", "", job.Errorf(job.InvalidRequest, "%q is not an ARN of AWS IoT: expected the form %s", arn, k.arn(kindThing, "NAME"))
	}
	if parts[3] != k.Region || parts[4] != k.Account {
		return "", "", job.Errorf(job.InvalidRequest, "%q is of region %q and account %q: this server has %s and %s", arn, parts[3], parts[4], k.Region, k.Account)
	}
	kind, name, ok := strings.Cut(parts[5], "/")
	if !ok || !named(kind, name) {
		return "", "", job.Errorf(job.InvalidRequest, "%q names no resource: expected the form %s", arn, k.arn(kindThing, "NAME"))
	}
	return kind, name, nil
}

// named says whether a resource of this kind can have this name.
func named(kind, name string) bool {
	switch kind {
	case kindThing, kindGroup, kindType:
		return registry.Name(name).Valid()
	case kindJob:
		return job.ID(name).Valid()
	}
	return name != ""
}

// nameOf is the name of a resource that is given by name, by ARN or by both,
// which must then agree.
func (k *core) nameOf(kind, noun, name, arn string) (string, error) {
	if arn == "" {
		if name == "" {
			return "", job.Errorf(job.InvalidRequest, "The %s is missing: give its name or its ARN", noun)
		}
		return name, nil
	}
	got, byARN, err := k.parseARN(arn)
	switch {
	case err != nil:
		return "", err
	case got != kind:
		return "", job.Errorf(job.InvalidRequest, "%q is not the ARN of a %s", arn, noun)
	case name != "" && name != byARN:
		return "", job.Errorf(job.InvalidRequest, "The name %s and the ARN %s are of different %ss", name, arn, noun)
	}
	return byARN, nil
}
