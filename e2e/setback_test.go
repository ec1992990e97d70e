package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/deploy/local/stack"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/testkit"
)

// TestTemporalSetBack sets Temporal's database back to a copy from before a leave, a joiner, and a leave that was
// signalled to a run which the copy still has open. Within two sweeps of Temporal's return all of them are worked on.
func TestTemporalSetBack(t *testing.T) {
	t.Parallel()
	const sweep = 3 * time.Second
	pg := testkit.StartPostgres(t)
	temporal := testkit.StartTemporal(t, pg)
	require.NoError(t, migrate(t.Context(), pg.Owner))
	s := settings{blockBudget: "2m", attemptTimeout: "5s", sweep: sweep}
	w := newWorldOn(t, pg.Database, s)
	var err error
	w.temporal, err = client.Dial(client.Options{HostPort: temporal.Address(), Namespace: testkit.TemporalNamespace,
		Logger: quietly()})
	require.NoError(t, err)
	t.Cleanup(w.temporal.Close)
	w.startWorker(s)
	w.send(identity.WorkerJoined, person(1))
	w.quiet()
	crm := w.systems["crm"].proxy
	crm.SetRules(connectortest.Rule{Path: "/(Users|Groups)", Fault: connectortest.Hang()})
	second := w.send(identity.WorkerJoined, person(2))
	w.eventually("the second joiner hangs in crm", func() bool { return w.held("crm") > 0 })
	seen := w.watermarkSeen()
	w.eventually("a mark is known to be in Temporal", func() bool { return w.watermarkSeen() > max(seen, 1) })
	copied := copyTemporal(t, pg, temporal)
	mark, err := w.store.Watermark(t.Context())
	require.NoError(t, err)

	first := w.leaveNow("E0001")
	third := w.send(identity.WorkerJoined, person(3))
	left := w.leaveNow("E0002")
	require.Equal(t, second.Identity, left.Identity)
	people := []lifecycle.Receipt{first, left, third}
	w.eventually("all three were delivered", func() bool { return w.pokedSince(people, time.Time{}) })
	w.eventually("a later mark than the copy may have is known to be in Temporal", func() bool { return w.watermarkSeen() > mark.Raised })

	temporal.Kill()
	copied.restore(t)
	restored := time.Now() // the worker may be faster than Start, which waits for more than it does
	require.NoError(t, temporal.Start(t.Context()))
	back, swept := time.Now(), w.swept()
	w.eventually("all three are to be delivered again", func() bool { return w.enqueuedSince(people, restored) })
	t.Logf("enqueued %v after Temporal's return", time.Since(back))
	require.LessOrEqual(t, w.swept()-swept, 2+1, "two sweeps, and the one that was under way")
	w.eventually("all three are delivered again", func() bool { return w.pokedSince(people, restored) })
	crm.SetRules()
	crm.Release()
	w.quiet()
	w.requireGone("E0001")
	w.requireConfirmed(first)
	w.requireGone("E0002")
	w.requireConfirmed(left)
	w.requireEnabled("E0003", "Everyone", "Sales")
}

// pokedSince reports whether each of the people was handed to Temporal after the given time.
func (w *world) pokedSince(people []lifecycle.Receipt, since time.Time) bool {
	w.t.Helper()
	return w.all(people, `poked_at > $2`, since)
}

// enqueuedSince reports whether each of the people was handed to Temporal after the given time, or is to be.
func (w *world) enqueuedSince(people []lifecycle.Receipt, since time.Time) bool {
	w.t.Helper()
	return w.all(people, `(poked_at > $2 or exists (select from outbox o where o.identity_id = identities.id))`, since)
}

// all reports whether the condition holds of each of the people's rows.
func (w *world) all(people []lifecycle.Receipt, condition string, since time.Time) bool {
	w.t.Helper()
	ids := make([]uuid.UUID, len(people))
	for i, p := range people {
		ids[i] = p.Identity
	}
	conn := w.admin()
	defer func() { _ = conn.Close(context.WithoutCancel(w.t.Context())) }()
	var n int
	require.NoError(w.t, conn.QueryRow(w.t.Context(), `select count(*) from identities where id = any($1) and `+condition, ids, since).Scan(&n))
	return n == len(people)
}

func (w *world) watermarkSeen() int64 {
	w.t.Helper()
	mark, err := w.store.Watermark(w.t.Context())
	require.NoError(w.t, err)
	return mark.Seen
}

// temporalCopy is a copy of Temporal's databases.
type temporalCopy struct{ admin string }

var temporalDatabases = []string{"temporal", "temporal_visibility"}

// copyTemporal stops Temporal, copies its databases, and starts it again.
func copyTemporal(t *testing.T, pg *testkit.PrivatePostgres, temporal *testkit.PrivateTemporal) temporalCopy {
	t.Helper()
	c := temporalCopy{admin: stack.LoginURL(pg.Admin, "", "", "postgres")}
	temporal.Kill()
	c.run(t, func(name string) []string {
		return []string{`create database ` + name + `_copy template ` + name + ` owner ` + stack.TemporalRole}
	})
	require.NoError(t, temporal.Start(t.Context()))
	return c
}

// restore puts the copies in the place of the databases. Temporal is not running.
func (c temporalCopy) restore(t *testing.T) {
	t.Helper()
	c.run(t, func(name string) []string {
		return []string{`drop database ` + name + ` with (force)`, `alter database ` + name + `_copy rename to ` + name}
	})
}

func (c temporalCopy) run(t *testing.T, statements func(database string) []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.admin)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	for _, name := range temporalDatabases {
		for _, statement := range statements(name) {
			_, err := conn.Exec(t.Context(), statement)
			require.NoError(t, err)
		}
	}
}

// TestOurDatabaseSetBackWithNobodyAtWork sets Tenure's database back while the worker is down and nobody has a run: no
// poke tells that something is missing. The worker knows before it does anything.
func TestOurDatabaseSetBackWithNobodyAtWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	for n := range 2 {
		w.send(identity.WorkerJoined, person(n))
	}
	w.quiet()
	restore := w.backup()
	raised := w.watermarkSeen()
	lostLeave := w.event(identity.WorkerLeft, fact{"employeeId": "E0001", "immediate": true})
	_, err := w.accept(t.Context(), lostLeave)
	require.NoError(t, err)
	w.quiet()
	w.requireGone("E0001")
	w.eventually("a later mark is in Temporal", func() bool { return w.watermarkSeen() > raised+1 })
	w.stop()
	restore()
	w.send(identity.WorkerJoined, person(8)) // before anybody has noticed
	w.startWorker(settings{})
	w.eventually("grants are held", func() bool { return w.heldSince() != nil })

	_, err = w.service.Recover(t.Context(), w.org, lifecycle.Caller{Actor: "test"})
	require.NoError(t, err)
	w.quiet()
	w.requireGone("E0001")
	_, err = w.accept(t.Context(), lostLeave)
	require.NoError(t, err)
	w.quiet()
	w.requireGone("E0001")
	w.requireNone("E0008")
	require.NoError(t, w.service.Release(t.Context(), w.org, lifecycle.Caller{Actor: "test"}))
	w.quiet()
	w.requireGone("E0001")
	w.requireEnabled("E0000", "Everyone", "Sales")
	w.requireEnabled("E0008", "Everyone", "Sales")
	require.Nil(t, w.heldSince(), "it is not held once more for the same reason")
}
