package simulator_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

func TestPeopleDoTheirPart(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.create(person("ada"))
	post := func(path, body string) reply {
		return c.serve(httptest.NewRequest(http.MethodPost, "http://graph.test/_simulator/users/"+path, strings.NewReader(body)))
	}
	firstDay := `{"password":"Ch0sen-by-hand","methods":[{"kind":"phoneMethods","phoneType":"mobile","default":true},{"kind":"microsoftAuthenticatorMethods"}]}`
	works := func() any {
		return c.want(post(id+"/password", `{"password":"Ch0sen-by-hand"}`), http.StatusOK).body["works"]
	}
	before := c.sim.Stats()

	require.Equal(t, false, works())
	c.want(post(id+"/first-sign-in", firstDay), http.StatusNoContent)
	require.Equal(t, true, works())
	user := c.sim.Users()[0]
	require.Equal(t, 1, user.Sessions)
	require.Equal(t, []string{"microsoftAuthenticatorMethods", "phoneMethods"}, user.Methods)
	c.want(post(id+"/first-sign-in", firstDay), http.StatusNoContent)
	require.Len(t, c.sim.Users()[0].Methods, 2)

	require.Contains(t, c.want(post("nobody/first-sign-in", firstDay), http.StatusConflict).raw, "nobody")
	c.want(post(id+"/first-sign-in", `{"password":"Ch0sen-by-hand","methods":[{"kind":"passwordMethods"}]}`), http.StatusConflict)
	c.want(post(id+"/first-sign-in", `{}`), http.StatusBadRequest)
	c.want(post(id+"/holiday", firstDay), http.StatusNotFound)
	c.want(c.serve(httptest.NewRequest(http.MethodGet, "http://graph.test/_simulator/users/"+id+"/password", nil)), http.StatusMethodNotAllowed)

	c.want(c.do(http.MethodPatch, "/users/"+id, map[string]any{"accountEnabled": false}), http.StatusNoContent)
	require.Contains(t, c.want(post(id+"/first-sign-in", firstDay), http.StatusConflict).raw, "disabled")
	require.Equal(t, true, works(), "whatever the state of the account")
	after := c.sim.Stats()
	before.Calls["PATCH /users/{id}"]++
	require.Equal(t, before, after, "what people do counts nowhere")
	_, err := c.sim.FirstSignIn(id, "x", simulator.Method{})
	require.Error(t, err)
}
