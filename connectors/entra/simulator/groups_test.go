package simulator_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

// graph/api/group-post-members, group-delete-members.
func TestMembers(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	sales, ada := c.group("Sales"), c.create(person("ada"))
	members := "/groups/" + sales + "/members"
	c.join(sales, ada)
	out := c.want(c.do(http.MethodPost, members+"/$ref", c.ref(ada)), http.StatusBadRequest, "Request_BadRequest")
	require.Equal(t, "One or more added object references already exist for the following modified properties: 'members'.", out.message())
	c.want(c.do(http.MethodPost, members+"/$ref", c.ref("87d349ed-44d7-43e1-9a83-5f2406dee5bd")), http.StatusNotFound, "Request_ResourceNotFound")
	c.want(c.do(http.MethodPost, "/groups/87d349ed-44d7-43e1-9a83-5f2406dee5bd/members/$ref", c.ref(ada)), http.StatusNotFound, "Request_ResourceNotFound")
	c.want(c.do(http.MethodPost, members+"/$ref", map[string]any{"@odata.id": "https://graph.microsoft.com/v1.0/devices/x"}), http.StatusBadRequest)
	c.want(c.do(http.MethodPost, members+"/$ref", nil), http.StatusBadRequest, "Request_BadRequest")

	listed := c.want(c.get(members+"?$select=id,accountEnabled"), http.StatusOK).values()
	require.Equal(t, []map[string]any{{"@odata.type": "#microsoft.graph.user", "id": ada, "accountEnabled": true}}, listed)
	require.Equal(t, "#microsoft.graph.group", c.get("/users/" + ada + "/memberOf").values()[0]["@odata.type"])

	require.Empty(t, c.want(c.do(http.MethodDelete, members+"/"+ada+"/$ref", nil), http.StatusNoContent).raw)
	c.want(c.do(http.MethodDelete, members+"/"+ada+"/$ref", nil), http.StatusNotFound, "Request_ResourceNotFound")
	require.Empty(t, c.sim.Deletions())
	require.Empty(t, c.snapshot(ada).Groups)
}

// graph/api/group-delete-members, the caution.
func TestDeleteMemberWithoutRefDeletesTheUser(t *testing.T) {
	t.Parallel()
	for name, suffix := range map[string]string{"no $ref": "", "trailing slash": "/", "query instead": "?/$ref", "$ref in the query": "?x=/$ref"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			sales, ada, bob := c.group("Sales"), c.create(person("ada")), c.create(person("bob"))
			c.join(sales, ada)
			path := "/groups/" + sales + "/members/"
			c.want(c.do(http.MethodDelete, path+bob+suffix, nil), http.StatusNotFound)
			require.Empty(t, c.sim.Deletions(), "not a member")
			c.want(c.do(http.MethodDelete, path+ada+suffix, nil), http.StatusNoContent)
			c.want(c.get("/users/"+ada), http.StatusNotFound)
			deletions := c.sim.Deletions()
			require.Len(t, deletions, 1)
			require.Equal(t, ada, deletions[0].UserID)
			require.Equal(t, "DELETE /groups/{id}/members/{member}", deletions[0].Route)
			require.Equal(t, 1, c.sim.Stats().Deletions)
			c.want(c.do(http.MethodPost, "/directory/deletedItems/"+ada+"/restore", nil), http.StatusOK)
			require.Equal(t, []string{"Sales"}, c.snapshot(ada).Groups, "it comes back as it was")
		})
	}
	c := newClient(t)
	c.want(c.do(http.MethodDelete, "/groups/"+c.group("Sales")+"/members//$ref", nil), http.StatusBadRequest)
	c.want(c.do(http.MethodDelete, "/groups/"+c.group("Sales")+"/members/$ref", nil), http.StatusMethodNotAllowed)
	require.Empty(t, c.sim.Deletions())
}

// graph/api/group-post-members, example 2: up to 20, all or nothing.
func TestBindMembers(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	sales := c.group("Sales")
	bind := func(ids ...string) reply {
		var links []string
		for _, id := range ids {
			links = append(links, "https://graph.microsoft.com/v1.0/directoryObjects/"+id)
		}
		return c.do(http.MethodPatch, "/groups/"+sales, map[string]any{"members@odata.bind": links})
	}
	var ids []string
	for i := range 42 {
		ids = append(ids, c.create(person(fmt.Sprintf("u%d", i))))
	}
	c.want(bind(ids[:20]...), http.StatusNoContent)
	require.Equal(t, "A resource cannot contain more than 20 link changes", c.want(bind(ids[20:41]...), http.StatusBadRequest, "Request_BadRequest").message())
	c.want(bind(ids[20], ids[21], "nobody"), http.StatusNotFound, "Request_ResourceNotFound")
	c.want(bind(ids[20], ids[0]), http.StatusBadRequest, "Request_BadRequest")
	c.want(bind(ids[20], ids[20]), http.StatusBadRequest, "Request_BadRequest")
	got, _ := c.all("/groups/" + sales + "/members?$select=id")
	require.Equal(t, ids[:20], got, "nothing of what was refused, in the order of adding")
	c.want(c.do(http.MethodPost, "/groups/"+sales, map[string]any{}), http.StatusMethodNotAllowed)
}

// graph/api/group-delete-members: no member can be removed from a dynamic group; KelvinTegelaar/CIPP#468 for the answer.
func TestDynamicGroups(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	dynamic := c.group("Everyone in Sales")
	ada := c.create(with(person("ada"), "department", "Sales"))
	bob := c.create(person("bob"))
	for _, out := range []reply{
		c.do(http.MethodPost, "/groups/"+dynamic+"/members/$ref", c.ref(bob)),
		c.do(http.MethodDelete, "/groups/"+dynamic+"/members/"+ada+"/$ref", nil),
		c.do(http.MethodPatch, "/groups/"+dynamic, map[string]any{"members@odata.bind": []string{"https://graph.microsoft.com/v1.0/users/" + bob}}),
	} {
		c.want(out, http.StatusForbidden, "Authorization_RequestDenied")
		require.Equal(t, "Insufficient privileges to complete the operation.", out.message())
	}
	require.Equal(t, []string{ada}, c.get("/groups/"+dynamic+"/members").column("id"))
	require.Equal(t, []string{"Everyone in Sales"}, c.get("/users/"+ada+"/memberOf").column("displayName"))
	require.Equal(t, []any{"DynamicMembership"}, c.get("/groups/" + dynamic + "?$select=groupTypes").body["groupTypes"])
	c.want(c.do(http.MethodPatch, "/users/"+ada, map[string]any{"department": nil}), http.StatusNoContent)
	require.Empty(t, c.get("/groups/"+dynamic+"/members").values())
}

// graph/api/user-list-memberof, user-list-transitivememberof, group-list-transitivemembers.
func TestMemberOf(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	ada := c.create(person("ada"))
	sales, eng := c.group("Sales"), c.group("Eng")
	c.join(sales, ada)
	c.join(eng, sales)
	c.want(c.do(http.MethodPost, "/groups/"+eng+"/members/$ref", c.ref(sales)), http.StatusBadRequest)
	c.want(c.do(http.MethodPost, "/groups/"+eng+"/members/$ref", c.ref(eng)), http.StatusBadRequest)
	c.join(sales, eng) // a circle
	of := func(path string, headers ...string) []string {
		return c.want(c.get("/users/"+ada+path, headers...), http.StatusOK).column("displayName")
	}
	require.Equal(t, []string{"Sales"}, of("/memberOf"))
	require.Equal(t, []string{"Sales", "Eng"}, of("/transitiveMemberOf"))
	require.Equal(t, []string{ada}, c.get("/groups/"+eng+"/transitiveMembers?$count=true&$filter=displayName eq 'ada'", eventual...).column("id"))
	c.want(c.get("/groups/"+eng+"/members?$filter=displayName eq 'ada'"), http.StatusBadRequest, "Request_UnsupportedQuery")

	for _, cast := range []string{"/memberOf/microsoft.graph.group", "/memberOf/graph.group"} {
		c.want(c.get("/users/"+ada+cast), http.StatusBadRequest, "Request_UnsupportedQuery")
		require.Equal(t, []string{"Sales"}, of(cast+"?$count=true", eventual...))
	}
	require.Equal(t, []string{"Eng", "Sales"}, of("/transitiveMemberOf/microsoft.graph.group?$count=true&$orderby=displayName", eventual...))
	c.want(c.get("/users/"+ada+"/memberOf?$filter=displayName eq 'Sales'"), http.StatusBadRequest, "Request_UnsupportedQuery")
	require.Equal(t, []string{"Sales"}, of("/memberOf?$count=true&$filter=startswith(displayName,'S')", eventual...))
	require.Equal(t, "1", c.want(c.get("/users/"+ada+"/memberOf/$count", eventual...), http.StatusOK).raw)
	c.want(c.get("/users/"+ada+"/memberOf/$count"), http.StatusBadRequest)

	c.want(c.do(http.MethodDelete, "/groups/"+eng+"/members/"+sales+"/$ref", nil), http.StatusNoContent)
	require.Equal(t, []string{"Sales"}, of("/transitiveMemberOf"))
	c.want(c.do(http.MethodDelete, "/groups/"+eng+"/members/"+sales+"/$ref", nil), http.StatusNotFound)
	c.want(c.do(http.MethodDelete, "/groups/"+sales+"/members/"+eng, nil), http.StatusNoContent)
	c.want(c.get("/groups/"+eng), http.StatusNotFound, "Request_ResourceNotFound") // a group without /$ref is deleted too
}

// graph/api/user-list-memberof: 100 a page, at most 999, by @odata.nextLink.
func TestMemberOfPages(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	ada := c.create(person("ada"))
	var want []string
	for i := range 230 {
		id, err := c.sim.AddGroup(simulator.Group{DisplayName: fmt.Sprintf("G%03d", i)})
		require.NoError(t, err)
		c.join(id, ada)
		want = append(want, id)
	}
	for path, pages := range map[string]int{"/memberOf": 3, "/memberOf?$top=999": 1, "/transitiveMemberOf?$select=id": 3} {
		got, n := c.all("/users/" + ada + path)
		require.Equal(t, want, got, path)
		require.Equal(t, pages, n, path)
	}
	members, _ := c.all("/groups/" + want[0] + "/members?$top=1")
	require.Equal(t, []string{ada}, members)
}

// graph/api/group-post-groups, group-update, group-delete.
func TestGroups(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(o *simulator.Options) { o.ReadLag = time.Second })
	ada := c.create(person("ada"))
	c.clock.pass(time.Second)
	team := func(pairs ...any) map[string]any {
		return with(map[string]any{"displayName": "Team", "mailEnabled": false, "mailNickname": "team", "securityEnabled": true}, pairs...)
	}
	id := c.want(c.do(http.MethodPost, "/groups", team("members@odata.bind", []string{"https://graph.microsoft.com/v1.0/users/" + ada})), http.StatusCreated).text("id")
	c.want(c.get("/groups/"+id), http.StatusNotFound)
	c.clock.pass(time.Second)
	require.Equal(t, "Team", c.want(c.get("/groups/"+id), http.StatusOK).text("displayName"))
	require.Equal(t, []string{"Team"}, c.snapshot(ada).Groups)
	for _, body := range []map[string]any{
		team("displayName", nil), team("mailEnabled", true), team("mailNickname", "a@b"), team("groupTypes", []string{"DynamicMembership"}),
		team("membershipRule", `user.department -eq "x"`), team("groupTypes", []string{"DynamicMembership"}, "membershipRule", "user.department -contains 1"),
		team("shoeSize", 1), team("members@odata.bind", "x"),
	} {
		c.want(c.do(http.MethodPost, "/groups", body), http.StatusBadRequest, "Request_BadRequest")
	}
	c.want(c.do(http.MethodPatch, "/groups/"+id, map[string]any{"displayName": "Crew"}), http.StatusNoContent)
	require.Equal(t, []string{"Crew"}, c.snapshot(ada).Groups)
	c.want(c.do(http.MethodDelete, "/groups/"+id, nil), http.StatusNoContent)
	require.Empty(t, c.snapshot(ada).Groups)
	c.want(c.get("/directory/deletedItems/"+id), http.StatusNotFound, "Request_ResourceNotFound") // security groups are gone for good

	same, err := c.sim.AddGroup(simulator.Group{DisplayName: "Sales"})
	require.NoError(t, err)
	require.Equal(t, c.group("Sales"), same, "added once")
	_, err = c.sim.AddGroup(simulator.Group{DisplayName: "X", Rule: "all"})
	require.Error(t, err)
}

// TestRefNeverDeletes: whatever stands for a member's id, a removal with /$ref deletes no user.
func TestRefNeverDeletes(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	sales, ada := c.group("Sales"), c.create(person("ada"))
	rapid.Check(t, func(t *rapid.T) {
		member := rapid.SampledFrom([]string{ada, "ada@contoso.com", "", "x", "$ref", "%24ref"}).Draw(t, "member")
		_ = c.do(http.MethodPost, "/groups/"+sales+"/members/$ref", c.ref(ada))
		out := c.do(http.MethodDelete, "/groups/"+sales+"/members/"+member+rapid.SampledFrom([]string{"/$ref", "/%24ref", "/$REF"}).Draw(t, "suffix"), nil)
		if len(c.sim.Deletions()) != 0 {
			t.Fatalf("%q deleted: %s", member, out.raw)
		}
		if removed := strings.HasPrefix(member, "ada@") || member == ada; removed != (out.status == http.StatusNoContent) {
			t.Fatalf("%q answered %d", member, out.status)
		}
	})
}
