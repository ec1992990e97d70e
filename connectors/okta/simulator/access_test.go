package simulator_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

// TestRevokeSessions: User Sessions API, Revoke all user sessions: tokens only with oauthTokens=true.
func TestRevokeSessions(t *testing.T) {
	t.Parallel()
	for query, tokens := range map[string]bool{"": false, "?oauthTokens=false": false, "?oauthTokens=true": true} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			o := newOrg(t, simulator.Options{RevocationLag: 30 * time.Second})
			id := o.active("ada")
			o.active("bob")
			first, err := o.sim.SignIn("ada@example.com", password)
			require.NoError(t, err)
			other, err := o.sim.SignIn("bob@example.com", password)
			require.NoError(t, err)
			require.Equal(t, id, first.UserID)
			require.Equal(t, 204, o.do(http.MethodDelete, "/api/v1/users/"+id+"/sessions"+query, nil).status)
			require.True(t, o.sim.SessionAlive(first.ID), "it takes a while")
			o.clock.pass(20 * time.Second)
			o.must(http.MethodDelete, "/api/v1/users/"+id+"/sessions"+query, nil)
			late, err := o.sim.SignIn("ada@example.com", password)
			require.NoError(t, err)
			o.clock.pass(10 * time.Second)
			require.False(t, o.sim.SessionAlive(first.ID), "a second revocation does not put off the first")
			require.Equal(t, !tokens, o.sim.SessionAlive(first.Token))
			require.True(t, o.sim.SessionAlive(late.ID), "a later sign-in is not touched")
			require.True(t, o.sim.SessionAlive(other.ID))
			require.Equal(t, 1, o.seen(id).Sessions)
			require.Equal(t, map[bool]int{false: 2, true: 1}[tokens], o.seen(id).Tokens)
			require.False(t, o.sim.SessionAlive("102nothing"))
			require.Contains(t, o.user(id)["lastLogin"], "2026-")
		})
	}
	o := newOrg(t, simulator.Options{})
	o.refused(404, "E0000007", http.MethodDelete, "/api/v1/users/00u0/sessions", nil)
}

// TestRefreshTokens: User Resources API, List all clients; User OAuth API, List all refresh tokens for a client.
func TestRefreshTokens(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{RevocationLag: 30 * time.Second})
	id, other := o.active("ada"), o.active("bob")
	clients := func(id string) (out []string) {
		for _, c := range o.must(http.MethodGet, "/api/v1/users/"+id+"/clients", nil).list {
			out = append(out, c["client_id"].(string))
		}
		return out
	}
	require.Empty(t, clients(id))
	issue := func(id, client string) string {
		token, err := o.sim.IssueToken(id, client)
		require.NoError(t, err)
		return token
	}
	first := issue(id, "0oaMail")
	o.clock.pass(time.Second)
	want := []string{first, issue(id, "0oaMail"), issue(id, "0oaMail")}
	issue(id, "0oaChat")
	require.Equal(t, []string{"0oaChat", "0oaMail"}, clients(id))
	tokens := "/api/v1/users/" + id + "/clients/0oaMail/tokens"
	require.Equal(t, [][]string{want[:2], want[2:]}, o.pages(tokens+"?limit=2"))
	one := o.must(http.MethodGet, tokens, nil).list[0]
	require.Equal(t, []any{"ACTIVE", id, "0oaMail"}, []any{one["status"], one["userId"], one["clientId"]})
	require.Empty(t, o.must(http.MethodGet, "/api/v1/users/"+id+"/clients/0oaNone/tokens", nil).list)
	require.Empty(t, clients(other), "somebody else's")

	o.lifecycle(id, "deactivate")
	require.Equal(t, 4, o.seen(id).Tokens)
	require.Len(t, o.must(http.MethodGet, tokens, nil).list, 3, "a deactivation revokes no token")
	o.must(http.MethodDelete, "/api/v1/users/"+id+"/sessions?oauthTokens=true", nil)
	require.Len(t, o.must(http.MethodGet, tokens, nil).list, 3, "it takes a while")
	o.clock.pass(30 * time.Second)
	require.Empty(t, o.must(http.MethodGet, tokens, nil).list)
	require.Empty(t, clients(id))
	o.refused(404, "E0000007", http.MethodGet, "/api/v1/users/00u0/clients", nil)
	o.refused(404, "E0000007", http.MethodGet, "/api/v1/users/00u0/clients/0oaMail/tokens", nil)
}

// TestResetPasswordRevokes: User Credentials API, Reset a password, revokeSessions.
func TestResetPasswordRevokes(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]bool{"": true, "&revokeSessions=true": false} {
		o := newOrg(t, simulator.Options{})
		id := o.active("ada")
		session, err := o.sim.SignIn("ada@example.com", password)
		require.NoError(t, err)
		o.lifecycle(id, "reset_password?sendEmail=false"+query)
		require.Equal(t, want, o.sim.SessionAlive(session.ID))
		_, err = o.sim.SignIn("ada@example.com", password)
		require.ErrorIs(t, err, simulator.ErrSignIn, "a user in RECOVERY cannot sign in")
	}
}

// TestFactors: User Factors API, List all enrolled factors and Unenroll a factor; User Lifecycle API, Reset the factors.
func TestFactors(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	id := o.active("ada")
	path := "/api/v1/users/" + id + "/factors"
	require.NotContains(t, o.user(id)["_links"], "resetFactors", "present only with factors enrolled")
	enroll := func(kinds ...string) []string {
		var out []string
		for _, kind := range kinds {
			f, err := o.sim.EnrollFactor(id, kind)
			require.NoError(t, err)
			out = append(out, f)
		}
		return out
	}
	enrolled := enroll("sms", "push", "token:software:totp", "signed_nonce", "webauthn")
	require.Contains(t, o.user(id)["_links"], "resetFactors")
	list := o.must(http.MethodGet, path, nil).list
	require.Equal(t, enrolled, ids(list))
	require.Equal(t, "sms", list[0]["factorType"])
	require.Equal(t, "ACTIVE", list[0]["status"])
	require.Equal(t, 204, o.do(http.MethodDelete, path+"/"+enrolled[0], nil).status)
	require.Equal(t, 204, o.do(http.MethodDelete, path+"/"+enrolled[1], nil).status)
	require.Equal(t, []string{"webauthn"}, o.seen(id).Factors, "push takes the rest of Okta Verify with it")
	o.refused(404, "E0000007", http.MethodDelete, path+"/"+enrolled[0], nil)
	enroll("question", "call")
	require.Equal(t, 200, o.lifecycle(id, "reset_factors").status)
	require.Empty(t, o.must(http.MethodGet, path, nil).list)
	require.Equal(t, "ACTIVE", o.status(id))

	left := enroll("sms")[0]
	o.lifecycle(id, "deactivate")
	o.refused(403, "E0000038", http.MethodPost, "/api/v1/users/"+id+"/lifecycle/reset_factors", nil)
	o.refused(403, "E0000038", http.MethodDelete, path+"/"+left, nil)
	require.Equal(t, []string{"sms"}, o.seen(id).Factors, "too late: reset first, then deactivate")
	_, err := o.sim.EnrollFactor(id, "carrier pigeon")
	require.Error(t, err)
	_, err = o.sim.EnrollFactor("00u0", "sms")
	require.Error(t, err)
}

// TestLockOut: Users API, User status (LOCKED_OUT, unlock).
func TestLockOut(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	id := o.active("ada")
	wrong := func(times int) {
		for range times {
			_, err := o.sim.SignIn("ada@example.com", "wrong")
			require.ErrorIs(t, err, simulator.ErrSignIn)
		}
	}
	right := func() error {
		_, err := o.sim.SignIn("ADA@example.com", password)
		return err
	}
	wrong(9)
	require.NoError(t, right())
	wrong(9)
	require.NoError(t, right(), "the right one in between starts the count anew")
	wrong(10)
	require.Equal(t, "LOCKED_OUT", o.status(id))
	require.ErrorIs(t, right(), simulator.ErrSignIn)
	o.lifecycle(id, "unlock")
	wrong(9)
	require.NoError(t, right(), "so does unlocking")
	_, err := o.sim.SignIn("nobody@example.com", password)
	require.ErrorIs(t, err, simulator.ErrSignIn)
}
