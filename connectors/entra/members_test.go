package entra_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

// accounts makes n accounts and answers their ids.
func accounts(t testing.TB, c connectors.AccountWriter, name string, n int) []string {
	t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = account(t, c, fmt.Sprintf("%s %d", name, i)).NativeID
	}
	return ids
}

func (b bench) members(groupName string) (ids []string) {
	for _, u := range b.Users() {
		if strings.Contains(strings.Join(u.Groups, "\n"), groupName) {
			ids = append(ids, u.ID)
		}
	}
	return ids
}

// graph/api/group-post-members, example 2: at most 20 a request, all or none.
func TestMembersAreAddedInTwenties(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c, asked := b.recorded(t, nil)
	ids, group := accounts(t, c, "ada", 45), newGroups(t, b, 1)[0]
	asked()
	require.NoError(t, c.AddMembers(t.Context(), group.NativeID, ids))
	require.ElementsMatch(t, ids, b.members(group.Name))
	require.Equal(t, 3, b.Stats().Calls["PATCH /groups/{id}"])
	patch := "PATCH /groups/" + group.NativeID
	require.Equal(t, []string{patch, patch, patch}, asked())

	// One who is in it already sends the twenty of that request one by one, and no others.
	more := accounts(t, c, "bob", 25)
	asked()
	require.NoError(t, c.AddMembers(t.Context(), group.NativeID, append([]string{ids[0]}, more...)))
	require.ElementsMatch(t, append(more, ids...), b.members(group.Name))
	require.Equal(t, 5, b.Stats().Calls["PATCH /groups/{id}"])
	require.Equal(t, 20, b.Stats().Calls["POST /groups/{id}/members/$ref"])
	require.NoError(t, c.AddMembers(t.Context(), group.NativeID, []string{ids[0], ids[0]}))
	asked()
	require.NoError(t, c.AddMembers(t.Context(), group.NativeID, nil))
	require.Empty(t, asked())
}

// One object that is not there keeps nobody else out, and the error names it (goauthentik/authentik#11165).
func TestAMemberWhoIsNotThereKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c, asked := b.recorded(t, nil)
	ids, group := accounts(t, c, "ada", 22), newGroups(t, b, 1)[0]
	missing := "00000000-0000-4000-8000-000000000000"
	err := c.AddMembers(t.Context(), group.NativeID, append([]string{missing}, ids...))
	require.ErrorContains(t, err, missing)
	require.ErrorContains(t, err, group.NativeID)
	requireKind(t, connectors.KindNotFound, err)
	require.ElementsMatch(t, ids, b.members(group.Name))

	asked()
	err = c.AddMembers(t.Context(), missing, ids)
	require.Equal(t, missing, refusedWith(t, connectors.KindNotFound, err).Object)
	require.Equal(t, []string{"PATCH /groups/" + missing, "GET /groups/" + missing}, asked(), "a group that is gone is not tried with each")
	for _, bad := range []string{"", "a/b", "../users"} {
		requireKind(t, connectors.KindInvalid, c.AddMembers(t.Context(), group.NativeID, append(ids[:2:2], bad)))
		requireKind(t, connectors.KindInvalid, c.AddMembers(t.Context(), bad, ids))
	}
	require.Empty(t, asked())
}

// The directory answers a dynamic group as it does a missing permission (KelvinTegelaar/CIPP#468). A group can become one
// after its name was resolved (entra/identity/users/groups-change-type).
func TestAGroupThatBecameDynamicIsExplained(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c, asked := b.recorded(t, nil)
	ada, eve := account(t, c, "ada").NativeID, account(t, c, "eve").NativeID
	groups := newGroups(t, b, 2)
	require.NoError(t, c.Grant(t.Context(), eve, groups[0]))
	b.call(t, http.MethodPatch, "/groups/"+groups[0].NativeID, map[string]any{
		"groupTypes": []string{"DynamicMembership"}, "membershipRule": `user.department -eq "Sales"`, "membershipRuleProcessingState": "On",
	})
	asked()
	for name, change := range map[string]func() error{
		"grant":   func() error { return c.Grant(t.Context(), ada, groups[0]) },
		"revoke":  func() error { return c.Revoke(t.Context(), eve, groups[0]) },
		"members": func() error { return c.AddMembers(t.Context(), groups[0].NativeID, []string{ada}) },
		"bulk": func() error {
			_, err := c.GrantAll(t.Context(), ada, groups)
			return err
		},
	} {
		e := refusedWith(t, connectors.KindInvalid, change())
		require.Contains(t, e.Detail, "the group is dynamic", name)
		require.Equal(t, groups[0].NativeID, e.Object, name)
		requests := asked()
		require.Equal(t, "GET /groups/"+groups[0].NativeID, requests[len(requests)-1], name)
	}
	require.Equal(t, []string{groups[1].Name}, b.user(ada).Groups, "what could be granted is")
}

// A 403 of a group whose members can be changed is what it says: a permission is missing.
func TestAForbiddenGroupIsNotCalledDynamic(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	proxy := connectortest.Start(t, b.graph+"/v1.0")
	c := b.connect(t, connectors.Settings{"graphUrl": proxy.URL})
	ada, group := account(t, c, "ada").NativeID, newGroups(t, b, 1)[0]
	forbidden := connectortest.Rule{Writes: true, Fault: connectortest.Status(http.StatusForbidden, 0)}
	unread := connectortest.Rule{Method: http.MethodGet, Fault: connectortest.Status(http.StatusServiceUnavailable, 0)}
	for _, rules := range [][]connectortest.Rule{{forbidden}, {forbidden, unread}} {
		proxy.SetRules(rules...)
		for _, err := range []error{c.Grant(t.Context(), ada, group), c.Revoke(t.Context(), ada, group), c.AddMembers(t.Context(), group.NativeID, []string{ada})} {
			require.Equal(t, http.StatusForbidden, refusedWith(t, connectors.KindUnauthorized, err).Status)
		}
	}
}

// graph/api/user-list-transitivememberof: groups of groups, those included that nobody can be taken out of.
func TestTransitiveGroups(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{Groups: []simulator.Group{{DisplayName: "Ruled", Rule: `user.usageLocation -eq "NZ"`}}})
	c, asked := b.recorded(t, nil)
	ada := account(t, c, "ada").NativeID
	groups := newGroups(t, b, 4)
	require.NoError(t, c.Grant(t.Context(), ada, groups[0]))
	for i := range 2 { // the first is in the second, and that in the third
		b.call(t, http.MethodPost, "/groups/"+groups[i+1].NativeID+"/members/$ref", map[string]any{
			"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + groups[i].NativeID,
		})
	}
	asked()
	found, err := c.TransitiveGroups(t.Context(), ada)
	require.NoError(t, err)
	var names []string
	for _, g := range found {
		names = append(names, g.Name)
	}
	require.ElementsMatch(t, []string{"Ruled", groups[0].Name, groups[1].Name, groups[2].Name}, names)
	require.Equal(t, []string{"GET /users/" + ada + "/transitiveMemberOf"}, asked())
	require.Equal(t, 1, b.Stats().Calls["GET /users/{id}/transitiveMemberOf"])
	require.Equal(t, grants(t, c, ada), groups[:1], "what can be taken away is less")
	_, err = c.TransitiveGroups(t.Context(), "00000000-0000-4000-8000-000000000000")
	requireKind(t, connectors.KindNotFound, err)
	_, err = c.TransitiveGroups(t.Context(), "a/b")
	requireKind(t, connectors.KindInvalid, err)
}

func TestTransitiveGroupsAreReadToTheLastPage(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	ada := account(t, b.connect(t, nil), "ada").NativeID
	groups := newGroups(t, b, 1200)
	for _, g := range groups {
		b.call(t, http.MethodPost, "/groups/"+g.NativeID+"/members/$ref", map[string]any{"@odata.id": "https://graph.microsoft.com/v1.0/users/" + ada})
	}
	found, err := b.connect(t, nil).TransitiveGroups(t.Context(), ada)
	require.NoError(t, err)
	require.ElementsMatch(t, groups, found)
	require.Equal(t, 2, b.Stats().Calls["GET /users/{id}/transitiveMemberOf"])
}

func TestTransitiveGroupsHaveABound(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	for groups, kind := range map[int]connectors.Kind{10_000: "", 10_001: connectors.KindUnsupported} {
		var asked []string
		c := b.against(t, func(w http.ResponseWriter, r *http.Request) {
			query := r.URL.RawQuery
			if len(asked) == 0 {
				query = r.URL.Query().Get("$select")
			}
			asked = append(asked, query)
			page := make([]string, min(999, groups-999*(len(asked)-1)))
			for i := range page {
				page[i] = fmt.Sprintf(`{"@odata.type": "#microsoft.graph.group", "id": "g%d-%d", "displayName": "G"}`, len(asked), i)
			}
			next := ""
			if 999*len(asked) < groups {
				next = fmt.Sprintf(`, "@odata.nextLink": "http://%s/v1.0/users/u1/transitiveMemberOf?$skiptoken=%d%%20x"`, r.Host, len(asked))
			}
			answer(w, http.StatusOK, `{"value": [`+strings.Join(page, ",")+`]`+next+`}`)
		})
		found, err := c.TransitiveGroups(t.Context(), "u1")
		require.Equal(t, kind, connectors.KindOf(err))
		require.Equal(t, []string{"id,displayName", "$skiptoken=1%20x"}, asked[:2], "the address is used as it was given")
		if kind == "" {
			require.Len(t, found, groups)
		} else {
			require.Contains(t, refusedWith(t, kind, err).Detail, "more than 10000")
			require.NotContains(t, refusedWith(t, kind, err).Detail, "filter")
		}
	}
}
