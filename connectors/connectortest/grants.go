package connectortest

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
)

var grantTests = map[string]func(*testing.T, subject){
	"an entitlement is found by its name":    testFindEntitlement,
	"grant and revoke repeat":                testGrant,
	"a revocation touches nothing else":      testRevokeOnly,
	"250 grants are all read":                testManyGrants,
	"a grant of something that is not there": testGrantMissing,
	"in one request what takes several":      testAtOnce,
}

func testFindEntitlement(t *testing.T, s subject) {
	want := s.NewEntitlements(t, 3)
	s.settle()
	for _, e := range want {
		found, err := s.granter().FindEntitlement(bounded(t), e.Kind, e.Name)
		require.NoError(t, err)
		require.Equal(t, e, found)
	}
	for _, name := range []string{"nothing of that name", `x" or displayName pr or id eq "`} {
		_, err := s.granter().FindEntitlement(bounded(t), want[0].Kind, name)
		requireKind(t, connectors.KindNotFound, err)
	}
	_, err := s.granter().FindEntitlement(bounded(t), "no such kind", want[0].Name)
	requireKind(t, connectors.KindUnsupported, err)
	requireKind(t, connectors.KindUnsupported, s.granter().Grant(bounded(t), "x", connectors.Entitlement{NativeID: want[0].NativeID, Kind: "no such kind"}))
}

// grants reads the entitlements of an account in a stable order.
func (s subject) grants(t *testing.T, account connectors.Account) []connectors.Entitlement {
	t.Helper()
	held, err := s.granter().GrantsOf(bounded(t), account.NativeID)
	require.NoError(t, err)
	return ordered(held)
}

func ordered(entitlements []connectors.Entitlement) []connectors.Entitlement {
	out := append([]connectors.Entitlement{}, entitlements...)
	slices.SortFunc(out, func(a, b connectors.Entitlement) int { return strings.Compare(a.NativeID, b.NativeID) })
	return out
}

func testGrant(t *testing.T, s subject) {
	ada, e := s.create(t, "ada"), s.NewEntitlements(t, 1)[0]
	require.Empty(t, s.grants(t, ada))
	for range 2 {
		require.NoError(t, s.granter().Grant(bounded(t), ada.NativeID, e))
		require.Equal(t, []connectors.Entitlement{e}, s.grants(t, ada))
	}
	for range 2 {
		require.NoError(t, s.granter().Revoke(bounded(t), ada.NativeID, e))
		require.Empty(t, s.grants(t, ada))
	}
	require.NoError(t, s.granter().Grant(bounded(t), ada.NativeID, e))
	require.Equal(t, []connectors.Entitlement{e}, s.grants(t, ada))
}

func testRevokeOnly(t *testing.T, s subject) {
	ada, bob := s.create(t, "ada"), s.create(t, "bob")
	all := ordered(s.NewEntitlements(t, 3))
	for _, e := range all {
		require.NoError(t, s.granter().Grant(bounded(t), ada.NativeID, e))
		require.NoError(t, s.granter().Grant(bounded(t), bob.NativeID, e))
	}
	require.NoError(t, s.granter().Revoke(bounded(t), ada.NativeID, all[1]))
	require.Equal(t, []connectors.Entitlement{all[0], all[2]}, s.grants(t, ada))
	require.Equal(t, all, s.grants(t, bob), "another account's grants")
	requireKind(t, connectors.KindInvalid, s.granter().Revoke(bounded(t), "", all[0]))
	requireKind(t, connectors.KindInvalid, s.granter().Revoke(bounded(t), bob.NativeID, connectors.Entitlement{Kind: all[0].Kind}))
	require.Equal(t, all, s.grants(t, bob))
	for _, account := range []connectors.Account{ada, bob} {
		read, err := s.GetAccount(bounded(t), account.NativeID)
		require.NoError(t, err, "a revocation deletes no account")
		require.Equal(t, account, read)
	}
	s.settle()
	for _, e := range all {
		_, err := s.granter().FindEntitlement(bounded(t), e.Kind, e.Name)
		require.NoError(t, err, "a revocation deletes no entitlement")
	}
}

func testManyGrants(t *testing.T, s subject) {
	ada := s.create(t, "ada")
	all := ordered(s.NewEntitlements(t, 250))
	for _, e := range all {
		require.NoError(t, s.granter().Grant(bounded(t), ada.NativeID, e))
	}
	require.Equal(t, all, s.grants(t, ada))
}

func testGrantMissing(t *testing.T, s subject) {
	ada, e := s.create(t, "ada"), s.NewEntitlements(t, 1)[0]
	missing := connectors.Entitlement{NativeID: "6f0b5b0e-0000-4000-8000-000000000000", Kind: e.Kind, Name: "missing"}
	requireKind(t, connectors.KindNotFound, s.granter().Grant(bounded(t), ada.NativeID, missing))
	require.NoError(t, s.granter().Revoke(bounded(t), ada.NativeID, missing), "nobody holds what is not there")
	require.NoError(t, s.writer().DeleteAccount(bounded(t), ada.NativeID))
	require.Error(t, s.granter().Grant(bounded(t), ada.NativeID, e))
	require.NoError(t, s.granter().Revoke(bounded(t), ada.NativeID, e))
}
