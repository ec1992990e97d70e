package entra_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

// The suite with groups, and once more with every kind of entitlement in turn against a tenant that lags.
func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("groups", func(t *testing.T) {
		t.Parallel()
		connectortest.RunTests(t, func(t *testing.T) connectortest.Target {
			b := newBench(t, simulator.Options{})
			target := newTarget(t, b, nil, time.Second)
			target.NewEntitlements = func(t testing.TB, n int) []connectors.Entitlement { return newGroups(t, b, n) }
			return target
		})
	})
	t.Run("all kinds, with lags", func(t *testing.T) {
		t.Parallel()
		connectortest.RunTests(t, func(t *testing.T) connectortest.Target {
			options := simulator.Options{ReadLag: 3 * time.Second, RevocationLag: 8 * time.Second}
			options.Licences, options.AppRoles = products(100)
			b := newBench(t, options)
			target := newTarget(t, b, connectors.Settings{"entitlements": []any{"group", "licence", "appRole"}}, 9*time.Second)
			target.NewEntitlements = func(t testing.TB, n int) []connectors.Entitlement { return newEntitlements(t, b, options, n) }
			return target
		})
	})
}

// newTarget is the bench as the suite sees it; settling takes the time that every lag of the tenant has passed in. The
// tokens of the connector are good for an hour of the simulator's, which hundreds of times must not be.
func newTarget(t testing.TB, b bench, settings connectors.Settings, settling time.Duration) connectortest.Target {
	return connectortest.Target{
		Capabilities: []connectortest.Capability{
			connectortest.AccountWriter, connectortest.EntitlementGranter, connectortest.SessionEnder, connectortest.PasswordResetter,
			connectortest.FactorResetter, connectortest.AccountRestorer,
		},
		BaseURL: b.graph + "/v1.0",
		Connect: func(t testing.TB, baseURL string) connectors.Connector {
			all := connectors.Settings{"graphUrl": baseURL}
			maps.Copy(all, settings)
			return b.connect(t, all)
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
		Secrets: []string{clientSecret},
		Now:     func() time.Time { return b.clock.now().Truncate(time.Second) },
		Settle:  func() { b.clock.advance(settling) },
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
	{Kind: simulator.PlatformCredentialMethod},
	{Kind: simulator.TemporaryAccessPassMethod},
}

// principalName is a userPrincipalName that any name can have.
func principalName(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "u" + hex.EncodeToString(sum[:8]) + "@contoso.onmicrosoft.com"
}

// products are n licences, and n applications with a role each.
func products(n int) (licences []simulator.Licence, applications []simulator.Application) {
	for i := range n {
		licences = append(licences, simulator.Licence{SkuPartNumber: fmt.Sprintf("SKU_%d", i), SkuID: numbered(1, i), Seats: 1000})
		applications = append(applications, simulator.Application{
			ID: numbered(2, i), DisplayName: fmt.Sprintf(`App '%d' "ü" & more`, i), Roles: []simulator.AppRole{{ID: numbered(3, i), Value: "Reader"}},
		})
	}
	return licences, applications
}

// numbered is the GUID of a number.
func numbered(kind, i int) string { return fmt.Sprintf("%08d-0000-4000-8000-%012d", kind, i) }

// newEntitlements are groups, licences and app roles in turn.
func newEntitlements(t testing.TB, b bench, options simulator.Options, n int) []connectors.Entitlement {
	t.Helper()
	groups := newGroups(t, b, (n+2)/3)
	out := make([]connectors.Entitlement, n)
	for i := range out {
		licence, application := options.Licences[i/3], options.AppRoles[i/3]
		switch i % 3 {
		case 0:
			out[i] = groups[i/3]
		case 1:
			out[i] = connectors.Entitlement{NativeID: licence.SkuID, Kind: "licence", Name: licence.SkuPartNumber}
		default:
			role := application.Roles[0]
			out[i] = connectors.Entitlement{NativeID: application.ID + "." + role.ID, Kind: "appRole", Name: application.DisplayName + "/" + role.Value}
		}
	}
	return out
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
