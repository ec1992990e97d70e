package compare_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/cmd/tenure/compare"
	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/scim"
	"github.com/tenurehq/tenure/connectors/scim/simulator"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
)

const document = `
organization: acme
sources: [{name: hr}]
targets:
  - name: crm
    connector: scim
    settings: {baseUrl: "https://crm.example", token: "env:T"}
    attributes:
      userName: person.employeeId
      displayName: person.displayName
      title: person.title
    entitlements: [{name: Sales}, {name: Everyone}]
roles:
  - {name: sales, kind: technical, target: crm, entitlements: [{name: Sales}]}
  - {name: all, kind: technical, target: crm, entitlements: [{name: Everyone}]}
birthright:
  - {name: everyone, when: 'person.workerType != "intern"', accounts: [crm], roles: [all]}
  - {name: sellers, when: person.department == "Sales", roles: [sales]}
`

// world is a target with the people whom Tenure knows in it.
type world struct {
	t      *testing.T
	policy *policy.Policy
	target interface {
		connectors.AccountWriter
		connectors.EntitlementGranter
		connectors.Connector
	}
	people []compare.Person
}

func newWorld(t *testing.T) *world {
	t.Helper()
	p, err := policy.Parse(policy.File{Name: "p", Data: []byte(document)})
	require.NoError(t, err)
	app, err := simulator.New(simulator.Options{Token: "t", Groups: []string{"Sales", "Everyone"}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	connector, err := scim.New(connectors.Settings{"baseUrl": server.URL, "token": "t", "pageSize": 2})
	require.NoError(t, err)
	w := &world{t: t, policy: p, target: connector.(*scim.Connector)}
	w.joins("E1", "Sales", "Everyone", "Sales")
	w.joins("E2", "Support", "Everyone")
	w.joins("E3", "Support", "Everyone")
	return w
}

// joins makes somebody who has what policy gives.
func (w *world) joins(id, department string, groups ...string) {
	w.t.Helper()
	nativeID := w.account(id, groups...)
	w.people = append(w.people, compare.Person{ID: "i-" + id, Accounts: map[string]string{"crm": nativeID}, Subject: policy.Subject{
		State: identity.StateActive, AsOf: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		Attributes: identity.Attributes{EmployeeID: id, DisplayName: "Name " + id, Department: department},
	}})
}

func (w *world) account(id string, groups ...string) string {
	w.t.Helper()
	account, err := w.target.CreateAccount(w.t.Context(), connectors.Account{Enabled: true,
		Attributes: map[string]any{"userName": id, "displayName": "Name " + id}})
	require.NoError(w.t, err)
	for _, group := range groups {
		w.grant(account.NativeID, group)
	}
	return account.NativeID
}

func (w *world) entitlement(group string) connectors.Entitlement {
	w.t.Helper()
	e, err := w.target.FindEntitlement(w.t.Context(), "group", group)
	require.NoError(w.t, err)
	return e
}

func (w *world) grant(nativeID, group string) {
	w.t.Helper()
	require.NoError(w.t, w.target.Grant(w.t.Context(), nativeID, w.entitlement(group)))
}

func (w *world) disable(nativeID string) {
	w.t.Helper()
	require.NoError(w.t, w.target.SetEnabled(w.t.Context(), nativeID, false))
}

func (w *world) native(i int) string { return w.people[i].Accounts["crm"] }

func TestTargets(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(w *world)
		want   []string // "identity: what"
	}{
		{"as policy says", func(*world) {}, nil},
		{"disabled behind our back", func(w *world) { w.disable(w.native(0)) }, []string{"i-E1: is disabled and should be enabled"}},
		{"renamed behind our back", func(w *world) {
			require.NoError(t, w.target.UpdateAccount(t.Context(), w.native(0), map[string]any{"displayName": "X", "title": "Boss"}))
		}, []string{"i-E1: attribute displayName is not as policy says", "i-E1: attribute title is not as policy says"}},
		{"group lost and another gained", func(w *world) {
			require.NoError(t, w.target.Revoke(t.Context(), w.native(1), w.entitlement("Everyone")))
			w.grant(w.native(1), "Sales")
		}, []string{"i-E2: does not hold group Everyone", "i-E2: holds group Sales, which policy does not give"}},
		{"deleted behind our back", func(w *world) { require.NoError(t, w.target.DeleteAccount(t.Context(), w.native(2))) },
			[]string{"i-E3: should have an account, and the target has none"}},
		{"never recorded", func(w *world) { w.people[1].Accounts = nil },
			[]string{"i-E2: is not the account that Tenure has recorded"}},
		{"somebody made by hand", func(w *world) { w.account("admin") }, []string{": the account belongs to nobody whom Tenure knows"}},
		{"two people with one account", func(w *world) { w.people[2].Accounts = w.people[1].Accounts },
			[]string{"i-E3: is not the account that Tenure has recorded"}},
		{"known by another name", func(w *world) {
			require.NoError(t, w.target.UpdateAccount(t.Context(), w.native(2), map[string]any{"userName": "X3"}))
		}, []string{"i-E3: attribute userName is not as policy says"}},
		{"left, and never recorded", func(w *world) { w.people[1].Subject.State, w.people[1].Accounts = identity.StateLeft, nil },
			[]string{"i-E2: is enabled and should be deactivated", "i-E2: holds group Everyone, which policy does not give"}},
		{"left, with everything", func(w *world) { w.people[0].Subject.State = identity.StateLeft },
			[]string{"i-E1: is enabled and should be deactivated", "i-E1: holds group Everyone, which policy does not give", "i-E1: holds group Sales, which policy does not give"}},
		{"left, and disabled", func(w *world) {
			w.people[1].Subject.State = identity.StateLeaving
			w.disable(w.native(1))
			require.NoError(t, w.target.Revoke(t.Context(), w.native(1), w.entitlement("Everyone")))
		}, nil},
		{"moved to where no account is given", func(w *world) { w.people[1].Subject.Attributes.WorkerType = "intern" },
			[]string{"i-E2: is enabled and should give no access", "i-E2: holds group Everyone, which policy does not give"}},
		{"left, and deleted", func(w *world) {
			w.people[1].Subject.State = identity.StateLeft
			require.NoError(t, w.target.DeleteAccount(t.Context(), w.native(1)))
		}, nil},
		{"on leave, and enabled", func(w *world) { w.people[1].Subject.State = identity.StateSuspended }, []string{"i-E2: is enabled and should be suspended"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			test.change(w)
			held, err := compare.Read(t.Context(), w.target)
			require.NoError(t, err)
			differences, err := compare.Targets(w.policy, w.people, map[string][]compare.Held{"crm": held})
			require.NoError(t, err)
			var got []string
			for _, d := range differences {
				require.Equal(t, "crm", d.Target)
				got = append(got, d.Identity+": "+d.What)
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestReadFailsWhole(t *testing.T) {
	t.Parallel()
	app, err := simulator.New(simulator.Options{Token: "t"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	wrong, err := scim.New(connectors.Settings{"baseUrl": server.URL, "token": "wrong"})
	require.NoError(t, err)
	held, err := compare.Read(t.Context(), wrong)
	require.ErrorContains(t, err, "list accounts")
	require.Nil(t, held)
}
