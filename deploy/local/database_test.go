package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/deploy/local/stack"
)

const loginSecret = "a secret of the tests'"

// existing is a database of the test stack's Postgres with an owner of its own, such as an administrator would make for
// DATABASE_URL.
type existing struct {
	admin *pgx.Conn
	url   string // the administrator's
	name  string // of the database, and what the names of its logins begin with
}

func existingDatabase(t *testing.T) existing {
	t.Helper()
	url := os.Getenv("TENURE_TEST_DATABASE_URL") // testkit's, which knows Tenure and so is not for this package
	require.NotEmpty(t, url, "needs a stack: run `make test`")
	admin, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	e := existing{admin: admin, url: url, name: fmt.Sprintf("tenure_local_%08x", rand.Uint32())}
	owner := e.role(t, "owner", "CREATEROLE")
	e.exec(t, "CREATE DATABASE "+e.name+" OWNER "+owner)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_, err := admin.Exec(ctx, "DROP DATABASE "+e.name+" WITH (FORCE)")
		require.NoError(t, err)
		rows, err := admin.Query(ctx, "SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)", e.name)
		require.NoError(t, err)
		roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		for _, role := range roles {
			_, err := admin.Exec(ctx, "DROP ROLE "+role)
			require.NoError(t, err)
		}
		require.NoError(t, admin.Close(ctx))
	})
	return e
}

func (e existing) exec(t *testing.T, sql string) {
	t.Helper()
	_, err := e.admin.Exec(t.Context(), sql)
	require.NoError(t, err)
}

// role makes a login for the database and answers its name.
func (e existing) role(t *testing.T, name, attributes string) string {
	t.Helper()
	name = e.name + "_" + name
	require.NoError(t, stack.EnsureRole(t.Context(), e.admin, name, attributes, loginSecret))
	return name
}

func (e existing) login(role string) string {
	return stack.LoginURL(e.url, role, stack.Password(loginSecret, role), e.name)
}

// config is that of a stack whose DATABASE_URL is the owner's.
func (e existing) config() Config {
	return Config{DatabaseURL: e.login(e.name + "_owner"), ServeRole: e.name + "_serve"}
}

func TestADatabaseElsewhereGetsItsServingLogin(t *testing.T) {
	t.Parallel()
	e := existingDatabase(t)
	first, err := externalDatabase(t.Context(), e.config(), "secret")
	require.NoError(t, err)
	require.Equal(t, e.config().DatabaseURL, first.owner)

	conn, err := pgx.Connect(t.Context(), first.serve)
	require.NoError(t, err)
	var user, database string
	var tooMuch bool
	require.NoError(t, conn.QueryRow(t.Context(), `
		SELECT current_user, current_database(), rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb
		FROM pg_roles WHERE rolname = current_user`).Scan(&user, &database, &tooMuch))
	require.NoError(t, conn.Close(t.Context()))
	require.Equal(t, []string{e.config().ServeRole, e.name}, []string{user, database})
	require.False(t, tooMuch)

	again, err := externalDatabase(t.Context(), e.config(), "secret")
	require.NoError(t, err)
	require.Equal(t, first, again)
}

func TestAServingLoginOfAnotherStackIsNotTakenOver(t *testing.T) {
	t.Parallel()
	e := existingDatabase(t)
	_, err := externalDatabase(t.Context(), e.config(), "secret")
	require.NoError(t, err)
	_, err = externalDatabase(t.Context(), e.config(), "another secret")
	require.ErrorContains(t, err, "the login "+e.config().ServeRole+" exists")
	require.ErrorContains(t, err, "TENURE_SERVE_ROLE")
	require.NotContains(t, err.Error(), "\n")
	_, err = externalDatabase(t.Context(), e.config(), "secret")
	require.NoError(t, err, "its password is as before")
}

func TestADatabaseThatCannotBeUsedIsOneLine(t *testing.T) {
	t.Parallel()
	for text, of := range map[string]struct{ want, never string }{
		"host=db user=o password=hunter2":        {"DATABASE_URL is not of the form postgres://", "hunter2"},
		"postgres://o:hunter2@h:port/d":          {"DATABASE_URL is not of the form postgres://", "hunter2"},
		"postgres://o:hunter2@127.0.0.1:1/d":     {"unset it to use a local Postgres", "hunter2"},
		"postgres://o:hunter2@127.0.0.1/d?x=%zz": {"DATABASE_URL: ", "hunter2"},
	} {
		_, err := externalDatabase(t.Context(), Config{DatabaseURL: text}, "secret")
		require.ErrorContains(t, err, of.want, text)
		require.NotContains(t, err.Error(), of.never)
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestTheOwnersLoginMayNeitherDoTooMuchNorTooLittle(t *testing.T) {
	t.Parallel()
	e := existingDatabase(t)
	e.exec(t, "GRANT "+e.name+"_owner TO "+e.role(t, "member", "CREATEROLE"))
	for role, want := range map[string]string{
		e.role(t, "super", "SUPERUSER"):             "row level security does not bind",
		e.role(t, "bypass", "CREATEROLE BYPASSRLS"): "row level security does not bind",
		e.role(t, "plain", "NOCREATEROLE"):          "must own the database " + e.name + " and be allowed to create roles",
		e.role(t, "member", "CREATEROLE"):           "must own the database",
	} {
		config := e.config()
		config.DatabaseURL = e.login(role)
		_, err := externalDatabase(t.Context(), config, "secret")
		require.ErrorContains(t, err, want, role)
		require.ErrorContains(t, err, "logs in as "+role)
		require.ErrorContains(t, err, ownerSQL, "what to do")
		require.NotContains(t, err.Error(), "\n")
	}

	e.exec(t, "ALTER ROLE "+e.name+"_owner NOCREATEROLE")
	_, err := externalDatabase(t.Context(), e.config(), "secret")
	require.ErrorContains(t, err, "be allowed to create roles")

	var made bool
	require.NoError(t, e.admin.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", e.config().ServeRole).Scan(&made))
	require.False(t, made, "a refused login has changed something")
}

// The server is told to be old by a function that stands before Postgres's own.
func TestADatabaseOfAnOldPostgresIsRefused(t *testing.T) {
	t.Parallel()
	e := existingDatabase(t)
	owner, err := pgx.Connect(t.Context(), e.config().DatabaseURL)
	require.NoError(t, err)
	_, err = owner.Exec(t.Context(), `CREATE SCHEMA old;
		CREATE FUNCTION old.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT '140019' $$`)
	require.NoError(t, err)
	require.NoError(t, owner.Close(t.Context()))
	config := e.config()
	config.DatabaseURL += "&search_path=old,pg_catalog"
	_, err = externalDatabase(t.Context(), config, "secret")
	require.EqualError(t, err, "the Postgres of DATABASE_URL is version 14: Tenure needs 15 or newer; name another, or unset it to use a local one")
}
