package okta_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/okta"
	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

// requireEnded asks whether the sessions ended, and answers what it rests on.
func requireEnded(t *testing.T, want bool, c *okta.Connector, id string, before time.Time, why string) connectors.Evidence {
	t.Helper()
	ended, evidence, err := c.SessionsEnded(t.Context(), id, before)
	require.NoError(t, err)
	require.Equal(t, want, ended, "%s: %v", why, evidence)
	return evidence
}

// In every status: a refresh token that works is not ended, whatever the status; the accepted request counts; and a
// connector that knows of none goes by the tokens, where the status allows no sign-in.
func TestWhatProvesThatSessionsEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	for status, disabled := range map[string]bool{
		simulator.StatusSuspended: true, simulator.StatusDeprovisioned: true,
		simulator.StatusActive: false, simulator.StatusLockedOut: false, simulator.StatusRecovery: false,
	} {
		c := connect(t, w.url)
		wish := account(status)
		wish.Enabled = false
		a, err := c.CreateAccount(t.Context(), wish)
		require.NoError(t, err)
		into[status](t, w, a.NativeID)
		_, err = w.IssueToken(a.NativeID, "0oaMail")
		require.NoError(t, err)
		asked := w.clock.Now()
		evidence := requireEnded(t, false, c, a.NativeID, asked, status+" with a token that works")
		require.Equal(t, status, evidence["status"])
		require.NotContains(t, evidence, "accepted")

		require.NoError(t, c.EndSessions(t.Context(), a.NativeID))
		evidence = requireEnded(t, true, c, a.NativeID, asked, status)
		require.Contains(t, evidence["accepted"], "oauthTokens=true")
		require.Equal(t, asked.UTC().Truncate(time.Second), evidence["acceptedAt"], "by Okta's clock")
		require.Equal(t, 0, evidence["refreshTokens"])

		evidence = requireEnded(t, disabled, connect(t, w.url), a.NativeID, asked, "another connector: "+status)
		require.NotContains(t, evidence, "accepted")
		w.clock.advance(time.Minute)
		evidence = requireEnded(t, disabled, c, a.NativeID, w.clock.Now(), "what was accepted earlier: "+status)
		require.NotContains(t, evidence, "accepted")
	}
}

// One who never signed in costs no request more.
func TestSessionsOfOneWhoWasNeverActivated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	c := connect(t, w.url)
	wish := account("ada")
	wish.Enabled = false
	a, err := c.CreateAccount(t.Context(), wish)
	require.NoError(t, err)
	w.requests()
	evidence := requireEnded(t, true, c, a.NativeID, w.clock.Now(), "staged")
	require.Contains(t, evidence["sessions"], "never activated")
	require.Equal(t, []string{"GET /api/v1/users/ID"}, w.requests(a.NativeID))
}

// A revocation that takes a while is not shown before it has taken effect, deactivated or not, however often it is asked for.
func TestARevocationThatTakesAWhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{RevocationLag: 30 * time.Second})
	c := connect(t, w.url)
	id, _ := w.leaver(t, c)
	_, err := w.IssueToken(id, "0oaMail")
	require.NoError(t, err)
	began := w.clock.Now()
	for range 3 {
		require.NoError(t, c.EndSessions(t.Context(), id))
		require.NoError(t, c.Deactivate(t.Context(), id))
		requireEnded(t, false, c, id, began, "not yet")
		requireEnded(t, false, connect(t, w.url), id, began, "not yet, and nothing known of a request")
		w.clock.advance(10 * time.Second)
	}
	w.requests()
	requireEnded(t, true, c, id, began, "half a minute later")
	require.Equal(t, []string{"GET /api/v1/users/ID", "GET /api/v1/users/ID/clients"}, w.requests(id), "that is all it costs")
	require.Zero(t, w.user(t, id).Tokens)
}

// Where Okta does not show the tokens, the accepted request is what is left, and the evidence says so. Without it nothing is
// proven.
func TestTokensThatOktaDoesNotList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	org, err := url.Parse(w.url)
	require.NoError(t, err)
	for status, body := range map[int]string{
		http.StatusForbidden: `{"errorCode":"E0000006"}`, http.StatusNotFound: `{"errorCode":"E0000007"}`, http.StatusNotImplemented: `{"errorCode":"E0000060"}`,
		http.StatusUnauthorized: `{"errorCode":"E0000011"}`, http.StatusBadGateway: `bad gateway`,
	} {
		proxy := httputil.NewSingleHostReverseProxy(org)
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/clients") {
				answers(status, body)(rw, r)
				return
			}
			proxy.ServeHTTP(rw, r)
		}))
		t.Cleanup(server.Close)
		c := connect(t, server.URL)
		a := w.create(t, c, "ada"+http.StatusText(status))
		began := w.clock.Now()
		require.NoError(t, c.Deactivate(t.Context(), a.NativeID))
		if status == http.StatusUnauthorized || status == http.StatusBadGateway {
			_, _, err := c.SessionsEnded(t.Context(), a.NativeID, began)
			require.Error(t, err, "that is an outage")
			continue
		}
		requireEnded(t, false, c, a.NativeID, began, "the status alone")
		require.NoError(t, c.EndSessions(t.Context(), a.NativeID))
		evidence := requireEnded(t, true, c, a.NativeID, began, "accepted")
		require.Contains(t, evidence["accepted"], "204")
		require.Contains(t, evidence["refreshTokens"], "not listed: Okta answered")
		require.Equal(t, simulator.StatusDeprovisioned, evidence["status"])
	}
}

// What is no list of clients or tokens proves nothing. A token that is listed as revoked does not work.
func TestListsOfTokens(t *testing.T) {
	t.Parallel()
	const user = `{"id":"00u1","status":"SUSPENDED","activated":"2031-01-01T00:00:00.000Z","profile":{"login":"a"}}`
	for _, tt := range []struct {
		clients, tokens string
		want            any // the answer, or the error's kind
	}{
		{`[]`, ``, true},
		{`[{"client_id":"0oa1"},{"client_id":"my.client$(1)"}]`, `[]`, true},
		{`[{"client_id":"0oa1"}]`, `[{"id":"oar1","status":"REVOKED"}]`, true},
		{`[{"client_id":"0oa1"}]`, `[{"id":"oar1","status":"REVOKED"},{"id":"oar2","status":"ACTIVE"}]`, false},
		{`[{"client_id":"0oa1"}]`, `[{"id":"oar1"}]`, false},
		{`[{}]`, `[]`, connectors.KindUnavailable},
		{`[{"client_id":".."}]`, `[]`, connectors.KindUnavailable},
		{`[{"client_id":"0oa1"}]`, `[{}]`, connectors.KindUnavailable},
		{`{}`, `[]`, connectors.KindUnavailable},
		{`[{"client_id":"0oa1"}]`, `{}`, connectors.KindUnavailable},
	} {
		c := scripted(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/tokens"):
				answers(200, tt.tokens)(w, r)
			case strings.HasSuffix(r.URL.Path, "/clients"):
				answers(200, tt.clients)(w, r)
			default:
				answers(200, user)(w, r)
			}
		})
		if kind, ok := tt.want.(connectors.Kind); ok {
			_, _, err := c.SessionsEnded(t.Context(), "00u1", time.Now())
			requireKind(t, kind, err)
			continue
		}
		requireEnded(t, tt.want.(bool), c, "00u1", time.Now(), tt.clients+tt.tokens)
	}
}
