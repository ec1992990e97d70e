package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestIdentityShowsWhatItHasAndWhy(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	id := acme.join("1001", "Ada", "Lovelace")
	before := h.get("/v1/identities/"+id, acme.read).is(200)
	require.Equal(t, false, before.get("settled"))
	require.Empty(t, before.items("accounts"))
	acme.fulfil(id)

	a := h.get("/v1/identities/"+id, acme.read).is(200)
	for path, want := range map[string]any{
		"id": id, "state": "active", "settled": true, "userName": "ada.lovelace", "mail": "ada.lovelace@acme.example",
		"employeeId": "1001", "workflowId": "identity/acme/" + id, "attributes.department": "Sales", "startsAt": "2026-01-02T00:00:00Z",
		"accounts.0.target": "crm", "accounts.0.state": "active", "accounts.0.grants.0.name": "Everyone",
		"accounts.0.grants.0.state": "active", "accounts.0.grants.0.reasons.0.rule": "everyone", "accounts.0.grants.0.reasons.0.role": "crm-user",
		"accounts.1.target": "wiki", "accounts.1.reasons.0.rule": "everyone", "grants.0.target": "crm", "grants.0.name": "Everyone",
		"timeline.0.eventId": "join-1001", "timeline.0.type": "worker.joined", "timeline.0.effect": "join", "timeline.0.origin": "urn:hr",
		"timeline.0.observedAt": "2026-01-02T03:04:05Z",
		"timeline.0.fields":     []any{"department", "displayName", "familyName", "givenName", "startDate"},
	} {
		require.Equal(t, want, a.get(path), path)
	}
	require.NotEmpty(t, a.text("accounts.0.nativeId"))
	require.NotEmpty(t, a.text("accounts.0.verifiedAt"))
	require.Len(t, a.items("operations"), 3)
	require.Equal(t, true, a.get("operations.0.evidence.readBack"))
}

func TestIdentityIsFoundByWhatPeopleKnow(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	id := acme.join("10/01 ä", "Ada", "Lovelace")
	acme.fulfil(id)
	// Somebody whose employee id is another's identity id: the identity's id wins.
	other := acme.join(id, "Eve", "Moneypenny")
	// Two sources know different people under one number.
	acme.join("7", "James", "Bond")
	acme.send(cloudEventFrom("urn:other", "o7", "joined", `"employeeId":"7","givenName":"Q","familyName":"Branch"`)).is(202)
	for reference, want := range map[string]string{id: id, "10/01 ä": id, "ada.lovelace": id, "ADA.LOVELACE": id, other: other} {
		require.Equal(t, want, h.get("/v1/identities/"+url.PathEscape(reference), acme.read).is(200).text("id"), reference)
		require.Equal(t, want, h.get("/v1/identities/"+url.PathEscape(reference)+"/explain", acme.read).is(200).text("identityId"), reference)
	}
	for _, suffix := range []string{"", "/explain"} {
		require.Contains(t, h.get("/v1/identities/7"+suffix, acme.read).is(http.StatusConflict).text("detail"), "2 identities")
		h.get("/v1/identities/nobody"+suffix, acme.read).is(http.StatusNotFound)
		h.get("/v1/identities/"+uuid.NewString()+suffix, acme.read).is(http.StatusNotFound)
		h.get("/v1/identities/"+url.PathEscape("{"+id+"}")+suffix, acme.read).is(http.StatusNotFound)
	}
}

func TestIdentityFilters(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	boss := acme.join("1", "Grace", "Hopper")
	acme.send(cloudEvent("e2", "joined", `"employeeId":"2","givenName":"Ada","familyName":"100%_Lovelace","displayName":"Ada","department":"Research","workerType":"contractor","email":"ada@x.example","managerEmployeeId":"1"`)).is(202)
	acme.send(cloudEvent("e3", "joined", `"employeeId":"3","givenName":"Sta","familyName":"Ged","startDate":"2199-01-01"`)).is(202)
	left := acme.join("4", "Left", "Already")
	acme.send(cloudEvent("l4", "left", `"employeeId":"4","lastDay":"2026-02-01"`)).is(202)
	acme.fulfil(boss)
	for query, want := range map[string][]string{
		"":                              {"1", "2", "3", "4"},
		"state=active":                  {"1", "2"},
		"state=staged":                  {"3"},
		"state=leaving":                 {"4"},
		"state=left":                    {},
		"department=research":           {"2"},
		"workerType=contractor":         {"2"},
		"employeeId=3":                  {"3"},
		"userName=Grace.Hopper":         {"1"},
		"target=crm":                    {"1"},
		"target=none":                   {},
		"manager=" + boss:               {"2"},
		"q=ada":                         {"2"},
		"q=ADA%40x":                     {"2"},
		"q=grace.h":                     {"1"},
		"q=100%25_":                     {"2"},
		"q=%25":                         {},
		"q=_":                           {},
		"q=%5C":                         {},
		"q=ov":                          {},
		"state=active&department=Sales": {"1"},
	} {
		var got []string
		for i := range h.get("/v1/identities?"+query, acme.read).is(200).items("items") {
			got = append(got, h.get("/v1/identities?"+query, acme.read).text(fmt.Sprintf("items.%d.employeeId", i)))
		}
		require.ElementsMatch(t, want, got, query)
	}
	for query, field := range map[string]string{"state=gone": "state", "limit=0": "limit", "limit=201": "limit", "limit=x": "limit",
		"after=!": "after", "after=AAAA": "after", "manager=x": "manager", "stat=active": "stat"} {
		require.Equal(t, field, h.get("/v1/identities?"+query, acme.read).is(http.StatusBadRequest).text("errors.0.field"), query)
	}

	// Once everything was taken away and that was confirmed, the person has left.
	acme.fulfil(left)
	h.clock.advance(10 * time.Minute)
	require.Equal(t, "left", h.get("/v1/identities/"+left, acme.read).is(200).text("state"))
}

func TestLeavingUntilEverythingIsConfirmed(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	id := acme.join("1", "Ada", "Lovelace")
	acme.fulfil(id)
	state := func() string { return h.get("/v1/identities/"+id, acme.read).is(200).text("state") }
	listed := func(state string) int {
		return len(h.get("/v1/identities?state="+state, acme.read).is(200).items("items"))
	}
	require.Equal(t, "active", state())
	acme.send(cloudEvent("left", "left", `"employeeId":"1","lastDay":"2026-02-01"`)).is(202)
	require.Equal(t, "leaving", state(), "before any plan")
	acme.fulfil(id)
	require.Equal(t, "leaving", state(), "verified, not confirmed")
	require.Equal(t, 1, listed("leaving"))
	h.clock.advance(time.Hour)
	acme.confirm(id)
	require.Equal(t, "left", state())
	require.Equal(t, 1, listed("left"))
	require.Equal(t, 0, listed("leaving"))
	require.NotEmpty(t, h.get("/v1/identities/"+id, acme.read).is(200).text("leftAt"))
}

// TestPagesMissNobody reads the pages while others join: everybody who was there before is listed exactly once.
func TestPagesMissNobody(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	batch := func(from, to int) {
		var events []string
		for i := from; i < to; i++ {
			events = append(events, joined(fmt.Sprintf("p%d", i), fmt.Sprintf("Given%d", i), fmt.Sprintf("Family%d", i)))
		}
		acme.sendBatch(events...).is(202)
	}
	batch(0, 40)
	var group sync.WaitGroup
	for i := range 5 {
		group.Go(func() { batch(100+i*10, 110+i*10) })
	}
	seen := map[string]int{}
	cursor, pages := "", 0
	for {
		page := h.get("/v1/identities?limit=7&after="+cursor, acme.read).is(200)
		for i := range page.items("items") {
			seen[page.text(fmt.Sprintf("items.%d.employeeId", i))]++
		}
		pages++
		next, more := page.get("next").(string)
		if !more {
			break
		}
		require.Len(t, page.items("items"), 7)
		cursor = next
	}
	group.Wait()
	require.GreaterOrEqual(t, pages, 6)
	for i := range 40 {
		require.Equal(t, 1, seen[fmt.Sprintf("p%d", i)], i)
	}
	for person, n := range seen {
		require.Equal(t, 1, n, person)
	}
}

func TestExplainGivesReasonsAndProof(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	id := acme.join("1", "Ada", "Lovelace")
	none := h.get("/v1/identities/1/explain", acme.read).is(200)
	require.Contains(t, none.text("text"), "No accounts")
	acme.fulfil(id)
	a := h.get("/v1/identities/1/explain", acme.read).is(200)
	for path, want := range map[string]any{
		"state": "active", "accounts.0.target": "crm", "accounts.0.reasons.0.rule": "everyone", "accounts.0.grants.0.reasons.0.role": "crm-user",
		"accounts.0.policy.version": 1.0, "accounts.0.policy.appliedBy": "cli:test", "accounts.0.grants.0.policy.version": 1.0,
		"accounts.0.operations.0.evidence.readBack": true, "events.0.eventId": "join-1", "events.0.effect": "join",
	} {
		require.Equal(t, want, a.get(path), path)
	}
	text := a.text("text")
	for _, part := range []string{"ada.lovelace", "worker.joined", `because of rule "everyone" through crm-user, policy 1 applied`, "by cli:test",
		`group "Everyone": active since`, "create verified: requested"} {
		require.Contains(t, text, part)
	}
	h.clock.advance(time.Second)
	acme.send(cloudEvent("left", "left", `"employeeId":"1","lastDay":"2026-02-01"`)).is(202)
	acme.fulfil(id)
	a = h.get("/v1/identities/1/explain", acme.read).is(200)
	require.Equal(t, "left", a.text("events.0.eventId"))
	require.Empty(t, a.items("accounts.0.reasons"))
	require.Equal(t, "revoked", a.text("accounts.0.grants.0.state"))
	require.Contains(t, a.text("text"), "nothing gives it any longer")
}
