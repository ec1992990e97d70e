package scim

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const ent = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// patchCase is a PATCH of a stored User. want is the result, or a scimType when it does not begin with a brace; "" is: as stored,
// unchanged.
type patchCase struct {
	name, stored, ops, want string
	dialect                 Dialect
}

func runPatch(t *testing.T, rt ResourceType, c patchCase) {
	t.Helper()
	stored := load(t, rt, c.stored)
	got, changed, err := patch(rt, stored, c.ops, Options{Dialect: c.dialect, RejectUnknown: c.dialect == RFC})
	require.JSONEq(t, c.stored, asJSON(t, stored), "the stored resource was changed")
	switch {
	case c.want == "":
		require.NoError(t, err)
		require.False(t, changed)
		require.JSONEq(t, c.stored, asJSON(t, got))
	case strings.HasPrefix(c.want, "{"):
		require.NoError(t, err)
		require.JSONEq(t, c.want, asJSON(t, got))
		require.True(t, changed)
	default:
		requireError(t, err, c.want)
	}
}

// patch applies operations; it does so twice, as a repeated transaction does.
func patch(rt ResourceType, stored Resource, ops string, options Options) (Resource, bool, error) {
	p, err := DecodePatch(rt, []byte(`{"schemas":["`+PatchSchema+`"],"Operations":`+ops+`}`), options)
	if err != nil {
		return nil, false, err
	}
	first, _, firstErr := p.Apply(stored)
	r, changed, err := p.Apply(stored)
	if asJSONPlain(first) != asJSONPlain(r) || (firstErr == nil) != (err == nil) {
		panic("the second Apply answers something else than the first")
	}
	return r, changed, err
}

func TestPatchRFC(t *testing.T) {
	t.Parallel()
	const two = `{"userName":"a","emails":[{"type":"work","value":"w","primary":true},{"type":"home","value":"h"}]}`
	const person = `{"userName":"a","title":"T","name":{"givenName":"G","familyName":"F"},"` + ent + `":{"department":"D","manager":{"value":"m","$ref":"../Users/m"}}}`
	for _, c := range []patchCase{
		// Add (section 3.5.2.1)
		{name: "add single", stored: `{"userName":"a"}`, ops: `[{"op":"add","path":"title","value":"T"}]`, want: `{"userName":"a","title":"T"}`},
		{name: "add over single", stored: `{"userName":"a","title":"S"}`, ops: `[{"op":"add","path":"title","value":"T"}]`, want: `{"userName":"a","title":"T"}`},
		{name: "add the same", stored: person, ops: `[{"op":"add","path":"title","value":"T"}]`},
		{name: "add complex keeps others", stored: person, ops: `[{"op":"add","path":"name","value":{"givenName":"H"}}]`, want: strings.Replace(person, `"G"`, `"H"`, 1)},
		{name: "add sub-attribute", stored: `{"userName":"a"}`, ops: `[{"op":"add","path":"name.givenName","value":"G"}]`, want: `{"userName":"a","name":{"givenName":"G"}}`},
		{name: "add to multi-valued", stored: `{"userName":"a","emails":[{"value":"x"}]}`, ops: `[{"op":"add","path":"emails","value":[{"value":"y"}]}]`, want: `{"userName":"a","emails":[{"value":"x"},{"value":"y"}]}`},
		{name: "add what exists", stored: two, ops: `[{"op":"add","path":"emails","value":[{"value":"W","type":"Work"}]}]`, want: strings.Replace(two, `"w"`, `"W"`, 1)},
		{name: "add what exists exactly", stored: two, ops: `[{"op":"add","path":"emails","value":[{"value":"w","type":"work"},{"value":"h"}]}]`},
		{name: "add the same value of another type", stored: `{"userName":"a","emails":[{"value":"x","type":"work"}]}`, ops: `[{"op":"add","path":"emails","value":{"value":"x","type":"home"}}]`, want: `{"userName":"a","emails":[{"value":"x","type":"work"},{"value":"x","type":"home"}]}`},
		{name: "add without path", stored: `{"userName":"a","emails":[{"value":"x"}]}`, ops: `[{"op":"add","value":{"emails":[{"value":"y"}],"nickName":"N","name":{"givenName":"G"}}}]`, want: `{"userName":"a","emails":[{"value":"x"},{"value":"y"}],"nickName":"N","name":{"givenName":"G"}}`},
		{name: "add a new primary", stored: two, ops: `[{"op":"add","path":"emails","value":[{"value":"n","primary":true}]}]`, want: `{"userName":"a","emails":[{"type":"work","value":"w","primary":false},{"type":"home","value":"h"},{"value":"n","primary":true}]}`},
		{name: "add primary to what exists", stored: two, ops: `[{"op":"add","path":"emails","value":[{"value":"h","primary":true}]}]`, want: `{"userName":"a","emails":[{"type":"work","value":"w","primary":false},{"type":"home","value":"h","primary":true}]}`},
		{name: "add two primaries", stored: two, ops: `[{"op":"add","path":"emails","value":[{"value":"1","primary":true},{"value":"2","primary":true}]}]`, want: InvalidValue},
		{name: "add to selected", stored: two, ops: `[{"op":"add","path":"emails[type eq \"home\"].display","value":"D"}]`, want: strings.Replace(two, `"h"`, `"h","display":"D"`, 1)},
		{name: "add to nothing selected creates", stored: two, ops: `[{"op":"add","path":"emails[type eq \"other\"].value","value":"o"}]`, want: strings.Replace(two, `"h"}`, `"h"},{"type":"other","value":"o"}`, 1)},
		{name: "add an object to nothing selected", stored: `{"userName":"a"}`, ops: `[{"op":"add","path":"addresses[type eq \"Work\" and primary eq true]","value":{"locality":"L"}}]`, want: `{"userName":"a","addresses":[{"type":"work","primary":true,"locality":"L"}]}`},
		{name: "add by a filter that describes nothing", stored: two, ops: `[{"op":"add","path":"emails[type ne \"work\" and type ne \"home\"].value","value":"o"}]`, want: NoTarget},
		{name: "add to an extension", stored: `{"userName":"a"}`, ops: `[{"op":"add","path":"` + ent + `:department","value":"D"}]`, want: `{"userName":"a","` + ent + `":{"department":"D"}}`},
		{name: "add an extension", stored: `{"userName":"a"}`, ops: `[{"op":"add","path":"` + ent + `","value":{"department":"D"}}]`, want: `{"userName":"a","` + ent + `":{"department":"D"}}`},
		{name: "add below a core URN", stored: `{"userName":"a"}`, ops: `[{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User:name.givenName","value":"G"}]`, want: `{"userName":"a","name":{"givenName":"G"}}`},
		{name: "add at the core URN", stored: `{"userName":"a"}`, ops: `[{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User","value":{"title":"T"}}]`, want: `{"userName":"a","title":"T"}`},
		{name: "add schemas", stored: `{"userName":"a"}`, ops: `[{"op":"add","path":"schemas","value":["` + ent + `"]}]`},
		{name: "add without value", stored: two, ops: `[{"op":"add","path":"title"}]`, want: InvalidValue},
		{name: "add of the wrong type", stored: two, ops: `[{"op":"add","path":"active","value":"perhaps"}]`, want: InvalidValue},
		{name: "add without path, of no object", stored: two, ops: `[{"op":"add","value":"x"}]`, want: InvalidValue},

		// Remove (section 3.5.2.2)
		{name: "remove single", stored: person, ops: `[{"op":"remove","path":"title"}]`, want: strings.Replace(person, `"title":"T",`, ``, 1)},
		{name: "remove what is not there", stored: two, ops: `[{"op":"remove","path":"title"},{"op":"remove","path":"name.givenName"},{"op":"remove","path":"` + ent + `:manager"},{"op":"remove","path":"roles"}]`},
		{name: "remove the last part", stored: `{"userName":"a","name":{"givenName":"G"}}`, ops: `[{"op":"remove","path":"name.givenName"}]`, want: `{"userName":"a"}`},
		{name: "remove multi-valued", stored: two, ops: `[{"op":"remove","path":"emails"}]`, want: `{"userName":"a"}`},
		{name: "remove selected", stored: two, ops: `[{"op":"remove","path":"emails[type eq \"work\"]"}]`, want: `{"userName":"a","emails":[{"type":"home","value":"h"}]}`},
		{name: "remove all selected", stored: two, ops: `[{"op":"remove","path":"emails[type eq \"work\" or value sw \"H\"]"}]`, want: `{"userName":"a"}`},
		{name: "remove a part of what is selected", stored: two, ops: `[{"op":"remove","path":"emails[type eq \"home\"].type"}]`, want: strings.Replace(two, `"type":"home",`, ``, 1)},
		{name: "remove a part of all", stored: two, ops: `[{"op":"remove","path":"emails.type"}]`, want: `{"userName":"a","emails":[{"value":"w","primary":true},{"value":"h"}]}`},
		{name: "remove the value of what is selected", stored: two, ops: `[{"op":"remove","path":"emails[type eq \"home\"].value"}]`, want: `{"userName":"a","emails":[{"type":"work","value":"w","primary":true}]}`},
		{name: "remove nothing selected", stored: two, ops: `[{"op":"remove","path":"emails[type eq \"other\"]"}]`, want: NoTarget},
		{name: "remove an extension", stored: person, ops: `[{"op":"remove","path":"` + ent + `"}]`, want: `{"userName":"a","title":"T","name":{"givenName":"G","familyName":"F"}}`},
		{name: "remove without path", stored: two, ops: `[{"op":"remove"}]`, want: NoTarget},
		{name: "remove required", stored: two, ops: `[{"op":"remove","path":"userName"}]`, want: Mutability},
		{name: "remove required, though set again", stored: two, ops: `[{"op":"remove","path":"userName"},{"op":"add","path":"userName","value":"b"}]`, want: Mutability},
		{name: "remove read-only", stored: two, ops: `[{"op":"remove","path":"id"}]`, want: Mutability},
		{name: "remove by a value array", stored: two, ops: `[{"op":"remove","path":"emails","value":[{"value":"W"}]}]`, want: `{"userName":"a","emails":[{"type":"home","value":"h"}]}`},
		{name: "remove by an empty value array", stored: two, ops: `[{"op":"remove","path":"emails","value":[]}]`},
		{name: "remove by a value array, of any attribute", stored: `{"userName":"a","roles":[{"value":"r","type":"t"},{"value":"s"}],"phoneNumbers":[{"value":"1"},{"value":"2"}]}`, ops: `[{"op":"remove","path":"roles","value":[{"value":"r"}]},{"op":"remove","path":"phoneNumbers","value":[{"value":"1"},{"value":"2"}]}]`, want: `{"userName":"a","roles":[{"value":"s"}]}`},
		{name: "remove by a value that tells nothing", stored: two, ops: `[{"op":"remove","path":"emails","value":[{"$ref":null}]}]`, want: InvalidValue},

		// Replace (section 3.5.2.3)
		{name: "replace single", stored: person, ops: `[{"op":"replace","path":"title","value":"S"}]`, want: strings.Replace(person, `"T"`, `"S"`, 1)},
		{name: "replace what is not there", stored: `{"userName":"a"}`, ops: `[{"op":"replace","path":"title","value":"S"},{"op":"replace","path":"name.givenName","value":"G"}]`, want: `{"userName":"a","title":"S","name":{"givenName":"G"}}`},
		{name: "replace multi-valued", stored: two, ops: `[{"op":"replace","path":"emails","value":[{"value":"n"}]}]`, want: `{"userName":"a","emails":[{"value":"n"}]}`},
		{name: "replace multi-valued by the same in another order", stored: two, ops: `[{"op":"replace","path":"emails","value":[{"value":"h","type":"home"},{"primary":true,"value":"w","type":"work"}]}]`},
		{name: "replace complex keeps others", stored: person, ops: `[{"op":"replace","path":"name","value":{"familyName":"E","middleName":"M"}}]`, want: strings.Replace(person, `"F"`, `"E","middleName":"M"`, 1)},
		{name: "replace complex, unassigning a part", stored: person, ops: `[{"op":"replace","path":"name","value":{"familyName":null,"givenName":""}}]`, want: strings.Replace(person, `"name":{"givenName":"G","familyName":"F"},`, ``, 1)},
		{name: "replace complex by nothing", stored: person, ops: `[{"op":"replace","path":"name","value":{}}]`},
		{name: "replace selected", stored: two, ops: `[{"op":"replace","path":"emails[type eq \"work\"].value","value":"n"}]`, want: strings.Replace(two, `"w"`, `"n"`, 1)},
		{name: "replace selected by an object", stored: two, ops: `[{"op":"replace","path":"emails[value eq \"H\"]","value":{"value":"n","primary":true}}]`, want: `{"userName":"a","emails":[{"type":"work","value":"w","primary":false},{"type":"home","value":"n","primary":true}]}`},
		{name: "replace selected by a text", stored: two, ops: `[{"op":"replace","path":"emails[type eq \"home\"]","value":"n"}]`, want: strings.Replace(two, `"h"`, `"n"`, 1)},
		{name: "replace nothing selected", stored: two, ops: `[{"op":"replace","path":"emails[type eq \"other\"].value","value":"n"}]`, want: NoTarget},
		{name: "replace primary", stored: two, ops: `[{"op":"replace","path":"emails[type eq \"home\"].primary","value":"True"}]`, want: `{"userName":"a","emails":[{"type":"work","value":"w","primary":false},{"type":"home","value":"h","primary":true}]}`},
		{name: "replace primary of all", stored: two, ops: `[{"op":"replace","path":"emails.primary","value":true}]`, want: InvalidValue},
		{name: "replace without path", stored: person, ops: `[{"op":"replace","value":{"title":"S","` + ent + `":{"department":"E"},"` + ent + `:costCenter":"C"}}]`, want: `{"userName":"a","title":"S","name":{"givenName":"G","familyName":"F"},"` + ent + `":{"department":"E","costCenter":"C","manager":{"value":"m","$ref":"../Users/m"}}}`},
		{name: "replace required by null", stored: two, ops: `[{"op":"replace","path":"userName","value":null}]`, want: Mutability},
		{name: "replace read-only", stored: two, ops: `[{"op":"replace","path":"meta.created","value":"2026-01-01T00:00:00Z"}]`, want: Mutability},
		{name: "id, schemas and meta without path are left out", stored: two, ops: `[{"op":"replace","value":{"id":"x","schemas":[],"meta":{"version":"x"}}}]`},
		{name: "replace read-only groups without path", stored: two, ops: `[{"op":"replace","value":{"groups":[{"value":"g"}]}}]`, want: Mutability},
		{name: "replace read-only part", stored: person, ops: `[{"op":"replace","path":"` + ent + `:manager.displayName","value":"M"}]`, want: Mutability},
		{name: "the URI goes with the value", stored: person, ops: `[{"op":"replace","path":"` + ent + `:manager.value","value":"n"}]`, want: strings.Replace(person, `"manager":{"value":"m","$ref":"../Users/m"}`, `"manager":{"value":"n"}`, 1)},
		{name: "the URI comes with the value", stored: person, ops: `[{"op":"replace","path":"` + ent + `:manager","value":{"$ref":"../Users/n","value":"n"}}]`, want: strings.Replace(person, `"manager":{"value":"m","$ref":"../Users/m"}`, `"manager":{"value":"n","$ref":"../Users/n"}`, 1)},
		{name: "replace an extension by null", stored: person, ops: `[{"op":"replace","path":"` + ent + `","value":null}]`, want: `{"userName":"a","title":"T","name":{"givenName":"G","familyName":"F"}}`},
		{name: "the case of a text is a change", stored: person, ops: `[{"op":"replace","path":"title","value":"t"}]`, want: strings.Replace(person, `"T"`, `"t"`, 1)},
		{name: "the password is not kept", stored: two, ops: `[{"op":"replace","path":"password","value":"secret"},{"op":"add","value":{"password":"secret"}}]`},

		{name: "replace without path, with an invalid filter in a key", stored: two, ops: `[{"op":"replace","value":{"emails[type is \"x\"].value":"v"}}]`, want: InvalidFilter},

		{name: "replace a part of all where there is none", stored: `{"userName":"a"}`, ops: `[{"op":"replace","path":"emails.value","value":"x"}]`, want: `{"userName":"a","emails":[{"value":"x"}]}`},
		{name: "replace a part of all", stored: two, ops: `[{"op":"replace","path":"emails.display","value":"D"}]`, want: `{"userName":"a","emails":[{"type":"work","value":"w","primary":true,"display":"D"},{"type":"home","value":"h","display":"D"}]}`},
		{name: "remove a part of all where there is none", stored: `{"userName":"a"}`, ops: `[{"op":"remove","path":"emails.display"}]`},
		{name: "replace without path, below the core URN", stored: two, ops: `[{"op":"replace","value":{"` + UserSchema + `":{"title":"T"}}}]`, want: strings.Replace(two, `{"userName"`, `{"title":"T","userName"`, 1)},
		{name: "replace without path, nothing below the core URN", stored: two, ops: `[{"op":"replace","value":{"` + UserSchema + `":null}}]`},
		{name: "replace an extension by a text", stored: person, ops: `[{"op":"replace","path":"` + ent + `","value":"x"}]`, want: InvalidValue},
		{name: "replace an extension, read-only part", stored: person, ops: `[{"op":"replace","path":"` + ent + `","value":{"manager":{"value":"m","displayName":"M"}}}]`},
		{name: "unknown attribute of an extension", stored: person, ops: `[{"op":"replace","path":"` + ent + `","value":{"team":"x"}}]`, want: InvalidSyntax},
		{name: "an immutable part is not made by a filter that has another", stored: two, ops: `[{"op":"add","path":"emails[type eq \"x\" and value eq \"\"].display","value":"D"}]`, want: NoTarget},

		// Order and paths
		{name: "in order", stored: `{"userName":"a"}`, ops: `[{"op":"add","path":"title","value":"1"},{"op":"replace","path":"title","value":"2"},{"op":"remove","path":"title"},{"op":"add","path":"emails","value":[{"type":"work","value":"x"}]},{"op":"remove","path":"emails[type eq \"work\"]"}]`},
		{name: "label first, value later", stored: `{"userName":"a"}`, ops: `[{"op":"add","path":"emails[type eq \"work\"].primary","value":true},{"op":"add","path":"emails[type eq \"work\"].value","value":"x"}]`, want: `{"userName":"a","emails":[{"type":"work","primary":true,"value":"x"}]}`},
		{name: "all or none", stored: two, ops: `[{"op":"add","path":"title","value":"T"},{"op":"replace","path":"emails[type eq \"other\"].value","value":"n"}]`, want: NoTarget},
		{name: "names in any case", stored: two, ops: `[{"OP":"replace","PATH":"EMAILS[TYPE EQ \"WORK\"].VALUE","VALUE":"n"}]`, want: strings.Replace(two, `"w"`, `"n"`, 1)},
		{name: "spaces around a path", stored: `{"userName":"a"}`, ops: `[{"op":"add","path":" title ","value":"T"}]`, want: `{"userName":"a","title":"T"}`},
		{name: "an empty path is none", stored: `{"userName":"a"}`, ops: `[{"op":"add","path":"","value":{"title":"T"}},{"op":"add","path":null,"value":{"nickName":"N"}}]`, want: `{"userName":"a","title":"T","nickName":"N"}`},
		{name: "unknown attribute", stored: two, ops: `[{"op":"add","path":"shoeSize","value":1}]`, want: InvalidPath},
		{name: "unknown sub-attribute", stored: two, ops: `[{"op":"add","path":"name.nick","value":"n"}]`, want: InvalidPath},
		{name: "unknown sub-attribute of an element", stored: two, ops: `[{"op":"add","path":"emails[type eq \"work\"].kind","value":"n"}]`, want: InvalidPath},
		{name: "unknown URN", stored: two, ops: `[{"op":"add","path":"urn:x:y:z","value":"n"}]`, want: InvalidPath},
		{name: "three parts", stored: two, ops: `[{"op":"add","path":"` + ent + `:manager.value.x","value":"n"}]`, want: InvalidPath},
		{name: "bracket not closed", stored: two, ops: `[{"op":"remove","path":"emails[type eq \"work\""}]`, want: InvalidPath},
		{name: "more after the bracket", stored: two, ops: `[{"op":"remove","path":"emails[type eq \"work\"]value"}]`, want: InvalidPath},
		{name: "filter on a single value", stored: two, ops: `[{"op":"remove","path":"name[givenName eq \"x\"]"}]`, want: InvalidPath},
		{name: "filter on a sub-attribute", stored: two, ops: `[{"op":"remove","path":"emails.value[type eq \"x\"]"}]`, want: InvalidPath},
		{name: "invalid filter", stored: two, ops: `[{"op":"remove","path":"emails[type is \"work\"]"}]`, want: InvalidFilter},
		{name: "unknown attribute in a filter", stored: two, ops: `[{"op":"remove","path":"emails[kind eq \"work\"]"}]`, want: InvalidFilter},
		{name: "wrong type in a filter", stored: two, ops: `[{"op":"remove","path":"emails[primary gt true]"}]`, want: InvalidFilter},
		{name: "path of a number", stored: two, ops: `[{"op":"remove","path":1}]`, want: InvalidPath},
		{name: "unknown op", stored: two, ops: `[{"op":"move","path":"title"}]`, want: InvalidSyntax},
		{name: "no op", stored: two, ops: `[{"path":"title"}]`, want: InvalidSyntax},
		{name: "no operations", stored: two, ops: `[]`, want: InvalidSyntax},
		{name: "operations of texts", stored: two, ops: `["add"]`, want: InvalidSyntax},
		{name: "value twice", stored: two, ops: `[{"op":"add","path":"title","value":"a","Value":"b"}]`, want: InvalidSyntax},
		{name: "unknown attribute in a value", stored: two, ops: `[{"op":"add","value":{"shoeSize":1}}]`, want: InvalidSyntax}, // the policy rejects here
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.dialect = RFC
			runPatch(t, UserType(), c)
		})
	}
}

// TestPatchDialects has the lines of "Entra ID as a SCIM client" and "Okta as a SCIM client" with no dialect set.
func TestPatchDialects(t *testing.T) {
	t.Parallel()
	const person = `{"userName":"a","active":true,"name":{"givenName":"G","familyName":"F"},"emails":[{"type":"work","value":"w"}],"` + ent + `":{"department":"D","manager":{"value":"m"}}}`
	for _, c := range []struct {
		patchCase
		is Dialect
	}{
		{patchCase{name: "capital ops and booleans as texts", stored: person, ops: `[{"op":"Replace","path":"active","value":"False"}]`, want: strings.Replace(person, `true`, `false`, 1)}, Entra},
		{patchCase{name: "replace of what no filter selects", stored: person, ops: `[{"op":"Replace","path":"emails[type eq \"other\"].value","value":"o"}]`, want: strings.Replace(person, `"w"}`, `"w"},{"type":"other","value":"o"}`, 1)}, Entra},
		{patchCase{name: "replace by null of what no filter selects", stored: person, ops: `[{"op":"Replace","path":"emails[type eq \"other\"].value","value":""}]`}, Entra},
		{patchCase{name: "replace by a filter that describes nothing", stored: person, ops: `[{"op":"Replace","path":"emails[not (type eq \"work\")].value","value":"o"}]`, want: NoTarget}, Entra},
		{patchCase{name: "unassign below a filter", stored: person, ops: `[{"op":"Replace","path":"emails[type eq \"work\"].value","value":""}]`, want: strings.Replace(person, `"emails":[{"type":"work","value":"w"}],`, ``, 1)}, Entra},
		{patchCase{name: "unassign by null below a filter", stored: person, ops: `[{"op":"Add","path":"emails[type eq \"work\"].value","value":null}]`, want: strings.Replace(person, `"emails":[{"type":"work","value":"w"}],`, ``, 1)}, Entra},
		{patchCase{name: "remove what no filter selects", stored: person, ops: `[{"op":"Remove","path":"emails[type eq \"other\"].value"}]`}, Entra},
		{patchCase{name: "dotted keys without path", stored: person, ops: `[{"op":"replace","value":{"name.givenName":"H","displayName":"D","` + ent + `:department":"E","emails[type eq \"work\"].value":"v"}}]`,
			want: `{"userName":"a","active":true,"displayName":"D","name":{"givenName":"H","familyName":"F"},"emails":[{"type":"work","value":"v"}],"` + ent + `":{"department":"E","manager":{"value":"m"}}}`}, Entra},
		{patchCase{name: "URN with dotted sub-attribute", stored: person, ops: `[{"op":"Replace","path":"` + ent + `:manager.value","value":"n"}]`, want: strings.Replace(person, `"m"`, `"n"`, 1)}, Entra},
		{patchCase{name: "manager as a text", stored: person, ops: `[{"op":"Add","path":"` + ent + `:manager","value":"n"}]`, want: strings.Replace(person, `"m"`, `"n"`, 1)}, Entra},
		{patchCase{name: "manager as a list", stored: person, ops: `[{"op":"Add","path":"` + ent + `:manager","value":[{"$ref":"http://x/Users/n","value":"n"}]}]`, want: strings.Replace(person, `"m"`, `"n","$ref":"http://x/Users/n"`, 1)}, Entra},
		{patchCase{name: "manager empty", stored: person, ops: `[{"op":"Replace","path":"` + ent + `:manager","value":""}]`, want: strings.Replace(person, `,"manager":{"value":"m"}`, ``, 1)}, Entra},
		{patchCase{name: "manager with an empty value", stored: person, ops: `[{"op":"Replace","path":"` + ent + `:manager","value":{"value":null}}]`, want: strings.Replace(person, `,"manager":{"value":"m"}`, ``, 1)}, Entra},
		{patchCase{name: "manager removed", stored: person, ops: `[{"op":"Remove","path":"` + ent + `:manager"}]`, want: strings.Replace(person, `,"manager":{"value":"m"}`, ``, 1)}, Entra},
		{patchCase{name: "a wrapped value", stored: person, ops: `[{"op":"Replace","path":"title","value":[{"$ref":null,"value":"T"}]}]`, want: strings.Replace(person, `{"userName"`, `{"title":"T","userName"`, 1)}, Entra},
		{patchCase{name: "attributes that are mapped and in no schema", stored: person, ops: `[{"op":"Add","path":"urn:x:2.0:User:tag","value":"t"},{"op":"Add","path":"title","value":"T"}]`, want: strings.Replace(person, `{"userName"`, `{"title":"T","userName"`, 1)}, Entra},
		{patchCase{name: "malformed all the same", stored: person, ops: `[{"op":"Add","path":"two words","value":"t"}]`, want: InvalidPath}, Entra},
		{patchCase{name: "active without path", stored: person, ops: `[{"op":"replace","value":{"active":false}}]`, want: strings.Replace(person, `true`, `false`, 1)}, Okta},
		{patchCase{name: "id and read-only in the value", stored: person, ops: `[{"op":"replace","value":{"id":"x","userName":"b","groups":[],"meta":{}}}]`, want: strings.Replace(person, `"a"`, `"b"`, 1)}, Okta},
		{patchCase{name: "extra keys", stored: person, ops: `[{"op":"replace","path":"title","value":"T","name":"x","$ref":null}]`, want: strings.Replace(person, `{"userName"`, `{"title":"T","userName"`, 1)}, RFC},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			runPatch(t, UserType(), c.patchCase)
			if c.want != InvalidPath {
				p, err := DecodePatch(UserType(), []byte(`{"id":"1","schemas":["`+PatchSchema+`"],"Operations":`+c.ops+`}`), Options{})
				require.NoError(t, err)
				require.Equal(t, c.is, p.Dialect)
			}
		})
	}
}

func TestPatchCustomExtension(t *testing.T) {
	t.Parallel()
	at := func(s string) string { return `{"userName":"a","` + acmeURN + `":` + s + `}` }
	op := func(kind, path, value string) string {
		return `[{"op":"` + kind + `","path":"` + acmeURN + `:` + path + `","value":` + value + `}]`
	}
	for _, c := range []patchCase{
		{name: "texts", stored: at(`{"tags":["a"]}`), ops: op("add", "tags", `["b","A"]`), want: at(`{"tags":["a","b"]}`)},
		{name: "case-exact texts", stored: at(`{"codes":["a"]}`), ops: op("add", "codes", `["b","A"]`), want: at(`{"codes":["a","b","A"]}`)},
		{name: "selected text", stored: at(`{"tags":["a","b"]}`), ops: op("replace", `tags[value eq \"A\"]`, `"c"`), want: at(`{"tags":["c","b"]}`)},
		{name: "selected text to nothing", stored: at(`{"tags":["a","b"]}`), ops: op("remove", `tags[value sw \"A\"]`, `null`), want: at(`{"tags":["b"]}`)},
		{name: "text by value", stored: at(`{"tags":["a","b"]}`), ops: op("remove", `tags`, `["b"]`), want: at(`{"tags":["a"]}`)},
		{name: "text into the same as another", stored: at(`{"tags":["a","b"]}`), ops: op("replace", `tags[value eq \"b\"]`, `"a"`), want: at(`{"tags":["a"]}`)},
		{name: "the last of an extension", stored: at(`{"tags":["a"]}`), ops: op("remove", `tags`, `null`), want: `{"userName":"a"}`},
		{name: "immutable unset", stored: `{"userName":"a"}`, ops: op("add", "badge", `"1"`), want: at(`{"badge":"1"}`)},
		{name: "immutable the same", stored: at(`{"badge":"1"}`), ops: op("replace", "badge", `"1"`)},
		{name: "immutable changed", stored: at(`{"badge":"1"}`), ops: op("replace", "badge", `"2"`), want: Mutability},
		{name: "immutable removed with its extension", stored: at(`{"badge":"1"}`), ops: `[{"op":"remove","path":"` + acmeURN + `"}]`, want: Mutability},
		{name: "immutable part", stored: at(`{"cars":[{"plate":"p","colour":"red"}]}`), ops: op("replace", `cars[colour eq \"red\"].plate`, `"q"`), want: Mutability},
		{name: "immutable part of an element that is added", stored: at(`{"cars":[{"plate":"p"}]}`), ops: op("add", "cars", `{"plate":"q","colour":"red"}`), want: at(`{"cars":[{"plate":"p"},{"plate":"q","colour":"red"}]}`)},
		{name: "immutable part of all", stored: at(`{"cars":[{"plate":"p"}]}`), ops: op("replace", "cars.plate", `"q"`), want: Mutability},
		{name: "other part", stored: at(`{"cars":[{"plate":"p","colour":"red"}]}`), ops: op("replace", `cars[plate eq \"P\"]`, `{"plate":"p","colour":"blue"}`), want: at(`{"cars":[{"plate":"p","colour":"blue"}]}`)},
		{name: "required part removed", stored: at(`{"desk":{"room":"r","floor":1}}`), ops: op("remove", "desk.room", `null`), want: Mutability},
		{name: "numbers", stored: at(`{"level":1}`), ops: op("replace", "level", `2`), want: at(`{"level":2}`)},
		{name: "the same number", stored: at(`{"share":1}`), ops: op("replace", "share", `1.0`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.dialect = RFC
			runPatch(t, acmeType(t), c)
		})
	}
	t.Run("missing since before", func(t *testing.T) {
		t.Parallel()
		runPatch(t, acmeType(t), patchCase{dialect: RFC, stored: at(`{"desk":{"floor":1}}`), ops: `[{"op":"add","path":"title","value":"T"}]`,
			want: `{"title":"T","userName":"a","` + acmeURN + `":{"desk":{"floor":1}}}`})
	})
}

func TestPatchMembers(t *testing.T) {
	t.Parallel()
	ids := func(ids ...string) []Member {
		var list []Member
		for _, id := range ids {
			list = append(list, Member{Value: id})
		}
		return list
	}
	for _, c := range []struct {
		name, ops string
		want      []MemberOperation
		dialect   Dialect
	}{
		{"add", `[{"op":"add","path":"members","value":[{"value":"1"},{"value":"2"},{"value":"1"}]}]`, []MemberOperation{{Op: AddMembers, Members: ids("1", "2")}}, RFC},
		{"add one object", `[{"op":"add","path":"members","value":{"value":"1","$ref":"x/Groups/1"}}]`, []MemberOperation{{Op: AddMembers, Members: []Member{{"1", "Group"}}}}, RFC},
		{"add one by one", `[{"op":"Add","path":"members","value":[{"value":"1"}]},{"op":"Add","path":"members","value":[{"value":"2"}]},{"op":"Add","path":"members","value":[{"value":"1"}]}]`, []MemberOperation{{Op: AddMembers, Members: ids("1", "2")}}, Entra},
		{"order stays", `[{"op":"add","path":"members","value":["1"]},{"op":"remove","path":"members[value eq \"1\"]"},{"op":"add","path":"members","value":["1"]}]`, []MemberOperation{{Op: AddMembers, Members: ids("1")}, {Op: RemoveMembers, Members: ids("1")}, {Op: AddMembers, Members: ids("1")}}, RFC},
		{"Entra's remove", `[{"op":"Remove","path":"members","value":[{"$ref":null,"value":"1"},{"$ref":null,"value":"2"}]}]`, []MemberOperation{{Op: RemoveMembers, Members: ids("1", "2")}}, Entra},
		{"remove by value without a reference", `[{"op":"remove","path":"members","value":[{"$ref":null,"value":"1"}]}]`, []MemberOperation{{Op: RemoveMembers, Members: ids("1")}}, Entra},
		{"remove by value with a reference", `[{"op":"remove","path":"members","value":[{"$ref":"http://x/Users/1","value":"1"}]}]`, []MemberOperation{{Op: RemoveMembers, Members: []Member{{Value: "1", Kind: "User"}}}}, RFC},
		{"Entra's newer remove", `[{"op":"remove","path":"members[value eq \"1\"]"},{"op":"remove","path":"members[value eq \"2\"]"}]`, []MemberOperation{{Op: RemoveMembers, Members: ids("1", "2")}}, RFC},
		{"remove several", `[{"op":"remove","path":"members[value eq \"1\" or value eq \"2\"]"}]`, []MemberOperation{{Op: RemoveMembers, Members: ids("1", "2")}}, RFC},
		{"remove all", `[{"op":"remove","path":"members"}]`, []MemberOperation{{Op: ReplaceMembers}}, RFC},
		{"remove none", `[{"op":"remove","path":"members","value":[]}]`, nil, RFC},
		{"replace", `[{"op":"replace","path":"members","value":[{"value":"1"}]}]`, []MemberOperation{{Op: ReplaceMembers, Members: ids("1")}}, RFC},
		{"replace by none", `[{"op":"replace","path":"members","value":[]}]`, []MemberOperation{{Op: ReplaceMembers}}, RFC},
		{"Okta's replace", `[{"op":"replace","value":{"id":"g","displayName":"g","members":[{"value":"1","display":"x"}]}}]`, []MemberOperation{{Op: ReplaceMembers, Members: ids("1")}}, Okta},
		{"add by filter", `[{"op":"Add","path":"members[value eq \"1\"]","value":{"value":"1"}}]`, []MemberOperation{{Op: AddMembers, Members: ids("1")}}, Entra},
		{"Microsoft's URN", `[{"op":"add","path":"http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group:members","value":["1"]}]`, []MemberOperation{{Op: AddMembers, Members: ids("1")}}, RFC},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := DecodePatch(GroupType(), []byte(`{"schemas":["`+PatchSchema+`"],"Operations":`+c.ops+`}`), Options{RejectUnknown: true})
			require.NoError(t, err)
			require.Equal(t, c.want, p.Members)
			require.Equal(t, c.dialect, p.Dialect)
			require.Equal(t, strings.Contains(c.ops, "displayName"), p.TouchesAttributes())
			_, changed, err := p.Apply(Resource{"displayName": "g"})
			require.NoError(t, err)
			require.False(t, changed)
		})
	}
	t.Run("remove by another filter", func(t *testing.T) {
		t.Parallel()
		p, err := DecodePatch(GroupType(), []byte(`{"Operations":[{"op":"remove","path":"members[type eq \"Group\" and value ne \"1\"]"}]}`), Options{})
		require.NoError(t, err)
		require.Len(t, p.Members, 1)
		require.Equal(t, RemoveMatching, p.Members[0].Op)
		require.Equal(t, `type eq "Group" and value ne "1"`, p.Members[0].Filter.String())
	})
	for name, op := range map[string]string{
		"immutable part":   `{"op":"replace","path":"members[value eq \"1\"].value","value":"2"}`,
		"immutable member": `{"op":"replace","path":"members[value eq \"1\"]","value":{"value":"2"}}`,
		"part of all":      `{"op":"remove","path":"members.value"}`,
	} {
		_, err := DecodePatch(GroupType(), []byte(`{"Operations":[`+op+`]}`), Options{})
		require.Error(t, err, name)
		requireError(t, err, Mutability)
	}
	_, err := DecodePatch(GroupType(), []byte(`{"Operations":[{"op":"add","path":"members","value":[{"display":"x"}]}]}`), Options{})
	requireError(t, err, InvalidValue)
	for schemas, want := range map[string]string{`["urn:x"]`: InvalidSyntax, `"urn:x"`: InvalidSyntax, `5`: InvalidSyntax, `{}`: InvalidSyntax, `[]`: "", `null`: "", `"` + PatchSchema + `"`: ""} {
		_, err = DecodePatch(GroupType(), []byte(`{"schemas":`+schemas+`,"Operations":[{"op":"remove","path":"members"}]}`), Options{})
		if want != "" {
			require.Error(t, err, schemas)
			requireError(t, err, want)
			continue
		}
		require.NoError(t, err, schemas)
	}
	require.JSONEq(t, `{"displayName":"h"}`, asJSON(t, mustPatch(t, GroupType(), Resource{"displayName": "g"}, `[{"op":"replace","value":{"id":"x","displayName":"h"}}]`)))
}

func mustPatch(t testing.TB, rt ResourceType, r Resource, ops string) Resource {
	t.Helper()
	r, _, err := patch(rt, r, ops, Options{})
	require.NoError(t, err)
	return r
}
