package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
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

// TestReportsAreFoundByTheirManager: each arrival asks who has waited for this manager, and must not read everybody for it.
func TestReportsAreFoundByTheirManager(t *testing.T) {
	t.Parallel()
	s := openScim(t, 1)
	var boss, report uuid.UUID
	inAcme(t, s, func(tx *Tx) {
		for i := range 300 {
			row := Identity{ID: uuid.New(), Version: 1, State: identity.StateActive}
			if i == 200 {
				report, row.ManagerKey = row.ID, "boss"
			}
			boss = row.ID
			require.NoError(t, tx.InsertIdentity(t.Context(), row))
		}
	})
	inAcme(t, s, func(tx *Tx) {
		_, err := tx.Exec(t.Context(), `set local plan_cache_mode = force_generic_plan`)
		require.NoError(t, err)
		nobody, err := tx.AdoptReports(t.Context(), "somebody", boss)
		require.NoError(t, err)
		require.Empty(t, nobody)
		var read int
		require.NoError(t, tx.QueryRow(t.Context(), `select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables
			where relname = 'identities'`).Scan(&read))
		require.LessOrEqual(t, read, 1)
		adopted, err := tx.AdoptReports(t.Context(), "boss", boss)
		require.NoError(t, err)
		require.Equal(t, []uuid.UUID{report}, adopted)
	})
}
