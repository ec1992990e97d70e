package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bulk sends operations, which go without the brackets; more is put before them.
func (d directory) bulk(more, operations string) scimAnswer {
	d.h.t.Helper()
	return d.post("/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],`+more+`"Operations":[`+operations+`]}`)
}

func creating(path, bulkID, data string) string {
	return fmt.Sprintf(`{"method":"POST","path":%q,"bulkId":%q,"data":%s}`, path, bulkID, data)
}

// statuses are those of the operations that were done.
func (a scimAnswer) statuses() string {
	a.t.Helper()
	a.is(http.StatusOK)
	require.Equal(a.t, "urn:ietf:params:scim:api:messages:2.0:BulkResponse", a.text("schemas.0"))
	var list []string
	for i := range a.items("Operations") {
		list = append(list, a.text(fmt.Sprintf("Operations.%d.status", i)))
	}
	return strings.Join(list, " ")
}

// resource is the path of what an operation made.
func (a scimAnswer) resource(i int) string {
	a.t.Helper()
	_, path, ok := strings.Cut(a.text(fmt.Sprintf("Operations.%d.location", i)), "/scim/v2")
	require.True(a.t, ok)
	return path
}

func (a scimAnswer) resourceID(i int) string {
	a.t.Helper()
	path := a.resource(i)
	return path[strings.LastIndex(path, "/")+1:]
}

const enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

func managedBy(reference string) string {
	return fmt.Sprintf(`%q:{"manager":{"value":%q},"department":"Sales"}`, enterpriseURN, reference)
}

func TestSCIMBulkOperations(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	old, gone := d.user("old"), d.user("gone")
	answer := d.bulk("", strings.Join([]string{
		creating("/Users", "ada", userOf("ada")),
		fmt.Sprintf(`{"method":"put","path":"/Users/%s","data":%s}`, old, userOf("older")),
		fmt.Sprintf(`{"method":"PATCH","path":"/Users/%s","version":"W/\"2\"","data":%s}`, old, patchOf(`{"op":"add","path":"nickName","value":"O"}`)),
		fmt.Sprintf(`{"method":"PATCH","path":"/Users/%s","version":"W/\"2\"","data":%s}`, old, patchOf(`{"op":"add","path":"nickName","value":"P"}`)),
		fmt.Sprintf(`{"method":"DELETE","path":"/Users/%s"}`, gone),
		fmt.Sprintf(`{"method":"DELETE","path":"/Users/%s"}`, gone),
		creating("/Users", "twice", userOf("OLDER")),
	}, ","))
	require.Equal(t, "201 200 200 412 204 404 409", answer.statuses())
	require.Equal(t, "ada", answer.text("Operations.0.bulkId"))
	require.Equal(t, "POST", answer.text("Operations.0.method"))
	require.Equal(t, `W/"1"`, answer.text("Operations.0.version"))
	require.Equal(t, "ada", d.get(answer.resource(0)).text("userName"))
	require.Equal(t, "/Users/"+old, answer.resource(1))
	require.Equal(t, `W/"3"`, answer.text("Operations.2.version"))
	require.Equal(t, "412", answer.text("Operations.3.response.status"))
	require.Equal(t, "uniqueness", answer.text("Operations.6.response.scimType"))
	require.Nil(t, answer.get("Operations.6.location"))
	require.Equal(t, "O", d.get("/Users/"+old).text("nickName"))
	require.Empty(t, d.get("/Users/"+gone).refused(http.StatusNotFound, "").get("Resources"))
}

func TestSCIMBulkReferences(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	// What is referred to may come later; a group may have a user, a group, and somebody who is there.
	there := d.user("there")
	answer := d.bulk("", strings.Join([]string{
		creating("/Groups", "all", groupOf("All", "bulkId:sales", "bulkId:bob", there)),
		creating("/Groups", "sales", groupOf("Sales", "bulkId:ada")),
		creating("/Users", "ada", userOf("ada", managedBy("bulkId:bob"))),
		creating("/Users", "bob", userOf("bob")),
		fmt.Sprintf(`{"method":"PATCH","path":"/Groups/bulkId:sales","data":%s}`, patchOf(`{"op":"add","path":"members","value":[{"value":"bulkId:bob"}]},{"op":"remove","path":"members[value eq \"bulkId:ada\"]"}`)),
		`{"method":"DELETE","path":"/Users/bulkId:none"}`,
		creating("/Users", "eve", userOf("bulkId:none", managedBy("bulkId:none"))),
	}, ","))
	require.Equal(t, "201 201 201 201 200 404 201", answer.statuses())
	require.ElementsMatch(t, []string{answer.resourceID(1), answer.resourceID(3), there}, d.members(answer.resourceID(0)))
	require.Equal(t, []string{answer.resourceID(3)}, d.members(answer.resourceID(1)))
	require.Equal(t, answer.resourceID(3), d.managerOf(answer.resource(2)))
	require.Equal(t, "bulkId:none", d.get(answer.resource(6)).text("userName"), "a name that only looks like a reference")
}

// managerOf is the id of a User's manager, nil for none.
func (d directory) managerOf(path string) any {
	d.h.t.Helper()
	answer := d.get(path).is(http.StatusOK)
	extension, _ := answer.whole()[enterpriseURN].(map[string]any)
	manager, _ := extension["manager"].(map[string]any)
	return manager["value"]
}

func TestSCIMBulkCycles(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	answer := d.bulk("", strings.Join([]string{
		creating("/Groups", "a", groupOf("A", "bulkId:b", "bulkId:x")),
		creating("/Groups", "b", groupOf("B", "bulkId:c")),
		creating("/Groups", "c", groupOf("C", "bulkId:a")),
		creating("/Users", "x", userOf("x", managedBy("bulkId:y"))),
		creating("/Users", "y", userOf("y", managedBy("bulkId:x"))),
		creating("/Users", "self", userOf("self", managedBy("bulkId:self"))),
	}, ","))
	require.Equal(t, "201 201 201 201 201 201", answer.statuses())
	a, b, c := answer.resourceID(0), answer.resourceID(1), answer.resourceID(2)
	require.ElementsMatch(t, []string{b, answer.resourceID(3)}, d.members(a))
	require.Equal(t, []string{c}, d.members(b))
	require.Equal(t, []string{a}, d.members(c))
	require.Equal(t, answer.resourceID(4), d.managerOf(answer.resource(3)))
	require.Equal(t, answer.resourceID(3), d.managerOf(answer.resource(4)))
	require.Equal(t, answer.resourceID(5), d.managerOf(answer.resource(5)))
	for i := range 6 {
		require.Equal(t, d.get(answer.resource(i)).header.Get("ETag"), answer.text(fmt.Sprintf("Operations.%d.version", i)))
	}
}

// What refers to each other is complete before later operations of the request, and by nothing but the references.
func TestSCIMBulkCyclesComeBeforeWhatFollows(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	eve := d.user("eve")
	operation := func(method, path, data string) string {
		return fmt.Sprintf(`{"method":%q,"path":%q,"data":%s}`, method, path, data)
	}
	answer := d.bulk("", strings.Join([]string{
		creating("/Users", "x", userOf("x", managedBy("bulkId:y"))),
		creating("/Users", "y", userOf("y", managedBy("bulkId:x"), `"active":true`)),
		creating("/Groups", "a", groupOf("A", "bulkId:b", eve)),
		creating("/Groups", "b", groupOf("B", "bulkId:a")),
		creating("/Groups", "c", groupOf("C", "bulkId:d")),
		creating("/Groups", "d", groupOf("D", "bulkId:c")),
		operation("PATCH", "/Users/bulkId:x", patchOf(`{"op":"replace","path":"active","value":false}`)),
		operation("PATCH", "/Users/bulkId:y", patchOf(`{"op":"replace","path":"active","value":false},{"op":"remove","path":"`+enterpriseURN+`:manager"}`)),
		operation("PATCH", "/Groups/bulkId:a", patchOf(`{"op":"remove","path":"members"},{"op":"replace","path":"displayName","value":"A2"}`)),
		operation("PATCH", "/Groups/bulkId:b", patchOf(`{"op":"remove","path":"members"},{"op":"replace","path":"displayName","value":"B2"}`)),
		operation("DELETE", "/Groups/bulkId:c", "null"),
		operation("DELETE", "/Groups/bulkId:d", "null"),
	}, ","))
	require.Equal(t, "201 201 201 201 201 201 200 200 200 200 204 204", answer.statuses())
	require.Equal(t, answer.resourceID(1), d.managerOf(answer.resource(0)))
	require.Nil(t, d.managerOf(answer.resource(1)))
	for i := range 2 {
		require.Equal(t, false, d.get(answer.resource(i)).get("active"))
		require.Empty(t, d.members(answer.resourceID(2+i)))
		d.get(answer.resource(4+i)).refused(http.StatusNotFound, "")
	}
	require.Equal(t, "A2", d.get(answer.resource(2)).text("displayName"))
	require.Equal(t, "B2", d.get(answer.resource(3)).text("displayName"))
}

// A reference that will never be there is told, and what was made stays.
func TestSCIMBulkCyclesThatFail(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	d.user("taken")
	answer := d.bulk("", creating("/Users", "x", userOf("taken", managedBy("bulkId:y")))+","+creating("/Users", "y", userOf("y", managedBy("bulkId:x"))))
	require.Equal(t, "409 400", answer.statuses())
	require.Nil(t, d.managerOf(answer.resource(1)))
}

// The data of a PATCH are a list of operations in the example of RFC 7644, section 3.7.3.
func TestSCIMBulkPatchByAList(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	id := d.user("ada", `"nickName":"A"`)
	answer := d.bulk("", fmt.Sprintf(`{"method":"PATCH","path":"/Users/%s","data": [{"op":"remove","path":"nickName"},{"op":"add","path":"userName","value":"Dave"}]}`, id)+
		","+fmt.Sprintf(`{"method":"PATCH","path":"/Users/%s","data":[]}`, id))
	require.Equal(t, "200 400", answer.statuses())
	require.Equal(t, "Dave", d.get("/Users/"+id).text("userName"))
	require.Nil(t, d.get("/Users/"+id).get("nickName"))
}

func TestSCIMBulkErrors(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	d.user("taken")
	bad := creating("/Users", "bad", userOf("taken"))
	dependent := creating("/Groups", "g", groupOf("G", "bulkId:bad"))
	good := creating("/Users", "good", userOf("good"))
	require.Equal(t, "409 400 201", d.bulk("", bad+","+dependent+","+good).statuses())
	require.Equal(t, "409", d.bulk(`"failOnErrors":1,`, bad+","+creating("/Users", "late", userOf("late"))).statuses())
	require.Equal(t, "409 201 400", d.bulk(`"failOnErrors":2,`, bad+","+creating("/Users", "one", userOf("one"))+","+dependent+","+creating("/Users", "two", userOf("two"))).statuses())
	require.Equal(t, "409", d.bulk(`"failOnErrors":1,`, dependent+","+bad+","+creating("/Users", "three", userOf("three"))).statuses(), "what it refers to comes first")
	require.Empty(t, d.get(query("/Users", "filter", `userName eq "late" or userName eq "two" or userName eq "three"`)).ids())

	for operation, status := range map[string]string{
		`{"method":"GET","path":"/Users"}`:                                                      "400",
		`{"path":"/Users"}`:                                                                     "400",
		`{"method":"POST","path":"/Users","data":{}}`:                                           "400",
		`{"method":"POST","path":"/Users/x","bulkId":"b","data":{}}`:                            "400",
		`{"method":"POST","path":"/Devices","bulkId":"b","data":{}}`:                            "400",
		`{"method":"POST","path":"/Bulk","bulkId":"b","data":{}}`:                               "400",
		`{"method":"PUT","path":"/Users","data":{}}`:                                            "400",
		`{"method":"PATCH","path":"/Users/x"}`:                                                  "400",
		`{"method":"PUT","path":"/Users/x/y","data":{}}`:                                        "400",
		`{"method":"PUT","path":"/Users/x","data":{}}`:                                          "404",
		`{"method":"POST","path":"/Users","bulkId":"b","data":[]}`:                              "400",
		`{"method":"POST","path":"/Users","bulkId":"b","data":"x"}`:                             "400",
		creating("/Groups", "g", groupOf("G", "bulkId:none")):                                   "400",
		creating("/Users", "b", `{"userName":"a","userName":"b"}`):                              "400",
		creating("/Users", "b", `{"userName":"a\u0000"}`):                                       "400",
		bad + "," + creating("/Users", "bad", userOf("bad")):                                    "409 400",
		creating("/Users", "deep", strings.Repeat(`{"a":`, 5000)+"1"+strings.Repeat("}", 5000)): "400",
	} {
		require.Equal(t, status, d.bulk("", operation).statuses(), operation[:min(len(operation), 80)])
	}
	d.post("/Bulk", `{"x":"`+strings.Repeat("x", 10<<20)+`"}`).refused(http.StatusRequestEntityTooLarge, "")
}

// What is no Bulk request is refused as a whole, and nothing of it is done.
func TestSCIMBulkRefuses(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	const begin = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],`
	good := creating("/Users", "good", userOf("good"))
	whole := begin + `"Operations":[` + good + `]}`
	for _, test := range []struct {
		body, detail string
		status       int
		scimType     string
	}{
		{` `, "malformed", 400, "invalidSyntax"},
		{`[]`, "Expected", 400, "invalidSyntax"},
		{`{}`, "schemas must have", 400, "invalidSyntax"},
		{`{"Operations":[` + good + `]}`, "schemas must have", 400, "invalidSyntax"},
		{`{"schemas":["urn:x"],"Operations":[` + good + `]}`, "schemas must have", 400, "invalidSyntax"},
		{`{"schemas":"urn:x","Operations":[` + good + `]}`, "malformed", 400, "invalidSyntax"},
		{begin + `"Operations":[]}`, "must be a list of operations", 400, "invalidSyntax"},
		{begin + `"failOnErrors":1}`, "must be a list of operations", 400, "invalidSyntax"},
		{begin + `"Operations":{}}`, `Expected "["`, 400, "invalidSyntax"},
		{begin + `"Operations":[1]}`, `Expected "{"`, 400, "invalidSyntax"},
		{begin + `"Operations":[` + good + `,{"method":1}]}`, "malformed", 400, "invalidSyntax"},
		{begin + `"Operations":[` + good + `],"failOnErrors":"x"}`, "malformed", 400, "invalidSyntax"},
		{begin + `"Operations":[` + good + `],"failOnErrors":1.5}`, "malformed", 400, "invalidSyntax"},
		{begin + `"Operations":[` + good + `],"failOnErrors":-1}`, "negative", 400, "invalidValue"},
		{begin + `"Operations":[` + good + `],"operations":[` + good + `]}`, "twice", 400, "invalidSyntax"},
		{begin + `"Operations":[` + good + `],"SCHEMAS":[]}`, "twice", 400, "invalidSyntax"},
		{begin + `"Operations":[` + good + `,{"path":"a","PATH":"b"}]}`, "twice", 400, "invalidSyntax"},
		{whole + " x", "after its end", 400, "invalidSyntax"},
		{whole + "}", "after its end", 400, "invalidSyntax"},
		{whole + "]", "after its end", 400, "invalidSyntax"},
		{whole + ",", "after its end", 400, "invalidSyntax"},
		{whole + whole, "after its end", 400, "invalidSyntax"},
		{whole + " \x00", "after its end", 400, "invalidSyntax"},
		{whole[:len(whole)-1], "malformed", 400, "invalidSyntax"},
		{begin + `"Operations":[{"path":"` + "\xff" + `"}]}`, "UTF-8", 400, "invalidSyntax"},
		{begin + `"Operations":[` + strings.Repeat("{},", 1000) + `{}]}`, "more than 1000 operations", 413, ""},
		{begin + `"x":` + strings.Repeat("[", 20000) + `}`, "malformed", 400, "invalidSyntax"},
		{begin + `"Operations":[` + strings.Repeat("[", 20000), "Expected", 400, "invalidSyntax"},
	} {
		shown := test.body[:min(len(test.body), 300)]
		require.Contains(t, d.post("/Bulk", test.body).refused(test.status, test.scimType).text("detail"), test.detail, shown)
	}
	require.Empty(t, d.get("/Users").ids())
	require.Equal(t, "201", d.post("/Bulk", "\ufeff"+whole+" \r\n\t").statuses())
}

func TestSCIMBulkOfTheStatedSize(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	operations := make([]string, 1000)
	for i := range operations {
		operations[i] = creating("/Users", fmt.Sprint("u", i), userOf(fmt.Sprint("user", i)))
	}
	operations[0] = creating("/Groups", "g", groupOf("All", "bulkId:u1", "bulkId:u999"))
	answer := d.bulk("", strings.Join(operations, ","))
	require.Equal(t, strings.TrimSpace(strings.Repeat("201 ", 1000)), answer.statuses())
	require.Len(t, d.members(answer.resourceID(0)), 2)
}
