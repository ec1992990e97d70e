package sample_test

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/deploy/sample"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
)

func acme(t *testing.T) *policy.Policy {
	t.Helper()
	files, err := sample.PolicyFiles()
	require.NoError(t, err)
	p, err := policy.Parse(files...)
	require.NoError(t, err)
	require.Equal(t, sample.Organization, p.Organization())
	rule, ok := p.SourceFor(sample.Source)
	require.True(t, ok)
	require.Equal(t, "hr", rule.Name)
	return p
}

// The organization beside the sample's has nobody in it, and takes what SCIM clients write.
func TestTheEmptyOrganizationTakesSCIM(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("empty/organization.yaml")
	require.NoError(t, err)
	p, err := policy.Parse(policy.File{Name: "organization.yaml", Data: text})
	require.NoError(t, err)
	require.Equal(t, "empty", p.Organization())
	require.Equal(t, policy.ModeSCIM, p.Provisioning().Mode)
}

// story is what a source's record of each person says after the events.
func story(t *testing.T, p *policy.Policy, phases []sample.Phase, asOf time.Time) map[string]identity.Situation {
	t.Helper()
	entries := map[string][]identity.Entry{}
	for _, phase := range phases {
		for _, e := range phase.Events {
			id := e.Data["employeeId"].(string)
			patch := identity.Patch{}
			for field, value := range e.Data {
				raw, err := json.Marshal(value)
				require.NoError(t, err)
				patch[field] = raw
			}
			entries[id] = append(entries[id], identity.Entry{ReceivedAt: asOf, Event: identity.Event{
				Source: e.Source, ID: e.ID, Type: e.Type, Time: e.Time, Sequence: e.Sequence, EmployeeID: id, Patch: patch,
			}})
		}
	}
	people := map[string]identity.Situation{}
	for id, of := range entries {
		people[id] = identity.Combine([]identity.Record{identity.Fold("hr", of, asOf, p.Zone())}, p.Precedence())
	}
	return people
}

// The effects of every phase are in force whenever in the day the script is played, in every zone.
func TestEveryEventTakesEffectAtOnce(t *testing.T) {
	t.Parallel()
	p := acme(t)
	for _, day := range days {
		start := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, time.UTC)
		for _, asOf := range []time.Time{start, start.Add(24*time.Hour - time.Second)} {
			script := sample.Script(day)
			for phases, want := range map[int]map[identity.State]int{
				1: {identity.StateActive: 300},
				2: {identity.StateActive: 300},
				3: {identity.StateActive: 285, identity.StateLeft: 15},
				4: {identity.StateActive: 286, identity.StateLeft: 12, identity.StateSuspended: 2},
			} {
				got := map[identity.State]int{}
				for _, situation := range story(t, p, script[:phases], asOf) {
					got[situation.State]++
				}
				require.Equal(t, want, got, "after %d phases, as of %s", phases, asOf)
			}
		}
	}
}

// allocate gives everyone names that nobody else has, as the store does.
func allocate(t *testing.T, p *policy.Policy, people map[string]identity.Situation) map[string]policy.Subject {
	t.Helper()
	subjects := map[string]policy.Subject{}
	taken := map[string]bool{}
	ids := make([]string, 0, len(people))
	for id := range people {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	numbered := 0
	for _, id := range ids {
		s := policy.Subject{Attributes: people[id].Attributes, State: people[id].State, AsOf: days[1]}
		for _, rule := range p.NamingRules() {
			tries := 0
			for name, err := range rule.Candidates(s) {
				require.NoError(t, err, id)
				if tries++; taken[name] {
					continue
				}
				taken[name] = true
				if rule.Name == policy.NameUserName {
					s.UserName = name
				} else {
					s.Mail = name
				}
				break
			}
			if tries > 1 {
				numbered++
			}
		}
		require.NotEmpty(t, s.UserName, id)
		require.NotEmpty(t, s.Mail, id)
		if manager, ok := people[s.Attributes.ManagerEmployeeID]; ok {
			s.Manager = &manager.Attributes
		}
		subjects[id] = s
	}
	require.Greater(t, numbered, 20, "the sample is to show how equal names are resolved")
	return subjects
}

func TestPolicyGivesEveryoneTheirSystems(t *testing.T) {
	t.Parallel()
	p := acme(t)
	people := story(t, p, sample.Script(days[1])[:2], days[1])
	accounts, grants := map[string]int{}, map[string]int{}
	for id, s := range allocate(t, p, people) {
		desired, err := p.Desired(s)
		require.NoError(t, err, id)
		var targets []string
		for target, account := range desired.Accounts {
			require.True(t, account.Enabled)
			targets = append(targets, target)
			accounts[target]++
			for _, grant := range account.Grants {
				grants[target+"/"+grant.Name]++
				if grant.Kind == "licence" {
					require.Equal(t, "employee", s.Attributes.WorkerType, "%s has %s", id, grant.Name)
				}
			}
			require.Contains(t, account.Grants, departmentGrant(account, s.Attributes.Department), "%s in %s", id, target)
		}
		slices.Sort(targets)
		require.Equal(t, map[string][]string{
			"employee": {"crm", "entra", "okta"}, "contractor": {"entra", "okta"}, "intern": {"entra"},
		}[s.Attributes.WorkerType], targets, id)
	}
	require.Equal(t, 300, accounts["entra"])
	require.Less(t, accounts["crm"], accounts["okta"])
	require.Less(t, accounts["okta"], accounts["entra"])
	require.Equal(t, accounts["crm"], grants["entra/SPE_E3"], "employees have a licence")
	require.Equal(t, grants["crm/Reports"], grants["entra/POWER_BI_PRO"], "who reads reports has the licence for it")
	require.Equal(t, grants["okta/Finance"], grants["okta/Ledger"])
	require.Equal(t, 33, grants["crm/Reports"]-grants["crm/Finance"]+reportingFinance, "the executive, heads and leads read reports")
	require.True(t, p.RefersToManager())
}

// reportingFinance are the heads and leads of Finance, who read reports twice over.
const reportingFinance = 4

// departmentGrant is the account's grant of the department's group, or one that no account has.
func departmentGrant(account policy.DesiredAccount, department string) policy.DesiredGrant {
	for _, grant := range account.Grants {
		if grant.Name == department {
			return grant
		}
	}
	return policy.DesiredGrant{Name: "no group of " + department}
}

// Each mover has an effect in some target: a run that has nothing to do would show nothing.
func TestEveryMoveChangesAccounts(t *testing.T) {
	t.Parallel()
	p := acme(t)
	script := sample.Script(days[1])
	before := allocate(t, p, story(t, p, script[:1], days[1]))
	after := allocate(t, p, story(t, p, script[:2], days[1]))
	moved := 0
	for _, e := range script[1].Events {
		id := e.Data["employeeId"].(string)
		now := after[id]
		now.UserName, now.Mail = before[id].UserName, before[id].Mail
		old, err := p.Desired(before[id])
		require.NoError(t, err)
		wanted, err := p.Desired(now)
		require.NoError(t, err)
		if len(policy.Diff(old, wanted)) > 0 {
			moved++
		} else {
			require.Equal(t, "intern", now.Attributes.WorkerType, "only an intern, who has no account in Okta, may change manager unseen: %s", id)
		}
	}
	require.Greater(t, moved, 35)
}
