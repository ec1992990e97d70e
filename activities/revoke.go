package activities

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
)

// accessPatience is how long a part of a revocation that must come before the account is disabled may fail before the
// account is disabled without it: a person who has left must not keep access because a factor cannot be reset.
const accessPatience = 20 * time.Second

// revoke takes everything away, part by part in the order that the target needs. A part that fails holds up no other: the
// first failure is answered when the rest is done.
func (w *work) revoke(ctx context.Context, account connectors.Account, found bool) (lifecycle.Reading, error) {
	if !found {
		return w.read(ctx)
	}
	writer, ok := w.connector.(connectors.AccountWriter)
	if !ok {
		return lifecycle.Reading{}, acting(lifecycle.ActionDisable, unsupported("disable accounts"))
	}
	order := connectors.RevocationOrder()
	if orderer, ok := w.connector.(connectors.RevocationOrderer); ok {
		order = orderer.RevocationOrder()
	}
	var failed error
	disabled := false
	for _, part := range order {
		err := w.revokePart(ctx, part, writer, account)
		disabled = disabled || part == connectors.RevokeAccess
		if err == nil {
			continue
		}
		if failed == nil {
			failed = err
		}
		if errors.Is(err, errSuperseded) || ctx.Err() != nil || !disabled && w.worthAnotherTry(err) {
			return lifecycle.Reading{}, failed
		}
	}
	if failed != nil {
		return lifecycle.Reading{}, failed
	}
	if w.job.Step.Delete {
		err := w.change(ctx, lifecycle.ActionDelete, func() error { return writer.DeleteAccount(ctx, account.NativeID) })
		if err != nil {
			return lifecycle.Reading{}, err
		}
	}
	return w.read(ctx)
}

// worthAnotherTry reports whether what failed before the account could be disabled is tried again first: not when the target
// asks for more time than that.
func (w *work) worthAnotherTry(err error) bool {
	kind, _, _ := diagnose(err)
	return !kind.Permanent() && w.now().Add(retryAfter(err)).Sub(w.job.FirstFailure()) < accessPatience
}

// revokePart takes one part away, also when an earlier attempt did: what a target shows may be somebody else's doing, and
// less than was asked for. What the target cannot do is no failure.
func (w *work) revokePart(ctx context.Context, part connectors.Revocation, writer connectors.AccountWriter, account connectors.Account) error {
	id := account.NativeID
	var err error
	switch part {
	case connectors.RevokeAccess:
		return w.revokeAccess(ctx, writer, account)
	case connectors.RevokeGrants:
		return w.revokeGrants(ctx, id)
	case connectors.RevokeSessions:
		sessions, ok := w.connector.(connectors.SessionEnder)
		if !ok {
			return nil
		}
		err = w.change(ctx, lifecycle.ActionEndSessions, func() error { return sessions.EndSessions(ctx, id) })
	case connectors.RevokePassword:
		passwords, ok := w.connector.(connectors.PasswordResetter)
		if !ok || !w.job.Step.Leave {
			return nil
		}
		err = w.change(ctx, lifecycle.ActionResetPassword, func() error { return passwords.ResetPassword(ctx, id) })
	case connectors.RevokeFactors:
		factors, ok := w.connector.(connectors.FactorResetter)
		if !ok || !w.job.Step.Leave {
			return nil
		}
		err = w.change(ctx, lifecycle.ActionResetFactors, func() error { return factors.ResetFactors(ctx, id) })
	default:
		return identity.Errorf(identity.Internal, "the connector names a part of a revocation that is not known: %q", part)
	}
	if connectors.KindOf(err) == connectors.KindUnsupported {
		return nil // the reading records it
	}
	return err
}

// revokeAccess disables the account: as one who has left, where the target knows such a state.
func (w *work) revokeAccess(ctx context.Context, writer connectors.AccountWriter, account connectors.Account) error {
	if deactivator, ok := w.connector.(connectors.Deactivator); ok && w.job.Step.Leave {
		return w.change(ctx, lifecycle.ActionDisable, func() error { return deactivator.Deactivate(ctx, account.NativeID) })
	}
	if !account.Enabled {
		return nil
	}
	return w.change(ctx, lifecycle.ActionDisable, func() error { return writer.SetEnabled(ctx, account.NativeID, false) })
}

// revokeGrants takes every entitlement that the account holds.
func (w *work) revokeGrants(ctx context.Context, nativeID string) error {
	granter, ok := w.connector.(connectors.EntitlementGranter)
	if !ok {
		return nil
	}
	held, err := granter.GrantsOf(ctx, nativeID)
	if err != nil {
		return acting(lifecycle.ActionRemoveMemberships, err)
	}
	var failed []error
	for _, e := range held {
		err := w.change(ctx, lifecycle.ActionRemoveMemberships, func() error { return granter.Revoke(ctx, nativeID, e) })
		if errors.Is(err, errSuperseded) || err != nil && ctx.Err() != nil {
			return err
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	if i := slices.IndexFunc(failed, func(err error) bool { return !connectors.KindOf(err).Permanent() }); i >= 0 {
		return failed[i] // it is worth another try, which a refusal for good would hide
	}
	if len(failed) > 0 {
		return failed[0]
	}
	return nil
}
