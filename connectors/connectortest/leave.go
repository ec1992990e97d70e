package connectortest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
)

var leaveTests = map[string]func(*testing.T, subject){
	"the order names every part once": testOrder,
	"a leave, and again":              testLeave,
}

var faultyLeaveTests = map[string]func(*testing.T, subject){
	"every part fails once": testLeaveWithFaults,
}

// parts are the parts of a revocation that the connector has.
func (s subject) parts() []connectors.Revocation {
	return slices.DeleteFunc(connectors.RevocationOrder(), func(r connectors.Revocation) bool {
		need := map[connectors.Revocation]Capability{
			connectors.RevokeAccess: AccountWriter, connectors.RevokeSessions: SessionEnder, connectors.RevokePassword: PasswordResetter,
			connectors.RevokeFactors: FactorResetter, connectors.RevokeGrants: EntitlementGranter,
		}[r]
		return !s.has(need)
	})
}

// order is the order in which the connector wants them.
func (s subject) order() []connectors.Revocation {
	if own, ok := s.Connector.(connectors.RevocationOrderer); ok {
		return own.RevocationOrder()
	}
	return s.parts()
}

func testOrder(t *testing.T, s subject) {
	require.ElementsMatch(t, s.parts(), s.order())
	s.order()[0] = "spoilt"
	require.ElementsMatch(t, s.parts(), s.order(), "the caller can change the order")
}

// leaver is an account with everything that a leave takes.
type leaver struct {
	subject
	account      connectors.Account
	began        time.Time
	entitlements []connectors.Entitlement
	// sessions, password and factors tell from the target's side whether they are still there.
	sessions, password func() bool
	factors            func() int
}

func newLeaver(t *testing.T, s subject, name string, held []connectors.Entitlement) *leaver {
	t.Helper()
	l := &leaver{
		subject: s, account: s.create(t, name), entitlements: held,
		sessions: func() bool { return false }, password: func() bool { return false }, factors: func() int { return 0 },
	}
	if s.has(PasswordResetter) {
		l.password = s.NewPassword(t, l.account.NativeID)
		require.True(t, l.password())
	}
	if s.has(FactorResetter) {
		l.factors = s.NewFactors(t, l.account.NativeID)
		require.Positive(t, l.factors())
	}
	if s.has(SessionEnder) {
		l.sessions = s.NewSession(t, l.account.NativeID)
		require.True(t, l.sessions())
	}
	for _, e := range held {
		require.NoError(t, s.granter().Grant(bounded(t), l.account.NativeID, e))
	}
	s.settle()
	if s.Now != nil {
		l.began = s.Now()
	}
	return l
}

// behind is the leaver seen by another connector, as after a restart of the caller.
func (l *leaver) behind(s subject) *leaver {
	other := *l
	other.subject = s
	return &other
}

// take does one part.
func (l *leaver) take(ctx context.Context, part connectors.Revocation) error {
	id := l.account.NativeID
	switch {
	case part == connectors.RevokeAccess && l.has(Deactivator):
		return l.deactivator().Deactivate(ctx, id)
	case part == connectors.RevokeAccess:
		return l.writer().SetEnabled(ctx, id, false)
	case part == connectors.RevokeSessions:
		return l.subject.sessions().EndSessions(ctx, id)
	case part == connectors.RevokePassword:
		return l.passwords().ResetPassword(ctx, id)
	case part == connectors.RevokeFactors:
		return l.subject.factors().ResetFactors(ctx, id)
	default:
		for _, e := range l.entitlements {
			if err := l.granter().Revoke(ctx, id, e); err != nil {
				return err
			}
		}
		return nil
	}
}

// takeAll does the parts one after the other.
func (l *leaver) takeAll(t *testing.T, parts []connectors.Revocation, why string) {
	t.Helper()
	for _, part := range parts {
		require.NoError(t, l.take(bounded(t), part), "%s: %s", part, why)
	}
}

// requireGone checks, by reading back and from the target's side, that everything was taken.
func (l *leaver) requireGone(t *testing.T, why string) {
	t.Helper()
	l.settle()
	read, err := l.GetAccount(bounded(t), l.account.NativeID)
	require.NoError(t, err)
	require.False(t, read.Enabled, why)
	require.False(t, l.sessions(), "%s: a session lives on", why)
	require.False(t, l.password(), "%s: the password still serves", why)
	require.Zero(t, l.factors(), "%s: a factor is left", why)
	for c, ask := range map[Capability]func() readBack{
		Deactivator:      func() readBack { return l.deactivator().Deactivated },
		SessionEnder:     func() readBack { return l.sessionsEnded(l.began) },
		PasswordResetter: func() readBack { return l.passwordReset(l.began) },
		FactorResetter:   func() readBack { return l.subject.factors().FactorsReset },
	} {
		if l.has(c) {
			l.requireAnswer(t, true, ask(), l.account, fmt.Sprintf("%s: %s", why, c))
		}
	}
	if l.has(EntitlementGranter) {
		require.Empty(t, l.grants(t, l.account), why)
	}
}

// entitlementsToHold makes n entitlements when the connector can grant any.
func (s subject) entitlementsToHold(t *testing.T, n int) []connectors.Entitlement {
	t.Helper()
	if !s.has(EntitlementGranter) {
		return nil
	}
	return s.NewEntitlements(t, n)
}

// testLeave takes everything and then, from every point on, takes it again: all of it is gone already.
func testLeave(t *testing.T, s subject) {
	held := s.entitlementsToHold(t, 3)
	l, stays := newLeaver(t, s, "ada", held), newLeaver(t, s, "bob", held)
	order := s.order()
	l.takeAll(t, order, "the first time")
	l.requireGone(t, "the first time")
	for i := range order {
		l.takeAll(t, order[i:], fmt.Sprintf("again from %s", order[i]))
		l.requireGone(t, fmt.Sprintf("again from %s", order[i]))
	}
	s.requireEnabled(t, stays.account, true)
	if s.has(EntitlementGranter) {
		require.Equal(t, ordered(held), s.grants(t, stays.account), "somebody else's grants")
	}
	require.Equal(t, []bool{s.has(SessionEnder), s.has(PasswordResetter), s.has(FactorResetter)},
		[]bool{stays.sessions(), stays.password(), stays.factors() > 0}, "somebody else's session, password and factors")
}

// testLeaveWithFaults lets a fault befall the first write of each part in turn, and the second, since a part may need
// several. Then another connector takes up the leave, from its beginning and from the part that failed, as a caller does
// that was restarted.
func testLeaveWithFaults(t *testing.T, s subject) {
	proxy := Start(t, s.BaseURL)
	held := s.entitlementsToHold(t, 2)
	faults := []Fault{DropBefore(), DropAfter(), Status(http.StatusServiceUnavailable, 0), Status(http.StatusTooManyRequests, time.Second)}
	order := s.order()
	for i, failing := range order {
		for f, fault := range faults {
			for _, nth := range []int{1, 2} {
				for _, from := range slices.Compact([]int{0, i}) {
					why := fmt.Sprintf("%s of write %d of %s, taken up from %s", fault.name, nth, failing, order[from])
					l := newLeaver(t, s, fmt.Sprintf("person %d-%d-%d-%d", i, f, nth, from), held)
					first := l.behind(subject{s.Target, s.Connect(t, proxy.URL)})
					first.takeAll(t, order[:i], why)
					proxy.SetRules(Rule{Writes: true, Nth: nth, Fault: fault})
					err := first.take(bounded(t), failing)
					proxy.SetRules()
					if nth == 1 {
						require.Error(t, err, why)
					}
					second := l.behind(subject{s.Target, s.Connect(t, proxy.URL)})
					second.takeAll(t, order[from:], why)
					second.requireGone(t, why)
				}
			}
		}
	}
}
