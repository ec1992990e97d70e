package scim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecodeUser(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, want string }{
		{"canonical", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","name":{"givenName":"G"},"active":true}`,
			`{"active":true,"name":{"givenName":"G"},"userName":"a"}`},
		{"names in any case", `{"USERNAME":"a","Name":{"GIVENNAME":"G"},"Emails":[{"Primary":true,"VALUE":"x"}]}`,
			`{"emails":[{"primary":true,"value":"x"}],"name":{"givenName":"G"},"userName":"a"}`},
		{"booleans as texts", `{"userName":"a","active":"False","emails":[{"value":"x","primary":"True"}]}`,
			`{"active":false,"emails":[{"primary":true,"value":"x"}],"userName":"a"}`},
		{"null and empty are unassigned", `{"userName":"a","title":null,"nickName":"","emails":[],"name":{},"roles":null,"addresses":[null,{}],"photos":[{"value":null}],"displayName":null,"groups":[],"password":""}`,
			`{"userName":"a"}`},
		{"a label without a value", `{"userName":"a","emails":[{"type":"work","value":""},{"type":"home","value":"h"}],"phoneNumbers":[{"type":"fax","primary":false}]}`,
			`{"emails":[{"type":"home","value":"h"}],"userName":"a"}`},
		{"read-only is left out", `{"userName":"a","id":"1","meta":{"created":"yesterday"},"groups":[{"value":"g"}]}`, `{"userName":"a"}`},
		{"the password is not kept", `{"userName":"a","password":"secret"}`, `{"userName":"a"}`},
		{"one object for a list", `{"userName":"a","emails":{"value":"x"}}`, `{"emails":[{"value":"x"}],"userName":"a"}`},
		{"texts for a list of objects", `{"userName":"a","roles":["admin","user","admin"]}`, `{"roles":[{"value":"admin"},{"value":"user"}],"userName":"a"}`},
		{"a wrapped value", `{"userName":[{"$ref":null,"value":"a"}],"active":[{"value":"False"}],"title":[{"value":null}]}`, `{"active":false,"userName":"a"}`},
		{"schemas missing or empty", `{"schemas":[],"userName":"a"}`, `{"userName":"a"}`},
		{"dotted and URN keys", `{"userName":"a","name.givenName":"G","urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:Department":"D"}`,
			`{"name":{"givenName":"G"},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D"},"userName":"a"}`},
		{"attributes below the core URN", `{"urn:ietf:params:scim:schemas:core:2.0:User":{"userName":"a"}}`, `{"userName":"a"}`},
		{"extension", `{"userName":"a","URN:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"DEPARTMENT":"D","manager":{"value":"m","displayName":"M","$ref":"../Users/m"}}}`,
			`{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D","manager":{"$ref":"../Users/m","value":"m"}},"userName":"a"}`},
		{"empty extension", `{"userName":"a","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":null}}`, `{"userName":"a"}`},
		{"manager as a text", managerBody(`"m"`), managerWant(`{"value":"m"}`)},
		{"manager as a list", managerBody(`[{"$ref":"../Users/m","value":"m"}]`), managerWant(`{"$ref":"../Users/m","value":"m"}`)},
		{"manager as a list of texts", managerBody(`["m"]`), managerWant(`{"value":"m"}`)},
		{"manager empty", managerBody(`""`), `{"userName":"a"}`},
		{"manager null", managerBody(`null`), `{"userName":"a"}`},
		{"manager as a list of none", managerBody(`[]`), `{"userName":"a"}`},
		{"manager with an empty value", managerBody(`{"value":""}`), `{"userName":"a"}`},
		{"canonical types in their spelling, others as they are", `{"userName":"a","emails":[{"value":"x","type":"WORK"},{"value":"y","type":"recovery"}]}`,
			`{"emails":[{"type":"work","value":"x"},{"type":"recovery","value":"y"}],"userName":"a"}`},
		{"duplicates", `{"userName":"a","emails":[{"value":"x","type":"work"},{"type":"Work","value":"x"},{"value":"x"}]}`,
			`{"emails":[{"type":"work","value":"x"},{"value":"x"}],"userName":"a"}`},
		{"base64", `{"userName":"a","x509Certificates":[{"value":"MIIDQzCCAqygAwIBAgICEAAwDQ=="},{"value":"_-8"}]}`,
			`{"userName":"a","x509Certificates":[{"value":"MIIDQzCCAqygAwIBAgICEAAwDQ=="},{"value":"_-8"}]}`},
		{"escapes", `{"userName":"a\u00e9\ud83d\ude00\"\\\/\n"}`, `{"userName":"aé😀\"\\/\n"}`},
		{"Microsoft's schema", `{"schemas":["http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/User"],"userName":"a"}`, `{"userName":"a"}`},
		{"schemas in any case", `{"schemas":["URN:IETF:params:scim:schemas:core:2.0:user"],"userName":"a"}`, `{"userName":"a"}`},
		{"a byte order mark", "\ufeff" + `{"userName":"a"}`, `{"userName":"a"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in, err := Decode(UserType(), []byte(c.body), Options{RejectUnknown: true})
			require.NoError(t, err)
			require.JSONEq(t, c.want, asJSON(t, in.Resource))
			require.Equal(t, asJSONPlain(in.Resource), asJSON(t, in.Resource))
		})
	}
}

func asJSONPlain(r Resource) string { return string(AppendJSON(nil, r)) }

func managerBody(manager string) string {
	return `{"userName":"a","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":` + manager + `}}`
}

func managerWant(manager string) string { return managerBody(manager) }

func TestDecodeCustomExtension(t *testing.T) {
	t.Parallel()
	rt := acmeType(t)
	for _, c := range []struct{ name, value, want string }{
		{"numbers", `{"level":3,"share":1,"desk":{"floor":-2,"room":"r"}}`, `{"desk":{"floor":-2,"room":"r"},"level":3,"share":1}`},
		{"fractions", `{"share":2.5e-1}`, `{"share":0.25}`},
		{"dates", `{"hired":"2026-05-13T04:42:34.5+02:00"}`, `{"hired":"2026-05-13T04:42:34.5+02:00"}`},
		{"a date without a zone", `{"hired":"2026-05-13T04:42:34"}`, `{"hired":"2026-05-13T04:42:34Z"}`},
		{"lists of texts", `{"tags":["a","A","a",null,""],"codes":"x"}`, `{"codes":["x"],"tags":["a","A"]}`},
		{"lists of wrapped texts", `{"tags":[{"value":"a"},{"value":"b","$ref":null}],"codes":{"value":"x"}}`, `{"codes":["x"],"tags":["a","b"]}`},
		{"canonical values", `{"grade":"senior"}`, `{"grade":"Senior"}`},
		{"write-only is kept", `{"pin":"1234"}`, `{"pin":"1234"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in, err := Decode(rt, fmt.Appendf(nil, `{"userName":"a",%q:%s}`, acmeURN, c.value), Options{RejectUnknown: true})
			require.NoError(t, err)
			require.JSONEq(t, c.want, asJSON(t, in.Resource.Extension(acmeURN)))
		})
	}
	for name, value := range map[string]string{
		"a fraction for an integer": `{"level":1.0}`, "a text for an integer": `{"level":"1"}`, "a text for a decimal": `{"share":"1"}`,
		"no boolean": `{"remote":"yes"}`, "no date": `{"hired":"2026-05-13"}`, "year 0": `{"hired":"0000-01-01T00:00:00Z"}`,
		"zone": `{"hired":"2026-01-01T00:00:00+23:00"}`, "not base64": `{"key":"%%"}`, "not canonical": `{"grade":"Boss"}`,
		"required sub-attribute": `{"desk":{"floor":1}}`, "text for complex": `{"desk":"x"}`, "two for one": `{"desk":[{"room":"a"},{"room":"b"}]}`,
		"number for text": `{"badge":1}`, "object for text": `{"badge":{"x":1}}`, "list for text": `{"badge":["a","b"]}`, "list of one for text": `{"badge":["a"]}`, "lists of lists": `{"tags":[["a"]]}`, "object for list": `{"tags":{}}`, "list of one for complex": `{"desk":[{"room":"a"}]}`, "list of none for number": `{"level":[]}`, "texts for complex": `{"cars":["x"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Decode(rt, fmt.Appendf(nil, `{"userName":"a",%q:%s}`, acmeURN, value), Options{})
			requireError(t, err, InvalidValue)
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, scimType string }{
		{"no userName", `{"displayName":"x"}`, InvalidValue},
		{"empty userName", `{"userName":""}`, InvalidValue},
		{"blank userName", `{"userName":" \t"}`, InvalidValue},
		{"null userName", `{"userName":null}`, InvalidValue},
		{"number for userName", `{"userName":7}`, InvalidValue},
		{"long userName", `{"userName":"` + strings.Repeat("x", MaxKeyText+1) + `"}`, InvalidValue},
		{"long email", `{"userName":"a","emails":[{"value":"` + strings.Repeat("x", MaxKeyText+1) + `"}]}`, InvalidValue},
		{"active", `{"userName":"a","active":"yes"}`, InvalidValue},
		{"active as a number", `{"userName":"a","active":1}`, InvalidValue},
		{"name as a text", `{"userName":"a","name":"Jo"}`, InvalidValue},
		{"two primaries", `{"userName":"a","emails":[{"value":"x","primary":true},{"value":"y","primary":"true"}]}`, InvalidValue},
		{"two managers", managerBody(`["m","n"]`), InvalidValue},
		{"extension as a text", `{"userName":"a","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":"x"}`, InvalidValue},
		{"twice in different case", `{"userName":"a","UserName":"b"}`, InvalidSyntax},
		{"sub-attribute twice", `{"userName":"a","name":{"givenName":"a","GivenName":"b"}}`, InvalidSyntax},
		{"once as a key and once below the URN", `{"userName":"a","urn:ietf:params:scim:schemas:core:2.0:User":{"userName":"b"}}`, InvalidSyntax},
		{"another type's schema", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"userName":"a"}`, InvalidSyntax},
		{"schemas of numbers", `{"schemas":[1],"userName":"a"}`, InvalidSyntax},
		{"schemas as an object", `{"schemas":{},"userName":"a"}`, InvalidSyntax},
		{"a list", `[]`, InvalidSyntax},
		{"a text", `"userName"`, InvalidSyntax},
		{"nothing", ``, InvalidSyntax},
		{"two objects", `{"userName":"a"}{}`, InvalidSyntax},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Decode(UserType(), []byte(c.body), Options{})
			requireError(t, err, c.scimType)
		})
	}
}

// TestKeysAreThereOnce: no two keys of an object mean the same, wherever it stands, since only one of them would count.
func TestKeysAreThereOnce(t *testing.T) {
	t.Parallel()
	many := `"x0":0`
	for i := 1; i < 30; i++ {
		many += fmt.Sprintf(`,"x%d":0`, i)
	}
	const replace = `{"op":"replace","path":"title","value":"T"}`
	for _, body := range []string{
		`{"userName":"a","title":"T","Title":"T"}`, `{"userName":"a","unknown":1,"UNKNOWN":2}`, `{"userName":"a","name":{"x":1,"X":1}}`,
		`{"userName":"a","emails":[{"value":"a","Value":"b"}]}`, `{"userName":"a",` + many + `,"X7":1}`, `{"userName":"a","emails[type eq "work"]":1,"emails[type eq "work"]":1}`,
		`{"userName":"a","schemas":[],"ſchemas":[]}`, `{"userName":"a",` + many + `,"schemas":[],"ſchemas":[]}`,
	} {
		_, err := Decode(UserType(), []byte(body), Options{})
		requireError(t, err, InvalidSyntax)
		_, err = UserType().Load([]byte(body))
		requireError(t, err, InvalidSyntax)
	}
	for _, body := range []string{`{"displayName":"g","members":[{"value":"a","Value":"b"}]}`, `{"displayName":"g","Members":[],"members":[{"value":"a"}]}`} {
		_, err := Decode(GroupType(), []byte(body), Options{})
		requireError(t, err, InvalidSyntax)
	}
	for _, body := range []string{
		`{"Operations":[` + replace + `],"operations":[` + replace + `]}`, `{"Operations":[{"op":"add","value":{"title":"a","Title":"b"}}]}`,
		`{"Operations":[{"op":"add","Op":"remove","path":"title","value":"a"}]}`, `{"Operations":[{"op":"add","path":"title","PATH":"nickName","value":"a"}]}`,
		`{"Operations":[{"op":"remove","path":"emails","value":[{"value":"a","VALUE":"b"}]}]}`,
	} {
		_, err := DecodePatch(UserType(), []byte(body), Options{})
		requireError(t, err, InvalidSyntax)
	}
	// The case of a value in a filter may count.
	_, err := DecodePatch(UserType(), []byte(`{"Operations":[{"op":"add","value":{"roles[value eq \"a\"].display":"x","roles[value eq \"A\"].display":"y"}}]}`), Options{})
	require.NoError(t, err)
	_, err = Decode(UserType(), []byte(`{"userName":"a",`+many+`}`), Options{})
	require.NoError(t, err)
}

// TestWrongTypesAreNotTakenForNothing: what has another JSON type than its attribute is refused, in every request. Taken for
// "unassigned", or for what was perhaps meant, it would lose what is stored.
func TestWrongTypesAreNotTakenForNothing(t *testing.T) {
	t.Parallel()
	const notText = `{}, [], ["a"], [{}], [[]], [{"$ref":null}], [{"value":{}}], [{"value":["a"]}], {"value":"a"}, 5, 1.5, true`
	values := map[string]string{
		"userName": notText, "externalId": notText, "title": notText, "displayName": notText, "password": notText, "profileUrl": notText,
		"name.givenName": notText, "active": `{}, [], [false], [{}], {"value":false}, 0, 1, "no"`, "name": `[], [{"givenName":"G"}], {"givenName":{}}, {"givenName":[]}, {"givenName":["G"]}, 5, true, "G"`,
		"emails":           `{}, "x", 5, true, [[]], [[{}]], [["x"]], [[{"value":"x"}]], [5], [{"value":{}}], [{"value":[]}], [{"value":["x"]}], [{"value":"x","primary":[true]}], [{"value":"x","type":{}}]`,
		"addresses":        `{}, "x", ["x"], [[{}]], [{"locality":{}}]`,
		"x509Certificates": `{}, "MIID", [{"value":{}}]`,
		ent:                `[], "x", 5, {"department":{}}, {"department":["D"]}, {"manager":5}, {"manager":["m","n"]}, {"manager":[["m"]]}, {"manager":[[{}]]}, {"manager":{"value":{}}}, {"manager":{"value":["m"]}}`,
	}
	stored := load(t, UserType(), `{"userName":"a","externalId":"e","title":"T","displayName":"D","active":true,"name":{"givenName":"G"},"emails":[{"value":"w"}],"`+ent+`":{"department":"D","manager":{"value":"m"}}}`)
	for path, list := range values {
		for value := range strings.SplitSeq(list, ", ") {
			_, err := Decode(UserType(), fmt.Appendf(nil, `{"userName":"a",%q:%s}`, path, value), Options{})
			if path == "userName" {
				_, err = Decode(UserType(), fmt.Appendf(nil, `{"userName":%s}`, value), Options{})
			}
			require.Error(t, err, "%s: %s", path, value)
			requireError(t, err, InvalidValue)
			for _, op := range []string{"add", "Replace"} {
				for _, ops := range []string{fmt.Sprintf(`[{"op":%q,"path":%q,"value":%s}]`, op, path, value), fmt.Sprintf(`[{"op":%q,"value":{%q:%s}}]`, op, path, value)} {
					_, _, err = patch(UserType(), stored, ops, Options{})
					require.Error(t, err, ops)
					requireError(t, err, InvalidValue)
				}
			}
		}
	}
	for _, value := range []string{`{}`, `[]`, `["g"]`, `5`} {
		for _, name := range []string{"displayName", "externalId"} {
			_, err := Decode(GroupType(), fmt.Appendf(nil, `{"displayName":"g","externalId":"e",%q:%s}`, strings.ToUpper(name), value), Options{})
			require.Error(t, err)
			_, err = DecodePatch(GroupType(), fmt.Appendf(nil, `{"Operations":[{"op":"replace","path":%q,"value":%s}]}`, name, value), Options{})
			require.Error(t, err, value)
			requireError(t, err, InvalidValue)
		}
	}
	for _, value := range []string{`{}`, `[{}]`, `[[]]`, `[["1"]]`, `5`} {
		_, err := Decode(GroupType(), fmt.Appendf(nil, `{"displayName":"g","members":%s}`, value), Options{})
		require.Error(t, err, value)
		requireError(t, err, InvalidValue)
		_, err = DecodePatch(GroupType(), fmt.Appendf(nil, `{"Operations":[{"op":"replace","path":"members","value":%s}]}`, value), Options{})
		require.Error(t, err, value)
		requireError(t, err, InvalidValue)
	}
}

func TestUnknownAttributesAreReportedOrRefused(t *testing.T) {
	t.Parallel()
	body := []byte(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:x:y"],"userName":"a","shoeSize":1,"name":{"nick":"n"},
		"emails":[{"value":"x","kind":1},{"value":"y","kind":2}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"team":"t"},
		"urn:x:y":{"z":1}}`)
	in, err := Decode(UserType(), body, Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"urn:x:y", "shoeSize", "name.nick", "emails.kind", EnterpriseSchema + ":team"}, in.Unknown)
	require.JSONEq(t, `{"userName":"a","emails":[{"value":"x"},{"value":"y"}]}`, asJSON(t, in.Resource))

	_, err = Decode(UserType(), body, Options{RejectUnknown: true})
	requireError(t, err, InvalidSyntax)
	require.ErrorContains(t, err, "shoeSize")
}

func TestDecodeGroup(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		members    []Member
		has        bool
	}{
		{"none", `{"displayName":"g"}`, nil, false},
		{"null", `{"displayName":"g","members":null}`, nil, true},
		{"empty", `{"displayName":"g","members":[]}`, nil, true},
		{"objects", `{"displayName":"g","members":[{"value":"1","type":"user"},{"value":"2","$ref":"https://x/scim/v2/Groups/2"},{"value":"3","$ref":null,"display":"D"},{"value":"1"}]}`,
			[]Member{{"1", "User"}, {"2", "Group"}, {"3", ""}}, true},
		{"ids", `{"displayName":"g","MEMBERS":["1","2"]}`, []Member{{"1", ""}, {"2", ""}}, true},
		{"one", `{"displayName":"g","members":{"Value":"1"}}`, []Member{{"1", ""}}, true},
		{"Microsoft's schema", `{"schemas":["http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],"displayName":"g"}`, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in, err := Decode(GroupType(), []byte(c.body), Options{RejectUnknown: true})
			require.NoError(t, err)
			require.Equal(t, Resource{"displayName": "g"}, in.Resource)
			require.Equal(t, c.members, in.Members)
			require.Equal(t, c.has, in.HasMembers)
		})
	}
	for name, body := range map[string]string{
		"no displayName": `{"members":[]}`, "no value": `{"displayName":"g","members":[{"display":"x"}]}`, "a number": `{"displayName":"g","members":[1]}`,
		"null": `{"displayName":"g","members":[null]}`, "long": `{"displayName":"g","members":["` + strings.Repeat("x", 300) + `"]}`,
	} {
		_, err := Decode(GroupType(), []byte(body), Options{})
		require.Error(t, err, name)
		requireError(t, err, InvalidValue)
	}
}

func TestPut(t *testing.T) {
	t.Parallel()
	rt := acmeType(t)
	stored := load(t, rt, `{"userName":"a","title":"T","emails":[{"value":"x","type":"work"},{"value":"y"}],"`+acmeURN+`":{"badge":"7","level":1,"pin":"p"}}`)
	for _, c := range []struct {
		name, body, want string
		changed          bool
	}{
		{"the same in another order", `{"emails":[{"value":"y"},{"type":"work","value":"x"}],"title":"T","userName":"a","` + acmeURN + `":{"level":1,"badge":"7"},"password":"p","id":"other"}`,
			`{"userName":"a","title":"T","emails":[{"value":"x","type":"work"},{"value":"y"}],"` + acmeURN + `":{"badge":"7","level":1,"pin":"p"}}`, false},
		{"what is left out is unassigned, but for the immutable and the write-only", `{"userName":"a"}`, `{"userName":"a","` + acmeURN + `":{"badge":"7","pin":"p"}}`, true},
		{"the case of a text", `{"userName":"A"}`, `{"userName":"A","` + acmeURN + `":{"badge":"7","pin":"p"}}`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in, err := Decode(rt, []byte(c.body), Options{})
			require.NoError(t, err)
			for range 2 { // a transaction may be repeated
				r, changed, err := in.Over(stored)
				require.NoError(t, err)
				require.JSONEq(t, c.want, asJSON(t, r))
				require.Equal(t, c.changed, changed)
			}
		})
	}
	in, err := Decode(rt, []byte(`{"userName":"a","`+acmeURN+`":{"badge":"8"}}`), Options{})
	require.NoError(t, err)
	_, _, err = in.Over(stored)
	requireError(t, err, Mutability)
	_, changed, err := in.Over(Resource{"userName": "a"})
	require.NoError(t, err)
	require.True(t, changed)
}

// TestActiveIsNotUnassigned: who does not speak of active, or unassigns it, ends nothing and brings nobody back.
func TestActiveIsNotUnassigned(t *testing.T) {
	t.Parallel()
	rt := UserType()
	for _, active := range []string{"true", "false"} {
		stored := load(t, rt, `{"userName":"a","active":`+active+`}`)
		for _, said := range []string{``, `,"active":null`, `,"active":""`} {
			in, err := Decode(rt, []byte(`{"userName":"a"`+said+`}`), Options{})
			require.NoError(t, err)
			got, changed, err := in.Over(stored)
			require.NoError(t, err)
			require.False(t, changed, said)
			require.JSONEq(t, asJSON(t, stored), asJSON(t, got))
		}
		for _, ops := range []string{`[{"op":"remove","path":"active"}]`, `[{"op":"replace","path":"active","value":null}]`, `[{"op":"Replace","path":"active","value":""}]`,
			`[{"op":"replace","value":{"active":null}}]`, `[{"op":"add","value":{"urn:ietf:params:scim:schemas:core:2.0:User:active":""}}]`} {
			_, changed, err := patch(rt, stored, ops, Options{})
			require.NoError(t, err)
			require.False(t, changed, ops)
		}
	}
	in, err := Decode(rt, []byte(`{"userName":"a","active":true}`), Options{})
	require.NoError(t, err)
	_, changed, err := in.Over(load(t, rt, `{"userName":"a","active":false}`))
	require.NoError(t, err)
	require.True(t, changed)
}

func TestComplete(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, stored, was, full, want string }{
		{"the manager", `{"userName":"a"}`, `{"userName":"a"}`, `{"userName":"a","` + ent + `":{"manager":{"value":"1"}}}`, `{"userName":"a","` + ent + `":{"manager":{"value":"1"}}}`},
		{"nothing else", `{"userName":"b","active":false,"` + ent + `":{"department":"E"}}`, `{"userName":"a","` + ent + `":{"department":"D"}}`,
			`{"userName":"a","` + ent + `":{"department":"D","manager":{"value":"1"}}}`, `{"userName":"b","active":false,"` + ent + `":{"department":"E","manager":{"value":"1"}}}`},
		{"not what was written since", `{"` + ent + `":{"manager":{"value":"2"}}}`, `{}`, `{"` + ent + `":{"manager":{"value":"1"}}}`, ``},
		{"a reference in a text", `{"title":"bulkId:x","nickName":"n"}`, `{"title":"bulkId:x","nickName":"bulkId:x"}`, `{"title":"1","nickName":"1"}`, `{"title":"1","nickName":"n"}`},
		{"nothing", `{"userName":"a"}`, `{"userName":"a"}`, `{"userName":"a"}`, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			stored := load(t, UserType(), c.stored)
			got, changed := Complete(stored, load(t, UserType(), c.was), load(t, UserType(), c.full))
			require.JSONEq(t, c.stored, asJSON(t, stored))
			require.Equal(t, c.want != "", changed)
			if changed {
				require.JSONEq(t, c.want, asJSON(t, got))
			}
		})
	}
}
