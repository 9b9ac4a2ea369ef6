package server

import (
	"context"
	"net"
	"time"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/rest"
)

// attachWebSocket gives a connection that was upgraded to the broker. What a
// signature has opened ends after a day; a guest of dev stays as long as they like.
func (s *Server) attachWebSocket(nc net.Conn, who auth.Principal) {
	var until time.Time
	if who.Kind == auth.ByAccessKey {
		until = time.Now().Add(s.cfg.webSocketLife)
	}
	s.broker.AttachUntil(nc, who, until)
}

// publish hands an HTTPS publish on, in the broker's words.
func (s *Server) publish(ctx context.Context, c ops.Caller, in rest.Message) error {
	m := broker.Message{Topic: in.Topic, Payload: in.Payload, QoS: in.QoS, Retain: in.Retain}
	if in.ExpirySeconds != nil {
		m.Expires = s.broker.Expiry(*in.ExpirySeconds)
	}
	p := broker.Props{ContentType: in.ContentType, ResponseTopic: in.ResponseTopic}
	if in.UTF8 != nil {
		p.HasFormat = true
		if *in.UTF8 {
			p.PayloadFormat = 1
		}
	}
	if in.CorrelationData != nil {
		p.HasCorrelation, p.CorrelationData = true, *in.CorrelationData
	}
	for _, u := range in.UserProperties {
		p.User = append(p.User, broker.UserProperty(u))
	}
	if p.HasFormat || p.HasCorrelation || p.ContentType != "" || p.ResponseTopic != "" || len(p.User) > 0 {
		m.Props = &p
	}
	return s.gateway.PublishFor(ctx, c, m)
}
