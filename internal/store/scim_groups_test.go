package store

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/scim"
)

func TestScimMembers(t *testing.T) {
	t.Parallel()
	s := openScim(t, 2)
	a, b, c, gone, nobody := newUser("a"), newUser("b"), newUser("c"), newUser("gone"), uuid.New()
	group, nested := newGroup("team"), newGroup("nested")
	inAcme(t, s, func(tx *Tx) {
		for _, u := range []*ScimUser{a, b, c, gone} {
			require.NoError(t, tx.InsertScimUser(t.Context(), u))
		}
		for _, g := range []*ScimGroup{group, nested} {
			require.NoError(t, tx.InsertScimGroup(t.Context(), g))
		}
		_, err := tx.DeleteScimUser(t.Context(), gone)
		require.NoError(t, err)
	})
	add, remove, replace := (*Tx).AddScimMembers, (*Tx).RemoveScimMembers, (*Tx).ReplaceScimMembers
	type ids = []uuid.UUID
	for _, step := range []struct {
		name                    string
		do                      func(*Tx, context.Context, *ScimGroup, ids) (ScimMemberChange, error)
		ids                     ids
		added, removed, unknown ids
		then                    ids
	}{
		{"nobody is added", add, nil, nil, nil, nil, nil},
		{"two, one of them twice", add, ids{a.ID, b.ID, a.ID}, ids{a.ID, b.ID}, nil, nil, ids{a.ID, b.ID}},
		{"again", add, ids{a.ID}, nil, nil, nil, ids{a.ID, b.ID}},
		{"unknown ones are left out", add, ids{nobody, gone.ID, c.ID}, ids{c.ID}, nil, ids{nobody, gone.ID}, ids{a.ID, b.ID, c.ID}},
		{"a group", add, ids{nested.ID}, ids{nested.ID}, nil, nil, ids{a.ID, b.ID, c.ID, nested.ID}},
		{"one leaves", remove, ids{b.ID, nobody}, nil, ids{b.ID}, nil, ids{a.ID, c.ID, nested.ID}},
		{"nobody leaves", remove, nil, nil, nil, nil, ids{a.ID, c.ID, nested.ID}},
		{"the same again", replace, ids{nested.ID, c.ID, a.ID}, nil, nil, nil, ids{a.ID, c.ID, nested.ID}},
		{"only the difference", replace, ids{a.ID, b.ID, nobody}, ids{b.ID}, ids{c.ID, nested.ID}, ids{nobody}, ids{a.ID, b.ID}},
		{"all leave", replace, nil, nil, ids{a.ID, b.ID}, nil, nil},
	} {
		inAcme(t, s, func(tx *Tx) {
			g, err := tx.ScimGroupForUpdate(t.Context(), group.ID)
			require.NoError(t, err)
			before := g
			change, err := step.do(tx, t.Context(), &g, step.ids)
			require.NoError(t, err)
			require.ElementsMatch(t, step.added, change.Added, step.name)
			require.ElementsMatch(t, step.removed, change.Removed, step.name)
			require.ElementsMatch(t, step.unknown, change.Unknown, step.name)
			changed := len(step.added)+len(step.removed) > 0
			require.Equal(t, changed, g.Version > before.Version, step.name)
			require.Equal(t, changed, g.ModifiedAt.After(before.ModifiedAt), step.name)
			require.Equal(t, len(step.then), g.MemberCount, step.name)
		})
		got, err := s.ScimGroup(t.Context(), "acme", group.ID, true)
		require.NoError(t, err)
		require.ElementsMatch(t, step.then, idsOf(got.Members, func(m ScimMember) uuid.UUID { return m.ID }), step.name)
		require.Equal(t, len(step.then), got.MemberCount, step.name)
	}
}

func newGroup(name string) *ScimGroup {
	return &ScimGroup{ID: uuid.New(), Source: "hr", Resource: fmt.Appendf(nil, `{"displayName":%q}`, name)}
}

func TestScimMembersWhoMatchLeave(t *testing.T) {
	t.Parallel()
	s := openScim(t, 2)
	a, b, group, nested := newUser("ada"), newUser("ben"), newGroup("team"), newGroup("ada's")
	inAcme(t, s, func(tx *Tx) {
		require.NoError(t, tx.InsertScimUser(t.Context(), a))
		require.NoError(t, tx.InsertScimUser(t.Context(), b))
		require.NoError(t, tx.InsertScimGroup(t.Context(), group))
		require.NoError(t, tx.InsertScimGroup(t.Context(), nested))
		for filter, want := range map[string][]uuid.UUID{
			`type eq "group"`: {nested.ID},
			`display sw "ADA" and not (type eq "Group")`:                                              {a.ID},
			`$ref eq "` + baseURL + `/Users/` + b.ID.String() + `"`:                                   {b.ID},
			`value eq "` + a.ID.String() + `" or value eq "nobody"`:                                   {a.ID},
			`value ne "` + a.ID.String() + `"`:                                                        {b.ID, nested.ID},
			`value eq "` + strings.ToUpper(a.ID.String()) + `"`:                                       nil,
			`display co "a" and (value gt "0" or value le "0") and display pr and not (type ew "up")`: {a.ID},
		} {
			_, err := tx.AddScimMembers(t.Context(), group, []uuid.UUID{a.ID, b.ID, nested.ID})
			require.NoError(t, err)
			parsed, err := scim.ParseFilter(scim.GroupType(), "members["+filter+"]")
			require.NoError(t, err, filter)
			change, err := tx.RemoveScimMembersWhere(t.Context(), group, parsed.(scim.ValuePath).Filter, baseURL)
			require.NoError(t, err, filter)
			require.ElementsMatch(t, want, change.Removed, filter)
			require.Equal(t, 3-len(want), group.MemberCount, filter)
		}
	})
}

func TestScimDeletionsEndMemberships(t *testing.T) {
	t.Parallel()
	s := openScim(t, 2)
	u, g1, g2, parent := newUser("ada"), newGroup("one"), newGroup("two"), newGroup("parent")
	inAcme(t, s, func(tx *Tx) {
		require.NoError(t, tx.InsertScimUser(t.Context(), u))
		for _, g := range []*ScimGroup{g1, g2, parent} {
			require.NoError(t, tx.InsertScimGroup(t.Context(), g))
		}
		for g, members := range map[*ScimGroup][]uuid.UUID{g1: {u.ID}, g2: {u.ID}, parent: {g1.ID, g2.ID}} {
			_, err := tx.AddScimMembers(t.Context(), g, members)
			require.NoError(t, err)
		}
	})
	shown, err := s.ScimUser(t.Context(), "acme", u.ID, true)
	require.NoError(t, err)
	require.ElementsMatch(t, []ScimGroupName{{g1.ID, "one"}, {g2.ID, "two"}}, shown.Groups)
	inAcme(t, s, func(tx *Tx) {
		left, err := tx.DeleteScimUser(t.Context(), u)
		require.NoError(t, err)
		require.ElementsMatch(t, []uuid.UUID{g1.ID, g2.ID}, idsOf(left, func(g ScimGroup) uuid.UUID { return g.ID }))
		stale := *g1
		g, err := tx.ScimGroupForUpdate(t.Context(), g1.ID)
		require.NoError(t, err)
		require.Greater(t, g.Version, stale.Version)
		require.Zero(t, g.MemberCount)
		_, err = tx.DeleteScimGroup(t.Context(), &stale)
		requireConflict(t, err, "")
		requireConflict(t, tx.UpdateScimGroup(t.Context(), &stale), "")
		_, err = tx.DeleteScimGroup(t.Context(), &g)
		require.NoError(t, err)
		above, err := tx.ScimGroupForUpdate(t.Context(), parent.ID)
		require.NoError(t, err)
		require.Equal(t, 1, above.MemberCount)
		members, err := tx.DeleteScimGroup(t.Context(), &above)
		require.NoError(t, err)
		require.Equal(t, []uuid.UUID{g2.ID}, members)
		_, err = tx.ScimGroupForUpdate(t.Context(), g1.ID)
		require.Equal(t, identity.NotFound, identity.ErrorCode(err))
	})
	page, err := s.ScimGroups(t.Context(), "acme", ScimQuery{Count: 10, Related: true})
	require.NoError(t, err)
	require.Equal(t, 1, *page.Total)
	require.Equal(t, g2.ID, page.Resources[0].ID)
	require.Empty(t, page.Resources[0].Members)
}

func TestScimGroupExternalIDsAreNotUnique(t *testing.T) {
	t.Parallel()
	s := openScim(t, 2)
	one, two := newGroup("same"), newGroup("same")
	inAcme(t, s, func(tx *Tx) {
		for _, g := range []*ScimGroup{one, two} {
			require.NoError(t, tx.InsertScimGroup(t.Context(), g))
			g.Resource = []byte(`{"displayName":"new","externalId":"1"}`)
			require.NoError(t, tx.UpdateScimGroup(t.Context(), g))
			require.Equal(t, int64(2), g.Version)
		}
	})
}
