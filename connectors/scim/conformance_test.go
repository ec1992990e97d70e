package scim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/connectors/scim"
	"github.com/tenurehq/tenure/connectors/scim/simulator"
)

const token = "s3cr3t-t0k3n"

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, update := range []string{"patch", "put"} {
		t.Run(update, func(t *testing.T) {
			t.Parallel()
			connectortest.RunTests(t, func(t *testing.T) connectortest.Target { return newTarget(t, update) })
		})
	}
}

func newTarget(t *testing.T, update string) connectortest.Target {
	sim, err := simulator.New(simulator.Options{Token: token})
	require.NoError(t, err)
	server := httptest.NewServer(sim)
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, sim.Close())
	})
	return connectortest.Target{
		Capabilities: []connectortest.Capability{connectortest.AccountWriter, connectortest.EntitlementGranter},
		BaseURL:      server.URL,
		Connect: func(t testing.TB, baseURL string) connectors.Connector {
			c, err := scim.New(connectors.Settings{"baseUrl": baseURL, "token": token, "update": update})
			require.NoError(t, err)
			return c
		},
		NewAccount: func(name string) connectors.Account {
			return connectors.Account{Enabled: true, Attributes: map[string]any{
				"userName": "user " + name, "externalId": name, "displayName": "Display " + name, "name.familyName": name,
				`emails[type eq "work"].value`:                name,
				enterprise + ":department":                    name,
				enterprise + ":manager.value":                 "m1",
				`addresses[type eq "work"].locality`:          name,
				`addresses[type eq "work"].country`:           "NZ",
				`phoneNumbers[type eq "strange \"x\""].value`: "1",
			}}
		},
		Correlation: "externalId", Unique: "userName", Text: "displayName",
		Optional: map[string]any{
			"title":                            `The "Title"`,
			"name.givenName":                   "Given",
			`emails[type eq "home"].value`:     "h@example.com",
			`emails[type eq "other"].value`:    "o@example.com",
			`ims[type eq "xmpp"].value`:        "x",
			`ims[type eq "xmpp"].display`:      "d",
			enterprise + ":costCenter":         "4130",
			"roles":                            []any{map[string]any{"value": "clerk"}},
			`photos[primary eq true].value`:    "https://example.com/p",
			`addresses[type eq "work"].region`: "R",
		},
		NewEntitlements: func(t testing.TB, n int) []connectors.Entitlement { return newGroups(t, server.URL, n) },
		Secrets:         []string{token},
	}
}

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// newGroups creates groups, which the connector itself does not.
func newGroups(t testing.TB, url string, n int) []connectors.Entitlement {
	t.Helper()
	out := make([]connectors.Entitlement, n)
	for i := range out {
		name := fmt.Sprintf(`Group "%d" \ü`, i)
		body, err := json.Marshal(map[string]any{"displayName": name})
		require.NoError(t, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/Groups", bytes.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req) // not one whose connections other tests close
		require.NoError(t, err)
		var created struct{ ID string }
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&created))
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusCreated, resp.StatusCode)
		out[i] = connectors.Entitlement{NativeID: created.ID, Kind: "group", Name: name}
	}
	return out
}
