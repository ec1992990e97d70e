package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tenurehq/tenure/internal/identity"
)

// Operation is one action on one account, with the times of its life and the target's evidence.
type Operation struct {
	ID          uuid.UUID      `json:"id"`
	Identity    uuid.UUID      `json:"identityId"`
	Account     *uuid.UUID     `json:"accountId,omitempty"` // nil: the plan itself
	PlanID      string         `json:"planId"`
	Target      string         `json:"target"`
	Action      string         `json:"action"`
	Status      string         `json:"status"`
	Tier        *int           `json:"tier,omitempty"`
	DeadlineAt  *time.Time     `json:"deadlineAt,omitempty"`
	RequestedAt time.Time      `json:"requestedAt"`
	StartedAt   *time.Time     `json:"startedAt,omitempty"`
	DoneAt      *time.Time     `json:"doneAt,omitempty"`
	VerifiedAt  *time.Time     `json:"verifiedAt,omitempty"`
	ConfirmedAt *time.Time     `json:"confirmedAt,omitempty"`
	Attempts    int            `json:"attempts"`
	ErrorCode   string         `json:"errorCode,omitempty"`
	ErrorDetail string         `json:"errorDetail,omitempty"`
	Evidence    map[string]any `json:"evidence,omitempty"`
}

const selectOperations = `select id, identity_id, account_id, plan_id, target, action, status, tier, deadline_at, requested_at, started_at,
	done_at, verified_at, confirmed_at, attempts, error_code, error_detail, evidence from operations `

func scanOperation(row pgx.CollectableRow) (Operation, error) {
	var o Operation
	var evidence []byte
	err := row.Scan(&o.ID, &o.Identity, &o.Account, &o.PlanID, &o.Target, &o.Action, &o.Status, &o.Tier, &o.DeadlineAt, &o.RequestedAt,
		&o.StartedAt, &o.DoneAt, &o.VerifiedAt, &o.ConfirmedAt, &o.Attempts, &o.ErrorCode, &o.ErrorDetail, &evidence)
	if err != nil {
		return o, err
	}
	return o, json.Unmarshal(evidence, &o.Evidence)
}

// InsertOperations records what a plan asks for. An operation's key is (identity, plan, target, action): the same plan
// written twice makes no second row.
func (tx *Tx) InsertOperations(ctx context.Context, operations []Operation) error {
	for _, o := range operations {
		tx.write("record operations", `insert into operations (org, id, identity_id, account_id, plan_id, target, action, status, tier, deadline_at, requested_at,
				error_code, error_detail)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) on conflict (org, identity_id, plan_id, target, action) do nothing`,
			tx.Org, o.ID, o.Identity, o.Account, o.PlanID, o.Target, o.Action, o.Status, o.Tier, o.DeadlineAt, o.RequestedAt, o.ErrorCode, o.ErrorDetail)
	}
	return nil
}

// SupersedePlanFailures closes what earlier plans of an identity could not decide, now that a newer one has looked.
func (tx *Tx) SupersedePlanFailures(ctx context.Context, id uuid.UUID) error {
	tx.write("supersede plan failures", `update operations set status = 'superseded'
		where org = $1 and identity_id = $2 and account_id is null and status = 'failed'`, tx.Org, id)
	return nil
}

// HasPlanFailure reports whether it is on record that a plan of the identity could do nothing about a target.
func (tx *Tx) HasPlanFailure(ctx context.Context, id uuid.UUID, target string) (bool, error) {
	var has bool
	err := tx.QueryRow(ctx, `select exists (select from operations where org = $1 and identity_id = $2 and account_id is null and status = 'failed'
		and target = $3)`, tx.Org, id, target).Scan(&has)
	if err != nil {
		return false, fmt.Errorf("read plan failures: %w", err)
	}
	return has, nil
}

// Finding is how one action of an attempt went.
type Finding struct {
	Action   string
	Status   string // verified, unsupported, failed, blocked
	Done     *time.Time
	Verified *time.Time
	Code     string
	Detail   string // the target's own words; may name people
	Evidence map[string]any
	// Passing says of a failure that the same may work later without anybody doing anything.
	Passing bool
}

// RecordFindings writes how the actions of a plan went for an account.
func (tx *Tx) RecordFindings(ctx context.Context, account uuid.UUID, planID string, findings []Finding) error {
	n := len(findings)
	actions, statuses, codes, details := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	done, verified, evidence := make([]*time.Time, n), make([]*time.Time, n), make([][]byte, n)
	for i, f := range findings {
		actions[i], statuses[i], codes[i], details[i], done[i], verified[i] = f.Action, f.Status, f.Code, f.Detail, f.Done, f.Verified
		evidence[i] = []byte("{}")
		if f.Evidence != nil {
			var err error
			if evidence[i], err = json.Marshal(f.Evidence); err != nil {
				return fmt.Errorf("record %s: %w", f.Action, err)
			}
		}
	}
	tx.write("record findings", `update operations o set status = f.status, done_at = coalesce(o.done_at, f.done),
			verified_at = coalesce(o.verified_at, f.verified), error_code = f.code, error_detail = f.detail, evidence = f.evidence
		from unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[], $10::jsonb[])
			as f(action, status, code, detail, done, verified, evidence)
		where o.org = $1 and o.account_id = $2 and o.plan_id = $3 and o.action = f.action and o.status <> 'superseded'`,
		tx.Org, account, planID, actions, statuses, codes, details, done, verified, evidence)
	return nil
}

// ConfirmOperations marks the verified operations of an account's plan as confirmed.
func (tx *Tx) ConfirmOperations(ctx context.Context, account uuid.UUID, planID string, now time.Time) error {
	tx.write("confirm operations", `update operations set status = 'confirmed', confirmed_at = $4
		where org = $1 and account_id = $2 and plan_id = $3 and status = 'verified'`, tx.Org, account, planID, now)
	return nil
}

// OperationsOf lists an identity's operations, the newest first.
func (tx *Tx) OperationsOf(ctx context.Context, id uuid.UUID) ([]Operation, error) {
	rows, err := tx.Query(ctx, selectOperations+`where org = $1 and identity_id = $2 order by requested_at desc, target, action limit 1000`, tx.Org, id)
	if err != nil {
		return nil, fmt.Errorf("list operations: %w", err)
	}
	return pgx.CollectRows(rows, scanOperation)
}

// OperationFilter chooses operations of the whole organization.
type OperationFilter struct {
	// Status is a status of an operation, or "stuck": a leave's operation that is open past its deadline.
	Status string
	Now    time.Time
	After  uuid.UUID // the last id of the page before; zero: the first page
	Limit  int
}

// openOperations is the condition of the index of what is not over. Its second half is true of every row, and keeps the index
// to those who ask for it: who looks up an account's open operations would be given it, too, see migration 8.
const openOperations = `status in ('requested', 'running', 'failed', 'blocked', 'held') and requested_at > '-infinity'`

// overdue is what of a leave's operations counts as stuck. Its parameter is now.
const overdue = openOperations + ` and status <> 'held' and deadline_at < %s`

// Operations lists operations by id.
func (tx *Tx) Operations(ctx context.Context, f OperationFilter) ([]Operation, error) {
	args := []any{tx.Org, f.After, f.Limit}
	var which string
	switch f.Status {
	case "":
	case "stuck":
		which, args = " and "+fmt.Sprintf(overdue, "$4"), append(args, f.Now)
	case "requested", "running", "failed", "blocked", "held": // in words, since a parameter would not prove that the index has them
		which = " and status = '" + f.Status + "' and " + openOperations
	default:
		which, args = " and status = $4", append(args, f.Status)
	}
	rows, err := tx.Query(ctx, selectOperations+`where org = $1 and id > $2`+which+` order by id limit $3`, args...)
	if err != nil {
		return nil, fmt.Errorf("list operations: %w", err)
	}
	return pgx.CollectRows(rows, scanOperation)
}

// Operation reads one operation.
func (tx *Tx) Operation(ctx context.Context, id uuid.UUID) (Operation, error) {
	rows, err := tx.Query(ctx, selectOperations+`where org = $1 and id = $2`, tx.Org, id)
	if err != nil {
		return Operation{}, fmt.Errorf("read operation: %w", err)
	}
	o, err := pgx.CollectExactlyOneRow(rows, scanOperation)
	if errors.Is(err, pgx.ErrNoRows) {
		return o, identity.Errorf(identity.NotFound, "no operation %s in organization %q", id, tx.Org)
	}
	return o, err
}

// Grant is one account holding one entitlement, with the reasons why.
type Grant struct {
	Account    uuid.UUID
	Kind       string
	Name       string
	State      string // pending, active, revoked
	Reasons    json.RawMessage
	Policy     int64
	GrantedAt  *time.Time
	RevokedAt  *time.Time
	VerifiedAt *time.Time
}

// GrantsOf reads the grants of all an identity's accounts, those taken back included.
func (tx *Tx) GrantsOf(ctx context.Context, id uuid.UUID) ([]Grant, error) {
	rows, err := tx.Query(ctx, `select g.account_id, g.kind, g.name, g.state, g.reasons, g.policy, g.granted_at, g.revoked_at, g.verified_at
		from grants g join accounts a on a.org = g.org and a.id = g.account_id
		where g.org = $1 and a.identity_id = $2 order by a.target, g.kind, g.name`, tx.Org, id)
	if err != nil {
		return nil, fmt.Errorf("read grants: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Grant, error) {
		var g Grant
		err := row.Scan(&g.Account, &g.Kind, &g.Name, &g.State, &g.Reasons, &g.Policy, &g.GrantedAt, &g.RevokedAt, &g.VerifiedAt)
		return g, err
	})
}

// RequestGrants records, with their reasons, the grants that a plan will make; one that is active keeps its state.
func (tx *Tx) RequestGrants(ctx context.Context, grants []Grant) error {
	for _, g := range grants {
		tx.write("record grants", `insert into grants (org, account_id, kind, name, state, reasons, policy) values ($1, $2, $3, $4, 'pending', $5, $6)
			on conflict (org, account_id, kind, name) do update set reasons = excluded.reasons, policy = excluded.policy,
				state = case when grants.state = 'revoked' then 'pending' else grants.state end`,
			tx.Org, g.Account, g.Kind, g.Name, g.Reasons, g.Policy)
	}
	return nil
}

// CommitGrants records what a reading of the account's entitlements proved: the named grants are active, every other
// recorded one is revoked. Names are "kind/name".
func (tx *Tx) CommitGrants(ctx context.Context, account uuid.UUID, held []string, now time.Time) error {
	tx.write("commit grants", `update grants set
			state = case when kind || '/' || name = any($3) then 'active' else 'revoked' end,
			granted_at = case when kind || '/' || name = any($3) and state <> 'active' then $4::timestamptz else granted_at end,
			revoked_at = case when kind || '/' || name = any($3) then null when state <> 'revoked' then $4::timestamptz else revoked_at end,
			verified_at = $4
		where org = $1 and account_id = $2`, tx.Org, account, held, now)
	return nil
}

// PlanRow is a stored plan: what the workflow was answered, and what each account should become.
type PlanRow struct {
	ID       string
	Identity uuid.UUID
	Version  int64
	Policy   int64
	Stage    string
	AsOf     time.Time
	Result   []byte
	Steps    []byte
}

// SavePlan stores a plan under its id.
func (tx *Tx) SavePlan(ctx context.Context, p PlanRow) error {
	tx.write("store plan", `insert into plans (org, id, identity_id, version, policy, stage, as_of, result, steps)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (org, id) do nothing`,
		tx.Org, p.ID, p.Identity, p.Version, p.Policy, p.Stage, p.AsOf, p.Result, p.Steps)
	return nil
}

// Plan reads a stored plan; nil when there is none of that id.
func (tx *Tx) Plan(ctx context.Context, id string) (*PlanRow, error) {
	var p PlanRow
	err := tx.QueryRow(ctx, `select id, identity_id, version, policy, stage, as_of, result, steps from plans where org = $1 and id = $2`, tx.Org, id).
		Scan(&p.ID, &p.Identity, &p.Version, &p.Policy, &p.Stage, &p.AsOf, &p.Result, &p.Steps)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	return &p, nil
}

// RecordFailure writes that an action of a plan went wrong for an account, and that those open beside it wait with it. What
// went wrong before any of them began, such as a look-up, is the reason of all.
func (tx *Tx) RecordFailure(ctx context.Context, account uuid.UUID, planID string, f Finding) error {
	tx.write("record failure", `update operations o set status = $5, error_code = $6, error_detail = case
				when o.action = $4 then $7
				when $7 = '' or failed.listed then ''
				else $4 || ': ' || $7 end
		from (select exists (select from operations where org = $1 and account_id = $2 and plan_id = $3 and action = $4
			and status in ('requested', 'running', 'blocked', 'failed')) as listed) failed
		where o.org = $1 and o.account_id = $2 and o.plan_id = $3 and o.status in ('requested', 'running', 'blocked', 'failed')`,
		tx.Org, account, planID, f.Action, f.Status, f.Code, f.Detail)
	return nil
}

// Asked is what an attempt has to know before it begins.
type Asked struct {
	Step          []byte // the account's step of the plan
	Held          bool   // grants and enablements are held
	PolicyVersion int64  // in force
	Health        string // of the target
	HealthSince   time.Time
	Since         *time.Time // when the plan's first attempt at the account began; nil: this is the first
}

// AskedOf reads what a plan asks of an account, and what is true around it; nil when there is no such plan.
func (tx *Tx) AskedOf(ctx context.Context, planID, account, target string) (*Asked, error) {
	var a Asked
	err := tx.QueryRow(ctx, `select p.steps->$3::text, o.held_since is not null, o.policy_version, t.health, t.health_since,
			(select min(x.started_at) from operations x where x.org = p.org and x.account_id = $3::text::uuid and x.plan_id = p.id
				and x.status in ('requested', 'running', 'done', 'verified', 'blocked', 'failed', 'held'))
		from plans p join organizations o on o.id = p.org join targets t on t.org = p.org and t.name = $4
		where p.org = $1 and p.id = $2 and p.steps ? $3::text`, tx.Org, planID, account, target).
		Scan(&a.Step, &a.Held, &a.PolicyVersion, &a.Health, &a.HealthSince, &a.Since)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	return &a, nil
}
