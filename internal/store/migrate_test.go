package store

import (
	"context"
	"fmt"
	"io/fs"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/testkit"
)

// TestTheSchemasVersionIsItsNewestMigration: no release adds a migration and starts without it.
func TestTheSchemasVersionIsItsNewestMigration(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(migrations, "migrations/*.sql") // in the order of their names
	require.NoError(t, err)
	require.Contains(t, files[len(files)-1], fmt.Sprintf("/%05d_", schemaVersion))
}

// TestABinaryRunsOnItsOwnSchemaOnly: neither a start nor readiness takes another, and `tenure migrate` puts right what the
// database says of itself.
func TestABinaryRunsOnItsOwnSchemaOnly(t *testing.T) {
	t.Parallel()
	database := testkit.PostgresFrom(t, migrated)
	running, err := Open(t.Context(), Options{URL: database.Serve})
	require.NoError(t, err)
	t.Cleanup(running.Close)
	owner := connect(t, database.Owner)
	for version, want := range map[string]string{
		"null":                               "run `tenure migrate` first",
		fmt.Sprintf("'%d'", schemaVersion-1): fmt.Sprintf("the database has schema %d and this binary needs %d", schemaVersion-1, schemaVersion),
		fmt.Sprintf("'%d'", schemaVersion+1): fmt.Sprintf("the database has schema %d and this binary needs %d", schemaVersion+1, schemaVersion),
	} {
		_, err = owner.Exec(t.Context(), `comment on table organizations is `+version)
		require.NoError(t, err)
		_, err = Open(t.Context(), Options{URL: database.Serve})
		require.Equal(t, identity.Unavailable, identity.ErrorCode(err))
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, running.CheckSchema(t.Context()), want)
		require.NoError(t, migrated(t.Context(), database.Owner))
		require.NoError(t, running.CheckSchema(t.Context()))
	}
}

// connect logs in beside the store.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}
