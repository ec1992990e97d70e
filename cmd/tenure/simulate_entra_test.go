package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	entra "github.com/tenurehq/tenure/connectors/entra/simulator"
	okta "github.com/tenurehq/tenure/connectors/okta/simulator"
)

// TestSimulateEntra goes through the connector, over TLS that it verifies, with a client secret.
func TestSimulateEntra(t *testing.T) {
	t.Parallel()
	env := environ{"TENANT_SECRET": "s3cr3t~of.the-application"}
	folder := filepath.Join(t.TempDir(), "tenant")
	args := []string{
		"entra", "--listen", "127.0.0.1:0", "--data", folder, "--client-secret-env", "TENANT_SECRET", "--group", "Sales, EMEA",
		"--licence", "SPE_E3=1", "--licence", "VISIO=5", "--app", "Payroll=Reader,Approver", "--app", "Wiki", "--read-lag", "0s",
	}
	s := simulate(t, env, 6, args...)
	kinds := connectors.Settings{"entitlements": []any{"group", "licence", "appRole"}}
	c := connect(t, "entra", s.with(kinds))
	require.NoError(t, c.Probe(t.Context()))
	ada, err := c.CreateAccount(t.Context(), connectors.Account{Enabled: true, Attributes: map[string]any{
		"userPrincipalName": "ada@contoso.com", "displayName": "Ada", "usageLocation": "NO",
	}})
	require.NoError(t, err)
	granted := grantEach(t, c, ada.NativeID, [2]string{"group", "Sales, EMEA"}, [2]string{"licence", "SPE_E3"},
		[2]string{"appRole", "Payroll/Approver"}, [2]string{"appRole", "Wiki/Default Access"})

	untrusted := connect(t, "entra", s.with(connectors.Settings{"caFile": nil}))
	require.Equal(t, connectors.KindUnavailable, connectors.KindOf(untrusted.Probe(t.Context())), "the certificate is checked")
	unknown := connect(t, "entra", s.with(connectors.Settings{"clientSecret": "another"}))
	require.Equal(t, connectors.KindUnauthorized, connectors.KindOf(unknown.Probe(t.Context())))
	s.stop()
	require.Error(t, c.Probe(t.Context()))

	again := simulate(t, env, 6, args...)
	require.Equal(t, s.settings["caFile"], again.settings["caFile"])
	// What was granted goes by the same ids, and the certificate that was trusted is still good.
	held, err := connect(t, "entra", again.with(kinds)).GrantsOf(t.Context(), ada.NativeID)
	require.NoError(t, err)
	require.ElementsMatch(t, granted, held)
}

func TestEntraFlags(t *testing.T) {
	t.Parallel()
	const tenantID, clientID = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"
	env := environ{"TENURE_SIMULATOR_CLIENT_SECRET": "usual", "OTHER": "other"}
	var standard entraFlags
	require.NoError(t, standard.command(&app{env: env}).ParseFlags(nil))
	for _, test := range []struct {
		name string
		args []string
		want func(o *entra.Options)
	}{
		{"nothing", nil, func(*entra.Options) {}},
		{"ids", []string{"--tenant-id", tenantID, "--client-id", clientID}, func(o *entra.Options) { o.TenantID, o.ClientID = tenantID, clientID }},
		{"secret", []string{"--client-secret-env", "OTHER"}, func(o *entra.Options) { o.ClientSecret = "other" }},
		{"groups", []string{"--group", "Sales, EMEA", "--group=a=b"}, func(o *entra.Options) {
			o.Groups = []entra.Group{{DisplayName: "Sales, EMEA"}, {DisplayName: "a=b"}}
		}},
		{"licences", []string{"--licence", "SPE_E3=200", "--licence", "VISIO=1"}, func(o *entra.Options) {
			o.Licences = []entra.Licence{
				{SkuPartNumber: "SPE_E3", SkuID: madeUpID("sku", "SPE_E3"), Seats: 200}, {SkuPartNumber: "VISIO", SkuID: madeUpID("sku", "VISIO"), Seats: 1},
			}
		}},
		{"applications", []string{"--app", "Payroll=Reader,Chief approver", "--app", "Wiki"}, func(o *entra.Options) {
			o.AppRoles = []entra.Application{
				{ID: madeUpID("application", "Payroll"), DisplayName: "Payroll", Roles: []entra.AppRole{
					{ID: madeUpID("role", "Payroll", "Reader"), Value: "Reader"}, {ID: madeUpID("role", "Payroll", "Chief approver"), Value: "Chief approver"},
				}},
				{ID: madeUpID("application", "Wiki"), DisplayName: "Wiki"},
			}
		}},
		{"lags", []string{"--read-lag", "1s", "--search-lag", "2m", "--revocation-lag", "3h"}, func(o *entra.Options) {
			o.ReadLag, o.SearchLag, o.RevocationLag = time.Second, 2*time.Minute, 3*time.Hour
		}},
		{"published limits", []string{"--limits", "published"}, func(*entra.Options) {}},
		{"a large tenant", []string{"--tenant-size", "large"}, func(o *entra.Options) { o.Quota.ResourceUnits = 8000 }},
		{"a medium one, and no time to wait", []string{"--tenant-size", "medium", "--omit-retry-after"}, func(o *entra.Options) {
			o.Quota = entra.Quota{ResourceUnits: 5000, RetryAfterSometimes: true}
		}},
		{"no limits", []string{"--limits", "off"}, func(o *entra.Options) { o.Quota = entra.Quota{ResourceUnits: -1, Writes: -1} }},
		{"loopback", []string{"--listen", "[::1]:0"}, func(*entra.Options) {}},
		{"by name", []string{"--listen", "localhost:0"}, func(*entra.Options) {}},
		{"exposed", []string{"--listen", "entra.example.com:443", "--expose"}, func(*entra.Options) {}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var f entraFlags
			require.NoError(t, f.command(&app{env: env}).ParseFlags(append([]string{"--data", "tenant"}, test.args...)))
			got, err := f.options(&app{env: env})
			require.NoError(t, err)
			want := entra.Options{
				TenantID: standard.tenantID, ClientID: standard.clientID, ClientSecret: "usual", Folder: "tenant", Quota: entra.Quota{ResourceUnits: 3500},
			}
			test.want(&want)
			require.Equal(t, want, got)
		})
	}
}

func TestOktaFlags(t *testing.T) {
	t.Parallel()
	env := environ{"TENURE_SIMULATOR_TOKEN": "usual", "OTHER": "other"}
	for _, test := range []struct {
		name string
		args []string
		want okta.Options
	}{
		{"nothing", nil, okta.Options{Token: "usual"}},
		{"token", []string{"--token-env", "OTHER"}, okta.Options{Token: "other"}},
		{"folder", []string{"--data", "org"}, okta.Options{Token: "usual", Folder: "org"}},
		{"contents", []string{"--group", "Sales, EMEA", "--group", "All", "--app", "Salesforce", "--app", "Zoom, EMEA"}, okta.Options{
			Token: "usual", Groups: []okta.Group{{Name: "Sales, EMEA"}, {Name: "All"}},
			Apps: []okta.App{{Name: "bookmark", Label: "Salesforce"}, {Name: "bookmark", Label: "Zoom, EMEA"}},
		}},
		{"groups of applications", []string{"--group", "Sales", "--app-group", "Directory, all", "--app-group", "LDAP"}, okta.Options{
			Token: "usual", Groups: []okta.Group{{Name: "Sales"}, {Name: "Directory, all", Type: okta.GroupApp}, {Name: "LDAP", Type: okta.GroupApp}},
		}},
		{"lags", []string{"--activation-lag", "1s", "--search-lag", "2m", "--revocation-lag", "3h"}, okta.Options{
			Token: "usual", ActivationLag: time.Second, SearchLag: 2 * time.Minute, RevocationLag: 3 * time.Hour,
		}},
		{"no limits", []string{"--limits", "off"}, okta.Options{
			Token: "usual", Limits: map[okta.Bucket]int{okta.AllBuckets: -1}, Concurrency: -1,
		}},
		{"exposed", []string{"--listen", ":8094", "--expose"}, okta.Options{Token: "usual"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var f oktaFlags
			require.NoError(t, f.command(&app{env: env}).ParseFlags(test.args))
			got, err := f.options(&app{env: env})
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestSimulatorCertificate(t *testing.T) {
	t.Parallel()
	folder, now := t.TempDir(), time.Now()
	serial := func(host string, at time.Time) string {
		certificate, caFile, err := simulatorCertificate(folder, host, at)
		require.NoError(t, err)
		require.Equal(t, filepath.Join(folder, "ca.pem"), caFile)
		ca, err := os.ReadFile(caFile)
		require.NoError(t, err)
		roots := x509.NewCertPool()
		require.True(t, roots.AppendCertsFromPEM(ca))
		for _, name := range []string{"localhost", "127.0.0.1", "::1", host} {
			_, err := certificate.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: at})
			require.NoError(t, err, name)
		}
		require.Error(t, certificate.Leaf.VerifyHostname("other.example.com"))
		return certificate.Leaf.SerialNumber.String()
	}
	first := serial("127.0.0.1", now)
	require.Equal(t, first, serial("localhost", now), "made once")
	require.Equal(t, first, serial("::1", now.AddDate(9, 0, 0)))

	files, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	require.Len(t, files, 3, "no key but the server's, and nothing left over: %v", files)
	key, err := os.Stat(filepath.Join(folder, "server-key.pem"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), key.Mode())

	second := serial("simulator.example.com", now)
	require.NotEqual(t, first, second, "the first is not made out to it")
	require.Equal(t, second, serial("127.0.0.1", now))
	third := serial("127.0.0.1", now.AddDate(10, 0, -10))
	require.NotEqual(t, second, third, "the second runs out soon")
	for _, file := range files {
		before := serial("127.0.0.1", now.AddDate(10, 0, 0))
		require.NoError(t, os.Chmod(file, 0o644))
		require.NoError(t, os.WriteFile(file, []byte("damaged"), 0o600))
		require.NotEqual(t, before, serial("127.0.0.1", now.AddDate(10, 0, 0)), file)
	}
	key, err = os.Stat(filepath.Join(folder, "server-key.pem"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), key.Mode(), "whatever was there before")

	_, err = tls.LoadX509KeyPair(filepath.Join(folder, "ca.pem"), filepath.Join(folder, "server-key.pem"))
	require.Error(t, err, "the CA's key is kept nowhere")
	_, _, err = simulatorCertificate(filepath.Join(folder, "ca.pem"), "127.0.0.1", now)
	require.ErrorContains(t, err, "make a certificate in")
}
