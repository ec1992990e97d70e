package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// query is the path with parameters, which come in pairs.
func query(path string, parameters ...string) string {
	values := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		values.Add(parameters[i], parameters[i+1])
	}
	return path + "?" + values.Encode()
}

func TestSCIMFilters(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	ids := map[string]string{}
	for i, name := range []string{"ada", "bob", "eve"} {
		ids[name] = d.user(name+"@acme.example", fmt.Sprintf(`"externalId":"x%d"`, i), fmt.Sprintf(`"active":%t`, name != "eve"),
			fmt.Sprintf(`"displayName":"%s Example"`, strings.ToUpper(name)), fmt.Sprintf(`"emails":[{"value":"%s@mail.example","type":"work"},{"value":"%s@home.example","type":"home"}]`, name, name),
			fmt.Sprintf(`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"%d","department":"Sales"}`, 100+i))
	}
	group := d.group("Sales \"East\"", ids["ada"], ids["bob"])
	created := d.get("/Users/" + ids["bob"]).text("meta.created")
	for filter, want := range map[string]string{
		`userName eq "ada@acme.example"`: "ada", `USERNAME EQ "ADA@acme.example"`: "ada", `userName eq "x"`: "", `userName sw "b"`: "bob",
		`urn:ietf:params:scim:schemas:core:2.0:User:userName eq "eve@acme.example"`: "eve", `externalId eq "x1"`: "bob", `externalId eq "X1"`: "",
		`id eq "` + ids["eve"] + `"`: "eve", `id eq "nobody"`: "", `active eq false`: "eve", `active eq true`: "ada bob", `not (active eq true)`: "eve",
		`emails eq "bob@home.example"`: "bob", `emails.value eq "EVE@mail.example"`: "eve", `emails co "home.example"`: "ada bob eve",
		`emails[type eq "work" and value co "ada@home"]`: "", `emails[type eq "home" and value co "ada@home"]`: "ada", `emails[type eq "work"].value eq "ada@mail.example"`: "ada",
		`displayName co "B ex"`: "bob", `displayName pr and active eq true`: "ada bob", `nickName pr`: "", `title eq null`: "ada bob eve",
		`userName eq "ada@acme.example" or userName eq "bob@acme.example" and active eq false`:   "ada",
		`(userName eq "ada@acme.example" or userName eq "eve@acme.example") and active eq false`: "eve",
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber gt "100"`:     "bob eve", `meta.created eq "` + created + `"`: "bob",
		`meta.lastModified ge "2020-01-01T00:00:00Z"`: "ada bob eve", `meta.created lt "2020-01-01T00:00:00Z"`: "", `groups.value eq "` + group + `"`: "ada bob",
		`meta.location ew "` + ids["ada"] + `"`: "ada", `schemas eq "urn:ietf:params:scim:schemas:core:2.0:User"`: "ada bob eve", `schemas co "Enterprise"`: "ada bob eve", `not (schemas ew "enterprise:2.0:User")`: "", `schemas sw "urn:x"`: "", `meta.resourceType eq "Group"`: "",
		``: "ada bob eve",
	} {
		var names []string
		for _, id := range d.get(query("/Users", "filter", filter)).ids() {
			for name, known := range ids {
				if id == known {
					names = append(names, name)
				}
			}
		}
		slices.Sort(names)
		require.Equal(t, want, strings.Join(names, " "), filter)
	}
	for _, filter := range []string{`displayName eq "Sales \"East\""`, `members.value eq "` + ids["bob"] + `"`, `members[type eq "User" and value eq "` + ids["ada"] + `"]`, `members pr`} {
		require.Equal(t, []string{group}, d.get(query("/Groups", "filter", filter, "excludedAttributes", "members")).ids(), filter)
	}
	require.Empty(t, d.get(query("/Groups", "filter", `members.value eq "`+ids["eve"]+`"`)).ids())
	for _, filter := range []string{`userName`, `userName eq`, `userName eq ada`, `userName is "a"`, `shoeSize eq 4`, `active gt true`, `(userName eq "a"`, `userName eq "a`,
		`userName eq 'a'`, `emails[type eq "work"`, `and`, `meta.created eq "yesterday"`, `userName eq "\ud800"`, strings.Repeat("(", 100) + `userName pr` + strings.Repeat(")", 100)} {
		d.get(query("/Users", "filter", filter)).refused(http.StatusBadRequest, "invalidFilter")
	}
	d.get(query("/Users", "filter", strings.Repeat(`userName eq "a" or `, 60)+`userName eq "b"`)).refused(http.StatusBadRequest, "tooMany")
}

func TestSCIMPages(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	var all []string
	for i := range 7 {
		all = append(all, d.user(fmt.Sprintf("user%d", i), fmt.Sprintf(`"nickName":"n%d"`, 9-i)))
	}
	reversed := slices.Clone(all)
	slices.Reverse(reversed)
	first := d.get("/Users").is(http.StatusOK)
	require.Equal(t, "urn:ietf:params:scim:api:messages:2.0:ListResponse", first.text("schemas.0"))
	for _, test := range []struct {
		query string
		start int
		want  []string
	}{
		{"", 1, all}, {"startIndex=3&count=2", 3, all[2:4]}, {"startIndex=0&count=2", 1, all[:2]}, {"startIndex=-5", 1, all}, {"startIndex=7", 7, all[6:]},
		{"startIndex=8", 8, []string{}}, {"startIndex=99999999999999999999", 1<<31 - 1, []string{}}, {"count=0", 1, []string{}}, {"count=-1", 1, []string{}},
		{"count=99999999999999999999", 1, all}, {"sortBy=userName&sortOrder=descending&count=3", 1, reversed[:3]}, {"sortBy=nickName", 1, reversed},
		{"sortBy=NICKNAME&sortOrder=Descending", 1, all}, {"sortBy=meta.created", 1, all}, {"sortBy=emails", 1, nil}, {"sortBy=name.familyName&startIndex=2&count=2", 2, nil},
	} {
		answer := d.get("/Users?" + test.query).is(http.StatusOK)
		require.InDelta(t, 7, answer.get("totalResults"), 0, test.query)
		require.InDelta(t, test.start, answer.get("startIndex"), 0, test.query)
		require.InDelta(t, len(answer.ids()), answer.get("itemsPerPage"), 0, test.query)
		if test.want != nil {
			require.Equal(t, test.want, answer.ids(), test.query)
		}
	}
	require.Contains(t, string(d.get("/Users?count=0").body), `"Resources":[]`)
	for query, scimType := range map[string]string{"startIndex=x": "invalidValue", "count=1.5": "invalidValue", "cursor&count=x": "invalidCount", "cursor=&count=0": "invalidCount", "cursor=&count=-1": "invalidCount", "cursor=nonsense": "invalidCursor",
		"sortOrder=up": "invalidValue", "sortBy=shoeSize": "invalidValue", "filter=%zz": "invalidSyntax", "filter=%00": "invalidValue", "filter=%ff": "invalidValue",
		"attributes=userName&excludedAttributes=emails": "invalidValue"} {
		d.get("/Users?"+query).refused(http.StatusBadRequest, scimType)
	}

	for _, parameters := range []string{"", "&sortBy=userName&sortOrder=descending", "&filter=userName+sw+%22user%22"} {
		var walked []string
		cursor, pages := "", 0
		for {
			page := d.get("/Users?count=3&cursor=" + cursor + parameters).is(http.StatusOK)
			require.Nil(t, page.get("startIndex"))
			walked = append(walked, page.ids()...)
			pages++
			if page.get("nextCursor") == nil {
				break
			}
			cursor = page.text("nextCursor")
		}
		require.Equal(t, 3, pages)
		require.Len(t, walked, 7)
		require.ElementsMatch(t, all, walked)
	}
	cursor := d.get("/Users?count=3&cursor=").text("nextCursor")
	d.get("/Users?sortBy=userName&cursor="+cursor).refused(http.StatusBadRequest, "invalidCursor")
}

func TestSCIMProjection(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	id := d.user("ada", `"name":{"givenName":"Ada","familyName":"L"}`, `"emails":[{"value":"a@x.example","type":"work"},{"value":"a@y.example","type":"home"}]`,
		`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Sales","costCenter":"4"}`)
	group := d.group("Sales", id)
	keys := func(a scimAnswer) string {
		var m map[string]any
		require.Less(t, a.status, 300, string(a.body))
		require.NoError(t, json.Unmarshal(a.body, &m))
		return strings.Join(slices.Sorted(maps.Keys(m)), " ")
	}
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	require.Equal(t, "active emails groups id meta name schemas "+enterprise+" userName", keys(d.get("/Users/"+id)))
	for _, test := range []struct{ name, value, want string }{
		{"attributes", "userName", "id schemas userName"},
		{"attributes", "USERNAME,name.givenName", "id name schemas userName"},
		{"attributes", `emails[type eq "work"],meta.version`, "emails id meta schemas"},
		{"attributes", enterprise + ":department", "id schemas " + enterprise},
		{"attributes", "shoeSize", "id schemas"},
		{"excludedAttributes", "emails,groups,meta," + enterprise, "active id name schemas userName"},
		{"excludedAttributes", "id,schemas,name.givenName", "active emails groups id meta name schemas " + enterprise + " userName"},
	} {
		require.Equal(t, test.want, keys(d.get(query("/Users/"+id, test.name, test.value))), test.value)
		list := d.get(query("/Users", test.name, test.value)).is(http.StatusOK)
		one, err := json.Marshal(list.get("Resources.0"))
		require.NoError(t, err)
		require.JSONEq(t, string(d.get(query("/Users/"+id, test.name, test.value)).body), string(one))
		patched := d.do(http.MethodPatch, query("/Users/"+id, test.name, test.value), patchOf(`{"op":"add","path":"nickName","value":"A"}`))
		require.NotEmpty(t, keys(patched))
		d.patch("/Users/"+id, `{"op":"remove","path":"nickName"}`).is(http.StatusOK)
	}
	short := d.get(query("/Users/"+id, "attributes", "name.givenName,"+enterprise+":department"))
	require.Nil(t, short.get("name.familyName"))
	require.Equal(t, "Ada", short.text("name.givenName"))
	require.Equal(t, "id schemas userName", keys(d.post(query("/Users", "attributes", "userName"), userOf("bob"))))

	require.Equal(t, "displayName id meta schemas", keys(d.get("/Groups/"+group+"?excludedAttributes=members")))
	require.Equal(t, "id members schemas", keys(d.get("/Groups/"+group+"?attributes=members.value")))
	require.Equal(t, map[string]any{"value": id}, d.get("/Groups/"+group+"?attributes=members.value").get("members.0"))
}

func TestSCIMSearch(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	var all []string
	for i := range 3 {
		all = append(all, d.user(fmt.Sprintf("user%d", i)))
	}
	group := d.group("user2")
	search := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],%s}`
	list := d.post("/Users/.search", fmt.Sprintf(search, `"filter":"userName sw \"user\"","sortBy":"userName","sortOrder":"descending","startIndex":2,"count":1,"attributes":["userName"]`))
	require.Equal(t, []string{all[1]}, list.ids())
	require.InDelta(t, 3, list.get("totalResults"), 0)
	require.Nil(t, list.get("Resources.0.meta"))
	require.Equal(t, []string{group}, d.post("/Groups/.search", fmt.Sprintf(search, `"filter":"displayName eq \"USER2\""`)).ids())
	require.Equal(t, all, d.post("/Users/.search/", "{}").ids())

	for _, list := range []scimAnswer{d.get("/"), d.get(""), d.post("/.search", "{}"), d.get(query("/", "filter", `meta.created pr`))} {
		require.Equal(t, append(slices.Clone(all), group), list.ids())
		require.InDelta(t, 4, list.get("totalResults"), 0)
	}
	require.Equal(t, []string{all[2], group}, d.post("/.search", fmt.Sprintf(search, `"filter":"userName eq \"user2\" or displayName eq \"user2\""`)).ids())
	require.Equal(t, []string{group}, d.get(query("/", "filter", `meta.resourceType eq "Group"`)).ids())
	require.Equal(t, []string{all[2], group}, d.get("/?startIndex=3&count=5").ids())
	require.Equal(t, all[1:], d.get("/?startIndex=2&count=2").ids())
	require.Equal(t, []string{group}, d.get("/?startIndex=4&count=2&sortBy=userName").ids())
	require.Equal(t, []string{group, all[2]}, d.get("/?count=2&sortBy=userName&sortOrder=descending").ids(), "who has none comes first")
	require.Equal(t, []string{group}, d.get("/?count=1&sortBy=members").ids())
	require.Equal(t, all[:1], d.get(query("/", "filter", `emails[type eq "work"] or userName eq "user0"`)).ids())
	require.Empty(t, d.get(query("/", "filter", `members[value eq "x"] or emails[type eq "work" and value pr]`)).ids())
	d.get("/?sortBy=shoeSize").refused(http.StatusBadRequest, "invalidValue")
	require.Empty(t, d.get("/?startIndex=9").ids())
	var walked []string
	for cursor, more := "", true; more; {
		page := d.post("/.search", fmt.Sprintf(search, fmt.Sprintf(`"count":2,"cursor":%q`, cursor))).is(http.StatusOK)
		walked = append(walked, page.ids()...)
		cursor, more = "", page.get("nextCursor") != nil
		if more {
			cursor = page.text("nextCursor")
		}
	}
	require.Equal(t, append(slices.Clone(all), group), walked)
	d.post("/.search", fmt.Sprintf(`{"schemas":[%q]}`, strings.ToUpper("urn:ietf:params:scim:api:messages:2.0:SearchRequest"))).is(http.StatusOK)

	for body, scimType := range map[string]string{
		`[]`: "invalidSyntax", fmt.Sprintf(search, `"cursor":"","count":0`): "invalidCount", `{"schemas":["urn:x"]}`: "invalidSyntax", fmt.Sprintf(search, `"filter":"x"`): "invalidFilter", fmt.Sprintf(search, `"count":"x"`): "invalidValue",
		fmt.Sprintf(search, `"count":[]`): "invalidSyntax", fmt.Sprintf(search, `"attributes":[1]`): "invalidSyntax", fmt.Sprintf(search, `"count":1,"count":2`): "invalidSyntax", fmt.Sprintf(search, `"count":1,"COUNT":0`): "invalidSyntax",
		fmt.Sprintf(search, `"sortBy":"shoeSize"`): "invalidValue", fmt.Sprintf(search, `"cursor":"g.x"`): "invalidCursor",
	} {
		d.post("/Users/.search", body).refused(http.StatusBadRequest, scimType)
	}
}

// A list of all types is in one order when it is sorted by what they have in common, on whatever page.
func TestSCIMSearchMergesTypes(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	var all, ids []string
	for i := range 9 { // externalIds go down as the times of creation go up
		more := fmt.Sprintf(`"externalId":"x%d"`, 9-i)
		var id string
		if i%3 == 1 {
			id = d.post("/Groups", fmt.Sprintf(`{"displayName":"Group %d",%s}`, i, more)).is(http.StatusCreated).text("id")
		} else {
			id = d.user(fmt.Sprint("user", i), more, fmt.Sprintf(`"displayName":"GROUP %d"`, i))
		}
		all, ids = append(all, id), append(ids, id)
	}
	without := []string{d.user("without"), d.group("zz without")}
	reversed := slices.Clone(all)
	slices.Reverse(reversed)
	slices.Sort(ids)
	filter := `externalId pr`
	for sorting, want := range map[string][]string{
		"meta.created": all, "externalId": reversed, "id": ids, "displayName": all, "meta.lastModified": all,
	} {
		backwards := slices.Clone(want)
		slices.Reverse(backwards)
		for order, want := range map[string][]string{"ascending": want, "descending": backwards} {
			for _, size := range []int{1, 2, 4, 20} {
				var got []string
				for start := 1; start <= len(want); start += size {
					page := d.get(query("/", "filter", filter, "sortBy", sorting, "sortOrder", order, "count", fmt.Sprint(size), "startIndex", fmt.Sprint(start)))
					got = append(got, page.ids()...)
					require.InDelta(t, 9, page.get("totalResults"), 0)
				}
				require.Equal(t, want, got, "%s %s by %d", sorting, order, size)
			}
		}
	}
	last := d.get("/?sortBy=externalId&startIndex=10").ids()
	require.ElementsMatch(t, without, last)
	require.ElementsMatch(t, without, d.get("/?sortBy=externalId&sortOrder=descending&count=2").ids())
	require.Empty(t, d.get("/?sortBy=id&startIndex=1000000").ids())
	require.Empty(t, d.get("/?sortBy=id&count=0").ids())
	d.get("/?sortBy=id&cursor").refused(http.StatusBadRequest, "invalidValue")
	d.get("/?sortBy=userName&cursor").is(http.StatusOK)
}
