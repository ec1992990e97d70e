package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
)

func TestJoinMoveLeaveRehire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	joined := w.send(identity.WorkerJoined, person(1))
	require.Equal(t, identity.EffectJoin, joined.Effect)
	w.quiet()
	w.requireEnabled("E0001", "Everyone", "Sales")

	moved := w.send(identity.WorkerChanged, fact{"employeeId": "E0001", "department": "Marketing", "title": "Head"})
	require.Equal(t, identity.EffectMove, moved.Effect)
	require.Equal(t, joined.Identity, moved.Identity)
	w.quiet()
	w.requireEnabled("E0001", "Everyone", "Marketing")
	require.Equal(t, "Head", w.account("crm", "E0001").Attributes["title"])

	left := w.send(identity.WorkerLeft, fact{"employeeId": "E0001", "immediate": true, "reason": "abrupt"})
	require.Equal(t, identity.EffectLeave, left.Effect)
	w.quiet()
	w.requireGone("E0001")

	back := w.send(identity.WorkerRehired, fact{"employeeId": "E0001", "department": "Sales"})
	require.Equal(t, identity.EffectRehire, back.Effect)
	require.Equal(t, joined.Identity, back.Identity)
	w.quiet()
	w.requireEnabled("E0001", "Everyone", "Sales")
}
