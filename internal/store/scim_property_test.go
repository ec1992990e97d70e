package store

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenurehq/tenure/internal/scim"
)

// place is an attribute that a filter may name.
type place struct {
	path      string
	attribute scim.Attribute
	sub       *scim.Attribute
}

// places lists all attributes of a type with their sub-attributes.
func places(rt scim.ResourceType) []place {
	var list []place
	add := func(urn string, attributes []scim.Attribute) {
		for _, a := range attributes {
			if a.Returned == scim.ReturnedNever { // there is no filter on it
				continue
			}
			list = append(list, place{urn + a.Name, a, nil})
			for i := range a.SubAttributes {
				list = append(list, place{urn + a.Name + "." + a.SubAttributes[i].Name, a, &a.SubAttributes[i]})
			}
		}
	}
	text, moment := scim.Attribute{Type: scim.TypeString, CaseExact: true}, scim.Attribute{Type: scim.TypeDateTime}
	named := func(a scim.Attribute, name string) scim.Attribute { a.Name = name; return a }
	add("", []scim.Attribute{named(text, "id"), named(text, "externalId"), {Name: "meta", Type: scim.TypeComplex, SubAttributes: []scim.Attribute{
		named(text, "resourceType"), named(text, "location"), named(text, "version"), named(moment, "created"), named(moment, "lastModified")}}})
	add("", rt.Schema.Attributes)
	for _, e := range rt.Extensions {
		add(e.ID+":", e.Attributes)
	}
	return list
}

// literal is a value to compare with, and the operators that there are for it.
func (w *world) literal(t *rapid.T, name string, a scim.Attribute) (string, []string) {
	order := []string{"eq", "ne", "gt", "ge", "lt", "le"}
	switch a.Type {
	case scim.TypeBoolean:
		return fmt.Sprint(rapid.Bool().Draw(t, "literal")), []string{"eq", "ne"}
	case scim.TypeInteger, scim.TypeDecimal:
		return string(scim.AppendJSON(nil, numbers.Draw(t, "literal"))), order
	case scim.TypeDateTime:
		if strings.HasPrefix(name, "meta") {
			return quoted(created.Draw(t, "literal")), order
		}
		return quoted(moments.Draw(t, "literal")), order
	case scim.TypeBinary:
		return quoted(texts.Draw(t, "literal")), []string{"eq", "ne"}
	}
	if strings.HasSuffix(name, ".type") {
		return quoted(rapid.SampledFrom([]string{"direct", "user", "Group", "work", ""}).Draw(t, "literal")), append(order, "co", "sw", "ew")
	}
	pool := []string{"", texts.Draw(t, "literal"), texts.Draw(t, "literal") + fmt.Sprint(rapid.IntRange(0, 8).Draw(t, "number"))}
	for _, k := range slices.Concat(w.users, w.groups) { // and what is there: ids, names, URLs
		pool = append(pool, k.id.String(), baseURL+"/Users/"+k.id.String(), k.id.String()[:4])
		for _, name := range []string{"userName", "externalId", "displayName"} {
			if s, ok := k.resource[name].(string); ok {
				pool = append(pool, s, strings.ToUpper(s), s[:len(s)/2])
			}
		}
	}
	return quoted(strings.ToValidUTF8(rapid.SampledFrom(pool).Draw(t, "literal"), "")), append(order, "co", "sw", "ew")
}

func quoted(s string) string { return string(scim.AppendJSON(nil, s)) }

// otherCase spells a name in another case, which means the same.
func otherCase(t *rapid.T, name string) string {
	if rapid.Bool().Draw(t, "upper case") {
		return strings.ToUpper(name)
	}
	return name
}

// filter draws a filter as a client would write it.
func (w *world) filter(t *rapid.T, all []place, depth int) string {
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	switch {
	case depth > 0 && kind == 0:
		return "not (" + w.filter(t, all, depth-1) + ")"
	case depth > 0 && kind <= 2:
		return "(" + w.filter(t, all, depth-1) + " and " + w.filter(t, all, depth-1) + ")"
	case depth > 0 && kind <= 4:
		return "(" + w.filter(t, all, depth-1) + " or " + w.filter(t, all, depth-1) + ")"
	}
	p := rapid.SampledFrom(all).Draw(t, "attribute")
	name := otherCase(t, p.path)
	if kind == 5 {
		return name + " pr"
	}
	if p.sub == nil && (p.attribute.Type == scim.TypeComplex || p.attribute.MultiValued) {
		if kind == 6 {
			return name + " pr"
		}
		return name + "[" + w.element(t, p.attribute, 2) + "]"
	}
	leaf := p.attribute
	if p.sub != nil {
		leaf = *p.sub
	}
	value, operators := w.literal(t, p.path, leaf)
	return name + " " + rapid.SampledFrom(operators).Draw(t, "operator") + " " + value
}

// element draws a filter for between the brackets.
func (w *world) element(t *rapid.T, a scim.Attribute, depth int) string {
	kind := rapid.IntRange(0, 9).Draw(t, "kind in brackets")
	switch {
	case depth > 0 && kind == 0:
		return "not (" + w.element(t, a, depth-1) + ")"
	case depth > 0 && kind <= 3:
		return "(" + w.element(t, a, depth-1) + " and " + w.element(t, a, depth-1) + ")"
	case depth > 0 && kind <= 5:
		return "(" + w.element(t, a, depth-1) + " or " + w.element(t, a, depth-1) + ")"
	}
	sub := a
	sub.Name = "value"
	if a.Type == scim.TypeComplex {
		sub = rapid.SampledFrom(a.SubAttributes).Draw(t, "sub-attribute")
	}
	if kind == 6 {
		return sub.Name + " pr"
	}
	value, operators := w.literal(t, a.Name, sub)
	return otherCase(t, sub.Name) + " " + rapid.SampledFrom(operators).Draw(t, "operator") + " " + value
}

// naiveKey is what a resource is sorted by, nil when it has none.
func naiveKey(r scim.Resource, by scim.Path) any {
	var of map[string]any = r
	if by.Schema != "" {
		of = r.Extension(by.Schema)
	}
	value := of[by.Attribute.Name]
	if list, ok := value.([]any); ok && by.Attribute.MultiValued {
		value = list[0]
		for _, e := range list {
			if object, ok := e.(map[string]any); ok && object["primary"] == true {
				value = e
			}
		}
	}
	if by.Sub != nil {
		object, _ := value.(map[string]any)
		value = object[by.Sub.Name]
	}
	if text, ok := value.(string); ok && by.Leaf().Type == scim.TypeDateTime {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			panic(err)
		}
		return at
	}
	if text, ok := value.(string); ok && !by.Leaf().CaseExact {
		return scim.Fold(text)
	}
	return value
}

func compareKeys(a, b any) int {
	if a == nil || b == nil {
		return cmp.Compare(fmt.Sprint(a == nil), fmt.Sprint(b == nil)) // the absent last
	}
	switch a := a.(type) {
	case string:
		return strings.Compare(a, b.(string))
	case bool:
		return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
	case int64:
		return cmp.Compare(a, b.(int64))
	case float64:
		return cmp.Compare(a, b.(float64))
	default:
		return a.(time.Time).Compare(b.(time.Time))
	}
}

// naive is the list that a query means.
func naive(all []known, q ScimQuery) []uuid.UUID {
	matching := slices.DeleteFunc(slices.Clone(all), func(k known) bool { return q.Filter != nil && !q.Filter.Match(k.resource) })
	by := q.SortBy
	if by.Attribute == nil {
		by = scim.Path{Attribute: &scim.Attribute{Name: "meta"}, Sub: &scim.Attribute{Name: "created", Type: scim.TypeDateTime}}
	}
	slices.SortFunc(matching, func(a, b known) int {
		order := cmp.Or(compareKeys(naiveKey(a.resource, by), naiveKey(b.resource, by)), bytes.Compare(a.id[:], b.id[:]))
		if q.Descending {
			return -order
		}
		return order
	})
	ids := make([]uuid.UUID, len(matching))
	for i, k := range matching {
		ids[i] = k.id
	}
	return ids
}

// lister is ScimUsers or ScimGroups, with the ids for the resources.
type lister func(q ScimQuery) (total *int, ids []uuid.UUID, next string)

// checkLists reads a list as a whole and by both ways of paging, and holds it against the naive one.
func checkLists(t *rapid.T, list lister, all []known, q ScimQuery) {
	want := naive(all, q)
	size := rapid.IntRange(1, 4).Draw(t, "page size")
	q.Count = 0
	total, got, _ := list(q)
	require.Equal(t, len(want), *total)
	require.Empty(t, got)
	var indexed, byCursor []uuid.UUID
	for q.Count = size; len(indexed) < len(want)+size; {
		q.StartIndex = len(indexed) + 1
		total, got, _ = list(q)
		require.Equal(t, len(want), *total)
		if len(got) == 0 {
			break
		}
		indexed = append(indexed, got...)
	}
	require.Equal(t, want, append([]uuid.UUID{}, indexed...), "by index")
	next := ""
	for pages := 0; pages <= len(want); pages++ {
		q.Cursor = &next
		total, got, next = list(q)
		require.Equal(t, pages == 0, total != nil)
		byCursor = append(byCursor, got...)
		if next == "" {
			break
		}
		require.Len(t, got, size)
	}
	require.Equal(t, want, append([]uuid.UUID{}, byCursor...), "by cursor")
}

// TestScimLists holds filters, sorting and paging against the naive evaluator of scim, on random data.
func TestScimLists(t *testing.T) {
	t.Parallel()
	s := openScim(t, 4)
	userType, groupType := scim.UserType(customSchema(t)), scim.GroupType()
	var runs int
	rapid.Check(t, func(t *rapid.T) {
		runs++
		org := fmt.Sprintf("o%d", runs)
		require.NoError(t, s.CreateOrganization(t.Context(), org, org))
		w := &world{userType: userType, groupType: groupType}
		require.NoError(t, s.InOrg(t.Context(), org, func(tx *Tx) error {
			w.build(t, tx)
			return nil
		}))
		kind, all := userType, w.users
		list := func(q ScimQuery) (*int, []uuid.UUID, string) {
			page, err := s.ScimUsers(t.Context(), org, q)
			require.NoError(t, err)
			for _, u := range page.Resources {
				sameAs(t, w.users, u.ID, u.Resource)
				if q.Related {
					sameElements(t, w.users, u.ID, "groups", u.Groups, func(g ScimGroupName) string { return g.ID.String() + "direct" + g.Display })
				}
			}
			return page.Total, idsOf(page.Resources, func(u ScimUser) uuid.UUID { return u.ID }), page.NextCursor
		}
		if rapid.IntRange(0, 3).Draw(t, "groups instead") == 0 {
			kind, all = groupType, w.groups
			list = func(q ScimQuery) (*int, []uuid.UUID, string) {
				page, err := s.ScimGroups(t.Context(), org, q)
				require.NoError(t, err)
				for _, g := range page.Resources {
					sameAs(t, w.groups, g.ID, g.Resource)
					if q.Related {
						sameElements(t, w.groups, g.ID, "members", g.Members, func(m ScimMember) string { return m.ID.String() + m.Kind + m.Display })
					}
				}
				return page.Total, idsOf(page.Resources, func(g ScimGroup) uuid.UUID { return g.ID }), page.NextCursor
			}
		}
		everywhere := places(kind)
		for range 5 {
			q := ScimQuery{Descending: rapid.Bool().Draw(t, "descending"), BaseURL: baseURL, Related: rapid.Bool().Draw(t, "related")}
			if rapid.IntRange(0, 9).Draw(t, "all") > 0 {
				text := w.filter(t, everywhere, 3)
				filter, err := scim.ParseFilter(kind, text)
				require.NoError(t, err, text)
				q.Filter = filter
			}
			if by, err := scim.ParseSortBy(kind, rapid.SampledFrom(everywhere).Draw(t, "sortBy").path); err == nil {
				q.SortBy = by
			}
			checkLists(t, list, all, q)
		}
	})
}

// sameAs holds a resource of a list against what was written.
func sameAs(t *rapid.T, all []known, id uuid.UUID, stored []byte) {
	i := slices.IndexFunc(all, func(k known) bool { return k.id == id })
	want := maps.Clone(all[i].resource)
	for _, made := range []string{"id", "meta", "groups", "members"} {
		delete(want, made)
	}
	require.JSONEq(t, string(scim.AppendJSON(nil, want)), string(stored))
}

// sameElements does so for groups or members.
func sameElements[T any](t *rapid.T, all []known, id uuid.UUID, attribute string, shown []T, text func(T) string) {
	i := slices.IndexFunc(all, func(k known) bool { return k.id == id })
	elements, _ := all[i].resource[attribute].([]any)
	require.Len(t, shown, len(elements))
	for n, e := range elements {
		element := e.(map[string]any)
		require.Equal(t, fmt.Sprint(element["value"], element["type"], element["display"]), text(shown[n]))
	}
}

func idsOf[T any](list []T, id func(T) uuid.UUID) []uuid.UUID {
	ids := make([]uuid.UUID, len(list))
	for i, one := range list {
		ids[i] = id(one)
	}
	return ids
}
