package activities

import (
	"context"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
)

// locate finds the account: by its native id when that is known, else by the attribute that correlates.
func (w *work) locate(ctx context.Context) (connectors.Account, bool, error) {
	if id := w.job.Account.NativeID; id != "" {
		account, err := w.connector.GetAccount(ctx, id)
		if connectors.KindOf(err) != connectors.KindNotFound {
			return account, err == nil, err
		}
		if w.job.Fresh() {
			return account, false, w.mismatch("the account is not shown yet")
		}
	}
	found, err := w.find(ctx)
	if err != nil {
		return connectors.Account{}, false, err
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

// find looks the account up by the attribute that correlates; where the account may be brought back, and the target can do
// both in one request, among the deleted ones too.
func (w *work) find(ctx context.Context) (found []connectors.Account, err error) {
	finder, both := w.connector.(connectors.DeletedFinder)
	both = both && w.job.Step.Wish != nil && !w.job.Step.Held
	if both {
		w.deleted = []connectors.Account{}
	}
	for _, value := range w.job.Step.CorrelateValues {
		var accounts, deleted []connectors.Account
		if both {
			accounts, deleted, err = finder.FindAnyAccounts(ctx, w.job.Target.Correlate, value)
		} else {
			accounts, err = w.connector.FindAccounts(ctx, w.job.Target.Correlate, value)
		}
		if err != nil {
			return nil, err
		}
		found, w.deleted = append(found, accounts...), append(w.deleted, deleted...)
	}
	return found, nil
}

// restore brings back a deleted account of this person, with its native id, where the target keeps deleted accounts.
func (w *work) restore(ctx context.Context) (account connectors.Account, restored bool, err error) {
	restorer, ok := w.connector.(connectors.AccountRestorer)
	if !ok {
		return account, false, nil
	}
	deleted := w.deleted
	if deleted == nil {
		for _, value := range w.job.Step.CorrelateValues {
			found, err := restorer.FindDeleted(ctx, w.job.Target.Correlate, value)
			if err != nil {
				return account, false, acting("look up deleted", err)
			}
			deleted = append(deleted, found...)
		}
	}
	switch {
	case len(deleted) == 0:
		return account, false, nil
	case len(deleted) > 1:
		return account, false, acting(lifecycle.ActionRestore, identity.Errorf(identity.Conflict,
			"%d deleted accounts in %s have this person's %s: restore one of them, or delete them for good, then retry",
			len(deleted), w.job.Step.Target, w.job.Target.Correlate))
	}
	err = w.change(ctx, lifecycle.ActionRestore, func() (err error) {
		account, err = restorer.RestoreAccount(ctx, deleted[0].NativeID)
		return err
	})
	if connectors.KindOf(err) == connectors.KindNotFound { // its time was over in between
		return account, false, nil
	}
	if err == nil {
		err = acting(lifecycle.ActionRestore, w.job.Saw(ctx, account.NativeID))
	}
	return account, err == nil, err
}
