package api_test

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// everything is what an organization's own tokens can read of it and of some of its people.
func (o tenant) everything(people ...string) string {
	o.h.t.Helper()
	paths := []string{"/v1/identities", "/v1/operations", "/v1/cases?all=true", "/v1/targets", "/v1/policy", "/v1/organizations", "/v1/progress",
		"/v1/reports/lifecycle"}
	for _, person := range people {
		paths = append(paths, "/v1/identities/"+person, "/v1/identities/"+person+"/explain")
	}
	var all strings.Builder
	for _, path := range paths {
		all.Write(o.h.get(path, o.read).is(http.StatusOK).body)
	}
	return all.String()
}

// ids are the ids of a listing's items.
func (a answer) ids() []string {
	a.t.Helper()
	ids := []string{}
	for _, item := range a.items("items") {
		ids = append(ids, item.(map[string]any)["id"].(string))
	}
	return ids
}

// An event's source and id are the sender's to choose, and two organizations may choose the same, by chance or on purpose.
func TestAnEventNamedLikeAnothers(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme, rival := h.org("acme").apply(), h.org("rival").apply()
	ada, left := acme.join("1001", "Ada", "Canary"), acme.join("1002", "Eve", "Canary")
	acme.fulfil(ada)
	acme.send(cloudEvent("left-1002", "left", `"employeeId":"1002","lastDay":"2026-02-01"`)).is(http.StatusAccepted)
	before := acme.everything(ada, left)

	own := rival.send(joined("1001", "Bea", "Rival")).is(http.StatusAccepted)
	require.Equal(t, "join", own.text("effect"), "accepted as its own, not answered as acme's was")
	require.NotContains(t, []string{ada, left}, own.text("identityId"))
	for name, test := range map[string]struct{ event, effect string }{
		"again":                 {joined("1001", "Bea", "Rival"), "join"},
		"takes acme's alone":    {cloudEvent("r1", "rescinded", `"employeeId":"1001","rescinds":"left-1002"`), "none"},
		"of acme's number, too": {cloudEvent("r2", "rescinded", `"employeeId":"1002","rescinds":"left-1002"`), "none"},
	} {
		answer := rival.send(test.event).is(http.StatusAccepted)
		require.Equal(t, test.effect, answer.text("effect"), name)
		require.Equal(t, name != "of acme's number, too", own.text("identityId") == answer.text("identityId"), name)
	}
	require.Equal(t, "active", h.get("/v1/identities/1001", rival.read).is(http.StatusOK).text("state"))
	rival.send(cloudEvent("r3", "rescinded", `"employeeId":"1001","rescinds":"join-1001"`)).is(http.StatusAccepted) // a name that both have
	require.NotEqual(t, "active", h.get("/v1/identities/1001", rival.read).is(http.StatusOK).text("state"))

	require.Equal(t, before, acme.everything(ada, left))
	require.Equal(t, ada, acme.join("1001", "Ada", "Canary"), "acme's own event is still known")
}

// A case is answered with one of its own candidates, and nobody of another organization's is one.
func TestACaseIsNotAnsweredWithAnothersIdentity(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme, rival := h.org("acme").apply(), h.org("rival").apply()
	ada, bea := acme.join("1001", "Ada", "Canary"), rival.join("1", "Bea", "Rival")
	question := rival.send(cloudEventFrom("urn:other", "o", "joined", `"employeeId":"2","familyName":"Rival"`)).is(http.StatusAccepted).text("caseId")
	before := acme.everything(ada)
	resolve := func(id string) answer {
		return h.post("/v1/cases/"+question+"/resolve", rival.admin, `{"resolution":"link","identityId":"`+id+`"}`)
	}
	nobody := uuid.NewString()
	others, nobodys := resolve(ada).is(http.StatusBadRequest), resolve(nobody).is(http.StatusBadRequest)
	require.Equal(t, "identityId", others.text("errors.0.field"))
	require.Equal(t, strings.ReplaceAll(nobodys.text("detail"), nobody, ada), others.text("detail"), "there is no telling one from the other")
	require.Len(t, h.get("/v1/cases", rival.read).is(http.StatusOK).items("items"), 1, "it is open still")
	require.Equal(t, []string{bea}, h.get("/v1/identities", rival.read).is(http.StatusOK).ids())
	require.Equal(t, before, acme.everything(ada))
	require.Equal(t, bea, resolve(bea).is(http.StatusOK).text("identityId"))
}

// A page that begins after an id of another organization's is a page of one's own.
func TestACursorOfAnothers(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme, rival := h.org("acme").apply(), h.org("rival").apply()
	made := func(o tenant) map[string][]string {
		ids := map[string][]string{}
		for _, name := range []string{"Ada", "Bea", "Eve", "Fay"} {
			person := o.join(name, name, o.id+name)
			o.plan(person)
			ids["/v1/identities"] = append(ids["/v1/identities"], person)
			for _, operation := range o.operations(uuid.MustParse(person)) {
				ids["/v1/operations"] = append(ids["/v1/operations"], operation.ID.String())
			}
		}
		return ids
	}
	others := made(acme)
	for path, own := range made(rival) {
		slices.Sort(own)
		require.Equal(t, own, h.get(path, rival.read).is(http.StatusOK).ids(), path)
		for _, after := range others[path] {
			raw := uuid.MustParse(after)
			page := h.get(path+"?after="+base64.RawURLEncoding.EncodeToString(raw[:]), rival.read).is(http.StatusOK)
			require.Equal(t, slices.DeleteFunc(slices.Clone(own), func(id string) bool { return id <= after }), page.ids(), path)
		}
	}
}
