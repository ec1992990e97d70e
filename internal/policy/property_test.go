package policy_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
)

var (
	departments = []string{"", "Sales", "Legal", "Engineering"}
	workerTypes = []string{"", "employee", "contractor", "intern"}
	locations   = []string{"", "Berlin", "Lisbon", "Auckland"}
	zones       = []string{"", "Europe/Berlin", "Pacific/Auckland", "Pacific/Honolulu", "nowhere"}
)

func attributes() *rapid.Generator[identity.Attributes] {
	return rapid.Custom(func(t *rapid.T) identity.Attributes {
		a := identity.Attributes{
			EmployeeID:  rapid.StringMatching(`[A-Z][0-9]{1,4}`).Draw(t, "employeeId"),
			GivenName:   rapid.String().Draw(t, "givenName"),
			FamilyName:  rapid.String().Draw(t, "familyName"),
			DisplayName: rapid.String().Draw(t, "displayName"),
			Title:       rapid.SampledFrom([]string{"", "Head", "Clerk"}).Draw(t, "title"),
			Department:  rapid.SampledFrom(departments).Draw(t, "department"),
			WorkerType:  rapid.SampledFrom(workerTypes).Draw(t, "workerType"),
			Location:    rapid.SampledFrom(locations).Draw(t, "location"),
			TimeZone:    rapid.SampledFrom(zones).Draw(t, "timeZone"),
		}
		if rapid.Bool().Draw(t, "hasCustom") {
			a.Custom = map[string]any{"level": float64(rapid.IntRange(0, 9).Draw(t, "level"))}
		}
		return a
	})
}

func subjects() *rapid.Generator[policy.Subject] {
	return rapid.Custom(func(t *rapid.T) policy.Subject {
		s := policy.Subject{
			Attributes: attributes().Draw(t, "person"),
			UserName:   rapid.StringMatching(`[a-z]{1,8}[0-9]{0,2}`).Draw(t, "userName"),
			State: rapid.SampledFrom([]identity.State{
				identity.StateStaged, identity.StateActive, identity.StateSuspended, identity.StateLeaving, identity.StateLeft,
			}).Draw(t, "state"),
			AsOf: asOf,
		}
		if rapid.Bool().Draw(t, "hasManager") {
			manager := attributes().Draw(t, "manager")
			s.Manager = &manager
		}
		if rapid.Bool().Draw(t, "hasStart") {
			s.StartsAt = asOf.Add(time.Duration(rapid.IntRange(-400, 400).Draw(t, "hoursToStart")) * time.Hour)
		}
		return s
	})
}

func TestDesiredOfAnyone(t *testing.T) {
	t.Parallel()
	p := example(t)
	loaded, err := policy.Load(p.Source())
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		s := subjects().Draw(t, "subject")
		desired, err := p.Desired(s)
		require.NoError(t, err)

		again, err := loaded.Desired(s)
		require.NoError(t, err)
		require.Equal(t, desired, again, "what is stored decides as what was parsed, every time")
		require.Empty(t, policy.Diff(desired, again))
		if s.State.Gone() {
			require.Equal(t, policy.Desired{}, desired)
		}
		if !desired.NextChange.IsZero() {
			require.True(t, desired.NextChange.After(s.AsOf), "a change that is due already would be waited for in vain")
		}
		for name, account := range desired.Accounts {
			require.Equal(t, name, account.Target)
			require.Equal(t, s.State == identity.StateActive, account.Enabled)
			require.NotEmpty(t, account.Reasons)
			for _, grant := range account.Grants {
				require.NotEmpty(t, grant.Reasons, "no grant without a reason")
				require.Subset(t, account.Reasons, grant.Reasons, "what gives a grant gives the account")
			}
		}
	})
}

// What is stored as JSON (a plan) is read back as it was.
func TestDesiredSurvivesJSON(t *testing.T) {
	t.Parallel()
	p := example(t)
	rapid.Check(t, func(t *rapid.T) {
		s := subjects().Filter(func(s policy.Subject) bool { return !s.State.Gone() }).Draw(t, "subject")
		desired, err := p.Desired(s)
		require.NoError(t, err)
		stored, err := json.Marshal(desired)
		require.NoError(t, err)
		var read policy.Desired
		require.NoError(t, json.Unmarshal(stored, &read))
		require.Empty(t, policy.Diff(desired, read))
	})
}

func TestDiffThereAndBack(t *testing.T) {
	t.Parallel()
	p := example(t)
	rapid.Check(t, func(t *rapid.T) {
		a, err := p.Desired(subjects().Draw(t, "before"))
		require.NoError(t, err)
		b, err := p.Desired(subjects().Draw(t, "after"))
		require.NoError(t, err)
		there, back := policy.Diff(a, b), policy.Diff(b, a)
		require.Len(t, back, len(there))
		for i := range there {
			require.Equal(t, there[i].Target, back[i].Target)
			require.Equal(t, there[i].Gained, back[i].Lost)
			require.Equal(t, there[i].Lost, back[i].Gained)
			require.Equal(t, there[i].Attributes, back[i].Attributes)
		}
	})
}

// FuzzParse: whatever the bytes are, Parse answers, and what it accepts can be stored and read back.
func FuzzParse(f *testing.F) {
	f.Add([]byte("organization: acme\n"))
	f.Add([]byte("organization: acme\ntargets:\n  - {name: crm, connector: scim, attributes: {userName: '\"x\"'}}\n"))
	f.Add([]byte("organization: [\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("---\n---\norganization: acme\n...\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := policy.Parse(policy.File{Name: "fuzz.yaml", Data: data})
		if err != nil {
			return
		}
		loaded, err := policy.Load(p.Source())
		require.NoError(t, err)
		require.Equal(t, p.Hash(), loaded.Hash())
	})
}

// BenchmarkDesired is the work of a preview over 10,000 people: twice this, old policy and new, must stay well under
// 5 s.
func BenchmarkDesired(b *testing.B) {
	p := benchmarkPolicy(b)
	people := make([]policy.Subject, 10_000)
	for i := range people {
		s := salesperson()
		s.Attributes.EmployeeID = strconv.Itoa(i)
		s.Attributes.Department = departments[i%len(departments)]
		s.Attributes.WorkerType = workerTypes[i/7%len(workerTypes)]
		s.Manager = &identity.Attributes{DisplayName: "M", Location: locations[i%len(locations)]}
		people[i] = s
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, s := range people {
			if _, err := p.Desired(s); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(people)), "µs/person")
}

// benchmarkPolicy has three targets of ten attributes, and thirty rules.
func benchmarkPolicy(b *testing.B) *policy.Policy {
	b.Helper()
	var text strings.Builder
	targets := []string{"crm", "wiki", "helpdesk"}
	text.WriteString("naming: [{name: userName, templates: [slug(person.familyName)]}]\ntargets:\n")
	for _, target := range targets {
		fmt.Fprintf(&text, "  - name: %s\n    connector: scim\n    entitlements: [{name: A}, {name: B}]\n", target)
		text.WriteString("    attributes:\n      userName: userName\n      manager: manager.displayName\n")
		for i := range 8 {
			fmt.Fprintf(&text, "      a%d: person.givenName + \" \" + lower(person.familyName)\n", i)
		}
	}
	text.WriteString("roles:\n")
	for _, target := range targets {
		fmt.Fprintf(&text, "  - {name: %[1]s-a, kind: technical, target: %[1]s, entitlements: [{name: A}]}\n", target)
		fmt.Fprintf(&text, "  - {name: %[1]s-b, kind: technical, target: %[1]s, entitlements: [{name: B}]}\n", target)
	}
	text.WriteString("birthright:\n")
	for i := range 30 {
		fmt.Fprintf(&text, "  - name: r%[1]d\n    roles: [crm-a, wiki-a, helpdesk-b]\n"+
			"    when: person.department == \"Sales\" && person.workerType != \"intern\" || %[1]d < 3\n", i)
	}
	return with(b, text.String())
}
