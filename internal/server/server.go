package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drover-iot/drover/internal/auth"
	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/clock"
	"github.com/drover-iot/drover/internal/fault"
	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/mqtt"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/rest"
	"github.com/drover-iot/drover/internal/sched"
	"github.com/drover-iot/drover/internal/store"
	"github.com/drover-iot/drover/internal/store/sqlite"
	"github.com/drover-iot/drover/internal/virtual"
)

// Server is a running Drover.
type Server struct {
	cfg      Config
	log      *slog.Logger
	addrs    Addrs
	doors    listeners
	folder   *folder
	store    *sqlite.Store
	identity *identity
	broker   *broker.Broker
	gateway  *mqtt.Gateway
	data     *ops.Data
	control  *ops.Control
	sched    *sched.Sched
	sessions *sessions
	time     *virtual.Time // nil: the clock is nobody's to move
	faults   *fault.Set    // nil: on serve
	changes  changes

	draining atomic.Bool
	failed   chan error
	work     sync.WaitGroup // of the doors' goroutines
	closers  closers
	closing  sync.Once
	closeErr error
}

// closers are what takes the server down, the last opened first.
type closers []func(context.Context) error

func (c *closers) push(f func(context.Context) error) { *c = append(*c, f) }

// Start opens the data folder and the doors. When it returns without error the
// server answers; ctx bounds the start only. A Config that cannot be meant is a
// *ConfigError.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.Real{}
	}
	if cfg.webSocketLife == 0 {
		cfg.webSocketLife = auth.MaxWebSocketSession
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, log: cfg.Log, failed: make(chan error, 1)}
	for _, step := range []func(context.Context) error{s.openData, s.listen, s.compose, s.replay, s.open} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.Close(ctx))
		}
	}
	s.log.Info("ready", "mqtt", s.addrs.MQTT, "mqtts", s.addrs.MQTTS, "http", s.addrs.HTTP, "https", s.addrs.HTTPS,
		"admin", s.addrs.Admin, "data", s.folder.path, "durability", s.store.Durability())
	return s, nil
}

// drainTime is how long a server that was told to end may finish what is under
// way before connections are cut.
const drainTime = 10 * time.Second

// Run serves until ctx ends or a door fails, then drains. opened is called once
// the doors are open; an error of its own ends the server too.
func Run(ctx context.Context, cfg Config, opened func(*Server) error) error {
	s, err := Start(ctx, cfg)
	if err != nil {
		return err
	}
	if err = opened(s); err == nil {
		select {
		case <-ctx.Done():
		case err = <-s.failed:
		}
	}
	s.log.Info("draining", "atMost", drainTime.String())
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err = errors.Join(err, s.Close(drain)); err == nil {
		s.log.Info("ended")
	}
	return err
}

// Addrs are the doors that are open, with the ports they really have.
func (s *Server) Addrs() Addrs { return s.addrs }

// FirstStart says whether this start made the CA and the access key.
func (s *Server) FirstStart() bool { return s.identity.fresh }

// Failed tells when a door has failed that nobody closed: then the server is of
// no use any more, and its owner should close it.
func (s *Server) Failed() <-chan error { return s.failed }

func (s *Server) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// Close drains and ends the server: the doors let nobody in, requests that are
// under way are answered, devices are told, what was accepted reaches the disk.
// When ctx ends, connections are cut. A second call returns what the first did.
func (s *Server) Close(ctx context.Context) error {
	s.closing.Do(func() {
		s.draining.Store(true)
		s.changes.end()
		var errs []error
		for _, f := range slices.Backward(s.closers) {
			errs = append(errs, f(ctx))
		}
		s.closeErr = errors.Join(errs...)
	})
	return s.closeErr
}

// openData takes the folder for this process and opens the store in it.
func (s *Server) openData(context.Context) (err error) {
	if s.folder, err = openFolder(s.cfg.Data); err != nil {
		return err
	}
	s.closers.push(func(context.Context) error { return s.folder.close() })
	s.store, err = sqlite.Open(s.folder.path, store.Config{Visible: s.cfg.PendingLimit, Now: s.cfg.Clock.Now},
		sqlite.Options{Volatile: s.folder.temporary})
	if err != nil {
		return fmt.Errorf("the data folder %s: %w", s.folder.path, err)
	}
	s.closers.push(func(context.Context) error { return s.store.Close() })
	if from := s.store.MigratedFrom(); from > 0 {
		s.log.Info("the data folder was brought to the format of this build", "data", s.folder.path, "from", from, "to", sqlite.Format)
	}
	if err := s.openTime(); err != nil {
		return err
	}
	s.identity, err = openIdentity(s.folder.path, &s.cfg, s.store)
	return err
}

// compose puts the rooms together. Nothing reaches them yet.
func (s *Server) compose(ctx context.Context) error {
	authorizer := s.identity.authorizer(s.cfg.Dev)
	s.gateway = mqtt.New(mqtt.Config{
		Authorizer: authorizer, Now: s.cfg.Clock.Now, Log: s.log, OmitThingName: s.cfg.OmitMQTTThingName, Faults: s.openFaults(),
	})
	told := &ops.Events{Region: s.cfg.Region, Account: s.cfg.Account, Audience: s.gateway, Now: s.cfg.Clock.Now}
	if err := told.Load(ctx, s.store); err != nil {
		return err
	}
	s.data, s.control = ops.New(ops.Config{
		Store: s.watchedStore(), Now: s.cfg.Clock.Now, Audience: s.gateway, Events: told,
		Issuer: s.identity, PrincipalChanged: s.principalChanged,
		Region: s.cfg.Region, Account: s.cfg.Account, Endpoint: s.cfg.AdvertiseHost,
		AutoThings: s.cfg.AutoThings, PendingLimit: s.cfg.PendingLimit, NamedShadows: s.cfg.NamedShadows,
		RolloutDefault: s.cfg.RolloutDefault, RolloutMax: s.cfg.RolloutMax,
		MaxActiveSnapshot: s.cfg.MaxActiveSnapshot, MaxActiveContinuous: s.cfg.MaxActiveContinuous, MaxDeleting: s.cfg.MaxDeleting,
		JobQuotas: s.cfg.JobQuotas, Quotas: s.cfg.Quotas,
	})
	s.sessions = newSessions(s.store, s.log)
	s.closers.push(func(context.Context) error { s.sessions.close(); return nil })
	var err error
	s.broker, err = broker.New(broker.Config{Clock: brokerClock{s.cfg.Clock}, Sessions: s.sessions, Hooks: s.gateway, Log: s.log, Timed: s.sessionTime()})
	if err != nil {
		return err
	}
	s.gateway.Bind(s.broker, s.data, s.data)
	due := sched.Config{Store: s.watchedStore(), Clock: s.schedulerClock(), Audience: s.gateway, Events: told, Log: s.log, NoSecondSuccess: s.cfg.NoSecondSuccess}
	if s.time != nil {
		due.Did = s.time.Scheduled
	}
	s.sched = sched.New(due)
	s.store.SetObserver(observer{s})
	s.closers.push(func(context.Context) error { s.work.Wait(); return nil }) // the doors are closed by then
	s.closers.push(s.broker.Close)
	s.closers.push(func(context.Context) error { s.sched.Stop(); return nil })
	return nil
}

// replay tells devices what a commit of an earlier run has caused and no session
// was given (design.md decision 2). What is told is the queue as it is now.
func (s *Server) replay(ctx context.Context) error {
	var rows []store.EffectRow
	var events []job.Message
	err := s.store.View(ctx, func(tx store.Tx) error {
		if err := tx.Events(func(e job.Message) error { events = append(events, e); return nil }); err != nil {
			return err
		}
		return tx.Effects(func(r store.EffectRow) error { rows = append(rows, r); return nil })
	})
	for i := 0; i < len(rows) && err == nil; i++ {
		err = s.replayOne(ctx, rows[i])
	}
	if err == nil {
		s.gateway.Events(events)
	}
	if len(rows)+len(events) > 0 && err == nil {
		s.log.Info("told what an earlier run had not", "effects", len(rows), "events", len(events))
	}
	return err
}

func (s *Server) replayOne(ctx context.Context, row store.EffectRow) error {
	var now store.Snapshot
	err := s.store.View(ctx, func(tx store.Tx) (err error) {
		now, err = tx.Snapshot(store.Keys{Thing: row.Thing, Queue: store.WholeQueue, Namespace: row.Namespace})
		return err
	})
	if err != nil {
		return fmt.Errorf("replay of effect %d: %w", row.Row, err)
	}
	if now.ThingKey == 0 { // the thing is gone: there is nobody to tell
		return s.store.Update(ctx, func(tx store.Tx) error { return tx.DropEffect(row.Row) })
	}
	s.gateway.Effects([]job.Effect{{
		ThingKey: now.ThingKey, Thing: string(row.Thing), Namespace: row.Namespace, Notify: row.Notify, Next: row.Next,
		After: now.Queue, At: s.cfg.Clock.Now(), Row: row.Row, Durable: true,
	}})
	return nil
}

// open does what became due meanwhile, and lets clients in. The doors close
// before anything behind them.
func (s *Server) open(context.Context) error {
	s.sched.Start()
	if ln := s.doors.admin; ln != nil {
		s.serveHTTP("admin", ln, s.admin(), nil)
	}
	if ln := s.doors.http; ln != nil {
		s.serveHTTP("http", rest.Listener(ln), s.public(), nil)
	}
	if ln := s.doors.https; ln != nil {
		s.openHTTPS(ln, s.public())
	}
	if ln := s.doors.mqtt; ln != nil {
		s.serveMQTT(ln)
	}
	if ln := s.doors.mqtts; ln != nil {
		s.openTLS("mqtts", ln, s.identity.tls.MQTT(), s.attachDevice)
	}
	return nil
}

// public is what an HTTP door answers: the CA's certificate, and the API.
func (s *Server) public() http.Handler {
	api := s.api()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ca.pem" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			s.serveTrust(w)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// serveTrust answers with what clients must trust to trust this server.
func (s *Server) serveTrust(w http.ResponseWriter) {
	trust := s.identity.trust()
	if trust == nil {
		w.Header().Set("X-Amzn-ErrorType", "ResourceNotFoundException")
		answer(w, http.StatusNotFound, map[string]string{"message": "The server's certificate is not of its own CA, and its chain has no root: " +
			"clients that trust the root already need nothing, and for others the operator names it with --tls-ca."})
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, _ = w.Write(trust) // the peer may be gone
}

// api is the AWS surface, with what AWS lacks. Signatures are checked in transport time.
func (s *Server) api() http.Handler {
	return rest.New(rest.Config{
		Data: s.data, Control: s.control, Authorizer: s.identity.authorizer(s.cfg.Dev), Publish: s.publish, Shadow: s.gateway.Shadow, MQTT: s.attachWebSocket,
		Verifier: &auth.Verifier{Keys: s.identity.accessKey, Region: s.cfg.Region}, AnyKey: s.cfg.Dev,
		Device: s.identity.certificates.Principal, Log: s.log, Extensions: s.extensions(), Faults: s.faultsOverHTTP(),
	})
}

// extensions are what AWS lacks, under /drover/v1/.
// observer hears commits: devices are told, the scheduler wakes.
type observer struct{ s *Server }

func (o observer) Effects(es []job.Effect) { o.s.gateway.Effects(es) }
func (o observer) Events(es []job.Message) { o.s.gateway.Events(es) }
func (o observer) Wake(at time.Time)       { o.s.sched.Wake(at) }

// brokerClock is the domain's clock as the broker asks for it.
type brokerClock struct{ clock.Clock }

func (c brokerClock) AfterFunc(d time.Duration, f func()) broker.Timer {
	return c.Clock.AfterFunc(d, f)
}
