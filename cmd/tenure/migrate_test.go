package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/internal/testkit"
)

// migrated is the environment of a database that `tenure migrate` has prepared.
func migrated(t *testing.T) environ {
	t.Helper()
	db := testkit.Postgres(t)
	env := environ{"DATABASE_URL": db.Serve, "TENURE_OWNER_DATABASE_URL": db.Owner}
	require.Contains(t, ok(t, env, "migrate", "--skip-temporal"), `the login "tenure" may serve`)
	return env
}

func TestMigrateIsRepeatable(t *testing.T) {
	t.Parallel()
	env := migrated(t)
	require.Contains(t, ok(t, env, "migrate"), "temporal: not configured")
	s, err := store.Open(t.Context(), store.Options{URL: env["DATABASE_URL"]})
	require.NoError(t, err, "the serving login works")
	s.Close()
}

func TestMigrateExplainsWhatTheDatabaseRefuses(t *testing.T) {
	t.Parallel()
	db := testkit.Postgres(t)
	r := tenure(t, environ{"DATABASE_URL": db.Owner, "TENURE_SERVE_ROLE": "nobody_here"}, "migrate")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, `CREATE ROLE "nobody_here" LOGIN`)
	require.Contains(t, r.errOut, "TENURE_SERVE_ROLE")

	r = tenure(t, environ{"DATABASE_URL": testkit.Postgres(t).Serve}, "migrate")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "the login that migrates must own the database")
}

func TestCommandsBeforeMigrate(t *testing.T) {
	t.Parallel()
	r := tenure(t, environ{"DATABASE_URL": testkit.Postgres(t).Serve}, "org", "list")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "tenure migrate")
}

func TestMigratePreparesTemporal(t *testing.T) {
	t.Parallel()
	address := testkit.Temporal(t)
	env := migrated(t)
	env["TEMPORAL_ADDRESS"] = address
	env["TEMPORAL_NAMESPACE"] = fmt.Sprintf("cli-%d", time.Now().UnixNano())
	require.Contains(t, ok(t, env, "migrate"), fmt.Sprintf("temporal: namespace %q on %s is ready", env["TEMPORAL_NAMESPACE"], address))

	c, err := client.Dial(client.Options{HostPort: address, Namespace: env["TEMPORAL_NAMESPACE"]})
	require.NoError(t, err)
	defer c.Close()
	has, err := c.OperatorService().ListSearchAttributes(t.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: env["TEMPORAL_NAMESPACE"]})
	require.NoError(t, err)
	for name, kind := range searchAttributes {
		require.Equal(t, kind, has.GetCustomAttributes()[name], name)
	}
	_, err = c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: "TenureStage = 'stuck' AND TenureDue < '2030-01-01T00:00:00Z'"})
	require.NoError(t, err)

	ok(t, env, "migrate") // again, and nothing is in its way
}

func TestMigrateWithAnUnreachableTemporal(t *testing.T) {
	t.Parallel()
	r := tenure(t, environ{"DATABASE_URL": testkit.Postgres(t).Owner, "TEMPORAL_CONFIG_FILE": "testdata/absent.toml", "TEMPORAL_PROFILE": "none"}, "migrate")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "read Temporal's configuration")
}

func TestOrganizations(t *testing.T) {
	t.Parallel()
	env := migrated(t)
	require.Contains(t, ok(t, env, "org", "list"), "no organization yet")
	require.Contains(t, ok(t, env, "org", "create", "acme", "--name", "Ačmé Łtd"), `organization "acme" made`)
	require.Contains(t, ok(t, env, "org", "create", "acme", "--if-missing"), "exists already")

	r := tenure(t, env, "org", "create", "acme")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, `organization "acme" exists already`)
	r = tenure(t, env, "org", "create", "Acme Ltd")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "is not an organization id")

	ok(t, env, "org", "create", "beta")
	list := ok(t, env, "org", "list")
	require.Contains(t, list, "Ačmé Łtd")
	require.Contains(t, list, "beta")
	var organizations []organizationRow
	require.NoError(t, json.Unmarshal([]byte(ok(t, env, "org", "list", "--json")), &organizations))
	require.Len(t, organizations, 2)
	require.Equal(t, "Ačmé Łtd", organizations[0].Name)
}

// Who holds a token alone sees the organization of the token, as the machine's operator sees all.
func TestOrganizationOfAToken(t *testing.T) {
	t.Parallel()
	env := withAPI(t)
	ok(t, env, "org", "create", "beta")
	read := func(env environ) (organizations []organizationRow) {
		require.NoError(t, json.Unmarshal([]byte(ok(t, env, "org", "list", "--json")), &organizations))
		return organizations
	}
	all := read(env)
	require.Len(t, all, 2, "the database goes first")
	delete(env, "DATABASE_URL")
	require.Equal(t, all[:1], read(env))
	require.Equal(t, "acme", all[0].ID)

	env["TENURE_TOKEN"] = "wrong"
	r := tenure(t, env, "org", "list")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "Tenure does not accept the token")
}

func TestTokens(t *testing.T) {
	t.Parallel()
	env := migrated(t)
	ok(t, env, "org", "create", "acme")
	require.Contains(t, ok(t, env, "token", "list", "--org", "acme"), "no token yet")

	secret := strings.TrimSpace(ok(t, env, "token", "create", "--org", "acme", "--name", "hr system", "--scope", "hr", "--scope", "read", "--quiet"))
	s, err := store.Open(t.Context(), store.Options{URL: env["DATABASE_URL"]})
	require.NoError(t, err)
	defer s.Close()
	now := time.Now()
	token, err := s.Authenticate(t.Context(), secret, now)
	require.NoError(t, err)
	require.Equal(t, "acme", token.Org)
	require.Equal(t, []string{"hr", "read"}, token.Scopes)
	require.WithinDuration(t, now.Add(365*24*time.Hour), token.ExpiresAt, time.Minute)

	shown := ok(t, env, "token", "create", "--org", "acme", "--name", "short", "--scope", "admin", "--expires", "90d")
	require.Contains(t, shown, "the only time that it is shown")
	var made struct {
		Token string    `json:"token"`
		ID    uuid.UUID `json:"id"`
	}
	require.NoError(t, json.Unmarshal([]byte(ok(t, env, "token", "create", "--org", "acme", "--name", "j", "--scope", "read", "--json")), &made))
	_, err = s.Authenticate(t.Context(), made.Token, now)
	require.NoError(t, err)

	require.Contains(t, ok(t, env, "token", "revoke", "--org", "acme", made.ID.String()), "is revoked")
	_, err = s.Authenticate(t.Context(), made.Token, now)
	require.Error(t, err)

	list := ok(t, env, "token", "list", "--org", "acme")
	require.Contains(t, list, "hr system")
	require.Contains(t, list, "revoked")
	require.NotContains(t, list, secret)
	require.Equal(t, 3, strings.Count(ok(t, env, "token", "list", "--org", "acme", "--json"), `"expiresAt"`))

	for _, args := range [][]string{
		{"token", "create", "--org", "other", "--name", "x", "--scope", "hr"},
		{"token", "list", "--org", "other"},
		{"token", "revoke", "--org", "other", made.ID.String()},
	} {
		r := tenure(t, env, args...)
		require.Equal(t, 1, r.code)
		require.Contains(t, r.errOut, `no organization "other"`)
	}
	require.Equal(t, 2, tenure(t, env, "token", "revoke", "--org", "acme", "first").code)
}
