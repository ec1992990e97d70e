package okta_test

import (
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

// everyLag is an org in which everything takes its time.
var everyLag = simulator.Options{RevocationLag: 30 * time.Second, ActivationLag: 5 * time.Second, SearchLag: 20 * time.Second}

// The suite, with the account looked up by a property that Okta filters by, and by one that it only searches; with an API
// token, and as a service application.
func TestConformance(t *testing.T) {
	t.Parallel()
	slowSessions := simulator.Options{RevocationLag: 30 * time.Second}
	for name, run := range map[string]struct {
		correlation string
		options     simulator.Options
		application bool
	}{
		"filtered":                {"firstName", slowSessions, false},
		"searched":                {"employeeNumber", slowSessions, false},
		"searched with every lag": {"employeeNumber", everyLag, false},
		"service application":     {"firstName", everyLag, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connectortest.RunTests(t, func(t *testing.T) connectortest.Target {
				if run.application {
					return applicationTarget(t, run.correlation, run.options)
				}
				target := newWorld(t, run.options).target(run.correlation)
				target.EnablesLate = run.options.ActivationLag > 0
				return target
			})
		})
	}
}

// applicationTarget is spoken to by a service application. The tests with faults are left out: a connector asks for its access
// token by a write of its own, whenever it was refused, and the fault would befall that one.
func applicationTarget(t *testing.T, correlation string, o simulator.Options) connectortest.Target {
	// The suite moves the org's time, and assertions are signed in the real one.
	o.Token, o.AuthNow = token, time.Now
	o.Client = &simulator.Client{ID: "0oa1", Key: &theKey().PublicKey, Scopes: allScopes}
	w := newWorld(t, o)
	target := w.target(correlation)
	target.BaseURL, target.EnablesLate = "", o.ActivationLag > 0
	target.Connect = func(t testing.TB, _ string) connectors.Connector {
		return connectApp(t, w.url, connectors.Settings{"entitlements": []any{"group", "application"}})
	}
	return target
}

// account is a wish; the name stands in what takes any text.
func account(name string) connectors.Account {
	address := hex.EncodeToString([]byte(name)) + "@example.com"
	return connectors.Account{Enabled: true, Attributes: map[string]any{
		"login": address, "email": address, "firstName": name, "lastName": "Vogel", "displayName": "Display " + name, "employeeNumber": name,
		"badge": 17.0, "remote": true,
	}}
}

func (w *world) target(correlation string) connectortest.Target {
	return connectortest.Target{
		Capabilities: []connectortest.Capability{
			connectortest.AccountWriter, connectortest.EntitlementGranter, connectortest.SessionEnder, connectortest.Deactivator,
			connectortest.PasswordResetter, connectortest.FactorResetter, connectortest.RevocationOrderer,
		},
		BaseURL:     w.url,
		Connect:     func(t testing.TB, url string) connectors.Connector { return connect(t, url) },
		NewAccount:  account,
		Correlation: correlation, Unique: "login", Text: "displayName",
		Optional: map[string]any{
			"title": `The "Title"`, "department": "R&D <lab>", "mobilePhone": "+64 1", "managerId": "00u1", "teams": []any{"a", "b"},
		},
		NewEntitlements: w.entitlements,
		Secrets:         []string{token},
		Now:             w.clock.Now,
		Settle:          func() { w.clock.advance(time.Minute) },
		NewSession:      w.newSession,
		NewPassword:     w.newPassword,
		NewFactors:      w.newFactors,
	}
}

// entitlements are groups and applications in turn.
func (w *world) entitlements(t testing.TB, n int) []connectors.Entitlement {
	t.Helper()
	out := make([]connectors.Entitlement, n)
	for i := range out {
		name := fmt.Sprintf(`Access "%d" \ü`, i)
		var err error
		if i%2 == 0 {
			out[i] = connectors.Entitlement{Kind: "group", Name: name}
			out[i].NativeID, err = w.AddGroup(simulator.Group{Name: name})
		} else {
			out[i] = connectors.Entitlement{Kind: "application", Name: name}
			out[i].NativeID, err = w.AddApp(simulator.App{Name: "bookmark", Label: name})
		}
		require.NoError(t, err)
	}
	return out
}

const chosen = "Chosen-by-hand-1"

// newPassword lets the person choose a password, whatever it was before.
func (w *world) newPassword(t testing.TB, id string) (opens func() bool) {
	t.Helper()
	w.post(t, "/api/v1/users/"+id, `{"credentials":{"password":{"value":"`+chosen+`"}}}`)
	login := w.user(t, id).Login
	return func() bool {
		_, err := w.SignIn(login, chosen)
		return err == nil
	}
}

func (w *world) newSession(t testing.TB, id string) (alive func() bool) {
	t.Helper()
	w.newPassword(t, id)
	s, err := w.SignIn(w.user(t, id).Login, chosen)
	require.NoError(t, err)
	return func() bool { return w.SessionAlive(s.ID) || w.SessionAlive(s.Token) }
}

func (w *world) newFactors(t testing.TB, id string) (left func() int) {
	t.Helper()
	for _, kind := range []string{"push", "sms", "webauthn"} {
		_, err := w.EnrollFactor(id, kind)
		require.NoError(t, err)
	}
	return func() int { return len(w.user(t, id).Factors) }
}
