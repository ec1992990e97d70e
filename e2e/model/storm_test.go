package model

import (
	"slices"
	"time"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/workflows"
)

// nature is how rough a world is; every probability is a step's.
type nature struct {
	refuses     float64 // a target fails before doing anything
	cuts        float64 // an answer is lost
	delays      float64 // a request whose answer is lost takes effect later
	crashes     int     // weight of a process's end
	losses      int     // weight of an attempt that the engine no longer hears of
	terminates  int
	outages     int
	frost       int // weight of a step of an attempt that the engine has given up
	engineFails float64
	answersLost float64 // of Plan
	abrupt      float64 // a process dies right after a change in a target
	hurry       int     // weight of time that goes by
}

func (w *world) newNature() nature {
	rough := func(most float64) float64 {
		if w.chance(0.4) {
			return 0
		}
		return w.random.Float64() * most
	}
	n := nature{refuses: rough(0.15), cuts: rough(0.25), delays: w.random.Float64(), abrupt: rough(0.3), engineFails: rough(0.1),
		answersLost: rough(0.2), crashes: w.seldom(1, 5), losses: w.seldom(3, 20), outages: w.seldom(1, 3), frost: []int{20, 4, 1}[w.pick(1, 1, 1)],
		hurry: 20 + w.random.IntN(80)}
	if !w.variant.calm {
		n.terminates = w.seldom(1, 6)
	}
	if w.variant.tilt != nil {
		w.variant.tilt(&n)
	}
	return n
}

// seldom is a weight: none, a small or a greater one.
func (w *world) seldom(small, greater int) int { return []int{0, small, greater}[w.pick(3, 3, 1)] }

// action is something that can happen next.
type action struct {
	weight int
	do     func()
}

// actions lists what can happen next, in an order that depends on nothing but the world.
func (w *world) actions() []action {
	var list []action
	add := func(weight int, do func()) {
		if weight > 0 {
			list = append(list, action{weight, do})
		}
	}
	for i, p := range w.processes {
		for _, h := range p.relay.hands {
			add(60, func() { w.handStep(&p.relay, h) })
		}
		if w.storm {
			add(20, func() { w.claim(p, true) })
			add(20, func() { w.claim(p, false) })
		}
		if w.storm {
			add(w.nature.crashes, func() { w.crash(i) })
		}
	}
	for _, p := range w.people {
		w.runActions(p, add)
	}
	for _, at := range w.attempts {
		w.attemptActions(at, add)
	}
	for _, s := range w.systems {
		w.systemActions(s, add)
	}
	if w.storm {
		add(10, func() { w.wakeDue() })
		add(w.nature.hurry, w.goOn)
	}
	if !w.variant.noSweeper && (w.storm || len(w.sweeper.found) > 0) {
		add(10, func() { w.sweepStep() })
	}
	return list
}

func (w *world) runActions(p *person, add func(int, func())) {
	r := p.run
	if r == nil {
		return
	}
	switch {
	case r.taskReady(w.clock.now):
		add(80, func() { w.startTask(r, w.random.IntN(len(w.processes))) })
	case r.task == nil:
	case !r.task.planned:
		add(80, func() { w.planNow(r, w.storm && w.chance(w.nature.answersLost)) })
	default:
		add(80, func() { w.completeTask(r) })
	}
	if r.task != nil && len(r.inbox) > 0 && w.storm {
		add(20, func() { w.heartbeatTask(r) })
	}
	if w.storm {
		add(w.nature.terminates, func() { w.terminate(r) })
	}
	for _, a := range slices.Clone(r.activities) {
		switch {
		case !a.timesOutAt.IsZero():
			if !a.timesOutAt.After(w.clock.now) {
				add(80, func() { w.giveUp(a) })
			}
		case a.current == nil && !a.notBefore.After(w.clock.now):
			add(80, func() { w.startAttempt(a, w.random.IntN(len(w.processes))) })
		}
	}
}

func (w *world) attemptActions(at *attempt, add func(int, func())) {
	slow := 80 // an attempt that the engine has given up may stand still for long
	if at.lost {
		slow = w.nature.frost
	}
	switch {
	case at.ended:
		add(slow, func() { w.report(at) })
	case at.asked != nil:
		add(slow, func() { w.reach(at) })
	case at.answered != nil:
		add(slow, func() { w.answer(at) })
	}
	if at.ended {
		return
	}
	if unwanted := at.activity.cancelRequested || at.activity.closed; unwanted && at.ctx.Err() == nil {
		add(50, func() { w.cancelAttempt(at) })
	}
	if w.storm && !at.lost {
		add(w.nature.losses, func() {
			w.logf("the engine no longer hears of attempt %d at %s", at.number, at.activity)
			w.loseAttempt(at)
		})
	}
}

func (w *world) systemActions(s *system, add func(int, func())) {
	if len(s.late) > 0 {
		add(20, func() { w.land(s, w.random.IntN(len(s.late))) })
	}
	if w.storm && (w.nature.outages > 0 || s.down) {
		weight := w.nature.outages
		if s.down {
			weight = 8
		}
		add(weight, func() {
			s.down = !s.down
			w.logf("%s down: %t", s.name, s.down)
		})
	}
	if w.probing[s.name] && w.storm {
		add(20, func() { w.probe(s) })
	}
}

// arrive lets the next event be accepted.
func (w *world) arrive() {
	event := w.arrivals[0]
	w.arrivals = w.arrivals[1:]
	w.accept(event)
}

// reach lets a request come to its target, or not.
func (w *world) reach(at *attempt) {
	c := at.asked
	at.asked, at.answered = nil, c
	switch {
	case c.system.down || w.storm && w.chance(w.nature.refuses):
		c.err = &connectors.Error{Kind: connectors.KindUnavailable, Action: c.what}
		if !c.system.down && w.chance(0.3) {
			c.err = &connectors.Error{Kind: connectors.KindThrottled, Action: c.what, RetryAfter: time.Second}
		}
		w.logf("%s: %s of %s is refused", c.system.name, c.what, c.employee)
	case w.storm && w.chance(w.nature.cuts):
		w.cut(c)
	default:
		c.answer, c.err = c.system.take(c)
		w.logf("%s: %s of %s → %s", c.system.name, c.what, c.employee, c.system.holds(c.employee))
		if w.storm && c.changes && w.chance(w.nature.abrupt) { // the worst moment: it is done, and nobody knows
			w.crash(at.process)
		}
	}
}

// cut loses the answer to a request: it took effect, or never will, or will later.
func (w *world) cut(c *call) {
	c.err = ambiguous(c.what)
	fate := "has no effect"
	if c.changes {
		switch {
		case w.chance(w.nature.delays) && (c.system.strict || !c.creates):
			fate = "comes later"
			c.system.late = append(c.system.late, &lateEffect{call: c, limit: c.attempt.limit()})
		case w.chance(0.5):
			fate = "took effect"
			_, _ = c.system.take(c)
		}
	}
	w.logf("%s: %s of %s is not answered, %s", c.system.name, c.what, c.employee, fate)
}

// land lets a late request take effect.
func (w *world) land(s *system, i int) {
	c := s.late[i].call
	s.late = slices.Delete(s.late, i, i+1)
	_, err := s.take(c)
	w.logf("%s: late %s of %s → %s (%v)", s.name, c.what, c.employee, s.holds(c.employee), err)
}

// answer gives an attempt the answer to its request, and lets it go on to the next one.
func (w *world) answer(at *attempt) {
	at.proceed()
	w.afterStep(at)
}

// cancelAttempt lets an attempt hear that it is not wanted any more.
func (w *world) cancelAttempt(at *attempt) {
	w.logf("attempt %d at %s hears of its cancellation", at.number, at.activity)
	at.cancel()
	if c := at.asked; c != nil {
		at.asked, at.answered = nil, c
		w.cut(c)
	}
}

// crash kills a process with everything that runs in it; another takes its place.
func (w *world) crash(i int) {
	w.logf("process %d dies", i)
	for _, at := range slices.Clone(w.attempts) {
		if at.process != i {
			continue
		}
		if c := at.asked; c != nil {
			w.cut(c)
		}
		at.kill()
		w.loseAttempt(at)
		w.forget(at)
	}
	for _, p := range w.people {
		if p.run != nil && p.run.task != nil && p.run.task.process == i {
			p.run.lose()
			p.run.notBefore = w.clock.now.Add(heartbeatTimeout)
		}
	}
	w.processes[i] = w.newProcess()
}

func (w *world) forget(at *attempt) {
	w.attempts = slices.DeleteFunc(w.attempts, func(other *attempt) bool { return other == at })
}

// probe is a run of ProbeTarget.
func (w *world) probe(s *system) {
	p := w.processes[w.random.IntN(len(w.processes))]
	_, err := activityEnvironment(w.ctx, p).ExecuteActivity(p.activities.ProbeTarget, workflows.ProbeRequest{Org: w.org, Target: s.name})
	w.must(err, "probe")
	w.logf("probe of %s, down: %t", s.name, s.down)
}

// goOn lets time pass.
func (w *world) goOn() {
	switch w.pick(20, 20, 6, 1) {
	case 0:
		w.advance(w.between(100*time.Millisecond, 2*time.Second))
	case 1:
		w.advance(w.between(2*time.Second, 40*time.Second))
	case 2:
		w.advance(w.between(40*time.Second, 4*time.Minute))
	default:
		w.advance(w.between(time.Hour, 30*time.Hour))
	}
}

// advance moves the clock. What has to happen by a moment on the way happens then: an attempt's time ends, a late
// effect comes.
func (w *world) advance(by time.Duration) {
	to := w.clock.now.Add(by)
	for {
		at, do := w.nextLimit()
		if do == nil || at.After(to) {
			break
		}
		if at.After(w.clock.now) {
			w.clock.now = at
		}
		do()
	}
	w.clock.now = to
}

func (w *world) nextLimit() (at time.Time, do func()) {
	consider := func(moment time.Time, what func()) {
		if do == nil || moment.Before(at) {
			at, do = moment, what
		}
	}
	for _, a := range w.attempts {
		if a.asked != nil {
			consider(a.deadline(), func() {
				c := a.asked
				a.asked, a.answered = nil, c
				w.cut(c)
			})
		}
		if !a.lost && !a.ended {
			consider(a.deadline().Add(5*time.Second), func() { // the engine's own limit
				w.logf("attempt %d at %s is timed out", a.number, a.activity)
				w.loseAttempt(a)
			})
		}
	}
	for _, s := range w.systems {
		for i, l := range s.late {
			consider(l.limit, func() { w.land(s, i) })
		}
	}
	return at, do
}

func (w *world) accept(event identityEvent) {
	receipt, err := w.service.Accept(w.ctx, w.org, lifecycle.Caller{Actor: "model"}, event)
	w.must(err, "accept")
	w.accepted(event, receipt)
}
