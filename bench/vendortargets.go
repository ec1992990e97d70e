package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	entra "github.com/tenurehq/tenure/connectors/entra/simulator"
	okta "github.com/tenurehq/tenure/connectors/okta/simulator"
)

// nature is how the vendors behave: the zero value takes any number of requests and has no lag.
type nature struct {
	limited    bool          // by the published limits
	revocation time.Duration // how long a revocation takes to show
}

// startVendors starts Entra ID, Okta and a SCIM application. The vendors are simulated.
func startVendors(ctx context.Context, n nature) (targets, error) {
	started := targets{}
	for _, start := range []func() (target, error){
		func() (target, error) { return startEntra(ctx, n) },
		func() (target, error) { return startOkta(ctx, n) },
		func() (target, error) { return startScim(ctx, "crm") },
	} {
		t, err := start()
		if err != nil {
			started.stop()
			return nil, err
		}
		started[t.name()] = t
	}
	return started, nil
}

const (
	tenantID = "11111111-1111-4111-8111-111111111111"
	clientID = "22222222-2222-4222-8222-222222222222"
)

// entraTarget is Entra ID.
type entraTarget struct {
	*server
	sim     *entra.Simulator
	wire    *wire
	groupID string
}

func startEntra(ctx context.Context, n nature) (*entraTarget, error) {
	options := entra.Options{TenantID: tenantID, ClientID: clientID, ClientSecret: targetToken, RevocationLag: n.revocation,
		Groups: []entra.Group{{DisplayName: group}}}
	if !n.limited {
		options.Quota = entra.Quota{ResourceUnits: -1, Writes: -1}
	}
	sim, err := entra.New(options)
	if err != nil {
		return nil, err
	}
	s, err := serve(ctx, "entra", sim, "/"+tenantID+"/")
	if err != nil {
		return nil, err
	}
	return &entraTarget{server: s, sim: sim, wire: newWire("entra", s.url+"/v1.0", "", "application/json")}, nil
}

func (t *entraTarget) name() string { return "entra" }

func (t *entraTarget) stop() {
	_ = t.http.Close()
	_ = t.sim.Close()
}

func (t *entraTarget) policy(title string) string {
	return fmt.Sprintf(`  - name: entra
    connector: entra
    settings: {tenantId: %s, clientId: %s, clientSecret: "env:%s", authority: "%s", graphUrl: "%[4]s/v1.0"}
    correlate: employeeId
    attributes:
      employeeId: person.employeeId
      userPrincipalName: mail
      displayName: person.displayName
      jobTitle: %s
    entitlements: [{name: %s}]
`, tenantID, clientID, tokenVariable, t.url, title, group)
}

func (t *entraTarget) accounts() (int, error) {
	users := t.sim.Users()
	for _, u := range users {
		if !u.Enabled || len(u.Groups) != 1 {
			return 0, errAccount
		}
	}
	return len(users), nil
}

// throttled counts the requests that were refused, and those within batches.
func (t *entraTarget) throttled() int { return t.sim.Stats().Throttled }

func (t *entraTarget) prepare(ctx context.Context) error {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {targetToken},
		"scope": {"https://graph.microsoft.com/.default"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url+"/"+tenantID+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var token struct {
		AccessToken string `json:"access_token"` //nolint:tagliatelle // RFC 6749 §5.1 spells it so
	}
	if err := t.wire.send(request, &token); err != nil {
		return err
	}
	t.wire.authorization = "Bearer " + token.AccessToken
	var list struct {
		Value []object `json:"value"`
	}
	filter := url.Values{"$filter": {"displayName eq '" + group + "'"}, "$select": {"id"}}
	if err := t.wire.read(ctx, http.MethodGet, "/groups?"+filter.Encode(), nil, &list); err != nil {
		return err
	}
	if len(list.Value) != 1 {
		return fmt.Errorf("target entra: no single group %s", group)
	}
	t.groupID = list.Value[0].ID
	return nil
}

// What is read of a user.
const userQuery = "$select=id,accountEnabled,displayName,employeeId,jobTitle,userPrincipalName,userType&$expand=manager($levels=1;$select=id,userPrincipalName)"

// batched makes requests in one; sequential says that each waits for the one before.
func (t *entraTarget) batched(ctx context.Context, sequential bool, steps ...map[string]any) error {
	for i, s := range steps {
		s["id"] = strconv.Itoa(i)
		if _, ok := s["body"]; ok {
			s["headers"] = map[string]string{"Content-Type": "application/json"}
		}
		if sequential && i > 0 {
			s["dependsOn"] = []string{strconv.Itoa(i - 1)}
		}
	}
	var answered struct {
		Responses []struct {
			Status int             `json:"status"`
			Body   json.RawMessage `json:"body"`
		} `json:"responses"`
	}
	if err := t.wire.read(ctx, http.MethodPost, "/$batch", map[string]any{"requests": steps}, &answered); err != nil {
		return err
	}
	for _, a := range answered.Responses {
		if a.Status >= http.StatusMultipleChoices {
			return fmt.Errorf("a step of a batch of target entra: %d: %s", a.Status, a.Body)
		}
	}
	return nil
}

func (t *entraTarget) create(ctx context.Context, number int64) (string, error) {
	filter := "&$filter=employeeId eq '" + employeeID(number) + "'"
	err := t.batched(ctx, false, map[string]any{"method": "GET", "url": "/users?" + userQuery + filter},
		map[string]any{"method": "GET", "url": "/directory/deletedItems/microsoft.graph.user?$select=id,employeeId,userPrincipalName" + filter})
	if err != nil {
		return "", err
	}
	var created object
	err = t.wire.read(ctx, http.MethodPost, "/users", map[string]any{"accountEnabled": true, "displayName": displayName(number),
		"employeeId": employeeID(number), "jobTitle": "Clerk", "mailNickname": userName(number), "userPrincipalName": userName(number) + "@" + domain,
		"passwordProfile": map[string]any{"password": "aA1!" + employeeID(number), "forceChangePasswordNextSignIn": true}}, &created)
	return created.ID, err
}

func (t *entraTarget) enterAndRead(ctx context.Context, nativeID string) error {
	member := map[string]string{"@odata.id": t.url + "/v1.0/directoryObjects/" + nativeID}
	return t.batched(ctx, true, map[string]any{"method": "POST", "url": "/groups/" + t.groupID + "/members/$ref", "body": member},
		map[string]any{"method": "GET", "url": "/users/" + nativeID + "?" + userQuery},
		map[string]any{"method": "GET", "url": "/users/" + nativeID + "/memberOf?$select=id,displayName,groupTypes,mailEnabled&$top=999"})
}

// oktaTarget is an Okta org.
type oktaTarget struct {
	*server
	sim     *okta.Simulator
	wire    *wire
	groupID string
}

func startOkta(ctx context.Context, n nature) (*oktaTarget, error) {
	options := okta.Options{Token: targetToken, RevocationLag: n.revocation, Groups: []okta.Group{{Name: group}}}
	if !n.limited {
		options.Limits, options.Concurrency = map[okta.Bucket]int{okta.AllBuckets: -1}, -1
	}
	sim, err := okta.New(options)
	if err != nil {
		return nil, err
	}
	s, err := serve(ctx, "okta", sim, "/oauth2/")
	if err != nil {
		return nil, err
	}
	return &oktaTarget{server: s, sim: sim, wire: newWire("okta", s.url+"/api/v1", "SSWS "+targetToken, "application/json")}, nil
}

func (t *oktaTarget) name() string { return "okta" }

func (t *oktaTarget) stop() {
	_ = t.http.Close()
	_ = t.sim.Close()
}

func (t *oktaTarget) policy(title string) string {
	return fmt.Sprintf(`  - name: okta
    connector: okta
    settings: {orgUrl: "%s", token: "env:%s"}
    correlate: login
    attributes:
      login: mail
      email: mail
      firstName: person.givenName
      lastName: person.familyName
      title: %s
    entitlements: [{name: %s}]
`, t.url, tokenVariable, title, group)
}

func (t *oktaTarget) accounts() (int, error) {
	users := t.sim.Users()
	for _, u := range users {
		if u.Status != "ACTIVE" || len(u.Groups) != 1 {
			return 0, errAccount
		}
	}
	return len(users), nil
}

func (t *oktaTarget) throttled() (n int) {
	for _, count := range t.sim.Stats().Throttled {
		n += count
	}
	return n
}

func (t *oktaTarget) prepare(ctx context.Context) error {
	var list []object
	err := t.wire.read(ctx, http.MethodGet, "/groups?"+url.Values{"search": {`profile.name eq "` + group + `"`}}.Encode(), nil, &list)
	if err != nil {
		return err
	}
	if len(list) != 1 {
		return fmt.Errorf("target okta: no single group %s", group)
	}
	t.groupID = list[0].ID
	return nil
}

func (t *oktaTarget) create(ctx context.Context, number int64) (string, error) {
	login := userName(number) + "@" + domain
	if err := t.wire.call(ctx, http.MethodGet, "/users?"+url.Values{"filter": {`profile.login eq "` + login + `"`}}.Encode(), nil); err != nil {
		return "", err
	}
	var created object
	err := t.wire.read(ctx, http.MethodPost, "/users?activate=true", map[string]any{
		"profile":  map[string]any{"login": login, "email": login, "firstName": "Given", "lastName": familyName(number), "title": "Clerk"},
		"groupIds": []string{t.groupID}, "credentials": map[string]any{"password": map[string]any{"value": "aA9-" + employeeID(number) + "-xyz"}}}, &created)
	return created.ID, err
}

func (t *oktaTarget) enterAndRead(ctx context.Context, nativeID string) error {
	return t.wire.call(ctx, http.MethodGet, "/users/"+nativeID+"/groups", nil)
}
