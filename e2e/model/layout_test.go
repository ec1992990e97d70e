package model

import (
	"fmt"
	"strings"
	"time"

	"github.com/tenurehq/tenure/internal/policy"
)

// layout is an organization with its targets and rules.
type layout struct {
	org    string
	text   string
	policy *policy.Policy
}

// The times of every target. The attempt's is also what the activity's own context gets, in real time: it must be far
// above what a world takes.
const (
	attemptTimeout = 30 * time.Second
	settleLag      = 40 * time.Second
	blockBudget    = time.Minute
)

var departments = []string{"Sales", "Support", "Legal"} //nolint:gochecknoglobals // a table

// layouts are one target with everybody in it; two, of which the second is not for everybody; three, of which the third
// deletes accounts and shows the manager.
func layouts() []layout {
	crm := target("crm", "")
	desk := target("desk", "")
	wiki := target("wiki", "    onUnassigned: delete\n    preHire: 24h\n")
	wiki = strings.Replace(wiki, "person.title", "manager.displayName", 1)
	return []layout{
		{org: "one", text: document("one", []string{crm}, "crm")},
		{org: "two", text: document("two", []string{crm, desk}, "crm", "desk")},
		{org: "three", text: document("three", []string{crm, desk, wiki}, "crm", "desk", "wiki")},
	}
}

func target(name, more string) string {
	return fmt.Sprintf(`  - name: %s
    connector: memory
    settings: {name: %s}
    correlate: externalId
    attemptTimeout: %s
    settleLag: %s
    blockBudget: %s
%s    attributes:
      externalId: person.employeeId
      displayName: person.displayName
      title: person.title
    entitlements: [{name: Everyone}, {name: Sales}, {name: Support}, {name: Legal}]
`, name, name, attemptTimeout, settleLag, blockBudget, more)
}

// document gives everybody crm and its group Everyone, and their department's group; the other targets are for Sales and
// Support, and for Sales alone.
func document(org string, targets []string, names ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "organization: %s\ntimeZone: Europe/Berlin\ntargets:\n%sroles:\n", org, strings.Join(targets, ""))
	for _, name := range names {
		for _, group := range append([]string{"Everyone"}, departments...) {
			fmt.Fprintf(&b, "  - {name: %s-%s, kind: technical, target: %s, entitlements: [{name: %s}]}\n", name, strings.ToLower(group), name, group)
		}
	}
	b.WriteString("birthright:\n  - {name: all, when: true, accounts: [crm], roles: [crm-everyone]}\n")
	for _, name := range names {
		for i, department := range departments {
			switch {
			case name == "desk" && i > 1, name == "wiki" && i > 0:
				continue
			}
			fmt.Fprintf(&b, "  - {name: %s-%s, when: 'person.department == \"%s\"', accounts: [%s], roles: [%s-%s]}\n",
				name, strings.ToLower(department), department, name, name, strings.ToLower(department))
		}
	}
	return b.String()
}
