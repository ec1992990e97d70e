package okta_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

const aUser = `{"id":"00u1","status":"ACTIVE","profile":{"login":"a@example.com"}}`

// Users API: a plain list leaves out who is deactivated, a filter does not.
func TestListingHoldsTheDeactivated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	c := connect(t, w.url)
	a, b := w.create(t, c, "ada"), w.create(t, c, "bob")
	require.NoError(t, c.Deactivate(t.Context(), b.NativeID))
	page, err := c.ListAccounts(t.Context(), connectors.Page{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, a.NativeID, page.Items[0].NativeID)
	page, err = c.ListAccounts(t.Context(), connectors.Page{Limit: 1, Cursor: page.Next})
	require.NoError(t, err)
	require.Equal(t, b.NativeID, page.Items[0].NativeID)
	require.False(t, page.Items[0].Enabled)
	require.Empty(t, page.Next)
}

// A cursor is good for the org that gave it, and for nothing but its users.
func TestCursorOfAnotherOrg(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	c := connect(t, w.url)
	for _, cursor := range []string{
		"!", "https://other.example.com/api/v1/users?after=x", w.url + "/api/v1/groups?after=x", w.url + "/api/v1/users", "/api/v1/users?after=x",
		w.url + ".example.com/api/v1/users?after=x", w.url + "/api/v1/users/../groups?after=x",
	} {
		_, err := c.ListAccounts(t.Context(), connectors.Page{Cursor: cursor})
		requireKind(t, connectors.KindInvalid, err)
	}
	require.Empty(t, w.requests())
}

// Core Okta API, Link header: whatever else the links hold, the token goes to the org only, and a link that leads
// elsewhere is no end of the list.
func TestLinksToTheNextPage(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		links []string
		next  string // path and query after the org's URL
		bad   bool
	}{
		"none":           {links: []string{`<https://x.okta.com/api/v1/users?limit=1>; rel="self"`}},
		"two headers":    {links: []string{`<https://x.okta.com/api/v1/users?limit=1>; rel="self"`, `<https://x.okta.com/api/v1/users?after=a%2Fb&limit=1>; rel="next"`}, next: "/api/v1/users?after=a%2Fb&limit=1"},
		"one header":     {links: []string{`<https://x.okta.com/api/v1/users?limit=1>; rel="self", <https://x.okta.com/api/v1/users?after=b>; rel="next"`}, next: "/api/v1/users?after=b"},
		"next first":     {links: []string{`<https://x.okta.com/api/v1/users?after=b>; rel="next", <https://x.okta.com/api/v1/users>; rel="self"`}, next: "/api/v1/users?after=b"},
		"another host":   {links: []string{`<https://evil.example.com/api/v1/users?after=b>; rel=next`}, next: "/api/v1/users?after=b"},
		"another path":   {links: []string{`<https://x.okta.com/api/v1/groups?after=b>; rel="next"`}, bad: true},
		"no query":       {links: []string{`<https://x.okta.com/api/v1/users>; rel="next"`}, bad: true},
		"no URL":         {links: []string{"<:\x7f%zz>; rel=\"next\""}, bad: true},
		"the page again": {links: []string{`<https://x.okta.com/api/v1/users?filter=lastUpdated+gt+%221970-01-01T00%3A00%3A00.000Z%22&limit=200>; rel="next"`}, bad: true},
	} {
		c := scripted(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Link"] = tt.links
			answers(200, "["+aUser+"]")(w, r)
		})
		page, err := c.ListAccounts(t.Context(), connectors.Page{})
		if tt.bad {
			requireKind(t, connectors.KindUnavailable, err)
			continue
		}
		require.NoError(t, err, name)
		if tt.next == "" {
			require.Empty(t, page.Next, name)
			continue
		}
		require.Regexp(t, `^http://127\.0\.0\.1:\d+/api/v1/users\?`, page.Next, name)
		require.Contains(t, page.Next, tt.next, name)
	}
}

func TestPagesInACircle(t *testing.T) {
	t.Parallel()
	n := 0
	c := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("Link", fmt.Sprintf(`<https://x.okta.com/api/v1/users?after=%d>; rel="next"`, n%3))
		answers(200, "["+aUser+"]")(w, r)
	})
	_, err := c.FindAccounts(t.Context(), "login", "a@example.com")
	requireKind(t, connectors.KindUnavailable, err)
	require.LessOrEqual(t, n, 4)
}

// Core Okta API, Request debugging: every answer of Okta's has a request id. Without one, nothing is proven by it.
func TestAnswerOfSomebodyElse(t *testing.T) {
	t.Parallel()
	c := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Del("X-Okta-Request-Id")
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		body := "[]"
		if r.Method != http.MethodGet {
			body = "{}"
		}
		answers(200, body)(w, r)
	})
	_, err := c.ListAccounts(t.Context(), connectors.Page{})
	requireKind(t, connectors.KindUnavailable, err)
	_, err = c.FindAccounts(t.Context(), "login", "a@example.com")
	requireKind(t, connectors.KindUnavailable, err)
	_, err = c.GrantsOf(t.Context(), "00u1")
	requireKind(t, connectors.KindUnavailable, err)
	none, _, err := c.FactorsReset(t.Context(), "00u1")
	requireKind(t, connectors.KindUnavailable, err)
	require.False(t, none)
	for _, err := range []error{
		c.ResetFactors(t.Context(), "00u1"), c.Deactivate(t.Context(), "00u1"), c.EndSessions(t.Context(), "00u1"), c.DeleteAccount(t.Context(), "00u1"),
	} {
		requireKind(t, connectors.KindAmbiguous, err)
	}
}

// Users API: filter reads the most up-to-date data, search a copy.
func TestLookUpsOfANewUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{SearchLag: time.Minute})
	c := connect(t, w.url)
	find := func(attribute string, value any) []connectors.Account {
		found, err := c.FindAccounts(t.Context(), attribute, value.(string))
		require.NoError(t, err)
		return found
	}
	ada := w.create(t, c, "Ada")
	for _, attribute := range []string{"login", "email", "firstName", "lastName"} {
		require.Equal(t, []connectors.Account{ada}, find(attribute, ada.Attributes[attribute]), attribute)
	}
	require.Equal(t, []connectors.Account{ada}, find("id", ada.NativeID))
	require.Empty(t, find("id", "00uNobody"))
	require.Empty(t, find("employeeNumber", "Ada"), "the copy does not have it yet")
	w.clock.advance(time.Minute)
	require.Equal(t, []connectors.Account{ada}, find("employeeNumber", "aDA"), "a search does not mind the case")

	require.NoError(t, c.UpdateAccount(t.Context(), ada.NativeID, map[string]any{"title": "new", "teams": []any{"red", "blue"}}))
	require.Equal(t, "new", find("employeeNumber", "Ada")[0].Attributes["title"], "what is answered was read by id")
	require.NoError(t, c.UpdateAccount(t.Context(), ada.NativeID, map[string]any{"employeeNumber": "7"}))
	require.Empty(t, find("employeeNumber", "Ada"), "the copy is old, the user is not")
	w.clock.advance(time.Minute)
	require.Len(t, find("teams", "blue"), 1)
	require.NoError(t, c.DeleteAccount(t.Context(), ada.NativeID))
	require.Empty(t, find("employeeNumber", "7"), "the copy still shows who is gone")
}

// A list with something that is not what is listed proves nothing.
func TestListsOfSomethingElse(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`[null]`, `[{}]`, `[{"id":""}]`, `[{"id":"x","type":"OKTA_GROUP"}]`, `["x"]`, `[1]`, `[{"id":7}]`, `[{"id":"x","profile":7}]`} {
		c := scripted(t, answers(200, body))
		_, errList := c.ListAccounts(t.Context(), connectors.Page{})
		_, errFind := c.FindAccounts(t.Context(), "login", "x")
		_, errGrants := c.GrantsOf(t.Context(), "00u1")
		_, errGroup := c.FindEntitlement(t.Context(), "group", "x")
		_, errApp := c.FindEntitlement(t.Context(), "application", "x")
		for _, err := range []error{errList, errFind, errGrants, errGroup, errApp} {
			requireKind(t, connectors.KindUnavailable, err)
		}
	}
	c := scripted(t, answers(200, aUser))
	_, err := c.GetAccount(t.Context(), "00u2")
	requireKind(t, connectors.KindUnavailable, err)
}
