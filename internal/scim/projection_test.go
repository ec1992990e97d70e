package scim

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProjection(t *testing.T) {
	t.Parallel()
	const doc = `{"schemas":["s"],"id":"1","userName":"a","meta":{"created":"c","version":"v"},"name":{"givenName":"G","familyName":"F"},
		"emails":[{"value":"x","type":"work","display":"D"},{"value":"y"}],"groups":[{"value":"g"}],
		"` + ent + `":{"department":"D","manager":{"value":"m","$ref":"r"}},
		"` + acmeURN + `":{"pin":"1","notes":"N","badge":"7","cars":[{"plate":"p","colour":"red"},{"plate":"q"}]}}`
	const all = `"userName":"a","meta":{"created":"c","version":"v"},"name":{"givenName":"G","familyName":"F"},
		"emails":[{"value":"x","type":"work","display":"D"},{"value":"y"}],"groups":[{"value":"g"}],"` + ent + `":{"department":"D","manager":{"value":"m","$ref":"r"}}`
	for _, c := range []struct {
		name                 string
		attributes, excluded []string
		want                 string // beside schemas and id
	}{
		{"by default", nil, nil, all + `,"` + acmeURN + `":{"badge":"7","cars":[{"plate":"p","colour":"red"},{"plate":"q"}]}`},
		{"empty parameters", []string{""}, []string{" , "}, all + `,"` + acmeURN + `":{"badge":"7","cars":[{"plate":"p","colour":"red"},{"plate":"q"}]}`},
		{"one", []string{"userName"}, nil, `"userName":"a"`},
		{"several, in any case, with spaces", []string{"USERNAME, name.GIVENNAME", "emails.value"}, nil, `"userName":"a","name":{"givenName":"G"},"emails":[{"value":"x"},{"value":"y"}]`},
		{"whole and part", []string{"name.givenName,name", "emails,emails.value"}, nil, `"name":{"givenName":"G","familyName":"F"},"emails":[{"value":"x","type":"work","display":"D"},{"value":"y"}]`},
		{"elements without the part", []string{"emails.type"}, nil, `"emails":[{"type":"work"}]`},
		{"a part that nobody has", []string{"emails.primary"}, nil, ``},
		{"a filter is tolerated", []string{`emails[type eq "work"],userName`}, nil, `"userName":"a","emails":[{"value":"x","type":"work","display":"D"},{"value":"y"}]`},
		{"a filter with commas and a part", []string{`emails[type eq "a,b\"]" and value co "]"].value`}, nil, `"emails":[{"value":"x"},{"value":"y"}]`},
		{"unknown only", []string{"shoeSize"}, nil, ``},
		{"URN", []string{ent + ":department", "urn:ietf:params:scim:schemas:core:2.0:user:userName"}, nil, `"userName":"a","` + ent + `":{"department":"D"}`},
		{"part below a URN", []string{ent + ":manager.value"}, nil, `"` + ent + `":{"manager":{"value":"m"}}`},
		{"whole extension", []string{ent}, nil, `"` + ent + `":{"department":"D","manager":{"value":"m","$ref":"r"}}`},
		{"core URN", []string{UserSchema}, nil, `"userName":"a","name":{"givenName":"G","familyName":"F"},"emails":[{"value":"x","type":"work","display":"D"},{"value":"y"}],"groups":[{"value":"g"}]`},
		{"on request", []string{acmeURN + ":notes"}, nil, `"` + acmeURN + `":{"notes":"N"}`},
		{"never", []string{acmeURN + ":pin", "password"}, nil, ``},
		{"meta", []string{"meta.version"}, nil, `"meta":{"version":"v"}`},
		{"without", nil, []string{"groups,emails.display,name.givenName", acmeURN, ent + ":manager.$ref,meta"}, `"userName":"a","name":{"familyName":"F"},"emails":[{"value":"x","type":"work"},{"value":"y"}],"` + ent + `":{"department":"D","manager":{"value":"m"}}`},
		{"without everything of an element", nil, []string{"emails.value,emails.type,emails.display,name,groups,meta," + ent + "," + acmeURN + ":cars," + acmeURN + ":badge"}, `"userName":"a"`},
		{"what is always returned", nil, []string{"id,schemas,userName,meta,name,emails,groups", ent, acmeURN}, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rt := acmeType(t)
			p, err := ParseProjection(rt, c.attributes, c.excluded)
			require.NoError(t, err)
			require.False(t, p.Whole(), "the type has attributes to hold back")
			given := load(t, rt, doc)
			want := `{"schemas":["s"],"id":"1"`
			if c.want != "" {
				want += ","
			}
			require.JSONEq(t, want+c.want+`}`, asJSON(t, p.Apply(given)))
			require.JSONEq(t, doc, asJSON(t, given))
		})
	}
	_, err := ParseProjection(UserType(), []string{"userName"}, []string{"emails"})
	requireError(t, err, InvalidValue)
}

func TestProjectionTellsWhatHasToBeRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		attributes, excluded string
		needs, whole         bool
	}{
		{"", "", true, true},
		{"displayName", "", false, false},
		{"members", "", true, false},
		{"MEMBERS.value", "", true, false},
		{"", "members", false, false},
		{"", "Members.display", true, false},
		{"", "displayName", true, false},
		{GroupSchema + ":members", "", true, false},
		{"", microsoftGroupSchema + ":members", false, false},
		{"", GroupSchema, false, false},
	} {
		p, err := ParseProjection(GroupType(), []string{c.attributes}, []string{c.excluded})
		require.NoError(t, err)
		require.Equal(t, c.needs, p.Needs("members"), c)
		require.Equal(t, c.whole, p.Whole(), c)
		require.True(t, p.Needs("id"))
		require.False(t, p.Needs("password"))
	}
}
