package crash

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// phase is something that a server can be ended in the middle of.
type phase struct {
	name   string
	weight int // how often it is in a deck
	// plan says when the server is ended; how and again are drawn for it.
	plan func(rnd *rand.Rand) plan
	// setup happens before the plan counts, run starts the round's actors, hold
	// happens while the server is down. setup and hold may be nil.
	setup func(*round) error
	run   func(*round)
	hold  func(*round)
	// away is a phase with servers of its own, which takes the place of all that.
	away func(*round) error
}

// phases are all but the timers', which come when they are due.
var phases = []*phase{
	startPhase, firstStartPhase, registryPhase, jobsPhase, rolloutPhase, workPhase, cancelPhase, deletePhase,
	thousandsPhase, executionsPhase, retryPhase, abortPhase, growthPhase, continuousPhase,
	sessionsPhase, retainedPhase, willsPhase, checkpointPhase, logPhase,
}

// config is a run of the harness.
type config struct {
	binary string
	seed   uint64
	rounds int
	only   int    // every round repeats this one's plan; -1: none does
	dir    string // for data folders
	keep   string // where the folder of a failing round is left; empty: nowhere
	timers bool   // the run lasts until timers have fired at a kill
	log    func(format string, args ...any)
}

const (
	perFolder    = 50 // rounds, then a new data folder: the first, and then every
	timersEvery  = 4  // folder, has timers, and lives as long as they take
	historyEvery = 10 // ends, then every history of the folder is read
)

// run ends servers until something is wrong or all rounds are done.
func run(ctx context.Context, cfg config) *report {
	h := &harness{config: cfg, report: newReport(cfg.seed), ctx: ctx}
	began := time.Now()
	for n := 0; n < cfg.rounds && !h.report.failed(); n++ {
		h.round(n)
	}
	h.retire()
	h.report.Seconds = time.Since(began).Seconds()
	return h.report
}

type harness struct {
	config
	*report
	ctx   context.Context
	world *world
}

// draw is the phase and plan of a round: a function of the seed and its number.
// Each deck holds every phase, so that as many rounds as it has cards meet all.
func (h *harness) draw(n int) (*phase, plan, *rand.Rand) {
	if h.only >= 0 {
		n = h.only
	}
	var deck []*phase
	for _, p := range phases {
		for range p.weight {
			deck = append(deck, p)
		}
	}
	shuffle := rand.New(rand.NewPCG(h.seed, 1<<32+uint64(n/len(deck))))
	shuffle.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	rnd := rand.New(rand.NewPCG(h.seed, uint64(n)))
	p := deck[n%len(deck)]
	return p, p.draw(rnd), rnd
}

func (p *phase) draw(rnd *rand.Rand) plan {
	how := pick(rnd)
	out := p.plan(rnd)
	out.how, out.between = how, upTo(rnd, 30*time.Millisecond)
	if rnd.IntN(2) == 0 {
		out.delay = 0
	}
	if rnd.IntN(5) == 0 {
		out.again = append(out.again, upTo(rnd, 30*time.Millisecond))
	}
	return out
}

func upTo(rnd *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(rnd.Int64N(int64(d) + 1))
}

func (h *harness) round(n int) {
	p, plan, rnd := h.draw(n)
	r := &round{
		ctx: h.ctx, n: n, phase: p, plan: plan, rnd: rnd,
		trip: make(chan struct{}), down: make(chan struct{}),
	}
	began := time.Now()
	err := h.ready(r)
	if err == nil {
		err = r.live()
	}
	if err != nil {
		r.find(wrong, "%v", err)
	}
	h.report.note(func() { h.report.Rounds++ })
	h.log("round %d, %s: %s: %v", n, r.phase.name, r.plan, time.Since(began).Round(time.Millisecond))
	if h.report.failed() {
		h.log("repeat this round with DROVER_CRASH_SEED=%d DROVER_CRASH_ROUND=%d; its moments are drawn again, the scheduling is not", h.seed, n)
		h.keepFolder(n)
	}
}

// ready gives the round its world: a new folder from time to time, and the
// timers' phase when they are due.
func (h *harness) ready(r *round) (err error) {
	if w := h.world; w != nil && w.rounds >= perFolder && (!w.ticks() || w.timed.over()) {
		h.retire()
	}
	if h.world == nil {
		r.world = &world{harness: h} // for findings until there is one
		if r.world, err = newWorld(r); err != nil {
			return fmt.Errorf("a new data folder: %w", err)
		}
		h.world = r.world
		h.report.note(func() { h.report.Folders++ })
	}
	r.world = h.world
	r.world.rounds++
	if err := r.beginTimers(); err != nil {
		return err
	}
	last := r.n >= h.rounds-2 // what has not come due is waited for
	if b := r.timed.next(); b != nil && (last || time.Until(b.due) < 500*time.Millisecond) {
		r.phase, r.plan = timersPhase, timersPhase.draw(r.rnd)
	}
	return nil
}

// live is the whole of a round.
func (r *round) live() error {
	play := r.play
	if r.phase.away != nil {
		play = func() error { return r.phase.away(r) }
	}
	if err := play(); err != nil {
		return err
	}
	if err := r.verify(); err != nil {
		return fmt.Errorf("looking at what is there: %w", err)
	}
	return nil
}

// retire ends the world: everything is looked at once more.
func (h *harness) retire() {
	w := h.world
	if w == nil {
		return
	}
	if h.world = nil; w.Child != nil {
		w.Kill()
		w.api.Close()
	}
	_ = os.RemoveAll(w.data)
}

// keepFolder leaves the data folder of a failed round for who must find out.
func (h *harness) keepFolder(n int) {
	if h.keep == "" || h.world == nil {
		return
	}
	if h.world.Child != nil {
		h.world.Kill()
	}
	to := filepath.Join(h.keep, fmt.Sprintf("crash-%d-%d", h.seed, n))
	err := os.RemoveAll(to)
	if err == nil {
		err = os.CopyFS(to, os.DirFS(h.world.data))
	}
	h.log("the data folder is kept in %s (%v)", to, err)
}

// world is a data folder, its server, and the ledger of all that was
// acknowledged about it. mu is for the ledger.
type world struct {
	*harness
	server
	n       int
	rounds  int
	started time.Time // the server that runs now

	mu        sync.Mutex
	registers map[string]*register
	dirty     map[string]bool // keys of registers, ids of jobs, that a round has touched
	jobs      map[string]*jobFact
	made      int                     // jobs so far
	explained map[*execution][]change // by the verification under way: open changes that were applied

	groups     map[string]string // ARNs
	devices    []*device
	wide       []string // things that nobody connects as
	timed      timed
	unattached string // a certificate that no thing has
	campaigns  []*campaign
	slow       *campaign // is handed out as long as the folder lives
	unread     int       // ends since every history was read
	told
	mail
}

// ticks says whether this folder has timers.
func (w *world) ticks() bool { return w.timers && w.n%timersEvery == 0 }

// newWorld makes a folder with its fleet.
func newWorld(r *round) (*world, error) {
	w := &world{
		harness: r.harness, n: r.Folders, registers: map[string]*register{}, dirty: map[string]bool{},
		jobs: map[string]*jobFact{}, groups: map[string]string{}, explained: map[*execution][]change{},
	}
	w.binary = r.harness.binary
	var err error
	if w.data, err = os.MkdirTemp(r.harness.dir, "data-"); err != nil {
		return nil, err
	}
	r.world = w
	if err := w.start(r.ctx); err != nil {
		return nil, err
	}
	w.started = time.Now()
	for i := range workers {
		w.devices = append(w.devices, &device{thing: fmt.Sprintf("device-%02d", i)})
	}
	if err := w.fleet("devices", workers, func(i int) string { return w.devices[i].thing }); err != nil {
		return nil, err
	}
	for i := range wideness {
		w.wide = append(w.wide, fmt.Sprintf("wide-%04d", i))
	}
	if err := w.fleet("wide", wideness, func(i int) string { return w.wide[i] }); err != nil {
		return nil, err
	}
	if err := r.openTold(); err != nil {
		return nil, err
	}
	if err := r.openSlow(); err != nil {
		return nil, err
	}
	if err := r.openRegistry(); err != nil {
		return nil, err
	}
	return w, r.openMail()
}

// fleet makes a group and its things.
func (w *world) fleet(group string, n int, name func(int) string) error {
	w.groups[group] = arns + "thinggroup/" + group
	_, err := w.api.Import(w.ctx, func(to io.Writer) error {
		fmt.Fprintf(to, `{"thingGroupName":%q}`+"\n", group)
		for i := range n {
			if _, err := fmt.Fprintf(to, `{"thingName":%q,"thingGroupNames":[%q]}`+"\n", name(i), group); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// verify holds the server against the ledger: what the round has touched, and a
// draw of the rest; on the folder's last round all of it.
func (r *round) verify() error {
	all := r.rounds%perFolder == 0 || r.n == r.harness.rounds-1
	if err := r.verifyRegisters(all); err != nil {
		return err
	}
	if err := r.verifyJobs(all); err != nil {
		return err
	}
	if err := r.verifyCampaigns(); err != nil {
		return err
	}
	if err := r.verifyTimers(); err != nil {
		return err
	}
	if err := r.verifyTold(); err != nil {
		return err
	}
	if err := r.verifyMail(all); err != nil {
		return err
	}
	r.dirty = map[string]bool{}
	return nil
}

func (r *round) verifyRegisters(all bool) error {
	var look []*register
	for _, key := range slices.Sorted(maps.Keys(r.registers)) {
		if all || r.dirty[key] || r.rnd.IntN(20) == 0 {
			look = append(look, r.registers[key])
		}
	}
	return each(look, func(g *register) error {
		got, err := g.read(r.ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", g.key, err)
		}
		r.checked()
		applied, v, why := g.judge(got)
		if applied {
			r.applied(1)
		}
		if v != "" {
			r.find(v, "%s", why)
		}
		return nil
	})
}

// add enters a register.
func (w *world) add(key string, is value, read func(context.Context) (value, error)) *register {
	g := &register{key: key, is: is, read: read}
	w.registers[key] = g
	return g
}
