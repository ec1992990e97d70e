package okta_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/connectors/okta"
	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

// theKey is one for all tests, since making one takes long.
var theKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func pkcs1() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(theKey())}))
}

func pkcs8(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(theKey())
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

var allScopes = []string{"okta.users.manage", "okta.groups.manage", "okta.apps.manage"}

// newAppWorld is an org with a service application. Its time is the real one, by which assertions are signed.
func newAppWorld(t *testing.T, scopes ...string) *world {
	t.Helper()
	w := newWorld(t, simulator.Options{Token: token, Client: &simulator.Client{ID: "0oa1", Key: &theKey().PublicKey, Scopes: scopes}})
	w.clock.advance(time.Since(w.clock.Now()))
	return w
}

func connectApp(t testing.TB, url string, more connectors.Settings) *okta.Connector {
	t.Helper()
	settings := connectors.Settings{"orgUrl": url, "clientId": "0oa1", "privateKey": pkcs1()}
	maps.Copy(settings, more)
	c, err := okta.New(settings)
	require.NoError(t, err)
	return c.(*okta.Connector)
}

// docs/guides/implement-oauth-for-okta-serviceapp: one token serves many requests, whoever makes them at once.
func TestServiceApplication(t *testing.T) {
	t.Parallel()
	w := newAppWorld(t, allScopes...)
	for _, more := range []connectors.Settings{nil, {"privateKey": pkcs8(t), "privateKeyId": "kid1"}, {"scopes": []any{"okta.users.manage"}}} {
		c := connectApp(t, w.url, more)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := c.Probe(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		asked := w.requests()
		require.Len(t, asked, 9)
		require.Equal(t, "POST /oauth2/v1/token", asked[0], "the assertion is not in the URL, where proxies log it")
		for _, r := range asked[1:] {
			require.Equal(t, "GET /api/v1/users?limit=1", r)
		}
	}
}

// The access token ends, or is revoked: the attempt fails and the next one asks for another.
func TestAccessTokenThatIsNotTakenAnyMore(t *testing.T) {
	t.Parallel()
	w := newAppWorld(t, allScopes...)
	c := connectApp(t, w.url, nil)
	require.NoError(t, c.Probe(t.Context()))
	w.clock.advance(2 * time.Hour)
	requireKind(t, connectors.KindUnauthorized, c.Probe(t.Context()))
	w.clock.advance(-2 * time.Hour)
	w.requests()
	require.NoError(t, c.Probe(t.Context()))
	require.Equal(t, []string{"POST /oauth2/v1/token", "GET /api/v1/users?limit=1"}, w.requests())
}

func TestNoAccessToken(t *testing.T) {
	t.Parallel()
	w := newAppWorld(t, "okta.users.manage", "okta.groups.manage")
	for name, more := range map[string]connectors.Settings{
		"a scope that was not granted": {"entitlements": []any{"group", "application"}},
		"another client":               {"clientId": "0oa2", "scopes": "okta.users.manage"},
	} {
		e := requireKind(t, connectors.KindUnauthorized, connectApp(t, w.url, more).DeleteAccount(t.Context(), "00u1"))
		require.Equal(t, "delete account", e.Action, name)
		require.Contains(t, e.Detail, "invalid_", name)
	}
	require.NoError(t, connectApp(t, w.url, nil).Probe(t.Context()), "for groups alone no other scope is asked for")
	c := connectApp(t, w.url, connectors.Settings{"scopes": "okta.users.manage"})
	_, err := c.FindEntitlement(t.Context(), "group", "x")
	requireKind(t, connectors.KindUnauthorized, err)
	require.NoError(t, c.Probe(t.Context()))
}

// Whatever befalls the request for a token, nothing was done yet: not even a write is ambiguous then.
func TestFaultsOfTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	w := newAppWorld(t, allScopes...)
	proxy := connectortest.Start(t, w.url)
	for _, tt := range []struct {
		fault connectortest.Fault
		kind  connectors.Kind
	}{
		{connectortest.DropBefore(), connectors.KindUnavailable},
		{connectortest.DropAfter(), connectors.KindUnavailable},
		{connectortest.Status(http.StatusBadGateway, 0), connectors.KindUnavailable},
		{connectortest.Status(http.StatusFound, 0), connectors.KindUnavailable},
		{connectortest.Status(http.StatusTooManyRequests, 7*time.Second), connectors.KindThrottled},
		{connectortest.Rubbish(""), connectors.KindUnavailable},
		{connectortest.Rubbish("<html>"), connectors.KindUnavailable},
		{connectortest.Rubbish(`{"token_type":"Bearer","access_token":"a b","expires_in":3600}`), connectors.KindUnavailable},
		{connectortest.Rubbish(`{"token_type":"Bearer","access_token":"a"}`), connectors.KindUnavailable},
		{connectortest.Rubbish(`{"token_type":"DPoP","access_token":"a","expires_in":3600}`), connectors.KindUnavailable},
	} {
		proxy.Reset()
		proxy.SetRules(connectortest.Rule{Path: "/oauth2/v1/token", Fault: tt.fault})
		e := requireKind(t, tt.kind, connectApp(t, proxy.URL, nil).EndSessions(t.Context(), "00u1"))
		require.Len(t, proxy.Requests(), 1)
		if tt.kind == connectors.KindThrottled {
			require.Equal(t, 7*time.Second, e.RetryAfter)
		}
	}
}

// The caller's time counts while a token is asked for, also for one who waits for another's.
func TestGivingUpOnAToken(t *testing.T) {
	t.Parallel()
	w := newAppWorld(t, allScopes...)
	proxy := connectortest.Start(t, w.url)
	proxy.SetRules(connectortest.Rule{Path: "/oauth2/v1/token", Fault: connectortest.Hang()})
	c := connectApp(t, proxy.URL, nil)
	ctx, giveUp := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- c.EndSessions(ctx, "00u1") }()
	}
	require.NoError(t, proxy.Wait(t.Context(), func(s connectortest.State) bool { return s.Held == 1 }))
	giveUp()
	for range 2 {
		err := <-done
		require.ErrorIs(t, err, context.Canceled)
		requireKind(t, connectors.KindUnavailable, err)
	}
}

// Neither assertion, access token nor password shows, should the other side repeat them.
func TestSecretsThatAreRepeated(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var secrets []string // of the newest request
	refuseToken := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("X-Okta-Request-Id", "req1")
		if r.URL.Path == "/oauth2/v1/token" && !refuseToken {
			answers(200, `{"token_type":"Bearer","access_token":"4cc3ss","expires_in":3600}`)(w, r)
			return
		}
		var body struct {
			Credentials struct{ Password struct{ Value string } }
		}
		secrets = []string{r.PostFormValue("client_assertion"), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}
		if json.NewDecoder(r.Body).Decode(&body) == nil {
			secrets = append(secrets, body.Credentials.Password.Value)
		}
		answers(400, "canary "+strings.Join(secrets, " "))(w, r)
	}))
	t.Cleanup(server.Close)
	c := connectApp(t, server.URL, nil)
	requireSilent := func(kind connectors.Kind, longest int, err error) {
		e := requireKind(t, kind, err)
		require.Contains(t, e.Detail, "canary")
		mu.Lock()
		defer mu.Unlock()
		found := 0
		for _, secret := range secrets {
			if secret != "" {
				found = max(found, len(secret))
				require.NotContains(t, e.Error()+e.Detail, secret)
			}
		}
		require.GreaterOrEqual(t, found, longest, "the request held no such secret")
	}
	requireSilent(connectors.KindUnauthorized, 300, c.Probe(t.Context()))
	mu.Lock()
	refuseToken = false
	mu.Unlock()
	requireSilent(connectors.KindInvalid, len("4cc3ss"), c.Probe(t.Context()))
	requireSilent(connectors.KindInvalid, 50, c.ResetPassword(t.Context(), "00u1"))
	_, err := c.CreateAccount(t.Context(), account("ada"))
	requireSilent(connectors.KindInvalid, 50, err)
}
