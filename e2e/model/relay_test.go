package model

import (
	"cmp"
	"slices"
	"time"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

// relay is worker/relay.go step by step: claim, hand over, delete. Between any two steps others go on, for as long as they
// like: a relay whose poke is not chosen for longer than its lease was frozen.
type relay struct{ hands []*hand }

// hand is one poke on its way.
type hand struct {
	poke      store.Poke
	delivered bool
}

const lease = 15 * time.Second

// claim is a round of one of the relay's two loops; it reports whether there was anything.
func (w *world) claim(p *process, urgent bool) bool {
	const places = 16
	var pokes []store.Poke
	var err error
	if urgent {
		pokes, err = w.store.ClaimUrgent(w.ctx, w.clock.now, lease, places)
	} else {
		pokes, err = w.store.Claim(w.ctx, w.clock.now, lease, store.Room{Pokes: places, Engine: places})
	}
	w.must(err, "claim")
	slices.SortFunc(pokes, func(a, b store.Poke) int {
		return cmp.Compare(w.personOf(a.Identity).employee, w.personOf(b.Identity).employee)
	})
	for _, poke := range pokes {
		w.logf("relay claims the poke of %s for %d", w.personOf(poke.Identity).employee, poke.Version)
		p.relay.hands = append(p.relay.hands, &hand{poke: poke})
	}
	return len(pokes) > 0
}

// handStep is the next step of a poke on its way.
func (w *world) handStep(r *relay, h *hand) {
	drop := func() { r.hands = slices.DeleteFunc(r.hands, func(other *hand) bool { return other == h }) }
	p := w.personOf(h.poke.Identity)
	switch {
	case h.delivered:
		drop()
		w.must(w.store.Delivered(w.ctx, w.clock.now, []store.Poke{h.poke}), "delete delivered poke")
		w.logf("relay deletes the poke of %s for %d", p.employee, h.poke.Version)
		w.checkPokes()
	case w.storm && w.chance(w.nature.engineFails):
		drop()
		w.logf("relay cannot deliver to %s", p.employee)
		delay := min(time.Second<<min(h.poke.Attempts, 5), 20*time.Second)
		if h.poke.Class == identity.ClassLeave {
			delay = min(delay, 2*time.Second)
		}
		w.must(w.store.Postpone(w.ctx, h.poke, w.clock.now.Add(delay)), "postpone")
	default:
		h.delivered = true
		w.deliver(p, h.poke)
	}
}

func (w *world) deliver(p *person, poke store.Poke) {
	changed := workflows.Changed{Seq: poke.Version}
	if poke.Due != nil {
		changed.Due = *poke.Due
	}
	w.logf("relay signals %s for %d, due %s", p.employee, poke.Version, stamp(changed.Due))
	w.signalWithStart(p, changed)
}

// sweeper is worker/sweeper.go step by step.
type sweeper struct{ found []store.Unsettled }

const (
	sweepEvery = 30 * time.Second
	trust      = 10 * time.Minute
)

func (w *world) wakeDue() int {
	n, err := w.store.EnqueueDue(w.ctx, w.clock.now, 500)
	w.must(err, "enqueue what is due")
	if n > 0 {
		w.logf("%d due", n)
	}
	return n
}

// sweepStep looks at one identity, or begins a sweep. It answers how many it found or poked.
func (w *world) sweepStep() int {
	if len(w.sweeper.found) == 0 {
		return w.beginSweep()
	}
	u := w.sweeper.found[0]
	w.sweeper.found = w.sweeper.found[1:]
	p := w.personOf(u.Identity)
	working := p.run != nil && u.PokedAt != nil && w.clock.now.Sub(*u.PokedAt) < trust
	if u.Due == nil && working {
		w.must(w.store.NoteSwept(w.ctx, u, w.clock.now), "note sweep")
		return 0
	}
	w.logf("sweeper pokes %s", p.employee)
	w.must(w.store.EnqueueSwept(w.ctx, u), "enqueue swept")
	return 1
}

func (w *world) beginSweep() int {
	found, err := w.store.Sweep(w.ctx, w.clock.now, w.clock.now.Add(-sweepEvery), 500)
	w.must(err, "sweep")
	slices.SortFunc(found, func(a, b store.Unsettled) int {
		return cmp.Compare(w.personOf(a.Identity).employee, w.personOf(b.Identity).employee)
	})
	w.sweeper.found = found
	down, err := w.store.DownTargets(w.ctx)
	w.must(err, "down targets")
	for _, t := range down {
		w.probing[t.Name] = true
	}
	up, err := w.store.UpTargetsWaitedFor(w.ctx)
	w.must(err, "targets that are up and waited for")
	for _, t := range up {
		w.logf("sweeper pokes whoever waits for %s", t.Name)
		w.must(w.service.PokeBlocked(w.ctx, t.Org, t.Name), "poke blocked")
	}
	return len(found) + len(up)
}
