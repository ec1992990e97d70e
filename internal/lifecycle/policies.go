package lifecycle

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
)

// Preview says what a policy would change, before it is applied.
type Preview struct {
	From    int64           `json:"from"` // the version it was compared with
	Targets []TargetPreview `json:"targets"`
	// Affected counts the people for whom anything changes; Refused those whom the new policy cannot be evaluated for.
	Affected int `json:"affected"`
	Refused  int `json:"refused"`
	// Unchanged is true when the policy is the one in force.
	Unchanged bool `json:"unchanged"`

	affected []uuid.UUID
}

// TargetPreview counts people in one target.
type TargetPreview struct {
	Target  string `json:"target"`
	Gain    int    `json:"gain"`    // get an account
	Lose    int    `json:"lose"`    // lose theirs
	Change  int    `json:"change"`  // keep it, with other attributes, state or grants
	Granted int    `json:"granted"` // entitlements
	Revoked int    `json:"revoked"`
}

// PreviewPolicy compares a policy with the one in force, for every identity that has not left.
func (s *Service) PreviewPolicy(ctx context.Context, org string, next *policy.Policy) (Preview, error) {
	var preview Preview
	err := s.store.InOrg(ctx, org, func(tx *store.Tx) (err error) {
		preview, err = s.preview(ctx, tx, next)
		return err
	})
	return preview, err
}

func (s *Service) preview(ctx context.Context, tx *store.Tx, next *policy.Policy) (Preview, error) {
	if next.Organization() != tx.Org {
		return Preview{}, identity.InvalidField("organization", "the policy is for %q and was given for %q", next.Organization(), tx.Org)
	}
	o, err := tx.Organization(ctx)
	if err != nil {
		return Preview{}, err
	}
	current, err := s.policyIn(ctx, tx, o.PolicyVersion)
	if err != nil {
		return Preview{}, err
	}
	preview := Preview{From: o.PolicyVersion}
	row, err := tx.Policy(ctx, o.PolicyVersion)
	if err != nil {
		return Preview{}, err
	}
	preview.Unchanged = row != nil && row.Hash == next.Hash()
	counts := map[string]*TargetPreview{}
	for _, t := range slices.Concat(current.Targets(), next.Targets()) {
		counts[t.Name] = &TargetPreview{Target: t.Name}
	}
	people, err := tx.AllPresent(ctx)
	if err != nil {
		return Preview{}, err
	}
	known := company{managers: map[uuid.UUID]*identity.Attributes{}}
	for i := range people {
		known.managers[people[i].ID] = &people[i].Attributes
	}
	if !current.Groups().None() || !next.Groups().None() {
		if known.groups, err = tx.AllGroupNames(ctx); err != nil {
			return Preview{}, err
		}
	}
	for _, person := range people {
		s.comparePerson(&preview, counts, person, known, current, next)
	}
	for _, c := range counts {
		preview.Targets = append(preview.Targets, *c)
	}
	slices.SortFunc(preview.Targets, func(a, b TargetPreview) int {
		return strings.Compare(a.Target, b.Target)
	})
	preview.Affected = len(preview.affected)
	return preview, nil
}

// company is what policy may ask about a person besides their own attributes.
type company struct {
	managers map[uuid.UUID]*identity.Attributes
	groups   map[uuid.UUID][]string
}

// comparePerson counts what changes for one person. Whoever the old policy could not be evaluated for is affected.
func (s *Service) comparePerson(preview *Preview, counts map[string]*TargetPreview, person store.Identity,
	known company, current, next *policy.Policy) {
	subject := policy.Subject{Attributes: person.Attributes, UserName: person.UserName, Mail: person.Mail, State: person.State,
		Groups: known.groups[person.ID], AsOf: s.now()}
	if person.StartsAt != nil {
		subject.StartsAt = *person.StartsAt
	}
	if person.EndsAt != nil {
		subject.EndsAt = *person.EndsAt
	}
	if person.ManagerID != nil {
		subject.Manager = known.managers[*person.ManagerID]
	}
	tentative(next, &subject)
	after, err := next.Desired(subject)
	if err != nil {
		preview.Refused++
		preview.affected = append(preview.affected, person.ID)
		return
	}
	before, err := current.Desired(subject)
	changes := policy.Diff(before, after)
	if err != nil || len(changes) > 0 {
		preview.affected = append(preview.affected, person.ID)
	}
	for _, change := range changes {
		c := counts[change.Target]
		switch change.Account {
		case policy.AccountGained:
			c.Gain++
		case policy.AccountLost:
			c.Lose++
		default:
			c.Change++
		}
		c.Granted += len(change.Gained)
		c.Revoked += len(change.Lost)
	}
}

// tentative gives a person who has no names yet those that the policy would try first; which are free, only a plan finds
// out.
func tentative(next *policy.Policy, subject *policy.Subject) {
	for _, rule := range next.NamingRules() {
		name := &subject.UserName
		if rule.Name == policy.NameMail {
			name = &subject.Mail
		}
		if *name != "" {
			continue
		}
		for candidate, err := range rule.Candidates(*subject) {
			if err == nil {
				*name = candidate
			}
			break
		}
	}
}

// ApplyPolicy makes a policy the one in force, if the one it was previewed against still is. Those affected are poked in
// waves by the sweeper; the answer says how many they are.
func (s *Service) ApplyPolicy(ctx context.Context, org string, caller Caller, next *policy.Policy, from int64) (Preview, error) {
	var preview Preview
	err := s.store.InOrg(ctx, org, func(tx *store.Tx) (err error) {
		if preview, err = s.preview(ctx, tx, next); err != nil || preview.Unchanged {
			return err
		}
		if preview.From != from {
			return identity.Errorf(identity.Conflict, "the policy in force is version %d and the preview was against %d: preview again", preview.From, from)
		}
		if err := s.saveTargets(ctx, tx, next); err != nil {
			return err
		}
		row := store.PolicyRow{Version: from + 1, Hash: next.Hash(), Document: next.Source(), AppliedBy: caller.Actor}
		if err := tx.ApplyPolicy(ctx, from, row, preview.affected); err != nil {
			return err
		}
		return tx.Audit(ctx, store.AuditEntry{Actor: caller.Actor, RequestID: caller.RequestID, Action: "policy.applied", ObjectType: "policy",
			ObjectID: next.Hash(), Detail: map[string]any{"version": from + 1, "affected": preview.Affected, "targets": preview.Targets}})
	})
	return preview, err
}

// saveTargets refuses to forget a target in which people have accounts: nobody could take them away any longer.
func (s *Service) saveTargets(ctx context.Context, tx *store.Tx, next *policy.Policy) error {
	names, connectors := []string{}, []string{}
	for _, t := range next.Targets() {
		names, connectors = append(names, t.Name), append(connectors, t.Connector)
	}
	orphaned, err := tx.TargetsInUse(ctx, names)
	if err != nil {
		return err
	}
	if len(orphaned) > 0 {
		return identity.InvalidField("targets",
			"the policy drops %v, where people have accounts: keep the target with no rule that gives it until they are gone", orphaned)
	}
	return tx.SaveTargets(ctx, names, connectors)
}
