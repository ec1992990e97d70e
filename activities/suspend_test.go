package activities_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/workflows"
)

// lodge is a vault with sessions.
type lodge struct {
	*vault

	sessions int
	down     error // ends no session while it is set
}

func (l *lodge) EndSessions(context.Context, string) error {
	if l.down == nil {
		l.sessions = 0
	}
	return l.down
}

func (l *lodge) SessionsEnded(context.Context, string, time.Time) (bool, connectors.Evidence, error) {
	return l.sessions == 0, connectors.Evidence{"sessions": l.sessions}, nil
}

// Whoever is suspended loses the sessions too, also when the attempt that disabled the account did not come to them.
func TestSessionsOfASuspendedPersonEndInTheEnd(t *testing.T) {
	t.Parallel()
	l := newLeaving(t)
	around := &lodge{vault: l.vault, sessions: 2}
	l.target = around
	l.joiner()
	l.now = l.now.Add(time.Hour)
	l.accept(identity.WorkerLeaveStarted, map[string]any{"employeeId": "E1"})
	step := l.step()
	around.down = &connectors.Error{Kind: connectors.KindUnavailable, Action: "end sessions"}
	_, err := l.attempt(0, step)
	require.Error(t, err)
	require.False(t, l.vault.account.Enabled)
	require.Equal(t, 2, around.sessions)

	around.down = nil
	outcome, err := l.attempt(time.Second, step)
	require.NoError(t, err)
	require.Equal(t, workflows.OutcomeApplied, outcome)
	require.Zero(t, around.sessions)
}
