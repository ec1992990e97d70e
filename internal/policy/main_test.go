package policy_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
)

// asOf is the moment at which the tests ask, unless they say otherwise.
var asOf = time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC)

func example(t testing.TB) *policy.Policy {
	t.Helper()
	data, err := os.ReadFile("testdata/example.yaml")
	require.NoError(t, err)
	p, err := policy.Parse(policy.File{Name: "example.yaml", Data: data})
	require.NoError(t, err)
	return p
}

// with is a minimal policy with more lines.
func with(t testing.TB, lines string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse(policy.File{Name: "p.yaml", Data: []byte("organization: acme\n" + lines)})
	require.NoError(t, err)
	return p
}

func salesperson() policy.Subject {
	return policy.Subject{
		Attributes: identity.Attributes{
			EmployeeID: "A1", GivenName: "Jörg", FamilyName: "Müller", DisplayName: "Jörg Müller",
			Department: "Sales", WorkerType: "employee", Location: "Berlin",
		},
		UserName: "jmueller", Mail: "jmueller@acme.example",
		State: identity.StateActive, AsOf: asOf,
	}
}
