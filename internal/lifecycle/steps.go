package lifecycle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

// The deadlines of a leave's tiers, from the moment we knew of it; requirements, section 3.
const (
	tierOne        = time.Minute
	tierOneFactors = 5 * time.Minute
	tierTwo        = time.Hour
)

// The bounds of the time that a leave waits before it tries a target again, and the time after which an account is tried
// again of a joiner or mover whose target is up and did not manage it within the budget.
const (
	retryBlocked     = 30 * time.Second
	retryBlockedMost = 5 * time.Minute
	retryFailed      = 5 * time.Minute
)

// The actions of operations. A grant's and a revocation's go on with "kind/name".
const (
	ActionCreate            = "create"
	ActionUpdate            = "update"
	ActionEnable            = "enable"
	ActionDisable           = "disable"
	ActionEndSessions       = "end_sessions"
	ActionRemoveMemberships = "remove_memberships"
	ActionResetPassword     = "reset_password"
	ActionResetFactors      = "reset_factors"
	ActionDelete            = "delete"
	ActionRestore           = "restore"
	ActionGrant             = "grant:"
	ActionRevoke            = "revoke:"
)

// AccountStep is what a plan asks of one account. It is personal, and stays in the database.
type AccountStep struct {
	Target string             `json:"target"`
	Kind   workflows.StepKind `json:"kind"`
	// Wish is what the account should become; absent when everything is taken away.
	Wish *Wish `json:"wish,omitempty"`
	// CorrelateValues find the account in the target before its native id is known.
	CorrelateValues []string `json:"correlateValues,omitempty"`
	// MayEnable is false for an account that was enabled when last seen: if it is found disabled now, somebody else
	// disabled it, and that is not undone.
	MayEnable bool `json:"mayEnable,omitempty"`
	// Revoke are the recorded grants that the person should no longer have.
	Revoke []policy.Entitlement `json:"revoke,omitempty"`
	// Delete asks for the account's deletion after everything was taken away.
	Delete bool `json:"delete,omitempty"`
	Leave  bool `json:"leave,omitempty"`
	// Held marks what a plan asked for while grants and enablements were held: it disables, and creates or grants nothing.
	Held   bool   `json:"held,omitempty"`
	Digest []byte `json:"digest"`
}

// Wish is the part of a policy.DesiredAccount that a target can be asked for.
type Wish struct {
	Enabled    bool                 `json:"enabled"`
	Attributes map[string]any       `json:"attributes"`
	Grants     []policy.Entitlement `json:"grants"`
}

// digest identifies what is asked of an account: an account whose last verified state has the same digest needs nothing.
func digest(step AccountStep) []byte {
	data, err := json.Marshal(struct {
		Wish          *Wish
		Delete, Leave bool
		Held          bool `json:"held,omitempty"`
	}{step.Wish, step.Delete, step.Leave, step.Held})
	if err != nil {
		panic(fmt.Sprintf("policy gave a value that JSON cannot hold: %v", err)) // policy's values are JSON by type
	}
	sum := sha256.Sum256(data)
	return sum[:]
}

// leave plans for one account of a person who has left: everything is taken away, pending accounts included, since the
// request that makes one may still be in flight.
func (p *planning) leave(ctx context.Context, account store.Account) error {
	target, ok := p.policy.Target(account.Target)
	if !ok && account.ConfirmedAt != nil && len(account.AppliedDigest) > 0 && account.State != identity.AccountActive {
		return nil // what was taken away before the policy dropped the target stays so
	}
	if !ok {
		p.plan.Waiting = append(p.plan.Waiting, workflows.Waiting{Target: account.Target, Since: p.asOf, Code: "not in policy"})
		p.wait.add(p.asOf.Add(retryBlocked), "retry "+account.Target)
		return p.orphaned(ctx, account)
	}
	step := AccountStep{Target: target.Name, Kind: workflows.StepRevoke, Leave: true}
	return p.step(ctx, account, target, step, nil)
}

// keep plans for one account of a person who has not left.
func (p *planning) keep(ctx context.Context, account store.Account) error {
	target, ok := p.policy.Target(account.Target)
	if !ok && account.State != identity.AccountActive && account.State != identity.AccountPending {
		return nil
	}
	if !ok {
		return p.orphaned(ctx, account)
	}
	wish, wanted := p.desired.Accounts[account.Target]
	if wanted {
		return p.apply(ctx, account, target, wish)
	}
	// What a database that was set back believes is no reason to delete.
	step := AccountStep{Target: target.Name, Kind: workflows.StepRevoke,
		Delete: target.OnUnassigned == policy.OnUnassignedDelete && p.org.HeldSince == nil}
	return p.step(ctx, account, target, step, nil)
}

// orphaned records that nobody can take an account away. Applying a policy refuses to drop a target with accounts in it; but
// a plan by the policy before may make one at the same moment.
func (p *planning) orphaned(ctx context.Context, account store.Account) error {
	p.plan.Failed++
	known, err := p.tx.HasPlanFailure(ctx, p.row.ID, account.Target)
	if known || err != nil {
		return err
	}
	o := store.Operation{ID: uuid.New(), Identity: p.row.ID, PlanID: p.request.PlanID, Target: account.Target, Action: "plan", Status: "failed",
		RequestedAt: p.asOf, ErrorCode: "not_in_policy", ErrorDetail: "the person has an account in " + account.Target +
			", which the policy does not have: put the target back, with no rule that gives it, until nobody has an account there"}
	if p.row.State.Gone() {
		tier, deadline := 1, p.deadline(tierOne)
		o.Tier, o.DeadlineAt = &tier, &deadline
	}
	p.operations = append(p.operations, o)
	return nil
}

// apply plans for one account that policy gives.
func (p *planning) apply(ctx context.Context, account store.Account, target policy.Target, desired policy.DesiredAccount) error {
	wish := &Wish{Enabled: desired.Enabled, Attributes: desired.Attributes, Grants: []policy.Entitlement{}}
	for _, g := range desired.Grants {
		wish.Grants = append(wish.Grants, policy.Entitlement{Kind: g.Kind, Name: g.Name})
	}
	if p.org.HeldSince != nil && wish.Enabled {
		p.plan.Waiting = append(p.plan.Waiting, workflows.Waiting{Target: target.Name, Since: *p.org.HeldSince, Code: "held"})
		return nil
	}
	step := AccountStep{Target: target.Name, Kind: workflows.StepApply, Wish: wish,
		MayEnable: wish.Enabled && (account.State != identity.AccountActive || account.Disabling), Held: p.org.HeldSince != nil}
	for _, g := range p.grants[account.ID] {
		entitlement := policy.Entitlement{Kind: g.Kind, Name: g.Name}
		if (g.State != "revoked" || unsure(account)) && !slices.Contains(wish.Grants, entitlement) {
			step.Revoke = append(step.Revoke, entitlement)
		}
	}
	return p.step(ctx, account, target, step, &desired)
}

// unsure reports whether requests of our own may have changed the account since it was last verified, or may still.
func unsure(account store.Account) bool {
	return len(account.AppliedDigest) == 0 || account.InFlightUntil != nil || account.ConfirmDueAt != nil && account.ConfirmedAt == nil
}

// step adds the work on an account to the plan, unless there is none, or its time has not come.
func (p *planning) step(ctx context.Context, account store.Account, target policy.Target, step AccountStep, desired *policy.DesiredAccount) error {
	step.Digest = digest(step)
	step.CorrelateValues = correlateValues(account, target, desired)
	differs := !bytes.Equal(account.AppliedDigest, step.Digest) || account.State == identity.AccountPending
	if !differs {
		if err := p.refreshReasons(ctx, account, desired); err != nil {
			return err
		}
		return p.confirm(ctx, account, target, step)
	}
	if !p.due(account, step) {
		return nil
	}
	return p.ask(ctx, account, target, step, desired)
}

// correlateValues are how an account that nobody has seen yet would be found in its target: by what policy says now, and
// by what it said when a request to make the account may have been sent.
func correlateValues(account store.Account, target policy.Target, desired *policy.DesiredAccount) []string {
	var values []string
	if desired != nil {
		if value, ok := desired.Attributes[target.Correlate].(string); ok && value != "" {
			values = append(values, value)
		}
	}
	for _, value := range account.CorrelateValues {
		if (account.NativeID == "" || desired == nil) && !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	return values
}

// due reports whether a differing account may be worked on now. One that is blocked or failed waits for a new version, a new
// policy, a person, or the target's return; in a leave, or when the failure may pass, for its next retry.
func (p *planning) due(account store.Account, step AccountStep) bool {
	if account.Outcome != outcomeBlocked && account.Outcome != outcomeFailed {
		return true
	}
	sameAsk := bytes.Equal(account.PlanDigest, step.Digest)
	if step.Leave {
		if !sameAsk || account.RetryAt == nil || !account.RetryAt.After(p.asOf) || account.OutcomeVersion != p.row.Version {
			return true
		}
		p.waiting(account)
		p.wait.add(*account.RetryAt, "retry "+account.Target)
		if deadline := p.deadline(tierOne); deadline.After(p.asOf) {
			p.wait.add(deadline, "deadline of tier 1")
		}
		return false
	}
	if !sameAsk || account.OutcomeVersion != p.row.Version || account.OutcomePolicy != p.org.PolicyVersion {
		return true
	}
	if account.Outcome == outcomeBlocked && !p.down[account.Target] {
		return true // the target came back while the attempt was ending
	}
	if account.Outcome == outcomeFailed {
		if account.RetryAt != nil && !account.RetryAt.After(p.asOf) {
			return true
		}
		if account.RetryAt != nil {
			p.later.add(*account.RetryAt, "retry "+account.Target)
		}
		p.plan.Failed++
	}
	p.waiting(account)
	return false
}

func (p *planning) waiting(account store.Account) {
	since := p.asOf
	if account.BlockedSince != nil {
		since = *account.BlockedSince
	}
	p.plan.Waiting = append(p.plan.Waiting, workflows.Waiting{Target: account.Target, Since: since, Code: account.Outcome})
}

// The outcomes of accounts, as stored.
const (
	outcomeBlocked = "blocked"
	outcomeFailed  = "failed"
)

// ask asks for work on an account: what an unfinished plan asked for already, or something new under a new epoch.
func (p *planning) ask(ctx context.Context, account store.Account, target policy.Target, step AccountStep, desired *policy.DesiredAccount) error {
	if account.PlanID != "" && bytes.Equal(account.PlanDigest, step.Digest) && account.Outcome != "applied" {
		if account.Outcome != "" {
			if err := p.tx.ResumeAccount(ctx, account.ID); err != nil {
				return err
			}
		}
		p.add(account, target, step.Kind, step.Leave)
		return nil
	}
	account.Epoch++
	account.PlanID, account.PlanDigest = p.request.PlanID, step.Digest
	account.CorrelateValues = step.CorrelateValues
	account.Reasons, account.Policy = json.RawMessage(`[]`), p.org.PolicyVersion
	if desired != nil {
		var err error
		if account.Reasons, err = json.Marshal(desired.Reasons); err != nil {
			return fmt.Errorf("write reasons: %w", err)
		}
	}
	if account.State == identity.AccountDeleted && step.Kind == workflows.StepApply {
		account.State = identity.AccountPending
	}
	if err := p.tx.PlanAccount(ctx, account); err != nil {
		return err
	}
	if err := p.requestGrants(ctx, account, desired, step); err != nil {
		return err
	}
	p.operations = append(p.operations, p.actions(account, step)...)
	p.steps[account.ID.String()] = step
	p.add(account, target, step.Kind, step.Leave)
	return nil
}

func (p *planning) add(account store.Account, target policy.Target, kind workflows.StepKind, leave bool) {
	p.plan.Steps = append(p.plan.Steps, workflows.Step{Target: target.Name, Account: account.ID.String(), Kind: kind, Plan: account.PlanID,
		Epoch: account.Epoch, Version: p.row.Version, Policy: p.org.PolicyVersion, Urgent: leave, Timeout: workflows.Duration(target.AttemptTimeout),
		Limit: target.Concurrency})
}

// requestGrants records the grants to be made, each with its reasons, before anything is granted.
func (p *planning) requestGrants(ctx context.Context, account store.Account, desired *policy.DesiredAccount, step AccountStep) error {
	if desired == nil {
		return nil
	}
	var grants []store.Grant
	for _, g := range desired.Grants {
		if !slices.Contains(step.Wish.Grants, policy.Entitlement{Kind: g.Kind, Name: g.Name}) {
			continue // held back
		}
		reasons, err := json.Marshal(g.Reasons)
		if err != nil {
			return fmt.Errorf("write reasons: %w", err)
		}
		grants = append(grants, store.Grant{Account: account.ID, Kind: g.Kind, Name: g.Name, Reasons: reasons, Policy: p.org.PolicyVersion})
	}
	return p.tx.RequestGrants(ctx, grants)
}

// refreshReasons keeps the reasons true when a new policy gives the same for another reason.
func (p *planning) refreshReasons(ctx context.Context, account store.Account, desired *policy.DesiredAccount) error {
	if desired == nil || account.Policy == p.org.PolicyVersion {
		return nil
	}
	reasons, err := json.Marshal(desired.Reasons)
	if err != nil {
		return fmt.Errorf("write reasons: %w", err)
	}
	if err := p.tx.SaveReasons(ctx, account.ID, reasons, p.org.PolicyVersion); err != nil {
		return err
	}
	wish := &Wish{}
	for _, g := range desired.Grants {
		wish.Grants = append(wish.Grants, policy.Entitlement{Kind: g.Kind, Name: g.Name})
	}
	return p.requestGrants(ctx, account, desired, AccountStep{Wish: wish})
}

// confirm asks for the second reading of an account that is as it should be, when its time has come. A reading that failed
// is asked for again, for whomever: no operation says that it failed, so no person would.
func (p *planning) confirm(ctx context.Context, account store.Account, target policy.Target, step AccountStep) error {
	if account.ConfirmDueAt == nil || account.ConfirmedAt != nil {
		return nil
	}
	at := *account.ConfirmDueAt
	if account.RetryAt != nil && account.RetryAt.After(at) {
		at = *account.RetryAt
	}
	unread := account.Outcome == outcomeBlocked || account.Outcome == outcomeFailed
	if unread && !step.Leave && p.down[account.Target] {
		p.waiting(account) // its return pokes
		return nil
	}
	if !at.After(p.asOf) {
		if step.Leave && !p.due(account, step) {
			return nil
		}
		if unread {
			if err := p.tx.ResumeAccount(ctx, account.ID); err != nil {
				return err
			}
		}
		p.add(account, target, workflows.StepConfirm, step.Leave)
		return nil
	}
	if step.Leave {
		p.wait.add(at, "confirm "+account.Target)
	} else {
		p.later.add(at, "confirm "+account.Target)
	}
	return nil
}

func (p *planning) deadline(within time.Duration) time.Time {
	if p.row.LeftAt == nil {
		return p.asOf.Add(within)
	}
	return p.row.LeftAt.Add(within)
}
