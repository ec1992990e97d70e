package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

const workMail = `emails[type eq \"work\"].value`

// A PATCH as clients send it, what they expect to be answered, and what must then be there. Nearly all are from Microsoft's
// "Tutorial: Develop and plan provisioning for a SCIM endpoint", Okta's "SCIM 2.0 protocol reference" and issues that
// other servers have had.
func TestSCIMUserDialects(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	const ada = `"active":true,"name":{"givenName":"Ada","familyName":"King"},"phoneNumbers":[{"value":"1","type":"work","primary":true},{"value":"2","type":"mobile"}]`
	const withMail = ada + `,"emails":[{"value":"a@x.example","type":"work","display":"A"}]`
	const employed = ada + `,"` + enterpriseURN + `":{"department":"Sales","manager":{"value":"m1"}}`
	for i, test := range []struct {
		name, stored, operations string
		status                   int
		scimType                 string
		at                       string // in the answer
		want                     any
	}{
		{"active as a text", ada, `{"op":"Replace","path":"active","value":"False"}`, 200, "", "active", false},
		{"active as a text in small letters", ada, `{"op":"replace","path":"active","value":"false"}`, 200, "", "active", false},
		{"Okta's deactivation", ada, `{"op":"replace","value":{"active":false}}`, 200, "", "active", false},
		{"operations in any case", ada, `{"op":"ADD","path":"nickName","value":"A"}`, 200, "", "nickName", "A"},
		{"keys in any case", ada, `{"Op":"replace","Path":"NICKNAME","Value":"A"}`, 200, "", "nickName", "A"},
		{"a value filter that selects", withMail, `{"op":"Replace","path":"` + workMail + `","value":"b@x.example"}`, 200, "", "emails.0.value", "b@x.example"},
		{"the rest of the element stays", withMail, `{"op":"Replace","path":"` + workMail + `","value":"b@x.example"}`, 200, "", "emails.0.display", "A"},
		{"Entra's replace of an element that is not there", ada, `{"op":"Replace","path":"` + workMail + `","value":"b@x.example"}`, 200, "", "emails.0.type", "work"},
		{"add with a filter without a match", ada, `{"op":"add","path":"` + workMail + `","value":"b@x.example"}`, 200, "", "emails.0.value", "b@x.example"},
		{"the RFC's replace of an element that is not there", ada, `{"op":"replace","path":"` + workMail + `","value":"b@x.example"}`, 400, "noTarget", "", nil},
		{"dotted keys without a path", ada, `{"op":"replace","value":{"name.familyName":"Lovelace","nickName":"A"}}`, 200, "", "name.familyName", "Lovelace"},
		{"the rest of the name stays", ada, `{"op":"replace","value":{"name.familyName":"Lovelace"}}`, 200, "", "name.givenName", "Ada"},
		{"a complex attribute as a whole keeps what is not named", ada, `{"op":"replace","path":"name","value":{"familyName":"Lovelace"}}`, 200, "", "name.givenName", "Ada"},
		{"keys with a filter without a path", withMail, `{"op":"replace","value":{"` + workMail + `":"c@x.example"}}`, 200, "", "emails.0.value", "c@x.example"},
		{"a key with a URN", ada, `{"op":"add","value":{"` + enterpriseURN + `:department":"R&D"}}`, 200, "", "department", "R&D"},
		{"a path with a URN", ada, `{"op":"Add","path":"` + enterpriseURN + `:Department","value":"R&D"}`, 200, "", "department", "R&D"},
		{"the manager as a bare id", ada, `{"op":"Add","path":"` + enterpriseURN + `:manager","value":"m2"}`, 200, "", "manager", "m2"},
		{"the manager as an object", ada, `{"op":"add","path":"` + enterpriseURN + `:manager","value":{"value":"m2"}}`, 200, "", "manager", "m2"},
		{"the manager as an array", ada, `{"op":"Add","path":"` + enterpriseURN + `:manager","value":[{"$ref":null,"value":"m2"}]}`, 200, "", "manager", "m2"},
		{"no manager, by an empty text", employed, `{"op":"replace","path":"` + enterpriseURN + `:manager","value":""}`, 200, "", "manager", nil},
		{"no manager, by null", employed, `{"op":"Replace","path":"` + enterpriseURN + `:manager","value":null}`, 200, "", "manager", nil},
		{"no manager, removed", employed, `{"op":"Remove","path":"` + enterpriseURN + `:manager"}`, 200, "", "manager", nil},
		{"an empty text unassigns", ada, `{"op":"replace","path":"name.givenName","value":""}`, 200, "", "name.givenName", nil},
		{"an empty text below a filter", withMail, `{"op":"Replace","path":"` + workMail + `","value":""}`, 200, "", "emails.0.value", nil},
		{"null below a filter", withMail, `{"op":"Replace","path":"` + workMail + `","value":null}`, 200, "", "emails.0.value", nil},
		{"a department in any case", employed, `{"op":"replace","value":{"` + enterpriseURN + `":{"Department":"R&D"}}}`, 200, "", "department", "R&D"},
		{"no second of what is there", ada, `{"op":"add","path":"phoneNumbers","value":[{"value":"2","type":"mobile"}]}`, 200, "", "phoneNumbers.2", nil},
		{"a new primary clears the old", ada, `{"op":"add","path":"phoneNumbers[type eq \"mobile\"].primary","value":true}`, 200, "", "phoneNumbers.0.primary", false},
		{"primary as a text", ada, `{"op":"Add","path":"phoneNumbers[type eq \"mobile\"].primary","value":"True"}`, 200, "", "phoneNumbers.1.primary", true},
		{"id in a value", ada, `{"op":"replace","value":{"id":"x","nickName":"A"}}`, 200, "", "nickName", "A"},
		{"a password is taken and kept nowhere", ada, `{"op":"replace","path":"password","value":"secret"}`, 200, "", "password", nil},
		{"remove without a path", ada, `{"op":"remove"}`, 400, "noTarget", "", nil},
		{"a path to nothing", ada, `{"op":"replace","path":"shoeSize","value":1}`, 400, "invalidPath", "", nil},
		{"a malformed path", ada, `{"op":"replace","path":"emails[type eq","value":1}`, 400, "invalidPath invalidFilter", "", nil},
		{"a read-only attribute", ada, `{"op":"replace","path":"groups","value":[]}`, 400, "mutability", "", nil},
		{"userName cannot go", ada, `{"op":"remove","path":"userName"}`, 400, "mutability invalidValue", "", nil},
		{"a value of another type", ada, `{"op":"replace","path":"active","value":"maybe"}`, 400, "invalidValue", "", nil},
		{"an object for a text", ada, `{"op":"replace","path":"name.givenName","value":{}}`, 400, "invalidValue", "", nil},
		{"a list for a text", ada, `{"op":"replace","path":"name.givenName","value":["Ada"]}`, 400, "invalidValue", "", nil},
		{"no list for a text", ada, `{"op":"replace","value":{"name":{"givenName":[]}}}`, 400, "invalidValue", "", nil},
		{"a list for a boolean", ada, `{"op":"Replace","path":"active","value":[false]}`, 400, "invalidValue", "", nil},
		{"lists in a list", withMail, `{"op":"replace","path":"emails","value":[[{}]]}`, 400, "invalidValue", "", nil},
		{"an object for a list", withMail, `{"op":"replace","path":"emails","value":{}}`, 400, "invalidValue", "", nil},
		{"a text for a list of objects", withMail, `{"op":"add","path":"emails","value":"b@x.example"}`, 400, "invalidValue", "", nil},
		{"a number for a password", ada, `{"op":"replace","path":"password","value":5}`, 400, "invalidValue", "", nil},
		{"a text as Entra has wrapped it", ada, `{"op":"Replace","path":"title","value":[{"$ref":null,"value":"T"}]}`, 200, "", "title", "T"},
		{"another operation", ada, `{"op":"copy","path":"title","value":"x"}`, 400, "invalidSyntax", "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := d.on(t)
			id := d.user(fmt.Sprintf("user%d", i), test.stored)
			before := d.get("/Users/" + id)
			answer := d.patch("/Users/"+id, test.operations).is(test.status)
			if test.status != http.StatusOK {
				require.Contains(t, test.scimType, answer.text("scimType"))
				require.JSONEq(t, string(before.body), string(d.get("/Users/"+id).body), "all or nothing")
				return
			}
			require.JSONEq(t, string(answer.body), string(d.get("/Users/"+id).body))
			require.NotContains(t, string(answer.body), "secret")
			extension, _ := answer.whole()[enterpriseURN].(map[string]any)
			switch test.at {
			case "manager":
				manager, _ := extension["manager"].(map[string]any)
				require.Equal(t, test.want, manager["value"])
			case "department":
				require.Equal(t, test.want, extension["department"])
			default:
				require.Equal(t, test.want, answer.get(test.at), string(answer.body))
			}
		})
	}
}

// What a client is says its token, and what it sends only when the token does not; somebody unknown gets the RFC.
func TestSCIMDialectOfTheToken(t *testing.T) {
	t.Parallel()
	h := start(t)
	d := h.directory("acme", "")
	for i, test := range []struct {
		scope, op string
		status    int
	}{
		{"scim", "replace", 400}, {"scim", "Replace", 200}, {"scim:rfc", "Replace", 400}, {"scim:okta", "replace", 400}, {"scim:okta", "Replace", 400},
		{"scim:entra", "replace", 200},
	} {
		id := d.user(fmt.Sprint("user", i))
		answer := h.client("acme", test.scope).patch("/Users/"+id, fmt.Sprintf(`{"op":%q,"path":"`+workMail+`","value":"b@x.example"}`, test.op))
		require.Equal(t, test.status, answer.status, "%s %s: %s", test.scope, test.op, answer.body)
		if test.status == http.StatusBadRequest {
			answer.refused(http.StatusBadRequest, "noTarget")
		}
	}
}

func TestSCIMPatchIsAllOrNothing(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	id := d.user("ada")
	before := d.get("/Users/" + id)
	d.patch("/Users/"+id, `{"op":"add","path":"nickName","value":"A"},{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}`).refused(http.StatusBadRequest, "noTarget")
	require.JSONEq(t, string(before.body), string(d.get("/Users/"+id).body))
	require.Equal(t, "B", d.patch("/Users/"+id, `{"op":"add","path":"nickName","value":"A"},{"op":"replace","path":"nickName","value":"B"}`).is(http.StatusOK).text("nickName"))
}

func TestSCIMBodiesOfPOSTAndPUT(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	for i, more := range []string{`"name":null,"emails":[],"active":"True"`, `"Active":true,"Emails":[{"Value":"a@x.example","Primary":true}]`, `"id":"x","meta":{"version":"9"},"groups":[{"value":"g"}]`,
		`"name.familyName":"King","` + enterpriseURN + `:department":"Sales"`} {
		d.user(fmt.Sprint("user", i), more)
	}
	for _, more := range []string{`"password":5`, `"password":true`, `"title":{}`, `"title":[]`, `"active":[true]`, `"emails":"a@x.example"`, `"name":{"givenName":{}}`, `"externalId":["x"]`} {
		d.post("/Users", userOf("wrong", more)).refused(http.StatusBadRequest, "invalidValue")
	}
	for _, body := range []string{`{"displayName":["Sales"]}`, `{"displayName":"Sales","externalId":{}}`, `{"displayName":"Sales","members":{}}`} {
		d.post("/Groups", body).refused(http.StatusBadRequest, "invalidValue")
	}
	const microsoft = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
	made := d.post("/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","`+microsoft+`"],"externalId":"g1","displayName":"Sales","meta":{"resourceType":"Group"}}`).is(http.StatusCreated)
	require.Equal(t, []any{"urn:ietf:params:scim:schemas:core:2.0:Group"}, made.get("schemas"))
	d.post("/Groups", `{"schemas":["`+microsoft+`"],"displayName":"Others"}`).is(http.StatusCreated)
	id := d.user("put", `"title":"T"`)
	kept := d.put("/Users/"+id, userOf("put", `"id":"`+id+`","title":"U","meta":{"created":"2001-01-01T00:00:00Z"},"password":"x"`)).is(http.StatusOK)
	require.Equal(t, id, kept.text("id"))
	require.NotContains(t, kept.text("meta.created"), "2001")
	require.Nil(t, kept.get("password"))
}

func TestSCIMGroupDialects(t *testing.T) {
	t.Parallel()
	h := start(t)
	d := h.directory("acme", "")
	ada, bob, eve := d.user("ada"), d.user("bob"), d.user("eve")
	value := func(id string) string { return fmt.Sprintf(`{"value":%q}`, id) }
	byRef := func(filter string) string {
		return fmt.Sprintf(`{"op":"remove","path":%q}`, "members["+strings.ReplaceAll(filter, "{ada}", `"`+h.url+`/scim/v2/Users/`+ada+`"`)+"]")
	}
	for i, test := range []struct {
		name, operations, scopes, query string
		status                          int
		want                            []string
		displayName                     string
	}{
		{"Entra adds", `{"op":"Add","path":"members","value":[{"$ref":null,"value":"` + eve + `"}]}`, "", "", 204, []string{ada, bob, eve}, ""},
		{"Entra adds several", `{"op":"Add","path":"members","value":[` + value(eve) + `,` + value(bob) + `]}`, "", "", 204, []string{ada, bob, eve}, ""},
		{"Entra removes", `{"op":"Remove","path":"members","value":[{"$ref":null,"value":"` + ada + `"}]}`, "", "", 204, []string{bob}, ""},
		{"Entra's other dialect", `{"op":"remove","path":"members[value eq \"` + ada + `\"]"}`, "scim:entra", "", 204, []string{bob}, ""},
		{"Entra renames", `{"op":"Replace","path":"displayName","value":"New"}`, "", "", 204, []string{ada, bob}, "New"},
		{"Entra, asking", `{"op":"Add","path":"members","value":[` + value(eve) + `]}`, "", "?attributes=displayName", 200, []string{ada, bob, eve}, ""},
		{"Okta adds", `{"op":"add","path":"members","value":[{"value":"` + eve + `","display":"eve"}]}`, "scim:okta", "", 200, []string{ada, bob, eve}, ""},
		{"Okta removes by a filter", `{"op":"remove","path":"members[value eq \"` + ada + `\"]"}`, "scim:okta", "", 200, []string{bob}, ""},
		{"Okta replaces all", `{"op":"replace","path":"members","value":[` + value(eve) + `]}`, "scim:okta", "", 200, []string{eve}, ""},
		{"Okta renames", `{"op":"replace","value":{"id":"x","displayName":"New"}}`, "", "", 200, []string{ada, bob}, "New"},
		{"all go", `{"op":"remove","path":"members"}`, "", "", 200, nil, ""},
		{"those of a name", `{"op":"remove","path":"members[display sw \"a\"]"}`, "", "", 200, []string{bob}, ""},
		{"who has the address", byRef(`$ref eq {ada}`), "", "", 200, []string{bob}, ""},
		{"who has another address", byRef(`$ref ne {ada}`), "", "", 200, []string{ada}, ""},
		{"who has no address", byRef(`not ($ref pr)`), "", "", 200, []string{ada, bob}, ""},
		{"who has one of another server", byRef(`$ref eq "https://elsewhere.example/scim/v2/Users/` + ada + `"`), "", "", 200, []string{ada, bob}, ""},
		{"an address and a name", byRef(`$ref eq {ada} or display eq "BOB"`), "", "", 200, nil, ""},
		{"who is one stays one", `{"op":"add","path":"members","value":[` + value(ada) + `]}`, "", "", 200, []string{ada, bob}, ""},
		{"who is none goes", `{"op":"remove","path":"members","value":[` + value(eve) + `]}`, "", "", 200, []string{ada, bob}, ""},
		{"in order", `{"op":"remove","path":"members"},{"op":"add","path":"members","value":[` + value(eve) + `]},{"op":"add","value":{"members":[` + value(ada) + `]}}`, "", "", 200, []string{ada, eve}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := d.on(t)
			name := fmt.Sprint("Group ", i)
			group := d.group(name, ada, bob)
			client := d
			if test.scopes != "" {
				client = d.h.client("acme", test.scopes)
			}
			answer := client.patch("/Groups/"+group+test.query, test.operations).is(test.status)
			require.Equal(t, d.get("/Groups/"+group).header.Get("ETag"), answer.header.Get("ETag"))
			require.ElementsMatch(t, test.want, d.members(group))
			if test.displayName != "" {
				name = test.displayName
			}
			require.Equal(t, name, d.get("/Groups/"+group).text("displayName"))
		})
	}
}

func TestSCIMGroupMembersMustExist(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	ada := d.user("ada")
	group := d.group("Sales")
	for _, member := range []string{"nobody", "00000000-0000-0000-0000-000000000000"} {
		for _, answer := range []scimAnswer{
			d.post("/Groups", groupOf("Other", ada, member)), d.put("/Groups/"+group, groupOf("Sales", ada, member)),
			d.patch("/Groups/"+group, `{"op":"Add","path":"members","value":[`+membersOf(ada, member)+`]}`),
		} {
			answer.refused(http.StatusBadRequest, "invalidValue")
		}
		d.patch("/Groups/"+group, `{"op":"remove","path":"members","value":[`+membersOf(member)+`]}`).is(http.StatusOK)
	}
	require.Empty(t, d.members(group), "all or nothing")
	require.Equal(t, []string{group}, d.get("/Groups").ids())
	d.patch("/Groups/"+group, `{"op":"add","path":"members","value":[`+membersOf(ada)+`]}`).is(http.StatusOK)
	d.delete("/Users/" + ada).is(http.StatusNoContent)
	require.Empty(t, d.members(group), "who is deleted leaves the groups")
}

// A large group is not shown after a PATCH unless the client asks for it.
func TestSCIMLargeGroup(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	var operations, ids []string
	for i := range 101 {
		operations = append(operations, creating("/Users", fmt.Sprint(i), userOf(fmt.Sprint("user", i))))
	}
	made := d.bulk("", strings.Join(operations, ","))
	for i := range operations {
		ids = append(ids, made.resourceID(i))
	}
	group := d.group("All", ids[:100]...)
	d.patch("/Groups/"+group, `{"op":"add","path":"members","value":[`+membersOf(ids[99])+`]}`).is(http.StatusOK)
	d.patch("/Groups/"+group, `{"op":"add","path":"members","value":[`+membersOf(ids[100])+`]}`).is(http.StatusNoContent)
	d.do(http.MethodPatch, "/Groups/"+group+"?excludedAttributes=members", patchOf(`{"op":"replace","path":"displayName","value":"Everyone"}`)).is(http.StatusOK)
	require.ElementsMatch(t, ids, d.members(group))
}

// Who asks for a Group without its members has none of them read: the database has taken away the right to.
func TestSCIMGroupsWithoutMembersReadNone(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	group := "/Groups/" + d.group("Sales", d.user("ada"))
	admin, err := pgx.Connect(t.Context(), d.h.db.Admin)
	require.NoError(t, err)
	defer admin.Close(context.WithoutCancel(t.Context()))
	_, err = admin.Exec(t.Context(), `revoke select on scim_members from tenure_app`)
	require.NoError(t, err)
	for _, answer := range []scimAnswer{
		d.get(group + "?excludedAttributes=members"), d.get(group + "?attributes=displayName"), d.get("/Groups?excludedAttributes=members"), d.get("/Groups?excludedAttributes=members&cursor"),
		d.get(query("/Groups", "filter", `displayName eq "Sales"`, "excludedAttributes", "displayName,members")), d.get("/?excludedAttributes=members,groups"),
		d.post("/Groups/.search", `{"excludedAttributes":["members"]}`), d.do(http.MethodHead, group+"?excludedAttributes=members", ""),
		d.do(http.MethodPatch, group+"?excludedAttributes=members", patchOf(`{"op":"replace","path":"displayName","value":"Sellers"}`)),
		d.put(group+"?excludedAttributes=members", `{"displayName":"Sales"}`),
	} {
		require.Equal(t, http.StatusOK, answer.status, "%s%s", answer.body, answer.log())
		require.NotContains(t, string(answer.body), `"members"`)
	}
	for _, path := range []string{group, "/Groups", group + "?excludedAttributes=members.display"} {
		require.Equal(t, http.StatusInternalServerError, d.get(path).status, path)
	}
}
