package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
)

// A service application, with a key as openssl writes it, and a group whose members are an application's.
func TestSimulateOktaForAServiceApplication(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "okta.pub")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600))
	s := simulate(t, environ{}, 3, "okta", "--listen", "127.0.0.1:0", "--client", "0oa1tenure="+file, "--app-group", "Directory Users")
	require.Equal(t, "0oa1tenure", s.settings["clientId"])
	private := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	c := connect(t, "okta", s.with(connectors.Settings{"privateKey": private, "entitlements": []any{"group", "application"}}))
	require.NoError(t, c.Probe(t.Context()))
	_, err = c.FindEntitlement(t.Context(), "group", "Directory Users")
	require.Equal(t, connectors.KindInvalid, connectors.KindOf(err))

	require.NoError(t, os.WriteFile(file, []byte(private), 0o600))
	r := refused(t, environ{}, "okta", "--listen", "127.0.0.1:0", "--client", "0oa1tenure="+file)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "it holds no public RSA key in PEM")
	require.NotContains(t, r.errOut, "PRIVATE KEY")
}
