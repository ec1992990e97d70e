package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
)

// TestEveryFaultAtTenPercent plays joiners, movers and leavers while one call in ten of every target goes wrong, each in
// one of the ways that calls go wrong. The final state is the same as without.
func TestEveryFaultAtTenPercent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{attemptTimeout: "2s", settleLag: "2s", blockBudget: "2m"})
	faults := []connectortest.Fault{
		connectortest.Status(http.StatusInternalServerError, 0),
		connectortest.Status(http.StatusServiceUnavailable, 0),
		connectortest.Status(http.StatusTooManyRequests, time.Second),
		connectortest.DropBefore(),
		connectortest.DropAfter(),
		connectortest.Latency(300 * time.Millisecond),
		connectortest.Hang(),
		connectortest.DelayedEffect(time.Second),
		connectortest.LateEffect(3 * time.Second),
		connectortest.Rubbish("<html>not what you asked for</html>"),
	}
	for i, name := range targetNames {
		var rules []connectortest.Rule
		for n, fault := range faults {
			rules = append(rules,
				connectortest.Rule{Path: "/(Users|Groups)", Nth: 5 + 7*n, Fault: fault}, // once, whatever chance does
				connectortest.Rule{Path: "/(Users|Groups)", Probability: 0.1 / float64(len(faults)), Fault: fault})
		}
		w.systems[name].proxy.SetSeed(uint64(i) + 7)
		w.systems[name].proxy.SetRules(rules...)
	}
	const people = 24
	for n := range people {
		w.send(identity.WorkerJoined, person(n))
	}
	for n := 0; n < people; n += 2 {
		w.send(identity.WorkerChanged, fact{"employeeId": fmt.Sprintf("E%04d", n), "department": "Marketing"})
	}
	for n := 0; n < people; n += 3 {
		w.leaveNow(fmt.Sprintf("E%04d", n))
	}
	w.quiet()
	for _, name := range targetNames {
		struck := map[string]bool{}
		for _, request := range w.systems[name].proxy.Requests() {
			struck[request.Fault] = true
		}
		require.Len(t, struck, 1+len(faults), "%s: each fault, and none: %v", name, struck)
		w.systems[name].proxy.SetRules()
	}
	w.eventually("what may have been in flight is read once more", func() bool { return w.unsettled() == 0 && w.unconfirmed() == 0 })
	for n := range people {
		id := fmt.Sprintf("E%04d", n)
		switch {
		case n%3 == 0:
			w.requireGone(id)
		case n%2 == 0:
			w.requireEnabled(id, "Everyone", "Marketing")
		default:
			w.requireEnabled(id, "Everyone", "Sales")
		}
	}
}

// unconfirmed counts the accounts that wait for their second reading.
func (w *world) unconfirmed() int {
	n := 0
	conn := w.admin()
	defer func() { _ = conn.Close(w.t.Context()) }()
	require.NoError(w.t, conn.QueryRow(w.t.Context(), `select count(*) from accounts where org = $1 and confirm_due_at is not null and confirmed_at is null`,
		w.org).Scan(&n))
	return n
}

// TestATargetThatIsDownIsLeftAlone: once people are blocked on a target, nothing calls it but the probe, and no run is
// open for them.
func TestATargetThatIsDownIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{blockBudget: "1s"})
	wiki := w.systems["wiki"].proxy
	wiki.SetDown(true)
	var receipts []lifecycle.Receipt
	for n := range 10 {
		receipts = append(receipts, w.send(identity.WorkerJoined, person(n)))
	}
	w.quiet()
	for _, receipt := range receipts {
		w.eventually("no run is open", func() bool { return !w.open(receipt) })
	}
	wiki.Reset()
	require.NoError(t, wiki.Wait(t.Context(), func(s connectortest.State) bool { return s.Requests >= 4 }))
	requests := wiki.Requests()
	for i, request := range requests {
		require.Equal(t, http.MethodGet, request.Method)
		if i > 0 { // the probe's interval is a second; ten people would make a burst
			require.Greater(t, request.At.Sub(requests[i-1].At), 300*time.Millisecond)
		}
	}
	wiki.SetDown(false)
	w.eventually("everyone is in wiki", func() bool { return len(w.systems["wiki"].Snapshot().Users) == 10 })
	w.quiet()
	w.requireEnabled("E0009", "Everyone", "Sales")
}

// open reports whether a run is open for the person.
func (w *world) open(receipt lifecycle.Receipt) bool {
	return w.runOf(receipt).status() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
}
