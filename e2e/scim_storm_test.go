package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/testkit"
)

// TestSCIMStorm is a storm of three seconds; `make soak` has one of a minute.
func TestSCIMStorm(t *testing.T) {
	t.Parallel()
	testStorm(t, 3*time.Second)
}

// storm is what 64 clients do to one group and to one user, and what must be there in the end.
type storm struct {
	*front

	group, user string
	own         [][]string        // each client's members of the group to be
	held        []map[string]bool // which of them it has put there
	last        []string          // what it has last written into its own attribute of the user
	changes     atomic.Int64
	races       atomic.Int64
}

const stormClients = 64

// testStorm has 64 clients change the members of one group and the attributes of one user, each its own part, and pairs of
// others create one userName at once. Nobody is lost or invented, nothing is refused that should not be, no answer is 5xx,
// and the database meets no deadlock.
func testStorm(t *testing.T, lasts time.Duration) {
	t.Helper()
	f := newFront(t, newWorldOn(t, newDatabase(t), settings{idle: true}), testkit.Temporal(t))
	f.api = f.run("api")
	f.awaitAPI()
	s := &storm{front: f, own: make([][]string, stormClients), held: make([]map[string]bool, stormClients), last: make([]string, stormClients)}
	s.group = s.create("/Groups", `{"displayName":"All"}`)
	s.user = s.create("/Users", directoryUser(0, titled(0)))
	s.each(stormClients, func(i int) {
		for j := range 3 {
			s.own[i] = append(s.own[i], s.create("/Users", directoryUser(1+3*i+j, titled(0))))
		}
	})
	require.False(t, t.Failed())

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	end := time.Now().Add(lasts)
	var races sync.WaitGroup
	for pair := range 2 {
		races.Go(func() {
			for n := 0; (n < 5 || time.Now().Before(end)) && !t.Failed(); n++ {
				s.race(fmt.Sprintf("race%d-%d@acme.example", pair, n))
			}
		})
	}
	s.each(stormClients, func(i int) {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		s.held[i] = map[string]bool{}
		for n := 0; (n < 5 || time.Now().Before(end)) && !t.Failed(); n++ {
			s.change(i, n, random)
		}
	})
	races.Wait()
	require.False(t, t.Failed())
	t.Logf("%d changes, %d races in %v", s.changes.Load(), s.races.Load(), lasts)
	s.check()
	s.api.kill() // ended connections have reported what they met
	s.store.Close()
	s.eventually("the database has ended the API's connections", func() bool { return s.connections() == 0 })
	require.Zero(t, s.deadlocks())
}

// each does something for n clients side by side.
func (f *front) each(n int, do func(i int)) {
	var clients sync.WaitGroup
	for i := range n {
		clients.Go(func() { do(i) })
	}
	clients.Wait()
}

// change has a client put one of its people into the group or out of it, in one of the forms that clients use, and write
// its attribute of the user.
func (s *storm) change(i, n int, random *rand.Rand) {
	id := s.own[i][random.IntN(len(s.own[i]))]
	operation := fmt.Sprintf(`{"op":"Add","path":"members","value":[{"$ref":null,"value":%q}]}`, id)
	if s.held[i][id] {
		operation = []string{
			fmt.Sprintf(`{"op":"Remove","path":"members","value":[{"$ref":null,"value":%q}]}`, id),
			fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, id),
		}[n%2]
	}
	if !s.patch("/Groups/"+s.group+"?excludedAttributes=members", operation).ok() {
		return
	}
	s.held[i][id] = !s.held[i][id]
	value := fmt.Sprintf("v%d.%d@acme.example", i, n)
	if !s.patch("/Users/"+s.user+"?attributes=id", fmt.Sprintf(`{"op":"Add","path":%q,"value":%q}`, ownPath(i), value)).ok() {
		return
	}
	s.last[i] = value
	s.changes.Add(2)
}

func ownPath(i int) string { return fmt.Sprintf(`emails[type eq "c%d"].value`, i) }

// race creates one userName twice at once.
func (s *storm) race(userName string) {
	answers := make([]said, 2)
	s.each(2, func(i int) { answers[i] = s.say(http.MethodPost, "/Users", fmt.Sprintf(`{"userName":%q}`, userName)) })
	if answers[0].status > answers[1].status {
		answers[0], answers[1] = answers[1], answers[0]
	}
	if answers[0].status != http.StatusCreated || answers[1].status != http.StatusConflict || answers[1].get("scimType") != "uniqueness" {
		s.t.Errorf("%s: %s and %s", userName, answers[0], answers[1])
	}
	s.races.Add(1)
}

// check holds what is there against what the clients have done.
func (s *storm) check() {
	s.t.Helper()
	var want []string
	for _, held := range s.held {
		for id, is := range held {
			if is {
				want = append(want, id)
			}
		}
	}
	var group struct {
		Members []struct{ Value string }
	}
	s.read("/Groups/"+s.group, &group)
	var got []string
	for _, m := range group.Members {
		got = append(got, m.Value)
	}
	require.ElementsMatch(s.t, want, got)
	require.Equal(s.t, len(want), one[int](s.world, `select member_count from scim_groups`))

	var user struct {
		Emails []struct{ Type, Value string }
	}
	s.read("/Users/"+s.user, &user)
	written := map[string]string{}
	for _, e := range user.Emails {
		require.NotContains(s.t, written, e.Type)
		written[e.Type] = e.Value
	}
	require.Len(s.t, written, stormClients)
	for i, value := range s.last {
		require.Equal(s.t, value, written[fmt.Sprintf("c%d", i)])
	}
	require.Equal(s.t, int64(2+3*stormClients)+s.races.Load()-1, one[int64](s.world, `select count(*) from scim_users`))
}

// connections counts those of others to the world's database.
func (w *world) connections() (n int) {
	conn := w.admin()
	defer func() { _ = conn.Close(w.t.Context()) }()
	require.NoError(w.t, conn.QueryRow(w.t.Context(), `select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
		and backend_type = 'client backend'`).Scan(&n))
	return n
}
