package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenurehq/tenure/internal/scim"
)

const baseURL = "https://tenure.example/scim/v2"

// customSchema has an attribute of every type.
func customSchema(t testing.TB) scim.Schema {
	t.Helper()
	parts := []scim.Attribute{{Name: "value", Type: scim.TypeString, CaseExact: true}, {Name: "since", Type: scim.TypeDateTime}, {Name: "level", Type: scim.TypeInteger},
		{Name: "share", Type: scim.TypeDecimal}, {Name: "primary", Type: scim.TypeBoolean}, {Name: "link", Type: scim.TypeReference, ReferenceTypes: []string{"external"}, CaseExact: true}}
	schema, err := scim.NewExtension(scim.Schema{ID: "urn:example:Acme:2.0:User", Name: "Custom", Attributes: []scim.Attribute{
		{Name: "code", Type: scim.TypeString, CaseExact: true}, {Name: "userName", Type: scim.TypeString}, {Name: "badge", Type: scim.TypeInteger},
		{Name: "rate", Type: scim.TypeDecimal}, {Name: "remote", Type: scim.TypeBoolean}, {Name: "hired", Type: scim.TypeDateTime}, {Name: "key", Type: scim.TypeBinary, CaseExact: true},
		{Name: "tags", Type: scim.TypeString, MultiValued: true}, {Name: "days", Type: scim.TypeDateTime, MultiValued: true},
		{Name: "scores", Type: scim.TypeInteger, MultiValued: true}, {Name: "flags", Type: scim.TypeBoolean, MultiValued: true},
		{Name: "desk", Type: scim.TypeComplex, SubAttributes: parts}, {Name: "posts", Type: scim.TypeComplex, MultiValued: true, SubAttributes: parts},
	}})
	require.NoError(t, err)
	return schema
}

// The values, few, so that they meet. Some mean something in SQL, in LIKE or in JSON; some change their length with
// their case.
var (
	texts = rapid.SampledFrom([]string{"a", "A", "ada", "Ada", "ADA", "adam", "b%", "b_", `b\`, "b'; drop table scim_users --", `"`, "İ", "ß", "ẞ", "ΟΔΟΣ", "οδος", "Ünal", "ünal",
		"€", "\U0001F600", "z\u0308", "work", "User", "direct", "en-GB"})
	whole   = rapid.SampledFrom([]int64{-7, 0, 1, 7, 9007199254740991})
	numbers = rapid.SampledFrom([]float64{-7, -0.5, 0, 0.1, 1, 7, 1e21})
	moments = rapid.SampledFrom([]string{"2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.5Z", "2025-12-31T23:59:59-05:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"})
	// created are the moments between which rows are made; to the microsecond, as Postgres has them.
	created = rapid.SampledFrom([]string{"2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z", "2026-06-01T12:00:00Z"})
)

func simpleValue(t *rapid.T, a scim.Attribute) any {
	switch a.Type {
	case scim.TypeBoolean:
		return rapid.Bool().Draw(t, a.Name)
	case scim.TypeInteger:
		return whole.Draw(t, a.Name)
	case scim.TypeDecimal:
		return numbers.Draw(t, a.Name)
	case scim.TypeDateTime:
		return moments.Draw(t, a.Name)
	default:
		return texts.Draw(t, a.Name)
	}
}

func oneValue(t *rapid.T, a scim.Attribute) any {
	if a.Type != scim.TypeComplex {
		return simpleValue(t, a)
	}
	object := map[string]any{}
	for _, sub := range a.SubAttributes {
		if rapid.Bool().Draw(t, sub.Name+"?") {
			object[sub.Name] = simpleValue(t, sub)
		}
	}
	if len(object) == 0 {
		object[a.SubAttributes[0].Name] = simpleValue(t, a.SubAttributes[0])
	}
	return object
}

// values fills attributes, none or some of each.
func values(t *rapid.T, into map[string]any, attributes []scim.Attribute) {
	for _, a := range attributes {
		if slices.Contains([]string{"groups", "members", "password"}, a.Name) || rapid.IntRange(0, 2).Draw(t, a.Name+"?") == 0 {
			continue
		}
		if !a.MultiValued {
			into[a.Name] = oneValue(t, a)
			continue
		}
		list := make([]any, rapid.IntRange(1, 3).Draw(t, "number of "+a.Name))
		primary := rapid.IntRange(0, len(list)).Draw(t, "primary of "+a.Name)
		for i := range list {
			list[i] = oneValue(t, a)
			if object, ok := list[i].(map[string]any); ok && i != primary {
				delete(object, "primary") // at most one is
				if len(object) == 0 {
					object[a.SubAttributes[0].Name] = simpleValue(t, a.SubAttributes[0])
				}
			}
		}
		into[a.Name] = list
	}
}

// known is a resource as the naive evaluator sees it.
type known struct {
	id       uuid.UUID
	resource scim.Resource
}

// world is what an organization holds.
type world struct {
	users, groups       []known
	userType, groupType scim.ResourceType
}

// build writes random users, groups and memberships and answers what is there.
func (w *world) build(t *rapid.T, tx *Tx) {
	ctx := t.Context()
	stamp := func(table string, id uuid.UUID, r scim.Resource, kind, path string) known {
		meta := map[string]any{"resourceType": kind, "location": baseURL + path + id.String(), "version": `W/"1"`,
			"created": created.Draw(t, "created"), "lastModified": created.Draw(t, "lastModified")}
		_, err := tx.Exec(ctx, `update `+table+` set created_at = $3::text::timestamptz, modified_at = $4::text::timestamptz where org = $1 and id = $2`, tx.Org, id, meta["created"], meta["lastModified"])
		require.NoError(t, err)
		r["id"], r["meta"] = id.String(), meta
		return known{id, r}
	}
	for i := range rapid.IntRange(0, 8).Draw(t, "users") {
		r := scim.Resource{}
		values(t, r, w.userType.Schema.Attributes)
		for _, e := range w.userType.Extensions {
			extension := map[string]any{}
			values(t, extension, e.Attributes)
			if len(extension) > 0 {
				r[e.ID] = extension
			}
		}
		r["userName"] = texts.Draw(t, "userName") + fmt.Sprint(i)
		if rapid.Bool().Draw(t, "externalId?") {
			r["externalId"] = texts.Draw(t, "externalId") + fmt.Sprint(i)
		}
		u := ScimUser{ID: w.newID(t), Source: "hr", Resource: scim.AppendJSON(nil, r)}
		require.NoError(t, tx.InsertScimUser(ctx, &u))
		w.users = append(w.users, stamp("scim_users", u.ID, r, "User", "/Users/"))
	}
	for range rapid.IntRange(0, 4).Draw(t, "groups") {
		r := scim.Resource{"displayName": texts.Draw(t, "displayName")}
		g := ScimGroup{ID: w.newID(t), Source: "hr", Resource: scim.AppendJSON(nil, r)}
		require.NoError(t, tx.InsertScimGroup(ctx, &g))
		w.groups = append(w.groups, known{g.ID, r})
	}
	for _, g := range w.groups {
		w.join(t, tx, g)
	}
	for _, k := range slices.Concat(w.users, w.groups) { // shown, and sorted by, in the order of their ids
		for _, name := range []string{"groups", "members"} {
			list, _ := k.resource[name].([]any)
			slices.SortFunc(list, func(a, b any) int { return strings.Compare(idIn(a), idIn(b)) })
		}
	}
	for i, g := range w.groups {
		w.groups[i] = stamp("scim_groups", g.id, g.resource, "Group", "/Groups/")
		_, err := tx.Exec(ctx, `update scim_groups set version = 1 where org = $1 and id = $2`, tx.Org, g.id)
		require.NoError(t, err)
	}
}

// join gives a group members, and tells the evaluator.
func (w *world) join(t *rapid.T, tx *Tx, g known) {
	locked, err := tx.ScimGroupForUpdate(t.Context(), g.id)
	require.NoError(t, err)
	var ids []uuid.UUID
	var members []any
	add := func(k known, kind, path string, display any) {
		ids = append(ids, k.id)
		members = append(members, map[string]any{"value": k.id.String(), "type": kind, "$ref": baseURL + path + k.id.String(), "display": display})
	}
	for _, u := range w.users {
		if rapid.IntRange(0, 3).Draw(t, "member?") > 0 {
			continue
		}
		display := u.resource["displayName"]
		if display == nil {
			display = u.resource["userName"]
		}
		add(u, "User", "/Users/", display)
		groups, _ := u.resource["groups"].([]any)
		u.resource["groups"] = append(groups, map[string]any{"value": g.id.String(), "type": "direct", "$ref": baseURL + "/Groups/" + g.id.String(), "display": g.resource["displayName"]})
	}
	for _, other := range w.groups {
		if other.id != g.id && rapid.IntRange(0, 4).Draw(t, "nested?") == 0 {
			add(other, "Group", "/Groups/", other.resource["displayName"])
		}
	}
	change, err := tx.AddScimMembers(t.Context(), &locked, ids)
	require.NoError(t, err)
	require.Len(t, change.Added, len(ids))
	if members != nil {
		g.resource["members"] = members
	}
}

func idIn(element any) string { return element.(map[string]any)["value"].(string) }

// newID draws an id that no other resource has.
func (w *world) newID(t *rapid.T) uuid.UUID {
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "id"), 1))
	var id uuid.UUID
	for i := range id {
		id[i] = byte(random.Uint32())
	}
	id[15] = byte(len(w.users) + 16*len(w.groups))
	return id
}
