package simulator_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

// TestMembership: Groups API, Assign and Unassign a user; User Resources API, List all groups.
func TestMembership(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	g, ada, bob := o.group("Sales"), o.staged("ada"), o.staged("bob")
	path := "/api/v1/groups/" + g + "/users/"
	for range 2 {
		require.Equal(t, 204, o.do(http.MethodPut, path+ada, nil).status, "again is no error")
	}
	o.must(http.MethodPut, path+bob, nil)
	require.Equal(t, []string{ada, bob}, ids(o.must(http.MethodGet, "/api/v1/groups/"+g+"/users", nil).list))
	names := []string{}
	for _, in := range o.must(http.MethodGet, "/api/v1/users/"+ada+"/groups", nil).list {
		names = append(names, in["type"].(string)+" "+in["profile"].(map[string]any)["name"].(string))
	}
	require.Equal(t, []string{"BUILT_IN Everyone", "OKTA_GROUP Sales"}, names)
	for range 2 {
		require.Equal(t, 204, o.do(http.MethodDelete, path+ada, nil).status)
	}
	require.Equal(t, []string{bob}, ids(o.must(http.MethodGet, "/api/v1/groups/"+g+"/users", nil).list))
	require.Len(t, o.sim.Users(), 2, "a removal deletes nobody")

	require.Contains(t, o.refused(404, "E0000007", http.MethodPut, path+"00u0", nil).body["errorSummary"], "00u0 (User)")
	require.Contains(t, o.refused(404, "E0000007", http.MethodDelete, "/api/v1/groups/00g0/users/"+ada, nil).body["errorSummary"], "00g0 (UserGroup)")
	o.refused(404, "E0000007", http.MethodGet, "/api/v1/users/00u0/groups", nil)
}

// TestOnlyOktaGroups: Groups API, Assign a user (only OKTA_GROUP). The codes: okta/terraform-provider-okta#118 of
// APP_GROUP, okta/terraform-provider-okta#903 of Everyone.
func TestOnlyOktaGroups(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{Groups: []simulator.Group{{Name: "AD", Type: simulator.GroupApp}}})
	ada := o.staged("ada")
	ad, everyone := ids(o.query("/api/v1/groups", "q", "AD"))[0], ids(o.query("/api/v1/groups", "q", "every"))[0]
	require.NoError(t, o.sim.Import(ada, ad))
	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		o.refused(403, "E0000006", method, "/api/v1/groups/"+ad+"/users/"+ada, nil)
		o.refused(501, "E0000060", method, "/api/v1/groups/"+everyone+"/users/"+ada, nil)
	}
	require.Equal(t, []string{"AD"}, o.seen(ada).Groups)
	require.Equal(t, []string{ada}, ids(o.must(http.MethodGet, "/api/v1/groups/"+everyone+"/users", nil).list))
	o.refused(403, "E0000006", http.MethodPut, "/api/v1/groups/"+ad, map[string]any{"profile": map[string]any{"name": "X"}})
	o.refused(403, "E0000006", http.MethodDelete, "/api/v1/groups/"+everyone, nil)
	require.Error(t, o.sim.Import(ada, everyone))
}

// TestGroups: Groups API, Add, Retrieve, Replace and Delete a group.
func TestGroups(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	body := func(name any) map[string]any {
		return map[string]any{"profile": map[string]any{"name": name, "description": "d"}}
	}
	g := o.must(http.MethodPost, "/api/v1/groups", body("Sales")).body
	require.Equal(t, "OKTA_GROUP", g["type"])
	path := "/api/v1/groups/" + g["id"].(string)
	require.Equal(t, g, o.must(http.MethodGet, path, nil).body)
	require.Equal(t, []string{"name: An object with this field already exists in the current organization"}, causes(o.refused(400, "E0000001", http.MethodPost, "/api/v1/groups", body("Sales"))))
	o.refused(400, "E0000001", http.MethodPost, "/api/v1/groups", body(""))
	o.refused(400, "E0000001", http.MethodPost, "/api/v1/groups", body(strings.Repeat("x", 256)))
	o.clock.pass(time.Minute)
	require.Equal(t, "Vendite", o.must(http.MethodPut, path, body("Vendite")).body["profile"].(map[string]any)["name"])
	ada := o.staged("ada")
	o.clock.pass(time.Minute)
	o.must(http.MethodPut, path+"/users/"+ada, nil)
	read := o.must(http.MethodGet, path, nil).body
	require.Equal(t, "2026-03-01T09:31:15.000Z", read["lastUpdated"])
	require.Equal(t, "2026-03-01T09:32:15.000Z", read["lastMembershipUpdated"])
	o.must(http.MethodDelete, path, nil)
	o.refused(404, "E0000007", http.MethodGet, path, nil)
	require.Empty(t, o.seen(ada).Groups)
	require.Len(t, o.must(http.MethodGet, "/api/v1/users/"+ada+"/groups", nil).list, 1)
	again, err := o.sim.AddGroup(simulator.Group{Name: "Vendite"})
	require.NoError(t, err)
	require.NotEqual(t, g["id"], again)
	require.Empty(t, o.must(http.MethodGet, "/api/v1/groups/"+again+"/users", nil).list)
	label, err := o.sim.AddApp(simulator.App{Name: "crm", Label: "CRM"})
	require.NoError(t, err)
	same, err := o.sim.AddApp(simulator.App{Name: "crm", Label: "CRM"})
	require.NoError(t, err)
	require.Equal(t, label, same)
}

// TestListGroups: Groups API, List all groups (search, filter, q) and List all member users (paging).
func TestListGroups(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{Groups: []simulator.Group{{Name: "AD Sales", Type: simulator.GroupApp}}})
	var all []string
	for i := range 7 {
		all = append(all, o.group(fmt.Sprintf("Team %d", i)))
	}
	require.Equal(t, []string{all[3]}, ids(o.query("/api/v1/groups", "search", `profile.name eq "team 3"`)))
	require.Equal(t, all, ids(o.query("/api/v1/groups", "search", `profile.name sw "Team" and type eq "OKTA_GROUP"`)))
	require.Len(t, o.query("/api/v1/groups", "search", `profile.name co "ale"`), 1)
	require.Equal(t, all, ids(o.query("/api/v1/groups", "filter", `type eq "OKTA_GROUP"`)))
	o.refused(400, "E0000031", http.MethodGet, "/api/v1/groups?filter="+escape(`profile.name eq "Team 3"`), nil)
	require.Equal(t, all, ids(o.query("/api/v1/groups", "q", "team")))
	require.Equal(t, all, slices.Concat(o.pages("/api/v1/groups?limit=3&filter="+escape(`type eq "OKTA_GROUP"`))...))
	require.Len(t, o.pages("/api/v1/groups?limit=3"), 3, "7 teams, AD Sales, Everyone")

	var members []string
	for i := range 5 {
		id := o.staged(fmt.Sprintf("user.%d", i))
		o.must(http.MethodPut, "/api/v1/groups/"+all[0]+"/users/"+id, nil)
		members = append(members, id)
	}
	pages := o.pages("/api/v1/groups/" + all[0] + "/users?limit=2")
	require.Len(t, pages, 3)
	require.Equal(t, members, slices.Concat(pages...))
}

// TestApps: Application Users API, each operation; Applications API, List all applications; reference/error-codes, E0000062
// and E0000117.
func TestApps(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{Apps: []simulator.App{{Name: "salesforce", Label: "CRM"}, {Name: "github", Label: "Code"}}})
	apps := o.must(http.MethodGet, "/api/v1/apps", nil).list
	crm, code := apps[0]["id"].(string), apps[1]["id"].(string)
	ada, bob := o.active("ada"), o.active("bob")
	users := "/api/v1/apps/" + crm + "/users"
	r := o.must(http.MethodPost, users, map[string]any{"id": ada, "scope": "USER", "profile": map[string]any{"role": "rep"}})
	require.Equal(t, ada, r.body["id"])
	require.Equal(t, "ada@example.com", r.body["credentials"].(map[string]any)["userName"])
	require.Equal(t, r.body, o.must(http.MethodGet, users+"/"+ada, nil).body)
	o.refused(409, "E0000062", http.MethodPost, users, map[string]any{"id": ada})
	o.refused(404, "E0000007", http.MethodPost, users, map[string]any{"id": "00u0"})
	o.refused(400, "E0000001", http.MethodPost, users, map[string]any{})
	o.refused(404, "E0000007", http.MethodPost, "/api/v1/apps/0oa0/users", map[string]any{"id": ada})
	o.refused(403, "E0000117", http.MethodPost, users, map[string]any{"id": o.in("DEPROVISIONED", "gone")})
	o.must(http.MethodPost, users, map[string]any{"id": bob})
	require.Equal(t, map[string]any{"role": "lead"}, o.must(http.MethodPost, users+"/"+ada, map[string]any{"profile": map[string]any{"role": "lead"}}).body["profile"])
	require.Equal(t, [][]string{{ada}, {bob}}, o.pages(users+"?limit=1"))

	of := "/api/v1/apps?filter=" + escape(`user.id eq "`+ada+`"`)
	require.Equal(t, []string{crm}, ids(o.must(http.MethodGet, of, nil).list))
	embedded := o.must(http.MethodGet, of+"&expand=user/"+ada, nil).list[0]["_embedded"].(map[string]any)["user"].(map[string]any)
	require.Equal(t, "lead", embedded["profile"].(map[string]any)["role"])
	o.refused(400, "E0000001", http.MethodGet, "/api/v1/apps?expand=user/"+ada, nil)
	require.Equal(t, []string{code}, ids(o.query("/api/v1/apps", "filter", `name eq "github"`)))
	require.Equal(t, []string{crm}, ids(o.query("/api/v1/apps", "q", "cr")))
	require.Equal(t, [][]string{{crm}, {code}}, o.pages("/api/v1/apps?limit=1"))
	o.refused(400, "E0000031", http.MethodGet, "/api/v1/apps?filter="+escape(`label eq "CRM"`), nil)
	require.Equal(t, "CRM", o.must(http.MethodGet, "/api/v1/apps/"+crm, nil).body["label"])

	require.Equal(t, 204, o.do(http.MethodDelete, users+"/"+ada, nil).status)
	o.refused(404, "E0000007", http.MethodDelete, users+"/"+ada, nil)
	require.Equal(t, []string{"CRM"}, o.seen(bob).Apps)
	require.Empty(t, o.seen(ada).Apps)
	require.Len(t, o.sim.Users(), 3, "an unassignment deletes nobody")
}
