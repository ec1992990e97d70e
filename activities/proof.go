package activities

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
)

// read reads the account back and compares it with what the plan asked for. It changes nothing.
func (w work) read(ctx context.Context) (lifecycle.Reading, error) {
	account, found, err := w.locate(ctx)
	if err != nil {
		return lifecycle.Reading{}, acting("read back", err)
	}
	reading := lifecycle.Reading{Found: found, Enabled: found && account.Enabled}
	if found {
		if granter, ok := w.connector.(connectors.EntitlementGranter); ok {
			held, err := granter.GrantsOf(ctx, account.NativeID)
			if err != nil {
				return reading, acting("read back", err)
			}
			for _, e := range held {
				reading.Held = append(reading.Held, policy.Entitlement{Kind: e.Kind, Name: e.Name})
			}
		}
	}
	if w.job.Step.Wish == nil {
		return w.proveRevoked(ctx, reading)
	}
	return w.proveApplied(ctx, reading, account)
}

// proveRevoked holds the reading against a revocation and makes the evidence.
func (w work) proveRevoked(ctx context.Context, reading lifecycle.Reading) (lifecycle.Reading, error) {
	switch {
	case reading.Enabled:
		return reading, acting(lifecycle.ActionDisable, w.mismatch("the account is enabled"))
	case len(reading.Held) > 0:
		return reading, acting(lifecycle.ActionRemoveMemberships, w.mismatch("%d memberships are left", len(reading.Held)))
	case reading.Found && w.job.Step.Delete:
		return reading, acting(lifecycle.ActionDelete, w.mismatch("the account is there"))
	}
	evidence := map[string]any{"found": reading.Found, "enabled": reading.Enabled}
	reading.Findings = append(reading.Findings,
		w.verified(lifecycle.ActionRemoveMemberships, map[string]any{"found": reading.Found, "memberships": 0}),
		w.verified(lifecycle.ActionDelete, evidence))
	proofs := []proof{w.sessionsEnded()}
	if deactivator, ok := w.connector.(connectors.Deactivator); ok && w.job.Step.Leave {
		proofs = append(proofs, proof{lifecycle.ActionDisable, deactivator.Deactivated, "the account is not deactivated"})
	} else {
		reading.Findings = append(reading.Findings, w.verified(lifecycle.ActionDisable, evidence))
	}
	if w.job.Step.Leave {
		proofs = append(proofs, w.passwordReset(), w.factorsReset())
	}
	for _, p := range proofs {
		finding, err := w.prove(ctx, p, reading.Found)
		if err != nil {
			return reading, err
		}
		reading.Findings = append(reading.Findings, finding)
	}
	return reading, nil
}

// proof reads back one part of a revocation. Without read the target cannot do the part.
type proof struct {
	action string
	read   func(ctx context.Context, nativeID string) (bool, connectors.Evidence, error)
	denial string // what to say when the reading shows otherwise
}

func (w work) sessionsEnded() proof {
	p := proof{action: lifecycle.ActionEndSessions, denial: "sessions are left"}
	if sessions, ok := w.connector.(connectors.SessionEnder); ok {
		p.read = func(ctx context.Context, id string) (bool, connectors.Evidence, error) {
			return sessions.SessionsEnded(ctx, id, w.job.Since())
		}
	}
	return p
}

func (w work) passwordReset() proof {
	p := proof{action: lifecycle.ActionResetPassword, denial: "the password is the old one"}
	if passwords, ok := w.connector.(connectors.PasswordResetter); ok {
		p.read = func(ctx context.Context, id string) (bool, connectors.Evidence, error) {
			return passwords.PasswordReset(ctx, id, w.job.Since())
		}
	}
	return p
}

func (w work) factorsReset() proof {
	p := proof{action: lifecycle.ActionResetFactors, denial: "authentication factors are left"}
	if factors, ok := w.connector.(connectors.FactorResetter); ok {
		p.read = factors.FactorsReset
	}
	return p
}

// prove holds one proof. What the target or this account cannot have is recorded as unsupported, never as verified.
func (w work) prove(ctx context.Context, p proof, found bool) (store.Finding, error) {
	unable := store.Finding{Action: p.action, Status: "unsupported", Code: string(connectors.KindUnsupported)}
	if p.read == nil {
		return unable, nil
	}
	if !found {
		return w.verified(p.action, map[string]any{"found": false}), nil
	}
	shown, evidence, err := p.read(ctx, w.job.Account.NativeID)
	if connectors.KindOf(err) == connectors.KindUnsupported {
		return unable, nil
	}
	if err == nil && !shown {
		err = w.mismatch("%s", p.denial)
	}
	if err != nil {
		return store.Finding{}, acting(p.action, err)
	}
	return w.verified(p.action, evidence), nil
}

// proveApplied holds the reading against a wish and makes the evidence.
func (w work) proveApplied(ctx context.Context, reading lifecycle.Reading, account connectors.Account) (lifecycle.Reading, error) {
	wish := w.job.Step.Wish
	if w.job.Step.Held && !reading.Enabled {
		reading.Findings = append(reading.Findings, w.verified(lifecycle.ActionDisable, map[string]any{"found": reading.Found, "enabled": false}))
		return reading, nil
	}
	if !reading.Found {
		return reading, acting(lifecycle.ActionCreate, w.mismatch("the account is not found"))
	}
	if changes := difference(wish.Attributes, account.Attributes); len(changes) > 0 {
		return reading, acting(lifecycle.ActionUpdate, w.mismatch("these attributes differ: %v", slices.Sorted(maps.Keys(changes))))
	}
	if reading.Enabled != wish.Enabled {
		return reading, acting(lifecycle.ActionEnable, w.mismatch("enabled is %t", reading.Enabled))
	}
	for _, e := range wish.Grants {
		if !slices.Contains(reading.Held, e) {
			return reading, acting(lifecycle.ActionGrant+e.Kind+"/"+e.Name, w.mismatch("%s %s is not held", e.Kind, e.Name))
		}
		reading.Findings = append(reading.Findings, w.verified(lifecycle.ActionGrant+e.Kind+"/"+e.Name, map[string]any{"held": true}))
	}
	for _, e := range w.job.Step.Revoke {
		if slices.Contains(reading.Held, e) {
			return reading, acting(lifecycle.ActionRevoke+e.Kind+"/"+e.Name, w.mismatch("%s %s is still held", e.Kind, e.Name))
		}
		reading.Findings = append(reading.Findings, w.verified(lifecycle.ActionRevoke+e.Kind+"/"+e.Name, map[string]any{"held": false}))
	}
	evidence := map[string]any{"nativeId": account.NativeID, "enabled": reading.Enabled, "attributes": slices.Sorted(maps.Keys(wish.Attributes))}
	for _, action := range []string{lifecycle.ActionCreate, lifecycle.ActionRestore, lifecycle.ActionUpdate, lifecycle.ActionEnable, lifecycle.ActionDisable} {
		reading.Findings = append(reading.Findings, w.verified(action, evidence))
	}
	if wish.Enabled {
		return reading, nil
	}
	sessions, err := w.prove(ctx, w.sessionsEnded(), true)
	reading.Findings = append(reading.Findings, sessions)
	return reading, err
}

// mismatch is errUnverified, and errContradicted for a second reading, with what was found.
func (w work) mismatch(format string, args ...any) error {
	return fmt.Errorf("%w (%w): "+format, append([]any{errUnverified, errContradicted}, args...)...)
}

func (w work) verified(action string, evidence map[string]any) store.Finding {
	now := w.now()
	return store.Finding{Action: action, Status: "verified", Done: &now, Verified: &now, Evidence: evidence}
}
