package connectortest

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
)

// paceTests hold a connector to connectors.Pacer: they are among those with faults.
var paceTests = map[string]func(*testing.T, subject){
	"nothing is sent while a refusal lasts": testLeftAlone,
	"no request passes by the pacer":        testPaced,
}

// testLeftAlone: after a 429 nobody sends anything before its Retry-After is over, leaves included.
func testLeftAlone(t *testing.T, s subject) {
	a := newArena(t, s)
	const wait = time.Minute
	a.proxy.SetRules(Rule{Fault: Status(http.StatusTooManyRequests, wait)})
	pacer := connectors.NewPacer()
	requireKind(t, connectors.KindThrottled, a.Probe(pacer.Attempt(bounded(t), true)))
	a.proxy.SetRules()
	a.proxy.Reset()
	for _, op := range a.operations {
		for _, urgent := range []bool{false, true} {
			err := op.call(pacer.Attempt(bounded(t), urgent))
			a.requireHeldBack(t, op, err, wait)
		}
	}
	require.Empty(t, a.proxy.Requests())
}

// testPaced: once the target's rate is used up, no call of a joiner's attempt sends anything; a leave's does.
func testPaced(t *testing.T, s subject) {
	a := newArena(t, s)
	pacer := connectors.NewPacer()
	pacer.SetRate(connectors.Limit{Requests: 10, Per: time.Hour})
	for pacer.PutOff() == 0 {
		require.NoError(t, a.Probe(pacer.Attempt(bounded(t), true)))
	}
	a.proxy.Reset()
	for _, op := range a.operations {
		a.requireHeldBack(t, op, op.call(pacer.Attempt(bounded(t), false)), time.Hour)
	}
	require.Empty(t, a.proxy.Requests())
	require.NoError(t, a.Probe(pacer.Attempt(bounded(t), true)))
	require.Len(t, a.proxy.Requests(), 1)
}

func (a arena) requireHeldBack(t *testing.T, op operation, err error, most time.Duration) {
	t.Helper()
	require.Equal(t, connectors.KindThrottled, connectors.KindOf(err), "%s: %v", op.name, err)
	var back *connectors.HeldBackError
	require.ErrorAs(t, err, &back, op.name)
	var e *connectors.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, back.RetryAfter, e.RetryAfter, op.name)
	require.Positive(t, e.RetryAfter, op.name)
	require.LessOrEqual(t, e.RetryAfter, most, op.name)
	a.requirePrivate(t, op, err)
}

// testAtOnce: what a connector can do in fewer requests comes to the same as one after the other.
func testAtOnce(t *testing.T, s subject) {
	ada, entitlements := s.create(t, "ada"), s.NewEntitlements(t, 3)
	if bulk, ok := s.Connector.(connectors.BulkGranter); ok {
		for _, some := range [][]connectors.Entitlement{nil, entitlements[:2], entitlements[:2], entitlements} {
			sight, err := bulk.GrantAll(bounded(t), ada.NativeID, some)
			require.NoError(t, err)
			s.settle()
			require.Subset(t, s.grants(t, ada), some)
			if sight != nil {
				require.Equal(t, ada.NativeID, sight.Account.NativeID)
				require.Equal(t, s.grants(t, ada), ordered(sight.Grants))
			}
		}
		require.Equal(t, ordered(entitlements), s.grants(t, ada))
	}
	if reader, ok := s.Connector.(connectors.GrantReader); ok {
		sight, err := reader.GetAccountWithGrants(bounded(t), ada.NativeID)
		require.NoError(t, err)
		account, err := s.GetAccount(bounded(t), ada.NativeID)
		require.NoError(t, err)
		require.Equal(t, account, sight.Account)
		require.Equal(t, s.grants(t, ada), ordered(sight.Grants))
		_, err = reader.GetAccountWithGrants(bounded(t), "6f0b5b0e-0000-4000-8000-000000000000")
		requireKind(t, connectors.KindNotFound, err)
	}
	if creator, ok := s.Connector.(connectors.GrantingCreator); ok {
		for i, some := range [][]connectors.Entitlement{nil, entitlements} {
			wish := s.NewAccount([]string{"bob", "eve"}[i])
			created, left, err := creator.CreateAccountWith(bounded(t), wish, some)
			require.NoError(t, err)
			requireHolds(t, wish.Attributes, created)
			s.settle()
			read, err := s.GetAccount(bounded(t), created.NativeID)
			require.NoError(t, err)
			require.Equal(t, read.Attributes, created.Attributes, "the answer shows all that reading does")
			require.Subset(t, some, left)
			held := slices.DeleteFunc(slices.Clone(some), func(e connectors.Entitlement) bool { return slices.Contains(left, e) })
			require.Equal(t, ordered(held), s.grants(t, created))
		}
	}
}

// testFindAny: one look-up for accounts and deleted ones finds what two find.
func testFindAny(t *testing.T, s subject) {
	finder, ok := s.Connector.(connectors.DeletedFinder)
	if !ok {
		t.Log("not tried: the connector looks for deleted accounts by themselves")
		return
	}
	ada, bob := s.create(t, "ada"), s.deleted(t, "bob")
	for name, want := range map[string][2]string{"ada": {ada.NativeID, ""}, "bob": {"", bob.NativeID}, "eve": {}} {
		value := fmt.Sprint(s.NewAccount(name).Attributes[s.Correlation])
		accounts, deleted, err := finder.FindAnyAccounts(bounded(t), s.Correlation, value)
		require.NoError(t, err)
		require.Equal(t, want[0], onlyID(t, accounts), name)
		require.Equal(t, want[1], onlyID(t, deleted), name)
	}
}

// onlyID is the native id of the one account; "" for none.
func onlyID(t *testing.T, accounts []connectors.Account) string {
	t.Helper()
	if len(accounts) == 0 {
		return ""
	}
	require.Len(t, accounts, 1)
	return accounts[0].NativeID
}
