package rest

import (
	"errors"
	"net"
	"net/http"
	"net/url"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/websocket"
	"github.com/drover-iot/drover/internal/wire"
)

// webSocketPath is the door of MQTT over WebSocket (device-plane.md 6.1).
const webSocketPath = "/mqtt"

// upgradePlane spells the refusals of an upgrade: whatever is wrong with a
// signature is a 403 there (registry-and-auth.md F.4).
func upgradePlane() *plane {
	return &plane{service: auth.ServiceWebSocket, refusal: func(e *job.Error) (wire.Exception, []byte) {
		exception, body := dataRefusal(e)
		if e.Code == job.IncompleteSignature {
			exception.Status = http.StatusForbidden
		}
		return exception, body
	}}
}

// upgrade lets an MQTT client in by WebSocket. Who it is, is asked first: of the
// rest, a stranger learns nothing.
func (h *handler) upgrade(x *exchange) error {
	x.in = h.upgrades
	who, err := h.signer(auth.NewRequest(x.r, nil))
	if err != nil {
		return err
	}
	nc, err := websocket.Upgrade(x.w, x.r, "mqtt", "mqttv3.1") // the latter is all that AWS's first SDK for JavaScript offers
	if refused, ok := errors.AsType[*websocket.HandshakeError](err); ok {
		x.w.Header().Set("Sec-WebSocket-Version", "13")
		return job.Errorf(job.InvalidRequest, "%s", refused.Message)
	}
	if err != nil {
		h.Log.DebugContext(x.r.Context(), "upgrade to WebSocket failed", "peer", x.r.RemoteAddr, "err", err)
		return nil // the connection is gone
	}
	h.MQTT(nc, who)
	return nil
}

// signer is who has signed an upgrade, in its query or in its Authorization
// header. The door of `dev` takes any key, and none.
func (h *handler) signer(r auth.Request) (auth.Principal, error) {
	if !h.AnyKey {
		return h.Verifier.Verify(r, h.Now(), auth.ServiceWebSocket)
	}
	scope, err := auth.Scope(r)
	switch {
	case err == nil && scope.Service == auth.ServiceWebSocket:
		return auth.Principal{Kind: auth.ByAccessKey, ID: scope.AccessKeyID}, nil
	case err == nil:
		return auth.Principal{}, job.Errorf(job.InvalidSignature, "Credential should be scoped to service %s, not to '%s'.", auth.ServiceWebSocket, scope.Service)
	case wire.ErrorOf(err).Code == job.MissingAuthentication:
		return auth.Principal{}, nil
	}
	return auth.Principal{}, err
}

// foreign says whether a page of another site makes this request. A door that
// takes any key trusts that who reaches it works on this machine; a browser
// carries what any web page asks for, and says whose page it was in Origin. Pages
// of this machine may come in.
func foreign(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return false
	}
	u, err := url.Parse(origins[0])
	if err != nil || len(origins) > 1 {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
}

// errForeign is the answer to such a page.
var errForeign = &job.Error{
	Code: job.Forbidden,
	Message: "This request comes from a web page of another site (Origin). drover dev lets in pages of localhost alone, for it asks nobody for a key; " +
		"open the page from localhost, or use drover serve with a signed request.",
}
