package model

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tenurehq/tenure/workflows"
)

// loop is what a run remembers: the state of workflows/lifecycle.go, with the same decisions in the same order. It is a
// value, so that the engine can go back to what it was when a task is lost.
type loop struct {
	signals []workflows.Changed // in the channel
	changed workflows.Changed
	plan    workflows.Plan
	plans   int
	stale   bool
	running map[string]*activity // by target
	// sleeping are the targets whose attempt ended by a fault of ours, until when their place stays taken.
	sleeping map[string]time.Time

	place   place
	request workflows.PlanRequest // while planning
	delay   time.Duration         // before the next try of a Plan that failed
	busy    bool                  // whether anything ran when the loop began to wait
	wakeAt  time.Time
}

// place is where the run's code stands.
type place int

const (
	atBeginning place = iota
	planning
	backingOff // a Plan failed
	waiting
)

func (l *loop) clone() loop {
	c := *l
	c.signals, c.running, c.sleeping = slices.Clone(l.signals), maps.Clone(l.running), maps.Clone(l.sleeping)
	return c
}

// event is what the engine has for a run.
type event struct {
	signal   *workflows.Changed
	closed   *activity
	outcome  workflows.Outcome
	failed   bool // the activity ended by an error
	canceled bool // and that was a cancellation
}

func (l *loop) note(e event, now time.Time) {
	switch {
	case e.signal != nil:
		l.signals = append(l.signals, *e.signal)
	case e.failed && !e.canceled && !e.closed.cancelRequested: // a cancelled phase has no patience
		l.sleeping[e.closed.step.Target] = now.Add(10 * time.Second)
	default:
		l.gone(e.closed.step.Target, e.failed, e.outcome)
	}
}

func (l *loop) drain() {
	for _, s := range l.signals {
		l.changed = workflows.Changed{Seq: max(l.changed.Seq, s.Seq), Due: laterOf(l.changed.Due, s.Due)}
		l.stale = true
	}
	l.signals = nil
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// gone is the end of dispatch's coroutine.
func (l *loop) gone(target string, failed bool, outcome workflows.Outcome) {
	step := l.running[target].step
	delete(l.running, target)
	behind := slices.ContainsFunc(l.plan.Steps, func(s workflows.Step) bool { return s.Target == target && s != step })
	if failed || outcome == workflows.OutcomeSuperseded || behind || l.plan.Stage == workflows.StageLeaver {
		l.stale = true
	}
}

// nextTimer is when the loop wakes by itself; zero: never.
func (l *loop) nextTimer() time.Time {
	at := l.wakeAt
	for _, until := range l.sleeping {
		if at.IsZero() || until.Before(at) {
			at = until
		}
	}
	return at
}

// awake takes the timers that are due, and reports whether the main coroutine goes on.
func (l *loop) awake(now time.Time) bool {
	for _, target := range slices.Sorted(maps.Keys(l.sleeping)) {
		if !l.sleeping[target].After(now) {
			delete(l.sleeping, target)
			l.gone(target, true, "")
		}
	}
	timedOut := !l.wakeAt.IsZero() && !l.wakeAt.After(now)
	switch l.place {
	case atBeginning, planning:
		return true
	case backingOff:
		return len(l.signals) > 0 || timedOut
	default:
		return len(l.signals) > 0 || l.stale || l.busy && len(l.running) == 0 || timedOut
	}
}

// replan is the request for the next plan; one whose task was lost after a heartbeat is asked for as it was.
func (l *loop) replan(org, identity, runID string, now time.Time) {
	if l.place != backingOff {
		l.delay = time.Second
	}
	if l.place != planning {
		l.drain()
		l.stale = false
		l.plans++
		l.request = workflows.PlanRequest{Org: org, Identity: identity, PlanID: fmt.Sprintf("%s/%d", runID, l.plans), Seq: l.changed.Seq,
			AsOf: laterOf(now, l.changed.Due)}
	}
	l.place, l.wakeAt = planning, time.Time{}
}

func (l *loop) planFailed(now time.Time) {
	l.place, l.wakeAt = backingOff, now.Add(l.delay)
	l.delay = min(2*l.delay, 30*time.Second)
}

// accept takes a plan over; it answers whether what runs is cancelled.
func (l *loop) accept(plan workflows.Plan, now time.Time) (cancel bool) {
	cancel = plan.Stage == workflows.StageLeaver && l.plan.Stage != workflows.StageLeaver && len(l.running) > 0
	for target := range l.sleeping {
		if cancel {
			l.sleeping[target] = now
		}
	}
	l.plan = plan
	return cancel
}

// dispatch lists the steps on targets that are idle.
func (l *loop) dispatch() []workflows.Step {
	var steps []workflows.Step
	for _, step := range l.plan.Steps {
		if l.running[step.Target] == nil {
			steps = append(steps, step)
		}
	}
	return steps
}

func (l *loop) finished() bool {
	l.drain()
	return l.plan.Settled && len(l.running) == 0 && !l.stale
}

func (l *loop) longWaitAhead(now time.Time) bool {
	l.drain()
	if len(l.running) > 0 || l.stale || l.plan.Stage != workflows.StageLeaver {
		return false
	}
	return l.plan.NextDue.Sub(now) > 10*time.Minute && l.plans > 1
}

func (l *loop) wait(now time.Time) {
	l.place, l.busy, l.wakeAt = waiting, len(l.running) > 0, time.Time{}
	if l.plan.NextDue.IsZero() && l.busy {
		return
	}
	l.wakeAt = now.Add(time.Minute)
	if !l.plan.NextDue.IsZero() {
		l.wakeAt = laterOf(l.plan.NextDue, now.Add(time.Millisecond))
	}
}
