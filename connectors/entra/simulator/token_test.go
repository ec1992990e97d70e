package simulator_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

const graphScope = "https://graph.microsoft.com/.default"

// entra/identity-platform/v2-oauth2-client-creds-grant-flow, entra/identity-platform/reference-error-codes.
func TestTokenRefuses(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for name, tc := range map[string]struct {
		tenant string
		change func(url.Values)
		status int
		error  string
		code   string
	}{
		"wrong secret":      {tenant, func(v url.Values) { v.Set("client_secret", "wrong") }, http.StatusUnauthorized, "invalid_client", "AADSTS7000215"},
		"no secret":         {tenant, func(v url.Values) { v.Del("client_secret") }, http.StatusUnauthorized, "invalid_client", "AADSTS7000216"},
		"unknown client":    {tenant, func(v url.Values) { v.Set("client_id", "x") }, http.StatusBadRequest, "unauthorized_client", "AADSTS700016"},
		"unknown tenant":    {"x", func(url.Values) {}, http.StatusBadRequest, "invalid_request", "AADSTS90002"},
		"scope of a user":   {tenant, func(v url.Values) { v.Set("scope", "User.Read") }, http.StatusBadRequest, "invalid_scope", "AADSTS1002012"},
		"other grant":       {tenant, func(v url.Values) { v.Set("grant_type", "password") }, http.StatusBadRequest, "unsupported_grant_type", "AADSTS70003"},
		"assertion unknown": {tenant, func(v url.Values) { v.Set("client_assertion", "a.b.c") }, http.StatusUnauthorized, "invalid_client", "AADSTS700027"},
	} {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret}, "scope": {graphScope}}
		tc.change(form)
		out := c.tokenRequest(tc.tenant, form)
		require.Equal(t, tc.status, out.status, name)
		require.Equal(t, tc.error, out.text("error"), name)
		require.Contains(t, out.text("error_description"), tc.code+": ", name)
		require.NotContains(t, out.raw, secret)
	}
}

// graph/resolve-auth-errors.
func TestAccessTokenIsChecked(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.clock.pass(3600 * time.Second)
	out := c.want(c.get("/users"), http.StatusUnauthorized, "InvalidAuthenticationToken")
	require.Equal(t, "Lifetime validation failed, the token is expired.", out.message())
	require.Contains(t, out.header.Get("WWW-Authenticate"), "Bearer")
	c.token = ""
	require.Equal(t, "Access token is empty.", c.want(c.get("/users"), http.StatusUnauthorized, "InvalidAuthenticationToken").message())
	c.token = "made-up"
	c.want(c.get("/users"), http.StatusUnauthorized, "InvalidAuthenticationToken")
	c.token = c.signIn()
	c.want(c.get("/users"), http.StatusOK)
	c.token = c.token[:len(c.token)-8] + "AAAAAAAA"
	require.Equal(t, "Access token validation failure.", c.want(c.get("/users"), http.StatusUnauthorized, "InvalidAuthenticationToken").message())
}

// TestAzureIdentity gets tokens with the vendor's library, by secret and by certificate
// (entra/identity-platform/certificate-credentials).
func TestAzureIdentity(t *testing.T) {
	t.Parallel()
	key, certificate := newCertificate(t)
	otherKey, other := newCertificate(t)
	sim, err := simulator.New(simulator.Options{
		TenantID: tenant, ClientID: clientID, ClientSecret: secret, ClientCertificates: []*x509.Certificate{certificate},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sim.Close()) })
	server := httptest.NewTLSServer(sim)
	t.Cleanup(server.Close)
	options := azcore.ClientOptions{
		Transport: server.Client(), Retry: policy.RetryOptions{MaxRetries: -1},
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: server.URL},
	}
	scope := policy.TokenRequestOptions{Scopes: []string{graphScope}}
	call := func(credential azcore.TokenCredential) int {
		token, err := credential.GetToken(context.Background(), scope)
		require.NoError(t, err)
		require.Greater(t, time.Until(token.ExpiresOn), 50*time.Minute)
		request, err := http.NewRequest(http.MethodGet, server.URL+"/v1.0/organization", nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+token.Token)
		response, err := server.Client().Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		var body map[string]any
		require.NoError(t, json.NewDecoder(response.Body).Decode(&body))
		require.Equal(t, "https://"+request.URL.Host+"/v1.0/$metadata#organization", body["@odata.context"])
		return response.StatusCode
	}
	bySecret, err := azidentity.NewClientSecretCredential(tenant, clientID, secret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, call(bySecret))

	certificateOptions := &azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true}
	byCertificate, err := azidentity.NewClientCertificateCredential(tenant, clientID, []*x509.Certificate{certificate}, key, certificateOptions)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, call(byCertificate))

	stranger, err := azidentity.NewClientCertificateCredential(tenant, clientID, []*x509.Certificate{other}, otherKey, certificateOptions)
	require.NoError(t, err)
	_, err = stranger.GetToken(context.Background(), scope)
	require.ErrorContains(t, err, "AADSTS700027")
}

// entra/identity-platform/v2-protocols-oidc, and what the vendor's libraries ask of an authority that they do not know.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	instance := c.want(c.serve(httptest.NewRequest(http.MethodGet, "http://login.test/common/discovery/instance?api-version=1.1", nil)), http.StatusOK)
	where := instance.text("tenant_discovery_endpoint")
	require.Equal(t, "http://login.test/"+tenant+"/v2.0/.well-known/openid-configuration", where)
	configuration := c.want(c.serve(httptest.NewRequest(http.MethodGet, where, nil)), http.StatusOK)
	require.Equal(t, "http://login.test/"+tenant+"/oauth2/v2.0/token", configuration.text("token_endpoint"))
	require.Equal(t, "http://login.test/"+tenant+"/v2.0", configuration.text("issuer"))
	c.want(c.serve(httptest.NewRequest(http.MethodGet, "/x/v2.0/.well-known/openid-configuration", nil)), http.StatusBadRequest)
	c.want(c.serve(httptest.NewRequest(http.MethodGet, "/elsewhere", nil)), http.StatusNotFound)
}

func newCertificate(t *testing.T) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return key, certificate
}
