package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/connectortest"
	entra "github.com/tenurehq/tenure/connectors/entra/simulator"
	okta "github.com/tenurehq/tenure/connectors/okta/simulator"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/testkit"
)

// vendors is an organization with Entra ID and Okta as targets. Both are simulated.
type vendors struct {
	*deployment
	entra                 *entra.Simulator
	okta                  *okta.Simulator
	authority             string // of Entra's tokens
	entraProxy, oktaProxy *connectortest.FaultProxy
	policy                string
}

// lags of the vendors; the zero value has none.
type lags struct{ revocation, activation, read time.Duration }

const (
	tenant       = "11111111-1111-4111-8111-111111111111"
	clientID     = "22222222-2222-4222-8222-222222222222"
	oktaToken    = "00okta-s3cret-canary"
	clientSecret = "entra-s3cret-canary"
	domain       = "contoso.example"
)

func newVendors(t *testing.T, l lags) *vendors {
	t.Helper()
	v := &vendors{deployment: newDeployment(t, newDatabase(t), testkit.Temporal(t), "v"+strings.ReplaceAll(uuid.NewString(), "-", "")[:12])}
	var err error
	v.entra, err = entra.New(entra.Options{TenantID: tenant, ClientID: clientID, ClientSecret: clientSecret, RevocationLag: l.revocation, ReadLag: l.read,
		Groups: []entra.Group{{DisplayName: "Everyone"}, {DisplayName: "Sales"}, {DisplayName: "Marketing"}}})
	require.NoError(t, err)
	v.okta, err = okta.New(okta.Options{Token: oktaToken, RevocationLag: l.revocation, ActivationLag: l.activation,
		Groups: []okta.Group{{Name: "Everyone at work"}, {Name: "Sales"}, {Name: "Marketing"}}})
	require.NoError(t, err)
	entraServer, oktaServer := httptest.NewServer(v.entra), httptest.NewServer(v.okta)
	t.Cleanup(entraServer.Close)
	t.Cleanup(oktaServer.Close)
	v.authority, v.entraProxy, v.oktaProxy = entraServer.URL, connectortest.Start(t, entraServer.URL), connectortest.Start(t, oktaServer.URL)
	v.env = append(v.env, "E2E_ENTRA_SECRET="+clientSecret, "E2E_OKTA_TOKEN="+oktaToken)
	v.policy = fmt.Sprintf(vendorsPolicy, v.org, domain, v.entraProxy.URL, tenant, clientID, v.oktaProxy.URL, v.authority, l.read+time.Second)
	v.applyPolicy(v.policy)
	v.begin()
	return v
}

const vendorsPolicy = `organization: %[1]s
timeZone: Europe/Berlin
naming:
  - name: userName
    onRename: follow
    templates: ['slug(person.givenName) + "." + slug(person.familyName) + "@%[2]s"', '"u" + slug(person.employeeId) + "@%[2]s"']
targets:
  - name: entra
    connector: entra
    settings:
      tenantId: %[4]s
      clientId: %[5]s
      clientSecret: env:E2E_ENTRA_SECRET
      authority: "%[7]s" # it names its own address in what it tells, so no proxy can stand before it
      graphUrl: "%[3]s/v1.0"
    correlate: employeeId
    attemptTimeout: 5s
    settleLag: %[8]s
    attributes:
      employeeId: person.employeeId
      userPrincipalName: userName
      displayName: person.displayName
      department: person.department
    entitlements: [{name: Everyone}, {name: Sales}, {name: Marketing}]
  - name: okta
    connector: okta
    settings: {orgUrl: "%[6]s", token: env:E2E_OKTA_TOKEN}
    correlate: employeeNumber
    attemptTimeout: 5s
    settleLag: %[8]s
    attributes:
      employeeNumber: person.employeeId
      login: userName
      email: userName
      firstName: person.givenName
      lastName: person.familyName
      department: person.department
    entitlements: [{name: Everyone at work}, {name: Sales}, {name: Marketing}]
roles:
  - {name: entra-everyone, kind: technical, target: entra, entitlements: [{name: Everyone}]}
  - {name: okta-everyone, kind: technical, target: okta, entitlements: [{name: Everyone at work}]}
  - {name: entra-sales, kind: technical, target: entra, entitlements: [{name: Sales}]}
  - {name: okta-sales, kind: technical, target: okta, entitlements: [{name: Sales}]}
  - {name: entra-marketing, kind: technical, target: entra, entitlements: [{name: Marketing}]}
  - {name: okta-marketing, kind: technical, target: okta, entitlements: [{name: Marketing}]}
  - {name: everyone, kind: business, includes: [entra-everyone, okta-everyone]}
  - {name: sales, kind: business, includes: [entra-sales, okta-sales]}
  - {name: marketing, kind: business, includes: [entra-marketing, okta-marketing]}
birthright:
  - {name: everyone, when: true, accounts: [entra, okta], roles: [everyone]}
  - {name: sales, when: 'person.department == "Sales"', roles: [sales]}
  - {name: marketing, when: 'person.department == "Marketing"', roles: [marketing]}
`

// inEntra is the person's user; the test fails when there are two.
func (v *vendors) inEntra(employee string) *entra.User {
	v.t.Helper()
	var found *entra.User
	for _, u := range v.entra.Users() {
		if u.Attributes["employeeId"] == employee {
			require.Nil(v.t, found, "two users in Entra")
			found = &u
		}
	}
	return found
}

// inOkta is the person's user; the test fails when there are two.
func (v *vendors) inOkta(employee string) *okta.User {
	v.t.Helper()
	var found *okta.User
	for _, u := range v.okta.Users() {
		if u.Profile["employeeNumber"] == employee {
			require.Nil(v.t, found, "two users in Okta")
			found = &u
		}
	}
	return found
}

// requireWorks checks that the person can work in both, in the department's group.
func (v *vendors) requireWorks(employee, department string) {
	v.t.Helper()
	require.Empty(v.t, one[[]string](v.world, `select coalesce(array_agg(target || ' ' || action || ': ' || status || ' ' || error_code || ' ' || error_detail), '{}')
		from operations where status in ('failed', 'blocked')`))
	e, o := v.inEntra(employee), v.inOkta(employee)
	require.NotNil(v.t, e)
	require.NotNil(v.t, o)
	require.True(v.t, e.Enabled)
	require.ElementsMatch(v.t, []string{"Everyone", department}, e.Groups)
	require.Contains(v.t, []string{"ACTIVE", "PROVISIONED"}, o.Status)
	require.ElementsMatch(v.t, []string{"Everyone at work", department}, o.Groups)
}

const chosen = "Chosen-by-hand-1!"

// signIn has the person choose a password, enrol factors and sign in everywhere. It answers whether any of it still works.
func (v *vendors) signIn(employee string) (inside func() []string) {
	v.t.Helper()
	e, o := v.inEntra(employee), v.inOkta(employee)
	v.call(v.entraProxy.URL+"/v1.0/users/"+e.ID, http.MethodPatch, "Bearer "+v.entraToken(),
		`{"passwordProfile":{"password":"`+chosen+`","forceChangePasswordNextSignIn":false}}`)
	v.call(v.oktaProxy.URL+"/api/v1/users/"+o.ID, http.MethodPost, "SSWS "+oktaToken, `{"credentials":{"password":{"value":"`+chosen+`"}}}`)
	refresh, err := v.entra.SignIn(e.ID, chosen)
	require.NoError(v.t, err)
	for _, kind := range []entra.Method{{Kind: entra.PhoneMethod, PhoneType: "mobile", Default: true}, {Kind: entra.PhoneMethod, PhoneType: "alternateMobile"},
		{Kind: entra.MicrosoftAuthenticatorMethod}} {
		_, err := v.entra.AddMethod(e.ID, kind)
		require.NoError(v.t, err)
	}
	session, err := v.okta.SignIn(o.Login, chosen)
	require.NoError(v.t, err)
	for _, kind := range []string{"push", "sms"} {
		_, err := v.okta.EnrollFactor(o.ID, kind)
		require.NoError(v.t, err)
	}
	return func() []string {
		var works []string
		for what, does := range map[string]bool{
			"the refresh token of Entra": v.entra.Refresh(refresh), "the password of Entra": v.entra.PasswordIs(e.ID, chosen),
			"the session of Okta": v.okta.SessionAlive(session.ID), "the token of Okta": v.okta.SessionAlive(session.Token),
		} {
			if does {
				works = append(works, what)
			}
		}
		return works
	}
}

func (v *vendors) entraToken() string {
	v.t.Helper()
	answer := v.form(v.authority+"/"+tenant+"/oauth2/v2.0/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID},
		"client_secret": {clientSecret}, "scope": {"https://graph.microsoft.com/.default"}})
	var token struct {
		AccessToken string `json:"access_token"` //nolint:tagliatelle // RFC 6749 §5.1 spells it so
	}
	require.NoError(v.t, json.Unmarshal(answer, &token), string(answer))
	return token.AccessToken
}

func (v *vendors) form(address string, values url.Values) []byte {
	v.t.Helper()
	request, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, address, strings.NewReader(values.Encode()))
	require.NoError(v.t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(request)
}

func (v *vendors) call(address, method, authorization, body string) {
	v.t.Helper()
	request, err := http.NewRequestWithContext(v.t.Context(), method, address, strings.NewReader(body))
	require.NoError(v.t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", authorization)
	v.do(request)
}

func (v *vendors) do(request *http.Request) []byte {
	v.t.Helper()
	response, err := http.DefaultClient.Do(request)
	require.NoError(v.t, err)
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	require.NoError(v.t, err)
	require.Less(v.t, response.StatusCode, 300, "%s %s: %s", request.Method, request.URL.Path, answer)
	return answer
}

// requireOut checks that the person can do nothing any more, and that the record says so of each part, read back twice.
func (v *vendors) requireOut(employee string, left lifecycle.Receipt, inside func() []string) {
	v.t.Helper()
	e, o := v.inEntra(employee), v.inOkta(employee)
	require.False(v.t, e.Enabled)
	require.Empty(v.t, e.Groups)
	require.Empty(v.t, e.Methods)
	require.Equal(v.t, "DEPROVISIONED", o.Status)
	require.Empty(v.t, o.Groups)
	require.Empty(v.t, o.Factors)
	require.Empty(v.t, inside())
	require.Empty(v.t, v.entra.Deletions(), "nobody is deleted")
	v.requireConfirmed(left)
	for _, target := range []string{"entra", "okta"} {
		for _, action := range []string{lifecycle.ActionDisable, lifecycle.ActionEndSessions, lifecycle.ActionResetPassword, lifecycle.ActionResetFactors,
			lifecycle.ActionRemoveMemberships} {
			status := one[string](v.world, `select coalesce((select status from operations where identity_id = $1 and target = $2 and action = $3
				and status <> 'superseded'), 'none')`, left.Identity, target, action)
			require.Equal(v.t, "confirmed", status, "%s in %s", action, target)
		}
	}
}
