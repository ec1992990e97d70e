package entra_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	connectortest.RunTests(t, newTarget)
}

func newTarget(t *testing.T) connectortest.Target {
	b := newBench(t, simulator.Options{})
	return connectortest.Target{
		Capabilities: []connectortest.Capability{
			connectortest.AccountWriter, connectortest.EntitlementGranter, connectortest.SessionEnder, connectortest.PasswordResetter,
			connectortest.FactorResetter, connectortest.AccountRestorer,
		},
		BaseURL: b.graph + "/v1.0",
		Connect: func(t testing.TB, baseURL string) connectors.Connector {
			return b.connect(t, connectors.Settings{"graphUrl": baseURL})
		},
		NewAccount: func(name string) connectors.Account {
			return connectors.Account{Enabled: true, Attributes: map[string]any{
				"userPrincipalName": principalName(name), "displayName": "Display " + name, "department": name, "surname": name,
				"usageLocation": "NZ", "businessPhones": []any{"+64 4 1"},
			}}
		},
		Correlation: "department", Unique: "userPrincipalName", Text: "displayName",
		Optional: map[string]any{
			"jobTitle":                 `The "Title"`,
			"givenName":                "Given",
			"employeeId":               "E-1",
			"otherMails":               []any{"o@example.com"},
			"employeeOrgData.division": "Ships",
			"onPremisesExtensionAttributes.extensionAttribute1": "one",
			"onPremisesExtensionAttributes.extensionAttribute2": "two",
		},
		NewEntitlements: func(t testing.TB, n int) []connectors.Entitlement { return newGroups(t, b, n) },
		Secrets:         []string{clientSecret},
		Now:             func() time.Time { return b.clock.now().Truncate(time.Second) },
		Settle:          func() { b.clock.advance(time.Second) },
		NewSession: func(t testing.TB, nativeID string) func() bool {
			session, err := b.SignIn(nativeID, b.password(t, nativeID))
			require.NoError(t, err)
			return func() bool { return b.Refresh(session) }
		},
		NewPassword: func(t testing.TB, nativeID string) func() bool {
			password := b.password(t, nativeID)
			return func() bool { return b.PasswordIs(nativeID, password) }
		},
		NewFactors: func(t testing.TB, nativeID string) func() int {
			for _, m := range allFactors {
				_, err := b.AddMethod(nativeID, m)
				require.NoError(t, err)
			}
			return func() int { return len(b.user(nativeID).Methods) }
		},
		Expire: func() { b.purge(t) },
	}
}

// allFactors are methods of every kind, in an order in which they can be enrolled.
var allFactors = []simulator.Method{
	{Kind: simulator.PhoneMethod, PhoneType: "mobile", Default: true},
	{Kind: simulator.PhoneMethod, PhoneType: "alternateMobile"},
	{Kind: simulator.PhoneMethod, PhoneType: "office"},
	{Kind: simulator.MicrosoftAuthenticatorMethod},
	{Kind: simulator.FIDO2Method},
	{Kind: simulator.FIDO2Method},
	{Kind: simulator.SoftwareOathMethod},
	{Kind: simulator.EmailMethod},
	{Kind: simulator.WindowsHelloForBusinessMethod},
	{Kind: simulator.TemporaryAccessPassMethod},
}

// principalName is a userPrincipalName that any name can have.
func principalName(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "u" + hex.EncodeToString(sum[:8]) + "@contoso.onmicrosoft.com"
}

func newGroups(t testing.TB, b bench, n int) []connectors.Entitlement {
	t.Helper()
	out := make([]connectors.Entitlement, n)
	for i := range out {
		name := fmt.Sprintf(`Group '%d' "ü" & more`, i)
		id, err := b.AddGroup(simulator.Group{DisplayName: name})
		require.NoError(t, err)
		out[i] = connectors.Entitlement{NativeID: id, Kind: "group", Name: name}
	}
	return out
}
