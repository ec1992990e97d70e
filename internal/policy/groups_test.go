package policy_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/policy"
)

// byGroup gives an account in crm when the condition holds.
func byGroup(t testing.TB, when string) *policy.Policy {
	t.Helper()
	return with(t, fmt.Sprintf(`
naming: [{name: userName, templates: [slug(person.familyName)]}]
targets: [{name: crm, connector: scim, attributes: {userName: userName}}]
birthright: [{name: by-group, accounts: [crm], when: '%s'}]
`, when))
}

func TestGroupReferences(t *testing.T) {
	t.Parallel()
	for when, want := range map[string]policy.GroupReferences{
		`true`:              {},
		`"Sales" in groups`: {Names: []string{"Sales"}},
		`"Sales" in groups || "HR" in groups && !("HR" in groups)`: {Names: []string{"HR", "Sales"}},
		`person.department in groups`:                              {Any: true},
		`groups.exists(g, g.startsWith("App "))`:                   {Any: true},
		`"Sales" in groups && size(groups) < 3`:                    {Any: true, Names: []string{"Sales"}},
		`["groups"].exists(g, g == person.department)`:             {},
	} {
		groups := byGroup(t, when).Groups()
		require.Equal(t, want, groups, when)
		require.Equal(t, !want.Any && want.Names == nil, groups.None(), when)
		require.Equal(t, want.Any || len(want.Names) > 0, groups.Has("Sales"), when)
		require.Equal(t, want.Any, groups.Has("Elsewhere"), when)
	}
}

func TestAGroupGivesAnAccount(t *testing.T) {
	t.Parallel()
	for when, want := range map[string]bool{
		`"Sales" in groups`:                    true,
		`"sales" in groups`:                    false,
		`"HR" in groups`:                       false,
		`groups.exists(g, g.startsWith("Sa"))`: true,
		`size(groups) == 2`:                    true,
	} {
		s := salesperson()
		s.Groups = []string{"Sales", "Everyone"}
		desired, err := byGroup(t, when).Desired(s)
		require.NoError(t, err)
		require.Equal(t, want, len(desired.Accounts) == 1, when)

		s.Groups = nil
		desired, err = byGroup(t, when).Desired(s)
		require.NoError(t, err, when)
		require.Empty(t, desired.Accounts, when)
	}
}
