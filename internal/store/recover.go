package store

import (
	"context"
	"fmt"
	"time"
)

// Hold stops grants and enablements in the organization; it answers whether they were allowed until now.
func (tx *Tx) Hold(ctx context.Context, now time.Time) (bool, error) {
	tag, err := tx.Exec(ctx, `update organizations set held_since = $2 where id = $1 and held_since is null`, tx.Org, now)
	if err != nil {
		return false, fmt.Errorf("hold organization: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// RaiseAboveEverything raises all versions and epochs by more than a database that was set back can have lost, which
// leaves every identity unsettled, and begins a new epoch of the record. It answers how many identities there are.
func (tx *Tx) RaiseAboveEverything(ctx context.Context) (int, error) {
	if _, err := tx.Exec(ctx, `select from identities where org = $1 order by id for no key update`, tx.Org); err != nil {
		return 0, fmt.Errorf("raise versions: %w", err)
	}
	tag, err := tx.Exec(ctx, `update identities set version = version + (1::bigint << 32), poked_at = null, swept_at = null where org = $1`, tx.Org)
	if err != nil {
		return 0, fmt.Errorf("raise versions: %w", err)
	}
	if _, err := tx.Exec(ctx, `update accounts set epoch = epoch + (1::bigint << 32) where org = $1`, tx.Org); err != nil {
		return 0, fmt.Errorf("raise epochs: %w", err)
	}
	if _, err := tx.Exec(ctx, `update organizations set audit_epoch = audit_epoch + 1 where id = $1`, tx.Org); err != nil {
		return 0, fmt.Errorf("raise audit epoch: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// Release ends a hold and unsettles every identity; it answers whether there was a hold.
func (tx *Tx) Release(ctx context.Context) (bool, error) {
	tag, err := tx.Exec(ctx, `update organizations set held_since = null where id = $1 and held_since is not null`, tx.Org)
	if err != nil {
		return false, fmt.Errorf("release organization: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return false, nil
	}
	if _, err := tx.Exec(ctx, `select from identities where org = $1 order by id for no key update`, tx.Org); err != nil {
		return false, fmt.Errorf("release organization: %w", err)
	}
	_, err = tx.Exec(ctx, `update identities set version = version + 1, poked_at = null, swept_at = null where org = $1`, tx.Org)
	if err != nil {
		return false, fmt.Errorf("release organization: %w", err)
	}
	return true, nil
}
