package entra_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

func newCertificate(t *testing.T) (*x509.Certificate, *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tenure"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate, key
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	certificate, key := newCertificate(t)
	b := newBench(t, simulator.Options{ClientCertificates: []*x509.Certificate{certificate}})
	b.clock.advance(time.Minute) // an assertion begins at the real time, which the bench's clock must have reached
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	file := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	tokenFile := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(tokenFile, []byte(b.federatedToken(t, certificate, key)), 0o600))
	for name, over := range map[string]connectors.Settings{
		"client secret":                 {},
		"certificate":                   {"clientSecret": nil, "certificate": file},
		"workload identity":             {"clientSecret": nil, "federatedTokenFile": tokenFile},
		"an authority without a secure": {"authority": b.graph, "caFile": nil},
	} {
		require.NoError(t, b.connect(t, over).Probe(t.Context()), name)
	}
}

// federatedToken is what a cluster would write for a pod, signed with a key that the simulator knows.
func (b bench) federatedToken(t *testing.T, certificate *x509.Certificate, key *rsa.PrivateKey) string {
	t.Helper()
	encode := func(v any) string {
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	thumbprint := sha256.Sum256(certificate.Raw)
	head := encode(map[string]any{"alg": "RS256", "typ": "JWT", "x5t#S256": base64.RawURLEncoding.EncodeToString(thumbprint[:])})
	claims := encode(map[string]any{
		"aud": b.authority + "/" + tenantID + "/oauth2/v2.0/token", "iss": clientID, "sub": clientID, "exp": b.clock.now().Add(time.Hour).Unix(),
	})
	digest := sha256.Sum256([]byte(head + "." + claims))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	require.NoError(t, err)
	return head + "." + claims + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// A token is asked for once and used for many requests.
func TestTheTokenIsKept(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c := b.connect(t, nil)
	for range 5 {
		require.NoError(t, c.Probe(t.Context()))
	}
	require.Equal(t, 1, b.Stats().Calls["POST /{tenant}/oauth2/v2.0/token"])
}

func TestWithoutAToken(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	const metadata = `{"issuer": "%[1]s", "authorization_endpoint": "%[1]s/authorize", "token_endpoint": "%[1]s/token"}`
	for name, test := range map[string]struct {
		status     int
		retryAfter string
		body       string
		kind       connectors.Kind
		wait       time.Duration
	}{
		"wrong secret":             {401, "", `{"error": "invalid_client", "error_description": "AADSTS7000215: ` + clientSecret + ` is wrong"}`, connectors.KindUnauthorized, 0},
		"wrong application":        {400, "", `{"error": "unauthorized_client", "error_description": "AADSTS700016"}`, connectors.KindUnauthorized, 0},
		"throttled":                {429, "7", `{"error": "temporarily_unavailable"}`, connectors.KindThrottled, 7 * time.Second},
		"throttled without a time": {429, "", `{}`, connectors.KindThrottled, 10 * time.Second},
		"down":                     {503, "", "", connectors.KindUnavailable, 0},
		"broken":                   {500, "", "<html>", connectors.KindUnavailable, 0},
		"a page":                   {200, "", "<html>", connectors.KindUnavailable, 0},
		"no token in it":           {200, "", "{}", connectors.KindUnavailable, 0},
		"redirected":               {302, "", "", connectors.KindUnavailable, 0},
		"not there":                {404, "", "404 page not found", connectors.KindUnavailable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked, elsewhere, graph atomic.Int32
			mux := http.NewServeMux()
			authority := httptest.NewTLSServer(mux)
			t.Cleanup(authority.Close)
			mux.HandleFunc("/"+tenantID+"/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
				answer(w, http.StatusOK, fmt.Sprintf(metadata, authority.URL+"/"+tenantID))
			})
			mux.HandleFunc("/"+tenantID+"/token", func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.Header().Set("Location", "/elsewhere")
				if test.retryAfter != "" {
					w.Header().Set("Retry-After", test.retryAfter)
				}
				answer(w, test.status, test.body)
			})
			mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
			server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { graph.Add(1) }))
			t.Cleanup(server.Close)
			c := b.connect(t, connectors.Settings{"authority": authority.URL, "graphUrl": server.URL + "/v1.0", "caFile": certificateFile(t, authority)})
			for _, err := range []error{c.Probe(t.Context()), c.SetEnabled(t.Context(), "u1", false)} {
				e := refusedWith(t, test.kind, err)
				require.Equal(t, test.wait, e.RetryAfter)
				require.NotContains(t, err.Error()+e.Detail+e.Err.Error(), clientSecret)
				require.NotContains(t, err.Error()+e.Err.Error(), "AADSTS")
			}
			require.Equal(t, int32(2), asked.Load(), "the authority is asked once a call")
			require.Zero(t, graph.Load(), "nothing is sent without a token")
			require.Zero(t, elsewhere.Load())
		})
	}
}

func TestAnAuthorityThatCannotBeReached(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	away := httptest.NewTLSServer(nil)
	file := certificateFile(t, away)
	away.Close()
	requireKind(t, connectors.KindUnavailable, b.connect(t, connectors.Settings{"authority": away.URL, "caFile": file}).Probe(t.Context()))
	requireKind(t, connectors.KindUnavailable, b.connect(t, connectors.Settings{"caFile": nil}).Probe(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := b.connect(t, nil).SetEnabled(ctx, "u1", false)
	requireKind(t, connectors.KindUnavailable, err)
	require.ErrorIs(t, err, context.Canceled)
}

// What Graph and the authority say of a person or a secret stands in the detail, made fit to be stored, and nowhere else;
// the access token stands nowhere at all.
func TestErrorsSayNothingPrivate(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	var token string
	c := b.against(t, func(w http.ResponseWriter, r *http.Request) {
		token = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		answer(w, http.StatusBadRequest, `{"error": {"code": "Request_BadRequest", "message": "Kanari Vogel kanari@contoso.com `+token+` `+clientSecret+`"}}`)
	})
	calls := map[string]func() error{
		"create": func() error {
			_, err := c.CreateAccount(t.Context(), connectors.Account{Attributes: map[string]any{"userPrincipalName": "kanari@contoso.com", "displayName": "Kanari Vogel"}})
			return err
		},
		"find": func() error { _, err := c.FindAccounts(t.Context(), "displayName", "Kanari Vogel"); return err },
		"invite": func() error {
			_, err := c.CreateAccount(t.Context(), connectors.Account{Attributes: map[string]any{"userType": "Guest", "mail": "kanari@contoso.com"}})
			return err
		},
		"manager": func() error {
			return c.UpdateAccount(t.Context(), "u1", map[string]any{"manager": "kanari@contoso.com"})
		},
		"an id that is none": func() error { _, err := c.GetAccount(t.Context(), "kanari@contoso.com"); return err },
		"group":              func() error { _, err := c.FindEntitlement(t.Context(), "group", "Kanari Vogel"); return err },
		"sessions":           func() error { return c.EndSessions(t.Context(), "u1") },
		"factors":            func() error { return c.ResetFactors(t.Context(), "u1") },
		"deleted": func() error {
			_, err := c.FindDeleted(t.Context(), "userPrincipalName", "kanari@contoso.com")
			return err
		},
		"restore": func() error { _, err := c.RestoreAccount(t.Context(), "u1"); return err },
		"several": func() error {
			_, err := c.GrantAll(t.Context(), "u1", []connectors.Entitlement{{NativeID: "g1", Kind: "group"}, {NativeID: "g2", Kind: "group"}})
			return err
		},
		"an account with its groups": func() error { _, err := c.GetAccountWithGrants(t.Context(), "u1"); return err },
		"any account": func() error {
			_, _, err := c.FindAnyAccounts(t.Context(), "userPrincipalName", "kanari@contoso.com")
			return err
		},
	}
	for name, try := range calls {
		e := refusedWith(t, connectors.KindInvalid, try())
		texts := fmt.Sprintf("%v %+v %v", e, e.Err, e.Action)
		for _, private := range []string{"Kanari", "kanari", "Vogel", "%20", "filter"} {
			require.NotContains(t, texts, private, name)
		}
		for _, secret := range []string{clientSecret, token} {
			require.True(t, secret == "" || !strings.Contains(texts+e.Detail, secret), name)
		}
	}
	require.NotEmpty(t, token)
}

func decode(r *http.Request, v any) bool {
	var body bytes.Buffer
	_, err := body.ReadFrom(r.Body)
	return err == nil && json.Unmarshal(body.Bytes(), v) == nil
}
