package simulator_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

func TestPeopleDoTheirPart(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	id := o.active("ada")
	post := func(status int, path, body string) reply {
		r := o.send(httptest.NewRequest(http.MethodPost, "/_simulator/users/"+path, strings.NewReader(body)))
		require.Equal(t, status, r.status, r.text)
		return r
	}
	const firstDay = `{"password":"Ch0sen-by-hand","factors":["push","sms"]}`
	works := func() any { return post(200, id+"/password", `{"password":"Ch0sen-by-hand"}`).body["works"] }
	before := o.sim.Stats()

	require.Equal(t, false, works())
	post(204, id+"/first-sign-in", firstDay)
	post(204, id+"/first-sign-in", firstDay)
	require.Equal(t, true, works())
	user := o.seen(id)
	require.Equal(t, 2, user.Sessions)
	require.Equal(t, 2, user.Tokens)
	require.Equal(t, []string{"push", "sms"}, user.Factors)

	invited := o.staged("bob")
	post(409, invited+"/first-sign-in", firstDay)
	o.lifecycle(invited, "activate?sendEmail=false")
	post(204, invited+"/first-sign-in", firstDay)
	require.Equal(t, "ACTIVE", o.status(invited), "who chooses a password is active")

	post(409, "nobody/first-sign-in", firstDay)
	post(409, id+"/first-sign-in", `{"password":"weak"}`)
	post(409, id+"/first-sign-in", `{"password":"Ch0sen-by-hand","factors":["carrier pigeon"]}`)
	post(400, id+"/first-sign-in", `{"password":""}`)
	post(404, id+"/holiday", firstDay)
	r := o.send(httptest.NewRequest(http.MethodGet, "/_simulator/users/"+id+"/password", strings.NewReader(firstDay)))
	require.Equal(t, 405, r.status)
	require.Equal(t, before.Throttled, o.sim.Stats().Throttled)
	require.NotContains(t, strings.Join(keys(o.sim.Stats().Calls), " "), "_simulator", "what people do counts nowhere")

	o.lifecycle(id, "suspend")
	require.Equal(t, true, works(), "whatever the status")
	o.lifecycle(id, "deactivate")
	require.Equal(t, false, works())
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	return out
}
