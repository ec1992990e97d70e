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

// Plan answers what differs between what an identity should have and what it is known to have, as steps for its run,
// and records that the identity is settled when nothing differs. The same id asked twice answers the same plan.
func (s *Service) Plan(ctx context.Context, request workflows.PlanRequest) (workflows.Plan, error) {
	id, err := uuid.Parse(request.Identity)
	if err != nil {
		return workflows.Plan{}, identity.InvalidField("identity", "is not a UUID")
	}
	// A workflow's clock is that of its task's start, which may lie before the fact that the poke is about was accepted.
	asOf := request.AsOf
	if now := s.now(); now.After(asOf) {
		asOf = now
	}
	var plan workflows.Plan
	err = s.inOrg(request.Urgent)(ctx, request.Org, func(tx *store.Tx) error {
		p := planning{Service: s, tx: tx, request: request, asOf: asOf}
		plan, err = p.run(ctx, id)
		return err
	})
	if err == nil && plan.Recover {
		err = s.hold(ctx, request.Org, id, request.Seq)
	}
	return plan, err
}

// planning is one plan in the making.
type planning struct {
	*Service
	tx      *store.Tx
	request workflows.PlanRequest
	asOf    time.Time

	org      store.Organization
	policy   *policy.Policy
	row      store.Identity
	timeline timeline
	is       identity.Situation
	desired  policy.Desired
	accounts []store.Account
	grants   map[uuid.UUID][]store.Grant
	down     map[string]bool // targets that should not be called

	plan       workflows.Plan
	steps      map[string]AccountStep // by account
	operations []store.Operation
	wait       dueTime // what the run itself waits for: a Leaver's retries and confirmations
	later      dueTime // what wakes a new run
}

// dueTime is the earliest of the moments it is told of.
type dueTime struct {
	at  time.Time
	why string
}

func (d *dueTime) add(at time.Time, why string) {
	if !at.IsZero() && (d.at.IsZero() || at.Before(d.at)) {
		d.at, d.why = at, why
	}
}

func (p *planning) run(ctx context.Context, id uuid.UUID) (workflows.Plan, error) {
	stored, err := p.tx.Plan(ctx, p.request.PlanID)
	if err != nil {
		return p.plan, err
	}
	if stored != nil {
		err := json.Unmarshal(stored.Result, &p.plan)
		return p.plan, err
	}
	p.row, err = p.tx.IdentityForUpdate(ctx, id)
	if identity.ErrorCode(err) == identity.NotFound || err == nil && p.row.Version < p.request.Seq {
		return workflows.Plan{ID: p.request.PlanID, Recover: true}, nil
	}
	if err != nil {
		return p.plan, err
	}
	if err := p.situate(ctx); err != nil {
		return p.plan, err
	}
	p.plan = workflows.Plan{ID: p.request.PlanID, Stage: p.stage()}
	p.steps = map[string]AccountStep{}
	if err := p.compare(ctx); err != nil {
		return p.plan, err
	}
	return p.plan, p.conclude(ctx)
}

// situate finds out what is true of the person as of the plan's moment, and writes what time alone has changed.
func (p *planning) situate(ctx context.Context) error {
	var err error
	if p.org, err = p.tx.Organization(ctx); err != nil {
		return err
	}
	if p.policy, err = p.policyIn(ctx, p.tx, p.org.PolicyVersion); err != nil {
		return err
	}
	entries, err := p.tx.IdentityEntries(ctx, p.row.ID)
	if err != nil {
		return err
	}
	p.timeline = newTimeline(entries, p.policy)
	if p.row.AsOf.After(p.asOf) { // the row knows a later moment than this worker's clock
		p.asOf = p.row.AsOf
	}
	p.is = p.timeline.at(p.asOf)
	before := p.row
	if !sameSituation(before, p.is) {
		if err := p.assign(ctx, p.tx, &p.row, p.is, p.asOf); err != nil {
			return err
		}
		p.row.Version++ // a change like any other: until it is settled, the sweeper minds it
		if err := p.tx.SaveIdentity(ctx, p.row); err != nil {
			return err
		}
		if err := p.tellReports(ctx, before); err != nil {
			return err
		}
		if err := p.tx.Audit(ctx, store.AuditEntry{Actor: "run:" + p.request.PlanID, Action: "identity.due", ObjectType: "identity",
			ObjectID: p.row.ID.String(), Identity: p.row.ID, Detail: map[string]any{"from": before.State, "to": p.row.State}}); err != nil {
			return err
		}
	}
	p.later.add(p.is.NextChange, "a scheduled change")
	if p.down, err = p.tx.DownTargets(ctx); err != nil {
		return err
	}
	if p.accounts, err = p.tx.AccountsForUpdate(ctx, p.row.ID); err != nil {
		return err
	}
	grants, err := p.tx.GrantsOf(ctx, p.row.ID)
	if err != nil {
		return err
	}
	p.grants = map[uuid.UUID][]store.Grant{}
	for _, g := range grants {
		p.grants[g.Account] = append(p.grants[g.Account], g)
	}
	return nil
}

// tellReports pokes those whose accounts show something of a person that time has changed.
func (p *planning) tellReports(ctx context.Context, before store.Identity) error {
	if !p.policy.RefersToManager() || identity.SameAttributes(before.Attributes, p.row.Attributes) {
		return nil
	}
	reports, err := p.tx.Reports(ctx, p.row.ID)
	if err != nil || len(reports) == 0 {
		return err
	}
	return p.tx.RaiseVersions(ctx, reports, identity.ClassReconcile)
}

// sameSituation reports whether an identity's row says what a situation says.
func sameSituation(row store.Identity, is identity.Situation) bool {
	same := func(stored *time.Time, t time.Time) bool {
		return stored == nil && t.IsZero() || stored != nil && stored.Equal(t)
	}
	return row.State == is.State && row.Immediate == is.Immediate && row.Reason == is.Reason && same(row.StartsAt, is.StartsAt) &&
		same(row.EndsAt, is.EndsAt) && identity.SameAttributes(row.Attributes, is.Attributes)
}

// stage is the rule that the relay follows too when it chooses the workflow's type.
func (p *planning) stage() workflows.Stage { return StageOf(p.row.State, p.row.SettledVersion == 0) }

// StageOf says what a run for an identity is about: fresh means that the identity has never settled.
func StageOf(state identity.State, fresh bool) workflows.Stage {
	switch {
	case state.Gone():
		return workflows.StageLeaver
	case fresh:
		return workflows.StageJoiner
	default:
		return workflows.StageMover
	}
}

// compare finds the accounts that differ.
func (p *planning) compare(ctx context.Context) error {
	if p.row.State.Gone() {
		for _, account := range p.accounts {
			if err := p.leave(ctx, account); err != nil {
				return err
			}
		}
		return nil
	}
	subject, err := p.subject(ctx)
	if err == nil {
		p.desired, err = p.policy.Desired(subject)
	}
	if identity.ErrorCode(err) == identity.Invalid {
		return p.refuse(ctx, err) // data that policy cannot work with: visible, and not tried again until it changes
	}
	if err != nil {
		return err
	}
	p.later.add(p.desired.NextChange, "policy looks at the date")
	known := map[string]bool{}
	for _, account := range p.accounts {
		known[account.Target] = true
		if err := p.keep(ctx, account); err != nil {
			return err
		}
	}
	for _, target := range p.policy.Targets() {
		if wish, ok := p.desired.Accounts[target.Name]; ok && !known[target.Name] {
			account := store.Account{ID: uuid.New(), Identity: p.row.ID, Target: target.Name, State: identity.AccountPending,
				CreatedAt: p.asOf}
			if err := p.apply(ctx, account, target, wish); err != nil {
				return err
			}
		}
	}
	return nil
}

// subject is the person as policy sees them, with names allocated.
func (p *planning) subject(ctx context.Context) (policy.Subject, error) {
	subject := policy.Subject{Attributes: p.row.Attributes, UserName: p.row.UserName, Mail: p.row.Mail, State: p.row.State,
		StartsAt: p.is.StartsAt, EndsAt: p.is.EndsAt, AsOf: p.asOf}
	if p.row.ManagerID != nil {
		manager, err := p.tx.Identity(ctx, *p.row.ManagerID)
		if err != nil {
			return subject, err
		}
		subject.Manager = &manager.Attributes
	}
	if !p.policy.Groups().None() {
		var err error
		if subject.Groups, err = p.tx.GroupNames(ctx, p.row.ID); err != nil {
			return subject, err
		}
	}
	return subject, p.name(ctx, &subject)
}

// name allocates the names that policy's rules ask for and the identity does not have, or has outgrown. A name once
// given to somebody is never given to another: names are kept after a leave.
func (p *planning) name(ctx context.Context, subject *policy.Subject) error {
	before := [2]string{subject.UserName, subject.Mail}
	for _, rule := range p.policy.NamingRules() {
		current := &subject.UserName
		if rule.Name == policy.NameMail {
			current = &subject.Mail
		}
		if *current != "" {
			fits := rule.OnRename == policy.OnRenameKeep
			if !fits {
				var err error
				if fits, err = rule.Fits(*current, *subject); err != nil {
					return err
				}
			}
			if fits {
				continue
			}
		}
		name, err := p.claim(ctx, rule, *subject)
		if err != nil {
			return err
		}
		*current = name
	}
	if before == [2]string{subject.UserName, subject.Mail} {
		return nil
	}
	p.row.UserName, p.row.Mail = subject.UserName, subject.Mail
	return p.tx.SaveNames(ctx, p.row.ID, p.row.UserName, p.row.Mail)
}

func (p *planning) claim(ctx context.Context, rule policy.NamingRule, subject policy.Subject) (string, error) {
	for candidate, err := range rule.Candidates(subject) {
		if err != nil {
			return "", err
		}
		mine, err := p.tx.ClaimName(ctx, rule.Name, policy.Normalize(candidate), p.row.ID)
		if err != nil {
			return "", err
		}
		if mine {
			return candidate, nil
		}
	}
	return "", identity.InvalidField("naming["+rule.Name+"]", "every candidate name is taken: add a template to the rule")
}

// refuse records a plan that policy could not make.
func (p *planning) refuse(ctx context.Context, cause error) error {
	p.plan.Failed++
	if err := p.tx.SupersedePlanFailures(ctx, p.row.ID); err != nil {
		return err
	}
	p.operations = append(p.operations, store.Operation{ID: uuid.New(), Identity: p.row.ID, PlanID: p.request.PlanID, Action: "plan",
		Status: "failed", RequestedAt: p.asOf, ErrorCode: string(identity.Invalid), ErrorDetail: cause.Error()})
	return p.tx.Audit(ctx, store.AuditEntry{Actor: "run:" + p.request.PlanID, Action: "plan.refused", ObjectType: "identity",
		ObjectID: p.row.ID.String(), Identity: p.row.ID, Detail: map[string]any{"reason": cause.Error()}})
}

// conclude stores the plan, or that nothing is left to do.
func (p *planning) conclude(ctx context.Context) error {
	p.plan.NextDue, p.plan.DueFor = p.wait.at, p.wait.why
	p.plan.Label = p.label()
	p.plan.Settled = len(p.plan.Steps) == 0 && p.wait.at.IsZero()
	if err := p.tx.InsertOperations(ctx, p.operations); err != nil {
		return err
	}
	if p.plan.Failed == 0 {
		if err := p.tx.SupersedePlanFailures(ctx, p.row.ID); err != nil {
			return err
		}
	}
	if p.plan.Settled {
		class := identity.ClassChange
		if !p.later.at.IsZero() && p.timeline.at(p.later.at).State.Gone() {
			class = identity.ClassLeave
		}
		if err := p.tx.Settle(ctx, p.row.ID, p.row.Version, p.org.PolicyVersion, optional(p.later.at), class); err != nil {
			return err
		}
	}
	if len(p.steps) == 0 {
		return nil // nothing new was decided: what is running goes by the plans it has
	}
	result, err := json.Marshal(p.plan)
	if err != nil {
		return fmt.Errorf("store plan: %w", err)
	}
	steps, err := json.Marshal(p.steps)
	if err != nil {
		return fmt.Errorf("store plan: %w", err)
	}
	if err := p.tx.SavePlan(ctx, store.PlanRow{ID: p.request.PlanID, Identity: p.row.ID, Version: p.row.Version, Policy: p.org.PolicyVersion,
		Stage: string(p.plan.Stage), AsOf: p.asOf, Result: result, Steps: steps}); err != nil {
		return err
	}
	return p.tx.Audit(ctx, store.AuditEntry{Actor: "run:" + p.request.PlanID, Action: "plan.made", ObjectType: "plan", ObjectID: p.request.PlanID,
		Identity: p.row.ID, Detail: map[string]any{"stage": p.plan.Stage, "version": p.row.Version, "policy": p.org.PolicyVersion, "steps": p.plan.Steps}})
}

// label is what the run's search attribute shows.
func (p *planning) label() workflows.Stage {
	switch {
	case p.plan.Stage == workflows.StageLeaver && len(p.plan.Waiting) > 0 && p.row.LeftAt != nil && p.asOf.After(p.row.LeftAt.Add(tierOne)):
		return workflows.StageStuck
	case p.plan.Stage != workflows.StageLeaver && len(p.plan.Steps) == 0 && len(p.plan.Waiting) > 0:
		return workflows.StageBlocked
	default:
		return p.plan.Stage
	}
}
