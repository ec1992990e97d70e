package simulator_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

// TestContentLength: Core Okta API, HTTP verbs: a PUT or POST without a body needs Content-Length: 0, else 411.
func TestContentLength(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	id, g := o.staged("ada"), o.group("Sales")
	server := httptest.NewServer(o.sim)
	defer server.Close()
	raw := func(request string, headers ...string) int {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		lines := append([]string{request + " HTTP/1.1", "Host: org.example", "Authorization: SSWS " + token, "Connection: close"}, headers...)
		_, err = fmt.Fprint(conn, strings.Join(lines, "\r\n")+"\r\n\r\n")
		require.NoError(t, err)
		r, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		defer r.Body.Close()
		require.NotEmpty(t, r.Header.Get("X-Rate-Limit-Limit"))
		return r.StatusCode
	}
	require.Equal(t, 411, raw("POST /api/v1/users/"+id+"/lifecycle/activate"))
	require.Equal(t, 411, raw("PUT /api/v1/groups/"+g+"/users/"+id))
	const chunks = "Transfer-Encoding: chunked"
	require.Equal(t, 411, raw("POST /api/v1/users/"+id+"/lifecycle/activate", chunks, "", "0"), "a body of no chunks is none")
	require.Equal(t, 411, raw("PUT /api/v1/groups/"+g+"/users/"+id, chunks, "", "0"))
	require.Equal(t, "STAGED", o.status(id))
	require.Empty(t, o.seen(id).Groups)
	body := `{"profile":{"title":"in one chunk"}}`
	require.Equal(t, 200, raw("POST /api/v1/users/"+id, "Content-Type: application/json", chunks, "", fmt.Sprintf("%x", len(body)), body, "0"))
	require.Equal(t, 204, raw("DELETE /api/v1/groups/"+g+"/users/"+id), "only PUT and POST")
	require.Equal(t, 204, raw("PUT /api/v1/groups/"+g+"/users/"+id, "Content-Length: 0"))

	// Go's client sends Content-Length: 0 by itself.
	req, err := http.NewRequest(http.MethodPost, server.URL+"/api/v1/users/"+id+"/lifecycle/activate", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "SSWS "+token)
	r, err := server.Client().Do(req)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, 200, r.StatusCode)
}

// TestRefusesOnTheWire: Core Okta API, Media types, Errors and Request debugging; reference/error-codes.
func TestRefusesOnTheWire(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	o.refused(404, "E0000008", http.MethodGet, "/api/v1/nothing", nil)
	o.refused(404, "E0000008", http.MethodGet, "/", nil)
	o.refused(405, "E0000022", http.MethodPatch, "/api/v1/users/x", nil)
	o.refused(405, "E0000022", http.MethodPut, "/api/v1/users", nil)
	o.refused(405, "E0000022", http.MethodGet, "/api/v1/users/x/lifecycle/suspend", nil)
	require.Equal(t, "E0000021", o.do(http.MethodPost, "/api/v1/users", map[string]any{}, "Content-Type", "text/plain").body["errorCode"])
	bad := httptest.NewRequest(http.MethodPost, "/api/v1/users", strings.NewReader(`{"profile":`))
	bad.Header.Set("Content-Type", "application/json; charset=utf-8")
	bad.Header.Set("Authorization", "SSWS "+token)
	require.Equal(t, "E0000003", o.send(bad).body["errorCode"])
	large := httptest.NewRequest(http.MethodPost, "/api/v1/users", strings.NewReader(strings.Repeat(" ", 1<<20+1)))
	require.Equal(t, http.StatusRequestEntityTooLarge, o.send(large).status)

	first, second := o.must(http.MethodGet, "/api/v1/users", nil), o.refused(404, "E0000007", http.MethodGet, "/api/v1/users/x", nil)
	require.NotEmpty(t, first.header.Get("X-Okta-Request-Id"))
	require.NotEqual(t, first.header.Get("X-Okta-Request-Id"), second.header.Get("X-Okta-Request-Id"))
	require.Equal(t, "application/json", second.header.Get("Content-Type"))
	for _, r := range []reply{first, second, o.send(httptest.NewRequest(http.MethodGet, "/api/v1/users", nil))} {
		require.NotEmpty(t, rate(r)[0])
		require.NotEmpty(t, r.header.Get("Date"))
	}
}

func TestControls(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	id := o.active("ada")
	get := func(path string, v any) {
		r := o.send(httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, 200, r.status)
		require.NoError(t, json.Unmarshal([]byte(r.text), v))
	}
	var users []simulator.User
	get("/_simulator/users", &users)
	require.Equal(t, o.sim.Users(), users)
	require.Equal(t, id, users[0].ID)
	require.NotContains(t, fmt.Sprint(users), password)
	var stats simulator.Stats
	get("/_simulator/stats", &stats)
	require.Equal(t, simulator.Stats{Calls: map[string]int{"POST /api/v1/users": 1}, Throttled: map[string]int{}}, stats)
	users[0].Profile["login"] = "changed"
	o.sim.Users()[0].Profile["login"] = "changed"
	require.Equal(t, "ada@example.com", o.seen(id).Profile["login"], "a copy")
}
