package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func files(t *testing.T, more string, documents ...string) string {
	t.Helper()
	var list []map[string]string
	for i, document := range documents {
		list = append(list, map[string]string{"name": fmt.Sprintf("p%d.yaml", i), "data": document})
	}
	data, err := json.Marshal(list)
	require.NoError(t, err)
	return `{"files":` + string(data) + more + `}`
}

func TestPolicyIsPreviewedAndApplied(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme")
	require.JSONEq(t, `{"version":0}`, string(h.get("/v1/policy", acme.read).is(200).body))
	acme.join("1", "Ada", "Lovelace")

	document := policyOf("acme")
	preview := h.post("/v1/policy/preview", acme.admin, files(t, "", document)).is(200)
	require.InDelta(t, 1, preview.get("affected"), 0)
	require.Equal(t, "crm", preview.text("targets.0.target"))
	require.InDelta(t, 0, h.get("/v1/policy", acme.read).is(200).get("version"), 0, "a preview changes nothing")

	applied := h.post("/v1/policy", acme.admin, files(t, `,"from":0`, document)).is(200)
	require.InDelta(t, 1, applied.get("version"), 0)
	inForce := h.get("/v1/policy", acme.read).is(200)
	require.InDelta(t, 1, inForce.get("version"), 0)
	require.Regexp(t, "^token:", inForce.text("appliedBy"))
	require.Len(t, inForce.text("hash"), 64)
	require.NotEmpty(t, inForce.text("appliedAt"))
	require.Equal(t, "acme", inForce.text("document.organization"))

	again := h.post("/v1/policy", acme.admin, files(t, `,"from":1`, document)).is(200)
	require.InDelta(t, 1, again.get("version"), 0)
	require.Equal(t, true, again.get("unchanged"))
	stale := h.post("/v1/policy", acme.admin, files(t, `,"from":0`, strings.Replace(document, "wiki", "wiki2", 3))).is(http.StatusConflict)
	require.Contains(t, stale.text("detail"), "preview again")
	split := strings.Index(document, "targets:")
	require.Equal(t, true, h.post("/v1/policy/preview", acme.admin, files(t, "", document[:split], "organization: acme\n"+document[split:])).is(200).get("unchanged"))
}

func TestPolicyProblemsNameFileAndLine(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme")
	for _, path := range []string{"/v1/policy/preview", "/v1/policy"} {
		more := ""
		if path == "/v1/policy" {
			more = `,"from":0`
		}
		a := h.post(path, acme.admin, files(t, more, "organization: acme\n", "organization: acme\ncolour: blue\ntimeZone: Mars\n")).is(http.StatusUnprocessableEntity)
		require.Len(t, a.items("errors"), 2)
		require.Equal(t, "p1.yaml", a.text("errors.0.file"))
		require.InDelta(t, 2, a.get("errors.0.line"), 0)
		require.Equal(t, "colour", a.text("errors.0.field"))
		require.InDelta(t, 3, a.get("errors.1.line"), 0)
		for body, field := range map[string]string{`{}`: "files", `{"files":[],"from":0}`: "files", `{"files":[{"name":"","data":""}],"from":0}`: "files[0].name",
			`{"files":[{"name":"p"}],"from":0}`: "files[0].data", `{"files":[{"name":"p","data":1}],"from":0}`: "files[0].data",
			`{"files":[{"name":"p","data":"organization: acme"}],"from":0,"more":1}`: "more"} {
			bad := h.post(path, acme.admin, body).is(http.StatusBadRequest)
			require.Contains(t, string(bad.body), `"field":"`+field+`"`, body)
		}
		h.post(path, acme.admin, `{`).is(http.StatusBadRequest)
	}
	require.Equal(t, "from", h.post("/v1/policy", acme.admin, files(t, "", "organization: acme")).is(http.StatusBadRequest).text("errors.0.field"))
	require.Contains(t, []int{400, 422}, h.post("/v1/policy/preview", acme.admin, files(t, "", `{organization: acme, birthright: [{name: a, when: '"\0" == "a"'}]}`)).status)
}

func TestCasesAreResolved(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	first := acme.join("1", "Ada", "Lovelace")
	open := func(employeeID string) string {
		return acme.send(cloudEventFrom("urn:other", "o"+employeeID, "joined", fmt.Sprintf(`"employeeId":%q,"familyName":"Lovelace","title":"Countess"`, employeeID))).
			is(202).text("caseId")
	}
	link, apart := open("2"), open("3")
	require.Len(t, h.get("/v1/cases", acme.read).is(200).items("items"), 2)
	resolve := func(id, body string) answer { return h.post("/v1/cases/"+id+"/resolve", acme.admin, body) }
	for body, field := range map[string]string{`{"resolution":"merge"}`: "resolution", `{}`: "resolution", `{"resolution":"link"}`: "identityId",
		`{"resolution":"link","identityId":"x"}`: "identityId", `{"resolution":"link","identityId":"` + uuid.NewString() + `"}`: "identityId"} {
		require.Equal(t, field, resolve(link, body).is(http.StatusBadRequest).text("errors.0.field"), body)
	}
	linked := resolve(link, fmt.Sprintf(`{"resolution":"link","identityId":%q}`, first)).is(200)
	require.Equal(t, first, linked.text("identityId"))
	require.Equal(t, "Countess", h.get("/v1/identities/1", acme.read).is(200).text("attributes.title"))
	kept := resolve(apart, `{"resolution":"keep_apart"}`).is(200)
	require.NotEqual(t, first, kept.text("identityId"))
	h.get("/v1/identities/"+kept.text("identityId"), acme.read).is(200)
	require.Equal(t, "conflict", resolve(apart, `{"resolution":"keep_apart"}`).is(http.StatusConflict).text("code"))

	require.Empty(t, h.get("/v1/cases", acme.read).is(200).items("items"))
	all := h.get("/v1/cases?all=true", acme.read).is(200)
	require.Len(t, all.items("items"), 2)
	require.Regexp(t, "^token:", all.text("items.0.resolvedBy"))
	h.get("/v1/cases/"+uuid.NewString(), acme.read).is(http.StatusNotFound)
	resolve(uuid.NewString(), `{"resolution":"keep_apart"}`).is(http.StatusNotFound)
	require.Equal(t, "id", h.get("/v1/cases/x", acme.read).is(http.StatusBadRequest).text("errors.0.field"))

	// The event that waited is answered with who it turned out to be.
	again := acme.send(cloudEventFrom("urn:other", "o2", "joined", `"employeeId":"2","familyName":"Lovelace","title":"Countess"`)).is(202)
	require.Equal(t, first, again.text("identityId"))
	require.Nil(t, again.get("caseId"))
}

func TestRecoveryHoldsUntilReleased(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	id := acme.join("1", "Ada", "Lovelace")
	h.post("/v1/recovery/release", acme.admin, "").is(http.StatusConflict)
	require.InDelta(t, 1, h.post("/v1/recovery", acme.admin, "").is(200).get("identities"), 0)
	require.NotEmpty(t, h.get("/v1/organizations", acme.read).is(200).text("items.0.heldSince"))
	require.Empty(t, acme.plan(id).Steps, "nothing is created while held")
	require.Contains(t, h.get("/v1/identities/1/explain", acme.read).is(200).text("text"), "are held since")
	require.Nil(t, h.post("/v1/recovery/release", acme.admin, "").is(200).get("heldSince"))
	require.Len(t, acme.plan(id).Steps, 2)
}
