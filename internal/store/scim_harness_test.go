package store

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/scim"
	"github.com/tenurehq/tenure/internal/testkit"
)

func migrated(ctx context.Context, owner string) error { return Migrate(ctx, owner, "tenure") }

// scimStore is a store with the organizations acme and rival.
type scimStore struct {
	*Store

	admin string // a superuser's login
}

func openScim(t testing.TB, conns int32) scimStore {
	t.Helper()
	database := testkit.PostgresFrom(t, migrated)
	opened, err := Open(t.Context(), Options{URL: database.Serve, MaxConns: conns, UrgentConns: 1})
	require.NoError(t, err)
	t.Cleanup(opened.Close)
	s := scimStore{opened, database.Admin}
	require.NoError(t, s.CreateOrganization(t.Context(), "acme", "Acme"))
	require.NoError(t, s.CreateOrganization(t.Context(), "rival", "Rival"))
	return s
}

// inAcme runs fn in a transaction of acme.
func inAcme(t testing.TB, s scimStore, fn func(tx *Tx)) {
	t.Helper()
	require.NoError(t, s.InOrg(t.Context(), "acme", func(tx *Tx) error {
		fn(tx)
		return nil
	}))
}

// manyUsers fills acme, and rival with half as many of the same names: a tenth of them inactive, each with two emails and
// in one of the groups, which have 5 members.
func manyUsers(t testing.TB, s scimStore, n int) {
	t.Helper()
	for org, count := range map[string]int{"acme": n, "rival": n / 2} {
		for first := 1; first <= count; first += 2_000 {
			require.NoError(t, s.InOrg(t.Context(), org, func(tx *Tx) error {
				_, err := tx.Exec(t.Context(), makeUsers, org, first, min(first+1_999, count))
				require.NoError(t, err)
				_, err = tx.Exec(t.Context(), makeGroups, org, first)
				return err
			}))
		}
	}
}

const makeUsers = `
	with made as (
		insert into scim_users (org, id, source, resource, created_at, modified_at)
		select $1, gen_random_uuid(), 'hr', jsonb_build_object('userName', 'User' || n || '@example.com', 'externalId', 'ext-' || n,
				'displayName', 'Name ' || n % 997, 'active', n % 10 <> 0, 'title', 'Title ' || n % 50, 'locale', 'en-GB',
				'name', jsonb_build_object('givenName', 'Given' || n, 'familyName', 'Family' || n % 1000, 'formatted', 'Given' || n || ' Family'),
				'emails', jsonb_build_array(jsonb_build_object('value', 'user' || n || '@example.com', 'type', 'work', 'primary', true),
					jsonb_build_object('value', 'home' || n || '@example.net', 'type', 'home')),
				'phoneNumbers', jsonb_build_array(jsonb_build_object('value', '+44 20 7946 ' || n, 'type', 'work')),
				'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User', jsonb_build_object('department', 'Department ' || n % 100)),
			t.at, t.at
		from generate_series($2::int, $3::int) n, lateral (select timestamptz '2026-01-01Z' + make_interval(secs => n) as at) t
		returning id, resource
	)
	insert into scim_emails (org, user_id, value)
	select $1, m.id, scim_fold(e.v->>'value') from made m, jsonb_array_elements(m.resource->'emails') e(v)`

// makeGroups puts those from a number on into new groups.
const makeGroups = `
	with alone as (
		select id, ($2::int - 1 + row_number() over (order by created_at)) / 5 as n from scim_users u
		where org = $1 and created_at >= timestamptz '2026-01-01Z' + make_interval(secs => $2::int)
	), made as (
		insert into scim_groups (org, id, source, resource, member_count)
		select $1, gen_random_uuid(), 'hr', jsonb_build_object('displayName', 'Team ' || n, 'externalId', 'team-' || n), count(*) from alone group by n
		returning id, (split_part(resource->>'displayName', ' ', 2))::bigint as n
	)
	insert into scim_members (org, group_id, member_id, kind) select $1, m.id, a.id, 'User' from alone a join made m on m.n = a.n`

// maintain does at once what autovacuum does some time after tables have grown: analyze, or vacuum analyze.
func (s scimStore) maintain(t testing.TB, command string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.admin)
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	_, err = conn.Exec(t.Context(), command+` scim_users, scim_emails, scim_groups, scim_members`)
	require.NoError(t, err)
}

// userFilter parses a filter on users.
func userFilter(t testing.TB, text string) scim.Filter {
	t.Helper()
	f, err := scim.ParseFilter(scim.UserType(), text)
	require.NoError(t, err, text)
	return f
}

func newUser(name string) *ScimUser {
	return &ScimUser{ID: uuid.New(), Source: "hr", Resource: []byte(fmt.Sprintf(`{"userName":%q}`, name))}
}
