package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tenurehq/tenure/internal/identity"
)

// Account is a row of accounts: what is known of a person's account in a target, and of the work on it.
type Account struct {
	ID       uuid.UUID
	Identity uuid.UUID
	Target   string
	NativeID string
	// CorrelateValues find the account in the target before its native id is known: more than one when the attribute
	// changed while a request to make the account may have been in flight.
	CorrelateValues []string
	State           identity.AccountState
	Epoch           int64
	PlanID          string
	PlanDigest      []byte
	AppliedDigest   []byte
	Applied         *Applied
	Reasons         json.RawMessage // why policy gives the account
	Policy          int64           // the policy's version that gave them
	Outcome         string          // "", applied, failed, blocked, held
	OutcomeVersion  int64
	OutcomePolicy   int64
	FirstFailureAt  *time.Time
	BlockedSince    *time.Time
	RetryAt         *time.Time
	Attempts        int
	InFlightUntil   *time.Time
	Disabling       bool // a request of our own may have disabled it, or may still, unseen
	VerifiedAt      *time.Time
	ConfirmedAt     *time.Time
	ConfirmDueAt    *time.Time
	CreatedAt       time.Time
}

// Applied is what was last read back from a target.
type Applied struct {
	Enabled    bool           `json:"enabled"`
	Attributes map[string]any `json:"attributes"`
}

const selectAccount = `select id, identity_id, target, coalesce(native_id, ''), correlate_values, state, epoch, plan_id, plan_digest,
	applied_digest, applied, reasons, policy,
	outcome, outcome_version, outcome_policy, first_failure_at, blocked_since, retry_at, attempts, in_flight_until, disabling, verified_at,
	confirmed_at, confirm_due_at, created_at from accounts `

func scanAccount(row pgx.CollectableRow) (Account, error) {
	var a Account
	var applied []byte
	err := row.Scan(&a.ID, &a.Identity, &a.Target, &a.NativeID, &a.CorrelateValues, &a.State, &a.Epoch, &a.PlanID, &a.PlanDigest,
		&a.AppliedDigest, &applied, &a.Reasons, &a.Policy,
		&a.Outcome, &a.OutcomeVersion, &a.OutcomePolicy, &a.FirstFailureAt, &a.BlockedSince, &a.RetryAt, &a.Attempts, &a.InFlightUntil, &a.Disabling,
		&a.VerifiedAt, &a.ConfirmedAt, &a.ConfirmDueAt, &a.CreatedAt)
	if err == nil && applied != nil {
		err = json.Unmarshal(applied, &a.Applied)
	}
	return a, err
}

// Accounts reads an identity's accounts, by target.
func (tx *Tx) Accounts(ctx context.Context, id uuid.UUID) ([]Account, error) {
	rows, err := tx.Query(ctx, selectAccount+`where org = $1 and identity_id = $2 order by target`, tx.Org, id)
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	return pgx.CollectRows(rows, scanAccount)
}

// AccountsForUpdate reads an identity's accounts and locks them; the identity's row is locked before.
func (tx *Tx) AccountsForUpdate(ctx context.Context, id uuid.UUID) ([]Account, error) {
	rows, err := tx.Query(ctx, selectAccount+`where org = $1 and identity_id = $2 order by target for update`, tx.Org, id)
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	return pgx.CollectRows(rows, scanAccount)
}

// Fence raises the epoch of all the identity's accounts, so that no attempt that began before may commit its outcome.
func (tx *Tx) Fence(ctx context.Context, id uuid.UUID) error {
	tx.write("fence accounts", `update accounts set epoch = epoch + 1 where org = $1 and identity_id = $2`, tx.Org, id)
	return nil
}

// PlanAccount records what a plan asks of an account, under a new epoch, and makes the row of one that does not exist
// yet. What was verified before holds no longer, since half of what is asked may happen unseen. Operations that earlier
// plans left open are superseded.
func (tx *Tx) PlanAccount(ctx context.Context, a Account) error {
	tx.write("plan account", `
		insert into accounts (org, id, identity_id, target, state, epoch, plan_id, plan_digest, reasons, policy, correlate_values, created_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		on conflict (org, id) do update set state = excluded.state, epoch = excluded.epoch, plan_id = excluded.plan_id,
			plan_digest = excluded.plan_digest, reasons = excluded.reasons, policy = excluded.policy,
			correlate_values = excluded.correlate_values, outcome = '', first_failure_at = null, retry_at = null, attempts = 0,
			confirmed_at = null, applied_digest = '', updated_at = now()`,
		tx.Org, a.ID, a.Identity, a.Target, a.State, a.Epoch, a.PlanID, a.PlanDigest, a.Reasons, a.Policy, a.CorrelateValues, a.CreatedAt)
	if a.Epoch == 1 { // it has just been made: nothing was asked of it before
		return nil
	}
	tx.write("supersede operations", `update operations set status = 'superseded'
		where org = $1 and account_id = $2 and status in ('requested', 'running', 'blocked', 'failed', 'held')`, tx.Org, a.ID)
	return nil
}

// SaveReasons updates why an account is given, when nothing else about it changes.
func (tx *Tx) SaveReasons(ctx context.Context, account uuid.UUID, reasons json.RawMessage, policy int64) error {
	tx.write("write reasons", `update accounts set reasons = $3, policy = $4 where org = $1 and id = $2`, tx.Org, account, reasons, policy)
	return nil
}

// ResumeAccount asks once more for what the account's plan asked for already: the next attempt of a blocked one.
func (tx *Tx) ResumeAccount(ctx context.Context, account uuid.UUID) error {
	tx.write("resume account", `update accounts set outcome = '', first_failure_at = null, retry_at = null where org = $1 and id = $2`, tx.Org, account)
	return nil
}

// Attempt is the beginning of work on an account.
type Attempt struct {
	Account uuid.UUID
	Epoch   int64
	Now     time.Time // when it begins
	// InFlightUntil is how long its requests may take effect unseen; nil when none will be made.
	InFlightUntil *time.Time
	Disables      bool // it may disable the account
	Confirms      bool // it only reads back once more
}

// BeginAttempt records that requests are about to be made for the account, before the first one. It answers the account
// as it was, but with Attempts counting this one, and began false when another epoch has begun. An account that already is
// what the attempt is for, since the answer of an earlier one was lost, is left alone: done is true.
func (tx *Tx) BeginAttempt(ctx context.Context, at Attempt) (account Account, began, done bool, err error) {
	rows, err := tx.Query(ctx, selectAccount+`where org = $1 and id = $2 for update`, tx.Org, at.Account)
	if err != nil {
		return Account{}, false, false, fmt.Errorf("begin attempt: %w", err)
	}
	account, err = pgx.CollectExactlyOneRow(rows, scanAccount)
	if errors.Is(err, pgx.ErrNoRows) {
		return account, false, false, nil // the database was set back: Plan finds out
	}
	if err != nil {
		return account, false, false, fmt.Errorf("begin attempt: %w", err)
	}
	if account.Epoch != at.Epoch {
		return account, false, false, nil
	}
	applied := len(account.AppliedDigest) > 0 && bytes.Equal(account.AppliedDigest, account.PlanDigest)
	if at.Confirms && account.ConfirmedAt != nil || !at.Confirms && applied {
		return account, false, true, nil
	}
	tx.write("begin attempt", `
		with attempted as (
			update accounts set attempts = attempts + 1, outcome = '', retry_at = null,
				in_flight_until = greatest(in_flight_until, $3),
				disabling = disabling or $5, updated_at = now()
			where org = $1 and id = $2
		)
		update operations set status = 'running', started_at = coalesce(started_at, $4), attempts = attempts + 1
		where org = $1 and account_id = $2 and plan_id = $6 and status in ('requested', 'running', 'failed', 'blocked')`,
		tx.Org, at.Account, at.InFlightUntil, at.Now, at.Disables, account.PlanID)
	account.Attempts++
	return account, true, false, nil
}

// IsCurrent reports whether an attempt is the account's newest, under its epoch: asked before every call that changes
// something in a target.
func (s *Store) IsCurrent(ctx context.Context, org string, account uuid.UUID, epoch int64, attempt int, urgent bool) (bool, error) {
	var current bool
	err := s.one(ctx, org, urgent, func(batch *pgx.Batch) {
		batch.Queue(`select exists (select from accounts where org = $1 and id = $2 and epoch = $3 and attempts = $4)`, org, account, epoch, attempt)
	}, func(results pgx.BatchResults) error { return results.QueryRow().Scan(&current) })
	if err != nil {
		return false, fmt.Errorf("read epoch: %w", err)
	}
	return current, nil
}

// one runs a single statement in one round trip: the organization's setting goes with it, in the batch's implicit
// transaction.
func (s *Store) one(ctx context.Context, org string, urgent bool, queue func(*pgx.Batch), read func(pgx.BatchResults) error) error {
	pool := s.app
	if urgent {
		pool = s.urgent
	}
	batch := &pgx.Batch{}
	batch.Queue(`select set_config('tenure.org', $1, true)`, org)
	queue(batch)
	results := pool.SendBatch(ctx, batch)
	defer func() { _ = results.Close() }()
	if _, err := results.Exec(); err != nil {
		return err
	}
	return read(results)
}

// SetNativeID stores an id that was seen in the target, whatever the epoch: an observation is never refused. Conflict
// when another identity's account has it.
func (s *Store) SetNativeID(ctx context.Context, org string, account uuid.UUID, nativeID string, urgent bool) error {
	err := s.one(ctx, org, urgent, func(batch *pgx.Batch) {
		batch.Queue(`update accounts set native_id = $3, updated_at = now() where org = $1 and id = $2 and native_id is distinct from $3`,
			org, account, nativeID)
	}, func(results pgx.BatchResults) error { _, err := results.Exec(); return err })
	if isUnique(err) {
		return identity.Errorf(identity.Conflict, "the target's account %s is already linked to another identity", nativeID)
	}
	if err != nil {
		return fmt.Errorf("store native id: %w", err)
	}
	return nil
}

// Verified is an outcome that was read back.
type Verified struct {
	Account      uuid.UUID
	Epoch        int64
	Attempt      int
	State        identity.AccountState
	Digest       []byte
	Applied      Applied
	Version      int64
	Policy       int64
	At           time.Time
	ConfirmDue   *time.Time // when to read back once more; nil: not needed
	Confirmed    bool       // this was that second reading
	StillFlying  bool       // an earlier attempt's request may still be in flight
	ClearsNative bool       // the account is gone from the target
}

// CommitVerified records an outcome, if the attempt is still the newest under its epoch; it answers whether it was.
func (tx *Tx) CommitVerified(ctx context.Context, v Verified) (bool, error) {
	applied, err := json.Marshal(v.Applied)
	if err != nil {
		return false, fmt.Errorf("commit outcome: %w", err)
	}
	tag, err := tx.Exec(ctx, `update accounts set state = $4, applied_digest = $5, applied = $6, outcome = 'applied', outcome_version = $7,
			outcome_policy = $8, first_failure_at = null, blocked_since = null, retry_at = null,
			verified_at = case when $11 then verified_at else $9::timestamptz end, confirm_due_at = case when $11 then null else $10::timestamptz end,
			confirmed_at = case when $11 then $9::timestamptz end, in_flight_until = case when $12 then in_flight_until end,
			disabling = disabling and $12,
			native_id = case when $13 then null else native_id end, updated_at = now()
		where org = $1 and id = $2 and epoch = $3 and attempts = $14`,
		tx.Org, v.Account, v.Epoch, v.State, v.Digest, applied, v.Version, v.Policy, v.At, v.ConfirmDue, v.Confirmed, v.StillFlying,
		v.ClearsNative, v.Attempt)
	if err != nil {
		return false, fmt.Errorf("commit outcome: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// Unapply forgets what was verified of an account, since a later reading found otherwise: the next plan does the work
// again.
func (tx *Tx) Unapply(ctx context.Context, account uuid.UUID, epoch int64, attempt int) (bool, error) {
	tag, err := tx.Exec(ctx, `update accounts set applied_digest = '', outcome = '', verified_at = null, confirmed_at = null,
		confirm_due_at = null, updated_at = now() where org = $1 and id = $2 and epoch = $3 and attempts = $4`, tx.Org, account, epoch, attempt)
	if err != nil {
		return false, fmt.Errorf("forget outcome: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// Setback is an attempt that did not come to its end.
type Setback struct {
	Account uuid.UUID
	Epoch   int64
	Attempt int
	Outcome string // "" while it will be tried again, else blocked or failed
	Version int64
	Policy  int64
	At      time.Time
	RetryAt *time.Time
	// Clean is true when every request was answered: nothing of this attempt can still take effect, and InFlightUntil is
	// what it was before.
	Clean         bool
	InFlightUntil *time.Time
	// Busy is true when the target had no time for it: that is no failure, and the step has not begun to fail.
	Busy bool
}

// CommitSetback records a failure, if the attempt is still the newest under its epoch.
func (tx *Tx) CommitSetback(ctx context.Context, b Setback) (bool, error) {
	tag, err := tx.Exec(ctx, `update accounts set outcome = $4, outcome_version = $5, outcome_policy = $6,
			first_failure_at = case when $12 then first_failure_at else coalesce(first_failure_at, $7::timestamptz) end, retry_at = $8,
			blocked_since = case when $4 in ('blocked', 'failed') then coalesce(blocked_since, $7::timestamptz) else blocked_since end,
			in_flight_until = case when $9 then $10::timestamptz else in_flight_until end, updated_at = now()
		where org = $1 and id = $2 and epoch = $3 and attempts = $11`,
		tx.Org, b.Account, b.Epoch, b.Outcome, b.Version, b.Policy, b.At, b.RetryAt, b.Clean, b.InFlightUntil, b.Attempt, b.Busy)
	if err != nil {
		return false, fmt.Errorf("commit setback: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// Suspect notes that a request may have taken effect in a target after its account was settled: the account is read
// again at the given time.
func (tx *Tx) Suspect(ctx context.Context, account uuid.UUID, until time.Time) error {
	tx.write("suspect account", `update accounts set in_flight_until = greatest(in_flight_until, $3), confirmed_at = null,
		confirm_due_at = greatest(confirm_due_at, $3), updated_at = now() where org = $1 and id = $2`, tx.Org, account, until)
	return nil
}
