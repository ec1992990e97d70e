package policy_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/policy"
)

func TestSecretsStandOutsideThePolicy(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		`token: env:CRM_TOKEN`:                                   "",
		`token: file:/run/secrets/crm`:                           "",
		`baseUrl: https://crm.acme.example/scim`:                 "",
		`baseUrl: env:CRM_URL`:                                   "",
		`pageSize: 100`:                                          "",
		`tokenUrl: https://id.acme.example/token`:                "",
		`keyPath: /etc/tenure/crm.pem`:                           "",
		`resetPassword: true`:                                    "",
		`monkey: banana`:                                         "",
		`root: file://server/share`:                              "",
		`certificate: file:/run/secrets/entra.pem`:               "",
		`certificate: env:ENTRA_PEM`:                             "",
		`certificateName: tenure`:                                "",
		`federatedTokenFile: /var/run/secrets/azure/token`:       "",
		`caFile: /etc/tenure/ca.pem`:                             "",
		`privateKeyId: kid-1`:                                    "",
		`keyIds: [canary-value]`:                                 "settings.keyIds[0]: looks like a secret",
		`certificate: canary-value`:                              "settings.certificate: looks like a secret; write a reference to it, env:NAME or file:/path",
		`clientCertificate: canary-value`:                        "settings.clientCertificate: looks like a secret",
		`certificates: [canary-value]`:                           "settings.certificates[0]: looks like a secret",
		`certificate: "-----BEGIN PRIVATE KEY-----\ncanary"`:     "settings.certificate: holds a private key; write a reference to it, env:NAME or file:/path",
		`caFile: "-----BEGIN RSA PRIVATE KEY-----\ncanary"`:      "settings.caFile: holds a private key; write a reference to it, env:NAME or file:/path",
		`banner: "canary -----BEGIN ENCRYPTED PRIVATE KEY-----"`: "settings.banner: holds a private key",
		`x: [{y: "-----BEGIN OPENSSH PRIVATE KEY-----canary"}]`:  "settings.x[0].y: holds a private key",
		`x: "-----BEGIN PGP PRIVATE KEY BLOCK-----canary"`:       "settings.x: holds a private key",
		`x: "-----BEGIN CERTIFICATE-----"`:                       "",
		`token: canary-value`:                                    "settings.token: looks like a secret",
		`clientSecret: canary-value`:                             "settings.clientSecret: looks like a secret",
		`bind_password: canary-value`:                            "settings.bind_password: looks like a secret",
		`API-Key: canary-value`:                                  "settings.API-Key: looks like a secret",
		`APIKey: canary-value`:                                   "settings.APIKey: looks like a secret",
		`password: 12345`:                                        "settings.password: looks like a secret",
		`auth: {oauth: {secret: canary-value}}`:                  "settings.auth.oauth.secret: looks like a secret",
		`tokens: [env:A, canary-value]`:                          "settings.tokens[1]: looks like a secret",
		`credentials: {user: canary-value}`:                      "settings.credentials.user: looks like a secret",
		`baseUrl: https://user:canary-value@crm.acme.example/`:   "settings.baseUrl: is an address with a password in it",
		`headers: [{value: "https://u:canary-value@x.example"}]`: "settings.headers[0].value: is an address with a password",
		`token: "env:"`:                                          "settings.token: env: must be followed by the name",
		`token: "env:canary value"`:                              "settings.token: env: must be followed by the name",
		`token: file:relative`:                                   "settings.token: file: must be followed by an absolute path",
		`pageSize: 9007199254740993`:                             "settings.pageSize: is not a decimal number that can be kept exactly",
		`pageSize: null`:                                         "settings.pageSize: must be a string, a number",
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			text := "organization: acme\ntargets:\n  - name: crm\n    connector: scim\n    attributes: {userName: '\"x\"'}\n" +
				"    settings:\n      " + setting + "\n"
			_, err := policy.Parse(policy.File{Name: "p.yaml", Data: []byte(text)})
			if want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "p.yaml:7: targets[crm]."+want)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestResolveSettings(t *testing.T) {
	t.Parallel()
	lookupEnv := func(name string) (string, bool) {
		value, ok := map[string]string{"URL": "http://x", "EMPTY": "", "BIG": strings.Repeat("canary", 20000)}[name]
		return value, ok
	}
	readFile := func(path string) ([]byte, error) {
		switch path {
		case "/secret":
			return []byte("s3cret\r\n"), nil
		case "/blank":
			return []byte("\n"), nil
		default:
			return nil, fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
		}
	}
	settings := map[string]any{
		"baseUrl": "env:URL", "pageSize": 10.0, "on": true, "plain": "x",
		"nested": map[string]any{"list": []any{"file:/secret", 1.0}},
	}
	got, err := policy.ResolveSettings(settings, lookupEnv, readFile)
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"baseUrl": "http://x", "pageSize": 10.0, "on": true, "plain": "x",
		"nested": map[string]any{"list": []any{"s3cret", 1.0}},
	}, got)
	require.Equal(t, "env:URL", settings["baseUrl"], "the settings given stay as they were")

	for reference, want := range map[string]string{
		"env:ABSENT":   "settings.token: the environment variable of env:ABSENT is not set",
		"env:EMPTY":    "settings.token: what env:EMPTY refers to is empty",
		"env:BIG":      "settings.token: what env:BIG refers to is larger than 65536 bytes",
		"file:/blank":  "settings.token: what file:/blank refers to is empty",
		"file:/absent": "settings.token: the file of file:/absent cannot be read",
		"env:":         "settings.token: env: must be followed by the name",
	} {
		_, err := policy.ResolveSettings(map[string]any{"token": reference}, lookupEnv, readFile)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "canary")
	}
	_, err = policy.ResolveSettings(map[string]any{"token": "file:/absent"}, lookupEnv, readFile)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = policy.ResolveSettings(map[string]any{"a": []any{map[string]any{"b": "env:ABSENT"}}}, lookupEnv, readFile)
	require.ErrorContains(t, err, "settings.a[0].b: ")
}
