package scim

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestFlatten(t *testing.T) {
	t.Parallel()
	r, err := decodeResource([]byte(`{
		"schemas": ["x"], "ID": "1", "meta": {"version": "1"}, "groups": [{"value": "g"}], "password": "p", "nickName": null,
		"USERNAME": "ada", "active": "False", "name": {"GivenName": "A", "familyName": null},
		"emails": [{"type": "work", "value": "w1", "primary": true}, {"type": "work", "value": "w2"}, {"value": "untyped"}],
		"urn:ietf:params:scim:schemas:extension:Enterprise:2.0:User": {"department": "D", "manager": {"value": "m"}},
		"urn:x:tags": {"tags": ["a", "b"]}
	}`))
	require.NoError(t, err)
	account, err := r.account()
	require.NoError(t, err)
	require.False(t, account.Enabled)
	require.Equal(t, "1", account.NativeID)
	require.Equal(t, map[string]any{
		"userName": "ada", "name": map[string]any{"givenName": "A", "familyName": nil}, "name.givenName": "A",
		"emails": []any{
			map[string]any{"type": "work", "value": "w1", "primary": true}, map[string]any{"type": "work", "value": "w2"}, map[string]any{"value": "untyped"},
		},
		`emails[type eq "work"].type`: "work", `emails[type eq "work"].value`: "w1", `emails[type eq "work"].primary`: true,
		`emails[primary eq true].type`: "work", `emails[primary eq true].value`: "w1", `emails[primary eq true].primary`: true,
		schemaEnterprise + ":department": "D", schemaEnterprise + ":manager": map[string]any{"value": "m"}, schemaEnterprise + ":manager.value": "m",
		"urn:x:tags:tags": []any{"a", "b"},
	}, account.Attributes)
}

func TestActive(t *testing.T) {
	t.Parallel()
	for active, want := range map[string]bool{`true`: true, `false`: false, `"True"`: true, `"FALSE"`: false, `null`: true} {
		r, err := decodeResource([]byte(`{"id": "1", "userName": "ada", "active": ` + active + `}`))
		require.NoError(t, err)
		account, err := r.account()
		require.NoError(t, err)
		require.Equal(t, want, account.Enabled, active)
	}
	for _, rubbish := range []string{`"no"`, `0`, `{}`, `""`} {
		r, err := decodeResource([]byte(`{"id": "1", "userName": "ada", "active": ` + rubbish + `}`))
		require.NoError(t, err)
		_, err = r.account()
		require.Error(t, err, rubbish)
	}
}

// What is written under a key is read back under it, whatever else is written.
func TestSetThenFlattenGivesTheWish(t *testing.T) {
	t.Parallel()
	keys := []string{
		"userName", "title", "name.givenName", "name.familyName", `emails[type eq "work"].value`, `emails[type eq "home"].value`,
		`addresses[type eq "work"].locality`, `addresses[type eq "work"].country`, schemaEnterprise + ":department", schemaEnterprise + ":manager.value",
		"urn:x:1.0:custom",
	}
	rapid.Check(t, func(t *rapid.T) {
		r := resource{"id": "1"}
		want := map[string]any{}
		for range rapid.IntRange(1, 4).Draw(t, "updates") {
			wish := rapid.MapOf(rapid.SampledFrom(keys), rapid.OneOf(rapid.Just[any](nil), rapid.Map(rapid.String(), func(s string) any { return s }))).Draw(t, "wish")
			changes, err := parseChanges(wish)
			require.NoError(t, err)
			for _, c := range changes {
				r.set(c.key, c.value)
				want[c.key.String()] = c.value
			}
		}
		flat := r.flatten()
		for name, value := range want {
			require.Equal(t, value, flat[name], name)
		}
	})
}

// An element without its value means nothing: it goes as a whole, and nothing else does.
func TestRemovingAValueRemovesItsElement(t *testing.T) {
	t.Parallel()
	r, err := decodeResource([]byte(`{"id": "1", "emails": [{"type": "work", "value": "w", "display": "W"}, {"type": "home", "value": "h"}]}`))
	require.NoError(t, err)
	for _, name := range []string{`emails[type eq "work"].value`, `emails[type eq "other"].value`} {
		k, err := parseKey(name)
		require.NoError(t, err)
		r.set(k, nil)
		require.Equal(t, []any{map[string]any{"type": "home", "value": "h"}}, r["emails"])
	}
}

func TestChangesThatOverlapAreRefused(t *testing.T) {
	t.Parallel()
	for _, wish := range []map[string]any{
		{"userName": "a", "USERNAME": "b"},
		{"name": map[string]any{}, "name.givenName": "x"},
		{"emails": []any{}, `emails[type eq "work"].value`: "x"},
		{`emails[type eq "work"].value`: "x", `emails[Type eq "work"].value`: "y"},
		{schemaEnterprise + ":manager": nil, schemaEnterprise + ":manager.value": "x"},
	} {
		_, err := parseChanges(wish)
		require.Error(t, err, "%v", wish)
	}
}

func TestPatchOperations(t *testing.T) {
	t.Parallel()
	const current = `{"id": "1", "title": "T", "name": {"givenName": "G"}, "emails": [{"type": "work", "value": "w"}], "addresses": [{"type": "work", "locality": "L", "country": "C"}]}`
	for name, test := range map[string]struct {
		changes map[string]any
		want    string
	}{
		"simple":                      {map[string]any{"title": "x", "nickName": "y"}, `[{"op":"replace","path":"nickName","value":"y"},{"op":"replace","path":"title","value":"x"}]`},
		"empty text and false stay":   {map[string]any{"title": "", "urn:x:flag": false}, `[{"op":"replace","path":"title","value":""},{"op":"replace","path":"urn:x:flag","value":false}]`},
		"remove what is there":        {map[string]any{"title": nil, "nickName": nil}, `[{"op":"remove","path":"title"}]`},
		"an element that is there":    {map[string]any{`emails[type eq "work"].value`: "x"}, `[{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}]`},
		"an element that is not":      {map[string]any{`emails[type eq "home"].value`: "x"}, `[{"op":"add","path":"emails","value":[{"type":"home","value":"x"}]}]`},
		"one new element, two parts":  {map[string]any{`addresses[type eq "home"].locality`: "x", `addresses[type eq "home"].country`: "y"}, `[{"op":"add","path":"addresses","value":[{"country":"y","locality":"x","type":"home"}]}]`},
		"removing a value":            {map[string]any{`emails[type eq "work"].value`: nil, `emails[type eq "home"].value`: nil}, `[{"op":"remove","path":"emails[type eq \"work\"]"}]`},
		"removing a part":             {map[string]any{`addresses[type eq "work"].locality`: nil}, `[{"op":"remove","path":"addresses[type eq \"work\"].locality"}]`},
		"a complex value, made equal": {map[string]any{"name": map[string]any{"familyName": "F"}}, `[{"op":"remove","path":"name"},{"op":"add","path":"name","value":{"familyName":"F"}}]`},
		"a whole list":                {map[string]any{"emails": []any{}}, `[{"op":"replace","path":"emails","value":[]}]`},
		"nothing to do":               {map[string]any{"nickName": nil}, `null`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changes, err := parseChanges(test.changes)
			require.NoError(t, err)
			var now resource
			if needsCurrent(changes) {
				now, err = decodeResource([]byte(current))
				require.NoError(t, err)
			}
			got, err := json.Marshal(patchOperations(now, changes))
			require.NoError(t, err)
			require.JSONEq(t, test.want, string(got))
		})
	}
}
