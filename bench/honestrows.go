package main

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tenurehq/tenure/workflows"
)

// rows are the honest baseline's transactions: those of a joiner of the product's, of the same kind, on the same schema,
// with row level security in force and each in one round trip. They write the rows that are left when the product has
// done its work, and read nothing.
type rows struct{ pool *pgxpool.Pool }

func openRows(ctx context.Context, db database) (*rows, error) {
	config, err := pgxpool.ParseConfig(db.serve)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 20 // as the product's
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "set role tenure_app")
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	r := &rows{pool: pool}
	return r, r.commit(ctx, statement{`insert into organizations (id, name) values ($1, $1)`, []any{baselineOrg}})
}

func (r *rows) close() { r.pool.Close() }

type statement struct {
	sql  string
	args []any
}

// commit sends the statements as one transaction in one round trip.
func (r *rows) commit(ctx context.Context, statements ...statement) error {
	batch := &pgx.Batch{}
	batch.Queue(`select set_config('tenure.org', $1, true)`, baselineOrg)
	for _, s := range statements {
		batch.Queue(s.sql, s.args...)
	}
	return r.pool.SendBatch(ctx, batch).Close()
}

func auditRow(action, objectType, object, id string, detail any) statement {
	raw, _ := json.Marshal(detail) // of constants
	return statement{`insert into audit (org, epoch, actor, action, object_type, object_id, identity_id, detail)
		values ($1, 1, 'bench', $2, $3, $4, $5, $6)`, []any{baselineOrg, action, objectType, object, id, raw}}
}

// intake is the commit of an accepted event.
func (r *rows) intake(ctx context.Context, id uuid.UUID, number int64) error {
	e, err := joinerOf(number)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(e.Patch)
	if err != nil {
		return err
	}
	return r.commit(ctx,
		statement{`insert into identities (org, id, version, state, attributes, starts_at) values ($1, $2, 1, 'active', $3, now())`,
			[]any{baselineOrg, id, patch}},
		statement{`insert into outbox (org, identity_id, version, class) values ($1, $2, 1, 3)`, []any{baselineOrg, id}},
		statement{`insert into source_links (org, source, employee_id, identity_id) values ($1, 'hr', $2, $3)`,
			[]any{baselineOrg, e.EmployeeID, id}},
		statement{`insert into source_records (org, origin, event_id, source, type, employee_id, relationship_id, sequence, observed_at,
				received_at, effective, rescinds, patch, identity_id, effect)
			values ($1, 'hr', $2, 'hr', $3, $4, '', '', $5, now(), '', '', $6, $7, 'join')`,
			[]any{baselineOrg, e.ID, e.Type, e.EmployeeID, e.Time, patch, id}},
		auditRow("event.accepted", "event", e.ID, id.String(), map[string]any{"type": e.Type, "source": "hr", "effect": "join", "fields": e.Patch.Fields()}))
}

// claim and delivered are the relay's commits, once a batch.
func (r *rows) claim(ctx context.Context, limit int) ([]uuid.UUID, error) {
	batch := &pgx.Batch{}
	batch.Queue(`select set_config('tenure.org', $1, true)`, baselineOrg)
	batch.Queue(`update outbox set leased_until = now() + interval '30 s', attempts = attempts + 1 where org = $1 and identity_id in (
		select identity_id from outbox where org = $1 and leased_until is null order by class, created_at limit $2 for update skip locked)
		returning identity_id`, baselineOrg, limit)
	results := r.pool.SendBatch(ctx, batch)
	if _, err := results.Exec(); err != nil {
		_ = results.Close()
		return nil, err
	}
	found, _ := results.Query() // its error comes with the rows
	claimed, err := pgx.CollectRows(found, pgx.RowTo[uuid.UUID])
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return claimed, err
}

func (r *rows) delivered(ctx context.Context, claimed []uuid.UUID) error {
	return r.commit(ctx, statement{`with done as (delete from outbox where org = $1 and identity_id = any($2) returning identity_id)
		update identities i set poked_at = now() from done where i.org = $1 and i.id = done.identity_id`, []any{baselineOrg, claimed}})
}

// plan is the commit of a plan: accounts, grants and operations as they are asked for, the plan itself, the record.
func (r *rows) plan(ctx context.Context, request workflows.PlanRequest, plan workflows.Plan) error {
	result, err := json.Marshal(plan)
	if err != nil {
		return err
	}
	statements := []statement{
		{`insert into names (org, rule, value, identity_id) values ($1, 'userName', $2, $2::text::uuid)`, []any{baselineOrg, request.Identity}},
		{`update identities set user_name = $2 where org = $1 and id = $2::text::uuid`, []any{baselineOrg, request.Identity}},
		{`insert into plans (org, id, identity_id, version, policy, stage, as_of, result, steps) values ($1, $2, $3, 1, 1, 'joiner', $4, $5, $5)`,
			[]any{baselineOrg, plan.ID, request.Identity, request.AsOf, result}},
	}
	for _, s := range plan.Steps {
		statements = append(statements,
			statement{`insert into accounts (org, id, identity_id, target, state, epoch, plan_id, plan_digest, policy)
				values ($1, $2, $3, $4, 'pending', 1, $5, sha256('asked'), 1)`, []any{baselineOrg, s.Account, request.Identity, s.Target, plan.ID}},
			statement{`insert into grants (org, account_id, kind, name, state, reasons, policy) values ($1, $2, 'group', $3, 'pending', '[]', 1)`,
				[]any{baselineOrg, s.Account, group}})
		for _, action := range []string{"create", "grant:group/" + group} {
			statements = append(statements, statement{
				`insert into operations (org, id, identity_id, account_id, plan_id, target, action, status, requested_at)
				values ($1, $2, $3, $4, $5, $6, $7, 'requested', now())`,
				[]any{baselineOrg, uuid.New(), request.Identity, s.Account, plan.ID, s.Target, action}})
		}
	}
	statements = append(statements, auditRow("plan.made", "plan", plan.ID, request.Identity, map[string]any{"steps": plan.Steps}))
	return r.commit(ctx, statements...)
}

// begin is the commit before an attempt's first call.
func (r *rows) begin(ctx context.Context, s workflows.Step) error {
	return r.commit(ctx,
		statement{`update accounts set attempts = attempts + 1, in_flight_until = now() + interval '70 s' where org = $1 and id = $2`,
			[]any{baselineOrg, s.Account}},
		statement{`update operations set status = 'running', started_at = now(), attempts = 1
			where org = $1 and account_id = $2 and status in ('requested', 'running')`, []any{baselineOrg, s.Account}})
}

// saw is the commit of a native id, at once when it is known.
func (r *rows) saw(ctx context.Context, s workflows.Step, native string) error {
	return r.commit(ctx, statement{`update accounts set native_id = $3 where org = $1 and id = $2`, []any{baselineOrg, s.Account, native}})
}

// verified is the commit of what was read back.
func (r *rows) verified(ctx context.Context, request workflows.ApplyRequest, native string) error {
	account := request.Step.Account
	evidence := `{"nativeId": "` + native + `", "enabled": true, "attributes": ["displayName", "externalId", "title", "userName"]}`
	done := []statement{
		{`update accounts set state = 'active', applied_digest = plan_digest, applied = $3, outcome = 'applied', outcome_version = 1, outcome_policy = 1,
			verified_at = now(), in_flight_until = null where org = $1 and id = $2 and epoch = 1`, []any{baselineOrg, account, evidence}},
		{`update grants set state = 'active', granted_at = now(), verified_at = now() where org = $1 and account_id = $2`, []any{baselineOrg, account}},
	}
	for _, action := range []string{"create", "grant:group/" + group} {
		done = append(done, statement{`update operations set status = 'verified', done_at = now(), verified_at = now(), evidence = $4
			where org = $1 and account_id = $2 and action = $3 and status = 'running'`, []any{baselineOrg, account, action, evidence}})
	}
	return r.commit(ctx, append(done, auditRow("operations.verified", "account", account, request.Identity,
		map[string]any{"target": request.Step.Target, "operations": []string{"create: verified", "grant: verified"}, "plan": request.Step.Plan}))...)
}

// settle is the commit of a run that has nothing left to do.
func (r *rows) settle(ctx context.Context, id string) error {
	return r.commit(ctx, statement{`update identities set settled_version = 1, settled_policy = 1, settled_at = now() where org = $1 and id = $2`,
		[]any{baselineOrg, id}})
}
