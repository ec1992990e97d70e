package e2e

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

// another makes a second organization on the same database, worker and targets.
func (w *world) another(s settings) *world {
	w.t.Helper()
	other := &world{t: w.t, org: "o" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12], db: w.db, store: w.store, service: w.service,
		temporal: w.temporal, systems: w.systems, queue: w.queue, log: w.log}
	require.NoError(w.t, w.store.CreateOrganization(w.t.Context(), other.org, other.org))
	other.applyPolicy(other.policyText(s))
	return other
}

// arrivals is how an organization's joiners come: so many at once, at a steady pace.
type arrivals struct {
	people, atOnce int
	pace           time.Duration
}

// stream hands in a feed's joiners and answers how long each took from the acceptance to the last account read back,
// sorted.
func (w *world) stream(first int, f arrivals) []time.Duration {
	w.t.Helper()
	began := map[uuid.UUID]time.Time{}
	next := time.NewTicker(f.pace)
	defer next.Stop()
	for i := range f.people {
		from := time.Now()
		began[w.send(identity.WorkerJoined, person(first+i)).Identity] = from
		if (i+1)%f.atOnce == 0 {
			<-next.C
		}
	}
	w.quiet()
	var took []time.Duration
	require.NoError(w.t, w.store.InOrg(w.t.Context(), w.org, func(tx *store.Tx) error {
		for id, from := range began {
			accounts, err := tx.Accounts(w.t.Context(), id)
			require.NoError(w.t, err)
			require.Len(w.t, accounts, len(targetNames))
			var last time.Time
			for _, a := range accounts {
				require.NotNil(w.t, a.VerifiedAt)
				if a.VerifiedAt.After(last) {
					last = *a.VerifiedAt
				}
			}
			took = append(took, last.Sub(from))
		}
		return nil
	}))
	slices.Sort(took)
	return took
}

func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[min(len(sorted)*p/100, len(sorted)-1)].Round(time.Millisecond)
}

// burstVariable makes the other organization's import larger: `make soak` has a thousand.
const burstVariable = "TENURE_BURST"

// TestABurstDelaysNoOtherOrganization is invariant 6: while one organization imports many joiners at once, another's take
// at most twice as long as alone, at the 99th percentile. That is what `make soak` asks, on a machine of its own. Beside the
// other packages' tests, which take whole processors for seconds, it is at most four times; without the division it would be
// as long as the burst. They come as HR systems send them, several in a batch. Joiners
// who come one by one have a machine that idles when nobody else is there, so that a single one of the burst, which nobody
// can know of beforehand, doubles their few dozen milliseconds: for them the bound is what a person would notice.
// docs/results.md has the figures of both.
func TestABurstDelaysNoOtherOrganization(t *testing.T) {
	batches := arrivals{people: 50, atOnce: 10}
	single := arrivals{people: 30, atOnce: 1}
	burst, times := 300, 4
	if text := os.Getenv(burstVariable); text != "" {
		var err error
		burst, err = strconv.Atoi(text)
		require.NoError(t, err, burstVariable)
		times = 2
	}
	w := newWorld(t, settings{sweep: 30 * time.Second}) // as production sweeps
	quiet := w.another(settings{})
	quiet.stream(0, arrivals{people: 10, atOnce: 5, pace: time.Second}) // warm
	// What comes is a third of what the machine can do, however fast that is: of more than its half nobody can have the whole
	// beside another.
	whole := quiet.stream(100, arrivals{people: batches.atOnce, atOnce: batches.atOnce, pace: time.Millisecond})
	each := percentile(whole, 100) / time.Duration(batches.atOnce)
	batches.pace = min(max(3*10*each, 1500*time.Millisecond), 4*time.Second)
	single.pace = min(max(3*each, 200*time.Millisecond), 400*time.Millisecond)
	t.Logf("ten joiners at once take %v: they come every %v, and one by one every %v", percentile(whole, 100), batches.pace, single.pace)
	// What else runs on the machine can only lengthen what is measured: one round that holds shows what the division does.
	const rounds = 3
	held := false
	for round := 1; round <= rounds && !held; round++ {
		people := round * 10_000
		batchesAlone, singleAlone := quiet.stream(people, batches), quiet.stream(people+100, single)
		began := time.Now()
		for n := range burst {
			w.send(identity.WorkerJoined, burstPerson(people+n))
		}
		batchesBeside, singleBeside := quiet.stream(people+200, batches), quiet.stream(people+300, single)
		if w.unsettled() == 0 {
			t.Logf("round %d: the burst of %d was over before the measurement", round, burst)
			burst *= 2
			continue
		}
		w.quiet()
		t.Logf("round %d: a burst of %d took %v", round, burst, time.Since(began).Round(time.Second))
		for _, p := range []int{50, 90, 99} {
			t.Logf("p%d: batches alone %v, beside %v; single alone %v, beside %v", p, percentile(batchesAlone, p), percentile(batchesBeside, p),
				percentile(singleAlone, p), percentile(singleBeside, p))
		}
		held = percentile(batchesBeside, 99) <= time.Duration(times)*percentile(batchesAlone, 99) &&
			percentile(singleBeside, 99) <= max(time.Duration(times)*percentile(singleAlone, 99), time.Duration(times)*250*time.Millisecond)
	}
	require.True(t, held, "in no round did the other organization's joiners take at most %d times as long beside the burst", times)
}

func burstPerson(n int) fact {
	p := person(n)
	p["employeeId"] = fmt.Sprintf("B%04d", n)
	p["familyName"] = fmt.Sprintf("Burst%04d", n)
	return p
}

// TestALeaverOvertakesTheQueue is invariant 3: with joiners queued, somebody who leaves is out at once, also one who is
// queued himself.
func TestALeaverOvertakesTheQueue(t *testing.T) {
	w := newWorld(t, settings{})
	w.send(identity.WorkerJoined, person(1))
	w.quiet()
	const burst = 200
	for n := range burst {
		w.send(identity.WorkerJoined, burstPerson(n))
	}
	from := time.Now()
	fresh := w.leaveNow("E0001")
	queued := w.leaveNow(fmt.Sprintf("B%04d", burst-1))
	w.eventually("the fresh leaver's tier 1", func() bool { return w.verified(fresh) })
	t.Logf("fresh leaver: %v", time.Since(from))
	require.Less(t, time.Since(from), 10*time.Second)
	w.eventually("the queued joiner's run knows of the leave", func() bool { return w.leftWithout(queued.Identity) })
	t.Logf("queued leaver: %v", time.Since(from))
	require.Less(t, time.Since(from), 10*time.Second)
	require.Positive(t, w.unsettled(), "the burst is over before the measurement: make it larger")
	w.requireGone("E0001")
	w.quiet()
	w.requireGone(fmt.Sprintf("B%04d", burst-1))
}

// leftWithout reports whether a leaver has settled, or has each account verified as gone.
func (w *world) leftWithout(id uuid.UUID) bool {
	done := false
	require.NoError(w.t, w.store.InOrg(w.t.Context(), w.org, func(tx *store.Tx) error {
		row, err := tx.Identity(w.t.Context(), id)
		require.NoError(w.t, err)
		accounts, err := tx.Accounts(w.t.Context(), id)
		require.NoError(w.t, err)
		done = row.SettledVersion == row.Version || len(accounts) > 0
		for _, a := range accounts {
			done = done && a.VerifiedAt != nil && a.State == identity.AccountDisabled
		}
		return nil
	}))
	return done
}
