package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

// graph/throttling-limits, "Identity and access service limits".
func TestResourceUnits(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	ada := c.create(person("ada"))
	sales := c.group("Sales")
	for path, units := range map[string]string{
		"/users":                                       "2",
		"/users?$select=id":                            "1",
		"/users?$top=5":                                "1",
		"/users?$top=5&$select=id":                     "1", // never below 1
		"/users?$top=20":                               "2",
		"/users?$expand=manager":                       "3",
		"/users/" + ada:                                "1",
		"/users/" + ada + "/memberOf":                  "2",
		"/users/" + ada + "/licenseDetails":            "2",
		"/groups/" + sales + "/members":                "3",
		"/groups/" + sales + "/members?$select=id":     "2",
		"/groups/" + sales + "/transitiveMembers":      "5",
		"/subscribedSkus":                              "3",
		"/directory/deletedItems/microsoft.graph.user": "1",
	} {
		require.Equal(t, units, c.want(c.get(path), http.StatusOK).header.Get("X-Ms-Resource-Unit"), path)
	}
}

// graph/throttling-limits, graph/throttling.
func TestThrottling(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(o *simulator.Options) { o.Quota = simulator.Quota{ResourceUnits: 20, Writes: 3} })
	for range 10 {
		c.want(c.get("/users"), http.StatusOK)
	}
	out := c.want(c.get("/users"), http.StatusTooManyRequests, "TooManyRequests")
	require.Equal(t, "1", out.header.Get("Retry-After"))
	require.Equal(t, "ResourceUnitLimitExceeded", out.header.Get("X-Ms-Throttle-Information"))
	require.Equal(t, "Tenant_Application/ReadWrite/"+clientID+"/"+tenant, out.header.Get("X-Ms-Throttle-Scope"))
	c.clock.pass(900 * time.Millisecond)
	c.want(c.get("/users"), http.StatusTooManyRequests) // and what had come in is used up
	c.clock.pass(900 * time.Millisecond)
	c.want(c.get("/users"), http.StatusTooManyRequests)
	c.clock.pass(time.Second)
	require.Equal(t, "1.00", c.want(c.get("/users"), http.StatusOK).header.Get("X-Ms-Throttle-Limit-Percentage"))
	c.clock.pass(10 * time.Second)
	require.Empty(t, c.want(c.get("/users"), http.StatusOK).header.Get("X-Ms-Throttle-Limit-Percentage"))

	for _, name := range []string{"a", "b", "c"} {
		c.create(person(name))
	}
	out = c.want(c.do(http.MethodPost, "/users", person("d")), http.StatusTooManyRequests)
	require.Equal(t, "WriteLimitExceeded", out.header.Get("X-Ms-Throttle-Information"))
	require.Equal(t, "50", out.header.Get("Retry-After"))
	c.want(c.get("/users"), http.StatusOK) // reads go on
	c.clock.pass(50 * time.Second)
	c.create(person("d"))
	require.Equal(t, 4, c.sim.Stats().Throttled)
}

// graph/throttling-limits: without a wish the limits are those of a tenant under 50 users.
func TestPublishedLimits(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(o *simulator.Options) { o.Quota = simulator.Quota{RetryAfterSometimes: true} })
	allowed := 0
	for c.get("/groups/x/transitiveMembers").status == http.StatusNotFound {
		allowed++
	}
	require.Equal(t, 3500/5, allowed)
	var given []bool
	for range 4 {
		given = append(given, c.want(c.get("/users"), http.StatusTooManyRequests).header.Get("Retry-After") != "")
	}
	require.Equal(t, []bool{false, true, false, true}, given, "sometimes absent")
}

// graph/delta-query-overview, graph/api/user-delta.
func TestDelta(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(o *simulator.Options) { o.ReadLag = 2 * time.Second })
	for i := range 100 {
		c.create(person(fmt.Sprintf("u%03d", i)))
	}
	c.clock.pass(2 * time.Second)
	late := c.create(person("late")) // does not show yet
	round := func(link string) (found map[string]map[string]any, seen []string, empty int, deltaLink string) {
		t.Helper()
		found = map[string]map[string]any{}
		for link != "" {
			out := c.want(c.get(link), http.StatusOK)
			for _, v := range out.values() {
				found[v["id"].(string)] = v
				seen = append(seen, v["id"].(string))
			}
			if len(out.values()) == 0 {
				empty++
			}
			deltaLink, link = out.text("@odata.deltaLink"), out.text("@odata.nextLink")
			require.NotEqual(t, deltaLink == "", link == "", "one of the two")
		}
		return found, seen, empty, deltaLink
	}
	found, _, empty, link := round("/users/delta?$select=displayName,jobTitle,manager")
	require.Len(t, found, 100)
	require.Equal(t, 1, empty, "a page may be empty")
	require.NotContains(t, found, late)
	require.NotContains(t, link, "$select", "the token encodes it")

	c.clock.pass(2 * time.Second)
	found, _, _, link = round(link)
	require.Len(t, found, 1, "late, and not lost")
	require.Equal(t, "late", found[late]["displayName"])
	require.NotContains(t, found[late], "jobTitle", "never set")

	c.want(c.do(http.MethodPatch, "/users/"+late, map[string]any{"department": "x"}), http.StatusNoContent)
	found, _, _, link = round(link)
	require.Empty(t, found, "department is not selected")
	boss := c.get("/users/u001@contoso.com").text("id")
	c.want(c.do(http.MethodPatch, "/users/"+late, map[string]any{"jobTitle": "x"}), http.StatusNoContent)
	c.want(c.do(http.MethodPut, "/users/"+late+"/manager/$ref", c.ref(boss)), http.StatusNoContent)
	gone := c.get("/users/u002@contoso.com").text("id")
	c.want(c.do(http.MethodDelete, "/users/"+gone, nil), http.StatusNoContent)
	before := link
	found, seen, _, link := round(link)
	require.Equal(t, []string{late, late, gone}, seen, "one entity several times")
	require.Equal(t, "x", found[late]["jobTitle"])
	require.Equal(t, []any{map[string]any{"@odata.type": "#microsoft.graph.user", "id": boss}}, found[late]["manager@delta"])
	require.Equal(t, map[string]any{"id": gone, "@removed": map[string]any{"reason": "changed"}}, found[gone])
	c.want(c.do(http.MethodDelete, "/directory/deletedItems/"+gone, nil), http.StatusNoContent)
	found, _, _, link = round(link)
	require.Equal(t, map[string]any{"id": gone, "@removed": map[string]any{"reason": "deleted"}}, found[gone])
	_, seen, _, _ = round(before)
	require.Len(t, seen, 4, "a token can be used again")

	ids, _ := c.all("/users")
	for _, id := range ids {
		c.want(c.do(http.MethodPatch, "/users/"+id, map[string]any{"jobTitle": "1"}), http.StatusNoContent)
		c.want(c.do(http.MethodPatch, "/users/"+id, map[string]any{"jobTitle": "2"}), http.StatusNoContent)
	}
	found, seen, _, link = round(link)
	require.Len(t, found, 100)
	require.Len(t, seen, 200, "over several pages")

	c.clock.pass(8 * 24 * time.Hour)
	c.token = c.signIn()
	out := c.want(c.get(link), http.StatusGone, "syncStateNotFound")
	require.Equal(t, "http://graph.test/v1.0/users/delta?$deltatoken=", out.header.Get("Location"))
	found, _, _, _ = round(out.header.Get("Location"))
	require.Len(t, found, 100)
}

// graph/delta-query-overview: latest, filters by id, and what is not supported.
func TestDeltaParameters(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	ada, bob := c.create(person("ada")), c.create(person("bob"))
	latest := c.want(c.get("/users/delta()?$deltatoken=latest"), http.StatusOK)
	require.Empty(t, latest.values())
	c.want(c.do(http.MethodPatch, "/users/"+bob, map[string]any{"jobTitle": "x"}), http.StatusNoContent)
	first := c.want(c.get(latest.text("@odata.deltaLink")), http.StatusOK)
	if next := first.text("@odata.nextLink"); next != "" {
		require.Empty(t, first.values(), "an empty page with more to come")
		first = c.want(c.get(next), http.StatusOK)
	}
	require.Equal(t, []string{bob}, first.column("id"))
	require.Equal(t, []string{ada}, c.want(c.get("/users/delta?$filter=id eq '"+ada+"'"), http.StatusOK).column("id"))
	for _, query := range []string{"$top=5", "$expand=manager", "$orderby=displayName", "$filter=displayName eq 'ada'", "$deltatoken=nonsense", "$select=shoeSize"} {
		require.Equal(t, http.StatusBadRequest, c.get("/users/delta?"+query).status, query)
	}
}

func (c client) batch(steps ...map[string]any) map[string]map[string]any {
	c.t.Helper()
	out := c.want(c.do(http.MethodPost, "/$batch", map[string]any{"requests": steps}), http.StatusOK)
	answers := map[string]map[string]any{}
	for _, a := range out.body["responses"].([]any) {
		answer := a.(map[string]any)
		answers[answer["id"].(string)] = answer
	}
	require.Len(c.t, answers, len(steps))
	return answers
}

func post(id, address string, body any, dependsOn ...string) map[string]any {
	return map[string]any{"id": id, "method": "POST", "url": address, "headers": map[string]string{"Content-Type": "application/json"}, "body": body, "dependsOn": dependsOn}
}

// graph/json-batching.
func TestBatch(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	sales := c.group("Sales")
	ref := map[string]any{"@odata.id": "https://graph.microsoft.com/v1.0/users/ada@contoso.com"}
	then := func(step map[string]any, before string) map[string]any {
		return with(step, "dependsOn", []string{before})
	}
	list := func() map[string]any {
		return map[string]any{"id": "2", "method": "GET", "url": "users?$count=true&$filter=startswith(displayName, 'a')", "headers": map[string]string{"ConsistencyLevel": "eventual"}}
	}
	answers := c.batch(
		post("1", "/users", person("ada")),
		post("3", "/groups/"+sales+"/members/$ref", ref, "1"),
		then(list(), "3"),
		post("4", "/users", person("ada"), "2"),
		post("5", "/groups/"+sales+"/members/$ref", ref, "4"),
		post("6", "/groups/"+sales+"/members/$ref", ref, "5"),
	)
	for id, status := range map[string]int{"1": 201, "2": 200, "3": 204, "4": 400, "5": 424, "6": 424} {
		require.InDelta(t, status, answers[id]["status"], 0, id)
	}
	require.NotContains(t, answers["3"], "body")
	require.InDelta(t, 1, answers["2"]["body"].(map[string]any)["@odata.count"], 0)
	require.Equal(t, "1", answers["1"]["headers"].(map[string]any)["X-Ms-Resource-Unit"])
	require.Equal(t, []string{"Sales"}, c.sim.Users()[0].Groups)
	require.Equal(t, 2, c.sim.Stats().Calls["POST /users"])
	require.Equal(t, 1, c.sim.Stats().Calls["POST /$batch"])
	answers = c.batch(post("4", "/users", person("ada")), map[string]any{"id": "7", "method": "PUT", "url": "/users"}, list())
	for id, status := range map[string]int{"4": 400, "7": 405, "2": 200} {
		require.InDelta(t, status, answers[id]["status"], 0, "%s does not depend on the others", id)
	}

	order := c.do(http.MethodPost, "/$batch", map[string]any{"requests": []any{
		map[string]any{"id": "a", "method": "GET", "url": "/users"}, map[string]any{"id": "b", "method": "GET", "url": "/groups"},
	}}).body["responses"].([]any)
	require.Equal(t, "b", order[0].(map[string]any)["id"], "not in the order of the requests")

	get := func(i int) map[string]any {
		return map[string]any{"id": strconv.Itoa(i), "method": "GET", "url": "/users"}
	}
	many := []map[string]any{}
	for i := range 21 {
		many = append(many, get(i))
	}
	c.batch(many[:20]...)
	for name, steps := range map[string][]map[string]any{
		"21 requests":         many,
		"none":                {},
		"the same id":         {get(1), get(1)},
		"ids differ in case":  {with(get(1), "id", "a"), with(get(1), "id", "A")},
		"no id":               {with(get(1), "id", "")},
		"unknown dependency":  {get(1), with(get(2), "dependsOn", []string{"9"})},
		"circle":              {with(get(1), "dependsOn", []string{"2"}), with(get(2), "dependsOn", []string{"1"})},
		"two on one":          {get(1), then(get(2), "1"), then(get(3), "1")},
		"some at once":        {get(1), get(2), then(get(3), "2")},
		"not in their order":  {then(get(1), "2"), get(2)},
		"an absolute address": {with(get(1), "url", "https://graph.microsoft.com/v1.0/users")},
		"no method":           {with(get(1), "method", "")},
	} {
		require.Equal(t, http.StatusBadRequest, c.do(http.MethodPost, "/$batch", map[string]any{"requests": steps}).status, name)
	}
	require.InDelta(t, http.StatusBadRequest, c.batch(post("1", "/$batch", map[string]any{}))["1"]["status"], 0)
	unlabelled := post("1", "/users", person("eve"))
	delete(unlabelled, "headers")
	require.InDelta(t, http.StatusBadRequest, c.batch(unlabelled)["1"]["status"], 0, "Content-Type is required with a body")
}

// graph/json-batching, graph/throttling: each request is evaluated against the limits.
func TestBatchIsThrottledInside(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(o *simulator.Options) { o.Quota = simulator.Quota{ResourceUnits: 20, Writes: 2} })
	answers := c.batch(post("1", "/users", person("a")), post("2", "/users", person("b")), post("3", "/users", person("c")))
	require.InDelta(t, http.StatusTooManyRequests, answers["3"]["status"], 0)
	require.Equal(t, "75", answers["3"]["headers"].(map[string]any)["Retry-After"])
	require.Equal(t, 1, c.sim.Stats().Throttled)
}

// graph/errors, graph/best-practices-concept (request-id and client-request-id).
func TestAnswers(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	out := c.want(c.get("/users/nobody", "client-request-id", "mine"), http.StatusNotFound)
	require.Equal(t, "mine", out.header.Get("Client-Request-Id"))
	inner := out.body["error"].(map[string]any)["innerError"].(map[string]any)
	require.Equal(t, map[string]any{"date": "2026-03-02T09:00:00", "request-id": out.header.Get("Request-Id"), "client-request-id": "mine"}, inner)
	require.Len(t, c.get("/users").header.Get("Request-Id"), 36)
	require.Equal(t, "http://graph.test/v1.0/$metadata#users(id,mail)", c.get("/users?$select=id,mail").text("@odata.context"))

	c.want(c.get("/shoes"), http.StatusBadRequest, "BadRequest")
	c.want(c.do(http.MethodPut, "/users", nil), http.StatusMethodNotAllowed, "Request_BadRequest")
	send := func(body, kind string) reply {
		r := httptest.NewRequest(http.MethodPost, "http://graph.test/v1.0/users", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+c.token)
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		return c.serve(r)
	}
	c.want(send("{", "application/json"), http.StatusBadRequest, "BadRequest")
	c.want(send("{}", ""), http.StatusBadRequest, "BadRequest")
	c.want(send("{}", "text/plain"), http.StatusUnsupportedMediaType)
	c.want(send(`{"displayName":"`+strings.Repeat("x", 4<<20)+`"}`, "application/json"), http.StatusRequestEntityTooLarge)
	require.Equal(t, tenant, c.get("/organization").values()[0]["id"])
}

func TestStatsAndUsersNeedNoToken(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.create(with(person("ada"), "department", "Sales"))
	c.addMethod(id, simulator.Method{Kind: simulator.FIDO2Method})
	c.token = ""
	c.get("/users/x")
	stats := c.get("http://graph.test/_simulator/stats")
	require.Equal(t, map[string]any{
		"calls":     map[string]any{"POST /users": 1.0, "GET /users/{id}": 1.0, "POST /{tenant}/oauth2/v2.0/token": 1.0},
		"throttled": 0.0, "deletions": 0.0,
	}, stats.body)
	var users []simulator.User
	require.NoError(t, json.Unmarshal([]byte(c.get("http://graph.test/_simulator/users").raw), &users))
	require.Equal(t, c.sim.Users(), users)
	require.Equal(t, []string{"Everyone in Sales"}, users[0].Groups)
	require.Equal(t, []string{"fido2Methods"}, users[0].Methods)
	require.NotContains(t, fmt.Sprint(users), password)
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := simulator.New(simulator.Options{})
	require.Error(t, err)
	_, err = simulator.New(simulator.Options{TenantID: tenant, ClientID: clientID, ClientSecret: secret, Groups: []simulator.Group{{DisplayName: "x", Rule: "y"}}})
	require.ErrorContains(t, err, `group "x"`)
}

// TestConcurrentCallers: one of many who create the same name wins, and none of their memberships is lost.
func TestConcurrentCallers(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(o *simulator.Options) { o.Folder = t.TempDir() })
	sales := c.group("Sales")
	const callers, names = 8, 25
	var created atomic.Int64
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for i := range names {
				name := fmt.Sprintf("u%d", i)
				if out := c.do(http.MethodPost, "/users", person(name)); out.status == http.StatusCreated {
					created.Add(1)
				}
				out := c.do(http.MethodPost, "/groups/"+sales+"/members/$ref", map[string]any{"@odata.id": "https://graph.microsoft.com/v1.0/users/" + name + "@contoso.com"})
				if out.status != http.StatusNoContent && out.status != http.StatusBadRequest {
					t.Errorf("join %s: %s", name, out.raw)
				}
				c.get("/users?$filter=accountEnabled eq true&$top=5")
				c.get("/users/delta")
				c.sim.Users()
				c.sim.Stats()
			}
		})
	}
	group.Wait()
	require.EqualValues(t, names, created.Load())
	members, _ := c.all("/groups/" + sales + "/members?$top=10")
	require.Len(t, members, names)
}
