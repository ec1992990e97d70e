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

// graph/paging, graph/api/user-list.
func TestPaging(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	want := []string{}
	for i := range 250 {
		want = append(want, c.create(with(person(fmt.Sprintf("u%03d", i)), "city", "Oslo")))
	}
	for name, tc := range map[string]struct {
		path  string
		pages int
	}{
		"default page":           {"/users?$select=id", 3},
		"$top":                   {"/users?$top=60&$select=id", 5},
		"$top of all":            {"/users?$top=999", 1},
		"exactly full":           {"/users?$top=125", 2},
		"with a filter":          {"/users?$filter=city eq 'oslo'&$top=200", 2},
		"sorted":                 {"/users?$orderby=displayName&$top=100", 3},
		"filter that is indexed": {"/users?$filter=displayName eq 'U007'", 1},
	} {
		got, pages := c.all(tc.path)
		require.Equal(t, tc.pages, pages, name)
		if pages > 1 || name == "$top of all" {
			require.Equal(t, want, got, name)
		} else {
			require.Equal(t, want[7:8], got, name)
		}
	}
	next := c.get("/users?$top=2&$select=id").text("@odata.nextLink")
	require.Contains(t, next, "http://graph.test/v1.0/users?")
	require.Contains(t, next, "$top=2", "the other parameters are in the link")
	require.Contains(t, next, "$skiptoken=")
	c.want(c.get("/users?$skiptoken=abc"), http.StatusBadRequest, "Directory_ExpiredPageToken")
	c.want(c.get("/users?$top=1000"), http.StatusBadRequest, "Request_BadRequest")
	c.want(c.get("/users?$skip=10"), http.StatusBadRequest, "Request_BadRequest")
}

// graph/filter-query-parameter, graph/aad-advanced-queries.
func TestFilters(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.create(with(person("ada"), "department", "Eng", "employeeId", "1", "mail", "ada@contoso.com", "companyName", "Contoso"))
	c.create(with(person("bob"), "department", "Sales", "employeeId", "2", "displayName", "Bob O'Hara", "accountEnabled", false))
	c.create(with(person("cyd"), "department", "Sales", "otherMails", []string{"c@home.org"}, "usageLocation", "NO"))
	c.want(c.do(http.MethodPost, "/users/cyd@contoso.com/assignLicense", map[string]any{"addLicenses": []any{map[string]any{"skuId": e3}}, "removeLicenses": []any{}}), http.StatusOK)
	for filter, tc := range map[string]struct {
		want     string // mail nicknames
		advanced bool
	}{
		`userPrincipalName eq 'ADA@contoso.com'`:                               {want: "ada"},
		`employeeId eq '2'`:                                                    {want: "bob"},
		`accountEnabled eq false`:                                              {want: "bob"},
		`department eq 'sales' and accountEnabled eq true`:                     {want: "cyd"},
		`employeeId eq '1' or employeeId eq '2'`:                               {want: "ada bob"},
		`(employeeId eq '1' or employeeId eq '2') and department eq 'Eng'`:     {want: "ada"},
		`employeeId in ('1', '2')`:                                             {want: "ada bob"},
		`displayName eq 'Bob O''Hara'`:                                         {want: "bob"},
		`startswith(mailNickname,'c')`:                                         {want: "cyd"},
		`startsWith(displayName, 'bob')`:                                       {want: "bob"},
		`otherMails/any(x:x eq 'c@home.org')`:                                  {want: "cyd"},
		`assignedLicenses/any(l:l/skuId eq ` + e3 + `)`:                        {want: "cyd"},
		`createdDateTime ge 2026-01-01T00:00:00Z`:                              {want: "ada bob cyd"},
		`createdDateTime le 2026-01-01T00:00:00Z`:                              {want: ""},
		`department ne 'Sales'`:                                                {want: "ada", advanced: true},
		`not startsWith(displayName,'a')`:                                      {want: "bob cyd", advanced: true},
		`employeeId eq null`:                                                   {want: "cyd", advanced: true},
		`companyName eq 'contoso'`:                                             {want: "ada", advanced: true},
		`endsWith(mail,'@contoso.com')`:                                        {want: "ada", advanced: true},
		`otherMails/any(x:endsWith(x,'home.org'))`:                             {want: "cyd", advanced: true},
		`endsWith(userPrincipalName,'@contoso.com') and employeeId eq '2'`:     {want: "bob", advanced: true},
		`proxyAddresses/any(p:startswith(p,'smtp:ada')) and employeeId eq '1'`: {want: "ada"},
	} {
		path := "/users?$select=mailNickname&$filter=" + filter
		if tc.advanced {
			c.want(c.get(path), http.StatusBadRequest, "Request_UnsupportedQuery")
			c.want(c.get(path, eventual...), http.StatusBadRequest, "Request_UnsupportedQuery")
			path += "&$count=true"
			c.want(c.get(path), http.StatusBadRequest, "Request_UnsupportedQuery")
		}
		out := c.want(c.get(path, eventual...), http.StatusOK)
		require.Equal(t, strings.Fields(tc.want), out.column("mailNickname"), filter)
		if tc.advanced {
			require.InDelta(t, len(strings.Fields(tc.want)), out.body["@odata.count"], 0, filter)
		}
	}
	for filter, code := range map[string]string{
		`displayName`:                        "Request_BadRequest",
		`displayName eq 'x`:                  "Request_BadRequest",
		`(displayName eq 'x'`:                "Request_BadRequest",
		`displayName eq 'x' displayName`:     "Request_BadRequest",
		`displayName like 'x'`:               "Request_BadRequest",
		`shoeSize eq '44'`:                   "Request_BadRequest",
		`startswith(displayName)`:            "Request_BadRequest",
		`otherMails/any(x:y eq 'z')`:         "Request_BadRequest",
		`employeeId in ()`:                   "Request_BadRequest",
		`lastPasswordChangeDateTime eq null`: "Request_UnsupportedQuery",
		`accountEnabled ge true`:             "Request_UnsupportedQuery",
	} {
		c.want(c.get("/users?$filter="+filter), http.StatusBadRequest, code)
	}
}

// graph/aad-advanced-queries, "Error handling".
func TestConsistencyLevel(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for _, name := range []string{"cyd", "ada", "bob"} {
		c.create(person(name))
	}
	require.NotContains(t, c.want(c.get("/users?$count=true"), http.StatusOK).body, "@odata.count", "ignored in silence")
	require.InDelta(t, 3, c.get("/users?$count=true&$top=1", eventual...).body["@odata.count"], 0)
	require.Equal(t, "$count is not currently supported.", c.want(c.get("/users/$count"), http.StatusBadRequest, "Request_BadRequest").message())
	require.Equal(t, "3", c.want(c.get("/users/$count", eventual...), http.StatusOK).raw)
	c.want(c.get(`/users?$search="displayName:ad"`), http.StatusBadRequest, "Request_UnsupportedQuery")
	require.Equal(t, []string{"ada"}, c.get(`/users?$search="displayName:ad"`, eventual...).column("displayName"))
	c.want(c.get(`/users?$search=ad`, eventual...), http.StatusBadRequest, "Request_BadRequest")

	require.Equal(t, []string{"ada", "bob", "cyd"}, c.get("/users?$orderby=displayName").column("displayName"))
	require.Equal(t, []string{"cyd", "bob", "ada"}, c.get("/users?$orderby=displayName desc").column("displayName"))
	c.want(c.get("/users?$orderby=department"), http.StatusBadRequest, "Request_UnsupportedQuery")
	c.want(c.get("/users?$orderby=createdDateTime"), http.StatusBadRequest, "Request_UnsupportedQuery")
	both := "/users?$orderby=displayName&$filter=accountEnabled eq true"
	c.want(c.get(both), http.StatusBadRequest, "Request_UnsupportedQuery")
	require.Len(t, c.want(c.get(both+"&$count=true", eventual...), http.StatusOK).values(), 3)
	c.want(c.get("/users?$expand=manager&$count=true", eventual...), http.StatusBadRequest, "Request_UnsupportedQuery")
}

// graph/aad-advanced-queries: with the header the response is eventually consistent.
func TestSearchLag(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(o *simulator.Options) { o.SearchLag = 10 * time.Second })
	id := c.create(with(person("ada"), "department", "Eng"))
	filter := func(department string, headers ...string) int {
		return len(c.want(c.get("/users?$count=true&$filter=department eq '"+department+"'", headers...), http.StatusOK).values())
	}
	require.Equal(t, 1, filter("Eng"), "without the header it reads the directory")
	require.Equal(t, 0, filter("Eng", eventual...))
	c.clock.pass(10 * time.Second)
	require.Equal(t, 1, filter("Eng", eventual...))

	c.want(c.do(http.MethodPatch, "/users/"+id, map[string]any{"department": "Ops"}), http.StatusNoContent)
	c.join(c.group("Sales"), id)
	require.Equal(t, 1, filter("Ops"))
	require.Equal(t, 0, filter("Ops", eventual...))
	require.Equal(t, 1, filter("Eng", eventual...))
	require.Equal(t, []string{"Sales"}, c.get("/users/"+id+"/memberOf").column("displayName"))
	require.Empty(t, c.get("/users/"+id+"/memberOf", eventual...).values())
	c.clock.pass(10 * time.Second)
	require.Equal(t, 1, filter("Ops", eventual...))
	require.Equal(t, []string{"Sales"}, c.get("/users/"+id+"/memberOf", eventual...).column("displayName"))
}

// graph/query-parameters ($select), graph/delta-query-overview (the body of 501).
func TestSelect(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.create(person("ada"))
	out := c.want(c.get("/users/"+id+"?$select=accountEnabled,employeeId"), http.StatusOK)
	delete(out.body, "@odata.context")
	require.Equal(t, map[string]any{"accountEnabled": true, "employeeId": nil}, out.body)
	c.want(c.get("/users?$select=shoeSize"), http.StatusBadRequest, "BadRequest")
	c.want(c.get("/users?$select=skills"), http.StatusNotImplemented, "NotImplemented")
	c.want(c.get("/users/"+id+"?$select=skills"), http.StatusOK)
}

// TestAnyFilterIsAnsweredOrRefused: no arrangement of a filter's words does anything but 200 or 400.
func TestAnyFilterIsAnsweredOrRefused(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.create(with(person("ada"), "otherMails", []string{"a@b.c"}))
	words := []string{
		"displayName", "otherMails/any", "accountEnabled", "eq", "ne", "in", "ge", "and", "or", "not", "startswith", "endswith", "(", ")", ",", ":",
		"x", "x/y", "'ada'", "''", "'", "true", "null", "2026-01-01T00:00:00Z",
	}
	rapid.Check(t, func(t *rapid.T) {
		filter := strings.Join(rapid.SliceOf(rapid.SampledFrom(words)).Draw(t, "words"), " ")
		out := c.get("/users?$count=true&$filter="+filter, eventual...)
		if out.status != http.StatusOK && out.status != http.StatusBadRequest {
			t.Fatalf("%s answered %d", filter, out.status)
		}
	})
}
