package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

// Job is one attempt at a step: what the target should become, and how to record what came of it.
type Job struct {
	service *Service
	request workflows.ApplyRequest
	id      uuid.UUID // of the identity
	began   time.Time
	since   time.Time // when the plan's first attempt began

	Step    AccountStep
	Account store.Account // as it was before this attempt
	Target  policy.Target
	// PolicyVersion is the version that Target comes from.
	PolicyVersion int64
	// Down is true when the target is known to be down, or paused by a person: nothing should be called.
	Down      bool
	Health    string // as the row says: up, degraded, down or paused
	DownSince time.Time
}

// Begin records that an attempt is about to make requests, and answers what it should do. The job is nil when there is
// nothing to do: a newer plan or a leave has come between, or an earlier attempt has done it, as the outcome says.
func (s *Service) Begin(ctx context.Context, request workflows.ApplyRequest) (*Job, workflows.Outcome, error) {
	id, err := uuid.Parse(request.Identity)
	if err != nil {
		return nil, "", identity.InvalidField("identity", "is not a UUID")
	}
	account, err := uuid.Parse(request.Step.Account)
	if err != nil {
		return nil, "", identity.InvalidField("account", "is not a UUID")
	}
	job := &Job{service: s, request: request, id: id, began: s.now()}
	began, done := false, false
	err = s.inOrg(request.Step.Urgent)(ctx, request.Org, func(tx *store.Tx) error {
		began, done = false, false
		ask, err := tx.AskedOf(ctx, request.Step.Plan, request.Step.Account, request.Step.Target)
		if err != nil || ask == nil {
			return err
		}
		job.Step = AccountStep{}
		if err := json.Unmarshal(ask.Step, &job.Step); err != nil {
			return fmt.Errorf("read plan %s: %w", request.Step.Plan, err)
		}
		if ask.Held && job.Step.Wish != nil && !job.Step.Held {
			return nil // planned before the hold: what may still be done is for a new plan to say
		}
		// How the target is reached is the newest policy's to say; what the account becomes is the plan's.
		p, err := s.policyIn(ctx, tx, ask.PolicyVersion)
		if err != nil {
			return err
		}
		job.Target, _ = p.Target(job.Step.Target)
		job.PolicyVersion = ask.PolicyVersion
		job.since = job.began
		if ask.Since != nil {
			job.since = *ask.Since
		}
		job.Health = ask.Health
		job.Down, job.DownSince = ask.Health == "down" || ask.Health == "paused", ask.HealthSince
		until := job.began.Add(max(job.Target.AttemptTimeout, time.Duration(request.Step.Timeout)) + job.Target.SettleLag)
		attempt := store.Attempt{Account: account, Epoch: request.Step.Epoch, Now: job.began,
			Confirms: request.Step.Kind == workflows.StepConfirm,
			Disables: request.Step.Kind != workflows.StepConfirm && (job.Step.Wish == nil || !job.Step.Wish.Enabled)}
		if !job.Down { // else nothing will be sent
			attempt.InFlightUntil = &until
		}
		job.Account, began, done, err = tx.BeginAttempt(ctx, attempt)
		return err
	})
	switch {
	case err != nil:
		return nil, "", err
	case done:
		return nil, workflows.OutcomeApplied, nil
	case !began:
		return nil, workflows.OutcomeSuperseded, nil
	}
	return job, "", nil
}

func (s *Service) inOrg(urgent bool) func(context.Context, string, func(*store.Tx) error) error {
	if urgent {
		return s.store.InOrgUrgent
	}
	return s.store.InOrg
}

func (j *Job) in(ctx context.Context, fn func(tx *store.Tx) error) error {
	return j.service.inOrg(j.request.Step.Urgent)(ctx, j.request.Org, fn)
}

// Current reports whether the attempt may still change anything in the target.
func (j *Job) Current(ctx context.Context) (bool, error) {
	return j.service.store.IsCurrent(ctx, j.request.Org, j.Account.ID, j.request.Step.Epoch, j.Account.Attempts, j.request.Step.Urgent)
}

// Saw stores the native id under which the account was seen, at once and whatever the epoch: an account that exists
// must never be lost sight of.
func (j *Job) Saw(ctx context.Context, nativeID string) error {
	if nativeID == j.Account.NativeID {
		return nil
	}
	err := j.service.store.SetNativeID(ctx, j.request.Org, j.Account.ID, nativeID, j.request.Step.Urgent)
	if err == nil {
		j.Account.NativeID = nativeID
	}
	return err
}

// Reading is what the target was seen to be after the work.
type Reading struct {
	Found    bool
	Enabled  bool
	Held     []policy.Entitlement
	Findings []store.Finding
}

// Verified records an outcome that was read back. It answers superseded when the epoch is no longer the attempt's: then
// nothing of the outcome is kept, and the identity is poked, since something may have changed behind the newer plan.
func (j *Job) Verified(ctx context.Context, reading Reading) (workflows.Outcome, error) {
	now := j.service.now()
	verified := store.Verified{Account: j.Account.ID, Epoch: j.request.Step.Epoch, Attempt: j.Account.Attempts, State: j.state(reading), Digest: j.Step.Digest,
		Version: j.request.Step.Version, Policy: j.request.Step.Policy, At: now, ClearsNative: !reading.Found && j.Step.Delete}
	if j.Step.Wish != nil {
		verified.Applied = store.Applied{Enabled: reading.Enabled, Attributes: j.Step.Wish.Attributes}
	} else if j.Account.Applied != nil {
		verified.Applied = store.Applied{Enabled: reading.Enabled, Attributes: j.Account.Applied.Attributes}
	}
	verified.ConfirmDue, verified.StillFlying = j.confirmDue(now)
	return j.commit(ctx, now, func(tx *store.Tx) (bool, error) {
		current, err := tx.CommitVerified(ctx, verified)
		if err != nil || !current {
			return current, err
		}
		return true, j.record(ctx, tx, reading, now)
	})
}

// confirmDue is when to read back once more: always after a revocation and after an enablement of what was disabled,
// and whenever nobody saw the end of an earlier attempt.
func (j *Job) confirmDue(now time.Time) (due *time.Time, stillFlying bool) {
	lag := j.Target.AttemptTimeout + j.Target.SettleLag
	if j.Account.InFlightUntil != nil && j.Account.InFlightUntil.After(now) {
		due, stillFlying = j.Account.InFlightUntil, true
	}
	if j.Step.Wish == nil || j.Account.State == identity.AccountDisabled || !j.Step.Wish.Enabled {
		at := now.Add(lag)
		if due == nil || at.After(*due) {
			due = &at
		}
	}
	return due, stillFlying
}

// Confirmed records the second reading.
func (j *Job) Confirmed(ctx context.Context, reading Reading) (workflows.Outcome, error) {
	now := j.service.now()
	verified := store.Verified{Account: j.Account.ID, Epoch: j.request.Step.Epoch, Attempt: j.Account.Attempts,
		State: j.Account.State, Digest: j.Account.AppliedDigest,
		Version: j.request.Step.Version, Policy: j.request.Step.Policy, At: now, Confirmed: true}
	if j.Account.Applied != nil {
		verified.Applied = *j.Account.Applied
	}
	return j.commit(ctx, now, func(tx *store.Tx) (bool, error) {
		current, err := tx.CommitVerified(ctx, verified)
		if err != nil || !current {
			return current, err
		}
		if err := tx.ConfirmOperations(ctx, j.Account.ID, j.request.Step.Plan, now); err != nil {
			return true, err
		}
		return true, tx.Audit(ctx, j.audit("account.confirmed", map[string]any{"target": j.Step.Target}))
	})
}

// Contradicted records that the second reading found something else than the first: the work is done again.
func (j *Job) Contradicted(ctx context.Context) (workflows.Outcome, error) {
	now := j.service.now()
	return j.commit(ctx, now, func(tx *store.Tx) (bool, error) {
		current, err := tx.Unapply(ctx, j.Account.ID, j.request.Step.Epoch, j.Account.Attempts)
		if err != nil || !current {
			return current, err
		}
		return true, tx.Audit(ctx, j.audit("account.contradicted", map[string]any{"target": j.Step.Target}))
	})
}

// codeThrottled is the code of an attempt for which the target had no time. A joiner or mover waits; for a leave it is a
// failure like another.
const codeThrottled = "throttled"

// SetBack records an attempt that failed. outcome is "" while it will be tried again at once, else blocked or failed.
// clean says that every request it made was answered.
func (j *Job) SetBack(ctx context.Context, outcome workflows.Outcome, clean bool, finding store.Finding) (workflows.Outcome, error) {
	now := j.service.now()
	setback := store.Setback{Account: j.Account.ID, Epoch: j.request.Step.Epoch, Attempt: j.Account.Attempts, Outcome: string(outcome),
		Version: j.request.Step.Version, Policy: j.request.Step.Policy, At: now,
		Clean: clean, InFlightUntil: j.Account.InFlightUntil, Busy: outcome == "" && finding.Code == codeThrottled && !j.Step.Leave}
	switch {
	case outcome != "" && (j.Step.Leave || j.request.Step.Kind == workflows.StepConfirm):
		retry := now.Add(j.patience(now))
		setback.RetryAt = &retry
	case outcome == workflows.OutcomeFailed && finding.Passing:
		retry := now.Add(retryFailed)
		setback.RetryAt = &retry
	}
	result, err := j.commit(ctx, now, func(tx *store.Tx) (bool, error) {
		current, err := tx.CommitSetback(ctx, setback)
		if err != nil || !current {
			return current, err
		}
		if finding.Action == "" || outcome == "" {
			return true, nil
		}
		finding.Status = string(outcome)
		if err := tx.RecordFailure(ctx, j.Account.ID, j.request.Step.Plan, finding); err != nil {
			return true, err
		}
		return true, tx.Audit(ctx, j.audit("operation."+string(outcome), map[string]any{"target": j.Step.Target, "action": finding.Action, "code": finding.Code}))
	})
	if result == workflows.OutcomeApplied {
		result = outcome
	}
	return result, err
}

// patience is how long a leave waits before it tries a target again that is down or refuses: longer the longer it has
// lasted. The target's return pokes it sooner.
func (j *Job) patience(now time.Time) time.Duration {
	if j.Account.BlockedSince == nil {
		return retryBlocked
	}
	return min(max(now.Sub(*j.Account.BlockedSince)/4, retryBlocked), retryBlockedMost)
}

// commit runs a transaction that records an outcome under the fence.
func (j *Job) commit(ctx context.Context, now time.Time, fn func(tx *store.Tx) (bool, error)) (workflows.Outcome, error) {
	outcome := workflows.OutcomeApplied
	err := j.in(ctx, func(tx *store.Tx) error {
		current, err := fn(tx)
		if err != nil || current {
			outcome = workflows.OutcomeApplied
			return err
		}
		outcome = workflows.OutcomeSuperseded
		return j.suspect(ctx, tx, now)
	})
	if err == nil && outcome == workflows.OutcomeSuperseded {
		j.service.woken()
	}
	return outcome, err
}

// suspect pokes an identity whose account a superseded attempt may have changed after the newer plan looked.
func (j *Job) suspect(ctx context.Context, tx *store.Tx, now time.Time) error {
	if _, err := tx.IdentityForUpdate(ctx, j.id); err != nil {
		return err
	}
	if err := tx.Suspect(ctx, j.Account.ID, now.Add(j.Target.AttemptTimeout+j.Target.SettleLag)); err != nil {
		return err
	}
	return tx.RaiseVersions(ctx, []uuid.UUID{j.id}, identity.ClassChange)
}

// record writes what the reading proved: grants, operations, the record.
func (j *Job) record(ctx context.Context, tx *store.Tx, reading Reading, now time.Time) error {
	held := make([]string, len(reading.Held))
	for i, e := range reading.Held {
		held[i] = e.Kind + "/" + e.Name
	}
	if err := tx.CommitGrants(ctx, j.Account.ID, held, now); err != nil {
		return err
	}
	if err := tx.RecordFindings(ctx, j.Account.ID, j.request.Step.Plan, reading.Findings); err != nil {
		return err
	}
	actions := make([]string, len(reading.Findings))
	for i, f := range reading.Findings {
		actions[i] = f.Action + ": " + f.Status
	}
	return tx.Audit(ctx, j.audit("operations.verified", map[string]any{"target": j.Step.Target, "operations": actions, "plan": j.request.Step.Plan}))
}

func (j *Job) audit(action string, detail map[string]any) store.AuditEntry {
	return store.AuditEntry{Actor: "run:" + j.request.Step.Plan, Action: action, ObjectType: "account", ObjectID: j.Account.ID.String(),
		Identity: j.id, Detail: detail}
}

func (j *Job) state(reading Reading) identity.AccountState {
	switch {
	case !reading.Found:
		return identity.AccountDeleted // it never came to be, or somebody deleted it, which serves a leave just as well
	case !reading.Enabled:
		return identity.AccountDisabled
	default:
		return identity.AccountActive
	}
}

// Began is when the attempt began.
func (j *Job) Began() time.Time { return j.began }

// Since is when the plan's first attempt began: what is read back must be later, whichever attempt brought it about.
func (j *Job) Since() time.Time { return j.since }

// Fresh reports whether the account is so young that the target may not show it yet.
func (j *Job) Fresh() bool {
	since := j.Account.CreatedAt
	if j.Account.VerifiedAt != nil && j.Account.VerifiedAt.After(since) {
		since = *j.Account.VerifiedAt
	}
	return j.service.now().Before(since.Add(j.Target.SettleLag))
}

// FirstFailure is when the step began to fail; this attempt's beginning when it never has.
func (j *Job) FirstFailure() time.Time {
	if j.Account.FirstFailureAt != nil {
		return *j.Account.FirstFailureAt
	}
	return j.began
}
