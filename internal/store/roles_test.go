package store

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/testkit"
)

// as is a connection of the serving login in one of its roles, with an organization chosen if there is one.
func as(t *testing.T, database testkit.Database, role, org string) *pgx.Conn {
	t.Helper()
	conn := connect(t, database.Serve)
	_, err := conn.Exec(t.Context(), `set role `+role)
	require.NoError(t, err)
	if org != "" {
		_, err = conn.Exec(t.Context(), `select set_config('tenure.org', $1, false)`, org)
		require.NoError(t, err)
	}
	return conn
}

// TestTheRecordCannotBeChanged, by whoever has got hold of the serving login's roles.
func TestTheRecordCannotBeChanged(t *testing.T) {
	t.Parallel()
	database := testkit.PostgresFrom(t, migrated)
	for _, role := range []string{roleApp, roleEngine} {
		conn := as(t, database, role, "acme")
		for _, statement := range []string{`update audit set actor = 'nobody'`, `delete from audit`, `truncate audit`} {
			_, err := conn.Exec(t.Context(), statement)
			var refused *pgconn.PgError
			require.ErrorAs(t, err, &refused, "%s: %s", role, statement)
			require.Equal(t, "42501", refused.Code, "%s: %s", role, statement)
		}
	}
}

// ofOrganizations are the tables with rows of organizations, as the catalogue knows them.
const ofOrganizations = `select c.relname, c.relrowsecurity and c.relforcerowsecurity from pg_class c
	where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and exists (select from pg_attribute a
		where a.attrelid = c.oid and not a.attisdropped and (a.attname = 'org' or c.relname = 'organizations' and a.attname = 'id'))`

// aRowEach gives each of them a row of acme's with any value that its columns take: what else is true of rows does not matter.
const aRowEach = `do $$
declare one record; other record;
begin
	set local session_replication_role = replica; -- neither references nor triggers
	for one in select * from (` + ofOrganizations + `) tables loop
		for other in select conname from pg_constraint where conrelid = one.relname::regclass and contype = 'c' loop
			execute format('alter table %I drop constraint %I', one.relname, other.conname);
		end loop;
		execute (select format('insert into %I (%s) values (%s)', one.relname, string_agg(quote_ident(attname), ', '),
				string_agg(case format_type(atttypid, null) when 'text' then '''acme''' when 'uuid' then 'gen_random_uuid()'
					when 'timestamp with time zone' then 'now()' when 'jsonb' then '''{"userName":"a","displayName":"a"}'''
					when 'bigint' then '1' when 'integer' then '1' when 'bytea' then '''a''' else '''{}''' end, ', '))
			from pg_attribute where attrelid = one.relname::regclass and attnum > 0 and attnotnull and not atthasdef and attidentity = '');
	end loop;
end $$`

// TestEveryTableKeepsOrganizationsApart: a new one with a column org is held to it without being named here.
func TestEveryTableKeepsOrganizationsApart(t *testing.T) {
	t.Parallel()
	database := testkit.PostgresFrom(t, migrated)
	admin := connect(t, database.Admin)
	rows, err := admin.Query(t.Context(), ofOrganizations)
	require.NoError(t, err)
	tables := map[string]bool{}
	var table string
	var forced bool
	_, err = pgx.ForEachRow(rows, []any{&table, &forced}, func() error {
		tables[table] = forced
		return nil
	})
	require.NoError(t, err)
	require.Subset(t, tables, map[string]bool{"organizations": true, "identities": true, "audit": true, "scim_users": true})
	_, err = admin.Exec(t.Context(), aRowEach)
	require.NoError(t, err)
	for org, want := range map[string]int{"": 0, "rival": 0, "acme": 1} {
		conn := as(t, database, roleApp, org)
		for table, forced := range tables {
			require.True(t, forced, "row level security of %s binds its owner, too", table)
			var seen int
			require.NoError(t, conn.QueryRow(t.Context(), `select count(*) from `+table).Scan(&seen), table)
			require.Equal(t, want, seen, "%s, seen by %q", table, org)
		}
	}
}

// TestALoginThatRowSecurityDoesNotBindIsRefused, although it may act as the application's role like any other.
func TestALoginThatRowSecurityDoesNotBindIsRefused(t *testing.T) {
	t.Parallel()
	database := testkit.PostgresFrom(t, migrated)
	admin := connect(t, database.Admin)
	for attribute, refused := range map[string]bool{"superuser": true, "bypassrls": true, "nosuperuser nobypassrls": false} {
		t.Run(attribute, func(t *testing.T) {
			login := "test_" + uuid.NewString() // roles are the whole server's
			_, err := admin.Exec(t.Context(), fmt.Sprintf(`create role %q login %s password 'x' in role %s, %s`, login, attribute, roleApp, roleEngine))
			require.NoError(t, err)
			t.Cleanup(func() {
				_, err := admin.Exec(context.WithoutCancel(t.Context()), fmt.Sprintf(`drop role %q`, login))
				require.NoError(t, err)
			})
			as, err := url.Parse(database.Serve)
			require.NoError(t, err)
			as.User = url.UserPassword(login, "x")
			s, err := Open(t.Context(), Options{URL: as.String()})
			if !refused {
				require.NoError(t, err)
				s.Close()
				return
			}
			require.Equal(t, identity.Forbidden, identity.ErrorCode(err))
			require.ErrorContains(t, err, login)
		})
	}
}
