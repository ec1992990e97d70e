package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/store"
)

// route is one route of the API, with what a request to it needs.
type route struct {
	method, path string
	scope        string // "": no token is needed
	body         string
}

// routes are all routes. A test that finds another one in the API's description fails.
func routes(org string) []route {
	files := fmt.Sprintf(`"files":[{"name":"p.yaml","data":%q}]`, policyOf(org))
	return []route{
		{"POST", "/v1/events", "hr", cloudEvent("route", "joined", `"employeeId":"route"`)},
		{"GET", "/v1/identities", "read", ""},
		{"GET", "/v1/identities/{id}", "read", ""},
		{"GET", "/v1/identities/{id}/explain", "read", ""},
		{"POST", "/v1/identities/{id}/kill", "kill", `{"reason":"a test"}`},
		{"POST", "/v1/identities/{id}/reinstate", "kill", `{"reason":"a test"}`},
		{"POST", "/v1/kills", "kill", `{"people":["nobody"],"reason":"a test","count":1}`},
		{"GET", "/v1/identities/{id}/termination", "read", ""},
		{"GET", "/v1/identities/{id}/termination.html", "read", ""},
		{"GET", "/v1/operations", "read", ""},
		{"POST", "/v1/operations/{id}/retry", "admin", ""},
		{"GET", "/v1/targets", "read", ""},
		{"POST", "/v1/targets/{name}/pause", "admin", ""},
		{"POST", "/v1/targets/{name}/resume", "admin", ""},
		{"GET", "/v1/cases", "read", ""},
		{"GET", "/v1/cases/{id}", "read", ""},
		{"POST", "/v1/cases/{id}/resolve", "admin", `{"resolution":"keep_apart"}`},
		{"GET", "/v1/policy", "read", ""},
		{"POST", "/v1/policy/preview", "admin", "{" + files + "}"},
		{"POST", "/v1/policy", "admin", "{" + files + `,"from":0}`},
		{"GET", "/v1/organizations", "read", ""},
		{"POST", "/v1/recovery", "admin", ""},
		{"POST", "/v1/recovery/release", "admin", ""},
		{"GET", "/v1/reports/lifecycle", "read", ""},
		{"GET", "/v1/reports/deprovisioning", "read", ""},
		{"GET", "/v1/progress", "read", ""},
		{"GET", "/openapi.json", "", ""},
		{"GET", "/healthz", "", ""},
		{"GET", "/readyz", "", ""},
		{"GET", "/metrics", "", ""},
	}
}

// at is the route's path with an object in it.
func (r route) at(object string) string {
	return strings.NewReplacer("{id}", object, "{name}", object).Replace(r.path)
}

func TestDescriptionListsEveryRoute(t *testing.T) {
	t.Parallel()
	h := start(t)
	answer := h.get("/openapi.json", "").is(http.StatusOK)
	require.Equal(t, "3.1.0", answer.text("openapi"))
	paths, ok := answer.get("paths").(map[string]any)
	require.True(t, ok)
	var described, known []string
	ids := map[string]bool{}
	for path, item := range paths {
		for method, operation := range item.(map[string]any) {
			described = append(described, strings.ToUpper(method)+" "+path)
			ids[checkOperation(t, path, operation.(map[string]any))] = true
		}
	}
	for _, r := range routes("acme") {
		if r.scope != "" {
			known = append(known, r.method+" "+r.path)
		}
	}
	require.ElementsMatch(t, known, described)
	require.Len(t, ids, len(described), "operation ids are unique")
	checkReferences(t, answer)
	body, ok := answer.get("paths./v1/events.post.requestBody.content").(map[string]any)
	require.True(t, ok)
	require.ElementsMatch(t, []string{structured, batched, "application/json"}, slices.Collect(maps.Keys(body)))
}

// checkOperation holds an operation to what OpenAPI 3.1 asks of it, and answers its id.
func checkOperation(t *testing.T, path string, operation map[string]any) string {
	t.Helper()
	require.NotEmpty(t, operation["summary"], path)
	require.NotEmpty(t, operation["responses"], path)
	require.NotEmpty(t, operation["security"], path)
	var parameters []string
	list, _ := operation["parameters"].([]any)
	for _, p := range list {
		parameter, ok := p.(map[string]any)
		require.True(t, ok)
		if parameter["in"] == "path" {
			require.Equal(t, true, parameter["required"])
			parameters = append(parameters, fmt.Sprintf("{%s}", parameter["name"]))
		}
	}
	var named []string
	for part := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(part, "{") {
			named = append(named, part)
		}
	}
	require.Equal(t, named, parameters, path)
	id, _ := operation["operationId"].(string)
	require.NotEmpty(t, id)
	return id
}

// checkReferences finds every reference's object.
func checkReferences(t *testing.T, document answer) {
	t.Helper()
	found := 0
	var walk func(any)
	walk = func(value any) {
		switch v := value.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				found++
				require.NotNil(t, document.get(strings.ReplaceAll(strings.TrimPrefix(ref, "#/"), "/", ".")), ref)
			}
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	var whole any
	require.NoError(t, json.Unmarshal(document.body, &whole))
	walk(whole)
	require.Greater(t, found, 20)
}

func TestScopes(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	tokens := map[string]string{"admin": acme.admin, "hr": acme.hr, "read": acme.read, "kill": acme.kill}
	allowed := map[string][]string{"admin": {"admin"}, "hr": {"admin", "hr"}, "read": {"admin", "read"}, "kill": {"kill"}}
	for _, r := range routes("acme") {
		send := func(token string) answer {
			return h.do(h.request(r.method, r.at(uuid.NewString()), token, "application/json", r.body))
		}
		if r.scope == "" {
			send("").is(http.StatusOK)
			continue
		}
		for _, scope := range slices.Sorted(maps.Keys(tokens)) {
			answer := send(tokens[scope])
			if slices.Contains(allowed[r.scope], scope) {
				require.NotContains(t, []int{401, 403, 500}, answer.status, "%s %s with %s", r.method, r.path, scope)
				continue
			}
			require.Equal(t, http.StatusForbidden, answer.status, "%s %s with %s", r.method, r.path, scope)
			require.Contains(t, answer.text("detail"), r.scope)
		}
		nobody := send("").is(http.StatusUnauthorized)
		require.Equal(t, "Bearer", nobody.header.Get("WWW-Authenticate"), r.path)
	}
}

func TestTokensThatAreNoLongerGood(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme")
	secret, token, err := h.store.CreateToken(t.Context(), "acme", "revoked", []string{"read"}, h.clock.now().Add(time.Minute))
	require.NoError(t, err)
	h.get("/v1/progress", secret).is(http.StatusOK)
	require.NoError(t, h.store.InOrg(t.Context(), "acme", func(tx *store.Tx) error { return tx.RevokeToken(t.Context(), token.ID, "cli:test") }))
	for name, authorization := range map[string]string{
		"revoked": "Bearer " + secret, "unknown": "Bearer tnr_x", "other scheme": "Basic " + acme.read, "empty": "Bearer ",
		"cut short": "Bearer " + acme.read[:20], "very long": "Bearer tnr_" + strings.Repeat("x", 8000),
	} {
		r := h.request(http.MethodGet, "/v1/progress", "", "", "")
		r.Header.Set("Authorization", authorization)
		answer := h.do(r)
		require.Equal(t, http.StatusUnauthorized, answer.status, name)
		require.Equal(t, "unauthorized", answer.text("code"), name)
	}
	r := h.request(http.MethodGet, "/v1/progress", "", "", "")
	r.Header.Set("Authorization", "bearer "+acme.read) // the scheme's case is no matter
	h.do(r).is(http.StatusOK)
	h.clock.advance(25 * time.Hour)
	h.get("/v1/progress", acme.read).is(http.StatusUnauthorized) // expired
}

func TestNoOrganizationSeesAnother(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme, rival := h.org("acme").apply(), h.org("rival").apply()
	vault := strings.Replace(policyOf("acme"), "roles:\n", "  - {name: vault, connector: scim, settings: {baseUrl: \"http://127.0.0.1:1\"}, attributes: {userName: userName}}\nroles:\n", 1)
	h.post("/v1/policy", acme.admin, fmt.Sprintf(`{"files":[{"name":"p","data":%q}],"from":1}`, vault)).is(http.StatusOK)
	id := acme.join("1001", "Ada", "Canary")
	acme.fulfil(id)
	operation := acme.operations(uuid.MustParse(id))[0].ID.String()
	waiting := acme.send(cloudEventFrom("urn:other", "c", "joined", `"employeeId":"1002","givenName":"Eve","familyName":"Canary"`)).is(202).text("caseId")
	before, targets := h.get("/v1/identities/"+id, acme.read).is(200), h.get("/v1/targets", acme.read).is(200)

	rivals := h.get("/v1/policy", rival.read).is(200)
	objects := map[string][]string{"/v1/identities/": {id, "1001", "ada.canary"}, "/v1/operations/": {operation}, "/v1/cases/": {waiting},
		"/v1/targets/": {"vault"}}
	for _, r := range routes("rival") {
		prefix, _, named := strings.Cut(r.path, "{")
		if named {
			require.NotEmpty(t, objects[prefix], "an object of acme's for %s", r.path)
		}
		for _, name := range objects[prefix] {
			answer := h.do(h.request(r.method, r.at(name), rival.may(r.scope), "application/json", r.body))
			require.Equal(t, http.StatusNotFound, answer.status, "%s %s: %s", r.method, r.path, answer.body)
			require.NotContains(t, strings.ToLower(string(answer.body)), "canary")
			require.NotContains(t, string(answer.body), "acme")
			nothing := h.do(h.request(r.method, r.at(uuid.NewString()), rival.may(r.scope), "application/json", r.body)).is(http.StatusNotFound)
			require.Equal(t, nothing.get("title"), answer.get("title"))
		}
	}
	for _, path := range []string{"/v1/identities", "/v1/identities?q=ada", "/v1/identities?target=crm", "/v1/identities?manager=" + id, "/v1/operations",
		"/v1/cases?all=true"} {
		require.Empty(t, h.get(path, rival.read).is(200).items("items"), path)
	}
	list := h.post("/v1/kills", rival.kill, `{"people":["`+id+`","1001","ada.canary"],"reason":"a test","count":3}`).is(http.StatusAccepted)
	for i, result := range list.items("results") {
		require.Equal(t, "not_found", list.text(fmt.Sprintf("results.%d.error.code", i)), result)
	}
	require.Equal(t, "rival", h.get("/v1/organizations", rival.read).is(200).text("items.0.id"))
	require.Len(t, h.get("/v1/organizations", rival.read).is(200).items("items"), 1)
	progress := h.get("/v1/progress", rival.read).is(200)
	require.InDelta(t, 0, progress.get("unsettled"), 0)
	require.InDelta(t, 0, progress.get("outbox"), 0)
	require.Empty(t, h.get("/v1/reports/deprovisioning", rival.read).is(200).items("tiers"))
	require.InDelta(t, 0, h.get("/v1/reports/lifecycle", rival.read).is(200).get("timeToProvision.count"), 0)

	// What one changes is its own: its target of the same name, its recovery, its policy.
	h.post("/v1/targets/crm/pause", rival.admin, "").is(200)
	h.post("/v1/recovery", rival.admin, "").is(200)
	require.JSONEq(t, string(targets.body), string(h.get("/v1/targets", acme.read).is(200).body))
	require.Nil(t, h.get("/v1/organizations", acme.read).is(200).get("items.0.heldSince"))
	require.JSONEq(t, string(before.body), string(h.get("/v1/identities/"+id, acme.read).is(200).body))
	require.Contains(t, string(rivals.body), "rival")
	require.NotContains(t, string(rivals.body), "acme")
	refused := h.post("/v1/policy", rival.admin, fmt.Sprintf(`{"files":[{"name":"p","data":%q}],"from":1}`, policyOf("acme"))).is(http.StatusBadRequest)
	require.Equal(t, "organization", refused.text("errors.0.field"))
}
