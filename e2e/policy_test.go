package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/scim/simulator"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
)

// TestANewPolicyDoesWhatItsPreviewSays: those whom a second version of the policy concerns are planned anew, and what then
// changes in the targets is what the preview counted.
func TestANewPolicyDoesWhatItsPreviewSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	const people = 9
	for n := range people {
		who := person(n)
		who["department"] = []string{"Sales", "Marketing", "Legal"}[n%3]
		w.send(identity.WorkerJoined, who)
	}
	w.leaveNow("E0000")
	w.quiet()
	before := w.contents()

	text := w.policyText(settings{})
	for _, change := range [][2]string{
		{"person.department == \"Sales\"", "person.department == \"Legal\""},        // one department's groups to another
		{"accounts: [crm, desk, wiki], roles: [everyone]", "accounts: [crm, desk]"}, // wiki by the departments' roles alone
	} {
		require.Contains(t, text, change[0])
		text = strings.Replace(text, change[0], change[1], 1)
	}
	next, err := policy.Parse(policy.File{Name: "policy.yaml", Data: []byte(text)})
	require.NoError(t, err)
	preview, err := w.service.PreviewPolicy(t.Context(), w.org, next)
	require.NoError(t, err)
	w.applyPolicy(text)
	w.quiet()
	require.Equal(t, people-1, preview.Affected, "all but the one who has left")
	after := w.contents()
	for _, target := range preview.Targets {
		require.Equal(t, target, changes(target.Target, before, after))
		require.Positive(t, target.Change+target.Lose)
		require.Positive(t, target.Revoked)
	}
	w.requireGone("E0000")
	require.Empty(t, w.account("crm", "E0003").Groups)
	require.Equal(t, []string{"Sales"}, w.account("crm", "E0002").Groups)
}

// contents are the accounts of all targets, by target and employee.
func (w *world) contents() map[string]simulator.User {
	users := map[string]simulator.User{}
	for name, s := range w.systems {
		for _, u := range s.Snapshot().Users {
			users[fmt.Sprint(name, " ", u.Attributes["externalId"])] = u
		}
	}
	return users
}

// changes counts what became of the accounts of a target.
func changes(target string, before, after map[string]simulator.User) lifecycle.TargetPreview {
	count := lifecycle.TargetPreview{Target: target}
	for key, is := range after {
		if !strings.HasPrefix(key, target+" ") {
			continue
		}
		was := before[key]
		without := func(some, others []string) (n int) {
			for _, group := range some {
				if !slices.Contains(others, group) {
					n++
				}
			}
			return n
		}
		granted, revoked := without(is.Groups, was.Groups), without(was.Groups, is.Groups)
		count.Granted += granted
		count.Revoked += revoked
		switch {
		case is.Enabled && !was.Enabled:
			count.Gain++
		case was.Enabled && !is.Enabled:
			count.Lose++
		case granted+revoked > 0:
			count.Change++
		}
	}
	return count
}
