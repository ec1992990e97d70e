// Package connectortest holds what every connector is tried with: RunTests, the conformance suite, and FaultProxy, an
// HTTP reverse proxy that makes a target slow, silent, rude or forgetful. It knows connectors only through their
// interfaces.
package connectortest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
)

// Capability names one of the interfaces of package connectors beyond Connector.
type Capability string

// The capabilities that the suite tries.
const (
	AccountWriter      Capability = "AccountWriter"
	EntitlementGranter Capability = "EntitlementGranter"
)

// limit bounds every call of the suite that should succeed.
const limit = 30 * time.Second

// Target is one empty target and how to speak to it. The names of attributes are keys of Account.Attributes.
type Target struct {
	// Capabilities are those the connector claims to have. The suite fails when it has others or lacks one.
	Capabilities []Capability
	// BaseURL is the target's address when it speaks HTTP; the tests with faults need it. "" leaves them out.
	BaseURL string
	// Connect makes a connector that speaks to the target at the address, which is BaseURL or a FaultProxy's.
	Connect func(t testing.TB, baseURL string) connectors.Connector
	// NewAccount is a complete wish for an account. Accounts made from different names differ in every attribute that
	// must be unique, and the name stands in Correlation's and Text's value.
	NewAccount func(name string) connectors.Account
	// Correlation is the attribute by which an account is looked up before a create; it takes any text.
	Correlation string
	// Unique is the attribute of which the target refuses a second use; "" when it has none.
	Unique string
	// Text is an attribute that takes any text.
	Text string
	// Optional are attributes that can be set and removed, with a value each.
	Optional map[string]any
	// NewEntitlements makes n entitlements in the target; for EntitlementGranter.
	NewEntitlements func(t testing.TB, n int) []connectors.Entitlement
	// Secrets must not stand in any error, in its text or its detail: the token.
	Secrets []string
}

// subject is a target with a connector to it.
type subject struct {
	Target
	connectors.Connector
}

func (s subject) writer() connectors.AccountWriter { return s.Connector.(connectors.AccountWriter) }

func (s subject) granter() connectors.EntitlementGranter {
	return s.Connector.(connectors.EntitlementGranter)
}

// RunTests runs the suite, part by part as the capabilities allow, each test with a target of its own. What the
// connector lacks is logged and not tried.
func RunTests(t *testing.T, newTarget func(t *testing.T) Target) {
	t.Helper()
	probe := connect(t, newTarget(t))
	has := map[Capability]bool{}
	_, has[AccountWriter] = probe.Connector.(connectors.AccountWriter)
	_, has[EntitlementGranter] = probe.Connector.(connectors.EntitlementGranter)
	for _, c := range []Capability{AccountWriter, EntitlementGranter} {
		require.Equal(t, slices.Contains(probe.Capabilities, c), has[c], "the target declares %v; does the connector have %s", probe.Capabilities, c)
		if !has[c] {
			t.Logf("not tried: the connector has no %s", c)
		}
	}
	run := func(part string, tests map[string]func(*testing.T, subject)) {
		t.Run(part, func(t *testing.T) {
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t, connect(t, newTarget(t)))
				})
			}
		})
	}
	run("read", readTests)
	if has[AccountWriter] {
		run("accounts", accountTests)
	}
	if has[AccountWriter] && has[EntitlementGranter] {
		run("grants", grantTests)
	}
	switch {
	case probe.BaseURL == "":
		t.Log("not tried: faults, since the target does not speak HTTP")
	case has[AccountWriter]:
		run("faults", faultTests)
	}
}

func connect(t *testing.T, target Target) subject {
	t.Helper()
	return subject{target, target.Connect(t, target.BaseURL)}
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// create makes an account from the name and fails the test when that fails.
func (s subject) create(t *testing.T, name string) connectors.Account {
	t.Helper()
	account, err := s.writer().CreateAccount(bounded(t), s.NewAccount(name))
	require.NoError(t, err)
	require.NotEmpty(t, account.NativeID)
	return account
}

// find looks accounts up by the correlation attribute of the wish made from the name.
func (s subject) find(t *testing.T, name string) []connectors.Account {
	t.Helper()
	value := fmt.Sprint(s.NewAccount(name).Attributes[s.Correlation])
	found, err := s.FindAccounts(bounded(t), s.Correlation, value)
	require.NoError(t, err)
	return found
}

// requireHolds checks that the account shows every attribute of the wish.
func requireHolds(t *testing.T, wish map[string]any, account connectors.Account) {
	t.Helper()
	for name, value := range wish {
		require.Equal(t, value, account.Attributes[name], name)
	}
}

var readTests = map[string]func(*testing.T, subject){
	"a probe of a target that is there": func(t *testing.T, s subject) {
		require.NoError(t, s.Probe(bounded(t)))
	},
	"an account that does not exist": func(t *testing.T, s subject) {
		_, err := s.GetAccount(bounded(t), "6f0b5b0e-0000-4000-8000-000000000000")
		requireKind(t, connectors.KindNotFound, err)
	},
	"a look-up that finds none": func(t *testing.T, s subject) {
		found, err := s.FindAccounts(bounded(t), s.Correlation, "nobody")
		require.NoError(t, err)
		require.NotNil(t, found)
		require.Empty(t, found)
	},
	"a listing of an empty target": func(t *testing.T, s subject) {
		page, err := s.ListAccounts(bounded(t), connectors.Page{})
		require.NoError(t, err)
		require.Empty(t, page.Items)
		require.Empty(t, page.Next)
	},
	"a cursor of somebody else": func(t *testing.T, s subject) {
		_, err := s.ListAccounts(bounded(t), connectors.Page{Cursor: "!"})
		requireKind(t, connectors.KindInvalid, err)
	},
	"no native id": func(t *testing.T, s subject) {
		_, err := s.GetAccount(bounded(t), "")
		requireKind(t, connectors.KindInvalid, err)
	},
}

func requireKind(t *testing.T, kind connectors.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, kind, connectors.KindOf(err), "%v", err)
}
