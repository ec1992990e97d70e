package scim

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// refused says whether an input was refused as inputs may be.
func refused(t *testing.T, err error) bool {
	t.Helper()
	if err == nil {
		return false
	}
	var e *Error
	require.ErrorAs(t, err, &e)
	require.True(t, e.Status >= 400 && e.Status < 500)
	require.NotEmpty(t, e.Detail)
	return true
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{
		`userName eq "bjensen"`, `emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp"]`, `not (title pr) and meta.lastModified gt "2011-05-13T04:42:34Z"`,
		ent + `:manager.value eq "x"`, `schemas eq "` + UserSchema + `"`, `active eq True and (nickName eq null)`, `emails[type eq "work"].value sw "\u00e9\"\\"`, `((((`, acmeURN + `:level ge -1.5e3`, acmeURN + `:tags[not (value eq "x")]`,
	} {
		f.Add(s)
	}
	rt, r := acmeType(f), someone(f)
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ParseFilter(rt, text)
		if refused(t, err) {
			return
		}
		again, err := ParseFilter(rt, filter.String())
		require.NoError(t, err, filter)
		require.Equal(t, filter.String(), again.String())
		require.Equal(t, filter.Match(r), again.Match(r))
		_, err = ParseRootFilter(GroupType(), text)
		refused(t, err)
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"userName", `emails[type eq "work"].value`, ent + ":manager.value", ent, UserSchema + ":name.givenName", "emails[", "a.b.c", acmeURN + `:tags[value co "]"]`} {
		f.Add(s)
	}
	rt := acmeType(f)
	f.Fuzz(func(t *testing.T, text string) {
		_, err := ParseSortBy(rt, text)
		refused(t, err)
		p, err := ParseProjection(rt, []string{text}, nil)
		require.NoError(t, err)
		p.Apply(map[string]any{"id": "1", "emails": []any{map[string]any{"value": "x"}}})
		path, err := ParsePath(rt, text)
		if refused(t, err) || path.Attribute == nil {
			return
		}
		again, err := ParsePath(rt, path.String())
		require.NoError(t, err, path)
		require.Equal(t, path.String(), again.String())
	})
}

// canonicalResource fails when a value is not as Resource promises.
func canonicalResource(t *testing.T, rt ResourceType, r Resource) {
	t.Helper()
	text := AppendJSON(nil, r)
	require.True(t, json.Valid(text), "%s", text)
	again, err := rt.Load(text)
	require.NoError(t, err, "%s", text)
	require.True(t, equalObjects(r, again), "%s", text)
	var check func(v any)
	check = func(v any) {
		switch v := v.(type) {
		case nil:
			t.Fatalf("a null in %s", text)
		case string:
			require.NotEmpty(t, v)
		case []any:
			require.NotEmpty(t, v)
			for _, e := range v {
				check(e)
			}
		case map[string]any:
			require.NotEmpty(t, v)
			for _, e := range v {
				check(e)
			}
		}
	}
	for name, v := range r {
		check(v)
		require.NotContains(t, []string{"id", "schemas", "meta", "groups", "password"}, name)
		require.True(t, rt.index.core[name] != nil && rt.index.core[name].Name == name || rt.index.extension(name) != nil, name)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"userName":"a","emails":[{"value":"x","primary":"True"}],"` + ent + `":{"manager":["m"]}}`, `{"schemas":["` + UserSchema + `"],"USERNAME":"a","name.givenName":"x","groups":[1],"password":"p"}`,
		`{"userName":"a","` + acmeURN + `":{"level":1,"share":0.1,"tags":["a"],"desk":{"room":"r"},"hired":"2026-01-01T00:00:00"}}`, `{"userName":"\u00e9\ud83d\ude00"}`, `{"displayName":"g","members":[{"value":"1"}]}`, `[[[[`, `{"userName":"a","x":1e5}`,
	} {
		f.Add([]byte(s))
	}
	rt := acmeType(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := Decode(GroupType(), body, Options{}); !refused(t, err) {
			require.True(t, json.Valid(body) || body[0] == 0xef)
		}
		in, err := Decode(rt, body, Options{})
		if refused(t, err) {
			return
		}
		canonicalResource(t, rt, in.Resource)
		_, changed, err := in.Over(in.Resource)
		require.NoError(t, err)
		require.False(t, changed)
		again, err := Decode(rt, AppendJSON(nil, in.Resource), Options{RejectUnknown: true})
		require.NoError(t, err)
		require.Equal(t, in.Resource, again.Resource)
	})
}

func FuzzPatch(f *testing.F) {
	for _, s := range []string{
		`{"Operations":[{"op":"Replace","path":"emails[type eq \"other\"].value","value":"x"},{"op":"remove","path":"name.givenName"}]}`, `{"Operations":[{"op":"replace","value":{"id":"1","active":"False","` + ent + `:department":null}}]}`,
		`{"Operations":[{"op":"add","path":"` + acmeURN + `:tags","value":["a","b"]},{"op":"add","path":"emails","value":[{"value":"n","primary":true}]}]}`, `{"Operations":[{"op":"add","path":"` + ent + `:manager","value":""}]}`,
		`{"Operations":[{"op":"remove","path":"members","value":[{"value":"1","$ref":null}]},{"op":"add","path":"members[value eq \"2\"]","value":{}}]}`, `{"Operations":[{"op":"remove","path":"` + acmeURN + `"}]}`,
	} {
		f.Add([]byte(s))
	}
	rt := acmeType(f)
	stored, err := Decode(rt, []byte(`{"userName":"a","active":true,"name":{"givenName":"G"},"emails":[{"type":"work","value":"w","primary":true},{"value":"h"}],"`+acmeURN+`":{"level":1,"tags":["a","c"],"desk":{"room":"r"}}}`), Options{})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, body []byte) {
		_, err := DecodePatch(GroupType(), body, Options{})
		refused(t, err)
		p, err := DecodePatch(rt, body, Options{})
		if refused(t, err) {
			return
		}
		before := string(AppendJSON(nil, stored.Resource))
		r, changed, err := p.Apply(stored.Resource)
		require.Equal(t, before, string(AppendJSON(nil, stored.Resource)))
		if refused(t, err) {
			return
		}
		require.Equal(t, changed, !equalObjects(r, stored.Resource))
		canonicalResource(t, rt, r)
	})
}
