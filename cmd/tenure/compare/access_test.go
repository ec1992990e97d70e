package compare_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/cmd/tenure/compare"
	entra "github.com/tenurehq/tenure/connectors/entra/simulator"
	okta "github.com/tenurehq/tenure/connectors/okta/simulator"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
)

const providersDocument = `
organization: acme
sources: [{name: hr}]
naming: [{name: userName, templates: ['person.employeeId + "@acme.example"']}]
targets:
  - name: entra
    connector: entra
    settings: {tenantId: acme.example}
    correlate: employeeId
    attributes: {employeeId: person.employeeId, employeeOrgData.costCenter: person.department}
    entitlements: [{name: Staff}, {kind: licence, name: SPE_E3}]
  - name: okta
    connector: okta
    settings: {orgUrl: "https://acme.example"}
    correlate: login
    attributes: {login: userName}
    entitlements: [{name: Staff}, {kind: application, name: Payroll}]
roles:
  - {name: staff-entra, kind: technical, target: entra, entitlements: [{name: Staff}, {kind: licence, name: SPE_E3}]}
  - {name: staff-okta, kind: technical, target: okta, entitlements: [{name: Staff}, {kind: application, name: Payroll}]}
birthright:
  - {name: all, when: true, roles: [staff-entra]}
  - {name: some, when: person.workerType != "intern", roles: [staff-okta]}
`

// pair is a person with what the identity providers show of them.
type pair struct {
	person compare.Person
	entra  entra.User
	okta   okta.User
	works  bool // the password that the person had chosen
}

// working is somebody in whose accounts all is as it should be.
func working() *pair {
	return &pair{
		person: compare.Person{
			ID: "i-1", Accounts: map[string]string{"entra": "e1", "okta": "o1"}, SignedIn: map[string]bool{"entra": true, "okta": true},
			Subject: policy.Subject{State: identity.StateActive, UserName: "ada@acme.example", StartsAt: asOf, AsOf: asOf,
				Attributes: identity.Attributes{EmployeeID: "E1", Department: "Sales"}},
		},
		entra: entra.User{ID: "e1", Enabled: true, Groups: []string{"Staff"}, Licences: []string{"SPE_E3"}, Methods: []string{"phoneMethods"}, Sessions: 1,
			Attributes: map[string]any{"employeeId": "E1", "employeeOrgData": map[string]any{"costCenter": "Sales"}}},
		okta: okta.User{ID: "o1", Status: okta.StatusActive, Groups: []string{"Staff"}, Apps: []string{"Payroll"}, Factors: []string{"sms"}, Sessions: 1, Tokens: 1,
			Profile: map[string]any{"login": "ada@acme.example"}},
		works: true,
	}
}

var asOf = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// leaves takes everything, as a leave should.
func (p *pair) leaves() {
	p.person.Subject.State, p.person.Left, p.works = identity.StateLeft, true, false
	p.entra = entra.User{ID: "e1", Attributes: p.entra.Attributes}
	p.okta = okta.User{ID: "o1", Status: okta.StatusDeprovisioned, Profile: p.okta.Profile}
}

// returns is a rehire: what policy gives, and none of what was there before.
func (p *pair) returns() {
	before := working()
	p.leaves()
	p.person.Subject.State = identity.StateActive
	p.entra.Enabled, p.entra.Groups, p.entra.Licences = true, before.entra.Groups, before.entra.Licences
	p.okta.Status, p.okta.Groups, p.okta.Apps = okta.StatusProvisioned, before.okta.Groups, before.okta.Apps
}

// goesAway is a leave of absence: no session, and nothing else is lost.
func (p *pair) goesAway() {
	p.person.Subject.State, p.person.Away = identity.StateSuspended, true
	p.entra.Enabled, p.okta.Status = false, okta.StatusSuspended
	p.entra.Sessions, p.okta.Sessions, p.okta.Tokens = 0, 0, 0
}

func TestWaysIn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(p *pair)
		want   []string
	}{
		{"works", func(*pair) {}, nil},
		{"left", (*pair).leaves, nil},
		{"came back", (*pair).returns, nil},
		{"away", (*pair).goesAway, nil},
		{"back from leave", func(p *pair) {
			p.goesAway()
			p.person.Subject.State, p.entra.Enabled, p.okta.Status = identity.StateActive, true, okta.StatusActive
		}, nil},
		{"never signed in", func(p *pair) {
			p.person.SignedIn, p.works = nil, false
			p.entra.Sessions, p.okta.Sessions, p.okta.Tokens, p.entra.Methods, p.okta.Factors = 0, 0, 0, nil, nil
		}, nil},

		{"licence and application", func(p *pair) { p.entra.Licences, p.okta.Apps = nil, []string{"Ledger"} }, []string{
			"entra: does not hold licence SPE_E3", "okta: does not hold application Payroll", "okta: holds application Ledger, which policy does not give",
		}},
		{"part of an attribute", func(p *pair) { p.entra.Attributes["employeeOrgData"] = map[string]any{"costCenter": "Support"} },
			[]string{"entra: attribute employeeOrgData.costCenter is not as policy says"}},
		{"disabled", func(p *pair) { p.entra.Enabled, p.okta.Status, p.person.SignedIn = false, okta.StatusSuspended, nil }, []string{
			"entra: is disabled and should be enabled", "entra: has 1 sessions, which should have ended",
			"okta: is suspended and should be enabled", "okta: has 2 sessions, which should have ended",
		}},
		{"not yet to come", func(p *pair) {
			p.person.Subject.State, p.person.Subject.StartsAt = identity.StateStaged, asOf.AddDate(1, 0, 0)
		}, []string{
			"entra: is enabled and should give no access", "entra: holds group Staff, which policy does not give", "entra: holds licence SPE_E3, which policy does not give",
			"okta: is enabled and should give no access", "okta: holds application Payroll, which policy does not give", "okta: holds group Staff, which policy does not give",
		}},
		{"about to come", func(p *pair) {
			p.person.Subject.State, p.person.SignedIn = identity.StateStaged, nil
			p.entra.Enabled, p.entra.Sessions, p.okta.Status, p.okta.Sessions, p.okta.Tokens = false, 0, okta.StatusStaged, 0, 0
		}, nil},
		{"about to come, and enabled", func(p *pair) { p.person.Subject.State = identity.StateStaged }, []string{
			"entra: is enabled and should be staged", "okta: is enabled and should be staged",
		}},
		{"on leave when the account was made", func(p *pair) {
			p.goesAway()
			p.person.SignedIn, p.works, p.okta.Status, p.okta.Factors = nil, false, okta.StatusStaged, nil
		}, nil},
		{"on leave, and staged anew", func(p *pair) { p.goesAway(); p.okta.Status = okta.StatusStaged }, []string{"okta: is staged and should be suspended"}},
		{"on leave, and deactivated", func(p *pair) { p.goesAway(); p.okta.Status = okta.StatusDeprovisioned }, []string{"okta: is deactivated and should be suspended"}},
		{"on leave, with a token", func(p *pair) { p.goesAway(); p.okta.Tokens = 1 }, []string{"okta: has 1 sessions, which should have ended"}},
		{"on leave, without factors", func(p *pair) { p.goesAway(); p.entra.Methods = nil },
			[]string{"entra: has lost the password or the factors without having left"}},
		{"left, suspended only", func(p *pair) { p.leaves(); p.okta.Status = okta.StatusSuspended }, []string{"okta: is suspended and should be deactivated"}},
		{"left, with a session", func(p *pair) { p.leaves(); p.entra.Sessions = 3 }, []string{"entra: has 3 sessions, which should have ended"}},
		{"left, with a factor", func(p *pair) { p.leaves(); p.entra.Methods, p.okta.Factors = []string{"x"}, []string{"y", "z"} },
			[]string{"entra: has 1 factors, which a leaver should not have", "okta: has 2 factors, which a leaver should not have"}},
		{"left, with the password", func(p *pair) { p.leaves(); p.works = true }, []string{
			"entra: has the password of before, which a leaver should not have", "okta: has the password of before, which a leaver should not have",
		}},
		{"came back to the old session", func(p *pair) { p.returns(); p.okta.Sessions = 1 }, []string{"okta: has 1 sessions, which should have ended"}},
		{"came back to the old password", func(p *pair) { p.returns(); p.works = true }, []string{
			"entra: has the password of before, which a leaver should not have", "okta: has the password of before, which a leaver should not have",
		}},
		{"signed out by a move", func(p *pair) { p.okta.Sessions, p.okta.Tokens = 0, 0 }, []string{"okta: was signed out without having been away"}},
		{"locked out by a move", func(p *pair) { p.works = false }, []string{
			"entra: has lost the password or the factors without having left", "okta: has lost the password or the factors without having left",
		}},
		{"no account in Okta any more", func(p *pair) {
			p.person.Subject.Attributes.WorkerType, p.okta = "intern", okta.User{ID: "o1", Status: okta.StatusSuspended, Profile: p.okta.Profile, Factors: []string{"sms"}}
		}, nil},
		{"none any more, and still enabled", func(p *pair) { p.person.Subject.Attributes.WorkerType, p.okta.Groups, p.okta.Apps = "intern", nil, nil },
			[]string{"okta: is enabled and should give no access"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rules, err := policy.Parse(policy.File{Name: "p", Data: []byte(providersDocument)})
			require.NoError(t, err)
			p := working()
			test.change(p)
			works := func(string) bool { return p.works }
			differences, err := compare.Targets(rules, []compare.Person{p.person}, map[string][]compare.Held{
				"entra": compare.Entra([]entra.User{p.entra}, works), "okta": compare.Okta([]okta.User{p.okta}, works),
			})
			require.NoError(t, err)
			var got []string
			for _, d := range differences {
				require.Equal(t, "i-1", d.Identity)
				got = append(got, d.Target+": "+d.What)
			}
			require.Equal(t, test.want, got)
		})
	}
}
