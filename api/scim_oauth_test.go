package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/store"
)

// A client that asks for an access token first, as Entra ID and Okta can (RFC 6749, section 4.4).
func TestSCIMClientCredentials(t *testing.T) {
	t.Parallel()
	h := start(t)
	d, rival := h.directory("acme", ""), h.directory("rival", "")
	id := d.user("ada")
	secret, token, err := h.store.CreateToken(t.Context(), "acme", "entra", []string{"scim"}, h.clock.now().Add(24*time.Hour))
	require.NoError(t, err)
	ask := func(basic bool, fields ...string) answer {
		form := url.Values{}
		for i := 0; i < len(fields); i += 2 {
			form.Set(fields[i], fields[i+1])
		}
		if basic {
			form.Del("client_id")
			form.Del("client_secret")
		}
		r := h.request(http.MethodPost, "/scim/v2/token", "", "application/x-www-form-urlencoded", form.Encode())
		if basic {
			r.SetBasicAuth(url.QueryEscape(fields[3]), url.QueryEscape(fields[5]))
		}
		got := h.do(r)
		require.Equal(t, "application/json", got.header.Get("Content-Type"))
		require.Equal(t, "no-store", got.header.Get("Cache-Control"))
		require.Equal(t, "no-cache", got.header.Get("Pragma"))
		return got
	}
	right := []string{"grant_type", "client_credentials", "client_id", token.ID.String(), "client_secret", secret}
	var client directory
	for _, basic := range []bool{false, true} {
		granted := ask(basic, right...)
		require.Equal(t, http.StatusOK, granted.status, string(granted.body))
		require.Equal(t, "Bearer", granted.text("token_type"))
		require.InDelta(t, 3600, granted.get("expires_in"), 0)
		require.Equal(t, "scim", granted.text("scope"))
		require.NotContains(t, string(granted.body), secret)
		client = directory{h: h, org: "acme", token: granted.text("access_token")}
		require.Equal(t, []string{id}, client.get("/Users").ids())
	}
	client.user("bob")
	require.Equal(t, "token:"+token.ID.String(), h.auditOf("scim.user.created")[1].Actor)

	hr, hrToken, err := h.store.CreateToken(t.Context(), "acme", "hr", []string{"hr"}, h.clock.now().Add(time.Hour))
	require.NoError(t, err)
	for _, test := range []struct {
		fields []string
		status int
		code   string
	}{
		{[]string{"grant_type", "client_credentials", "client_id", token.ID.String(), "client_secret", secret + "x"}, 401, "invalid_client"},
		{[]string{"grant_type", "client_credentials", "client_id", hrToken.ID.String(), "client_secret", secret}, 401, "invalid_client"},
		{[]string{"grant_type", "client_credentials", "client_id", token.ID.String(), "client_secret", client.token}, 401, "invalid_client"},
		{[]string{"grant_type", "client_credentials", "client_id", "", "client_secret", ""}, 401, "invalid_client"},
		{[]string{"grant_type", "client_credentials", "client_id", hrToken.ID.String(), "client_secret", hr}, 400, "unauthorized_client"},
		{[]string{"grant_type", "password", "client_id", token.ID.String(), "client_secret", secret}, 400, "unsupported_grant_type"},
		{[]string{"client_id", token.ID.String(), "client_secret", secret}, 400, "invalid_request"},
	} {
		refused := ask(false, test.fields...)
		require.Equal(t, test.status, refused.status, string(refused.body))
		require.Equal(t, test.code, refused.text("error"))
	}
	for name, test := range map[string]struct{ form, basicID, code string }{
		"sent twice":           {url.Values{"grant_type": {"client_credentials", "client_credentials"}, "client_id": {token.ID.String()}, "client_secret": {secret}}.Encode(), "", "invalid_request"},
		"both ways":            {url.Values{"grant_type": {"client_credentials"}, "client_id": {token.ID.String()}, "client_secret": {secret}}.Encode(), token.ID.String(), "invalid_request"},
		"as two clients":       {url.Values{"grant_type": {"client_credentials"}, "client_id": {hrToken.ID.String()}}.Encode(), token.ID.String(), "invalid_request"},
		"its id beside Basic":  {url.Values{"grant_type": {"client_credentials"}, "client_id": {token.ID.String()}, "client_secret": {""}}.Encode(), token.ID.String(), ""},
		"its scope":            {"grant_type=client_credentials&scope=scim", token.ID.String(), ""},
		"no scope in a way":    {"grant_type=client_credentials&scope=", token.ID.String(), ""},
		"another scope":        {"grant_type=client_credentials&scope=scim+admin", token.ID.String(), "invalid_scope"},
		"a scope that is none": {"grant_type=client_credentials&scope=x", token.ID.String(), "invalid_scope"},
	} {
		r := h.request(http.MethodPost, "/scim/v2/token", "", "application/x-www-form-urlencoded", test.form)
		if test.basicID != "" {
			r.SetBasicAuth(test.basicID, secret)
		}
		got := h.do(r)
		if test.code == "" {
			require.Equal(t, http.StatusOK, got.status, "%s: %s", name, got.body)
			continue
		}
		got.isError(http.StatusBadRequest, test.code)
	}
	d.post("/token", "{}").isError(http.StatusBadRequest, "invalid_request")
	d.get("/token").refused(http.StatusMethodNotAllowed, "")

	// It is good for its organization, as long as its token, and for nothing else.
	for _, forged := range []string{
		strings.Replace(client.token, "tno_acme.", "tno_rival.", 1), strings.Replace(client.token, "tno_acme.", "tno_nobody.", 1), client.token[:len(client.token)-2],
		"tno_acme.", "tno_acme." + "AAAA", "tno_", "tno_a'b.x", client.token + "A",
	} {
		directory{h: h, token: forged}.get("/Users").refused(http.StatusUnauthorized, "")
	}
	require.Equal(t, http.StatusUnauthorized, h.get("/v1/identities", client.token).status)
	rival.get("/Users/"+id).refused(http.StatusNotFound, "")
	h.clock.advance(59 * time.Minute)
	client.get("/Users").is(http.StatusOK)
	h.clock.advance(2 * time.Minute)
	client.get("/Users").refused(http.StatusUnauthorized, "")
	client.token = ask(false, right...).text("access_token")
	client.get("/Users").is(http.StatusOK)
	require.NoError(t, h.store.InOrg(t.Context(), "acme", func(tx *store.Tx) error { return tx.RevokeToken(t.Context(), token.ID, "cli:test") }))
	require.Eventually(t, func() bool { return client.get("/Users").status == http.StatusUnauthorized }, 20*time.Second, 50*time.Millisecond)
	require.Equal(t, http.StatusUnauthorized, ask(false, right...).status)
}

// isError checks an error of the token endpoint.
func (a answer) isError(status int, code string) {
	a.t.Helper()
	require.Equal(a.t, status, a.status, string(a.body))
	require.Equal(a.t, code, a.text("error"))
}
