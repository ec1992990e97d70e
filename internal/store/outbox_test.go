package store

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
)

// TestPokesNameTheNewestRequest: of pokes that are merged the newest request is kept, also when the sweeper's comes after it.
func TestPokesNameTheNewestRequest(t *testing.T) {
	t.Parallel()
	s := openScim(t, 4)
	id := uuid.New()
	poke := func(version int64, request string) {
		inAcme(t, s, func(tx *Tx) {
			tx.Request = request
			save := tx.SaveIdentity
			if version == 1 {
				save = tx.InsertIdentity
			}
			require.NoError(t, save(t.Context(), Identity{ID: id, Version: version, State: identity.StateActive}))
			require.NoError(t, tx.Enqueue(t.Context(), id, version, identity.ClassChange, nil))
		})
	}
	claimed := func() string {
		pokes, err := s.Claim(t.Context(), time.Now(), time.Minute, Room{Pokes: 1, Engine: 10})
		require.NoError(t, err)
		require.Len(t, pokes, 1)
		return pokes[0].Request
	}
	poke(1, "first")
	require.Equal(t, "first", claimed())
	poke(2, "")
	require.Equal(t, "first", claimed())
	poke(3, "second")
	require.NoError(t, s.EnqueueSwept(t.Context(), Unsettled{Org: "acme", Identity: id, Version: 3, Class: identity.ClassReconcile}))
	require.Equal(t, "second", claimed())
	inAcme(t, s, func(tx *Tx) {
		tx.Request = "third"
		require.NoError(t, tx.RaiseVersions(t.Context(), []uuid.UUID{id}, identity.ClassReconcile))
	})
	require.Equal(t, "third", claimed())
}

// TestADuePokeIsNotDropped: the relay takes what is settled for done, but a poke whose time has come is work also when the
// clock of the relay is behind the sweeper's, or was read before it.
func TestADuePokeIsNotDropped(t *testing.T) {
	t.Parallel()
	s := openScim(t, 4)
	id, now := uuid.New(), time.Now()
	due := now.Add(time.Hour)
	inAcme(t, s, func(tx *Tx) {
		require.NoError(t, tx.InsertIdentity(t.Context(), Identity{ID: id, Version: 1, State: identity.StateActive}))
		require.NoError(t, tx.Settle(t.Context(), id, 1, 1, &due, identity.ClassChange))
		require.NoError(t, tx.Enqueue(t.Context(), id, 1, identity.ClassReconcile, nil))
	})
	claimed := func() []Poke {
		pokes, err := s.Claim(t.Context(), now, time.Minute, Room{Pokes: 1, Engine: 10})
		require.NoError(t, err)
		return pokes
	}
	require.Empty(t, claimed(), "it is settled, and nothing is due")
	n, err := s.EnqueueDue(t.Context(), due, 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Len(t, claimed(), 1)
}
