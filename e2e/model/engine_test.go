package model

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/tenurehq/tenure/workflows"
)

// run is an open workflow run as the engine has it.
type run struct {
	person  *person
	id      string
	started time.Time
	loop    loop    // as of the last workflow task that was completed
	inbox   []event // not yet in a workflow task
	task    *task
	// notBefore holds back the next task after one that was lost with its process.
	notBefore  time.Time
	activities []*activity // open ones
}

// task is a workflow task under way. Until it is completed the run is what it was before: a process that dies, or an
// event that comes while the run wants to end, makes it start anew.
type task struct {
	process int
	at      time.Time // workflow.Now
	next    loop
	taken   []event
	planned bool
	plan    workflows.Plan
	err     error
}

// activity is one scheduled activity.
type activity struct {
	person   *person
	run      *run
	step     workflows.Step
	attempts int
	// notBefore is when the next attempt may start, while none is running.
	notBefore time.Time
	current   *attempt
	// timesOutAt is when the engine notices that the attempt's process is gone.
	timesOutAt      time.Time
	cancelRequested bool
	closed          bool
}

func (a *activity) request() workflows.ApplyRequest {
	return workflows.ApplyRequest{Org: a.person.w.org, Identity: a.person.id.String(), Step: a.step}
}

func (a *activity) String() string {
	return fmt.Sprintf("%s %s %s %s epoch %d", a.person.employee, a.step.Target, a.step.Kind, a.step.Plan, a.step.Epoch)
}

func (w *world) newRun(p *person, changed workflows.Changed) *run {
	p.runs++
	r := &run{person: p, id: fmt.Sprintf("%s-run%d", p.employee, p.runs), started: w.clock.now}
	r.loop = loop{changed: changed, running: map[string]*activity{}, sleeping: map[string]time.Time{}}
	p.run = r
	return r
}

// signalWithStart is what the relay calls.
func (w *world) signalWithStart(p *person, changed workflows.Changed) {
	if p.run == nil {
		r := w.newRun(p, workflows.Changed{})
		w.logf("%s starts", r.id)
	}
	p.run.inbox = append(p.run.inbox, event{signal: &changed})
	p.told = max(p.told, changed.Seq)
}

// taskReady reports whether a workflow task can start.
func (r *run) taskReady(now time.Time) bool {
	if r.task != nil || now.Before(r.notBefore) {
		return false
	}
	timer := r.loop.nextTimer()
	return len(r.inbox) > 0 || r.loop.place == atBeginning || r.loop.place == planning || !timer.IsZero() && !timer.After(now)
}

// startTask gives a process the run's news. When they wake nothing, the task is completed at once.
func (w *world) startTask(r *run, process int) {
	t := &task{process: process, at: w.clock.now, next: r.loop.clone(), taken: r.inbox}
	r.inbox = nil
	for _, e := range t.taken {
		t.next.note(e, t.at)
	}
	if !t.next.awake(t.at) {
		r.loop = t.next
		return
	}
	t.next.replan(w.org, r.person.id.String(), r.id, t.at)
	r.task = t
}

// lose is the end of a task whose process died, or which was refused: the run is as before.
func (r *run) lose() {
	r.inbox = append(r.task.taken, r.inbox...)
	r.task = nil
}

// planNow runs the task's local activity. lost says that its answer does not come in time.
func (w *world) planNow(r *run, lost bool) {
	t := r.task
	before, _ := w.stateOf(r.person)
	t.plan, t.err = w.processes[t.process].activities.Plan(w.ctx, t.next.request)
	w.afterPlan(r, before)
	w.logf("%s plans as of %s for %d: %s", r.id, stamp(t.next.request.AsOf), t.next.request.Seq, describe(t.plan, t.err))
	if t.err != nil {
		w.failf("Plan of %s failed: %v", r.person.employee, t.err)
	}
	if lost {
		w.logf("  its answer is lost")
		t.err = errCut
	}
	t.planned = true
}

func describe(plan workflows.Plan, err error) string {
	if err != nil {
		return err.Error()
	}
	text := string(plan.Label)
	for _, s := range plan.Steps {
		text += fmt.Sprintf(", %s %s by %s epoch %d", s.Kind, s.Target, s.Plan, s.Epoch)
	}
	for _, waiting := range plan.Waiting {
		text += fmt.Sprintf(", %s is %s", waiting.Target, waiting.Code)
	}
	if !plan.NextDue.IsZero() {
		text += fmt.Sprintf(", %s at %s", plan.DueFor, stamp(plan.NextDue))
	}
	if plan.Settled {
		text += ", settled"
	}
	return text
}

// heartbeatTask is a task that reports that its local activity takes long: it takes the run's news meanwhile.
func (w *world) heartbeatTask(r *run) {
	t := r.task
	for _, e := range r.inbox {
		t.next.note(e, w.clock.now)
	}
	r.inbox, t.taken = nil, nil
	r.loop = t.next.clone()
}

// completeTask lets the run act on its plan.
func (w *world) completeTask(r *run) {
	t := r.task
	next := &t.next
	if t.err != nil {
		next.planFailed(w.clock.now)
		w.commitTask(r)
		return
	}
	if t.plan.Recover {
		w.failf("%s was told to recover: poked for %d", r.person.employee, next.request.Seq)
		return
	}
	cancel := next.accept(t.plan, w.clock.now)
	steps := next.dispatch()
	ends := len(steps) == 0 && next.finished()
	renews := !ends && len(steps) == 0 && next.longWaitAhead(t.at)
	if (ends || renews) && len(r.inbox) > 0 {
		w.logf("%s may not end: there is news", r.id)
		r.lose()
		return
	}
	if cancel {
		w.cancelAll(r, next)
	}
	for _, step := range steps {
		w.schedule(r, next, step)
	}
	switch {
	case ends:
		w.logf("%s ends", r.id)
		r.person.run, r.task = nil, nil
	case renews:
		w.logf("%s continues as new", r.id)
		w.newRun(r.person, next.changed)
	default:
		next.wait(t.at)
		w.commitTask(r)
	}
}

func (w *world) commitTask(r *run) { r.loop, r.task = r.task.next, nil }

func (w *world) schedule(r *run, next *loop, step workflows.Step) {
	if w.variant.noFence {
		step.Epoch = 1
	}
	a := &activity{person: r.person, run: r, step: step, notBefore: w.clock.now}
	next.running[step.Target] = a
	r.activities = append(r.activities, a)
}

// cancelAll asks for the cancellation of what runs. An activity that no process has is cancelled at once.
func (w *world) cancelAll(r *run, next *loop) {
	for _, a := range append([]*activity{}, r.activities...) {
		if a.closed || next.running[a.step.Target] != a {
			continue
		}
		w.logf("%s: cancel %s", r.id, a)
		a.cancelRequested = true
		if a.current == nil && a.timesOutAt.IsZero() {
			w.closeActivity(a, event{closed: a, failed: true, canceled: true})
		}
	}
}

// closeActivity tells the run how an activity ended.
func (w *world) closeActivity(a *activity, e event) {
	a.closed, a.current = true, nil
	for i, other := range a.run.activities {
		if other == a {
			a.run.activities = append(a.run.activities[:i:i], a.run.activities[i+1:]...)
			break
		}
	}
	if a.person.run == a.run {
		a.run.inbox = append(a.run.inbox, e)
	}
}

// startAttempt gives an activity to a process.
func (w *world) startAttempt(a *activity, process int) {
	a.attempts++
	at := &attempt{activity: a, process: process, number: a.attempts, began: w.clock.now}
	a.current = at
	w.attempts = append(w.attempts, at)
	w.logf("attempt %d at %s in process %d", at.number, a, process)
	at.start(w.processes[process])
	w.afterStep(at)
}

// report tells the engine how an attempt ended; the engine no longer listens when it has given the attempt up.
func (w *world) report(at *attempt) {
	a := at.activity
	w.forget(at)
	if at.lost || a.closed || a.person.run != a.run {
		return
	}
	var canceled *temporal.CanceledError
	isCanceled := errors.As(at.err, &canceled) || errors.Is(at.err, context.Canceled)
	switch {
	case at.err == nil:
		w.closeActivity(a, event{closed: a, outcome: at.outcome})
	case a.cancelRequested:
		w.closeActivity(a, event{closed: a, failed: true, canceled: isCanceled})
	default:
		a.current, a.notBefore = nil, w.clock.now.Add(at.retryDelay())
	}
}

// give up an attempt: the engine has not heard of it for the heartbeat's time.
func (w *world) giveUp(a *activity) {
	a.timesOutAt = time.Time{}
	a.current = nil
	if a.cancelRequested {
		w.closeActivity(a, event{closed: a, failed: true})
		return
	}
	a.notBefore = w.clock.now.Add(200 * time.Millisecond)
}

// loseAttempt is the beginning of that silence.
func (w *world) loseAttempt(at *attempt) {
	at.lost = true
	w.hasten(at)
	if at.activity.current == at {
		at.activity.current = nil
		at.activity.timesOutAt = w.clock.now.Add(heartbeatTimeout)
	}
}

// hasten lets the creation of an attempt that was given up reach its target now or never, when the target would take a
// second account: else it could come after another attempt's, and no protocol could help that.
func (w *world) hasten(at *attempt) {
	if c := at.asked; at.lost && c != nil && c.creates && !c.system.strict {
		at.asked, at.answered = nil, c
		w.cut(c)
	}
}

const heartbeatTimeout = 10 * time.Second

// terminate is an operator who ends a run by hand. Its attempts hear of it by their heartbeats.
func (w *world) terminate(r *run) {
	w.logf("%s is terminated", r.id)
	for _, a := range r.activities {
		a.closed = true
	}
	r.person.run = nil
}
