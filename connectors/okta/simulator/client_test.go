package simulator_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

// The tests name the vendor's page that each behaviour comes from: «Users API: …» and its like are tags and operations of
// developer.okta.com/docs/api/openapi/okta-management/management, «reference/…» and «guides/…» stand below
// developer.okta.com/docs, and help.okta.com is named in full.

const (
	token    = "the-token"
	password = "Corr3ct-horse"
)

// clock is a clock that stands until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 9, 30, 15, 400e6, time.UTC)} }

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

// org is a simulator that is spoken to without a network.
type org struct {
	t     testing.TB
	sim   *simulator.Simulator
	clock *clock
}

// newOrg opens a simulator without limits, unless the options say otherwise.
func newOrg(t testing.TB, o simulator.Options) org {
	t.Helper()
	c := newClock()
	o.Now = c.now
	if o.Token == "" && o.Client == nil {
		o.Token = token
	}
	if o.Limits == nil {
		o.Limits = map[simulator.Bucket]int{simulator.AllBuckets: -1}
	}
	sim, err := simulator.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sim.Close()) })
	return org{t, sim, c}
}

type reply struct {
	status int
	header http.Header
	text   string
	body   map[string]any
	list   []map[string]any
}

func (o org) do(method, path string, body any, headers ...string) reply {
	o.t.Helper()
	encoded := []byte{}
	if body != nil {
		var err error
		encoded, err = json.Marshal(body)
		require.NoError(o.t, err)
	}
	req := httptest.NewRequest(method, "http://org.example"+path, bytes.NewReader(encoded))
	req.Header.Set("Content-Length", strconv.Itoa(len(encoded)))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "SSWS "+token)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return o.send(req)
}

func (o org) send(req *http.Request) reply {
	o.t.Helper()
	w := httptest.NewRecorder()
	o.sim.ServeHTTP(w, req)
	out := reply{status: w.Code, header: w.Header(), text: w.Body.String()}
	switch {
	case strings.HasPrefix(out.text, "{"):
		require.NoError(o.t, json.Unmarshal(w.Body.Bytes(), &out.body), out.text)
	case strings.HasPrefix(out.text, "["):
		require.NoError(o.t, json.Unmarshal(w.Body.Bytes(), &out.list), out.text)
	}
	return out
}

// must is do with the status 200 or 204.
func (o org) must(method, path string, body any) reply {
	o.t.Helper()
	out := o.do(method, path, body)
	require.Contains(o.t, []int{http.StatusOK, http.StatusNoContent}, out.status, "%s %s: %s", method, path, out.text)
	return out
}

// refused is do with a refusal.
func (o org) refused(status int, code, method, path string, body any) reply {
	o.t.Helper()
	out := o.do(method, path, body)
	require.Equal(o.t, status, out.status, "%s %s: %s", method, path, out.text)
	require.Equal(o.t, code, out.body["errorCode"], "%s %s: %s", method, path, out.text)
	return out
}

func causes(r reply) []string {
	var out []string
	for _, cause := range r.body["errorCauses"].([]any) {
		out = append(out, cause.(map[string]any)["errorSummary"].(string))
	}
	return out
}

func profile(name string, more ...any) map[string]any {
	p := map[string]any{"login": name + "@example.com", "email": name + "@example.com", "firstName": "F-" + name, "lastName": "L-" + name}
	for i := 0; i < len(more); i += 2 {
		p[more[i].(string)] = more[i+1]
	}
	return p
}

func withPassword(p map[string]any) map[string]any {
	return map[string]any{"profile": p, "credentials": map[string]any{"password": map[string]any{"value": password}}}
}

// staged, provisioned and active make a user in that status and answer the id.
func (o org) staged(name string) string {
	o.t.Helper()
	return o.must(http.MethodPost, "/api/v1/users?activate=false", map[string]any{"profile": profile(name)}).body["id"].(string)
}

func (o org) provisioned(name string) string {
	o.t.Helper()
	return o.must(http.MethodPost, "/api/v1/users", map[string]any{"profile": profile(name)}).body["id"].(string)
}

func (o org) active(name string) string {
	o.t.Helper()
	return o.must(http.MethodPost, "/api/v1/users", withPassword(profile(name))).body["id"].(string)
}

// in makes a user in any status.
func (o org) in(status, name string) string {
	o.t.Helper()
	switch status {
	case simulator.StatusStaged:
		return o.staged(name)
	case simulator.StatusProvisioned:
		return o.provisioned(name)
	}
	id := o.active(name)
	switch status {
	case simulator.StatusSuspended:
		o.lifecycle(id, "suspend")
	case simulator.StatusDeprovisioned:
		o.lifecycle(id, "deactivate")
	case simulator.StatusPasswordExpired:
		o.lifecycle(id, "expire_password")
	case simulator.StatusRecovery:
		o.lifecycle(id, "reset_password?sendEmail=true")
	case simulator.StatusLockedOut:
		for range 10 {
			_, err := o.sim.SignIn(name+"@example.com", "wrong")
			require.ErrorIs(o.t, err, simulator.ErrSignIn)
		}
	}
	require.Equal(o.t, status, o.status(id))
	return id
}

func (o org) lifecycle(id, operation string) reply {
	o.t.Helper()
	return o.must(http.MethodPost, "/api/v1/users/"+id+"/lifecycle/"+operation, nil)
}

func (o org) user(id string) map[string]any {
	o.t.Helper()
	return o.must(http.MethodGet, "/api/v1/users/"+id, nil).body
}

func (o org) status(id string) string {
	o.t.Helper()
	return o.user(id)["status"].(string)
}

// seen is the user as the test control sees it.
func (o org) seen(id string) simulator.User {
	o.t.Helper()
	for _, u := range o.sim.Users() {
		if u.ID == id {
			return u
		}
	}
	require.Fail(o.t, "no user "+id)
	return simulator.User{}
}

// query is a list with the parameter.
func (o org) query(path, name, value string) []map[string]any {
	o.t.Helper()
	return o.must(http.MethodGet, path+"?"+name+"="+url.QueryEscape(value), nil).list
}

func ids(list []map[string]any) []string {
	out := make([]string, 0, len(list))
	for _, item := range list {
		out = append(out, item["id"].(string))
	}
	return out
}

// pages follows rel="next" until it is missing.
func (o org) pages(path string) [][]string {
	o.t.Helper()
	var out [][]string
	for path != "" {
		r := o.must(http.MethodGet, path, nil)
		out = append(out, ids(r.list))
		path = ""
		for _, l := range r.header.Values("Link") {
			target, rel, _ := strings.Cut(l, "; ")
			if rel == `rel="next"` {
				u, err := url.Parse(strings.Trim(target, "<>"))
				require.NoError(o.t, err)
				path = u.RequestURI()
			}
		}
	}
	return out
}

func (o org) group(name string) string {
	o.t.Helper()
	id, err := o.sim.AddGroup(simulator.Group{Name: name})
	require.NoError(o.t, err)
	return id
}

func escape(s string) string { return url.QueryEscape(s) }
