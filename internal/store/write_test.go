package store_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

// Writes travel together, before the next statement or the commit. Nobody must be able to tell but by the time it takes.
func TestWritesThatTravelTogether(t *testing.T) {
	t.Parallel()
	s := openAcme(t)
	in := func(fn func(tx *store.Tx) error) error { return s.InOrg(t.Context(), "acme", fn) }
	states := func(id uuid.UUID) (n int) {
		require.NoError(t, in(func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `select count(*) from identities where id = $1`, id).Scan(&n)
		}))
		return n
	}
	save := func(tx *store.Tx, id uuid.UUID, state identity.State) error {
		return tx.InsertIdentity(t.Context(), store.Identity{ID: id, Version: 1, State: state})
	}

	id := uuid.New()
	require.NoError(t, in(func(tx *store.Tx) error {
		require.NoError(t, save(tx, id, identity.StateActive))
		row, err := tx.IdentityForUpdate(t.Context(), id)
		require.NoError(t, err, "a read sees what was written before it")
		row.Version = 7
		require.NoError(t, tx.SaveIdentity(t.Context(), row))
		return tx.Enqueue(t.Context(), id, 7, identity.ClassChange, nil)
	}))
	require.NoError(t, in(func(tx *store.Tx) error {
		row, err := tx.Identity(t.Context(), id)
		require.Equal(t, int64(7), row.Version)
		return err
	}))

	t.Run("an error comes with the commit", func(t *testing.T) {
		t.Parallel()
		good, bad := uuid.New(), uuid.New()
		err := in(func(tx *store.Tx) error {
			require.NoError(t, save(tx, good, identity.StateActive))
			require.NoError(t, save(tx, bad, "nonsense"))
			return tx.Enqueue(t.Context(), good, 1, identity.ClassChange, nil)
		})
		require.ErrorContains(t, err, "write identity")
		require.Zero(t, states(good), "nothing of the transaction is kept")
	})
	t.Run("or with the next statement", func(t *testing.T) {
		t.Parallel()
		bad := uuid.New()
		err := in(func(tx *store.Tx) error {
			require.NoError(t, save(tx, bad, "nonsense"))
			_, err := tx.Identity(t.Context(), bad)
			require.ErrorContains(t, err, "write identity")
			return err
		})
		require.ErrorContains(t, err, "write identity")
	})
	t.Run("and a transaction that its function gives up writes nothing", func(t *testing.T) {
		t.Parallel()
		gone := uuid.New()
		require.Error(t, in(func(tx *store.Tx) error {
			require.NoError(t, save(tx, gone, identity.StateActive))
			return identity.Errorf(identity.Conflict, "no")
		}))
		require.Zero(t, states(gone))
	})
}
