package okta_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/okta"
	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

// Groups API, Assign a user to a group: only members of OKTA_GROUP can be changed.
func TestGroupsThatOthersFill(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{Groups: []simulator.Group{{Name: "Directory", Type: simulator.GroupApp}}})
	c := connect(t, w.url)
	a := w.create(t, c, "ada")
	for _, name := range []string{"Directory", "directory", simulator.Everyone} {
		_, err := c.FindEntitlement(t.Context(), "group", name)
		e := requireKind(t, connectors.KindInvalid, err)
		require.Contains(t, e.Detail, "not of type OKTA_GROUP")
	}
	directory, err := w.AddGroup(simulator.Group{Name: "Directory", Type: simulator.GroupApp})
	require.NoError(t, err)
	everyone, err := w.AddGroup(simulator.Group{Name: simulator.Everyone, Type: simulator.GroupBuiltIn})
	require.NoError(t, err)
	require.NoError(t, w.Import(a.NativeID, directory))
	held, err := c.GrantsOf(t.Context(), a.NativeID)
	require.NoError(t, err)
	require.Empty(t, held, "what cannot be revoked is no grant")
	for _, id := range []string{directory, everyone} {
		e := connectors.Entitlement{NativeID: id, Kind: "group"}
		for _, err := range []error{c.Grant(t.Context(), a.NativeID, e), c.Revoke(t.Context(), a.NativeID, e)} {
			refused := requireKind(t, connectors.KindInvalid, err)
			require.Contains(t, refused.Detail, "not of type OKTA_GROUP")
		}
	}
	require.Equal(t, []string{"Directory"}, w.user(t, a.NativeID).Groups)

	// A directory's group may have the name of one of Okta's own, which then is the one that is meant.
	ours, err := w.AddGroup(simulator.Group{Name: "directory", Type: simulator.GroupOkta})
	require.NoError(t, err)
	found, err := c.FindEntitlement(t.Context(), "group", "Directory")
	require.NoError(t, err)
	require.Equal(t, connectors.Entitlement{NativeID: ours, Kind: "group", Name: "directory"}, found)
}

// A token without the right to change groups is refused with the same code as a group of an application's.
func TestNoRightToChangeGroups(t *testing.T) {
	t.Parallel()
	for _, group := range []string{`{"id":"00g1","type":"OKTA_GROUP","profile":{"name":"x"}}`, `{}`, `{"errorCode":"E0000006"}`} {
		c := scripted(t, byMethod(answers(200, group), answers(403, `{"errorCode":"E0000006"}`)))
		requireKind(t, connectors.KindUnauthorized, c.Grant(t.Context(), "00u1", connectors.Entitlement{NativeID: "00g1", Kind: "group"}))
	}
}

// Application Users API: an assignment's scope is USER, or GROUP when it comes by a group; only the first is the user's.
func TestApplicationsThatComeByAGroup(t *testing.T) {
	t.Parallel()
	var wrote []string
	c := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet:
			wrote = append(wrote, r.Method+" "+r.URL.Path)
			w.WriteHeader(http.StatusNoContent)
		case strings.HasSuffix(r.URL.Path, "/groups"):
			answers(200, "[]")(w, r)
		case r.URL.Path == "/api/v1/apps":
			answers(200, `[{"id":"0oa1","label":"Mail","_embedded":{"user":{"id":"00u1","scope":"GROUP"}}},
				{"id":"0oa2","label":"Wiki","_embedded":{"user":{"id":"00u1","scope":"USER"}}}]`)(w, r)
		case strings.HasPrefix(r.URL.Path, "/api/v1/apps/0oa1/"):
			answers(200, `{"id":"00u1","scope":"GROUP"}`)(w, r)
		default:
			answers(200, `{"id":"00u1","scope":"USER"}`)(w, r)
		}
	})
	held, err := c.GrantsOf(t.Context(), "00u1")
	require.NoError(t, err)
	require.Equal(t, []connectors.Entitlement{{NativeID: "0oa2", Kind: "application", Name: "Wiki"}}, held)
	for _, id := range []string{"0oa1", "0oa2"} {
		require.NoError(t, c.Revoke(t.Context(), "00u1", connectors.Entitlement{NativeID: id, Kind: "application"}))
	}
	require.Equal(t, []string{"DELETE /api/v1/apps/0oa2/users/00u1"}, wrote)
}

// The answer speaks of somebody else, or of nobody.
func TestAssignmentsOfSomebodyElse(t *testing.T) {
	t.Parallel()
	wiki := connectors.Entitlement{NativeID: "0oa1", Kind: "application"}
	for _, body := range []string{`{"id":"00u2","scope":"USER"}`, `{}`} {
		c := scripted(t, answers(200, body))
		requireKind(t, connectors.KindAmbiguous, c.Grant(t.Context(), "00u1", wiki))
		requireKind(t, connectors.KindUnavailable, c.Revoke(t.Context(), "00u1", wiki))
	}
	c := scripted(t, answers(200, `[{"id":"0oa1","label":"Wiki"}]`))
	_, err := c.GrantsOf(t.Context(), "00u1")
	requireKind(t, connectors.KindUnavailable, err)
}

// A label need not be unique, and a deactivated user is assigned to nothing (error-codes, E0000117).
func TestApplications(t *testing.T) {
	t.Parallel()
	c := scripted(t, answers(200, `[{"id":"0oa1","label":"Wiki"},{"id":"0oa2","label":"Wiki"},{"id":"0oa3","label":"wiki"},{"id":"0oa4","label":"Wiki 2"}]`))
	_, err := c.FindEntitlement(t.Context(), "application", "Wiki")
	requireKind(t, connectors.KindConflict, err)
	found, err := c.FindEntitlement(t.Context(), "application", "wiki")
	require.NoError(t, err)
	require.Equal(t, "0oa3", found.NativeID)

	w := newWorld(t, simulator.Options{})
	c = connect(t, w.url)
	a := w.create(t, c, "ada")
	require.NoError(t, c.Deactivate(t.Context(), a.NativeID))
	w.clock.advance(time.Second)
	requireKind(t, connectors.KindInvalid, c.Grant(t.Context(), a.NativeID, w.entitlements(t, 2)[1]))
}

// The list of applications is what Okta limits most: who gives none does not ask for it.
func TestKindsThatAreNotNamedAreNotLookedAt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	both := connect(t, w.url)
	only, err := okta.New(connectors.Settings{"orgUrl": w.url, "token": token})
	require.NoError(t, err)
	c := only.(*okta.Connector)
	a := w.create(t, both, "ada")
	entitlements := w.entitlements(t, 2)
	for _, e := range entitlements {
		require.NoError(t, both.Grant(t.Context(), a.NativeID, e))
	}
	w.requests()
	held, err := c.GrantsOf(t.Context(), a.NativeID)
	require.NoError(t, err)
	require.Equal(t, entitlements[:1], held)
	require.Equal(t, []string{"GET /api/v1/users/ID/groups"}, w.requests(a.NativeID))
	requireKind(t, connectors.KindUnsupported, c.Grant(t.Context(), a.NativeID, entitlements[1]))
	requireKind(t, connectors.KindUnsupported, c.Revoke(t.Context(), a.NativeID, entitlements[1]))
	_, err = c.FindEntitlement(t.Context(), "application", entitlements[1].Name)
	requireKind(t, connectors.KindUnsupported, err)
	require.Empty(t, w.requests())
}
