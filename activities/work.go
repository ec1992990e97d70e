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

	// deleted are the accounts of this person that locate found among those that the target has deleted; nil when it did not
	// look there.
	deleted []connectors.Account
	// seen is what a change showed of the account that it was made to; nil when it showed nothing, or not all.
	seen *connectors.Sight
	// created is the account that this attempt made, as the target answered it; nil when that does not count as a reading.
	created *connectors.Account
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

func (w *work) run(ctx context.Context) (lifecycle.Reading, error) {
	account, found, err := w.locate(ctx)
	if err != nil {
		return lifecycle.Reading{}, acting("look up", err)
	}
	if w.job.Step.Wish == nil {
		return w.revoke(ctx, account, found)
	}
	return w.apply(ctx, account, found)
}

// may asks the fence, right before a change.
func (w *work) may(ctx context.Context) error {
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
func (w *work) change(ctx context.Context, action string, call func() error) error {
	if err := w.may(ctx); err != nil {
		return err
	}
	return acting(action, call())
}

// apply makes the account what policy says.
func (w *work) apply(ctx context.Context, account connectors.Account, found bool) (lifecycle.Reading, error) {
	writer, ok := w.connector.(connectors.AccountWriter)
	if !ok {
		return lifecycle.Reading{}, acting(lifecycle.ActionCreate, unsupported("write accounts"))
	}
	if !found && w.job.Step.Held {
		return w.read(ctx) // there is nothing to disable, and nothing may be made
	}
	var held []connectors.Entitlement // of a new account, as far as it was made with any
	restored, created := false, false
	if !found {
		var err error
		if account, restored, err = w.restore(ctx); err != nil {
			return lifecycle.Reading{}, err
		}
		if created = !restored; created {
			if account, held, err = w.create(ctx, writer); err != nil {
				return lifecycle.Reading{}, err
			}
		}
	}
	if !created {
		if err := w.amend(ctx, writer, account, restored); err != nil {
			return lifecycle.Reading{}, err
		}
	}
	if err := w.entitle(ctx, account.NativeID, created, held); err != nil {
		return lifecycle.Reading{}, err
	}
	return w.readBack(ctx)
}

// create makes the account, with entitlements where the target can, and answers which those are. An account that came with
// its native id is kept in sight whatever went wrong after it was made: else a leave would not know of it.
func (w *work) create(ctx context.Context, writer connectors.AccountWriter) (account connectors.Account, held []connectors.Entitlement, err error) {
	wish := w.job.Step.Wish
	wanted := connectors.Account{Enabled: wish.Enabled, Attributes: present(wish.Attributes)}
	call := func() (err error) {
		account, err = writer.CreateAccount(ctx, wanted)
		return err
	}
	creator, granting := w.connector.(connectors.GrantingCreator)
	if granting {
		granter, ok := w.connector.(connectors.EntitlementGranter)
		if !ok {
			return account, nil, acting(lifecycle.ActionGrant, unsupported("grant entitlements"))
		}
		entitlements, err := w.resolve(ctx, granter, wish.Grants)
		if err != nil {
			return account, nil, err
		}
		call = func() error {
			var left []connectors.Entitlement
			account, left, err = creator.CreateAccountWith(ctx, wanted, entitlements)
			held = slices.DeleteFunc(slices.Clone(entitlements), func(e connectors.Entitlement) bool { return slices.Contains(left, e) })
			return err
		}
	}
	err = w.change(ctx, lifecycle.ActionCreate, call)
	if account.NativeID != "" {
		keeping, done := recording(ctx) // the attempt's time may be what went wrong
		defer done()
		err = errors.Join(err, acting(lifecycle.ActionCreate, w.job.Saw(keeping, account.NativeID)))
	}
	if err != nil {
		return account, nil, err
	}
	if granting {
		w.created = &account
	}
	return account, held, nil
}

// amend changes what differs in an account that exists. restored says that this attempt has just brought it back.
func (w *work) amend(ctx context.Context, writer connectors.AccountWriter, account connectors.Account, restored bool) error {
	wish := w.job.Step.Wish
	enable := wish.Enabled && !account.Enabled
	if enable && !w.job.Step.MayEnable && !restored {
		return acting(lifecycle.ActionEnable, identity.Errorf(identity.Conflict,
			"the account was disabled in %s, not by Tenure: find out why, enable it there or end the person's employment, then retry", w.job.Step.Target))
	}
	steps := []func() error{
		func() error { return w.update(ctx, writer, account) },
		func() error {
			if !enable {
				return nil
			}
			return w.change(ctx, lifecycle.ActionEnable, func() error { return writer.SetEnabled(ctx, account.NativeID, true) })
		},
	}
	if _, ok := w.connector.(connectors.Deactivator); ok { // nothing can be written to one who was deactivated
		slices.Reverse(steps)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	// An earlier attempt may have disabled the account and not have come to its sessions: the record knows that it was active.
	if !wish.Enabled && (account.Enabled || w.job.Account.State == identity.AccountActive) {
		return w.disable(ctx, writer, account.NativeID)
	}
	return nil
}

// update writes the attributes that differ.
func (w *work) update(ctx context.Context, writer connectors.AccountWriter, account connectors.Account) error {
	changes := difference(w.job.Step.Wish.Attributes, account.Attributes)
	if len(changes) == 0 {
		return nil
	}
	return w.change(ctx, lifecycle.ActionUpdate, func() error { return writer.UpdateAccount(ctx, account.NativeID, changes) })
}

// disable disables the account and ends its sessions, in that order: a session ended before could be opened again.
func (w *work) disable(ctx context.Context, writer connectors.AccountWriter, nativeID string) error {
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
func (w *work) entitle(ctx context.Context, nativeID string, created bool, held []connectors.Entitlement) error {
	step := w.job.Step
	if len(step.Wish.Grants)+len(step.Revoke) == 0 {
		return nil
	}
	granter, ok := w.connector.(connectors.EntitlementGranter)
	if !ok {
		return acting(lifecycle.ActionGrant, unsupported("grant entitlements"))
	}
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
	missing := slices.DeleteFunc(slices.Clone(step.Wish.Grants), func(e policy.Entitlement) bool {
		return slices.ContainsFunc(held, func(h connectors.Entitlement) bool { return h.Kind == e.Kind && h.Name == e.Name })
	})
	if bulk, ok := w.connector.(connectors.BulkGranter); ok && len(missing) > 0 {
		return w.grantAll(ctx, bulk, granter, nativeID, missing)
	}
	for _, e := range missing {
		if err := w.grant(ctx, granter, nativeID, e); err != nil {
			return err
		}
	}
	return nil
}

// resolve finds what policy calls the entitlements in the target.
func (w *work) resolve(ctx context.Context, granter connectors.EntitlementGranter, entitlements []policy.Entitlement) ([]connectors.Entitlement, error) {
	found := make([]connectors.Entitlement, len(entitlements))
	for i, e := range entitlements {
		var err error
		found[i], err = w.target.entitlement(ctx, granter, e)
		if connectors.KindOf(err) == connectors.KindNotFound {
			err = &connectors.Error{Kind: connectors.KindInvalid, Action: "find " + e.Kind + " " + e.Name,
				Detail: fmt.Sprintf("%s has no %s called %q: make it there, or take it out of the policy", w.job.Step.Target, e.Kind, e.Name)}
		}
		if err != nil {
			return nil, acting(lifecycle.ActionGrant+e.Kind+"/"+e.Name, err)
		}
	}
	return found, nil
}

func (w *work) grant(ctx context.Context, granter connectors.EntitlementGranter, nativeID string, e policy.Entitlement) error {
	found, err := w.resolve(ctx, granter, []policy.Entitlement{e})
	if err != nil {
		return err
	}
	err = w.change(ctx, lifecycle.ActionGrant+e.Kind+"/"+e.Name, func() error { return granter.Grant(ctx, nativeID, found[0]) })
	if connectors.KindOf(err) == connectors.KindNotFound {
		w.target.forget(e)
	}
	return err
}

// grantAll makes several grants at once.
func (w *work) grantAll(ctx context.Context, bulk connectors.BulkGranter, granter connectors.EntitlementGranter, nativeID string,
	missing []policy.Entitlement,
) error {
	found, err := w.resolve(ctx, granter, missing)
	if err != nil {
		return err
	}
	first := missing[0]
	err = w.change(ctx, lifecycle.ActionGrant+first.Kind+"/"+first.Name, func() (err error) {
		w.seen, err = bulk.GrantAll(ctx, nativeID, found)
		return err
	})
	if connectors.KindOf(err) == connectors.KindNotFound {
		for _, e := range missing {
			w.target.forget(e)
		}
	}
	return err
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
