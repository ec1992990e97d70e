package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/scim/simulator"
	"github.com/tenurehq/tenure/internal/testkit"
)

// TestTemporalDownUnderSCIMLoad has Temporal down for a few seconds; `make soak` for ten minutes.
func TestTemporalDownUnderSCIMLoad(t *testing.T) {
	t.Parallel()
	testOutage(t, outage{lasts: 4 * time.Second, clients: 4, settled: 8, joiners: 8})
}

// outage is how long Temporal is down, how many clients write meanwhile, and how many people each of them has: some of each
// sort that have their accounts before, and some that come.
type outage struct {
	lasts                     time.Duration
	clients, settled, joiners int
}

// directed is a person as a directory directs them, and what they last were.
type directed struct {
	n     int
	id    string
	life  string // what happens to them during the outage
	step  int
	title int
	left  bool
}

// The lives: a letter for a step, of which the last is repeated. J joins, T gets another title, L leaves, R comes back, and
// n does nothing.
const (
	mover    = "T"
	leaver   = "TLn"
	returner = "TLTRT" // leaves and comes back
	leaver2  = "LRLn"  // does so, and leaves for good
	joiner   = "JT"
	passing  = "JTLn" // comes and goes
)

// testOutage has a directory write while Temporal is down. No write is refused, or waits; nobody is forgotten, and each
// person's changes keep their order; when Temporal is back all is done, for those who have left before the others.
func testOutage(t *testing.T, o outage) {
	t.Helper()
	pg := testkit.StartPostgres(t)
	temporal := testkit.StartTemporal(t, pg)
	require.NoError(t, migrate(t.Context(), pg.Owner))
	f := newFront(t, newWorldOn(t, pg.Database, settings{idle: true}), temporal.Address())
	f.begin()
	people := f.people(o)
	f.each(o.clients, func(c int) {
		for _, p := range people[c] {
			if p.life[0] != 'J' {
				f.direct(p, 'J')
			}
		}
	})
	require.False(t, t.Failed())
	f.within(4*time.Minute+time.Duration(o.clients*o.settled)*time.Second, settledAll, func() bool { return f.unsettled() == 0 })

	temporal.Kill()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	writes, slowest := f.writeFor(o, people, seed)
	require.False(t, t.Failed())
	t.Logf("%d writes while Temporal was down, the slowest took %v", writes, slowest)
	require.Less(t, slowest, 5*time.Second, "a write waited for something")
	f.requireAllWait(people)

	watched := f.watchTitles()
	restarted := time.Now()
	require.NoError(t, temporal.Start(t.Context()))
	f.within(4*time.Minute+time.Duration(o.clients*(o.settled+o.joiners))*time.Second/4, settledAll, func() bool { return f.unsettled() == 0 })
	watched()
	f.requireLeaversFirst(restarted)
	f.requireAsDirected(people)
}

// people are each client's.
func (f *front) people(o outage) [][]*directed {
	people := make([][]*directed, o.clients)
	n := 0
	for c := range people {
		for i := range o.settled + o.joiners {
			life := []string{mover, leaver, returner, leaver2}[i%4]
			if i >= o.settled {
				life = []string{joiner, joiner, joiner, passing}[i%4]
			}
			n++
			people[c] = append(people[c], &directed{n: n, life: life})
		}
	}
	return people
}

// writeFor has the clients direct their people for so long, and at least until everybody's life has come to its last step.
func (f *front) writeFor(o outage, people [][]*directed, seed uint64) (writes int, slowest time.Duration) {
	var mu sync.Mutex
	end := time.Now().Add(o.lasts)
	f.each(o.clients, func(c int) {
		random := rand.New(rand.NewPCG(seed, uint64(c)))
		done, longest := 0, time.Duration(0)
		for round := 0; (round < len(returner) || time.Now().Before(end)) && !f.t.Failed(); round++ {
			for _, i := range random.Perm(len(people[c])) {
				p := people[c][i]
				step := p.life[min(p.step, len(p.life)-1)]
				p.step++
				if step == 'n' {
					continue
				}
				done, longest = done+1, max(longest, f.direct(p, step).took)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		writes, slowest = writes+done, max(slowest, longest)
	})
	return writes, slowest
}

// direct takes a person one step on.
func (f *front) direct(p *directed, step byte) said {
	switch step {
	case 'J':
		answer := f.say(http.MethodPost, "/Users", directoryUser(p.n, titled(0)))
		if answer.status != http.StatusCreated {
			f.t.Errorf("person %d: %s", p.n, answer)
		}
		p.id = answer.get("id")
		return answer
	case 'T':
		p.title++
		return f.patch("/Users/"+p.id, retitled(p.title))
	case 'L':
		p.left = true
		return f.patch("/Users/"+p.id, leaves)
	default:
		p.left = false
		return f.patch("/Users/"+p.id, returns)
	}
}

// requireAllWait checks what is there while Temporal is down: each person's newest version waits in the outbox, with the
// class of what they are now, and no target has heard of anything.
func (f *front) requireAllWait(people [][]*directed) {
	f.t.Helper()
	all := 0
	for _, some := range people {
		for _, p := range some {
			all++
			account := f.account("crm", employee(p.n))
			if p.life[0] == 'J' {
				require.Nil(f.t, account, "%+v", p)
				continue
			}
			require.True(f.t, account.Enabled, "%+v", p)
			require.Equal(f.t, titled(0), account.Attributes["title"], "%+v", p)
		}
	}
	require.Equal(f.t, all, one[int](f.world, `select count(*) from identities`))
	require.Equal(f.t, all, one[int](f.world, `select count(*) from outbox o join identities i on i.org = o.org and i.id = o.identity_id
		where o.version = i.version and i.settled_version < i.version and (o.class = 1 or i.state <> 'left')`))
}

// watchTitles looks at a target until the function that it answers is called, which fails the test when somebody's title
// went back to one that they had before.
func (f *front) watchTitles() (stop func()) {
	ended := make(chan struct{})
	var watch sync.WaitGroup
	backwards, looks := "", 0
	watch.Go(func() {
		newest := map[any]int{}
		for ; ; looks++ {
			for _, u := range f.systems["crm"].Snapshot().Users {
				n := number(f.t, u.Attributes["title"])
				if who := u.Attributes["externalId"]; n < newest[who] {
					backwards = fmt.Sprintf("%v had title %d, and then %d", who, newest[who], n)
				} else {
					newest[who] = n
				}
			}
			select {
			case <-ended:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	return func() {
		f.t.Helper()
		close(ended)
		watch.Wait()
		require.Empty(f.t, backwards)
		require.Greater(f.t, looks, 10)
	}
}

// requireLeaversFirst: when somebody who had left was out of all targets, few of the others had been served, on average.
// Some have, since the engine is handed others while those who have left wait for a target.
func (f *front) requireLeaversFirst(restarted time.Time) {
	f.t.Helper()
	const leavers = `from accounts a join identities i on i.org = a.org and i.id = a.identity_id where i.state = 'left'`
	require.Zero(f.t, one[int](f.world, `select count(*) `+leavers+` and (a.verified_at is null or a.verified_at < $1)`, restarted))
	last := one[time.Time](f.world, `select max(a.verified_at) `+leavers)
	before := one[int](f.world, `select count(*) from identities where state <> 'left' and settled_at < $1`, last)
	others := one[int](f.world, `select count(*) from identities where state <> 'left'`)
	average := one[float64](f.world, `select avg((select count(*) from identities o where o.state <> 'left' and o.settled_at < l.out))::float8
		from (select max(a.verified_at) as out `+leavers+` group by i.id) l`)
	t := f.t
	t.Logf("all who left were out of the targets %v after Temporal began to start; of %d others %d had been served before, and %.1f before each on average",
		last.Sub(restarted).Round(10*time.Millisecond), others, before, average)
	require.Zero(t, one[int](f.world, `select count(*) from identities where state <> 'left' and settled_at < $1`, restarted))
	require.Less(t, average, float64(others)/3, "in the order of arrival it would be about half of them")
}

// requireAsDirected holds the targets against what the directory said last.
func (f *front) requireAsDirected(people [][]*directed) {
	f.t.Helper()
	accounts := map[string]map[any]simulator.User{}
	for _, target := range targetNames {
		accounts[target] = map[any]simulator.User{}
		for _, u := range f.systems[target].Snapshot().Users {
			require.NotContains(f.t, accounts[target], u.Attributes["externalId"], "two accounts in %s", target)
			accounts[target][u.Attributes["externalId"]] = u
		}
	}
	for _, some := range people {
		for _, p := range some {
			for _, target := range targetNames {
				u, found := accounts[target][employee(p.n)]
				if p.left {
					require.False(f.t, u.Enabled, "%+v in %s", p, target)
					require.Empty(f.t, u.Groups, "%+v in %s", p, target)
					continue
				}
				require.True(f.t, found && u.Enabled, "%+v in %s", p, target)
				require.Equal(f.t, titled(p.title), u.Attributes["title"], "%+v in %s", p, target)
				require.ElementsMatch(f.t, []string{"Everyone", "Sales"}, u.Groups, "%+v in %s", p, target)
			}
		}
	}
}
