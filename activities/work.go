package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
)

// work is one attempt at one account: read, change what differs, read back. It never creates before it has looked, and
// asks before every change whether it still may.
type work struct {
	job       *lifecycle.Job
	connector connectors.Connector
	target    *target
	now       func() time.Time
}

// errUnverified: the target answered that it did what it was asked, and does not show it (yet).
var errUnverified = errors.New("the target does not show the change")

// errContradicted: the second reading found something else than the first.
var errContradicted = errors.New("the second reading found something else")

// actionError says which operation's action went wrong.
type actionError struct {
	action string
	err    error
}

func (e *actionError) Error() string { return e.action + ": " + e.err.Error() }
func (e *actionError) Unwrap() error { return e.err }

func acting(action string, err error) error {
	if err == nil || errors.Is(err, errSuperseded) {
		return err
	}
	return &actionError{action, err}
}

func (w work) run(ctx context.Context) (lifecycle.Reading, error) {
	account, found, err := w.locate(ctx)
	if err != nil {
		return lifecycle.Reading{}, acting("look up", err)
	}
	if w.job.Step.Wish == nil {
		return w.revoke(ctx, account, found)
	}
	return w.apply(ctx, account, found)
}

// locate finds the account: by its native id when that is known, else by the attribute that correlates.
func (w work) locate(ctx context.Context) (connectors.Account, bool, error) {
	if id := w.job.Account.NativeID; id != "" {
		account, err := w.connector.GetAccount(ctx, id)
		if connectors.KindOf(err) != connectors.KindNotFound {
			return account, err == nil, err
		}
		if w.job.Fresh() {
			return account, false, w.mismatch("the account is not shown yet")
		}
	}
	var found []connectors.Account
	for _, value := range w.job.Step.CorrelateValues {
		accounts, err := w.connector.FindAccounts(ctx, w.job.Target.Correlate, value)
		if err != nil {
			return connectors.Account{}, false, err
		}
		found = append(found, accounts...)
	}
	switch len(found) {
	case 0:
		return connectors.Account{}, false, nil
	case 1:
		return found[0], true, w.job.Saw(ctx, found[0].NativeID)
	default:
		return connectors.Account{}, false, identity.Errorf(identity.Conflict,
			"%d accounts in %s have this person's %s: leave one of them, then retry", len(found), w.job.Step.Target, w.job.Target.Correlate)
	}
}

// may asks the fence, right before a change.
func (w work) may(ctx context.Context) error {
	current, err := w.job.Current(ctx)
	if err != nil {
		return err
	}
	if !current {
		return errSuperseded
	}
	return nil
}

// change runs one changing call under the fence.
func (w work) change(ctx context.Context, action string, call func() error) error {
	if err := w.may(ctx); err != nil {
		return err
	}
	return acting(action, call())
}

// apply makes the account what policy says.
func (w work) apply(ctx context.Context, account connectors.Account, found bool) (lifecycle.Reading, error) {
	wish := w.job.Step.Wish
	writer, ok := w.connector.(connectors.AccountWriter)
	if !ok {
		return lifecycle.Reading{}, acting(lifecycle.ActionCreate, unsupported("write accounts"))
	}
	if !found && w.job.Step.Held {
		return w.read(ctx) // there is nothing to disable, and nothing may be made
	}
	created := !found
	if created {
		err := w.change(ctx, lifecycle.ActionCreate, func() (err error) {
			account, err = writer.CreateAccount(ctx, connectors.Account{Enabled: wish.Enabled, Attributes: present(wish.Attributes)})
			return err
		})
		if err != nil {
			return lifecycle.Reading{}, err
		}
		if err := w.job.Saw(ctx, account.NativeID); err != nil {
			return lifecycle.Reading{}, acting(lifecycle.ActionCreate, err)
		}
	} else if err := w.amend(ctx, writer, account); err != nil {
		return lifecycle.Reading{}, err
	}
	if err := w.entitle(ctx, account.NativeID, created); err != nil {
		return lifecycle.Reading{}, err
	}
	return w.read(ctx)
}

// amend changes what differs in an account that exists.
func (w work) amend(ctx context.Context, writer connectors.AccountWriter, account connectors.Account) error {
	wish := w.job.Step.Wish
	if changes := difference(wish.Attributes, account.Attributes); len(changes) > 0 {
		err := w.change(ctx, lifecycle.ActionUpdate, func() error { return writer.UpdateAccount(ctx, account.NativeID, changes) })
		if err != nil {
			return err
		}
	}
	switch {
	case wish.Enabled && !account.Enabled && !w.job.Step.MayEnable:
		return acting(lifecycle.ActionEnable, identity.Errorf(identity.Conflict,
			"the account was disabled in %s, not by Tenure: find out why, enable it there or end the person's employment, then retry", w.job.Step.Target))
	case wish.Enabled && !account.Enabled:
		return w.change(ctx, lifecycle.ActionEnable, func() error { return writer.SetEnabled(ctx, account.NativeID, true) })
	case !wish.Enabled && account.Enabled:
		return w.disable(ctx, writer, account.NativeID)
	}
	return nil
}

// disable disables the account and ends its sessions, in that order: a session ended before could be opened again.
func (w work) disable(ctx context.Context, writer connectors.AccountWriter, nativeID string) error {
	err := w.change(ctx, lifecycle.ActionDisable, func() error { return writer.SetEnabled(ctx, nativeID, false) })
	if err != nil {
		return err
	}
	if sessions, ok := w.connector.(connectors.SessionEnder); ok {
		return w.change(ctx, lifecycle.ActionEndSessions, func() error { return sessions.EndSessions(ctx, nativeID) })
	}
	return nil
}

// entitle takes back the recorded grants that are no longer due, then makes those that are. What else the account holds
// is not Tenure's to take.
func (w work) entitle(ctx context.Context, nativeID string, created bool) error {
	step := w.job.Step
	if len(step.Wish.Grants)+len(step.Revoke) == 0 {
		return nil
	}
	granter, ok := w.connector.(connectors.EntitlementGranter)
	if !ok {
		return acting(lifecycle.ActionGrant, unsupported("grant entitlements"))
	}
	var held []connectors.Entitlement
	if !created {
		var err error
		if held, err = granter.GrantsOf(ctx, nativeID); err != nil {
			return acting("read grants", err)
		}
	}
	for _, e := range step.Revoke {
		for _, h := range held {
			if h.Kind == e.Kind && h.Name == e.Name {
				err := w.change(ctx, lifecycle.ActionRevoke+e.Kind+"/"+e.Name, func() error { return granter.Revoke(ctx, nativeID, h) })
				if err != nil {
					return err
				}
			}
		}
	}
	if step.Held {
		return nil
	}
	for _, e := range step.Wish.Grants {
		if slices.ContainsFunc(held, func(h connectors.Entitlement) bool { return h.Kind == e.Kind && h.Name == e.Name }) {
			continue
		}
		if err := w.grant(ctx, granter, nativeID, e); err != nil {
			return err
		}
	}
	return nil
}

func (w work) grant(ctx context.Context, granter connectors.EntitlementGranter, nativeID string, e policy.Entitlement) error {
	action := lifecycle.ActionGrant + e.Kind + "/" + e.Name
	entitlement, err := w.target.entitlement(ctx, granter, e)
	if connectors.KindOf(err) == connectors.KindNotFound {
		return acting(action, &connectors.Error{Kind: connectors.KindInvalid, Action: "find " + e.Kind + " " + e.Name,
			Detail: fmt.Sprintf("%s has no %s called %q: make it there, or take it out of the policy", w.job.Step.Target, e.Kind, e.Name)})
	}
	if err != nil {
		return acting(action, err)
	}
	err = w.change(ctx, action, func() error { return granter.Grant(ctx, nativeID, entitlement) })
	if connectors.KindOf(err) == connectors.KindNotFound {
		w.target.forget(e)
	}
	return err
}

// revoke takes everything away: the account is disabled, its sessions are ended, its memberships are removed.
func (w work) revoke(ctx context.Context, account connectors.Account, found bool) (lifecycle.Reading, error) {
	if !found {
		return w.read(ctx)
	}
	writer, ok := w.connector.(connectors.AccountWriter)
	if !ok {
		return lifecycle.Reading{}, acting(lifecycle.ActionDisable, unsupported("disable accounts"))
	}
	if account.Enabled {
		if err := w.disable(ctx, writer, account.NativeID); err != nil {
			return lifecycle.Reading{}, err
		}
	} else if sessions, ok := w.connector.(connectors.SessionEnder); ok {
		err := w.change(ctx, lifecycle.ActionEndSessions, func() error { return sessions.EndSessions(ctx, account.NativeID) })
		if err != nil {
			return lifecycle.Reading{}, err
		}
	}
	if granter, ok := w.connector.(connectors.EntitlementGranter); ok {
		held, err := granter.GrantsOf(ctx, account.NativeID)
		if err != nil {
			return lifecycle.Reading{}, acting(lifecycle.ActionRemoveMemberships, err)
		}
		for _, e := range held {
			err := w.change(ctx, lifecycle.ActionRemoveMemberships, func() error { return granter.Revoke(ctx, account.NativeID, e) })
			if err != nil {
				return lifecycle.Reading{}, err
			}
		}
	}
	if w.job.Step.Delete {
		err := w.change(ctx, lifecycle.ActionDelete, func() error { return writer.DeleteAccount(ctx, account.NativeID) })
		if err != nil {
			return lifecycle.Reading{}, err
		}
	}
	return w.read(ctx)
}

func unsupported(what string) error {
	return &connectors.Error{Kind: connectors.KindUnsupported, Action: what, Detail: "the connector cannot " + what}
}

// present leaves out what should have no value.
func present(attributes map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range attributes {
		if value != nil {
			out[name] = value
		}
	}
	return out
}

// difference is what of the wish the account does not have, by attribute; nil for one that should have no value.
func difference(wish, has map[string]any) map[string]any {
	changes := map[string]any{}
	for name, value := range wish {
		if !equal(value, has[name]) {
			changes[name] = value
		}
	}
	return changes
}

// equal compares two values as JSON sees them; an empty string is no value.
func equal(a, b any) bool {
	if a == "" {
		a = nil
	}
	if b == "" {
		b = nil
	}
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
