package lifecycle

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

// actions are the operations that a step consists of, as far as they can be known before the target is read.
func (p *planning) actions(account store.Account, step AccountStep) []store.Operation {
	var operations []store.Operation
	add := func(action string, tier int, within time.Duration) {
		o := store.Operation{ID: uuid.New(), Identity: p.row.ID, Account: &account.ID, PlanID: p.request.PlanID, Target: step.Target,
			Action: action, Status: "requested", RequestedAt: p.asOf}
		if step.Leave {
			deadline := p.deadline(within)
			o.Tier, o.DeadlineAt = &tier, &deadline
		}
		operations = append(operations, o)
	}
	if step.Kind == workflows.StepRevoke {
		add(ActionDisable, 1, tierOne)
		add(ActionEndSessions, 1, tierOne)
		if step.Leave {
			add(ActionResetPassword, 1, tierOne)
			add(ActionResetFactors, 1, tierOneFactors)
		}
		add(ActionRemoveMemberships, 2, tierTwo)
		if step.Delete {
			add(ActionDelete, 4, 0)
		}
		return operations
	}
	switch {
	case account.State == identity.AccountPending:
		add(ActionCreate, 0, 0)
	case account.Applied == nil || !sameValues(account.Applied.Attributes, step.Wish.Attributes):
		add(ActionUpdate, 0, 0)
	}
	switch {
	case step.Wish.Enabled && account.State == identity.AccountDisabled:
		add(ActionEnable, 0, 0)
	case !step.Wish.Enabled && account.State == identity.AccountActive:
		add(ActionDisable, 0, 0)
		add(ActionEndSessions, 0, 0)
	}
	held := map[policy.Entitlement]bool{}
	for _, g := range p.grants[account.ID] {
		held[policy.Entitlement{Kind: g.Kind, Name: g.Name}] = g.State == "active"
	}
	for _, g := range step.Wish.Grants {
		if !held[g] {
			add(ActionGrant+g.Kind+"/"+g.Name, 0, 0)
		}
	}
	for _, g := range step.Revoke {
		if _, recorded := held[g]; recorded && !held[g] {
			continue // taken back before; looked for once more, since a request may have been in flight
		}
		add(ActionRevoke+g.Kind+"/"+g.Name, 0, 0)
	}
	if len(operations) == 0 {
		add(ActionUpdate, 0, 0) // as last read it agrees, but something may have been done since: it is made to agree
	}
	return operations
}

func sameValues(a, b map[string]any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
