package lifecycle

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
)

// correlate decides who an unknown person of the source is: an identity that a rule finds, a new one, or nobody yet
// when only a person can tell. fresh says that it is a new one.
func (a *acceptance) correlate(ctx context.Context) (id *uuid.UUID, fresh bool, err error) {
	found, err := a.match(ctx, a.tx, a.policy, a.source, a.alone())
	switch {
	case err != nil:
		return nil, false, err
	case found.linked != nil:
		// Somebody of this source who has left may be back under another number: that is for a person to say.
		taken, err := a.tx.HasLinkFrom(ctx, *found.linked, a.source)
		if err != nil {
			return nil, false, err
		}
		if taken {
			found.candidates, found.linked = []uuid.UUID{*found.linked}, nil
			break
		}
		if err := a.tx.SaveLink(ctx, a.source, a.entry.EmployeeID, found.linked); err != nil {
			return nil, false, err
		}
		return found.linked, false, a.adoptReports(ctx, a.tx, a.policy, a.entry.EmployeeID, *found.linked)
	case len(found.candidates) == 0:
		made := uuid.New()
		return &made, true, nil
	}
	if err := a.tx.SaveLink(ctx, a.source, a.entry.EmployeeID, nil); err != nil {
		return nil, false, err
	}
	return nil, false, a.openCase(ctx, a.tx, a.caller, store.Case{Source: a.source, EmployeeID: a.entry.EmployeeID, Candidates: found.candidates,
		Rule: found.rule, OpenedAt: a.entry.ReceivedAt})
}

// alone are the attributes of a person of whom only this event is known.
func (a *acceptance) alone() identity.Attributes {
	return newTimeline([]store.SourcedEntry{{Source: a.source, Entry: a.entry}}, a.policy).at(a.entry.ReceivedAt).Attributes
}

// correlationLocks name what LockPersons locks, so that of two persons whom a rule would take for one another the second
// comes when the first is there to be found.
func correlationLocks(p *policy.Policy, attributes identity.Attributes) []string {
	var locks []string
	for _, rule := range p.Correlations() {
		if key, ok := rule.Key(attributes); ok {
			locks = append(locks, fmt.Sprintf("correlation/%s/%q", rule.Name, key)) // a key may hold what no text of Postgres can
		}
	}
	return locks
}

// match is what the policy's rules find out about who somebody is: one identity, several that a person has to choose from,
// or none.
type match struct {
	rule       string
	linked     *uuid.UUID
	candidates []uuid.UUID
}

// match tries the policy's correlation rules in their order.
func (s *Service) match(ctx context.Context, tx *store.Tx, p *policy.Policy, source string, attributes identity.Attributes) (match, error) {
	for _, rule := range p.Correlations() {
		if _, ok := rule.Key(attributes); !ok {
			continue
		}
		values := map[string]string{}
		for _, attribute := range rule.Match {
			values[attribute] = attributes.Text(attribute)
		}
		candidates, err := tx.MatchIdentities(ctx, source, values)
		if err != nil {
			return match{}, err
		}
		switch {
		case len(candidates) == 0:
		case len(candidates) == 1 && rule.Link:
			return match{rule: rule.Name, linked: &candidates[0]}, nil
		default:
			return match{rule: rule.Name, candidates: candidates}, nil
		}
	}
	return match{}, nil
}

// openCase asks a person who somebody is.
func (s *Service) openCase(ctx context.Context, tx *store.Tx, caller Caller, c store.Case) error {
	c.ID = uuid.New()
	if err := tx.OpenCase(ctx, c); err != nil {
		return err
	}
	return tx.Audit(ctx, store.AuditEntry{Actor: caller.Actor, RequestID: caller.RequestID, Action: "case.opened", ObjectType: "case",
		ObjectID: c.ID.String(), Detail: map[string]any{"rule": c.Rule, "candidates": c.Candidates}})
}
