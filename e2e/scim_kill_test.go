package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/testkit"
)

// told is one person's life as the directory told it: a POST, titles, and a leave, each sent once.
type told struct {
	acknowledged int  // writes
	doubtful     bool // nobody answered the next one: it may have been done
}

// The writes of a life. The title of a write is its number.
const writesOfALife = 6

// live tells lives until the end, the numbers of which are first, first + step, and so on. Nobody's life goes on after a
// write that was not answered.
func (f *front) live(first, step int, acknowledged *atomic.Int64, end <-chan struct{}) map[int]told {
	lives := map[int]told{}
	for n := first; ; n += step {
		var life told
		path := ""
		for life.acknowledged < writesOfALife && !life.doubtful {
			select {
			case <-end:
				lives[n] = life
				return lives
			default:
			}
			answer, err := f.write(n, life.acknowledged+1, path)
			switch {
			case absent(err):
				time.Sleep(5 * time.Millisecond) // the API comes back
			case err != nil:
				life.doubtful = true
			case !answer.ok():
				f.t.Errorf("person %d, write %d: %s", n, life.acknowledged+1, answer)
				life.doubtful = true
			default:
				life.acknowledged++
				acknowledged.Add(1)
				if path == "" {
					path = "/Users/" + answer.get("id")
				}
			}
		}
		lives[n] = life
	}
}

func (f *front) write(person, step int, path string) (said, error) {
	operation := retitled(step)
	switch step {
	case 1:
		return f.try(http.MethodPost, "/Users", directoryUser(person, titled(1)))
	case writesOfALife:
		operation = leaves
	}
	return f.try(http.MethodPatch, path, `{"Operations":[`+operation+`]}`)
}

// stored is what the rows say of a person.
type stored struct {
	Name                              string
	Resource, Identity, Poke, Entries int // versions, and how often something was recorded
	Title, IdentityTitle, RecordTitle string
	Active                            bool
	State, RecordType                 string
	Class, Links                      int
}

func (w *world) storedPeople() []stored {
	w.t.Helper()
	conn := w.admin()
	defer func() { _ = conn.Close(context.WithoutCancel(w.t.Context())) }()
	rows, err := conn.Query(w.t.Context(), `
		select u.resource->>'userName', u.version, coalesce(i.version, 0), coalesce(o.version, 0),
			(select count(*) from audit a where a.org = u.org and a.object_type = 'scim_user' and a.object_id = u.id::text and a.identity_id = u.identity_id),
			u.resource->>'title', coalesce(i.attributes->>'title', ''), coalesce(r.patch->>'title', ''), u.active,
			coalesce(i.state, ''), coalesce(r.type, ''), coalesce(o.class, 0),
			(select count(*) from source_links l where l.org = u.org and l.identity_id = u.identity_id and l.employee_id = u.id::text)
		from scim_users u
		left join identities i on i.org = u.org and i.id = u.identity_id
		left join outbox o on o.org = u.org and o.identity_id = u.identity_id
		left join source_records r on r.org = u.org and r.event_id = u.id::text
		where u.org = $1`, w.org)
	require.NoError(w.t, err)
	people, err := pgx.CollectRows(rows, pgx.RowToStructByPos[stored])
	require.NoError(w.t, err)
	return people
}

// TestKillTheAPIInTheMiddleOfSCIMWrites kills the API, as kill -9 does, while clients write. Each write that was
// acknowledged is there with its poke, its record and its audit entry; one that nobody answered was done as a whole or not
// at all.
func TestKillTheAPIInTheMiddleOfSCIMWrites(t *testing.T) {
	t.Parallel()
	const clients = 8
	kills := killsOr(6)
	seed := rand.Uint64()
	t.Logf("seed %d, %d kills", seed, kills)
	random := rand.New(rand.NewPCG(seed, 0))
	f := newFront(t, newWorldOn(t, newDatabase(t), settings{idle: true}), testkit.Temporal(t))
	f.api = f.run("api") // and no worker: the pokes stay where they are
	f.awaitAPI()

	end := make(chan struct{})
	lives := make([]map[int]told, clients)
	var acknowledgements atomic.Int64
	var directory sync.WaitGroup
	for c := range clients {
		directory.Go(func() { lives[c] = f.live(c, clients, &acknowledgements, end) })
	}
	for range kills {
		enough := acknowledgements.Load() + 5*int64(clients)
		f.eventually("clients are writing", func() bool { return acknowledgements.Load() > enough })
		time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond) // the random moment
		f.api.restart()
		f.awaitAPI()
	}
	close(end)
	directory.Wait()
	require.False(t, t.Failed())

	there := map[string]stored{}
	for _, s := range f.storedPeople() {
		there[s.Name] = s
	}
	acknowledged, doubtful, done := 0, 0, 0
	for _, some := range lives {
		for n, life := range some {
			name := fmt.Sprintf("canary%04d@acme.example", n)
			writes := there[name].Resource
			acknowledged += life.acknowledged
			if life.doubtful {
				doubtful++
				require.Contains(t, []int{life.acknowledged, life.acknowledged + 1}, writes, "%s: %+v", name, there[name])
				done += writes - life.acknowledged
			} else {
				require.Equal(t, life.acknowledged, writes, "%s: %+v", name, there[name])
			}
			if writes > 0 {
				require.Equal(t, wholly(name, writes), there[name])
			}
			delete(there, name)
		}
	}
	require.Empty(t, there, "nobody sent them")
	t.Logf("%d writes acknowledged, %d not answered, of which %d were done", acknowledged, doubtful, done)
	require.Positive(t, doubtful, "no kill met a write")
	// Nor is there half of anybody beside the Users.
	for _, table := range []string{"identities", "outbox", "source_records", "source_links", "(select * from scim_counts cross join generate_series(1, n)) counted"} {
		require.Equal(t, len(f.storedPeople()), one[int](f.world, `select count(*) from `+table), table)
	}
}

// wholly is what the rows say of a person of whom so many writes were done, each of them as a whole.
func wholly(name string, writes int) stored {
	title := titled(min(writes, writesOfALife-1))
	s := stored{Name: name, Resource: writes, Identity: writes, Poke: writes, Entries: writes, Title: title, IdentityTitle: title, RecordTitle: title,
		Active: true, State: "active", RecordType: "worker.joined", Class: 3, Links: 1}
	if writes == writesOfALife {
		s.Active, s.State, s.RecordType, s.Class = false, "left", "worker.left", 1
	}
	return s
}
