package okta_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

// into brings a user into each status, as an administrator or the person does.
var into = map[string]func(t *testing.T, w *world, id string){
	simulator.StatusStaged: func(*testing.T, *world, string) {},
	simulator.StatusProvisioned: func(t *testing.T, w *world, id string) {
		w.post(t, "/api/v1/users/"+id+"/lifecycle/deactivate", "")
		w.post(t, "/api/v1/users/"+id+"/lifecycle/activate?sendEmail=false", "")
	},
	simulator.StatusActive: activate,
	simulator.StatusRecovery: func(t *testing.T, w *world, id string) {
		activate(t, w, id)
		w.post(t, "/api/v1/users/"+id+"/lifecycle/reset_password?sendEmail=false", "")
	},
	simulator.StatusPasswordExpired: func(t *testing.T, w *world, id string) {
		activate(t, w, id)
		w.post(t, "/api/v1/users/"+id+"/lifecycle/expire_password", "")
	},
	simulator.StatusLockedOut: func(t *testing.T, w *world, id string) {
		activate(t, w, id)
		for range 10 {
			_, err := w.SignIn(w.user(t, id).Login, "wrong")
			require.ErrorIs(t, err, simulator.ErrSignIn)
		}
	},
	simulator.StatusSuspended: func(t *testing.T, w *world, id string) {
		activate(t, w, id)
		w.post(t, "/api/v1/users/"+id+"/lifecycle/suspend", "")
	},
	simulator.StatusDeprovisioned: func(t *testing.T, w *world, id string) {
		w.post(t, "/api/v1/users/"+id+"/lifecycle/deactivate", "")
	},
}

func activate(t *testing.T, w *world, id string) {
	w.post(t, "/api/v1/users/"+id+"/lifecycle/activate?sendEmail=false", "")
}

// User Lifecycle API: which operation is allowed in which status.
func TestSetEnabledFromEveryStatus(t *testing.T) {
	t.Parallel()
	const path = "POST /api/v1/users/ID/lifecycle/"
	for status, want := range map[string]struct {
		enabled         bool
		enable, disable string // the operation
		on, off         string // the status after it
	}{
		simulator.StatusStaged:          {false, "activate?sendEmail=false", "", simulator.StatusActive, simulator.StatusStaged},
		simulator.StatusProvisioned:     {true, "", "deactivate", simulator.StatusProvisioned, simulator.StatusDeprovisioned},
		simulator.StatusActive:          {true, "", "suspend", simulator.StatusActive, simulator.StatusSuspended},
		simulator.StatusRecovery:        {true, "", "deactivate", simulator.StatusRecovery, simulator.StatusDeprovisioned},
		simulator.StatusPasswordExpired: {true, "", "deactivate", simulator.StatusPasswordExpired, simulator.StatusDeprovisioned},
		simulator.StatusLockedOut:       {true, "", "deactivate", simulator.StatusLockedOut, simulator.StatusDeprovisioned},
		simulator.StatusSuspended:       {false, "unsuspend", "", simulator.StatusActive, simulator.StatusSuspended},
		simulator.StatusDeprovisioned:   {false, "activate?sendEmail=false", "", simulator.StatusProvisioned, simulator.StatusDeprovisioned},
	} {
		for _, enable := range []bool{true, false} {
			w := newWorld(t, simulator.Options{})
			c := connect(t, w.url)
			wish := account("ada")
			wish.Enabled = false
			a, err := c.CreateAccount(t.Context(), wish)
			require.NoError(t, err)
			into[status](t, w, a.NativeID)
			require.Equal(t, status, w.user(t, a.NativeID).Status)
			read, err := c.GetAccount(t.Context(), a.NativeID)
			require.NoError(t, err)
			require.Equal(t, want.enabled, read.Enabled, status)
			w.requests()

			require.NoError(t, c.SetEnabled(t.Context(), a.NativeID, enable), status)
			operation, after := want.disable, want.off
			if enable {
				operation, after = want.enable, want.on
			}
			expected := []string{"GET /api/v1/users/ID"}
			if operation != "" {
				expected = append(expected, path+operation)
			}
			require.Equal(t, expected, w.requests(a.NativeID), status)
			require.Equal(t, after, w.user(t, a.NativeID).Status, status)

			w.requests()
			require.NoError(t, c.SetEnabled(t.Context(), a.NativeID, enable), status)
			require.Equal(t, []string{"GET /api/v1/users/ID"}, w.requests(a.NativeID), "a second time there is nothing to do")
		}
	}
}

// User Lifecycle API: "Activation of a user is an asynchronous operation".
func TestActivationTakesTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{ActivationLag: time.Minute})
	c := connect(t, w.url)
	a := w.create(t, c, "ada")
	require.False(t, a.Enabled, "it is on its way only")
	require.NoError(t, c.SetEnabled(t.Context(), a.NativeID, true), "it is under way already")
	requireKind(t, connectors.KindUnavailable, c.SetEnabled(t.Context(), a.NativeID, false))
	requireKind(t, connectors.KindUnavailable, c.Deactivate(t.Context(), a.NativeID))
	requireKind(t, connectors.KindUnavailable, c.UpdateAccount(t.Context(), a.NativeID, map[string]any{"title": "x"}))
	requireKind(t, connectors.KindUnavailable, c.DeleteAccount(t.Context(), a.NativeID))
	w.clock.advance(time.Minute)
	read, err := c.GetAccount(t.Context(), a.NativeID)
	require.NoError(t, err)
	require.True(t, read.Enabled)
}

// A deactivation that is under way, begun by somebody else with "Prefer: respond-async".
func TestDeactivationTakesTime(t *testing.T) {
	t.Parallel()
	transition := `{"id":"00u1","status":"ACTIVE","transitioningToStatus":"DEPROVISIONED","profile":{"login":"a@example.com"}}`
	c := scripted(t, answers(200, transition))
	done, evidence, err := c.Deactivated(t.Context(), "00u1")
	require.NoError(t, err)
	require.False(t, done)
	require.Equal(t, "DEPROVISIONED", evidence["transitioningToStatus"])
	require.NoError(t, c.SetEnabled(t.Context(), "00u1", false))
	requireKind(t, connectors.KindUnavailable, c.SetEnabled(t.Context(), "00u1", true))
}

// The status changes between the read and the write: another attempt will see it.
func TestStatusChangesMeanwhile(t *testing.T) {
	t.Parallel()
	for _, refusal := range []string{"E0000001", "E0000016", "E0000038"} {
		c := scripted(t, byMethod(
			answers(200, `{"id":"00u1","status":"ACTIVE","profile":{"login":"a@example.com"}}`),
			answers(403, `{"errorCode":"`+refusal+`"}`)))
		requireKind(t, connectors.KindUnavailable, c.SetEnabled(t.Context(), "00u1", false))
	}
}

// Users API: Update a user. An org that does not allow it answers that a deactivated user is not there.
func TestUpdateOfADeactivatedUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	c := connect(t, w.url)
	a := w.create(t, c, "ada")
	require.NoError(t, c.Deactivate(t.Context(), a.NativeID))
	e := requireKind(t, connectors.KindInvalid, c.UpdateAccount(t.Context(), a.NativeID, map[string]any{"title": "x"}))
	require.Contains(t, e.Detail, "enable the account first")
	require.NoError(t, c.SetEnabled(t.Context(), a.NativeID, true))
	require.NoError(t, c.UpdateAccount(t.Context(), a.NativeID, map[string]any{"title": "x"}))
}

// Users API: User creation scenarios. One request, no mail: Okta mails whoever is activated without a password, and who
// gets one becomes ACTIVE.
func TestCreate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	c := connect(t, w.url)
	a := w.create(t, c, "ada")
	require.Equal(t, []string{"POST /api/v1/users?activate=true"}, w.requests())
	require.Equal(t, simulator.StatusActive, w.user(t, a.NativeID).Status)
	require.False(t, w.user(t, a.NativeID).PasswordChanged.IsZero())

	wish := account("bob")
	wish.Enabled = false
	b, err := c.CreateAccount(t.Context(), wish)
	require.NoError(t, err)
	require.Equal(t, []string{"POST /api/v1/users?activate=false"}, w.requests())
	require.Equal(t, simulator.StatusStaged, w.user(t, b.NativeID).Status)

	for _, name := range []string{"", "two words", `x" or profile.login pr or profile.y`, "a.b"} {
		requireKind(t, connectors.KindInvalid, c.UpdateAccount(t.Context(), a.NativeID, map[string]any{name: "x"}))
		_, err := c.FindAccounts(t.Context(), name, "x")
		requireKind(t, connectors.KindInvalid, err)
	}
	require.Empty(t, w.requests())
}

// Users API: Create user in group. A joiner costs the look-up, the create and the read-back.
func TestCreateWithGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	c := connect(t, w.url)
	all := w.entitlements(t, 45) // 23 groups and 22 applications in turn
	a, left, err := c.CreateAccountWith(t.Context(), account("ada"), all)
	require.NoError(t, err)
	require.Equal(t, []string{"POST /api/v1/users?activate=true"}, w.requests())
	require.Len(t, left, 45-20)
	held, err := c.GrantsOf(t.Context(), a.NativeID)
	require.NoError(t, err)
	require.Len(t, held, 20)
	require.ElementsMatch(t, all, append(held, left...))
	for _, e := range left {
		require.NoError(t, c.Grant(t.Context(), a.NativeID, e))
	}
	held, err = c.GrantsOf(t.Context(), a.NativeID)
	require.NoError(t, err)
	require.ElementsMatch(t, all, held)

	missing := connectors.Entitlement{NativeID: "00g1", Kind: "group", Name: "missing"}
	_, _, err = c.CreateAccountWith(t.Context(), account("bob"), []connectors.Entitlement{missing})
	requireKind(t, connectors.KindNotFound, err)
	_, _, err = c.CreateAccountWith(t.Context(), account("bob"), []connectors.Entitlement{{Kind: "group"}})
	requireKind(t, connectors.KindInvalid, err)
	require.Len(t, w.Users(), 1, "nobody was created")
}

// A deletion takes two requests, and one when the user is deactivated already (Users API: Delete a user).
func TestDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	c := connect(t, w.url)
	for _, deactivated := range []bool{false, true} {
		a := w.create(t, c, "ada")
		if deactivated {
			require.NoError(t, c.Deactivate(t.Context(), a.NativeID))
		}
		w.requests()
		require.NoError(t, c.DeleteAccount(t.Context(), a.NativeID))
		require.Equal(t, []string{"DELETE /api/v1/users/ID", "DELETE /api/v1/users/ID"}, w.requests(a.NativeID))
		require.Empty(t, w.Users())
	}
}

// "me" is whoever owns the token, and an id goes into the path as it is.
func TestIDsThatAreNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	c := connect(t, w.url)
	e := connectors.Entitlement{NativeID: "00g1", Kind: "group", Name: "x"}
	for _, id := range []string{"", ".", "..", "me", "Me", "a/b", "a?b", "a#b", "ada@example.com", "../groups", "%2e", "a b", "ä"} {
		_, errGet := c.GetAccount(t.Context(), id)
		_, errGrants := c.GrantsOf(t.Context(), id)
		for _, err := range []error{
			errGet, errGrants, c.SetEnabled(t.Context(), id, false), c.DeleteAccount(t.Context(), id), c.Deactivate(t.Context(), id),
			c.EndSessions(t.Context(), id), c.ResetPassword(t.Context(), id), c.ResetFactors(t.Context(), id),
			c.UpdateAccount(t.Context(), id, map[string]any{"title": "x"}), c.Grant(t.Context(), id, e), c.Revoke(t.Context(), id, e),
			c.Revoke(t.Context(), "00u1", connectors.Entitlement{NativeID: id, Kind: "application"}),
		} {
			requireKind(t, connectors.KindInvalid, err)
		}
		found, err := c.FindAccounts(t.Context(), "id", id)
		require.NoError(t, err)
		require.Empty(t, found)
	}
	require.Empty(t, w.requests(), "nothing was asked")
}

// A write answered 404 while the user is there, and neither is deactivated: nothing was done, another attempt will tell.
func TestContradiction(t *testing.T) {
	t.Parallel()
	c := scripted(t, byMethod(
		answers(200, `{"id":"00u1","status":"ACTIVE","profile":{"login":"a@example.com"}}`), answers(404, `{"errorCode":"E0000007"}`)))
	for _, err := range []error{
		c.Deactivate(t.Context(), "00u1"), c.ResetPassword(t.Context(), "00u1"), c.UpdateAccount(t.Context(), "00u1", map[string]any{"title": "x"}),
	} {
		requireKind(t, connectors.KindUnavailable, err)
	}
}

// An answer that breaks off says nothing of a write.
func TestAnswerThatBreaksOff(t *testing.T) {
	t.Parallel()
	c := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"id":"00u1",`)
	})
	_, err := c.GetAccount(t.Context(), "00u1")
	requireKind(t, connectors.KindUnavailable, err)
	requireKind(t, connectors.KindAmbiguous, c.ResetPassword(t.Context(), "00u1"))
}
