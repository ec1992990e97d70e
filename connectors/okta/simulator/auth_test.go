package simulator_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

func sign(t *testing.T, key *rsa.PrivateKey, claims jwt.MapClaims) string {
	t.Helper()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key)
	require.NoError(t, err)
	return signed
}

// TestToken: Core Okta API, API token authentication and Errors; reference/error-codes, E0000011.
func TestToken(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	for _, authorization := range []string{"", "SSWS", "SSWS wrong", "SSWS " + token + "x", "Bearer " + token, "ssws " + token, token} {
		r := o.do(http.MethodGet, "/api/v1/users", nil, "Authorization", authorization)
		require.Equal(t, 401, r.status, authorization)
		require.Equal(t, "E0000011", r.body["errorCode"])
		require.Equal(t, "Invalid token provided", r.body["errorSummary"])
		require.Equal(t, 401, o.do(http.MethodPost, "/api/v1/users", map[string]any{"profile": profile("ada")}, "Authorization", authorization).status)
	}
	require.Empty(t, o.sim.Users())
	require.Equal(t, "ACTIVE", o.must(http.MethodGet, "/api/v1/org", nil).body["status"], "OrgSettingGeneral API, Retrieve the Org general settings")
}

// TestClientCredentials: guides/implement-oauth-for-okta-serviceapp, Create and sign the JWT, Get an access token;
// reference/error-codes, OpenID Connect and OAuth 2.0.
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	n, e := key.N.Bytes(), big.NewInt(int64(key.E)).Bytes()
	jwk, err := json.Marshal(map[string]string{"kty": "RSA", "n": base64.RawURLEncoding.EncodeToString(n), "e": base64.RawURLEncoding.EncodeToString(e)})
	require.NoError(t, err)
	public, err := simulator.ParseJWK(jwk)
	require.NoError(t, err)
	require.Equal(t, &key.PublicKey, public)
	o := newOrg(t, simulator.Options{Client: &simulator.Client{ID: "0oaclient", Key: public, Scopes: []string{"okta.users.read", "okta.groups.manage"}}})
	claims := func(change ...any) jwt.MapClaims {
		c := jwt.MapClaims{
			"iss": "0oaclient", "sub": "0oaclient", "aud": "http://org.example/oauth2/v1/token", "exp": o.clock.now().Add(time.Hour).Unix(),
		}
		for i := 0; i < len(change); i += 2 {
			c[change[i].(string)] = change[i+1]
		}
		return c
	}
	form := func(assertion string, change ...string) url.Values {
		f := url.Values{
			"grant_type": {"client_credentials"}, "scope": {"okta.users.read okta.groups.manage"}, "client_assertion_type": {assertionType}, "client_assertion": {assertion},
		}
		for i := 0; i < len(change); i += 2 {
			f.Set(change[i], change[i+1])
		}
		return f
	}
	inQuery := func(f url.Values) reply {
		return o.do(http.MethodPost, "/oauth2/v1/token?"+f.Encode(), nil, "Authorization", "")
	}
	for name, c := range map[string]struct {
		form url.Values
		want string
	}{
		"another key":           {form(sign(t, newKey(t), claims())), "invalid_client"},
		"another issuer":        {form(sign(t, key, claims("iss", "x"))), "invalid_client"},
		"another subject":       {form(sign(t, key, claims("sub", "x"))), "invalid_client"},
		"another audience":      {form(sign(t, key, claims("aud", "http://org.example"))), "invalid_client"},
		"expired":               {form(sign(t, key, claims("exp", o.clock.now().Unix()))), "invalid_client"},
		"too long":              {form(sign(t, key, claims("exp", o.clock.now().Add(61*time.Minute).Unix()))), "invalid_client"},
		"no expiry":             {form(sign(t, key, claims("exp", nil))), "invalid_client"},
		"no assertion":          {form(""), "invalid_client"},
		"no assertion type":     {form(sign(t, key, claims()), "client_assertion_type", ""), "invalid_client"},
		"no scope":              {form(sign(t, key, claims()), "scope", ""), "invalid_scope"},
		"a scope not granted":   {form(sign(t, key, claims()), "scope", "okta.apps.read"), "invalid_scope"},
		"another grant":         {form(sign(t, key, claims()), "grant_type", "password"), "unsupported_grant_type"},
		"an assertion unsigned": {form(unsigned(t, claims())), "invalid_client"},
	} {
		r := inQuery(c.form)
		require.Equal(t, c.want, r.body["error"], "%s: %s", name, r.text)
		require.Equal(t, map[bool]int{true: 401, false: 400}[c.want == "invalid_client"], r.status)
	}

	granted := inQuery(form(sign(t, key, claims())))
	require.Equal(t, 200, granted.status, granted.text)
	require.Equal(t, "Bearer", granted.body["token_type"])
	require.InEpsilon(t, 3600, granted.body["expires_in"], 0)
	bearer := "Bearer " + granted.body["access_token"].(string)
	require.Equal(t, 200, o.do(http.MethodGet, "/api/v1/users", nil, "Authorization", bearer).status)
	require.Equal(t, 200, o.do(http.MethodGet, "/api/v1/groups", nil, "Authorization", bearer).status, "manage includes read")
	for method, path := range map[string]string{http.MethodPost: "/api/v1/users", http.MethodGet: "/api/v1/org"} {
		r := o.do(method, path, map[string]any{"profile": profile("ada")}, "Authorization", bearer)
		require.Equal(t, 403, r.status)
		require.Contains(t, r.header.Get("WWW-Authenticate"), `error="insufficient_scope"`)
	}
	o.clock.pass(time.Hour)
	r := o.do(http.MethodGet, "/api/v1/users", nil, "Authorization", bearer)
	require.Equal(t, 401, r.status, "an access token lives for an hour")
	require.Contains(t, r.header.Get("WWW-Authenticate"), `error="invalid_token", error_description="`)
	require.Equal(t, 401, o.do(http.MethodGet, "/api/v1/users", nil, "Authorization", "SSWS ").status, "there is no SSWS token")

	inBody := o.send(formRequest(form(sign(t, key, claims())).Encode()))
	require.Equal(t, 200, inBody.status, inBody.text)
	require.Equal(t, 400, o.send(formRequest("%zz")).status)
}

func unsigned(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	out, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	return out
}

func formRequest(body string) *http.Request {
	req, _ := http.NewRequest(http.MethodPost, "http://org.example/oauth2/v1/token", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

func TestParseJWK(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "{}", `{"kty":"EC","x":"AQ"}`, `{"kty":"RSA","n":"!","e":"AQAB"}`, `{"kty":"RSA","n":"","e":"AQAB"}`, `{"kty":"RSA","n":"AQAB","e":""}`, `{"kty":"RSA","n":"AQAB","e":"____________"}`} {
		_, err := simulator.ParseJWK([]byte(bad))
		require.Error(t, err, bad)
		_, err = simulator.ParseKey([]byte(bad))
		require.Error(t, err, bad)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]simulator.Options{
		"no credentials":  {},
		"no key":          {Client: &simulator.Client{ID: "x"}},
		"no such bucket":  {Token: "x", Limits: map[simulator.Bucket]int{"/api/v2": 1}},
		"an app unnamed":  {Token: "x", Apps: []simulator.App{{Name: "x"}}},
		"a group unnamed": {Token: "x", Groups: []simulator.Group{{}}},
	} {
		_, err := simulator.New(o)
		require.Error(t, err, name)
	}
}
