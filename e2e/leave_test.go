package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"

	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
)

// leaveNow is an abrupt termination.
func (w *world) leaveNow(employeeID string) lifecycle.Receipt {
	w.t.Helper()
	receipt := w.send(identity.WorkerLeft, fact{"employeeId": employeeID, "immediate": true, "reason": "test"})
	require.Equal(w.t, identity.EffectLeave, receipt.Effect)
	return receipt
}

// requireConfirmed checks that the record says of every account that it was read back twice, or never existed.
func (w *world) requireConfirmed(receipt lifecycle.Receipt) {
	w.t.Helper()
	require.NoError(w.t, w.store.InOrg(w.t.Context(), w.org, func(tx *store.Tx) error {
		accounts, err := tx.Accounts(w.t.Context(), receipt.Identity)
		require.NoError(w.t, err)
		for _, a := range accounts {
			require.NotNil(w.t, a.VerifiedAt, a.Target)
			require.NotNil(w.t, a.ConfirmedAt, a.Target)
		}
		return nil
	}))
}

func TestLeaveMeetsAJoinerWho(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]settings{
		"worker with the SDK's throttle of heartbeats": {throttle: 60 * time.Second},
		"worker with few slots":                        {slots: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			t.Run("is queued", func(t *testing.T) {
				t.Parallel()
				queued := s
				queued.idle = true
				w := newWorld(t, queued)
				for n := range 30 {
					w.send(identity.WorkerJoined, person(n))
				}
				left := w.leaveNow("E0029")
				w.startWorker(s)
				w.quiet()
				w.requireGone("E0029")
				w.requireEnabled("E0000", "Everyone", "Sales")
				w.requireConfirmed(left)
			})

			t.Run("is in the middle of an activity", func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, s)
				w.systems["crm"].proxy.SetRules(connectortest.Rule{Writes: true, Fault: connectortest.Latency(300 * time.Millisecond)})
				w.send(identity.WorkerJoined, person(1))
				w.awaitWrite("crm")
				left := w.leaveNow("E0001")
				w.quiet()
				w.requireGone("E0001")
				w.requireConfirmed(left)
			})

			t.Run("is in back-off", func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, s)
				w.systems["crm"].proxy.SetRules(connectortest.Rule{Writes: true, Times: 4, Fault: connectortest.Status(503, 0)})
				joined := w.send(identity.WorkerJoined, person(1))
				w.awaitRetry(joined)
				left := w.leaveNow("E0001")
				w.quiet()
				w.requireGone("E0001")
				w.requireConfirmed(left)
			})

			t.Run("hangs on a target", func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, s)
				w.systems["crm"].proxy.SetRules(connectortest.Rule{Writes: true, Times: 1, Fault: connectortest.Hang()})
				w.send(identity.WorkerJoined, person(1))
				w.awaitWrite("crm")
				left := w.leaveNow("E0001")
				w.quiet()
				w.requireGone("E0001")
				w.requireConfirmed(left)
			})

			t.Run("has a timed-out attempt that takes effect later", func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, s)
				crm := w.systems["crm"].proxy
				crm.SetRules(connectortest.Rule{Method: "POST", Path: "Users", Times: 1, Fault: connectortest.LateEffect(0)})
				joined := w.send(identity.WorkerJoined, person(1))
				require.NoError(t, crm.Wait(t.Context(), func(s connectortest.State) bool { return s.Held == 1 }))
				w.awaitRetry(joined)
				left := w.leaveNow("E0001")
				w.eventually("everything verified", func() bool { return w.verified(left) })
				crm.Release() // the create of before the leave lands now
				require.NoError(t, crm.Wait(t.Context(), func(s connectortest.State) bool { return s.Landed == 1 }))
				require.NotNil(t, w.account("crm", "E0001"), "the late request made an account")
				w.quiet()
				w.requireGone("E0001")
				w.requireConfirmed(left)
			})
		})
	}
}

// TestLeaveMeetsAJoinerWhoWaitsForASlot: there are fewer slots than attempts, so that some wait in Temporal.
func TestLeaveMeetsAJoinerWhoWaitsForASlot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{slots: 2})
	for _, target := range w.systems {
		target.proxy.SetRules(connectortest.Rule{Fault: connectortest.Hang()})
	}
	w.send(identity.WorkerJoined, person(1))
	joined := w.send(identity.WorkerJoined, person(2))
	w.eventually("an attempt waits for a slot", func() bool {
		return slices.ContainsFunc(w.runOf(joined).GetPendingActivities(), func(a *workflow.PendingActivityInfo) bool {
			return a.GetState() == enums.PENDING_ACTIVITY_STATE_SCHEDULED && a.GetLastStartedTime() == nil
		})
	})
	left := w.leaveNow("E0002")
	for _, target := range w.systems {
		target.proxy.SetRules()
		target.proxy.Release()
	}
	w.quiet()
	w.requireGone("E0002")
	w.requireEnabled("E0001", "Everyone", "Sales")
	w.requireConfirmed(left)
}

// verified reports whether every account of the person was read back once after the leave.
func (w *world) verified(receipt lifecycle.Receipt) bool {
	done := false
	require.NoError(w.t, w.store.InOrg(w.t.Context(), w.org, func(tx *store.Tx) error {
		return tx.QueryRow(w.t.Context(), `select count(*) > 0 and bool_and(status in ('verified', 'confirmed', 'unsupported')) from operations
			where org = $1 and identity_id = $2 and tier is not null`, w.org, receipt.Identity).Scan(&done)
	}))
	return done
}

// awaitRetry waits until an attempt for the person has failed and will be made again.
func (w *world) awaitRetry(receipt lifecycle.Receipt) {
	w.t.Helper()
	w.eventually("an attempt is to be made again", func() bool {
		return slices.ContainsFunc(w.runOf(receipt).GetPendingActivities(), func(a *workflow.PendingActivityInfo) bool {
			return a.GetAttempt() > 1
		})
	})
}

// awaitWrite waits until a changing request has reached the target's proxy.
func (w *world) awaitWrite(target string) {
	w.t.Helper()
	w.eventually("a write at "+target, func() bool {
		for _, r := range w.systems[target].proxy.Requests() {
			if r.Method != http.MethodGet {
				return true
			}
		}
		return false
	})
}

func TestOneTargetDownDelaysNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{attemptTimeout: "5s", blockBudget: "10s"}) // less, and a busy machine fails at crm and desk
	w.systems["wiki"].proxy.SetDown(true)
	const people = 20
	for n := range people {
		w.send(identity.WorkerJoined, person(n))
	}
	for n := range people {
		id := fmt.Sprintf("E%04d", n)
		// With so small a budget a busy machine has other targets taken for down, too: they come back by themselves.
		w.eventually(id+" is in crm and desk", func() bool { return w.account("crm", id) != nil && w.account("desk", id) != nil })
		require.Nil(t, w.account("wiki", id))
	}
	w.quiet()
	left := w.leaveNow("E0003")
	w.eventually("the leaver is out of crm and desk", func() bool {
		return !w.account("crm", "E0003").Enabled && !w.account("desk", "E0003").Enabled
	})
	w.systems["wiki"].proxy.SetDown(false)
	w.quiet()
	w.eventually("everyone is in wiki", func() bool {
		return w.unsettled() == 0 && len(w.systems["wiki"].Snapshot().Users) >= people-1
	})
	w.requireGone("E0003")
	w.requireConfirmed(left)
	w.requireEnabled("E0004", "Everyone", "Sales")
}
