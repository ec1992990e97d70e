package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

// ApplyAccount makes one account in one target what its plan says, reads it back, and records what it found. It never
// gives up by an error of its own: it asks the engine to try again, or answers an outcome that the run can act on.
func (a *Activities) ApplyAccount(ctx context.Context, request workflows.ApplyRequest) (_ workflows.Outcome, err error) {
	defer a.survive(ctx, request.Step.Account, &err)
	at := a.targets.get(request.Org, request.Step.Target)
	if wait := at.pacer.PutOff(); wait > 0 && !request.Step.Urgent {
		return "", again(string(connectors.KindThrottled), request.Step.Account, wait)
	}
	leave, putOff := at.places(request.Step.Urgent).enter(ctx, request.Step.Limit, activity.GetInfo(ctx).Attempt > 1)
	if leave == nil {
		if request.Step.Urgent {
			putOff = min(putOff, longestUrgentPutOff) // a target that has recovered is faster than it was known to be
		}
		return "", again("busy", request.Step.Account, putOff)
	}
	defer leave()
	defer heartbeat(ctx)()
	// The attempt's time begins before it is recorded, so that it is over when the record says.
	bounded, cancel := context.WithTimeout(ctx, time.Duration(request.Step.Timeout))
	defer cancel()
	bounded = at.pacer.Attempt(bounded, request.Step.Urgent)
	job, outcome, err := a.lifecycle.Begin(ctx, request)
	if err != nil {
		a.log.WarnContext(ctx, "begin attempt", "organization", request.Org, "account", request.Step.Account, "error", store.Loggable(err))
		return "", again("database", request.Step.Account, 0)
	}
	if job == nil {
		return outcome, nil
	}
	if job.Down {
		return a.down(ctx, job)
	}
	outcome, err = a.attempt(ctx, bounded, at, job, request)
	if err != nil {
		return a.failed(ctx, at, request, job, err)
	}
	a.judge(ctx, at, job, request, false)
	return outcome, nil
}

// attempt does the work within its time and records it.
func (a *Activities) attempt(ctx, bounded context.Context, at *target, job *lifecycle.Job, request workflows.ApplyRequest) (workflows.Outcome, error) {
	connector, err := a.targets.connect(at, job.Target, job.PolicyVersion, a.lifecycle.Now())
	if err != nil {
		return "", &connectors.Error{Kind: connectors.KindInvalid, Action: "connect", Detail: err.Error(), Err: err}
	}
	w := &work{job: job, connector: connector, target: at, now: a.lifecycle.Now}
	if request.Step.Kind == workflows.StepConfirm {
		return a.confirm(ctx, bounded, w)
	}
	reading, err := w.run(bounded)
	if err != nil {
		return "", err
	}
	ctx, done := recording(ctx)
	defer done()
	return job.Verified(ctx, reading)
}

// confirm reads back once more what was verified before.
func (a *Activities) confirm(ctx, bounded context.Context, w *work) (workflows.Outcome, error) {
	reading, err := w.read(bounded)
	contradicted := errors.Is(err, errContradicted)
	if err != nil && !contradicted {
		return "", err
	}
	ctx, done := recording(ctx)
	defer done()
	if contradicted {
		return w.job.Contradicted(ctx)
	}
	return w.job.Confirmed(ctx, reading)
}

// down answers for a target that is known to be down. A leave settles into waiting at once; a joiner or mover has its
// budget first.
func (a *Activities) down(ctx context.Context, job *lifecycle.Job) (workflows.Outcome, error) {
	now := a.lifecycle.Now()
	patience := job.DownSince.Add(job.Target.BlockBudget).Sub(now)
	if !job.Step.Leave && patience > 0 {
		return "", again("down", job.Account.ID.String(), min(patience, 5*time.Second))
	}
	ctx, done := recording(ctx)
	defer done()
	outcome, err := job.SetBack(ctx, workflows.OutcomeBlocked, true, store.Finding{Action: "target", Code: "down"})
	if err != nil {
		return "", again("database", job.Account.ID.String(), 0)
	}
	return outcome, nil
}

// failed decides what becomes of an attempt that did not come to its end.
func (a *Activities) failed(ctx context.Context, at *target, request workflows.ApplyRequest, job *lifecycle.Job, cause error) (workflows.Outcome, error) {
	if errors.Is(cause, errSuperseded) {
		return workflows.OutcomeSuperseded, nil
	}
	kind, finding, theirs := diagnose(cause)
	at.doubt(kind, finding.Action)
	if !theirs && ctx.Err() == nil {
		a.log.WarnContext(ctx, "attempt failed on our side", "organization", request.Org, "account", request.Step.Account, "target", request.Step.Target,
			"action", finding.Action, "error", store.LoggableKind(cause))
		return "", again("internal", request.Step.Account, 0)
	}
	unverified := errors.Is(cause, errUnverified) // answered, and not shown: slow, not down; and it may still come
	clean := kind != connectors.KindAmbiguous && !unverified
	if ctx.Err() == nil && !unverified && !heldBack(cause) {
		a.judge(ctx, at, job, request, kind == connectors.KindUnavailable || kind == connectors.KindAmbiguous)
	}
	outcome := a.verdict(ctx, at, request, job, kind, finding.Action)
	finding.Passing = !kind.Permanent() && kind != connectors.KindConflict
	recordCtx, done := recording(ctx)
	defer done()
	recorded, err := job.SetBack(recordCtx, outcome, clean, finding)
	switch {
	case err != nil:
		a.log.WarnContext(ctx, "record setback", "organization", request.Org, "account", request.Step.Account, "error", store.Loggable(err))
		return "", again("database", request.Step.Account, 0)
	case ctx.Err() != nil:
		return "", ctx.Err()
	case recorded == workflows.OutcomeSuperseded, outcome != "":
		return recorded, nil
	}
	return "", again(string(kind), request.Step.Account, retryAfter(cause))
}

// verdict is "" while the attempt should be tried again at once.
func (a *Activities) verdict(ctx context.Context, at *target, request workflows.ApplyRequest, job *lifecycle.Job,
	kind connectors.Kind, action string,
) workflows.Outcome {
	switch {
	case ctx.Err() != nil:
		return ""
	case kind == connectors.KindConflict && action == lifecycle.ActionCreate && a.lifecycle.Now().Sub(job.FirstFailure()) < job.Target.SettleLag:
		return "" // it may be this person's own account, made by an earlier attempt, that look-ups do not show yet
	case kind.Permanent(), kind == connectors.KindConflict:
		return workflows.OutcomeFailed
	case kind == connectors.KindThrottled && !job.Step.Leave:
		return "" // it is up, and will have time: a storm of joiners waits its turn
	}
	budget := job.Target.BlockBudget
	if job.Step.Leave {
		budget = min(budget, 30*time.Second) // then the run itself waits, visibly, and tries on
	}
	if a.lifecycle.Now().Sub(job.FirstFailure()) < budget {
		return ""
	}
	if job.Step.Leave {
		return workflows.OutcomeBlocked
	}
	// A probe tells a target that is down from one that cannot do this account.
	err := a.probe(ctx, at, job.Target, job.PolicyVersion)
	if connectors.KindOf(err) == connectors.KindThrottled {
		return "" // as above
	}
	if err != nil {
		a.show(ctx, request, "down", "probe")
		return workflows.OutcomeBlocked
	}
	return workflows.OutcomeFailed
}

// probe makes the cheapest call to a target.
func (a *Activities) probe(ctx context.Context, at *target, p policy.Target, version int64) error {
	connector, err := a.targets.connect(at, p, version, a.lifecycle.Now())
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, min(p.AttemptTimeout, 15*time.Second))
	defer cancel()
	return connector.Probe(at.pacer.Attempt(bounded, true))
}

// diagnose reads what a failed attempt says of itself; theirs is false when it is not the target that failed.
func diagnose(cause error) (kind connectors.Kind, finding store.Finding, theirs bool) {
	finding = store.Finding{Action: "attempt"}
	if acting, ok := errors.AsType[*actionError](cause); ok {
		finding.Action = acting.action
	}
	var refusal *connectors.Error
	code := identity.ErrorCode(cause)
	switch {
	case errors.As(cause, &refusal):
		kind, theirs = refusal.Kind, true
		if finding.Detail = refusal.Detail; finding.Detail == "" {
			finding.Detail = refusal.Error()
		}
	case errors.Is(cause, errUnverified):
		kind, finding.Detail, theirs = connectors.KindUnavailable, cause.Error(), true
	case code == identity.Conflict || code == identity.Invalid:
		kind, finding.Detail, theirs = connectors.KindConflict, cause.Error(), true
	default:
		kind = connectors.KindAmbiguous
	}
	finding.Code = string(kind)
	return kind, finding, theirs
}

// heldBack reports whether the attempt ended because of our own pace: that says nothing of the target.
func heldBack(cause error) bool {
	_, ok := errors.AsType[*connectors.HeldBackError](cause)
	return ok
}

func retryAfter(cause error) time.Duration {
	var refusal *connectors.Error
	if errors.As(cause, &refusal) && refusal.Kind == connectors.KindThrottled {
		return min(max(refusal.RetryAfter, 100*time.Millisecond), connectors.LongestStop)
	}
	return 0
}

// judge tells the target's health the end of an attempt, and the rows when that changes it.
func (a *Activities) judge(ctx context.Context, at *target, job *lifecycle.Job, request workflows.ApplyRequest, failed bool) {
	now := a.lifecycle.Now()
	health := at.health.note(failed, job.Health, now)
	if health == job.Health {
		return
	}
	a.show(ctx, request, health, "attempts")
}

// show writes a target's health, and sees to it that one that is down is probed.
func (a *Activities) show(ctx context.Context, request workflows.ApplyRequest, health, reason string) {
	ctx, done := recording(ctx)
	defer done()
	if err := a.lifecycle.SetHealth(ctx, request.Org, request.Step.Target, health, reason); err != nil {
		a.log.WarnContext(ctx, "set target's health", "organization", request.Org, "target", request.Step.Target, "error", store.Loggable(err))
		return
	}
	a.log.InfoContext(ctx, "target's health changed", "organization", request.Org, "target", request.Step.Target, "health", health)
	if health != "down" {
		return
	}
	if err := a.probes.Start(ctx, request.Org, request.Step.Target); err != nil { // else the sweeper does
		a.log.WarnContext(ctx, "start probing", "organization", request.Org, "target", request.Step.Target, "error", store.Loggable(err))
	}
}

// ProbeTarget looks whether a target that is down is back; if so its health is up, the probing ends, and the people who
// wait for it are poked, leavers first.
func (a *Activities) ProbeTarget(ctx context.Context, request workflows.ProbeRequest) (err error) {
	defer a.survive(ctx, request.Target, &err)
	p, version, err := a.lifecycle.PolicyInForce(ctx, request.Org)
	if err != nil {
		return again("database", request.Target, 0)
	}
	target, ok := p.Target(request.Target)
	if !ok {
		return a.probes.Stop(ctx, request.Org, request.Target)
	}
	at := a.targets.get(request.Org, request.Target)
	if err := a.probe(ctx, at, target, version); err != nil {
		if noteErr := a.lifecycle.NoteProbe(ctx, request.Org, request.Target); noteErr != nil {
			a.log.WarnContext(ctx, "note probe", "organization", request.Org, "target", request.Target, "error", store.Loggable(noteErr))
		}
		activity.GetLogger(ctx).Info("target is still down", "target", request.Target, "kind", connectors.KindOf(err))
		return nil
	}
	at.health.reset()
	if err := a.lifecycle.SetHealth(ctx, request.Org, request.Target, "up", "probe"); err != nil {
		return fmt.Errorf("set health: %w", err)
	}
	return a.probes.Stop(ctx, request.Org, request.Target)
}
