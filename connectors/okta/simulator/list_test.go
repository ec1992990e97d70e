package simulator_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

// TestListLeavesOut: Users API, List all users: a plain list and q omit DEPROVISIONED, filter and search do not.
func TestListLeavesOut(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	ada, gone := o.active("ada"), o.in("DEPROVISIONED", "gone")
	require.Equal(t, []string{ada}, ids(o.must(http.MethodGet, "/api/v1/users", nil).list))
	require.Empty(t, o.query("/api/v1/users", "q", "F-gone"))
	require.Equal(t, []string{gone}, ids(o.query("/api/v1/users", "filter", `status eq "DEPROVISIONED"`)))
	require.Equal(t, []string{gone}, ids(o.query("/api/v1/users", "search", `profile.login eq "gone@example.com"`)))
	require.Equal(t, []string{ada, gone}, ids(o.query("/api/v1/users", "search", `status pr`)))
}

// TestPaging: Core Okta API, Pagination and Link header; Users API, List all users, limit (200 at most, and the default).
func TestPaging(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	all := make([]string, 0, 250)
	for i := range 250 {
		all = append(all, o.staged(fmt.Sprintf("user.%03d", i)))
	}
	for query, sizes := range map[string][]int{
		"":            {200, 50},
		"?limit=1000": {200, 50},
		"?limit=100":  {100, 100, 50},
		"?limit=125":  {125, 125},
		"?filter=status+eq+%22STAGED%22&limit=200": {200, 50},
		"?search=status+eq+%22STAGED%22&limit=240": {200, 50},
	} {
		pages := o.pages("/api/v1/users" + query)
		var got []int
		for _, p := range pages {
			got = append(got, len(p))
		}
		require.Equal(t, sizes, got, query)
		require.Equal(t, all, slices.Concat(pages...), query)
	}
	r := o.must(http.MethodGet, "/api/v1/users?limit=2", nil)
	links := r.header.Values("Link")
	require.Len(t, links, 2, "each link in a header of its own")
	require.Equal(t, `<http://org.example/api/v1/users?limit=2>; rel="self"`, links[0])
	require.Contains(t, links[1], `rel="next"`)
	require.NotContains(t, links[1], all[1], "the cursor is opaque")
	for _, bad := range []string{"limit=0", "limit=x", "limit=-1", "after=" + all[0], "after=Yzo"} {
		o.refused(400, "E0000029", http.MethodGet, "/api/v1/users?"+bad, nil)
	}
	require.Len(t, o.query("/api/v1/users", "q", "F-user"), 10, "q: 10 by default")
	q := o.must(http.MethodGet, "/api/v1/users?q=f-USER&limit=20", nil)
	require.Len(t, q.list, 20)
	require.Empty(t, q.header.Values("Link"), "q cannot be paged")
}

// TestPagingWhileDeleting: what goes meanwhile hides nobody else.
func TestPagingWhileDeleting(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	all := make([]string, 0, 10)
	for i := range 10 {
		all = append(all, o.staged(fmt.Sprintf("user.%d", i)))
	}
	first := o.must(http.MethodGet, "/api/v1/users?limit=4", nil)
	next := strings.TrimPrefix(strings.SplitN(first.header.Values("Link")[1], ">", 2)[0], "<http://org.example")
	for _, id := range []string{all[0], all[3], all[4]} {
		o.must(http.MethodDelete, "/api/v1/users/"+id, nil)
		o.must(http.MethodDelete, "/api/v1/users/"+id, nil)
	}
	require.Equal(t, all[5:], slices.Concat(o.pages(next)...))
}

// TestExpressions: Users API, List all users, filter and search; Core Okta API, Filter and Operators.
func TestExpressions(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{Attributes: []string{"tags", "level", "vip"}})
	o.must(http.MethodPost, "/api/v1/users?activate=false", map[string]any{"profile": profile("ada", "department", "R & D", "tags", []string{"a", "b"}, "level", 7, "vip", true)})
	o.clock.pass(time.Hour)
	o.must(http.MethodPost, "/api/v1/users", map[string]any{"profile": profile("bob", "department", "Sales", "nickName", `say "hi"`)})
	o.clock.pass(time.Hour)
	o.must(http.MethodPost, "/api/v1/users", withPassword(profile("cleo", "department", "sales")))
	for expression, want := range map[string]struct{ filter, search string }{
		`status eq "STAGED"`:                                                          {"ada", "ada"},
		`status Eq "STAGED"`:                                                          {"ada", "ada"},
		`profile.login eq "bob@example.com"`:                                          {"bob", "bob"},
		`profile.login eq "BOB@example.com"`:                                          {"", "bob"},
		`Profile.login eq "bob@example.com"`:                                          {"E0000031", "E0000031"},
		`profile.firstName eq "F-ada" or profile.lastName eq "L-bob"`:                 {"ada bob", "ada bob"},
		`status eq "ACTIVE" and profile.email eq "bob@example.com"`:                   {"", ""},
		`(status eq "ACTIVE" or status eq "STAGED") and profile.firstName eq "F-ada"`: {"ada", "ada"},
		`lastUpdated gt "2026-03-01T09:30:15.000Z"`:                                   {"bob cleo", "bob cleo"},
		`lastUpdated ge "2026-03-01T11:30:15.000+01:00"`:                              {"bob cleo", "bob cleo"},
		`lastUpdated lt "2026-03-01T10:30:15.000Z"`:                                   {"ada", "ada"},
		`lastUpdated le "2026-03-01T10:30:15Z"`:                                       {"ada bob", "ada bob"},
		`lastUpdated gt "yesterday"`:                                                  {"E0000030", "E0000030"},
		`status lt "STAGED" or status gt "STAGED"`:                                    {"E0000031", "bob cleo"},
		`profile.department eq "Sales"`:                                               {"E0000031", "bob cleo"},
		`profile.department sw "r &"`:                                                 {"E0000031", "ada"},
		`profile.department co "ale"`:                                                 {"E0000031", "E0000031"},
		`profile.login co "@example"`:                                                 {"E0000031", "ada bob cleo"},
		`profile.nickName eq "say \"hi\""`:                                            {"E0000031", "bob"},
		`profile.nickName pr`:                                                         {"E0000031", "bob"},
		`profile.tags eq "b"`:                                                         {"E0000031", "ada"},
		`profile.level eq 7`:                                                          {"E0000031", "ada"},
		`profile.vip eq true`:                                                         {"E0000031", "ada"},
		`status ne "STAGED"`:                                                          {"E0000031", "E0000031"},
		`not (status eq "STAGED")`:                                                    {"E0000031", "E0000031"},
		`id eq "00u0"`:                                                                {"", ""},
		`created gt "2026-03-01T09:30:15.000Z"`:                                       {"E0000031", "bob cleo"},
		`activated pr`:                                                                {"E0000031", "cleo"},
		`type.id eq "oty0"`:                                                           {"E0000031", ""},
		`credentials.password eq "x"`:                                                 {"E0000031", "E0000031"},
		`status eq`:                                                                   {"E0000031", "E0000031"},
		`nonsense`:                                                                    {"E0000031", "E0000031"},
		`profile.login eq "bob@example.com" and profile.department eq "sales"`:        {"E0000031", "bob"},
	} {
		for parameter, want := range map[string]string{"filter": want.filter, "search": want.search} {
			t.Run(parameter+" "+expression, func(t *testing.T) {
				t.Parallel()
				path := "/api/v1/users?" + parameter + "=" + escape(expression)
				if strings.HasPrefix(want, "E0") {
					o.refused(400, want, http.MethodGet, path, nil)
					return
				}
				var names []string
				for _, u := range o.must(http.MethodGet, path, nil).list {
					names = append(names, strings.TrimPrefix(u["profile"].(map[string]any)["firstName"].(string), "F-"))
				}
				require.Equal(t, want, strings.Join(names, " "))
			})
		}
	}
	o.refused(400, "E0000033", http.MethodGet, "/api/v1/users?search=status+pr&filter=status+eq+%22STAGED%22", nil)
	o.refused(501, "E0000060", http.MethodGet, "/api/v1/users?search=status+pr&sortBy=status", nil)
}

// TestSearchIsEventual: Users API and Groups API, search: eventually consistent; filter, id and plain lists are not.
func TestSearchIsEventual(t *testing.T) {
	t.Parallel()
	const lag = 5 * time.Second
	o := newOrg(t, simulator.Options{SearchLag: lag})
	search := func(login string) []map[string]any {
		return o.query("/api/v1/users", "search", `profile.login eq "`+login+`@example.com"`)
	}
	id := o.staged("ada")
	require.Empty(t, search("ada"))
	require.Len(t, o.query("/api/v1/users", "filter", `profile.login eq "ada@example.com"`), 1)
	require.Len(t, o.must(http.MethodGet, "/api/v1/users", nil).list, 1)
	o.clock.pass(lag)
	require.Equal(t, []string{id}, ids(search("ada")))

	o.must(http.MethodPost, "/api/v1/users/"+id, map[string]any{"profile": map[string]any{"login": "byron@example.com"}})
	require.Empty(t, search("byron"))
	require.Equal(t, "ada@example.com", search("ada")[0]["profile"].(map[string]any)["login"], "what it shows is old too")
	o.clock.pass(lag)
	require.Empty(t, search("ada"))
	require.Len(t, search("byron"), 1)

	o.must(http.MethodDelete, "/api/v1/users/"+id, nil)
	require.Equal(t, "STAGED", search("byron")[0]["status"])
	o.must(http.MethodDelete, "/api/v1/users/"+id, nil)
	require.Len(t, search("byron"), 1, "a deleted user is still found")
	o.clock.pass(lag)
	require.Empty(t, search("byron"))

	o.group("Sales")
	require.Empty(t, o.query("/api/v1/groups", "search", `profile.name eq "Sales"`))
	o.clock.pass(lag)
	require.Len(t, o.query("/api/v1/groups", "search", `profile.name eq "Sales"`), 1)
}

// TestSearchFindsWhatIs: with time enough the search agrees with the users, whatever was done to them.
func TestSearchFindsWhatIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		o := newOrg(t, simulator.Options{SearchLag: time.Second, ActivationLag: time.Second})
		names := []string{"ada", "bob", "cleo"}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			name := rapid.SampledFrom(names).Draw(rt, "name")
			path := "/api/v1/users/" + name + "@example.com"
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				o.do(http.MethodPost, "/api/v1/users?activate=false", map[string]any{"profile": profile(name)})
			case 1:
				o.do(http.MethodPost, path, map[string]any{"profile": map[string]any{"department": rapid.SampledFrom([]string{"A", "B", ""}).Draw(rt, "department")}})
			case 2:
				o.do(http.MethodPost, path+"/lifecycle/activate", nil)
			case 3:
				o.do(http.MethodPost, path+"/lifecycle/deactivate", nil)
			case 4:
				o.do(http.MethodDelete, path, nil)
			case 5:
				o.clock.pass(500 * time.Millisecond)
			}
		}
		o.clock.pass(time.Minute)
		require.Empty(rt, o.query("/api/v1/users", "search", `profile.department eq "never"`))
		for _, department := range []string{"A", "B"} {
			var want []string
			for _, u := range o.query("/api/v1/users", "search", "id pr") {
				require.Equal(rt, o.user(u["id"].(string))["status"], u["status"])
				if u["profile"].(map[string]any)["department"] == department {
					want = append(want, u["id"].(string))
				}
			}
			require.ElementsMatch(rt, want, ids(o.query("/api/v1/users", "search", `profile.department eq "`+strings.ToLower(department)+`"`)))
		}
		require.Len(rt, o.query("/api/v1/users", "search", "id pr"), len(o.sim.Users()))
	})
}
