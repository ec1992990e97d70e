package scim

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestSchemasAreThoseOfTheRFC has RFC 7643, sections 3.1, 4 and 8.7.1, as type, multiValued, required, caseExact, mutability,
// returned, uniqueness.
func TestSchemasAreThoseOfTheRFC(t *testing.T) {
	t.Parallel()
	plain := func(kind string) string { return kind + " single optional folded readWrite default none" }
	want := map[string]string{
		"schemas": "reference multi optional exact readOnly always none", "id": "string single optional exact readOnly always server",
		"externalId": "string single optional exact readWrite default none", "meta": "complex single optional folded readOnly default none",
		"meta.resourceType": "string single optional exact readOnly default none", "meta.created": "dateTime single optional folded readOnly default none",
		"meta.lastModified": "dateTime single optional folded readOnly default none", "meta.location": "reference single optional exact readOnly default none",
		"meta.version": "string single optional exact readOnly default none",

		"userName": "string single required folded readWrite default server", "password": "string single optional folded writeOnly never none",
		"name": plain("complex"), "name.formatted": plain("string"), "name.familyName": plain("string"), "name.givenName": plain("string"),
		"name.middleName": plain("string"), "name.honorificPrefix": plain("string"), "name.honorificSuffix": plain("string"),
		"displayName": plain("string"), "nickName": plain("string"), "profileUrl": "reference single optional exact readWrite default none",
		"title": plain("string"), "userType": plain("string"), "preferredLanguage": plain("string"), "locale": plain("string"), "timezone": plain("string"),
		"active": plain("boolean"),
		"groups": "complex multi optional folded readOnly default none", "groups.value": "string single optional exact readOnly default none",
		"groups.$ref": "reference single optional exact readOnly default none", "groups.display": "string single optional folded readOnly default none",
		"groups.type": "string single optional folded readOnly default none",

		ent + ":employeeNumber": plain("string"), ent + ":costCenter": plain("string"), ent + ":organization": plain("string"), ent + ":division": plain("string"),
		ent + ":department": plain("string"), ent + ":manager": plain("complex"), ent + ":manager.value": "string single optional exact readWrite default none",
		ent + ":manager.$ref": "reference single optional exact readWrite default none", ent + ":manager.displayName": "string single optional folded readOnly default none",
	}
	for _, name := range []string{"emails", "phoneNumbers", "ims", "photos", "addresses", "entitlements", "roles", "x509Certificates"} {
		want[name] = "complex multi optional folded readWrite default none"
		want[name+".type"], want[name+".primary"] = plain("string"), plain("boolean")
		if name == "addresses" {
			for _, sub := range []string{"formatted", "streetAddress", "locality", "region", "postalCode", "country"} {
				want[name+"."+sub] = plain("string")
			}
			continue
		}
		want[name+".value"], want[name+".display"] = plain("string"), plain("string")
	}
	want["photos.value"] = "reference single optional exact readWrite default none"
	want["x509Certificates.value"] = "binary single optional exact readWrite default none"
	require.Equal(t, want, characteristics(UserType()))

	group := map[string]string{
		"displayName": "string single required folded readWrite default none", "members": "complex multi optional folded readWrite default none",
		"members.value": "string single optional exact immutable default none", "members.$ref": "reference single optional exact immutable default none",
		"members.type": "string single optional folded immutable default none", "members.display": "string single optional folded readOnly default none",
	}
	for _, common := range []string{"schemas", "id", "externalId", "meta", "meta.resourceType", "meta.created", "meta.lastModified", "meta.location", "meta.version"} {
		group[common] = want[common]
	}
	require.Equal(t, group, characteristics(GroupType()))
}

func characteristics(rt ResourceType) map[string]string {
	out := map[string]string{}
	word := func(b bool, yes, no string) string {
		if b {
			return yes
		}
		return no
	}
	var add func(prefix string, list []Attribute)
	add = func(prefix string, list []Attribute) {
		for _, a := range list {
			out[prefix+a.Name] = string(a.Type) + " " + word(a.MultiValued, "multi", "single") + " " + word(a.Required, "required", "optional") + " " +
				word(a.CaseExact, "exact", "folded") + " " + a.Mutability + " " + a.Returned + " " + a.Uniqueness
			add(prefix+a.Name+".", a.SubAttributes)
		}
	}
	add("", commonAttributes())
	add("", rt.Schema.Attributes)
	for _, e := range rt.Extensions {
		add(e.ID+":", e.Attributes)
	}
	return out
}

func TestDiscoveryDocuments(t *testing.T) {
	t.Parallel()
	rt := acmeType(t)
	require.JSONEq(t, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],"id":"User","name":"User","endpoint":"/Users","description":"User Account",
		"schema":"`+UserSchema+`","schemaExtensions":[{"schema":"`+ent+`","required":false},{"schema":"`+acmeURN+`","required":false}],
		"meta":{"resourceType":"ResourceType","location":"https://x/scim/v2/ResourceTypes/User"}}`, asJSON(t, rt.Document("https://x/scim/v2")))
	require.JSONEq(t, `[]`, asJSON(t, GroupType().Document("").Extensions))
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(asJSON(t, rt.Extensions[1].Document("https://x"))), &doc))
	require.Equal(t, []any{SchemaSchema}, doc["schemas"])
	require.Equal(t, acmeURN, doc["id"])
	require.Equal(t, map[string]any{"resourceType": "Schema", "location": "https://x/Schemas/" + acmeURN}, doc["meta"])
	require.Equal(t, map[string]any{
		"name": "grade", "type": "string", "multiValued": false, "description": "", "required": false, "canonicalValues": []any{"Junior", "Senior"},
		"caseExact": false, "mutability": "readWrite", "returned": "default", "uniqueness": "none",
	}, doc["attributes"].([]any)[9])
	require.JSONEq(t, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],"patch":{"supported":true},"bulk":{"supported":true,"maxOperations":1000,"maxPayloadSize":8},
		"filter":{"supported":true,"maxResults":200},"changePassword":{"supported":false},"sort":{"supported":true},"etag":{"supported":true},
		"pagination":{"cursor":true,"index":true,"defaultPaginationMethod":"index","defaultPageSize":100,"maxPageSize":200},
		"authenticationSchemes":[{"type":"oauthbearertoken","name":"n","description":"d"}],
		"meta":{"resourceType":"ServiceProviderConfig","location":"https://x/ServiceProviderConfig"}}`,
		asJSON(t, Config{
			MaxOperations: 1000, MaxPayloadSize: 8, MaxResults: 200, DefaultPageSize: 100, MaxPageSize: 200,
			Authentication: []AuthenticationScheme{{Type: "oauthbearertoken", Name: "n", Description: "d"}},
		}.Document("https://x")))
	require.Equal(t, []string{UserSchema, acmeURN}, rt.Schemas(Resource{"userName": "a", acmeURN: map[string]any{"badge": "1"}}))
}

// The schemas of discovery describe the documents that are served: every key of them is an attribute, and what is required is there.
func TestDiscoverySchemas(t *testing.T) {
	t.Parallel()
	schemas := DiscoverySchemas()
	documents := []string{
		asJSON(t, Config{MaxOperations: 1, Authentication: []AuthenticationScheme{{Type: "oauth2", Name: "n", Description: "d", SpecURI: "u", Primary: true}}}.Document("https://x")),
		asJSON(t, acmeType(t).Document("https://x")), asJSON(t, acmeType(t).Schema.Document("https://x")),
	}
	for i, s := range schemas {
		var doc map[string]any
		require.NoError(t, json.Unmarshal([]byte(documents[i]), &doc))
		require.Equal(t, []any{s.ID}, doc["schemas"])
		delete(doc, "schemas")
		delete(doc, "meta")
		if i != 2 {
			delete(doc, "id") // the ServiceProviderConfig needs none; that of a ResourceType is optional
		}
		requireDescribed(t, s.Attributes, doc)
	}
}

func requireDescribed(t *testing.T, attributes []Attribute, doc map[string]any) {
	t.Helper()
	known := map[string]Attribute{}
	for _, a := range attributes {
		known[a.Name] = a
		require.Equal(t, ReadOnly, a.Mutability)
		require.False(t, a.Required && doc[a.Name] == nil, a.Name)
	}
	for name, value := range doc {
		a, ok := known[name]
		require.True(t, ok, name)
		list, isList := value.([]any)
		require.Equal(t, isList, a.MultiValued, name)
		if !isList {
			list = []any{value}
		}
		for _, v := range list {
			if part, ok := v.(map[string]any); ok {
				requireDescribed(t, a.SubAttributes, part)
			}
		}
	}
}

func TestErrorBody(t *testing.T) {
	t.Parallel()
	require.JSONEq(t, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","scimType":"noTarget","detail":"d 1"}`, asJSON(t, Errorf(400, NoTarget, "d %d", 1)))
	require.JSONEq(t, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404"}`, asJSON(t, Errorf(404, "", "")))
	require.EqualError(t, Errorf(400, NoTarget, "d"), "noTarget: d")
	require.EqualError(t, Errorf(413, "", "d"), "d")
}

func TestNewExtension(t *testing.T) {
	t.Parallel()
	one := func(a Attribute) Schema { return Schema{ID: acmeURN, Name: "N", Attributes: []Attribute{a}} }
	sub := func(a Attribute) Schema {
		return one(Attribute{Name: "c", Type: TypeComplex, SubAttributes: []Attribute{a}})
	}
	s, err := NewExtension(one(Attribute{Name: "a"}))
	require.NoError(t, err)
	require.Equal(t, Attribute{Name: "a", Type: TypeString, Mutability: ReadWrite, Returned: ReturnedDefault, Uniqueness: UniqueNone}, s.Attributes[0])
	s, err = NewExtension(sub(Attribute{Name: "$ref", Type: TypeReference}))
	require.NoError(t, err)
	require.True(t, s.Attributes[0].SubAttributes[0].CaseExact)
	s, err = NewExtension(one(Attribute{Name: "a", Mutability: WriteOnly}))
	require.NoError(t, err)
	require.Equal(t, ReturnedNever, s.Attributes[0].Returned)

	many := one(Attribute{Name: "a"})
	many.Attributes = make([]Attribute, 101)
	for name, s := range map[string]Schema{
		"no URN": {Name: "N", ID: "acme", Attributes: many.Attributes[:1]}, "no name": {ID: acmeURN, Attributes: []Attribute{{Name: "a"}}},
		"core URN": {Name: "N", ID: "URN:ietf:params:scim:schemas:core:2.0:Device", Attributes: []Attribute{{Name: "a"}}}, "enterprise": {Name: "N", ID: ent, Attributes: []Attribute{{Name: "a"}}},
		"spaces": {Name: "N", ID: "urn:a:b c", Attributes: []Attribute{{Name: "a"}}}, "colon at the end": {Name: "N", ID: "urn:a:b:", Attributes: []Attribute{{Name: "a"}}},
		"none": {ID: acmeURN, Name: "N"}, "too many": many, "twice": {ID: acmeURN, Name: "N", Attributes: []Attribute{{Name: "a"}, {Name: "A"}}},
		"no attribute name": one(Attribute{}), "dot": one(Attribute{Name: "a.b"}), "digit first": one(Attribute{Name: "1a"}), "reserved": one(Attribute{Name: "Meta"}), "$ref": one(Attribute{Name: "$ref"}),
		"type": one(Attribute{Name: "a", Type: "text"}), "mutability": one(Attribute{Name: "a", Mutability: ReadOnly}), "returned": one(Attribute{Name: "a", Returned: "sometimes"}),
		"returned write-only": one(Attribute{Name: "a", Mutability: WriteOnly, Returned: ReturnedDefault}), "uniqueness": one(Attribute{Name: "a", Uniqueness: UniqueServer}),
		"canonical numbers": one(Attribute{Name: "a", Type: TypeInteger, CanonicalValues: []string{"1"}}), "empty canonical": one(Attribute{Name: "a", CanonicalValues: []string{""}}),
		"references": one(Attribute{Name: "a", ReferenceTypes: []string{"User"}}), "no parts": one(Attribute{Name: "a", Type: TypeComplex}), "parts": one(Attribute{Name: "a", SubAttributes: []Attribute{{Name: "b"}}}),
		"deep": sub(Attribute{Name: "a", Type: TypeComplex, SubAttributes: []Attribute{{Name: "b"}}}), "several": sub(Attribute{Name: "a", MultiValued: true}), "primary": sub(Attribute{Name: "primary"}),
	} {
		_, err := NewExtension(s)
		require.Error(t, err, name)
	}
}

func TestParsePathAndSortBy(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"userName": "userName", "NAME.givenname": "name.givenName", UserSchema + ":emails": "emails", ent: ent, ent + ".manager": ent + ":manager", ent + ".Manager.value": ent + ":manager.value", UserSchema + ".userName": "userName", strings.ToUpper(ent) + ":MANAGER.VALUE": ent + ":manager.value",
		`emails[type eq "work"]`: `emails[type eq "work"]`, `emails[ type EQ "a]b" and primary eq true ].VALUE`: `emails[type eq "a]b" and primary eq true].value`, "urn:ietf:params:scim:schemas:core:2.0:user": "",
	} {
		p, err := ParsePath(UserType(), text)
		require.NoError(t, err, text)
		require.Equal(t, want, p.String())
	}
	for text, want := range map[string]string{"userName": "userName", "emails": "emails.value", "meta.lastModified": "meta.lastModified", ent + ":manager": ent + ":manager.value", "ID": "id"} {
		p, err := ParseSortBy(UserType(), text)
		require.NoError(t, err, text)
		require.Equal(t, want, p.String())
	}
	for _, text := range []string{"", "x", "name", "addresses", "password", ent, "emails[type pr]", acmeURN + ":pin", "name.x"} {
		_, err := ParseSortBy(acmeType(t), text)
		require.Error(t, err, text)
		requireError(t, err, InvalidValue)
	}
	for _, text := range []string{"", "x", "name.", ".name", "name.x", "urn:x:y", ent + ":", "emails[type pr", "emails]", "na me", "emails[type pr].x", "emails[type pr]x", "name.givenName.x"} {
		_, err := ParsePath(UserType(), text)
		require.Error(t, err, text)
		requireError(t, err, InvalidPath)
	}
}

func TestPropertyJSONIsThatOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(d *rapid.T) {
		v := drawJSON(3).Draw(d, "value")
		text, err := json.Marshal(map[string]any{"v": v})
		require.NoError(d, err)
		o, fault := readBody(text)
		require.Nil(d, fault, "%s", text)
		again := AppendJSON(nil, plain(o))
		require.JSONEq(d, string(text), string(again))
		require.True(d, json.Valid(again))
	})
}

func drawJSON(depth int) *rapid.Generator[any] {
	text := rapid.StringOf(rapid.RuneFrom([]rune("abc \"\\/\n\t\u00e9\u2028😀<&\x7f\x01")))
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), text.AsAny(), rapid.Int64Range(-maxInteger, maxInteger).AsAny(), rapid.Float64Range(-1e15, 1e15).Filter(func(f float64) bool { return f == 0 || max(f, -f) > 1e-10 }).AsAny(),
	}
	if depth > 0 {
		leaves = append(leaves, rapid.SliceOfN(drawJSON(depth-1), 0, 4).AsAny(), rapid.MapOfN(text, drawJSON(depth-1), 0, 4).AsAny())
	}
	return rapid.OneOf(leaves...)
}
