package store

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/scim"
)

// TestScimMembersUnderConcurrency: 64 clients each add and remove a member of their own in one group, while others delete
// users who are in it. Nobody is lost, invented or left behind, and there is no deadlock.
func TestScimMembersUnderConcurrency(t *testing.T) {
	t.Parallel()
	const clients, rounds = 64, 7
	s := openScim(t, 16)
	group, other := newGroup("team"), newGroup("other")
	users, leavers := make([]*ScimUser, clients), make([]*ScimUser, clients)
	inAcme(t, s, func(tx *Tx) {
		require.NoError(t, tx.InsertScimGroup(t.Context(), group))
		require.NoError(t, tx.InsertScimGroup(t.Context(), other))
		for i := range users {
			users[i], leavers[i] = newUser(uuid.NewString()), newUser(uuid.NewString())
			require.NoError(t, tx.InsertScimUser(t.Context(), users[i]))
			require.NoError(t, tx.InsertScimUser(t.Context(), leavers[i]))
		}
	})
	change := func(ctx context.Context, group uuid.UUID, add bool, ids ...uuid.UUID) error {
		return inOrgOnce(ctx, s.app, "acme", func(tx *Tx) error { // once: a deadlock is not tried again
			g, err := tx.ScimGroupForUpdate(ctx, group)
			if err != nil {
				return err
			}
			if add {
				_, err = tx.AddScimMembers(ctx, &g, ids)
			} else {
				_, err = tx.RemoveScimMembers(ctx, &g, ids)
			}
			return err
		})
	}
	var work errgroup.Group
	for i := range clients {
		work.Go(func() error { // ends with the user in both groups
			for round := range rounds {
				// Everybody also adds everybody else's leavers, some of whom are being deleted.
				ids := []uuid.UUID{users[i].ID, leavers[rand.IntN(clients)].ID, leavers[rand.IntN(clients)].ID}
				if round%2 == 1 {
					ids = ids[:1]
				}
				if err := change(t.Context(), group.ID, round%2 == 0, ids...); err != nil {
					return err
				}
				if err := change(t.Context(), other.ID, round%2 == 0, ids...); err != nil {
					return err
				}
			}
			return nil
		})
		work.Go(func() error {
			return s.InOrg(t.Context(), "acme", func(tx *Tx) error {
				u, err := tx.ScimUserForUpdate(t.Context(), leavers[i].ID, false)
				if err != nil {
					return err
				}
				_, err = tx.DeleteScimUser(t.Context(), &u)
				return err
			})
		})
	}
	require.NoError(t, work.Wait())
	want := idsOf(users, func(u *ScimUser) uuid.UUID { return u.ID })
	for _, id := range []uuid.UUID{group.ID, other.ID} {
		g, err := s.ScimGroup(t.Context(), "acme", id, true)
		require.NoError(t, err)
		require.ElementsMatch(t, want, idsOf(g.Members, func(m ScimMember) uuid.UUID { return m.ID }))
		require.Equal(t, clients, g.MemberCount)
	}
	page, err := s.ScimUsers(t.Context(), "acme", ScimQuery{})
	require.NoError(t, err)
	require.Equal(t, clients, *page.Total)
}

// TestScimUserNameIsGivenOnce: of clients that create one userName at once, in any case, one succeeds.
func TestScimUserNameIsGivenOnce(t *testing.T) {
	t.Parallel()
	s := openScim(t, 16)
	var mu sync.Mutex
	var made int
	var work errgroup.Group
	for i := range 32 {
		work.Go(func() error {
			u := newUser([]string{"Ada", "ADA"}[i%2])
			err := s.InOrg(t.Context(), "acme", func(tx *Tx) error { return tx.InsertScimUser(t.Context(), u) })
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
				return nil
			}
			if identity.ErrorCode(err) == identity.Conflict {
				return nil
			}
			return err
		})
	}
	require.NoError(t, work.Wait())
	require.Equal(t, 1, made)
	page, err := s.ScimUsers(t.Context(), "acme", ScimQuery{Count: 10})
	require.NoError(t, err)
	require.Equal(t, 1, *page.Total)
}

// TestScimChangesToOneUserAreOrdered: of clients that change one user at once, each sees the change before its own.
func TestScimChangesToOneUserAreOrdered(t *testing.T) {
	t.Parallel()
	const clients = 32
	s := openScim(t, 16)
	u := newUser("ada")
	inAcme(t, s, func(tx *Tx) { require.NoError(t, tx.InsertScimUser(t.Context(), u)) })
	rt := scim.UserType()
	var work errgroup.Group
	for range clients {
		work.Go(func() error {
			return s.InOrg(t.Context(), "acme", func(tx *Tx) error {
				locked, err := tx.ScimUserForUpdate(t.Context(), u.ID, false)
				if err != nil {
					return err
				}
				r, err := rt.Load(locked.Resource)
				if err != nil {
					return err
				}
				r["title"] = r.Text("title") + "x"
				locked.Resource = scim.AppendJSON(nil, r)
				return tx.UpdateScimUser(t.Context(), &locked)
			})
		})
	}
	require.NoError(t, work.Wait())
	got, err := s.ScimUser(t.Context(), "acme", u.ID, false)
	require.NoError(t, err)
	require.Equal(t, int64(1+clients), got.Version)
	r, err := rt.Load(got.Resource)
	require.NoError(t, err)
	require.Len(t, r.Text("title"), clients)
}

// TestScimIsKeptWithinAnOrganization: no function reads or changes what another organization has, and what is taken there
// is free here.
func TestScimIsKeptWithinAnOrganization(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := openScim(t, 2)
	u := &ScimUser{ID: uuid.New(), Source: "hr", Resource: []byte(`{"userName":"ada","externalId":"1","emails":[{"value":"a@x.example"}]}`)}
	g := &ScimGroup{ID: uuid.New(), Source: "hr", Resource: []byte(`{"displayName":"team","externalId":"1"}`)}
	gone := newUser("gone")
	gone.Resource = []byte(`{"userName":"gone","externalId":"2"}`)
	inAcme(t, s, func(tx *Tx) {
		require.NoError(t, tx.InsertScimUser(ctx, u))
		require.NoError(t, tx.InsertScimUser(ctx, gone))
		require.NoError(t, tx.InsertScimGroup(ctx, g))
		_, err := tx.AddScimMembers(ctx, g, []uuid.UUID{u.ID})
		require.NoError(t, err)
		_, err = tx.DeleteScimUser(ctx, gone)
		require.NoError(t, err)
	})
	notFound := func(err error) {
		t.Helper()
		require.Equal(t, identity.NotFound, identity.ErrorCode(err))
	}
	_, err := s.ScimUser(ctx, "rival", u.ID, true)
	notFound(err)
	_, err = s.ScimGroup(ctx, "rival", g.ID, true)
	notFound(err)
	for _, filter := range []string{`userName eq "ada"`, `emails.value eq "a@x.example"`, `id eq "` + u.ID.String() + `"`, `groups.value eq "` + g.ID.String() + `"`, `id pr`,
		`groups pr`, `externalId eq "1" or emails[value sw "a"]`, `not (title pr)`} {
		page, err := s.ScimUsers(ctx, "rival", ScimQuery{Filter: userFilter(t, filter), Count: 10, Related: true})
		require.NoError(t, err)
		require.Zero(t, *page.Total, filter)
		require.Empty(t, page.Resources, filter)
	}
	theirs := *u
	requireConflict(t, s.InOrg(ctx, "rival", func(tx *Tx) error { return tx.UpdateScimUser(ctx, &theirs) }), "")
	require.NoError(t, s.InOrg(ctx, "rival", func(tx *Tx) error {
		_, err := tx.ScimUserForUpdate(ctx, u.ID, false)
		notFound(err)
		_, err = tx.ScimGroupForUpdate(ctx, g.ID)
		notFound(err)
		for _, externalID := range []string{"1", "2"} {
			users, err := tx.ScimNamesakes(ctx, "hr", externalID, "ada")
			require.NoError(t, err)
			require.Empty(t, users)
		}
		copied, team := *u, *g
		requireConflict(t, tx.UpdateScimGroup(ctx, &team), "")
		_, err = tx.DeleteScimUser(ctx, &copied)
		requireConflict(t, err, "")
		_, err = tx.DeleteScimGroup(ctx, &team)
		requireConflict(t, err, "")
		own := newGroup("own")
		require.NoError(t, tx.InsertScimGroup(ctx, own))
		change, err := tx.AddScimMembers(ctx, own, []uuid.UUID{u.ID, g.ID})
		require.NoError(t, err)
		require.Empty(t, change.Added)
		require.ElementsMatch(t, []uuid.UUID{u.ID, g.ID}, change.Unknown)
		// Neither the names nor the ids of one organization are taken in another.
		require.NoError(t, tx.InsertScimUser(ctx, &copied))
		require.NoError(t, tx.InsertScimGroup(ctx, &team))
		return nil
	}))
	page, err := s.ScimUsers(ctx, "acme", ScimQuery{Count: 10, Related: true})
	require.NoError(t, err)
	require.Equal(t, 1, *page.Total)
	require.Equal(t, []ScimGroupName{{g.ID, "team"}}, page.Resources[0].Groups)
}
