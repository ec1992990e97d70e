package main

import (
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/testkit"
)

// Who did something on the machine is told by the login, whatever was done.
func TestAuditNamesTheLogin(t *testing.T) {
	t.Parallel()
	db := testkit.Postgres(t)
	env := environ{"DATABASE_URL": db.Serve, "TENURE_OWNER_DATABASE_URL": db.Owner}
	ok(t, env, "migrate", "--skip-temporal")
	ok(t, env, "org", "create", "acme")
	var made struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(ok(t, env, "token", "create", "--org", "acme", "--name", "x", "--scope", "hr", "--json")), &made))
	ok(t, env, "token", "revoke", "--org", "acme", made.ID)

	conn, err := pgx.Connect(t.Context(), db.Admin)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	rows, err := conn.Query(t.Context(), `select action || ' by ' || actor from audit order by 1`)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	who := cliActor()
	require.Regexp(t, "^cli:.+", who)
	require.Equal(t, []string{"organization.created by " + who, "token.created by " + who, "token.revoked by " + who}, found)
}
