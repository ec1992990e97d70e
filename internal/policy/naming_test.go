package policy_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
)

// candidates are the first n names that the rule gives.
func candidates(rule policy.NamingRule, s policy.Subject, n int) ([]string, error) {
	var names []string
	for name, err := range rule.Candidates(s) {
		if err != nil {
			return names, err
		}
		if names = append(names, name); len(names) == n {
			break
		}
	}
	return names, nil
}

func named(t testing.TB, lines string) policy.NamingRule {
	t.Helper()
	return with(t, "naming:\n"+lines).NamingRules()[0]
}

func TestNamingRulesComeInTheOrderOfTheirNeed(t *testing.T) {
	t.Parallel()
	rules := example(t).NamingRules()
	require.Len(t, rules, 2)
	require.Equal(t, policy.NameUserName, rules[0].Name)
	require.Equal(t, policy.OnRenameKeep, rules[0].OnRename)
	require.Equal(t, policy.NameMail, rules[1].Name)
	require.Equal(t, policy.OnRenameFollow, rules[1].OnRename)
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	const short = "  - {name: userName, maxLength: 8, templates: [slug(person.familyName), slug(person.givenName)]}\n"
	const preferred = "  - {name: userName, prefer: source, templates: [slug(person.familyName)]}\n"
	const mail = `  - {name: mail, prefer: source, templates: ['slug(person.familyName) + "@acme.example"']}` + "\n"
	jane := identity.Attributes{GivenName: "Jane", FamilyName: "Doe", EmployeeID: "A1"}
	for name, test := range map[string]struct {
		rule    string
		of      identity.Attributes
		want    []string
		wantErr string
	}{
		"templates first, then numbers": {rule: short, of: jane, want: []string{"doe", "jane", "doe2", "doe3", "doe4"}},
		"equal templates count once": {
			rule: short, of: identity.Attributes{GivenName: "Lee", FamilyName: "Lee"}, want: []string{"lee", "lee2", "lee3"},
		},
		"shortened to fit with its number": {
			rule: short, of: identity.Attributes{FamilyName: "Wolfeschlegelstein"}, want: []string{"wolfesch", "wolfesc2", "wolfesc3"},
		},
		"a template that gives nothing is passed over": {
			rule: short, of: identity.Attributes{GivenName: "Olga", FamilyName: "Соколова"}, want: []string{"olga", "olga2"},
		},
		"nothing usable at all": {
			rule:    short,
			of:      identity.Attributes{GivenName: "Ольга", FamilyName: "Соколова"},
			wantErr: "naming[userName].templates: no template gives",
		},
		"the source's name first": {
			rule: preferred, of: identity.Attributes{UserName: " Jane.D ", FamilyName: "Doe"}, want: []string{"Jane.D", "doe", "doe2"},
		},
		"the source's name, which the template gives too": {
			rule: preferred, of: identity.Attributes{UserName: "DOE", FamilyName: "Doe"}, want: []string{"DOE", "doe2"},
		},
		"the source's name is no name": {
			rule: preferred, of: identity.Attributes{UserName: "jane doe", FamilyName: "Doe"}, want: []string{"doe", "doe2"},
		},
		"the source's name when templates come first": {
			rule: short, of: identity.Attributes{UserName: "jd", FamilyName: "Doe"}, want: []string{"doe", "doe2"},
		},
		"mail": {
			rule: mail, of: jane, want: []string{"doe@acme.example", "doe2@acme.example"},
		},
		"mail from the source": {
			rule: mail, of: identity.Attributes{Email: "Jane@acme.example", FamilyName: "Doe"},
			want: []string{"Jane@acme.example", "doe@acme.example"},
		},
		"mail from the source without a domain": {
			rule: mail, of: identity.Attributes{Email: "jane", FamilyName: "Doe"}, want: []string{"doe@acme.example"},
		},
		"mail from the source with two @": {
			rule: mail, of: identity.Attributes{Email: "a@b@c.example", FamilyName: "Doe"}, want: []string{"doe@acme.example"},
		},
		"mail without a domain": {
			rule: "  - {name: mail, templates: ['slug(person.familyName)', '\"x@y\"']}\n",
			of:   jane, wantErr: "naming[mail].templates: no template gives",
		},
		"an expression that fails": {
			rule: "  - {name: userName, templates: [person.givenName.substring(9)]}\n",
			of:   jane, wantErr: "naming[userName].templates: cannot be evaluated",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := candidates(named(t, test.rule), policy.Subject{Attributes: test.of}, len(test.want))
			if test.wantErr != "" {
				require.ErrorContains(t, err, test.wantErr)
				require.Equal(t, identity.Invalid, identity.ErrorCode(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestMailIsMadeFromTheAllocatedUserName(t *testing.T) {
	t.Parallel()
	got, err := candidates(example(t).NamingRules()[1], salesperson(), 2)
	require.NoError(t, err)
	require.Equal(t, []string{"jmueller@acme.example", "jmueller2@acme.example"}, got)
}

func TestCandidatesEndAfterAThousand(t *testing.T) {
	t.Parallel()
	names, err := candidates(example(t).NamingRules()[0], salesperson(), -1)
	require.NoError(t, err)
	require.Len(t, names, 1000)
}

func TestFits(t *testing.T) {
	t.Parallel()
	rule := named(t, "  - {name: userName, maxLength: 8, prefer: source, templates: [slug(person.familyName), slug(person.givenName)]}\n")
	s := policy.Subject{Attributes: identity.Attributes{GivenName: "Jane", FamilyName: "Doe1", UserName: "boss"}}
	for name, want := range map[string]bool{
		"boss": true, "doe1": true, "Doe1": true, "doe12": true, "doe123": true, "jane": true,
		"doe": false, "doe2": false, "doe11": false, "jane2": false, "boss2": false, "": false, "smith": false,
	} {
		got, err := rule.Fits(name, s)
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
	s.Attributes.FamilyName = "Wolfeschlegelstein"
	got, err := rule.Fits("wolfesc7", s)
	require.NoError(t, err)
	require.True(t, got)
}

// Whatever people are called, the names are distinct, short enough, safe in an address, and fit.
func TestCandidatesOfAnyone(t *testing.T) {
	t.Parallel()
	rule := named(t, `
  - name: userName
    maxLength: 12
    templates: ['slug(person.givenName) + "." + slug(person.familyName)', '"u" + slug(person.employeeId)']
`)
	rapid.Check(t, func(t *rapid.T) {
		s := policy.Subject{Attributes: identity.Attributes{
			GivenName:  rapid.String().Draw(t, "given"),
			FamilyName: rapid.String().Draw(t, "family"),
			EmployeeID: strconv.Itoa(rapid.IntRange(0, 1<<31).Draw(t, "id")),
		}}
		names, err := candidates(rule, s, 150)
		require.NoError(t, err)
		require.Len(t, names, 150)
		seen := map[string]bool{}
		for i, name := range names {
			require.False(t, seen[strings.ToLower(name)], name)
			seen[strings.ToLower(name)] = true
			require.LessOrEqual(t, len(name), 12)
			require.Regexp(t, `^[a-z0-9]+(\.[a-z0-9]+)?$`, name)
			if i%25 == 0 {
				fits, err := rule.Fits(name, s)
				require.NoError(t, err)
				require.True(t, fits, name)
			}
		}
	})
}
