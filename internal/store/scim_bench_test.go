package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/scim"
)

// BenchmarkScim measures the store of the SCIM server over 100,000 users:
//
//	go test -run=- -bench=Scim -benchtime=2s ./internal/store
func BenchmarkScim(b *testing.B) {
	const users = 100_000
	s := openScim(b, 4)
	manyUsers(b, s, users)
	ids := someIDs(b, s, users)
	small, large := newTeam(b, s, ids[:10]), newTeam(b, s, ids[:10_000])
	s.maintain(b, "vacuum analyze")
	b.Run("bare userName eq", func(b *testing.B) {
		percentiles(b, func(i int) {
			err := s.one(b.Context(), "acme", false, func(batch *pgx.Batch) {
				batch.Queue(`select `+scimUserColumns+` from scim_users u where u.org = $1 and u.user_name_key = scim_fold($2) collate "C" and u.deleted_at is null`,
					"acme", fmt.Sprintf("user%d@example.com", 1+i%users))
			}, func(results pgx.BatchResults) error { var u ScimUser; return results.QueryRow().Scan(u.scan()...) })
			require.NoError(b, err)
		})
	})
	b.Run("get by id", func(b *testing.B) {
		percentiles(b, func(i int) {
			_, err := s.ScimUser(b.Context(), "acme", ids[i%users], true)
			require.NoError(b, err)
		})
	})
	for _, filter := range []string{`userName eq "user%d@example.com"`, `externalId eq "ext-%d"`, `emails.value eq "home%d@example.net"`,
		`emails[type eq "home" and value eq "home%d@example.net"]`} {
		b.Run(filter, func(b *testing.B) {
			percentiles(b, func(i int) {
				page, err := s.ScimUsers(b.Context(), "acme", ScimQuery{Filter: userFilter(b, fmt.Sprintf(filter, 1+i*7919%users)), Count: 100, Related: true})
				require.NoError(b, err)
				require.Len(b, page.Resources, 1)
			})
		})
	}
	b.Run("bare first page, without total and groups", func(b *testing.B) {
		percentiles(b, func(int) {
			err := s.one(b.Context(), "acme", false, func(batch *pgx.Batch) {
				batch.Queue(`select `+scimUserColumns+` from scim_users u where u.org = $1 and u.deleted_at is null order by u.created_at, u.id limit $2`, "acme", 100)
			}, func(results pgx.BatchResults) error {
				rows, err := results.Query()
				require.NoError(b, err)
				var u ScimUser
				_, err = pgx.ForEachRow(rows, u.scan(), func() error { u.Resource = nil; return nil })
				return err
			})
			require.NoError(b, err)
		})
	})
	b.Run("first page with groups", func(b *testing.B) { percentiles(b, func(int) { listPage(b, s, ScimQuery{Count: 100, Related: true}) }) })
	b.Run("first page", func(b *testing.B) { percentiles(b, func(int) { listPage(b, s, ScimQuery{Count: 100}) }) })
	b.Run("list all by cursor", func(b *testing.B) {
		var cursor string
		percentiles(b, func(int) { cursor = listPage(b, s, ScimQuery{Count: 100, Cursor: &cursor}) })
	})
	b.Run("deep page by cursor", func(b *testing.B) { benchDeep(b, s, ScimQuery{Count: 100}) })
	b.Run("deep page by cursor, sorted by userName", func(b *testing.B) {
		by, err := scim.ParseSortBy(scim.UserType(), "userName")
		require.NoError(b, err)
		benchDeep(b, s, ScimQuery{Count: 100, SortBy: by})
	})
	for name, team := range map[string]uuid.UUID{"10": small, "10000": large} {
		b.Run("add and remove a member of "+name, func(b *testing.B) {
			percentiles(b, func(i int) { changeTeam(b, s, team, ids[20_000+i%50_000]) })
		})
		b.Run("get without members a group of "+name, func(b *testing.B) {
			percentiles(b, func(int) {
				_, err := s.ScimGroup(b.Context(), "acme", team, false)
				require.NoError(b, err)
			})
		})
	}
	b.Run("get with members a group of 10000", func(b *testing.B) {
		percentiles(b, func(int) {
			_, err := s.ScimGroup(b.Context(), "acme", large, true)
			require.NoError(b, err)
		})
	})
	for name, by := range map[string]int{"all others": 10_000, "all but one the same": 1} {
		b.Run("replace 10000 members, "+name, func(b *testing.B) {
			at := 0
			percentiles(b, func(int) {
				at = (at + by) % 90_000
				replaceTeam(b, s, large, ids[at:][:10_000])
			})
		})
	}
}

// percentiles runs do b.N times and reports p50 and p99 beside the mean.
func percentiles(b *testing.B, do func(i int)) {
	b.Helper()
	for i := range 7 { // statements are prepared, and planned for good after five times
		do(i)
	}
	took := make([]time.Duration, 0, b.N)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		begun := time.Now()
		do(rand.IntN(1_000_000))
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[0].Microseconds()), "min-µs")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

func someIDs(t testing.TB, s scimStore, n int) []uuid.UUID {
	t.Helper()
	var ids []uuid.UUID
	inAcme(t, s, func(tx *Tx) {
		rows, err := tx.Query(t.Context(), `select id from scim_users where org = $1 limit $2`, tx.Org, n)
		require.NoError(t, err)
		ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		require.NoError(t, err)
	})
	return ids
}

func newTeam(t testing.TB, s scimStore, members []uuid.UUID) uuid.UUID {
	t.Helper()
	g := ScimGroup{ID: uuid.New(), Source: "hr", Resource: []byte(`{"displayName":"Team"}`)}
	inAcme(t, s, func(tx *Tx) {
		require.NoError(t, tx.InsertScimGroup(t.Context(), &g))
		change, err := tx.AddScimMembers(t.Context(), &g, members)
		require.NoError(t, err)
		require.Len(t, change.Added, len(members))
	})
	return g.ID
}

func listPage(b *testing.B, s scimStore, q ScimQuery) string {
	b.Helper()
	page, err := s.ScimUsers(b.Context(), "acme", q)
	require.NoError(b, err)
	return page.NextCursor
}

// benchDeep reads the page after nine tenths of the list.
func benchDeep(b *testing.B, s scimStore, q ScimQuery) {
	b.Helper()
	var cursor string
	q.Cursor = &cursor
	q.Count = 10_000
	for range 9 {
		cursor = listPage(b, s, q)
	}
	q.Count = 100
	percentiles(b, func(int) { listPage(b, s, q) })
}

func changeTeam(b *testing.B, s scimStore, team, member uuid.UUID) {
	b.Helper()
	for _, add := range []bool{true, false} {
		inAcme(b, s, func(tx *Tx) {
			g, err := tx.ScimGroupForUpdate(b.Context(), team)
			require.NoError(b, err)
			if add {
				_, err = tx.AddScimMembers(b.Context(), &g, []uuid.UUID{member})
			} else {
				_, err = tx.RemoveScimMembers(b.Context(), &g, []uuid.UUID{member})
			}
			require.NoError(b, err)
		})
	}
}

func replaceTeam(b *testing.B, s scimStore, team uuid.UUID, members []uuid.UUID) {
	b.Helper()
	inAcme(b, s, func(tx *Tx) {
		g, err := tx.ScimGroupForUpdate(b.Context(), team)
		require.NoError(b, err)
		_, err = tx.ReplaceScimMembers(b.Context(), &g, members)
		require.NoError(b, err)
	})
}
