package testkit_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/tenurehq/tenure/internal/testkit"
)

func open(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func scalar[T any](t *testing.T, conn *pgx.Conn, query string, args ...any) T {
	t.Helper()
	var value T
	require.NoError(t, conn.QueryRow(t.Context(), query, args...).Scan(&value))
	return value
}

func exec(t *testing.T, conn *pgx.Conn, statement string, args ...any) {
	t.Helper()
	_, err := conn.Exec(t.Context(), statement, args...)
	require.NoError(t, err)
}

func TestEveryTestHasADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	one, two := open(t, testkit.Postgres(t).Owner), open(t, testkit.Postgres(t).Owner)
	exec(t, one, "CREATE TABLE here (id int)")
	require.True(t, scalar[bool](t, one, "SELECT to_regclass('here') IS NOT NULL"))
	require.False(t, scalar[bool](t, two, "SELECT to_regclass('here') IS NOT NULL"))
}

func TestTheDatabaseIsDroppedWithTheTest(t *testing.T) {
	t.Parallel()
	admin := open(t, testkit.Postgres(t).Admin)
	var name string
	t.Run("a test that leaves a connection open", func(t *testing.T) {
		conn, err := pgx.Connect(t.Context(), testkit.Postgres(t).Owner)
		require.NoError(t, err)
		name = conn.Config().Database
		require.True(t, scalar[bool](t, admin, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name))
	})
	require.False(t, scalar[bool](t, admin, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name))
}

func TestTheLoginsHaveNoMoreRightsThanInProduction(t *testing.T) {
	t.Parallel()
	database := testkit.Postgres(t)
	const rights = `SELECT (rolsuper, rolbypassrls, rolcreaterole, rolcreatedb)::text FROM pg_roles WHERE rolname = current_user`
	require.Equal(t, "(f,f,t,f)", scalar[string](t, open(t, database.Owner), rights))
	require.Equal(t, "(f,f,f,f)", scalar[string](t, open(t, database.Serve), rights))
}

// migrate stands for the product's migration; it makes a role, which is the whole server's, as that does.
func migrate(ctx context.Context, ownerURL string) error {
	conn, err := pgx.Connect(ctx, ownerURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `
		DO $$ BEGIN
			IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'testkit_app') THEN
				CREATE ROLE testkit_app NOLOGIN;
				GRANT testkit_app TO tenure;
			END IF;
		END $$;
		CREATE TABLE item (id int PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp());
		INSERT INTO item (id) VALUES (1);
		GRANT SELECT, INSERT ON item TO testkit_app`)
	return err
}

func TestATemplateIsPreparedOnceAndCopied(t *testing.T) {
	t.Parallel()
	prepared := make(chan time.Time, 8)
	for i := range cap(prepared) {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			serve := open(t, testkit.PostgresFrom(t, migrate).Serve)
			exec(t, serve, "INSERT INTO item (id) VALUES (2)") // fails if another test's row is here
			prepared <- scalar[time.Time](t, serve, "SELECT at FROM item WHERE id = 1")
		})
	}
	close(prepared)
	first := <-prepared
	for at := range prepared {
		require.Equal(t, first, at, "the template was prepared more than once")
	}
}

func TestTheNamespaceIsReadyForUse(t *testing.T) {
	t.Parallel()
	requireWorks(t, testkit.Temporal(t), t.Name())
}

// requireWorks runs a workflow that sets every search attribute, and finds it by one of them.
func requireWorks(t *testing.T, address, id string) {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: address, Namespace: testkit.TemporalNamespace})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	w := worker.New(c, id, worker.Options{})
	w.RegisterWorkflowWithOptions(func(workflow.Context) error { return nil }, workflow.RegisterOptions{Name: "Empty"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)

	org := temporal.NewSearchAttributeKeyKeyword("TenureOrg")
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: id, TaskQueue: id, WorkflowExecutionTimeout: time.Minute,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			org.ValueSet(id),
			temporal.NewSearchAttributeKeyKeyword("TenureIdentity").ValueSet("i"),
			temporal.NewSearchAttributeKeyKeyword("TenureStage").ValueSet("joiner"),
			temporal.NewSearchAttributeKeyTime("TenureDue").ValueSet(time.Unix(0, 0))),
	}, "Empty")
	require.NoError(t, err)
	require.NoError(t, run.Get(t.Context(), nil))
	found, err := c.DescribeWorkflowExecution(t.Context(), id, run.GetRunID())
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, found.GetWorkflowExecutionInfo().GetStatus())
	require.Contains(t, found.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields(), org.GetName())
}

func TestPrivateServersSurviveKills(t *testing.T) {
	t.Parallel()
	postgres := testkit.StartPostgres(t)
	server := testkit.StartTemporal(t, postgres)
	requireWorks(t, server.Address(), "before")
	exec(t, open(t, postgres.Owner), "CREATE TABLE kept AS SELECT 42 AS answer")

	server.Kill()
	require.NoError(t, server.Start(t.Context()))
	requireWorks(t, server.Address(), "temporal-killed")

	postgres.Kill()
	_, err := pgx.Connect(t.Context(), postgres.Owner)
	require.Error(t, err, "a killed server answers")
	require.NoError(t, postgres.Start(t.Context()))
	require.Equal(t, 42, scalar[int](t, open(t, postgres.Owner), "SELECT answer FROM kept"))
	require.NoError(t, server.Await(t.Context()))
	requireWorks(t, server.Address(), "postgres-killed")

	server.Kill()
	postgres.Kill()
	require.NoError(t, postgres.Start(t.Context()))
	require.NoError(t, server.Start(t.Context()))
	requireWorks(t, server.Address(), "both-killed")
}
