package model

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
)

// play lets a world take its course: the storm, then quiet, then the judgement. It answers what went wrong.
func (w *world) play() {
	defer func() {
		for _, at := range w.attempts {
			at.kill()
		}
	}()
	w.must(w.reset(w.ctx), "reset")
	for len(w.arrivals) > 0 && w.failure == "" {
		w.arrive()
		w.spell()
	}
	w.spell()
	w.calm()
	if w.failure == "" {
		w.judge()
	}
}

// spell is the time between two arrivals: none, a while, or until everything has come to rest for now.
func (w *world) spell() {
	switch w.pick(2, 3, 3, 4) {
	case 0:
	case 1:
		w.someSteps(15)
	case 2:
		w.someSteps(45)
	default:
		w.rest()
		w.someSteps(5)
	}
}

func (w *world) someSteps(most int) {
	for range 1 + w.random.IntN(most) {
		w.step()
	}
}

// rest lets time pass step by step until nothing is under way, for a few minutes at most. Faults go on.
func (w *world) rest() {
	until := w.clock.now.Add(4 * time.Minute)
	for range 150 {
		if w.failure != "" || w.clock.now.After(until) {
			return
		}
		w.step()
		if w.idle() && !w.relays() && !w.nextMoment() {
			return
		}
	}
}

// idle reports whether nothing can happen but by the passing of time.
func (w *world) idle() bool {
	if len(w.attempts) > 0 {
		return false
	}
	for _, p := range w.people {
		if p.run != nil && (p.run.task != nil || p.run.taskReady(w.clock.now)) {
			return false
		}
	}
	return true
}

// step lets one thing happen.
func (w *world) step() {
	if w.failure != "" {
		return
	}
	w.steps++
	list := w.actions()
	if len(list) == 0 {
		return
	}
	weights := make([]int, len(list))
	for i, a := range list {
		weights[i] = a.weight
	}
	list[w.pick(weights...)].do()
	w.advance(w.between(0, 30*time.Millisecond))
}

// calm ends all faults and lets everything come to rest: within so many steps, or it never does.
func (w *world) calm() {
	w.logf("the storm is over")
	w.storm = false
	for _, s := range w.systems {
		s.down = false
	}
	retries := 0
	for limit := w.steps + 4000; w.failure == ""; {
		if w.steps > limit {
			w.failf("it does not come to rest")
			return
		}
		if len(w.actions()) > 0 {
			w.step()
			continue
		}
		if w.relays() || w.nextMoment() || w.sweepTwice() {
			continue
		}
		if retries++; retries > 3 || !w.retryFailed() {
			return
		}
	}
}

// relays lets the relays look; it reports whether they found anything.
func (w *world) relays() bool {
	w.steps++
	w.wakeDue()
	urgent := w.claim(w.processes[0], true)
	return w.claim(w.processes[0], false) || urgent
}

// sweepTwice is the sweeper's next two rounds.
func (w *world) sweepTwice() bool {
	if w.variant.noSweeper {
		return false
	}
	for range 2 {
		w.advance(sweepEvery)
		if w.beginSweep() > 0 {
			return true
		}
	}
	return false
}

// nextMoment moves the clock to the next moment at which something is due; false when there is none.
func (w *world) nextMoment() bool {
	var next time.Time
	consider := func(at time.Time) {
		if at.After(w.clock.now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	for _, p := range w.people {
		if p.run == nil {
			continue
		}
		consider(p.run.loop.nextTimer())
		consider(p.run.notBefore)
		for _, a := range p.run.activities {
			consider(a.timesOutAt)
			if a.current == nil {
				consider(a.notBefore)
			}
		}
	}
	if len(w.probing) > 0 {
		for _, s := range w.systems {
			if w.probing[s.name] {
				w.probe(s)
			}
		}
		return true
	}
	var due, leased *time.Time
	w.must(w.admin.QueryRow(w.ctx, `select (select min(next_due_at) from identities where org = $1 and next_due_at > $2), (select min(leased_until) from outbox where org = $1 and leased_until > $2)`,
		w.org, w.clock.now).Scan(&due, &leased), "read due times")
	for _, at := range []*time.Time{due, leased} {
		if at != nil {
			consider(*at)
		}
	}
	if next.IsZero() {
		return false
	}
	w.steps++
	w.advance(next.Sub(w.clock.now))
	return true
}

// retryFailed is a person who looks at what failed and asks for it again; false when there is nothing.
func (w *world) retryFailed() bool {
	rows, err := w.admin.Query(w.ctx, `select distinct on (account_id) id from operations where org = $1 and status = 'failed' order by account_id, id`, w.org)
	w.must(err, "list failed operations")
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	w.must(err, "list failed operations")
	for _, id := range ids {
		_, err := w.service.Retry(w.ctx, w.org, lifecycle.Caller{Actor: "model"}, id)
		if identity.ErrorCode(err) != identity.Conflict { // another retry of the same person came before
			w.must(err, fmt.Sprintf("retry %s", id))
		}
		w.logf("somebody retries")
	}
	return len(ids) > 0
}
