package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

// another makes a second organization on the same database, worker and targets.
func (w *world) another(s settings) *world {
	w.t.Helper()
	other := &world{t: w.t, org: "o" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12], db: w.db, store: w.store, service: w.service,
		temporal: w.temporal, systems: w.systems, queue: w.queue, log: w.log}
	require.NoError(w.t, w.store.CreateOrganization(w.t.Context(), other.org, other.org))
	other.applyPolicy(other.policyText(s))
	return other
}

// TestABurstDelaysNoOtherOrganization is invariant 6: while one organization imports a thousand joiners, another's do not
// wait behind them. It is told by whom the engine begins with, not by the time, which depends on what else runs beside the
// test: TestSoakABurst measures the time. The targets take half a second for each call, as some on the internet do.
func TestABurstDelaysNoOtherOrganization(t *testing.T) {
	t.Parallel()
	w, quiet := newWorldWithAnother(t)
	w.besideABurst(func() { quiet.stream(0, 20) })
	overtaken := 0
	waits, begun := quiet.waits(), w.waits()
	require.Len(t, waits, 20)
	for _, joiner := range waits {
		burst, own := within(begun, joiner), within(waits, joiner)
		overtaken = max(overtaken, burst)
		// What the engine had before the joiner came, and turns: as many as of the joiner's own organization, and half more.
		require.LessOrEqual(t, burst, 40+own*3/2, "so many of the burst were begun with while a joiner of the other organization waited behind %d", own)
	}
	t.Logf("at most %d of the burst were begun with while a joiner of the other organization waited", overtaken)
}

// stream hands in five joiners every four seconds, as an HR system sends them in batches, waits until all are done, and
// answers when each was handed in.
func (w *world) stream(first, people int) map[uuid.UUID]time.Time {
	w.t.Helper()
	began := map[uuid.UUID]time.Time{}
	next := time.NewTicker(4 * time.Second)
	defer next.Stop()
	for i := range people {
		from := time.Now()
		began[w.send(identity.WorkerJoined, person(first+i)).Identity] = from
		if (i+1)%5 == 0 {
			<-next.C
		}
	}
	w.quiet()
	return began
}

// newWorldWithAnother is two organizations whose targets take their time.
func newWorldWithAnother(t *testing.T) (w, other *world) {
	t.Helper()
	s := settings{attemptTimeout: "1m", blockBudget: "10m", sweep: 30 * time.Second} // as production has them
	w = newWorld(t, s)
	for _, target := range w.systems {
		target.proxy.SetRules(connectortest.Rule{Probability: 1, Fault: connectortest.Latency(500 * time.Millisecond)})
	}
	return w, w.another(s)
}

// besideABurst does something while a thousand joiners are imported and worked on. The rest of them is nobody's concern.
func (w *world) besideABurst(do func()) {
	w.t.Helper()
	defer w.stop()
	const burst = 1000
	ctx, cancel := context.WithCancel(w.t.Context())
	var importing sync.WaitGroup
	importing.Go(func() {
		for n := 0; n < burst && ctx.Err() == nil; n++ {
			if _, err := w.accept(ctx, w.event(identity.WorkerJoined, burstPerson(n))); err != nil && ctx.Err() == nil {
				w.t.Errorf("joiner %d of the burst: %v", n, err)
			}
		}
	})
	do()
	cancel()
	importing.Wait()
	require.Greater(w.t, w.unsettled(), burst/10, "the burst was over before what should be beside it")
}

// wait is how long somebody was not begun with.
type wait struct{ from, to time.Time }

// waits are those of everybody, from the acceptance to the first plan.
func (w *world) waits() (all []wait) {
	w.t.Helper()
	require.NoError(w.t, w.store.InOrg(w.t.Context(), w.org, func(tx *store.Tx) error {
		rows, err := tx.Query(w.t.Context(), `select r.received_at, min(o.requested_at) from source_records r
			join operations o on o.org = r.org and o.identity_id = r.identity_id group by r.identity_id, r.received_at`)
		require.NoError(w.t, err)
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (one wait, err error) {
			return one, row.Scan(&one.from, &one.to)
		})
		return err
	}))
	return all
}

// within counts those who were begun with while somebody waited.
func within(all []wait, somebody wait) (n int) {
	for _, each := range all {
		if each.to.After(somebody.from) && each.to.Before(somebody.to) {
			n++
		}
	}
	return n
}

func burstPerson(n int) fact {
	p := person(n)
	p["employeeId"] = fmt.Sprintf("B%04d", n)
	p["familyName"] = fmt.Sprintf("Burst%04d", n)
	return p
}

// TestALeaverOvertakesTheQueue is invariant 3: with joiners queued, somebody who leaves is out at once, also one who is
// queued himself.
func TestALeaverOvertakesTheQueue(t *testing.T) {
	w := newWorld(t, settings{})
	w.send(identity.WorkerJoined, person(1))
	w.quiet()
	const burst = 200
	for n := range burst {
		w.send(identity.WorkerJoined, burstPerson(n))
	}
	from := time.Now()
	fresh := w.leaveNow("E0001")
	queued := w.leaveNow(fmt.Sprintf("B%04d", burst-1))
	w.eventually("the fresh leaver's tier 1", func() bool { return w.verified(fresh) })
	t.Logf("fresh leaver: %v", time.Since(from))
	require.Less(t, time.Since(from), 10*time.Second)
	w.eventually("the queued joiner's run knows of the leave", func() bool { return w.leftWithout(queued.Identity) })
	t.Logf("queued leaver: %v", time.Since(from))
	require.Less(t, time.Since(from), 10*time.Second)
	require.Positive(t, w.unsettled(), "the burst is over before the measurement: make it larger")
	w.requireGone("E0001")
	w.quiet()
	w.requireGone(fmt.Sprintf("B%04d", burst-1))
}

// leftWithout reports whether a leaver has settled, or has each account verified as gone.
func (w *world) leftWithout(id uuid.UUID) bool {
	done := false
	require.NoError(w.t, w.store.InOrg(w.t.Context(), w.org, func(tx *store.Tx) error {
		row, err := tx.Identity(w.t.Context(), id)
		require.NoError(w.t, err)
		accounts, err := tx.Accounts(w.t.Context(), id)
		require.NoError(w.t, err)
		done = row.SettledVersion == row.Version || len(accounts) > 0
		for _, a := range accounts {
			done = done && a.VerifiedAt != nil && a.State == identity.AccountDisabled
		}
		return nil
	}))
	return done
}
