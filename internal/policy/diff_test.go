package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
)

func TestDiffOfAMover(t *testing.T) {
	t.Parallel()
	p, before := example(t), salesperson()
	after := before
	after.Attributes.Department, after.Attributes.Title = "Legal", "Counsel"
	require.Equal(t, []policy.Change{
		{
			Target: "crm", Attributes: []string{"tags", "title"},
			Lost: []policy.Entitlement{{Kind: "group", Name: "Sales"}, {Kind: "licence", Name: "Full"}},
		},
		{Target: "wiki", Account: policy.AccountLost, Lost: []policy.Entitlement{{Kind: "group", Name: "Authors"}}},
	}, diff(t, p, before, after))
	require.Equal(t, []policy.Change{
		{
			Target: "crm", Attributes: []string{"tags", "title"},
			Gained: []policy.Entitlement{{Kind: "group", Name: "Sales"}, {Kind: "licence", Name: "Full"}},
		},
		{Target: "wiki", Account: policy.AccountGained, Gained: []policy.Entitlement{{Kind: "group", Name: "Authors"}}},
	}, diff(t, p, after, before))
}

func TestDiffOfALeaveOfAbsence(t *testing.T) {
	t.Parallel()
	p, active := example(t), salesperson()
	away := active
	away.State = identity.StateSuspended
	require.Equal(t, []policy.Change{
		{Target: "crm", Account: policy.AccountDisabled}, {Target: "wiki", Account: policy.AccountDisabled},
	}, diff(t, p, active, away))
	require.Equal(t, []policy.Change{
		{Target: "crm", Account: policy.AccountEnabled}, {Target: "wiki", Account: policy.AccountEnabled},
	}, diff(t, p, away, active))
}

func TestDiffOfAttributes(t *testing.T) {
	t.Parallel()
	of := func(attributes map[string]any) policy.Desired {
		return policy.Desired{Accounts: map[string]policy.DesiredAccount{"crm": {Target: "crm", Attributes: attributes}}}
	}
	changes := policy.Diff(
		of(map[string]any{"same": []any{"a", 1.0}, "changed": "a", "cleared": "a", "unmapped": "a", "unmapped empty": nil}),
		of(map[string]any{"same": []any{"a", 1.0}, "changed": "b", "cleared": nil, "mapped": true, "mapped empty": nil}))
	require.Equal(t, []policy.Change{{Target: "crm", Attributes: []string{"changed", "cleared", "mapped", "unmapped"}}}, changes)
}

func TestReasonsAreNoChange(t *testing.T) {
	t.Parallel()
	p, s := example(t), salesperson()
	before, err := p.Desired(s)
	require.NoError(t, err)
	s.Manager = &identity.Attributes{Location: "Lisbon"}
	after, err := p.Desired(s)
	require.NoError(t, err)
	require.NotEqual(t, before.Accounts["wiki"].Reasons, after.Accounts["wiki"].Reasons)
	require.Empty(t, policy.Diff(before, after))
}

func diff(t testing.TB, p *policy.Policy, before, after policy.Subject) []policy.Change {
	t.Helper()
	old, err := p.Desired(before)
	require.NoError(t, err)
	now, err := p.Desired(after)
	require.NoError(t, err)
	return policy.Diff(old, now)
}
