package simulator_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

var statuses = []string{"STAGED", "PROVISIONED", "ACTIVE", "RECOVERY", "PASSWORD_EXPIRED", "LOCKED_OUT", "SUSPENDED", "DEPROVISIONED"}

// TestTransitions tries each operation from each status: User Lifecycle API and User Credentials API, each operation;
// Users API, User status; reference/error-codes; deactivation of a deactivated user: okta/okta-sdk-java#721. The outcome
// is the status that it leads to, or the refusal; the one under "" is for the statuses that are not named.
func TestTransitions(t *testing.T) {
	t.Parallel()
	for operation, outcomes := range map[string]map[string]string{
		"activate": {
			"STAGED": "PROVISIONED", "DEPROVISIONED": "PROVISIONED", "ACTIVE": "403 E0000016", "PROVISIONED": "403 E0000016", "": "403 E0000038",
		},
		"reactivate": {"PROVISIONED": "PROVISIONED", "RECOVERY": "RECOVERY", "": "403 E0000038"},
		"deactivate": {"DEPROVISIONED": "404 E0000007", "": "DEPROVISIONED"},
		"suspend":    {"ACTIVE": "SUSPENDED", "": "400 E0000001"},
		"unsuspend":  {"SUSPENDED": "ACTIVE", "": "400 E0000001"},
		"unlock":     {"LOCKED_OUT": "ACTIVE", "": "403 E0000032"},
		"reset_factors": {
			"DEPROVISIONED": "403 E0000038", "STAGED": "STAGED", "PROVISIONED": "PROVISIONED", "ACTIVE": "ACTIVE", "RECOVERY": "RECOVERY",
			"PASSWORD_EXPIRED": "PASSWORD_EXPIRED", "LOCKED_OUT": "LOCKED_OUT", "SUSPENDED": "SUSPENDED",
		},
		"expire_password": {"ACTIVE": "PASSWORD_EXPIRED", "": "403 E0000038"},
		"reset_password?sendEmail=false": {
			"STAGED": "403 E0000017", "SUSPENDED": "403 E0000017", "DEPROVISIONED": "403 E0000017", "": "RECOVERY",
		},
	} {
		for _, status := range statuses {
			t.Run(operation+" from "+status, func(t *testing.T) {
				t.Parallel()
				o := newOrg(t, simulator.Options{})
				id := o.in(status, "ada")
				want, named := outcomes[status]
				if !named {
					want = outcomes[""]
				}
				o.clock.pass(time.Hour)
				r := o.do(http.MethodPost, "/api/v1/users/"+id+"/lifecycle/"+operation, nil)
				if r.status == http.StatusOK {
					require.Equal(t, want, o.status(id))
				} else {
					require.Equal(t, want, fmt.Sprintf("%d %s", r.status, r.body["errorCode"]))
					require.Equal(t, status, o.status(id), "a refusal changes nothing")
				}
				changed := o.user(id)["statusChanged"] == "2026-03-01T10:30:15.000Z"
				require.Equal(t, o.status(id) != status, changed, "Users API, User properties: statusChanged")
			})
		}
		t.Run(operation+" of nobody", func(t *testing.T) {
			t.Parallel()
			newOrg(t, simulator.Options{}).refused(404, "E0000007", http.MethodPost, "/api/v1/users/00u0/lifecycle/"+operation, nil)
		})
	}
}

// TestSuspendWords: User Lifecycle API, Suspend and Unsuspend a user; the words are what clients in the field look for.
func TestSuspendWords(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	id := o.staged("ada")
	r := o.refused(400, "E0000001", http.MethodPost, "/api/v1/users/"+id+"/lifecycle/suspend", nil)
	require.Equal(t, []string{"Cannot suspend a user that is not active"}, causes(r))
	r = o.refused(400, "E0000001", http.MethodPost, "/api/v1/users/"+id+"/lifecycle/unsuspend", nil)
	require.Equal(t, []string{"Cannot unsuspend a user that is not suspended"}, causes(r))
}

// TestActivationIsAsynchronous: User Lifecycle API, Activate a user; Users API, transitioningToStatus.
func TestActivationIsAsynchronous(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, target string
		body         map[string]any
	}{
		{"with a password", "ACTIVE", withPassword(profile("ada"))},
		{"without", "PROVISIONED", map[string]any{"profile": profile("ada")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOrg(t, simulator.Options{ActivationLag: 3 * time.Second})
			id := o.must(http.MethodPost, "/api/v1/users?activate=false", c.body).body["id"].(string)
			o.lifecycle(id, "activate?sendEmail=false")
			require.Equal(t, "STAGED", o.status(id))
			require.Equal(t, c.target, o.user(id)["transitioningToStatus"])
			require.Equal(t, c.target, o.seen(id).TransitioningToStatus)
			_, err := o.sim.SignIn("ada@example.com", password)
			require.ErrorIs(t, err, simulator.ErrSignIn)
			o.clock.pass(3*time.Second - 1)
			require.Equal(t, "STAGED", o.status(id))
			o.clock.pass(1)
			require.Equal(t, c.target, o.status(id))
			require.NotContains(t, o.user(id), "transitioningToStatus")
			require.Equal(t, "2026-03-01T09:30:18.000Z", o.user(id)["statusChanged"])
			require.Equal(t, c.target == "ACTIVE", o.user(id)["activated"] != nil)
			require.Empty(t, o.seen(id).TransitioningToStatus)
		})
	}
	t.Run("at the creation", func(t *testing.T) {
		t.Parallel()
		o := newOrg(t, simulator.Options{ActivationLag: time.Second})
		r := o.must(http.MethodPost, "/api/v1/users?activate=true", withPassword(profile("ada")))
		require.Equal(t, "STAGED", r.body["status"])
		require.Equal(t, "ACTIVE", r.body["transitioningToStatus"])
		o.clock.pass(time.Second)
		require.Equal(t, []string{r.body["id"].(string)}, ids(o.query("/api/v1/users", "filter", `status eq "ACTIVE"`)))
	})
}

// TestActivationToken: User Lifecycle API, Activate and Reactivate a user (sendEmail); User Credentials API, Reset a
// password.
func TestActivationToken(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	id := o.staged("ada")
	require.Contains(t, o.lifecycle(id, "activate?sendEmail=false").body["activationUrl"], "/welcome/")
	require.Empty(t, o.lifecycle(id, "reactivate?sendEmail=true").body)
	require.Contains(t, o.lifecycle(id, "reactivate").body, "activationToken", "sendEmail is false by default here")
	require.Empty(t, o.lifecycle(o.staged("bob"), "activate").body, "and true there")
	require.NoError(t, o.sim.ChoosePassword(id, password))
	require.Equal(t, "ACTIVE", o.status(id))
	require.Error(t, o.sim.ChoosePassword(id, password))
	o.refused(400, "E0000028", http.MethodPost, "/api/v1/users/"+id+"/lifecycle/reset_password", nil)
	require.Contains(t, o.lifecycle(id, "reset_password?sendEmail=false").body["resetPasswordUrl"], "/reset_password/")
	require.Error(t, o.sim.ChoosePassword(id, "weak"))
	require.NoError(t, o.sim.ChoosePassword(id, password))
	require.Equal(t, "PASSWORD_EXPIRED", o.lifecycle(id, "expire_password").body["status"], "it answers the user")
}

// TestResults follows help.okta.com, Deactivate and delete user accounts, Results summary: what suspension and deactivation
// leave. Nothing is said of OAuth tokens, so they stay (User Sessions API: they are revoked by asking for it).
func TestResults(t *testing.T) {
	t.Parallel()
	for operation, want := range map[string]struct{ apps, factors, groups, tokens int }{
		"suspend":    {apps: 1, factors: 1, groups: 1, tokens: 1},
		"deactivate": {apps: 0, factors: 1, groups: 1, tokens: 1},
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			o := newOrg(t, simulator.Options{Apps: []simulator.App{{Name: "crm", Label: "CRM"}}})
			id := o.active("ada")
			o.must(http.MethodPut, "/api/v1/groups/"+o.group("Sales")+"/users/"+id, nil)
			o.must(http.MethodPost, "/api/v1/apps/"+o.must(http.MethodGet, "/api/v1/apps", nil).list[0]["id"].(string)+"/users", map[string]any{"id": id})
			_, err := o.sim.EnrollFactor(id, "sms")
			require.NoError(t, err)
			session, err := o.sim.SignIn("ada@example.com", password)
			require.NoError(t, err)
			o.lifecycle(id, operation)
			u := o.seen(id)
			require.Zero(t, u.Sessions)
			require.False(t, o.sim.SessionAlive(session.ID))
			require.Len(t, u.Apps, want.apps)
			require.Len(t, u.Factors, want.factors)
			require.Len(t, u.Groups, want.groups)
			require.Equal(t, want.tokens, u.Tokens)
			_, err = o.sim.SignIn("ada@example.com", password)
			require.ErrorIs(t, err, simulator.ErrSignIn)
		})
	}
}

// TestRehire: Users API, User status: activation after a deactivation leads to PROVISIONED, and a password to ACTIVE. The
// applications are not given back (help.okta.com, Deactivate and delete user accounts).
func TestRehire(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	id := o.in("DEPROVISIONED", "ada")
	o.lifecycle(id, "activate?sendEmail=false")
	require.Equal(t, "PROVISIONED", o.status(id))
	_, err := o.sim.SignIn("ada@example.com", password)
	require.ErrorIs(t, err, simulator.ErrSignIn)
	o.must(http.MethodPost, "/api/v1/users/"+id, map[string]any{"credentials": map[string]any{"password": map[string]any{"value": password}}})
	require.Equal(t, "ACTIVE", o.status(id))
	_, err = o.sim.SignIn("ada@example.com", password)
	require.NoError(t, err)
}

// TestDeactivateInTheBackground: User Lifecycle API, Deactivate a user (Prefer: respond-async, transitioningToStatus); Users
// API, Delete a user (the same header).
func TestDeactivateInTheBackground(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{ActivationLag: time.Minute, RevocationLag: time.Second})
	first, second := o.active("ada"), o.active("bob")
	o.clock.pass(time.Minute)
	session, err := o.sim.SignIn("ada@example.com", password)
	require.NoError(t, err)
	require.Equal(t, 200, o.do(http.MethodPost, "/api/v1/users/"+first+"/lifecycle/deactivate", nil, "Prefer", "respond-async").status)
	require.Equal(t, 204, o.do(http.MethodDelete, "/api/v1/users/"+second, nil, "Prefer", "respond-async").status)
	for _, id := range []string{first, second} {
		require.Equal(t, "ACTIVE", o.status(id))
		require.Equal(t, "DEPROVISIONED", o.user(id)["transitioningToStatus"])
	}
	o.clock.pass(time.Minute)
	require.Equal(t, "DEPROVISIONED", o.status(first))
	require.Equal(t, "DEPROVISIONED", o.status(second))
	require.True(t, o.sim.SessionAlive(session.ID))
	o.clock.pass(time.Second)
	require.False(t, o.sim.SessionAlive(session.ID))
	o.lifecycle(first, "activate")
	require.Error(t, o.sim.ChoosePassword(first, password), "not before it is PROVISIONED")
	o.clock.pass(time.Minute)
	o.lifecycle(first, "deactivate") // without the header it is done at once
	require.Equal(t, "DEPROVISIONED", o.status(first))

	third := o.active("cleo")
	o.clock.pass(time.Minute)
	require.Equal(t, 200, o.do(http.MethodPost, "/api/v1/users/"+third+"/lifecycle/deactivate", nil, "Prefer", "respond-async").status)
	for range 10 {
		_, err := o.sim.SignIn("cleo@example.com", "wrong")
		require.ErrorIs(t, err, simulator.ErrSignIn)
	}
	require.Equal(t, "LOCKED_OUT", o.status(third))
	o.clock.pass(time.Minute)
	require.Equal(t, "DEPROVISIONED", o.status(third), "what happens meanwhile does not stop it")
}
