package okta_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/connectors/okta"
	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

// The requests of a leave, in their order, but for the grants.
var leave = []string{
	"POST /api/v1/users/ID",
	"POST /api/v1/users/ID/lifecycle/reset_factors",
	"DELETE /api/v1/users/ID/sessions",
	"POST /api/v1/users/ID/lifecycle/deactivate",
}

func take(ctx context.Context, c *okta.Connector, id string, part connectors.Revocation, held []connectors.Entitlement) error {
	switch part {
	case connectors.RevokePassword:
		return c.ResetPassword(ctx, id)
	case connectors.RevokeFactors:
		return c.ResetFactors(ctx, id)
	case connectors.RevokeSessions:
		return c.EndSessions(ctx, id)
	case connectors.RevokeAccess:
		return c.Deactivate(ctx, id)
	default:
		for _, e := range held {
			if err := c.Revoke(ctx, id, e); err != nil {
				return err
			}
		}
		return nil
	}
}

// leaver is an ACTIVE user with all there is to take.
func (w *world) leaver(t *testing.T, c *okta.Connector) (id string, held []connectors.Entitlement) {
	t.Helper()
	id = w.create(t, c, "ada").NativeID
	w.newFactors(t, id)
	w.newSession(t, id)
	held = w.entitlements(t, 2)
	for _, e := range held {
		require.NoError(t, c.Grant(t.Context(), id, e))
	}
	w.clock.advance(time.Minute)
	w.requests()
	return id, held
}

func (w *world) requireNothingLeft(t *testing.T, id string) {
	t.Helper()
	u := w.user(t, id)
	require.Equal(t, simulator.StatusDeprovisioned, u.Status)
	require.Empty(t, u.Factors)
	require.Empty(t, u.Groups)
	require.Empty(t, u.Apps)
	require.Zero(t, u.Sessions)
	require.Zero(t, u.Tokens, "OAuth tokens outlive the sessions unless they are revoked too")
}

// Factors before deactivation, and sessions with tokens before it: Okta resets none after it.
func TestOrderOfALeave(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	c := connect(t, w.url)
	id, held := w.leaver(t, c)
	for _, part := range c.RevocationOrder() {
		require.NoError(t, take(t.Context(), c, id, part, held))
	}
	asked := w.requests(id)
	require.Contains(t, asked, "DELETE /api/v1/users/ID/sessions?oauthTokens=true")
	require.Equal(t, leave, writesOf(asked)[:4])
	w.requireNothingLeft(t, id)
}

func writesOf(requests []string) []string {
	var out []string
	for _, r := range requests {
		if r, _, _ = strings.Cut(r, "?"); !strings.HasPrefix(r, "GET ") {
			out = append(out, r)
		}
	}
	return out
}

// A leave whose process dies at any point, after the request took effect or before, and that another process takes up
// from any point up to that one: the effects come in the order, and nothing is left.
func TestOrderOfALeaveThatIsTakenUp(t *testing.T) {
	t.Parallel()
	order := connect(t, "http://127.0.0.1:1").RevocationOrder()
	for at := range order {
		for from := 0; from <= at; from++ {
			for _, fault := range []connectortest.Fault{connectortest.DropBefore(), connectortest.DropAfter()} {
				w := newWorld(t, simulator.Options{})
				id, held := w.leaver(t, connect(t, w.url))
				proxy := connectortest.Start(t, w.url)
				first := connect(t, proxy.URL)
				for _, part := range order[:at] {
					require.NoError(t, take(t.Context(), first, id, part, held))
				}
				proxy.SetRules(connectortest.Rule{Writes: true, Times: 1, Fault: fault})
				requireKind(t, connectors.KindAmbiguous, take(t.Context(), first, id, order[at], held))
				second := connect(t, w.url)
				for _, part := range order[from:] {
					require.NoError(t, take(t.Context(), second, id, part, held), "%s, taken up from %s", order[at], order[from])
				}
				w.requireNothingLeft(t, id)
				requireOrder(t, writesOf(w.requests(id)))
			}
		}
	}
}

// requireOrder checks that the first request of each kind comes in the order of the leave.
func requireOrder(t *testing.T, writes []string) {
	t.Helper()
	last := -1
	for _, want := range leave {
		i := slices.Index(writes, want)
		require.Greater(t, i, last, "%s in %v", want, writes)
		last = i
	}
}

// User Factors API, Unenroll a factor: "You can't unenroll a factor from a deactivated user".
func TestFactorsOfADeactivatedUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	c := connect(t, w.url)
	id, _ := w.leaver(t, c)
	w.post(t, "/api/v1/users/"+id+"/lifecycle/deactivate", "")
	e := requireKind(t, connectors.KindInvalid, c.ResetFactors(t.Context(), id))
	require.Contains(t, e.Detail, "activate the user, reset them, deactivate again")
	none, evidence, err := c.FactorsReset(t.Context(), id)
	require.NoError(t, err)
	require.False(t, none)
	require.Equal(t, map[string]int{"push": 1, "sms": 1, "webauthn": 1}, evidence["byType"])
}

// A password that is not Okta's: the user signs in elsewhere (error-codes, E0000041).
func TestPasswordThatIsElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	c := connect(t, w.url)
	w.post(t, "/api/v1/users?provider=true",
		`{"profile":{"login":"f@example.com","email":"f@example.com","firstName":"F","lastName":"F"},"credentials":{"provider":{"type":"FEDERATION","name":"FEDERATION"}}}`)
	requireKind(t, connectors.KindUnsupported, c.ResetPassword(t.Context(), w.Users()[0].ID))
}
