package entra_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

func TestFactorsGoInAnOrderThatTheDirectoryAllows(t *testing.T) {
	t.Parallel()
	for _, last := range []simulator.Method{
		{Kind: simulator.PhoneMethod, PhoneType: "mobile", Default: true},
		{Kind: simulator.MicrosoftAuthenticatorMethod, Default: true},
		{Kind: simulator.FIDO2Method, Default: true},
	} {
		t.Run(string(last.Kind), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, simulator.Options{})
			c, asked := b.recorded(t, nil)
			ada := account(t, c, "ada")
			methods := []simulator.Method{{Kind: simulator.PhoneMethod, PhoneType: "mobile"}, {Kind: simulator.PhoneMethod, PhoneType: "alternateMobile"}, {Kind: simulator.EmailMethod}}
			methods = slices.DeleteFunc(methods, func(m simulator.Method) bool { return m.PhoneType == last.PhoneType && m.Kind == last.Kind })
			if last.Kind == simulator.PhoneMethod {
				methods = append([]simulator.Method{last}, methods...)
			} else {
				methods = append(methods, last)
			}
			for _, m := range methods {
				_, err := b.AddMethod(ada.NativeID, m)
				require.NoError(t, err)
			}
			asked()
			require.NoError(t, c.ResetFactors(t.Context(), ada.NativeID))
			require.Empty(t, b.user(ada.NativeID).Methods)
			requests := asked()
			require.Equal(t, "GET /users/"+ada.NativeID+"/authentication/methods", requests[0])
			alternate := slices.IndexFunc(requests, func(r string) bool { return strings.HasSuffix(r, "/phoneMethods/b6332ec1-7057-4abe-9331-3d72feddfe41") })
			mobile := slices.IndexFunc(requests, func(r string) bool { return strings.HasSuffix(r, "/phoneMethods/3179e48a-750b-4051-897c-87b9720928f7") })
			require.Less(t, alternate, mobile, "%v", requests)
			require.Contains(t, requests[len(requests)-1], string(last.Kind), "the default method goes last: %v", requests)
			require.NotContains(t, strings.Join(requests, " "), "passwordMethods")
		})
	}
}

func TestAFactorThatCannotGo(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	for listed, want := range map[string]struct {
		kind    connectors.Kind
		deletes int
	}{
		`{"@odata.type": "#microsoft.graph.retinaScanAuthenticationMethod", "id": "r1"}, {"@odata.type": "#microsoft.graph.fido2AuthenticationMethod", "id": "f1"}`: {connectors.KindUnsupported, 1},
		`{"@odata.type": "#microsoft.graph.fido2AuthenticationMethod", "id": "refused"}`:                                                                            {connectors.KindInvalid, 1},
		`{"@odata.type": "#microsoft.graph.fido2AuthenticationMethod", "id": "a/b"}`:                                                                                {connectors.KindUnavailable, 0},
		`{"id": "f1"}`: {connectors.KindUnavailable, 0},
		`{"@odata.type": "#microsoft.graph.passwordAuthenticationMethod", "id": "28c10230-6103-485e-b985-444c60001490"}`: {"", 0},
	} {
		deletes := 0
		c := b.against(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodGet:
				answer(w, http.StatusOK, `{"value": [`+listed+`]}`)
			case strings.HasSuffix(r.URL.Path, "/refused"):
				deletes++
				answer(w, http.StatusBadRequest, `{"error": {"code": "badRequest", "message": "no"}}`)
			default:
				deletes++
				w.WriteHeader(http.StatusNoContent)
			}
		})
		err := c.ResetFactors(t.Context(), "u1")
		require.Equal(t, want.kind, connectors.KindOf(err), listed)
		require.Equal(t, want.deletes, deletes, listed)
	}
}

// A refusal for good of one method leaves none of the others alive (a 403 is what an administrator's method answers).
func TestAFactorThatIsRefusedHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	proxy := connectortest.Start(t, b.graph+"/v1.0")
	c := b.connect(t, connectors.Settings{"graphUrl": proxy.URL})
	for kind, status := range map[string]int{"temporaryAccessPassMethods": http.StatusForbidden, "fido2Methods": http.StatusBadRequest} {
		ada := account(t, c, kind)
		for _, m := range allFactors {
			_, err := b.AddMethod(ada.NativeID, m)
			require.NoError(t, err)
		}
		proxy.SetRules(
			connectortest.Rule{Method: http.MethodDelete, Path: kind, Times: 1, Fault: connectortest.Status(status, 0)},
			connectortest.Rule{Method: http.MethodDelete, Path: kind, Fault: connectortest.Status(http.StatusForbidden, 0)},
			connectortest.Rule{Method: http.MethodDelete, Path: "emailMethods", Fault: connectortest.Status(http.StatusForbidden, 0)},
		)
		e := refusedWith(t, connectors.KindUnauthorized, c.ResetFactors(t.Context(), ada.NativeID))
		require.Contains(t, e.Action, strings.TrimSuffix(kind, "Methods"), "the first that was refused")
		// The simulator's default telephone stays while others do; so it does with Microsoft.
		require.Equal(t, []string{"emailMethods", "phoneMethods", kind}, inOrder(b.user(ada.NativeID).Methods, kind))
	}
	proxy.SetRules(connectortest.Rule{Method: http.MethodDelete, Path: "fido2Methods", Fault: connectortest.Status(http.StatusServiceUnavailable, 0)})
	eve := account(t, c, "eve")
	_, err := b.AddMethod(eve.NativeID, simulator.Method{Kind: simulator.FIDO2Method})
	require.NoError(t, err)
	requireKind(t, connectors.KindUnavailable, c.ResetFactors(t.Context(), eve.NativeID))
}

// inOrder puts the kind last.
func inOrder(kinds []string, last string) []string {
	return append(slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return k == last }), last)
}

// revokeSignInSessions takes effect within minutes (graph/api/user-revokesigninsessions).
func TestSessionsEndLater(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{RevocationLag: 30 * time.Second})
	c, asked := b.recorded(t, nil)
	ada := account(t, c, "ada")
	b.clock.advance(time.Minute)
	before := b.clock.now()
	require.NoError(t, c.EndSessions(t.Context(), ada.NativeID))
	asked()
	for _, step := range []struct {
		later time.Duration
		ended bool
	}{{0, false}, {29 * time.Second, false}, {2 * time.Second, true}} {
		b.clock.advance(step.later)
		ended, evidence, err := c.SessionsEnded(t.Context(), ada.NativeID, before)
		require.NoError(t, err)
		require.Equal(t, step.ended, ended, "%v", evidence)
		require.Contains(t, evidence, "signInSessionsValidFromDateTime")
		require.Equal(t, []string{"GET /users/" + ada.NativeID}, asked(), "one read a call")
	}
}

func TestTimesAreReadWithCare(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	at := time.Date(2026, 3, 1, 12, 0, 0, 700, time.UTC)
	for shown, want := range map[string]struct {
		ended bool
		kind  connectors.Kind
	}{
		`"2026-03-01T12:00:00Z"`:      {true, ""}, // whole seconds
		`"2026-03-01T11:59:59Z"`:      {false, ""},
		`"2026-03-01T13:00:01+01:00"`: {true, ""},
		`null`:                        {false, ""},
		`"tonight"`:                   {false, connectors.KindUnavailable},
	} {
		c := b.against(t, func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, `{"id": "u1", "signInSessionsValidFromDateTime": `+shown+`, "lastPasswordChangeDateTime": `+shown+`}`)
		})
		ended, _, err := c.SessionsEnded(t.Context(), "u1", at)
		require.Equal(t, want.kind, connectors.KindOf(err), shown)
		require.Equal(t, want.ended, ended, shown)
		reset, _, err := c.PasswordReset(t.Context(), "u1", at)
		require.Equal(t, want.kind, connectors.KindOf(err), shown)
		require.Equal(t, want.ended, reset, shown)
		_, _, err = c.SessionsEnded(t.Context(), "u2", at)
		requireKind(t, connectors.KindUnavailable, err) // somebody else's answer
	}
	no := b.against(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, `{"value": false}`) })
	requireKind(t, connectors.KindAmbiguous, no.EndSessions(t.Context(), "u1"))
	silent := b.against(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	require.NoError(t, silent.EndSessions(t.Context(), "u1"))
}

// The directory puts the object id before the name of a deleted user.
func TestADeletedUserIsFoundByTheNameItHad(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c := b.connect(t, nil)
	ada, other := account(t, c, "ada"), account(t, c, "bob")
	require.NoError(t, c.UpdateAccount(t.Context(), other.NativeID, map[string]any{"userPrincipalName": "x" + principalName("ada")}))
	for _, id := range []string{ada.NativeID, other.NativeID} {
		require.NoError(t, c.DeleteAccount(t.Context(), id))
	}
	found, err := c.FindDeleted(t.Context(), "userPrincipalName", strings.ToUpper(principalName("ada")))
	require.NoError(t, err)
	require.Len(t, found, 1, "not the one whose name ends alike")
	require.Equal(t, ada.NativeID, found[0].NativeID)
	require.Equal(t, principalName("ada"), found[0].Attributes["userPrincipalName"])
	restored, err := c.RestoreAccount(t.Context(), ada.NativeID)
	require.NoError(t, err)
	require.Equal(t, ada, restored)
}

func TestARestoredUserWhoIsNotShownYetIsNotGone(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c := b.against(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			answer(w, http.StatusOK, `{"@odata.type": "#microsoft.graph.user", "id": "u1"}`)
			return
		}
		answer(w, http.StatusNotFound, `{"error": {"code": "Request_ResourceNotFound", "message": ""}}`)
	})
	_, err := c.RestoreAccount(t.Context(), "u1")
	requireKind(t, connectors.KindUnavailable, err)
}
