package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
)

// TestAKillStays: a kill meets a joiner in the middle of an activity, and what HR goes on saying gives nothing back.
func TestAKillStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	crm := w.systems["crm"].proxy
	crm.SetRules(connectortest.Rule{Writes: true, Times: 1, Fault: connectortest.Hang()})
	joined := w.send(identity.WorkerJoined, person(1))
	w.awaitWrite("crm")
	decide := func(what func(*lifecycle.Service) (lifecycle.Killed, error), effect identity.Effect) {
		t.Helper()
		killed, err := what(w.service)
		require.NoError(t, err)
		require.Equal(t, effect, killed.Effect)
	}
	decide(func(s *lifecycle.Service) (lifecycle.Killed, error) {
		return s.Kill(t.Context(), w.org, lifecycle.Caller{Actor: "test"}, "E0001", "a test")
	}, identity.EffectLeave)
	w.quiet()
	w.requireGone("E0001")
	w.requireConfirmed(joined)

	w.send(identity.WorkerChanged, fact{"employeeId": "E0001", "department": "Marketing", "endDate": nil})
	w.send(identity.WorkerJoined, person(1))
	w.quiet()
	w.requireGone("E0001")

	decide(func(s *lifecycle.Service) (lifecycle.Killed, error) {
		return s.Reinstate(t.Context(), w.org, lifecycle.Caller{Actor: "test"}, joined.Identity.String(), "the test goes on")
	}, identity.EffectRehire)
	w.quiet()
	w.requireEnabled("E0001", "Everyone", "Sales")
}
