package simulator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

const (
	tenant   = "6babcaad-604b-40ac-a9d7-9fd97c0b779f"
	clientID = "00001111-aaaa-2222-bbbb-3333cccc4444"
	secret   = "a-secret-of-the-application"
	password = "Correct-Horse-1"

	e3       = "05e9a617-0261-4cee-bb44-138d3ef5d965"
	payroll  = "8e881353-1735-45af-af21-ee1344582a4d"
	roleUser = "ef7437e6-4f94-4a0a-a110-a439eb2aa8f7"
)

// clock is set by the test.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// client speaks to a simulator without a network.
type client struct {
	t     testing.TB
	sim   *simulator.Simulator
	clock *clock
	token string
}

func newClient(t testing.TB, change ...func(*simulator.Options)) client {
	t.Helper()
	clk := newClock()
	o := simulator.Options{
		TenantID: tenant, ClientID: clientID, ClientSecret: secret, Now: clk.now,
		Groups:   []simulator.Group{{DisplayName: "Sales"}, {DisplayName: "Eng"}, {DisplayName: "Everyone in Sales", Rule: `user.department -eq "Sales"`}},
		Licences: []simulator.Licence{{SkuPartNumber: "ENTERPRISEPACK", SkuID: e3, Seats: 2}},
		AppRoles: []simulator.Application{{ID: payroll, DisplayName: "Payroll", Roles: []simulator.AppRole{{ID: roleUser, Value: "User"}}}},
		Quota:    simulator.Quota{ResourceUnits: -1, Writes: -1},
	}
	for _, f := range change {
		f(&o)
	}
	sim, err := simulator.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sim.Close()) })
	c := client{t: t, sim: sim, clock: clk}
	c.token = c.signIn()
	return c
}

// signIn gets an access token with the secret.
func (c client) signIn() string {
	c.t.Helper()
	out := c.tokenRequest(tenant, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret}, "scope": {"https://graph.microsoft.com/.default"},
	})
	require.Equal(c.t, http.StatusOK, out.status, out.body)
	return out.text("access_token")
}

func (c client) tokenRequest(tenantID string, form url.Values) reply {
	c.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/"+tenantID+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.serve(r)
}

type reply struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (r reply) text(name string) string { s, _ := r.body[name].(string); return s }

// code and message are those of an error.
func (r reply) code() string { return r.inError("code") }

func (r reply) message() string { return r.inError("message") }

func (r reply) inError(name string) string {
	e, _ := r.body["error"].(map[string]any)
	s, _ := e[name].(string)
	return s
}

func (r reply) values() []map[string]any {
	list, _ := r.body["value"].([]any)
	out := []map[string]any{}
	for _, v := range list {
		out = append(out, v.(map[string]any))
	}
	return out
}

// column reads one property of all values.
func (r reply) column(name string) []string {
	out := []string{}
	for _, v := range r.values() {
		out = append(out, fmt.Sprint(v[name]))
	}
	return out
}

func (c client) serve(r *http.Request) reply {
	c.t.Helper()
	w := httptest.NewRecorder()
	c.sim.ServeHTTP(w, r)
	out := reply{status: w.Code, header: w.Header(), raw: w.Body.String()}
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		var v any
		require.NoError(c.t, json.Unmarshal(w.Body.Bytes(), &v), out.raw)
		out.body, _ = v.(map[string]any)
	}
	return out
}

// do calls Graph. The path is under /v1.0, or a whole address such as a nextLink.
func (c client) do(method, path string, body any, headers ...string) reply {
	c.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = "http://graph.test/v1.0" + path
	}
	var encoded []byte
	if body != nil {
		var err error
		encoded, err = json.Marshal(body)
		require.NoError(c.t, err)
	}
	r := httptest.NewRequest(method, strings.ReplaceAll(path, " ", "%20"), bytes.NewReader(encoded))
	r.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return c.serve(r)
}

func (c client) get(path string, headers ...string) reply {
	c.t.Helper()
	return c.do(http.MethodGet, path, nil, headers...)
}

// want fails unless the answer has the status and, when given, the error's code.
func (c client) want(out reply, status int, code ...string) reply {
	c.t.Helper()
	require.Equal(c.t, status, out.status, out.raw)
	if len(code) > 0 {
		require.Equal(c.t, code[0], out.code(), out.raw)
	}
	return out
}

func person(name string) map[string]any {
	return map[string]any{
		"accountEnabled": true, "displayName": name, "mailNickname": name, "userPrincipalName": name + "@contoso.com",
		"passwordProfile": map[string]any{"password": password, "forceChangePasswordNextSignIn": false},
	}
}

func with(o map[string]any, pairs ...any) map[string]any {
	for i := 0; i < len(pairs); i += 2 {
		o[pairs[i].(string)] = pairs[i+1]
	}
	return o
}

func (c client) create(o map[string]any) string {
	c.t.Helper()
	return c.want(c.do(http.MethodPost, "/users", o), http.StatusCreated).text("id")
}

func (c client) group(name string) string {
	c.t.Helper()
	found := c.want(c.get("/groups?$filter=displayName eq '"+name+"'&$select=id"), http.StatusOK).column("id")
	require.Len(c.t, found, 1)
	return found[0]
}

func (c client) ref(id string) map[string]any {
	return map[string]any{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + id}
}

func (c client) join(groupID, id string) {
	c.t.Helper()
	c.want(c.do(http.MethodPost, "/groups/"+groupID+"/members/$ref", c.ref(id)), http.StatusNoContent)
}

// all follows the nextLinks and reads the ids.
func (c client) all(path string) (ids []string, pages int) {
	c.t.Helper()
	for path != "" {
		out := c.want(c.get(path), http.StatusOK)
		ids = append(ids, out.column("id")...)
		path = out.text("@odata.nextLink")
		pages++
	}
	return ids, pages
}

// snapshot is the user as the simulator has it.
func (c client) snapshot(id string) simulator.User {
	c.t.Helper()
	users := c.sim.Users()
	i := slices.IndexFunc(users, func(u simulator.User) bool { return u.ID == id })
	require.GreaterOrEqual(c.t, i, 0, "no user %s", id)
	return users[i]
}

var eventual = []string{"ConsistencyLevel", "eventual"}
