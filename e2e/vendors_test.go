package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
)

// TestAJoinerTakesThreeCalls: look up, make, read back, with memberships; what groups are called is known by then.
func TestAJoinerTakesThreeCalls(t *testing.T) {
	t.Parallel()
	v := newVendors(t, lags{})
	v.send(identity.WorkerJoined, person(1))
	v.quiet()
	v.entraProxy.Reset()
	v.oktaProxy.Reset()
	before, beforeInOkta := v.entra.Stats(), v.okta.Stats()
	v.send(identity.WorkerJoined, person(2))
	v.quiet()
	v.requireWorks("E0002", "Sales")
	requireOrder(t, v.entraProxy.Requests(), `^POST /v1.0/\$batch$`, `^POST /v1.0/users$`, `^POST /v1.0/\$batch$`)
	require.Len(t, v.entraProxy.Requests(), 3)
	require.Equal(t, map[string]int{
		"POST /$batch": 2, "GET /users": 1, "GET /directory/deletedItems/microsoft.graph.user": 1, "POST /users": 1,
		"POST /groups/{id}/members/$ref": 2, "GET /users/{id}": 1, "GET /users/{id}/memberOf": 1,
	}, since(v.entra.Stats().Calls, before.Calls))
	require.Equal(t, map[string]int{"GET /api/v1/users": 1, "POST /api/v1/users": 1, "GET /api/v1/users/{id}/groups": 1},
		since(v.okta.Stats().Calls, beforeInOkta.Calls))
}

// since are the calls that came after those of before.
func since(calls, before map[string]int) map[string]int {
	for name, n := range before {
		if calls[name] -= n; calls[name] == 0 {
			delete(calls, name)
		}
	}
	return calls
}

// TestAThrottledJoinerDoesNotFail: a target that asks to be left alone is left alone, is not taken for one that is down, and
// uses up no patience for one that is.
func TestAThrottledJoinerDoesNotFail(t *testing.T) {
	t.Parallel()
	v := newVendors(t, lags{})
	v.applyPolicy(strings.ReplaceAll(v.policy, "attemptTimeout: 5s", "attemptTimeout: 5s\n    blockBudget: 2s\n    rate: {requests: 600, per: 1m}"))
	const wait = 2 * time.Second
	for _, proxy := range []*connectortest.FaultProxy{v.entraProxy, v.oktaProxy} {
		proxy.SetRules(connectortest.Rule{Times: 3, Fault: connectortest.Status(http.StatusTooManyRequests, wait)},
			connectortest.Rule{Times: 1, Fault: connectortest.Status(http.StatusServiceUnavailable, 0)})
	}
	v.send(identity.WorkerJoined, person(1))
	v.quiet()
	v.requireWorks("E0001", "Sales")
	for _, proxy := range []*connectortest.FaultProxy{v.entraProxy, v.oktaProxy} {
		requests := proxy.Requests()
		for i := range 3 {
			require.GreaterOrEqual(t, requests[i+1].At.Sub(requests[i].At), wait)
		}
	}
	require.Zero(t, one[int](v.world, `select count(*)::int from audit where action like 'target.%' or action = 'operation.failed'`))
}

func TestALeaveInEntraAndOkta(t *testing.T) {
	t.Parallel()
	v := newVendors(t, lags{})
	v.send(identity.WorkerJoined, person(1))
	v.quiet()
	v.requireWorks("E0001", "Sales")
	inside := v.signIn("E0001")
	require.Len(t, inside(), 4)
	v.entraProxy.Reset()
	v.oktaProxy.Reset()
	left := v.leaveNow("E0001")
	v.quiet()
	v.requireOut("E0001", left, inside)
	requireOrder(t, v.oktaProxy.Requests(), `lifecycle/reset_factors$`, `/sessions$`, `lifecycle/deactivate$`)
	requireOrder(t, v.entraProxy.Requests(), `^PATCH .*/users/[^/]+$`, `/revokeSignInSessions$`, `^PATCH .*/users/[^/]+$`, `^DELETE .*/authentication/`)
}

// requireOrder checks that requests like these came in this order, each after the one before.
func requireOrder(t *testing.T, requests []connectortest.Request, patterns ...string) {
	t.Helper()
	var seen []string
	for _, r := range requests {
		seen = append(seen, r.Method+" "+r.Path)
	}
	rest := seen
	for _, pattern := range patterns {
		i := slices.IndexFunc(rest, regexp.MustCompile(pattern).MatchString)
		require.GreaterOrEqual(t, i, 0, "%s does not follow in %q", pattern, seen)
		rest = rest[i+1:]
	}
}

// TestALeaveInEntraAndOktaFromAnyPoint has the answers to many calls lost, after they took effect or before, so that the
// leave is taken up again at one point after another.
func TestALeaveInEntraAndOktaFromAnyPoint(t *testing.T) {
	t.Parallel()
	v := newVendors(t, lags{})
	const people = 6
	var inside []func() []string
	for n := range people {
		v.send(identity.WorkerJoined, person(n))
	}
	v.quiet()
	for n := range people {
		v.requireWorks(fmt.Sprintf("E%04d", n), "Sales")
		inside = append(inside, v.signIn(fmt.Sprintf("E%04d", n)))
	}
	for i, proxy := range []*connectortest.FaultProxy{v.entraProxy, v.oktaProxy} {
		proxy.SetSeed(uint64(i) + 11)
		proxy.SetRules(connectortest.Rule{Writes: true, Probability: 0.12, Fault: connectortest.DropAfter()},
			connectortest.Rule{Writes: true, Probability: 0.06, Fault: connectortest.DropBefore()},
			connectortest.Rule{Writes: true, Probability: 0.06, Fault: connectortest.Status(http.StatusServiceUnavailable, 0)})
	}
	var left []lifecycle.Receipt
	for n := range people {
		left = append(left, v.leaveNow(fmt.Sprintf("E%04d", n)))
	}
	v.quiet()
	for n := range people {
		v.requireOut(fmt.Sprintf("E%04d", n), left[n], inside[n])
	}
}

// TestAVendorTakesItsTime: sessions are verified as ended when the vendor shows it, and not before.
func TestAVendorTakesItsTime(t *testing.T) {
	t.Parallel()
	const lag = 3 * time.Second
	v := newVendors(t, lags{revocation: lag, activation: time.Second, read: 2 * time.Second})
	v.send(identity.WorkerJoined, person(1))
	v.quiet()
	v.requireWorks("E0001", "Sales")
	inside := v.signIn("E0001")
	left := v.leaveNow("E0001")
	v.quiet()
	v.requireOut("E0001", left, inside)
	took := one[float64](v.world, `select extract(epoch from verified_at - requested_at)::float8 from operations
		where identity_id = $1 and target = 'entra' and action = $2 and status = 'confirmed'`, left.Identity, lifecycle.ActionEndSessions)
	require.GreaterOrEqual(t, took, lag.Seconds()-1, "Entra's times are whole seconds")
}

// TestMovesInEntraAndOkta: a rename is the same user, a leave of absence suspends, a rehire brings the same user back.
func TestMovesInEntraAndOkta(t *testing.T) {
	t.Parallel()
	v := newVendors(t, lags{})
	v.send(identity.WorkerJoined, person(1))
	v.quiet()
	inEntra, inOkta := v.inEntra("E0001").ID, v.inOkta("E0001").ID

	v.send(identity.WorkerChanged, fact{"employeeId": "E0001", "familyName": "Renamed", "department": "Marketing"})
	v.quiet()
	v.requireWorks("E0001", "Marketing")
	require.Equal(t, "given.renamed@"+domain, v.inEntra("E0001").UserPrincipalName)
	require.Equal(t, "given.renamed@"+domain, v.inOkta("E0001").Login)

	v.send(identity.WorkerLeaveStarted, fact{"employeeId": "E0001"})
	v.quiet()
	require.False(t, v.inEntra("E0001").Enabled)
	require.Equal(t, "SUSPENDED", v.inOkta("E0001").Status)
	v.send(identity.WorkerLeaveEnded, fact{"employeeId": "E0001"})
	v.quiet()
	v.requireWorks("E0001", "Marketing")

	v.leaveNow("E0001")
	v.quiet()
	require.Equal(t, "DEPROVISIONED", v.inOkta("E0001").Status)
	v.send(identity.WorkerRehired, fact{"employeeId": "E0001", "department": "Sales"})
	v.quiet()
	v.requireWorks("E0001", "Sales")
	require.Equal(t, inEntra, v.inEntra("E0001").ID)
	require.Equal(t, inOkta, v.inOkta("E0001").ID)
}
