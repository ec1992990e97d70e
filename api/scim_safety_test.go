package api_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/store"
)

func TestSCIMNoOrganizationSeesAnother(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme, rival := h.directory("acme", ""), h.directory("rival", "")
	user := acme.user("ada.canary", `"externalId":"canary-1","emails":[{"value":"canary@acme.example"}]`)
	second := acme.user("bob.canary")
	group := acme.group("Canary", user)
	mine := rival.user("mine")
	mygroup := rival.group("Mine", mine)
	before := []scimAnswer{acme.get("/Users/" + user), acme.get("/Groups/" + group)}

	for path, body := range map[string]string{"/Users/" + user: userOf("x"), "/Groups/" + group: groupOf("x")} {
		for _, answer := range []scimAnswer{
			rival.get(path), rival.put(path, body), rival.patch(path, `{"op":"replace","path":"displayName","value":"x"}`), rival.delete(path), rival.get(path, "If-Match", "*"),
		} {
			answer.refused(http.StatusNotFound, "")
			require.NotContains(t, strings.ToLower(string(answer.body)), "canary")
			require.NotContains(t, string(answer.body), "acme")
		}
	}
	nowhere := rival.get("/Users/" + uuid.NewString())
	require.Equal(t, strings.ReplaceAll(string(rival.get("/Users/"+user).body), user, "?"), strings.ReplaceAll(string(nowhere.body), nowhere.unknownID(), "?"), "as if there were none")

	for _, filter := range []string{`userName sw "ada"`, `externalId eq "canary-1"`, `emails.value eq "canary@acme.example"`, `id eq "` + user + `"`, `groups.value eq "` + group + `"`, `userName co "canary"`} {
		require.Empty(t, rival.get(query("/Users", "filter", filter)).ids(), filter)
	}
	for _, filter := range []string{`displayName eq "Canary"`, `members.value eq "` + user + `"`, `id eq "` + group + `"`} {
		require.Empty(t, rival.get(query("/Groups", "filter", filter)).ids(), filter)
	}
	require.Equal(t, []string{mine, mygroup}, rival.get("/").ids())
	next := "/Users?count=1&sortBy=userName&cursor=" + acme.get("/Users?count=1&cursor&sortBy=userName").text("nextCursor")
	require.Equal(t, []string{second}, acme.get(next).ids())
	rival.get(next).refused(http.StatusBadRequest, "invalidCursor")

	for _, answer := range []scimAnswer{
		rival.post("/Groups", groupOf("x", user)), rival.post("/Groups", groupOf("x", group)), rival.put("/Groups/"+mygroup, groupOf("x", user)),
		rival.patch("/Groups/"+mygroup, `{"op":"Add","path":"members","value":[`+membersOf(user)+`]}`),
	} {
		require.NotContains(t, answer.refused(http.StatusBadRequest, "invalidValue").text("detail"), "canary")
	}
	require.Equal(t, "404 404 400", rival.bulk("", fmt.Sprintf(`{"method":"DELETE","path":"/Users/%s"},{"method":"PATCH","path":"/Groups/%s","data":%s},`,
		user, group, patchOf(`{"op":"remove","path":"members"}`))+creating("/Groups", "g", groupOf("x", user))).statuses())
	// What is unique is so in one organization: nothing tells that another has it.
	twin := rival.post("/Users", userOf("ada.canary", `"externalId":"canary-1"`)).is(http.StatusCreated)
	require.NotEqual(t, user, twin.text("id"))
	for i, path := range []string{"/Users/" + user, "/Groups/" + group} {
		require.JSONEq(t, string(before[i].body), string(acme.get(path).body))
	}
}

// Not even the time that a create takes tells that another organization has the name: while one writes it, and has locked
// what makes it unique, another need not wait.
func TestSCIMNoOrganizationWaitsForAnothersName(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme, rival := h.directory("acme", ""), h.directory("rival", "")
	const body = `"externalId":"canary-1","emails":[{"value":"canary@acme.example"}]`
	answered := make(chan scimAnswer, 1)
	require.NoError(t, h.store.InOrg(t.Context(), "acme", func(tx *store.Tx) error {
		u := store.ScimUser{ID: uuid.New(), Source: "scim", Resource: []byte(userOf("ada.canary", body))}
		if err := tx.InsertScimUser(t.Context(), &u); err != nil {
			return err
		}
		if _, err := tx.ScimUserForUpdate(t.Context(), u.ID, false); err != nil { // the insert waits for something to be read
			return err
		}
		go func() { answered <- rival.post("/Users", userOf("ada.canary", body)) }()
		select {
		case answer := <-answered:
			answer.is(http.StatusCreated)
		case <-time.After(20 * time.Second):
			require.Fail(t, "the other organization waits")
		}
		return nil
	}))
	acme.post("/Users", userOf("ada.canary")).refused(http.StatusConflict, "uniqueness")
}

// A manager of another organization is nobody.
func TestSCIMNoManagerFromAnotherOrganization(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme, rival := h.directory("acme", ""), h.directory("rival", "")
	boss := acme.user("boss", `"externalId":"canary-1"`)
	for _, reference := range []string{boss, "canary-1", "boss"} {
		answer := rival.post("/Users", userOf("user of "+reference, managedBy(reference))).is(http.StatusCreated)
		require.NoError(t, h.store.InOrg(t.Context(), "rival", func(tx *store.Tx) error {
			person, err := tx.ViewOf(t.Context(), uuid.MustParse(answer.text("id")))
			require.Nil(t, person.ManagerID)
			return err
		}))
	}
}

// What SCIM clients send of people stands in the database alone: not in the log, in no metric, and in no refusal.
func TestSCIMNothingPersonalIsLogged(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	const more = `"externalId":"zq-canary","name":{"familyName":"Quibblethwaite-Canary"},"emails":[{"value":"zq@canary.example"}]`
	id := d.user("zyrianne.canary", more)
	for _, answer := range []scimAnswer{
		d.post("/Users", userOf("zyrianne.canary", more)), d.post("/Users", userOf("zyrianne.canary", `"active":"Canary"`)),
		d.patch("/Users/"+id, `{"op":"replace","path":"active","value":"Canary"}`), d.patch("/Users/"+id, `{"op":"replace","path":"emails[value eq \"zq@canary.example\"].type","value":{"Canary":1}}`),
		d.patch("/Users/"+id, `{"op":"replace","path":"emails[value eq \"none@canary.example\"].type","value":"x"}`), d.put("/Users/"+id, `{"userName":"Canary","userName":"Canary"}`),
		d.get(query("/Users", "filter", `userName eq "zyrianne.canary`)), d.get(query("/Users", "filter", `active eq "Canary"`)), d.get(query("/Users", "startIndex", "Canary")),
		d.post("/Groups", groupOf("Canary", "canary")), d.post("/Bulk", `{"Operations":[{"method":"CANARY","path":"/Users/zq-canary"}]`), d.get("/Users/zq-canary/canary"),
		d.get("/zyrianne.canary"), d.do("CANARY", "/Users", ""), d.post("/Users/.search", `{"filter":"userName eq Canary"}`),
	} {
		require.GreaterOrEqual(t, answer.status, http.StatusBadRequest, string(answer.body))
		require.NotContains(t, strings.ToLower(string(answer.body)), "canary")
	}
	d.get(query("/Users", "filter", `userName eq "zyrianne.canary" or emails eq "zq@canary.example"`)).is(http.StatusOK)
	require.NotContains(t, strings.ToLower(d.h.log.String()), "canary")
	require.NotContains(t, strings.ToLower(string(d.h.get("/metrics", "").body)), "canary")
}

// unknownID is the id that an answer says is not there.
func (a scimAnswer) unknownID() string {
	a.t.Helper()
	for word := range strings.FieldsSeq(a.text("detail")) {
		if _, err := uuid.Parse(word); err == nil {
			return word
		}
	}
	return "\x00"
}

// An externalId that looks like one of our ids is nobody's id.
func TestSCIMAnExternalIDIsNoID(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "correlation:\n  - {name: same-number, match: [employeeId], then: link}\n")
	ada := d.user("ada", `"active":false`)
	other := d.post("/Users", userOf("bob", fmt.Sprintf(`"externalId":%q`, ada))).is(http.StatusCreated)
	require.NotEqual(t, ada, other.text("id"))
	numbered := d.post("/Users", userOf("eve", fmt.Sprintf(`%q:{"employeeNumber":%q}`, enterpriseURN, ada))).is(http.StatusCreated)
	require.NotEqual(t, ada, numbered.text("id"))
	require.Len(t, d.get("/Users").ids(), 3)
}

func TestSCIMRubbish(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	user, group := "/Users/"+d.user("ada"), "/Groups/"+d.group("Sales")
	deep := strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)
	many := `{"userName":"x","emails":[` + strings.Repeat(`{"value":"a"},`, 99_999) + `{"value":"a"}]}`
	bodies := map[string]string{
		"nothing": "", "a text": `"x"`, "a list": `[]`, "cut short": `{"userName":"x"`, "deep": deep, "deep arrays": strings.Repeat("[", 1_000_000),
		"a huge number": `{"userName":"x","active":1e999999999}`, "many digits": `{"userName":"x","title":` + strings.Repeat("9", 100_000) + `}`, "the same key twice": `{"userName":"x","userName":"y"}`,
		"invalid UTF-8": "{\"userName\":\"\xff\"}", "NUL": `{"userName":"a\u0000b"}`, "raw NUL": "{\"userName\":\"a\x00b\"}", "half a pair": `{"userName":"\ud800"}`,
		"100,000 elements": many, "a long name": `{"userName":"` + strings.Repeat("x", 2000) + `"}`, "no name": `{"displayName":""}`, "another type": `{"userName":7,"displayName":{}}`,
		"a wrong schema": `{"schemas":["urn:x"],"userName":"x","displayName":"x"}`, "operations of rubbish": `{"Operations":[1,2,3]}`, "comments": `{/**/"userName":"x"}`,
		"10 MB": `{"userName":"` + strings.Repeat("x", 10<<20) + `"}`,
	}
	for name, body := range bodies {
		for _, answer := range []scimAnswer{
			d.post("/Users", " "+body), d.post("/Groups", " "+body), d.put(user, " "+body), d.put(group, " "+body), d.do(http.MethodPatch, user, " "+body),
			d.do(http.MethodPatch, group, " "+body), d.post("/Users/.search", " "+body), d.post("/Bulk", " "+body),
		} {
			if answer.status < 400 && strings.Contains(string(answer.body), "ListResponse") {
				continue // a search takes no notice of what it does not know
			}
			require.Contains(t, []int{400, 413}, answer.is(answer.status).status, "%s: %s", name, answer.body)
		}
	}
	require.Len(t, d.get("/").ids(), 2)
}

// The memory that rubbish costs does not grow with how much of it comes at once, whatever it is. Nothing else runs beside it,
// since the heap is everybody's. With turns it was 131 to 209 MiB, without them up to 839.
func TestSCIMLargeBodiesTakeTurns(t *testing.T) {
	d := start(t).directory("acme", "")
	const begin = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[`
	user, group := "/Users/"+d.user("ada"), "/Groups/"+d.group("Sales")
	elements := func() string {
		return `{"userName":"x","emails":[` + strings.Repeat(`{"value":"a"},`, 500_000) + `{"value":"a"}]}`
	}
	for _, test := range []struct {
		name, method, path string
		body               func() string
		status             int
	}{
		{"elements", http.MethodPost, "/Users", elements, 413},
		{"keys", http.MethodPost, "/Groups", func() string { return "{" + strings.Repeat(`"a":1,`, 1_300_000) + `"a":1}` }, 413},
		{"operations", http.MethodPatch, user, func() string { return `{"Operations":[` + strings.Repeat(`{"op":"add"},`, 600_000) + `1]}` }, 413},
		{"a text", http.MethodPut, group, func() string { return `{"displayName":"` + strings.Repeat("\u00e4", 3_900_000) + `"}` }, 400},
		{"an operation of a Bulk request", http.MethodPost, "/Bulk", func() string { return begin + creating("/Users", "a", elements()) + "]}" }, 200},
		{"operations of a Bulk request", http.MethodPost, "/Bulk", func() string { return begin + strings.Repeat("{},", 3_000_000) + "{}]}" }, 413},
		{"what a Bulk request does not have", http.MethodPost, "/Bulk", func() string { return `{"x":` + strings.Repeat("[[],[],", 1_400_000) + "}" }, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, body := d.on(t), test.body()
			most := watchHeap(func() {
				var clients sync.WaitGroup
				for range 30 {
					clients.Go(func() { assert.Equal(t, test.status, d.do(test.method, test.path, body).status) })
				}
				clients.Wait()
			})
			t.Logf("%d MiB", most>>20)
			require.Less(t, most, uint64(350<<20))
		})
	}
}

// Large bodies of one organization do not keep another's waiting, however long the work for them takes.
func TestSCIMNoOrganizationWaitsForAnothersBodies(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme, rival := h.directory("acme", ""), h.directory("rival", "")
	ada, bob := acme.user("ada"), rival.user("bob")
	room := strings.Repeat(" ", 8_000_000)
	answers := make(chan scimAnswer, 7)
	require.NoError(t, h.store.InOrg(t.Context(), "acme", func(tx *store.Tx) error {
		if _, err := tx.ScimUserForUpdate(t.Context(), uuid.MustParse(ada), false); err != nil { // which the Bulk requests wait for
			return err
		}
		for range cap(answers) {
			go func() {
				answers <- acme.bulk("", room+fmt.Sprintf(`{"method":"PUT","path":"/Users/%s","data":%s}`, ada, userOf("ada", `"title":"T"`)))
			}()
		}
		require.Eventually(t, func() bool { return acme.lockWaits() >= 2 }, 20*time.Second, 50*time.Millisecond)
		answered := make(chan scimAnswer, 1)
		go func() { answered <- rival.put("/Users/"+bob, room+userOf("bob")) }()
		select {
		case answer := <-answered:
			answer.is(http.StatusOK)
		case <-time.After(20 * time.Second):
			require.Fail(t, "the other organization waits")
		}
		return nil
	}))
	for range cap(answers) {
		require.Equal(t, "200", (<-answers).statuses())
	}
}

// lockWaits is how many transactions wait for what another has locked.
func (d directory) lockWaits() int {
	d.h.t.Helper()
	admin, err := pgx.Connect(d.h.t.Context(), d.h.db.Admin)
	require.NoError(d.h.t, err)
	defer admin.Close(context.WithoutCancel(d.h.t.Context()))
	var n int
	require.NoError(d.h.t, admin.QueryRow(d.h.t.Context(), `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`).Scan(&n))
	return n
}

// watchHeap is the most that the heap has in bytes while something is done.
func watchHeap(do func()) uint64 {
	var most uint64
	stop := make(chan struct{})
	var watch sync.WaitGroup
	runtime.GC()
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapInuse)
			}
		}
	})
	do()
	close(stop)
	watch.Wait()
	return most
}
