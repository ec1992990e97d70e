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
	SessionEnder       Capability = "SessionEnder"
	Deactivator        Capability = "Deactivator"
	PasswordResetter   Capability = "PasswordResetter"
	FactorResetter     Capability = "FactorResetter"
	AccountRestorer    Capability = "AccountRestorer"
	RevocationOrderer  Capability = "RevocationOrderer"
)

// interfaces are the capabilities with the test of whether a connector has them.
var interfaces = map[Capability]func(connectors.Connector) bool{
	AccountWriter:      is[connectors.AccountWriter],
	EntitlementGranter: is[connectors.EntitlementGranter],
	SessionEnder:       is[connectors.SessionEnder],
	Deactivator:        is[connectors.Deactivator],
	PasswordResetter:   is[connectors.PasswordResetter],
	FactorResetter:     is[connectors.FactorResetter],
	AccountRestorer:    is[connectors.AccountRestorer],
	RevocationOrderer:  is[connectors.RevocationOrderer],
}

func is[T any](c connectors.Connector) bool {
	_, ok := c.(T)
	return ok
}

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
	// Secrets must not stand in any error, in its text or its detail, nor in evidence: the token.
	Secrets []string

	// Now is the target's clock, to the precision of its timestamps; for SessionEnder and PasswordResetter.
	Now func() time.Time
	// Settle lets every lag of the target pass, and moves its clock on by at least a second; nil when it has none. For
	// SessionEnder and PasswordResetter it is needed.
	Settle func()
	// EnablesLate says that an account that is made enabled is answered as disabled until the target has settled.
	EnablesLate bool
	// NewSession signs the account in, and answers how to see whether that session and its tokens are still accepted;
	// for SessionEnder.
	NewSession func(t testing.TB, nativeID string) (alive func() bool)
	// NewPassword gives the account a password, and answers how to see whether the account still has it; for
	// PasswordResetter.
	NewPassword func(t testing.TB, nativeID string) (opens func() bool)
	// NewFactors enrols several factors, one of every kind at least, and answers how to count what is left of them; for
	// FactorResetter.
	NewFactors func(t testing.TB, nativeID string) (left func() int)
	// Expire lets the time pass for which deleted accounts are kept; for AccountRestorer.
	Expire func()
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

func (s subject) has(c Capability) bool { return interfaces[c](s.Connector) }

// settle lets the target's lags pass.
func (s subject) settle() {
	if s.Settle != nil {
		s.Settle()
	}
}

// RunTests runs the suite, part by part as the capabilities allow, each test with a target of its own. What the
// connector lacks is logged and not tried.
func RunTests(t *testing.T, newTarget func(t *testing.T) Target) {
	t.Helper()
	probe := connect(t, newTarget(t))
	for c, has := range interfaces {
		require.Equal(t, slices.Contains(probe.Capabilities, c), has(probe.Connector), "the target declares %v; does the connector have %s", probe.Capabilities, c)
		if !has(probe.Connector) {
			t.Logf("not tried: the connector has no %s", c)
		}
	}
	for _, p := range parts {
		if !p.possible(probe) {
			t.Logf("not tried: %s", p.name)
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			for name, test := range p.tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t, connect(t, newTarget(t)))
				})
			}
		})
	}
}

// part is a group of tests with what they need: capabilities, and a target that speaks HTTP where a proxy comes between.
type part struct {
	name  string
	needs []Capability
	http  bool
	tests map[string]func(*testing.T, subject)
}

var parts = []part{
	{name: "read", tests: readTests},
	{name: "accounts", needs: []Capability{AccountWriter}, tests: accountTests},
	{name: "grants", needs: []Capability{AccountWriter, EntitlementGranter}, tests: grantTests},
	{name: "deactivation", needs: []Capability{AccountWriter, Deactivator}, tests: deactivationTests},
	{name: "sessions", needs: []Capability{AccountWriter, SessionEnder}, tests: sessionTests},
	{name: "passwords", needs: []Capability{AccountWriter, PasswordResetter}, tests: passwordTests},
	{name: "factors", needs: []Capability{AccountWriter, FactorResetter}, tests: factorTests},
	{name: "restore", needs: []Capability{AccountWriter, AccountRestorer}, tests: restoreTests},
	{name: "faults", needs: []Capability{AccountWriter}, http: true, tests: faultTests},
	{name: "pace", needs: []Capability{AccountWriter}, http: true, tests: paceTests},
	{name: "leave", needs: []Capability{AccountWriter}, tests: leaveTests},
	{name: "leave with faults", needs: []Capability{AccountWriter}, http: true, tests: faultyLeaveTests},
	{name: "restore with faults", needs: []Capability{AccountWriter, AccountRestorer}, http: true, tests: faultyRestoreTests},
}

func (p part) possible(s subject) bool {
	for _, c := range p.needs {
		if !s.has(c) {
			return false
		}
	}
	return !p.http || s.BaseURL != ""
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

// create makes an account from the name, as it is when the target has settled, and fails the test when that fails.
func (s subject) create(t *testing.T, name string) connectors.Account {
	t.Helper()
	account, err := s.writer().CreateAccount(bounded(t), s.NewAccount(name))
	require.NoError(t, err)
	require.NotEmpty(t, account.NativeID)
	if s.Settle == nil {
		return account
	}
	s.settle()
	account, err = s.GetAccount(bounded(t), account.NativeID)
	require.NoError(t, err)
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
