package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
)

// TestAYoungTimelineIsReadByItsKeys: before the database has statistics of a table, an event and a person's timeline are
// looked up by their own index, whatever the length of the organization's.
func TestAYoungTimelineIsReadByItsKeys(t *testing.T) {
	t.Parallel()
	s := openScim(t, 1)
	entry := func(i int) identity.Entry {
		return identity.Entry{ReceivedAt: time.Now(), Event: identity.Event{Source: "hr", ID: fmt.Sprint("event-", i), Type: identity.WorkerJoined,
			Time: time.Now(), EmployeeID: fmt.Sprint("person-", i), Patch: identity.Patch{}}}
	}
	inAcme(t, s, func(tx *Tx) {
		for i := range 300 {
			require.NoError(t, tx.InsertRecord(t.Context(), "hr", entry(i), Receipt{Effect: identity.EffectJoin}))
		}
	})
	inAcme(t, s, func(tx *Tx) {
		read := func() (n int) {
			require.NoError(t, tx.QueryRow(t.Context(), `select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables
				where relname = 'source_records'`).Scan(&n))
			return n
		}
		_, err := tx.Exec(t.Context(), `set local plan_cache_mode = force_generic_plan`)
		require.NoError(t, err)
		receipt, err := tx.Receipt(t.Context(), "hr", "event-200")
		require.NoError(t, err)
		require.Equal(t, identity.EffectJoin, receipt.Effect)
		require.Equal(t, 1, read())
		entries, err := tx.PersonEntries(t.Context(), "hr", "person-200")
		require.NoError(t, err)
		require.Len(t, entries, 1)
		require.Equal(t, 2, read())
	})
}
