package okta_test

import (
	"encoding/pem"
	"io"
	"log"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/okta"
	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	base := map[string]connectors.Settings{
		"token": {"orgUrl": "https://example.okta.com", "token": "t0k3n"},
		"app":   {"orgUrl": "https://example.okta.com", "clientId": "0oa1", "privateKey": pkcs1()},
	}
	with := func(kind, name string, value any) connectors.Settings {
		s := maps.Clone(base[kind])
		if name != "" {
			s[name] = value
		}
		return s
	}
	for _, good := range []struct {
		kind, name string
		value      any
	}{
		{"token", "", nil}, {"app", "", nil},
		{"token", "orgUrl", "https://login.example.com/"}, {"token", "orgUrl", "http://127.0.0.1:9"}, {"token", "orgUrl", "http://[::1]:9/"},
		{"token", "orgUrl", "http://localhost"},
		{"token", "pageSize", 1}, {"token", "pageSize", int64(7)}, {"token", "pageSize", uint64(7)}, {"token", "pageSize", 200.0},
		{"app", "privateKey", pkcs8(t)}, {"app", "privateKeyId", "kid1"},
		{"app", "scopes", "okta.users.read okta.users.manage"}, {"app", "scopes", []string{"okta.users.manage"}}, {"token", "entitlements", []any{"application", "group"}}, {"token", "entitlements", []any{"group"}}, {"app", "scopes", []any{"okta.users.manage"}},
	} {
		_, err := okta.New(with(good.kind, good.name, good.value))
		require.NoError(t, err, "%s=%v", good.name, good.value)
	}
	const secret = "BEGIN s3cr3t"
	for _, bad := range []struct {
		kind, name string
		value      any
	}{
		{"token", "orgUrl", "http://example.okta.com"}, {"token", "orgUrl", "example.okta.com"}, {"token", "orgUrl", "ftp://localhost"},
		{"token", "orgUrl", 3}, {"token", "orgUrl", "https://u:p@example.okta.com"}, {"token", "orgUrl", "https://example.okta.com?x=y"},
		{"token", "orgUrl", "https://example.okta.com/api/v1"}, {"token", "orgUrl", "https://example-admin.okta.com"},
		{"token", "orgUrl", "https://example-admin.oktapreview.com"}, {"token", "orgUrl", "http://127.0.0.1.example.com"},
		{"token", "orgUrl", "https://{yourOktaDomain}"}, {"token", "orgUrl", ""},
		{"token", "token", ""}, {"token", "token", secret}, {"token", "token", "s3cr3t\r\nX: y"}, {"token", "token", nil},
		{"token", "pageSize", 0}, {"token", "pageSize", 201}, {"token", "pageSize", 1.5}, {"token", "pageSize", "7"},
		{"token", "clientId", "0oa1"}, {"token", "privateKey", pkcs1()}, {"token", "privateKeyId", "k"}, {"token", "scopes", "x"},
		{"token", "orgURL", "https://example.okta.com"}, {"token", "baseUrl", "x"},
		{"token", "caFile", 7}, {"token", "caFile", ""}, {"token", "caFile", filepath.Join(t.TempDir(), "none.pem")},
		{"app", "privateKey", secret}, {"app", "privateKey", 7}, {"app", "privateKey", strings.Replace(pkcs1(), "A", "B", 9)},
		{"app", "clientId", "two words"}, {"app", "privateKeyId", ""},
		{"token", "entitlements", []any{}}, {"token", "entitlements", []any{"group", "group"}}, {"token", "entitlements", []any{"role"}},
		{"token", "entitlements", "group"}, {"token", "entitlements", []any{7}},
		{"app", "scopes", ""}, {"app", "scopes", []any{7}}, {"app", "scopes", []any{}}, {"app", "scopes", 7}, {"app", "scopes", []string{"two words"}},
	} {
		_, err := okta.New(with(bad.kind, bad.name, bad.value))
		require.ErrorContains(t, err, bad.name, "%s=%v", bad.name, bad.value)
		require.NotContains(t, err.Error(), "s3cr3t")
		require.NotContains(t, err.Error(), "PRIVATE KEY")
	}
	for _, missing := range []struct{ kind, name, says string }{
		{"token", "orgUrl", "orgUrl is missing"}, {"token", "token", "token is missing"},
		{"app", "clientId", "clientId is missing"}, {"app", "privateKey", "privateKey is missing"},
	} {
		s := with(missing.kind, "", nil)
		delete(s, missing.name)
		_, err := okta.New(s)
		require.ErrorContains(t, err, missing.says)
	}
}

// A certificate of the customer's own, as of a proxy that looks into TLS.
func TestCAFile(t *testing.T) {
	t.Parallel()
	sim, err := simulator.New(simulator.Options{Token: token})
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(sim)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // one handshake fails on purpose
	server.StartTLS()
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, sim.Close())
	})
	file := filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(file, cert, 0o600))

	c, err := okta.New(connectors.Settings{"orgUrl": server.URL, "token": token, "caFile": file})
	require.NoError(t, err)
	require.NoError(t, c.Probe(t.Context()))

	c, err = okta.New(connectors.Settings{"orgUrl": server.URL, "token": token})
	require.NoError(t, err)
	requireKind(t, connectors.KindUnavailable, c.Probe(t.Context()))

	require.NoError(t, os.WriteFile(file, []byte("no certificate"), 0o600))
	_, err = okta.New(connectors.Settings{"orgUrl": server.URL, "token": token, "caFile": file})
	require.ErrorContains(t, err, "caFile")
}

// The SDK reads settings from the environment too: what a target's settings do not say must not come from there.
func TestEnvironmentDoesNotCount(t *testing.T) {
	w := newWorld(t, simulator.Options{})
	for name, value := range map[string]string{
		"OKTA_CLIENT_ORGURL": "https://evil.example.com", "OKTA_CLIENT_TOKEN": "other", "OKTA_CLIENT_AUTHORIZATIONMODE": "PrivateKey",
		"OKTA_CLIENT_REQUEST_TIMEOUT": "1", "OKTA_CLIENT_RATE_LIMIT_MAX_RETRIES": "9", "OKTA_CLIENT_CACHE_ENABLED": "true",
		"OKTA_TESTING_DISABLE_HTTPS_CHECK": "true", "OKTA_CLIENT_SCOPES": "x", "OKTA_CLIENT_PROXY_HOST": "127.0.0.1", "OKTA_CLIENT_PROXY_PORT": "1",
	} {
		t.Setenv(name, value)
	}
	c := connect(t, w.url)
	a := w.create(t, c, "ada")
	w.requests()
	for range 2 {
		_, err := c.GetAccount(t.Context(), a.NativeID)
		require.NoError(t, err)
	}
	require.Len(t, w.requests(), 2, "nothing is answered from a cache")
	_, err := okta.New(connectors.Settings{"orgUrl": "http://example.okta.com", "token": token})
	require.ErrorContains(t, err, "orgUrl")
}
