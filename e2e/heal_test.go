package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/workflows"
)

func TestALeaverTerminatedByHandHeals(t *testing.T) {
	t.Parallel()
	const sweep = 2 * time.Second
	w := newWorld(t, settings{sweep: sweep})
	w.send(identity.WorkerJoined, person(1))
	w.quiet()
	crm := w.systems["crm"].proxy
	crm.SetRules(connectortest.Rule{Writes: true, Fault: connectortest.Hang()})
	left := w.leaveNow("E0001")
	w.eventually("crm hangs", func() bool { return len(crm.Requests()) > 0 && w.held("crm") > 0 })
	id := workflows.IdentityWorkflowID(w.org, left.Identity.String())
	require.NoError(t, w.temporal.TerminateWorkflow(t.Context(), id, "", "by hand"))
	terminated, swept := time.Now(), w.swept()
	crm.SetRules()
	crm.Release()
	w.eventually("the leaver is to be worked on", func() bool { return w.enqueuedSince([]lifecycle.Receipt{left}, terminated) })
	require.LessOrEqual(t, w.swept()-swept, 2+1, "two sweeps, and the one that was under way")
	w.eventually("somebody works for the leaver", func() bool {
		run, err := w.temporal.DescribeWorkflowExecution(t.Context(), id, "")
		return err == nil && run.GetWorkflowExecutionInfo().GetStartTime().AsTime().After(terminated)
	})
	w.quiet()
	w.requireGone("E0001")
	w.requireConfirmed(left)
}

func (w *world) held(target string) int {
	held := 0
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
	defer cancel()
	_ = w.systems[target].proxy.Wait(ctx, func(s connectortest.State) bool { held = s.Held; return true })
	return held
}

func TestOurDatabaseSetBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	for n := range 3 {
		w.send(identity.WorkerJoined, person(n))
	}
	w.quiet()
	restore := w.backup()

	// What the database will have forgotten: a leave, that is still being confirmed when the database is set back, and a
	// joiner.
	lostLeave := w.event(identity.WorkerLeft, fact{"employeeId": "E0001", "immediate": true})
	_, err := w.accept(t.Context(), lostLeave)
	require.NoError(t, err)
	lostJoin := w.event(identity.WorkerJoined, person(7))
	_, err = w.accept(t.Context(), lostJoin)
	require.NoError(t, err)
	w.eventually("E0001 is out", func() bool {
		return !slices.ContainsFunc(targetNames, func(target string) bool {
			u := w.account(target, "E0001")
			return u.Enabled || len(u.Groups) > 0
		})
	})
	restore()
	w.eventually("grants are held", func() bool { return w.heldSince() != nil })

	// While held: a joiner gets nothing, a leaver loses everything.
	w.send(identity.WorkerJoined, person(8))
	left := w.leaveNow("E0002")
	w.eventually("E0002 is out", func() bool { return w.verified(left) })
	w.requireGone("E0002")
	n, err := w.service.Recover(t.Context(), w.org, lifecycle.Caller{Actor: "test"})
	require.NoError(t, err)
	require.Equal(t, 4, n)
	w.quiet()
	w.requireGone("E0001")                    // of whom the database says now that they work here
	_, err = w.accept(t.Context(), lostLeave) // the sources are replayed
	require.NoError(t, err)
	_, err = w.accept(t.Context(), lostJoin)
	require.NoError(t, err)
	w.quiet()
	w.requireGone("E0001")
	w.requireNone("E0008")

	require.NoError(t, w.service.Release(t.Context(), w.org, lifecycle.Caller{Actor: "test"}))
	w.quiet()
	w.requireGone("E0001")
	w.requireGone("E0002")
	for _, id := range []string{"E0000", "E0007", "E0008"} {
		w.requireEnabled(id, "Everyone", "Sales")
	}
}

// requireNone checks that nothing was made for the person: nothing is granted before the release.
func (w *world) requireNone(employeeID string) {
	w.t.Helper()
	for _, target := range targetNames {
		require.Nil(w.t, w.account(target, employeeID), "%s in %s", employeeID, target)
	}
}

func (w *world) heldSince() *time.Time {
	var held *time.Time
	conn := w.admin()
	defer func() { _ = conn.Close(context.WithoutCancel(w.t.Context())) }()
	require.NoError(w.t, conn.QueryRow(w.t.Context(), `select held_since from organizations where id = $1`, w.org).Scan(&held))
	return held
}

func (w *world) admin() *pgx.Conn {
	conn, err := pgx.Connect(w.t.Context(), w.db.Admin)
	require.NoError(w.t, err)
	return conn
}

// backup copies every table's rows and answers a function that sets the database back to the copy.
func (w *world) backup() (restore func()) {
	w.t.Helper()
	ctx := w.t.Context()
	conn := w.admin()
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tables := []string{"organizations", "policies", "identities", "names", "source_records", "source_links", "cases", "targets",
		"accounts", "grants", "plans", "operations", "outbox", "watermark"}
	_, err := conn.Exec(ctx, `create schema backup`)
	require.NoError(w.t, err)
	for _, table := range tables {
		_, err := conn.Exec(ctx, fmt.Sprintf(`create table backup.%s as select * from public.%[1]s`, table))
		require.NoError(w.t, err)
	}
	return func() {
		w.t.Helper()
		conn := w.admin()
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		// The worker goes on meanwhile, which a real restore would not see: nobody else gets at the tables, and whoever
		// was in the middle of something is ended.
		_, err := conn.Exec(ctx, `alter database `+pgx.Identifier{conn.Config().Database}.Sanitize()+` with connection limit 0`)
		require.NoError(w.t, err)
		_, err = conn.Exec(ctx, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
		require.NoError(w.t, err)
		defer func() {
			_, err := conn.Exec(ctx, `alter database `+pgx.Identifier{conn.Config().Database}.Sanitize()+` with connection limit -1`)
			require.NoError(w.t, err)
		}()
		tx, err := conn.Begin(ctx)
		require.NoError(w.t, err)
		_, err = tx.Exec(ctx, `set session_replication_role = replica`) // the copy is consistent: no foreign key needs a look
		require.NoError(w.t, err)
		_, err = tx.Exec(ctx, "lock table "+strings.Join(tables, ", "))
		require.NoError(w.t, err)
		for _, table := range tables {
			_, err := tx.Exec(ctx, fmt.Sprintf(`delete from public.%s`, table))
			require.NoError(w.t, err)
			var columns string // but those that Postgres makes of others
			require.NoError(w.t, tx.QueryRow(ctx, `select string_agg(quote_ident(attname), ', ') from pg_attribute
				where attrelid = $1::text::regclass and attnum > 0 and not attisdropped and attgenerated = ''`, "public."+table).Scan(&columns))
			_, err = tx.Exec(ctx, fmt.Sprintf(`insert into public.%s (%s) select %[2]s from backup.%[1]s`, table, columns))
			require.NoError(w.t, err)
		}
		require.NoError(w.t, tx.Commit(ctx))
	}
}

// counter is the present value of a counter without labels.
func counter(t testing.TB, metrics prometheus.Gatherer, name string) int {
	t.Helper()
	families, err := metrics.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return int(f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
