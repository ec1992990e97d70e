package report

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/lifecycle"
)

func TestTerminationPage(t *testing.T) {
	t.Parallel()
	left := time.Date(2026, 3, 1, 23, 59, 58, 0, time.FixedZone("", -5*60*60))
	verified := left.Add(90 * time.Second)
	r := lifecycle.Termination{Org: "acme", Identity: uuid.New(), DisplayName: `Zoë <img src=x onerror="alert(1)">`, LeftAt: left, Reason: "javascript:alert(1)",
		Late: 1, DoneAt: &verified, Actions: []lifecycle.TerminationAction{{Tier: 1, Target: "crm", Action: "end_sessions", Status: "verified", Late: true,
			VerifiedAt: &verified, Evidence: map[string]any{"b": "<2>", "a": []any{1.5, nil}}}}}
	var page strings.Builder
	require.NoError(t, Termination(&page, r))
	for _, part := range []string{"Zoë &lt;img", "All 1 actions are verified, the last at 2026-03-02 05:01:28", "1 missed the deadline", "<td>end sessions</td>",
		"1m30s", "a: [1.5,null]; b: &lt;2&gt;", "all that was said of it was taken back"} {
		require.Contains(t, page.String(), part)
	}
	for _, part := range []string{"<img", "<script", "http://", "https://", "//cdn"} {
		require.NotContains(t, page.String(), part, "nothing is loaded or run")
	}

	r.Actions, r.Late, r.DoneAt = nil, 0, nil
	page.Reset()
	require.NoError(t, Termination(&page, r))
	require.Contains(t, page.String(), "There was no account to take away.")
	require.NotContains(t, page.String(), "missed the deadline")
}
