package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// copied are the tables in which the POST of a User leaves rows, in the order of their references. The outbox is not among
// them: the people who are there have been worked on.
var copied = []string{"identities", "source_links", "source_records", "scim_users", "scim_emails", "audit"}

// fill brings n Users and their teams into the organization. One User is made by a POST, and each row that this leaves is
// copied in the database under other ids and numbers: n POSTs would leave the same rows, in minutes.
func (d *directory) fill(ctx context.Context, n int) error {
	step("filling a directory with %d Users", n)
	began := time.Now()
	model, err := d.client.all[0].call(http.MethodPost, "/Users", scimUser(0), http.StatusCreated, "")
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, d.db.admin, func(tx pgx.Tx) error { return d.copyUser(ctx, tx, field(model, "id"), n) })
	if err != nil {
		return fmt.Errorf("fill the directory: %w", err)
	}
	step("filled in %.0f s", time.Since(began).Seconds())
	for _, table := range append(copied, "outbox", "scim_groups", "scim_members") {
		// Autovacuum would do so within minutes, and in the middle of a measurement.
		if _, err := d.db.admin.Exec(ctx, "vacuum analyze "+table); err != nil {
			return err
		}
	}
	return nil
}

func (d *directory) copyUser(ctx context.Context, tx pgx.Tx, model string, n int) error {
	for _, each := range []statement{
		{`update identities set settled_version = version, settled_at = now() where org = $1`, []any{d.org}},
		{`delete from outbox where org = $1`, []any{d.org}},
		{`create temporary table people (n int primary key, id uuid not null) on commit drop`, nil},
		{`insert into people select n, gen_random_uuid() from generate_series(1, $1) n`, []any{n}},
	} {
		if _, err := tx.Exec(ctx, each.sql, each.args...); err != nil {
			return err
		}
	}
	for _, table := range copied {
		if err := copyRows(ctx, tx, table, model, n); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	var err error
	if d.teams, err = collectIDs(ctx, tx, makeTeams, d.org, model, teamSize); err != nil {
		return err
	}
	d.users, err = collectIDs(ctx, tx, `select id from people order by n`)
	return err
}

// copyRows copies the rows of the model. They were written one after the other: a second lies between each and the next.
func copyRows(ctx context.Context, tx pgx.Tx, table, model string, n int) error {
	var columns, values string
	err := tx.QueryRow(ctx, `select string_agg(quote_ident(column_name), ', '), string_agg('r.' || quote_ident(column_name), ', ')
		from information_schema.columns where table_schema = 'public' and table_name = $1 and is_generated = 'NEVER' and is_identity = 'NO'`,
		table).Scan(&columns, &values)
	if err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `insert into `+table+` (`+columns+`) select `+values+`
		from (select to_jsonb(t)::text as model from `+table+` t) m, people p,
			jsonb_populate_record(null::`+table+`, replace(replace(m.model, $1, p.id::text), $2, '-' || lpad(p.n::text, 6, '0'))::jsonb
				|| jsonb_build_object('created_at', now() - make_interval(secs => $3 - p.n), 'modified_at', now() - make_interval(secs => $3 - p.n))) r
		where m.model like '%' || $1 || '%'`, model, scimNumber(0), n)
	if err == nil && tag.RowsAffected() < int64(n) {
		err = errors.New("the POST of a User left no row that names it")
	}
	return err
}

// makeTeams has parameters for the organization, the model and the size.
const makeTeams = `
	with teams as (
		insert into scim_groups (org, id, source, resource, member_count)
		select $1, gen_random_uuid(), (select source from scim_users where id = $2), jsonb_build_object('displayName', 'Team ' || n / $3::int), count(*)
		from people group by n / $3::int returning id, resource->>'displayName' as name
	), members as (
		insert into scim_members (org, group_id, member_id, kind)
		select $1, t.id, p.id, 'User' from people p join teams t on t.name = 'Team ' || p.n / $3::int
	)
	select id from teams`

func collectIDs(ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}
