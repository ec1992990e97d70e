package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever a client's PATCH requests do to the members of a group, one after another, is what they do to a set; and a
// version passes when, and only when, the set has changed.
func TestPropertySCIMMembersAreASet(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	ids := map[string]string{}
	for _, name := range []string{"ada", "bob", "eve", "joe"} {
		ids[name] = d.user(name)
	}
	ids["inner"] = d.group("inner")
	names := slices.Sorted(maps.Keys(ids))
	some := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 4, rapid.ID[string])
	rapid.Check(t, func(r *rapid.T) {
		model := setOf(some.Draw(r, "before"))
		group := "/Groups/" + d.group("G", idsOf(ids, model)...)
		for range rapid.IntRange(1, 4).Draw(r, "requests") {
			before, stored := maps.Clone(model), d.get(group+"?attributes=meta")
			var operations []string
			for range rapid.IntRange(1, 3).Draw(r, "operations") {
				operations = append(operations, changeMembers(r, ids, model, some))
			}
			answer := d.patch(group, strings.Join(operations, ","))
			if answer.status != http.StatusOK && answer.status != http.StatusNoContent {
				r.Fatalf("%s: %d %s", operations, answer.status, answer.body)
			}
			read := d.get(group)
			got := []string{}
			members, _ := read.get("members").([]any)
			for _, m := range members {
				got = append(got, m.(map[string]any)["value"].(string))
			}
			require.ElementsMatch(r, idsOf(ids, model), got, "%s", operations)
			require.Equal(r, read.header.Get("ETag"), answer.header.Get("ETag"), "%s", operations)
			if maps.Equal(before, model) {
				require.Equal(r, stored.get("meta"), read.get("meta"), "%s", operations)
			} else {
				require.NotEqual(r, stored.text("meta.version"), read.text("meta.version"), "%s", operations)
			}
		}
	})
}

func setOf(names []string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

func idsOf(ids map[string]string, set map[string]bool) []string {
	list := []string{}
	for name := range set {
		list = append(list, ids[name])
	}
	return list
}

// changeMembers draws an operation, does it to the model, and answers it in one of the forms that clients use.
func changeMembers(r *rapid.T, ids map[string]string, model map[string]bool, some *rapid.Generator[[]string]) string {
	names := some.Draw(r, "members")
	if len(names) == 0 {
		names = []string{"ada"}
	}
	var values []string
	for _, name := range names {
		values = append(values, fmt.Sprintf(rapid.SampledFrom([]string{`{"value":%q}`, `{"$ref":null,"value":%q}`, `{"display":"x","value":%q}`}).Draw(r, "form"), ids[name]))
	}
	list := "[" + strings.Join(values, ",") + "]"
	without := rapid.Bool().Draw(r, "without a path")
	switch op := rapid.SampledFrom([]string{"add", "Add", "replace", "remove", "Remove", "filter", "all"}).Draw(r, "op"); op {
	case "add", "Add", "replace":
		if op == "replace" {
			clear(model)
		}
		maps.Copy(model, setOf(names))
		if without {
			return fmt.Sprintf(`{"op":%q,"value":{"members":%s}}`, op, list)
		}
		return fmt.Sprintf(`{"op":%q,"path":"members","value":%s}`, op, list)
	case "filter":
		name := names[0]
		if !model[name] {
			names = slices.Collect(maps.Keys(model))
			if len(names) == 0 {
				return `{"op":"remove","path":"members"}`
			}
			name = slices.Min(names)
		}
		delete(model, name)
		return fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, ids[name])
	case "all":
		clear(model)
		return `{"op":"remove","path":"members"}`
	default:
		for _, name := range names {
			delete(model, name)
		}
		return fmt.Sprintf(`{"op":%q,"path":"members","value":%s}`, op, list)
	}
}
