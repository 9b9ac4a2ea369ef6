package rest

import (
	"cmp"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/iot"
	"github.com/drover-iot/drover/internal/wire/jobsdata"
)

// enter says who is calling and which operation is meant. Two services share paths,
// and what tells them apart is how the caller proved who it is (control-plane.md
// A.2): a client certificate means the data plane; a signature means the service in
// its scope; a caller without either is let in on `dev` alone. The body is read
// once something is known of the caller.
func (h *handler) enter(x *exchange) error {
	if h.Device != nil && x.r.TLS != nil && len(x.r.TLS.PeerCertificates) > 0 {
		return h.enterDevice(x)
	}
	scope, err := auth.Scope(auth.NewRequest(x.r, nil))
	if err != nil {
		if h.AnyKey && wire.ErrorOf(err).Code == job.MissingAuthentication {
			return h.enterAnonymous(x)
		}
		return err
	}
	return h.enterSigned(x, scope)
}

func (h *handler) enterDevice(x *exchange) (err error) {
	x.in = h.deviceSide(x)
	if x.who, err = h.Device(x.r.TLS, h.Now()); err != nil {
		return err
	}
	if err := x.readBody(); err != nil {
		return err
	}
	return h.route(x, "a client certificate is for the data plane")
}

// deviceSide is where a device's request belongs: to publish, else the data plane.
func (h *handler) deviceSide(x *exchange) *plane {
	if h.messages.match(x.r) != nil {
		return h.messages
	}
	return h.data
}

func (h *handler) enterAnonymous(x *exchange) error {
	if in := h.deviceSide(x); in.match(x.r) != nil {
		x.in = in
	} else if h.extensions.match(x.r) != nil {
		x.in = h.extensions
	}
	if err := x.readBody(); err != nil {
		return err
	}
	return h.route(x, "")
}

func (h *handler) enterSigned(x *exchange, scope auth.Credential) (err error) {
	switch {
	case scope.Service == jobsdata.Service:
		x.in = h.data
	case scope.Service == auth.ServiceData && h.messages.match(x.r) != nil:
		x.in = h.messages
	case scope.Service == iot.Service && h.extensions.match(x.r) != nil:
		x.in = h.extensions
	case scope.Service == iot.Service:
	default:
		return job.Errorf(job.InvalidSignature, "Credential should be scoped to service %s or %s, not to '%s'.", iot.Service, jobsdata.Service, scope.Service)
	}
	if err := x.readBody(); err != nil {
		return err
	}
	if h.AnyKey {
		x.who = auth.Principal{Kind: auth.ByAccessKey, ID: scope.AccessKeyID}
	} else if x.who, err = h.Verifier.Verify(auth.NewRequest(x.r, x.body), h.Now(), x.in.service); err != nil {
		return err
	}
	return h.route(x, "the request is signed for service "+scope.Service)
}

// route finds the operation. because says why this plane was taken, for a caller who
// meant the other.
func (h *handler) route(x *exchange, because string) error {
	if x.op = x.in.match(x.r); x.op != nil {
		return nil
	}
	other := h.control
	if x.in == h.control {
		other = h.data
	}
	if op := other.match(x.r); op != nil && because != "" {
		return job.Errorf(job.UnknownOperation, "%s %s is %s of service %s, but %s.", x.r.Method, shown(x.r), op.Name, other.service, because)
	}
	return job.Errorf(job.UnknownOperation, "%s %s is not an operation of AWS IoT or its Jobs data plane. Check the method and the path.", x.r.Method, shown(x.r))
}

// authorise asks the one question for permission (design.md decision 13). A refusal
// looks as registry-and-auth.md E.6 says.
func (h *handler) authorise(x *exchange) error {
	resource := "*"
	switch x.in {
	case h.data:
		resource = x.r.PathValue("thingName")
	case h.messages:
		resource = cmp.Or(x.r.PathValue("topic"), x.r.PathValue("thingName"))
	}
	allowed := h.Authorizer.Allow(x.who, x.op.action, resource)
	if x.in == h.messages && x.r.URL.Query().Get("retain") == "true" {
		allowed = allowed && h.Authorizer.Allow(x.who, auth.RetainPublish, resource)
	}
	if allowed {
		return nil
	}
	if x.in == h.data || x.in == h.messages {
		return job.Errorf(job.Forbidden, "Forbidden")
	}
	return job.Errorf(job.AccessDenied, "User: %s is not authorized to perform: %s on resource: %s", principalName(x.who), x.op.action, resource)
}
