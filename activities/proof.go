package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
)

// readBack reads what was made of the account and compares it with what the plan asked for. What the changes showed of it
// counts, if it is as asked; what is not shown, or not shown as asked, is read: it may have been older than the change.
func (w *work) readBack(ctx context.Context) (lifecycle.Reading, error) {
	wish := w.job.Step.Wish
	if w.seen == nil && w.created != nil && w.created.Enabled == wish.Enabled && len(difference(wish.Attributes, w.created.Attributes)) == 0 {
		held, err := w.held(ctx, w.created.NativeID)
		switch {
		case err == nil:
			w.seen = &connectors.Sight{Account: *w.created, Grants: held}
		case connectors.KindOf(err) != connectors.KindNotFound:
			return lifecycle.Reading{}, acting("read back", err)
		}
	}
	if w.seen != nil {
		reading, err := w.compare(ctx, *w.seen, true)
		if !errors.Is(err, errUnverified) {
			return reading, err
		}
	}
	return w.read(ctx)
}

// read reads the account back and compares it with what the plan asked for. It changes nothing.
func (w *work) read(ctx context.Context) (lifecycle.Reading, error) {
	sight, found, err := w.look(ctx)
	if err != nil {
		return lifecycle.Reading{}, acting("read back", err)
	}
	return w.compare(ctx, sight, found)
}

// look reads the account and what it holds.
func (w *work) look(ctx context.Context) (sight connectors.Sight, found bool, err error) {
	id := w.job.Account.NativeID
	reader, ok := w.connector.(connectors.GrantReader)
	if ok && id != "" {
		sight, err = reader.GetAccountWithGrants(ctx, id)
		if connectors.KindOf(err) != connectors.KindNotFound {
			return sight, err == nil, err
		}
	}
	if sight.Account, found, err = w.locate(ctx); err != nil || !found {
		return sight, false, err
	}
	sight.Grants, err = w.held(ctx, sight.Account.NativeID)
	return sight, true, err
}

// held reads what the account holds; nothing where the target knows no entitlements.
func (w *work) held(ctx context.Context, nativeID string) ([]connectors.Entitlement, error) {
	if granter, ok := w.connector.(connectors.EntitlementGranter); ok {
		return granter.GrantsOf(ctx, nativeID)
	}
	return nil, nil
}

// compare holds what was seen against what the plan asked for.
func (w *work) compare(ctx context.Context, sight connectors.Sight, found bool) (lifecycle.Reading, error) {
	reading := lifecycle.Reading{Found: found, Enabled: found && sight.Account.Enabled}
	for _, e := range sight.Grants {
		reading.Held = append(reading.Held, policy.Entitlement{Kind: e.Kind, Name: e.Name})
	}
	if w.job.Step.Wish == nil {
		return w.proveRevoked(ctx, reading)
	}
	return w.proveApplied(ctx, reading, sight.Account)
}

// proveRevoked holds the reading against a revocation and makes the evidence.
func (w *work) proveRevoked(ctx context.Context, reading lifecycle.Reading) (lifecycle.Reading, error) {
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

func (w *work) sessionsEnded() proof {
	p := proof{action: lifecycle.ActionEndSessions, denial: "sessions are left"}
	if sessions, ok := w.connector.(connectors.SessionEnder); ok {
		p.read = func(ctx context.Context, id string) (bool, connectors.Evidence, error) {
			return sessions.SessionsEnded(ctx, id, w.job.Since())
		}
	}
	return p
}

func (w *work) passwordReset() proof {
	p := proof{action: lifecycle.ActionResetPassword, denial: "the password is the old one"}
	if passwords, ok := w.connector.(connectors.PasswordResetter); ok {
		p.read = func(ctx context.Context, id string) (bool, connectors.Evidence, error) {
			return passwords.PasswordReset(ctx, id, w.job.Since())
		}
	}
	return p
}

func (w *work) factorsReset() proof {
	p := proof{action: lifecycle.ActionResetFactors, denial: "authentication factors are left"}
	if factors, ok := w.connector.(connectors.FactorResetter); ok {
		p.read = factors.FactorsReset
	}
	return p
}

// prove holds one proof. What the target or this account cannot have is recorded as unsupported, never as verified.
func (w *work) prove(ctx context.Context, p proof, found bool) (store.Finding, error) {
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
func (w *work) proveApplied(ctx context.Context, reading lifecycle.Reading, account connectors.Account) (lifecycle.Reading, error) {
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
func (w *work) mismatch(format string, args ...any) error {
	return fmt.Errorf("%w (%w): "+format, append([]any{errUnverified, errContradicted}, args...)...)
}

func (w *work) verified(action string, evidence map[string]any) store.Finding {
	now := w.now()
	return store.Finding{Action: action, Status: "verified", Done: &now, Verified: &now, Evidence: evidence}
}
