package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKill(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	ada := acme.join("1001", "Ada", "Canary")
	acme.fulfil(ada)
	kill := func(person, reason string) answer {
		return h.post("/v1/identities/"+person+"/kill", acme.kill, fmt.Sprintf(`{"reason":%q}`, reason))
	}
	first := kill("1001", "INC-1: Canary's laptop was stolen").is(http.StatusAccepted)
	require.Equal(t, ada, first.text("identityId"))
	require.Equal(t, "identity/acme/"+ada, first.text("workflowId"))
	require.Equal(t, "leave", first.text("effect"))
	require.True(t, h.deliver()[0].State.Gone(), "it is delivered as a leave")
	require.True(t, acme.plan(ada).Steps[0].Urgent)
	h.clock.advance(1)
	again := kill("ada.canary", "somebody else saw it too").is(http.StatusAccepted)
	require.Equal(t, "none", again.text("effect"))
	require.Equal(t, first.text("decidedAt"), again.text("decidedAt"))
	acme.send(cloudEvent("still", "changed", `"employeeId":"1001","department":"Docs"`)).is(http.StatusAccepted)

	shown := h.get("/v1/identities/"+ada, acme.read).is(http.StatusOK)
	require.Equal(t, "leaving", shown.text("state"), "whatever HR goes on saying")
	require.Equal(t, "INC-1: Canary's laptop was stolen", shown.text("reason"))
	require.Contains(t, string(shown.body), "identity.killed")
	require.Contains(t, h.get("/v1/identities/"+ada+"/explain", acme.read).is(http.StatusOK).text("text"), "identity.killed")

	lifted := h.post("/v1/identities/1001/reinstate", acme.kill, `{"reason":"it was found"}`).is(http.StatusAccepted)
	require.Equal(t, "rehire", lifted.text("effect"))
	require.Equal(t, "active", h.get("/v1/identities/"+ada, acme.read).is(http.StatusOK).text("state"))
	require.NotContains(t, h.log.String(), "Canary")
}

func TestAKillThatIsNotUnderstood(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	ada := acme.join("1001", "Ada", "Canary")
	for name, body := range map[string]string{
		"no body": "", "no object": `[]`, "no reason": `{}`, "an empty reason": `{"reason":""}`, "blanks": `{"reason":"  "}`,
		"a number": `{"reason":7}`, "another key": `{"reason":"x","force":true}`, "NUL": `{"reason":"a\u0000b"}`,
		"a long one": `{"reason":"` + strings.Repeat("x", 1001) + `"}`,
	} {
		answer := h.post("/v1/identities/1001/kill", acme.kill, body).is(http.StatusBadRequest)
		require.Equal(t, "invalid", answer.text("code"), name)
	}
	for _, person := range []string{"%00", "%ff"} {
		h.post("/v1/identities/"+person+"/kill", acme.kill, `{"reason":"x"}`).is(http.StatusBadRequest)
	}
	for _, person := range []string{"1002", "00000000-0000-0000-0000-000000000000"} {
		h.post("/v1/identities/"+person+"/kill", acme.kill, `{"reason":"x"}`).is(http.StatusNotFound)
	}
	require.Equal(t, "active", h.get("/v1/identities/"+ada, acme.read).is(http.StatusOK).text("state"))
}

func TestKillOfAList(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	var people []string
	for n := range 20 {
		number := fmt.Sprint(2000 + n)
		acme.join(number, "Given"+number, "Family"+number)
		people = append(people, fmt.Sprintf("%q", number))
	}
	list := func(count int, people ...string) answer {
		return h.post("/v1/kills", acme.kill, fmt.Sprintf(`{"people":[%s],"reason":"the plant is closed","count":%d}`, strings.Join(people, ","), count))
	}
	active := func() int {
		return len(h.get("/v1/identities?state=active&limit=100", acme.read).is(http.StatusOK).items("items"))
	}

	for _, wrong := range []int{0, 19, 21} {
		refused := list(wrong, people...).is(http.StatusBadRequest)
		require.Equal(t, "count", refused.text("errors.0.field"))
	}
	list(0).is(http.StatusBadRequest)
	list(1001, strings.Split(strings.Repeat(`"x",`, 1000)+`"x"`, ",")...).is(http.StatusBadRequest)
	require.Equal(t, 20, active(), "nobody was killed")

	answer := list(21, append(people[:20:20], `"nobody"`)...).is(http.StatusAccepted)
	for i := range 20 {
		require.Equal(t, fmt.Sprint(2000+i), answer.text(fmt.Sprintf("results.%d.person", i)), "in the list's order")
		require.Equal(t, "leave", answer.text(fmt.Sprintf("results.%d.killed.effect", i)))
	}
	require.Equal(t, "not_found", answer.text("results.20.error.code"), "a name that is misspelt saves nobody else")
	require.Zero(t, active())
	require.Equal(t, "none", list(20, people...).is(http.StatusAccepted).text("results.3.killed.effect"))
}

// A directory that makes a User active again may not have heard of the kill, and lifts it no more than HR does.
func TestADirectoryLiftsNoKill(t *testing.T) {
	t.Parallel()
	h := start(t)
	d := h.directory("acme", "")
	id := d.user("ada")
	kill, read := h.token("acme", "kill"), h.token("acme", "read")
	h.post("/v1/identities/"+id+"/kill", kill, `{"reason":"a test"}`).is(http.StatusAccepted)
	for _, active := range []string{"false", "true"} {
		d.patch("/Users/"+id, `{"op":"replace","path":"active","value":`+active+`}`).is(http.StatusOK)
		require.Contains(t, []string{"leaving", "left"}, h.get("/v1/identities/"+id, read).is(http.StatusOK).text("state"))
	}
	h.post("/v1/identities/"+id+"/reinstate", kill, `{"reason":"a test"}`).is(http.StatusAccepted)
	require.Equal(t, "active", h.get("/v1/identities/"+id, read).is(http.StatusOK).text("state"), "as the directory has it")
}
