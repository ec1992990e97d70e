package simulator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/scim/simulator"
)

const token = "the-token"

// client speaks to a simulator without a network.
type client struct {
	t   testing.TB
	sim *simulator.Simulator
}

func newClient(t testing.TB, folder string, groups ...string) client {
	t.Helper()
	sim, err := simulator.New(simulator.Options{Token: token, Folder: folder, Groups: groups})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sim.Close()) })
	return client{t, sim}
}

type reply struct {
	status int
	header http.Header
	body   map[string]any
}

func (c client) do(method, path string, body any, headers ...string) reply {
	c.t.Helper()
	encoded, err := json.Marshal(body)
	require.NoError(c.t, err)
	req := httptest.NewRequest(method, path, bytes.NewReader(encoded))
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.sim.ServeHTTP(w, req)
	out := reply{status: w.Code, header: w.Header()}
	if w.Body.Len() > 0 {
		require.NoError(c.t, json.Unmarshal(w.Body.Bytes(), &out.body), w.Body.String())
	}
	return out
}

func (c client) create(user map[string]any) string {
	c.t.Helper()
	out := c.do(http.MethodPost, "/Users", user)
	require.Equal(c.t, http.StatusCreated, out.status, out.body)
	return out.body["id"].(string)
}

func (c client) patch(path string, ops ...map[string]any) reply {
	c.t.Helper()
	return c.do(http.MethodPatch, path, map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": ops})
}

func (c client) list(kind, filter string) []string {
	c.t.Helper()
	out := c.do(http.MethodGet, "/"+kind+"?filter="+url.QueryEscape(filter), nil)
	require.Equal(c.t, http.StatusOK, out.status, out.body)
	ids := []string{}
	for _, r := range out.body["Resources"].([]any) {
		ids = append(ids, r.(map[string]any)["id"].(string))
	}
	return ids
}

func (c client) group(name string) string {
	c.t.Helper()
	ids := c.list("Groups", fmt.Sprintf("displayName eq %q", name))
	require.Len(c.t, ids, 1)
	return ids[0]
}

func user(name string) map[string]any { return map[string]any{"userName": name} }

func add(id string) map[string]any {
	return map[string]any{"op": "add", "path": "members", "value": []any{map[string]any{"value": id}}}
}

func remove(id string) map[string]any {
	return map[string]any{"op": "remove", "path": fmt.Sprintf("members[value eq %q]", id)}
}

func TestTokenIsRequired(t *testing.T) {
	t.Parallel()
	c := newClient(t, "")
	for _, bad := range []string{"", "Bearer", "Bearer wrong", token} {
		require.Equal(t, http.StatusUnauthorized, c.do(http.MethodGet, "/Users", nil, "Authorization", bad).status)
	}
	_, err := simulator.New(simulator.Options{})
	require.ErrorContains(t, err, "token")
}

func TestUserNamesAreUniqueWhateverTheirCase(t *testing.T) {
	t.Parallel()
	c := newClient(t, "")
	c.create(user("Ada"))
	other := c.create(user("grace"))
	out := c.do(http.MethodPost, "/Users", user("aDA"))
	require.Equal(t, http.StatusConflict, out.status)
	require.Equal(t, "uniqueness", out.body["scimType"])
	require.Equal(t, http.StatusConflict, c.patch("/Users/"+other, map[string]any{"op": "replace", "path": "userName", "value": "ADA"}).status)
	require.Equal(t, http.StatusConflict, c.do(http.MethodPut, "/Users/"+other, user("ada")).status)
	require.Equal(t, http.StatusOK, c.patch("/Users/"+other, map[string]any{"op": "replace", "path": "userName", "value": "GRACE"}).status)
	require.Len(t, c.list("Users", `userName eq "grace"`), 1)
}

func TestFilters(t *testing.T) {
	t.Parallel()
	c := newClient(t, "", "Sales")
	odd := `o'hara "x" \ ü eq`
	ada := c.create(map[string]any{
		"userName": "ada", "externalId": odd, "title": odd, "emails": []any{map[string]any{"type": "work", "value": "Ada@example.com"}},
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": map[string]any{"department": "Engines"},
	})
	bob := c.create(map[string]any{"userName": "bob", "active": false, "externalId": "b1"})
	sales := c.group("sales")
	require.Equal(t, http.StatusNoContent, c.patch("/Groups/"+sales, add(ada)).status)
	literal, err := json.Marshal(odd)
	require.NoError(t, err)
	for filter, want := range map[string][]string{
		`userName eq "ADA"`:                                     {ada},
		`externalId eq ` + string(literal):                      {ada},
		`externalId eq "B1"`:                                    {},
		`title eq ` + string(literal):                           {ada},
		`id eq "` + bob + `"`:                                   {bob},
		`active eq false`:                                       {bob},
		`userName sw "a" or userName ew "OB"`:                   {ada, bob},
		`not (userName co "d")`:                                 {bob},
		`title pr and userName ne "bob"`:                        {ada},
		`emails[type eq "work" and value eq "ada@EXAMPLE.com"]`: {ada},
		`emails.value eq "ada@example.com"`:                     {ada},
		`emails co "example"`:                                   {ada},
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "engines"`: {ada},
		`groups.value eq "` + sales + `"`: {ada},
	} {
		require.Equal(t, want, c.list("Users", filter), filter)
	}
	require.Equal(t, []string{sales}, c.list("Groups", `members.value eq "`+ada+`"`))
	require.Equal(t, []string{sales}, c.list("Groups", `members[value eq "`+ada+`"]`))
	require.Empty(t, c.list("Groups", `members.value eq "`+bob+`"`))
	for _, bad := range []string{`userName`, `nosuch eq "x"`, `userName gt "x"`} {
		require.Equal(t, http.StatusBadRequest, c.do(http.MethodGet, "/Users?filter="+url.QueryEscape(bad), nil).status, bad)
	}
}

func TestPagingIsStableAndComplete(t *testing.T) {
	t.Parallel()
	c := newClient(t, "")
	want := []string{}
	for i := range 25 {
		want = append(want, c.create(user(fmt.Sprintf("u%02d", i))))
	}
	gone := want[3]
	require.Equal(t, http.StatusNoContent, c.do(http.MethodDelete, "/Users/"+gone, nil).status)
	want = append(want[:3], want[4:]...)
	got := []string{}
	for start := 1; start <= len(want); start += 7 {
		out := c.do(http.MethodGet, fmt.Sprintf("/Users?startIndex=%d&count=7&attributes=userName", start), nil)
		require.EqualValues(t, len(want), out.body["totalResults"])
		for _, r := range out.body["Resources"].([]any) {
			got = append(got, r.(map[string]any)["id"].(string))
			require.NotContains(t, r, "active")
		}
	}
	require.Equal(t, want, got)
	require.EqualValues(t, 24, c.do(http.MethodGet, "/Users?count=0", nil).body["totalResults"])
}

func TestPatchOfAUser(t *testing.T) {
	t.Parallel()
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	work := func(v string) map[string]any { return map[string]any{"type": "work", "value": v} }
	for name, test := range map[string]struct {
		before map[string]any
		op     map[string]any
		status int
		after  map[string]any // without userName and active
	}{
		"add a simple attribute":           {nil, map[string]any{"op": "Add", "path": "title", "value": "x"}, 200, map[string]any{"title": "x"}},
		"replace what is not there":        {nil, map[string]any{"op": "replace", "path": "name.givenName", "value": "G"}, 200, map[string]any{"name": map[string]any{"givenName": "G"}}},
		"replace merges a complex one":     {map[string]any{"name": map[string]any{"givenName": "G"}}, map[string]any{"op": "replace", "path": "name", "value": map[string]any{"familyName": "F"}}, 200, map[string]any{"name": map[string]any{"givenName": "G", "familyName": "F"}}},
		"remove the last part":             {map[string]any{"name": map[string]any{"givenName": "G"}}, map[string]any{"op": "remove", "path": "name.givenName"}, 200, map[string]any{}},
		"replace behind a filter":          {map[string]any{"emails": []any{work("a")}}, map[string]any{"op": "replace", "path": `emails[type eq "work"].value`, "value": "b"}, 200, map[string]any{"emails": []any{work("b")}}},
		"filter that selects nothing":      {nil, map[string]any{"op": "replace", "path": `emails[type eq "work"].value`, "value": "b"}, 400, map[string]any{}},
		"remove that selects nothing":      {nil, map[string]any{"op": "remove", "path": `emails[type eq "work"]`}, 200, map[string]any{}},
		"remove an element":                {map[string]any{"emails": []any{work("a")}}, map[string]any{"op": "remove", "path": `emails[type eq "work"]`}, 200, map[string]any{}},
		"add the same element again":       {map[string]any{"emails": []any{work("a")}}, map[string]any{"op": "add", "path": "emails", "value": []any{work("a")}}, 200, map[string]any{"emails": []any{work("a")}}},
		"a second primary demotes":         {map[string]any{"emails": []any{map[string]any{"value": "a", "primary": true}}}, map[string]any{"op": "add", "path": "emails", "value": []any{map[string]any{"value": "b", "primary": true}}}, 200, map[string]any{"emails": []any{map[string]any{"value": "a", "primary": false}, map[string]any{"value": "b", "primary": true}}}},
		"extension by full path":           {nil, map[string]any{"op": "replace", "path": enterprise + ":department", "value": "D"}, 200, map[string]any{enterprise: map[string]any{"department": "D"}}},
		"the last of an extension":         {map[string]any{enterprise: map[string]any{"department": "D"}}, map[string]any{"op": "remove", "path": enterprise + ":department"}, 200, map[string]any{}},
		"without a path, dotted keys":      {nil, map[string]any{"op": "replace", "value": map[string]any{"name.givenName": "G", "title": "T"}}, 200, map[string]any{"name": map[string]any{"givenName": "G"}, "title": "T"}},
		"groups are read-only":             {nil, map[string]any{"op": "add", "path": "groups", "value": []any{map[string]any{"value": "x"}}}, 400, map[string]any{}},
		"userName cannot go":               {nil, map[string]any{"op": "remove", "path": "userName"}, 400, map[string]any{}},
		"a boolean as text is not taken":   {nil, map[string]any{"op": "replace", "path": "active", "value": "False"}, 400, map[string]any{}},
		"an attribute that does not exist": {nil, map[string]any{"op": "replace", "path": "nosuch", "value": "x"}, 400, map[string]any{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, "")
			before := user("ada")
			maps.Copy(before, test.before)
			id := c.create(before)
			require.Equal(t, test.status, c.patch("/Users/"+id, test.op).status)
			got := c.sim.Snapshot().Users[0].Attributes
			require.Equal(t, "ada", got["userName"])
			delete(got, "userName")
			delete(got, "active")
			require.Equal(t, test.after, got)
		})
	}
}

func TestPutReplacesAndKeepsThePassword(t *testing.T) {
	t.Parallel()
	c := newClient(t, "")
	id := c.create(map[string]any{"userName": "ada", "title": "T", "password": "p", "active": false})
	out := c.do(http.MethodPut, "/Users/"+id, map[string]any{"userName": "ada", "displayName": "A"})
	require.Equal(t, http.StatusOK, out.status)
	require.NotContains(t, out.body, "password")
	require.Equal(t, map[string]any{"userName": "ada", "displayName": "A", "password": "p", "active": false}, c.sim.Snapshot().Users[0].Attributes)
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	c := newClient(t, "")
	id := c.create(user("ada"))
	etag := c.do(http.MethodGet, "/Users/"+id, nil).header.Get("ETag")
	require.Equal(t, `W/"1"`, etag)
	require.Equal(t, http.StatusOK, c.do(http.MethodPut, "/Users/"+id, user("eva"), "If-Match", etag).status)
	require.Equal(t, http.StatusPreconditionFailed, c.do(http.MethodPut, "/Users/"+id, user("eve"), "If-Match", etag).status)
	require.Equal(t, http.StatusPreconditionFailed, c.do(http.MethodDelete, "/Users/"+id, nil, "If-Match", etag).status)
	require.Equal(t, true, c.do(http.MethodGet, "/ServiceProviderConfig", nil).body["etag"].(map[string]any)["supported"])
}

func TestGroupMembership(t *testing.T) {
	t.Parallel()
	c := newClient(t, "", "Sales")
	ada, bob, g := c.create(user("ada")), c.create(user("bob")), c.group("Sales")
	members := func() []string {
		ids := []string{}
		list, _ := c.do(http.MethodGet, "/Groups/"+g, nil).body["members"].([]any)
		for _, m := range list {
			ids = append(ids, m.(map[string]any)["value"].(string))
		}
		return ids
	}
	require.Equal(t, 204, c.patch("/Groups/"+g, add(bob), add(ada), add(bob)).status)
	require.ElementsMatch(t, []string{ada, bob}, members())
	require.Equal(t, "Sales", c.do(http.MethodGet, "/Users/"+ada, nil).body["groups"].([]any)[0].(map[string]any)["display"])
	require.NotContains(t, c.do(http.MethodGet, "/Groups/"+g+"?excludedAttributes=members", nil).body, "members")

	require.Equal(t, 204, c.patch("/Groups/"+g, remove(ada)).status)
	require.Equal(t, []string{bob}, members())
	require.Equal(t, 204, c.patch("/Groups/"+g, remove(ada)).status, "removing one who is not a member")
	require.Equal(t, 204, c.patch("/Groups/"+g, map[string]any{"op": "Remove", "path": "members", "value": []any{map[string]any{"value": bob}}}).status)
	require.Empty(t, members())

	require.Equal(t, 400, c.patch("/Groups/"+g, add(ada), add("nobody")).status)
	require.Empty(t, members(), "a refused PATCH changes nothing")

	require.Equal(t, 204, c.patch("/Groups/"+g, map[string]any{"op": "replace", "path": "members", "value": []any{map[string]any{"value": ada}}}).status)
	require.Equal(t, 200, c.do(http.MethodPut, "/Groups/"+g, map[string]any{"displayName": "Sales", "members": []any{map[string]any{"value": bob}}}).status)
	require.Equal(t, []string{bob}, members())
	require.Equal(t, http.StatusNoContent, c.do(http.MethodDelete, "/Users/"+bob, nil).status)
	require.Empty(t, members())
	require.Equal(t, map[string]int{"Sales": 0}, c.sim.Snapshot().Groups)
}

func TestConcurrentPatchesLoseNoMember(t *testing.T) {
	t.Parallel()
	c := newClient(t, t.TempDir(), "Sales")
	g := c.group("Sales")
	const n = 200
	ids := make([]string, n)
	for i := range ids {
		ids[i] = c.create(user(fmt.Sprintf("u%d", i)))
	}
	var wg sync.WaitGroup
	statuses := make([]int, n)
	for i, id := range ids {
		wg.Go(func() { statuses[i] = c.patch("/Groups/"+g, add(id)).status })
	}
	wg.Wait()
	for _, status := range statuses {
		require.Equal(t, 204, status)
	}
	require.Equal(t, map[string]int{"Sales": n}, c.sim.Snapshot().Groups)
}

func TestAuditTellsWhetherAUserWasEnabledSince(t *testing.T) {
	t.Parallel()
	c := newClient(t, "", "Sales")
	start := time.Now().UTC()
	id := c.create(map[string]any{"userName": "ada", "active": false})
	created := time.Now().UTC()
	require.False(t, c.sim.EnabledSince(id, start))
	set := func(active bool) time.Time {
		require.Equal(t, 200, c.patch("/Users/"+id, map[string]any{"op": "replace", "path": "active", "value": active}).status)
		return time.Now().UTC()
	}
	on := set(true)
	off := set(false)
	set(false)
	require.True(t, c.sim.EnabledSince(id, created))
	require.True(t, c.sim.EnabledSince(id, on), "it was enabled at that moment")
	require.False(t, c.sim.EnabledSince(id, off))
	for range 2 {
		require.Equal(t, 204, c.patch("/Groups/"+c.group("Sales"), add(id), add(id)).status)
	}
	actions := []simulator.Action{}
	for _, w := range c.sim.Audit() {
		if w.ID == id || w.Member == id {
			actions = append(actions, w.Action)
		}
	}
	require.Equal(t, []simulator.Action{"create", "update", "update", "add member"}, actions, "what changed nothing leaves no entry")
}

func TestStats(t *testing.T) {
	t.Parallel()
	c := newClient(t, "")
	c.create(user("ada"))
	c.do(http.MethodPost, "/Users", user("ada"))
	c.do(http.MethodGet, "/v2/Groups", nil, "Authorization", "wrong")
	want := map[string]map[string]int{"POST": {"Users": 2}, "GET": {"Groups": 1}}
	require.Equal(t, want, c.sim.Stats().Requests)
	w := httptest.NewRecorder()
	c.sim.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_simulator/stats", nil))
	var got simulator.Stats
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	require.Equal(t, want, got.Requests)
}
