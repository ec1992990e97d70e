package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
)

func TestSourceFor(t *testing.T) {
	t.Parallel()
	p := with(t, `
sources:
  - {name: hr, match: ["urn:acme:hr", "https://acme.example/*"]}
  - {name: payroll, match: ["https://acme.example/payroll/*"]}
  - name: directory
`)
	for ceSource, want := range map[string]string{
		"urn:acme:hr":                      "hr",
		"urn:acme:hr2":                     "",
		"https://acme.example/":            "hr",
		"https://acme.example/x":           "hr",
		"https://acme.example/payroll/x":   "payroll",
		"https://other.example/":           "",
		"directory":                        "directory",
		"":                                 "",
		"https://acme.example/payroll":     "hr",
		"HTTPS://acme.example/case-counts": "",
	} {
		rule, ok := p.SourceFor(ceSource)
		require.Equal(t, want != "", ok, ceSource)
		require.Equal(t, want, rule.Name, ceSource)
	}
}

func TestEachSourceIsItsOwnWhereNoneIsDeclared(t *testing.T) {
	t.Parallel()
	rule, ok := with(t, "precedence: {default: [urn:a, urn:b]}\n").SourceFor("urn:any")
	require.True(t, ok)
	require.Equal(t, "urn:any", rule.Name)
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	got := example(t).Precedence()
	require.Equal(t, []string{"hr", "directory"}, got.Default)
	require.Equal(t, map[string][]string{"email": {"directory", "hr"}, "custom": {"hr"}}, got.ByAttribute)
}

func TestCorrelation(t *testing.T) {
	t.Parallel()
	rules := example(t).Correlations()
	require.Len(t, rules, 2)
	require.Equal(t, policy.Correlation{Name: "same-mail", Match: []string{"email"}, Link: true}, rules[0])
	require.False(t, rules[1].Link, "a case unless the rule says link")

	composed := identity.Attributes{GivenName: " JÖRG", FamilyName: "Straße", Custom: map[string]any{"birthday": "1990-01-02"}}
	apart := identity.Attributes{GivenName: "jo\u0308rg ", FamilyName: "STRASSE", Custom: map[string]any{"birthday": "1990-01-02"}}
	a, ok := rules[1].Key(composed)
	require.True(t, ok)
	b, ok := rules[1].Key(apart)
	require.True(t, ok)
	require.Equal(t, a, b)

	shifted := composed
	shifted.GivenName, shifted.FamilyName = "JÖRGS", "traße"
	c, ok := rules[1].Key(shifted)
	require.True(t, ok)
	require.NotEqual(t, a, c, "values must not run into each other")

	for name, incomplete := range map[string]identity.Attributes{
		"empty":        {GivenName: "Jörg", Custom: map[string]any{"birthday": "1990-01-02"}},
		"only space":   {GivenName: "Jörg", FamilyName: "  ", Custom: map[string]any{"birthday": "1990-01-02"}},
		"no custom":    {GivenName: "Jörg", FamilyName: "Straße"},
		"not a string": {GivenName: "Jörg", FamilyName: "Straße", Custom: map[string]any{"birthday": 5.0}},
	} {
		_, ok := rules[1].Key(incomplete)
		require.False(t, ok, name)
	}
}
