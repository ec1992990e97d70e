package connectors

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// one is a request of no class.
var one = Charge{Requests: 1}

// send makes a request that is answered at once with what is told.
func send(ctx context.Context, charge Charge, told Told) error {
	ticket, err := Take(ctx, charge)
	if err == nil {
		ticket.Answered(told)
	}
	return err
}

// within is an attempt of a joiner, with so much time.
func within(t *testing.T, p *Pacer, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return p.Attempt(ctx, false)
}

func requireHeld(t *testing.T, want time.Duration, err error) {
	t.Helper()
	var held *HeldBackError
	require.ErrorAs(t, err, &held)
	require.InDelta(t, want.Seconds(), held.RetryAfter.Seconds(), 0.001)
}

// In no length of time of the limit are more requests made than it allows.
func TestALimitHoldsInEveryWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := Limit{rapid.IntRange(10, 500).Draw(t, "requests"), time.Duration(rapid.IntRange(1, 600).Draw(t, "seconds")) * time.Second}
		p := NewPacer()
		p.SetRate(limit)
		a := &attempt{pacer: p}
		now := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
		var sent []time.Time
		for range rapid.IntRange(1, 3*limit.Requests).Draw(t, "attempts") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(limit.Per)/10).Draw(t, "pause")))
			a.begun.Store(rapid.Bool().Draw(t, "begun"))
			patience := time.Duration(rapid.Int64Range(0, int64(limit.Per)).Draw(t, "patience"))
			if wait, ok := a.take(now, one, patience); ok {
				sent = append(sent, now.Add(wait))
			} else if wait <= patience {
				t.Fatalf("refused a wait of %s of %s", wait, patience)
			}
		}
		slices.SortFunc(sent, time.Time.Compare)
		for i := limit.Requests; i < len(sent); i++ {
			// A microsecond is what the bucket's floating point may be off by.
			if span := sent[i].Sub(sent[i-limit.Requests]); span < limit.Per-time.Microsecond {
				t.Fatalf("%d requests in %s", limit.Requests+1, span)
			}
		}
	})
}

// Ten requests may be made at once (a tenth of a hundred), and the others at a rate of 91 in 100 s.
func TestWhoWaitsForARate(t *testing.T) {
	t.Parallel()
	const period = 100 * time.Second / 91
	synctest.Test(t, func(t *testing.T) {
		p := NewPacer()
		p.SetRate(Limit{100, 100 * time.Second})
		begun := time.Now()
		ctx := within(t, p, 10*time.Second)
		for range 10 {
			require.NoError(t, send(ctx, one, Told{}))
		}
		require.Zero(t, time.Since(begun), "what may be made at once is")

		fresh := within(t, p, 10*time.Second)
		requireHeld(t, 4*period, send(fresh, one, Told{}))
		require.Zero(t, time.Since(begun), "a first request that had to wait for long is not made at all")
		require.NoError(t, send(ctx, one, Told{}))
		require.InDelta(t, period.Seconds(), time.Since(begun).Seconds(), 0.001, "a later one waits")
		begun = time.Now()
		short, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		short = p.Attempt(short, false)
		time.Sleep(period)
		requireHeld(t, 3*period, send(short, one, Told{}))

		time.Sleep(3 * period)
		require.NoError(t, send(fresh, one, Told{}))
		require.InDelta(t, (4 * period).Seconds(), time.Since(begun).Seconds(), 0.001, "there was room for what an attempt usually sends")
		for range 3 {
			require.NoError(t, send(ctx, one, Told{}))
		}
		hurried := within(t, p, 2*time.Second)
		hurried.Value(attemptKey{}).(*attempt).begun.Store(true)
		requireHeld(t, period, send(hurried, one, Told{}))
		require.InDelta(t, (4 * period).Seconds(), time.Since(begun).Seconds(), 0.001, "nothing waits so long that no time is left for the answer")
	})
}

func TestALeaveDoesNotWaitForALimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, begun := NewPacer(), time.Now()
		p.SetRate(Limit{100, 100 * time.Second})
		leave, joiner := p.Attempt(t.Context(), true), within(t, p, time.Hour)
		for range 50 {
			require.NoError(t, send(leave, one, Told{}))
		}
		require.Zero(t, time.Since(begun))
		require.NoError(t, send(p.Attempt(t.Context(), true), one, Told{}))
		require.Positive(t, p.PutOff(), "joiners make up for it")
		for range 10_000 {
			require.NoError(t, send(leave, one, Told{}))
		}
		require.Zero(t, time.Since(begun))
		requireHeld(t, 104*100*time.Second/91, send(joiner, one, Told{}))
	})
}

// A request of several counts as several, and goes when as many as there can be have been saved.
func TestABatchCountsOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, begun := NewPacer(), time.Now()
		p.SetRate(Limit{60, time.Minute})
		ctx := within(t, p, time.Hour)
		require.NoError(t, send(ctx, Charge{Requests: 20}, Told{}), "it would never go if it waited for all")
		require.Zero(t, time.Since(begun))
		require.NoError(t, send(ctx, one, Told{}))
		require.InDelta(t, (15 * time.Minute / 55).Seconds(), time.Since(begun).Seconds(), 0.001)
	})
}

func TestPublishedLimitsHoldUntilPolicySetsARate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPacer()
		units, writes := Limit{100, 10 * time.Second}, Limit{30, 30 * time.Second}
		write := Charge{Requests: 1, Published: []Cost{{units, 2}, {writes, 1}}}
		read := Charge{Requests: 1, Published: []Cost{{units, 2}, {writes, 0}}}
		ctx, sent := within(t, p, time.Hour), 0
		for begun := time.Now(); time.Since(begun) < 29*time.Second; sent++ {
			require.NoError(t, send(ctx, write, Told{}))
		}
		require.InDelta(t, 27, sent, 1, "nine tenths of the writes; the rest is for leaves")
		begun := time.Now()
		for range 45 {
			require.NoError(t, send(ctx, read, Told{}))
		}
		require.InDelta(t, 9, time.Since(begun).Seconds(), 1.5, "the units of 45 reads, less those saved")
		require.NoError(t, send(ctx, read, Told{Extra: []Cost{{units, 90}}}))
		require.ErrorAs(t, send(within(t, p, time.Hour), read, Told{}), new(*HeldBackError), "the answer told that it took 90 more")

		p.SetRate(Limit{1000, time.Second})
		begun = time.Now()
		for range 100 {
			require.NoError(t, send(ctx, write, Told{Extra: []Cost{{units, 90}}}))
		}
		require.Zero(t, time.Since(begun))
		p.SetRate(Limit{1000, time.Second})
		require.NoError(t, send(ctx, one, Told{}))
		require.NotZero(t, time.Since(begun), "the same rate again is no new one")
	})
}

func TestNobodySendsWhileARefusalLasts(t *testing.T) {
	t.Parallel()
	for _, urgent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p, begun := NewPacer(), time.Now()
			attempt := func(d time.Duration) context.Context {
				ctx, cancel := context.WithTimeout(t.Context(), d)
				t.Cleanup(cancel)
				return p.Attempt(ctx, urgent)
			}
			other, early, later := Charge{Class: "other", Requests: 1}, attempt(time.Hour), attempt(time.Hour)
			require.NoError(t, send(early, other, Told{}))
			require.NoError(t, send(later, one, Told{Stop: 30 * time.Second}))
			require.NoError(t, send(early, other, Told{}), "the refusal was of another class of requests")
			requireHeld(t, 30*time.Second, send(attempt(time.Hour), one, Told{}))
			requireHeld(t, 30*time.Second, send(p.Attempt(within(t, p, 20*time.Second), urgent), one, Told{}))
			require.Zero(t, time.Since(begun))
			require.NoError(t, send(later, one, Told{}))
			require.Equal(t, 30*time.Second, time.Since(begun), "one that has begun waits for its end")

			require.NoError(t, send(early, other, Told{Stop: 5 * time.Second, Everywhere: true}))
			require.NoError(t, send(early, other, Told{Stop: time.Second, Everywhere: true}), "a shorter one does not end it")
			require.Equal(t, 35*time.Second, time.Since(begun))
			Tell(early, Told{Stop: 24 * time.Hour})
			requireHeld(t, LongestStop, send(attempt(time.Hour), one, Told{}))
		})
	}
}

// A refusal to one request holds up those that were waiting for their turn.
func TestARefusalWhileARequestWaits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		time, waits time.Duration
		held        bool
	}{
		"to its end":      {time.Hour, 5 * time.Minute, false},
		"beyond its time": {time.Minute, 100 * time.Second / 7, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := NewPacer()
				p.SetRate(Limit{10, 100 * time.Second})
				ctx, begun := within(t, p, test.time), time.Now()
				for range 4 {
					require.NoError(t, send(ctx, one, Told{}))
				}
				waited := make(chan error)
				go func() { waited <- send(ctx, one, Told{}) }()
				synctest.Wait()
				Tell(ctx, Told{Stop: 5 * time.Minute})
				err := <-waited
				require.InDelta(t, test.waits.Seconds(), time.Since(begun).Seconds(), 0.001)
				if test.held {
					requireHeld(t, 5*time.Minute-test.waits, err)
					return
				}
				require.NoError(t, err)
			})
		})
	}
}

// What a target eases is for leaves to use.
func TestEasing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, begun := NewPacer(), time.Now()
		require.NoError(t, send(p.Attempt(t.Context(), true), one, Told{Ease: 20 * time.Second, Everywhere: true}))
		require.NoError(t, send(p.Attempt(t.Context(), true), one, Told{}))
		require.Zero(t, time.Since(begun))
		requireHeld(t, 20*time.Second, send(within(t, p, time.Hour), one, Told{}))
		require.Equal(t, 20*time.Second, p.PutOff())
	})
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPacer()
		ctx, cancel := context.WithCancel(t.Context())
		ctx = p.Attempt(ctx, false)
		require.NoError(t, send(ctx, one, Told{Stop: 30 * time.Second, Everywhere: true}))
		waited := make(chan error)
		go func() { waited <- send(ctx, one, Told{}) }()
		time.Sleep(time.Second)
		cancel()
		synctest.Wait()
		require.ErrorIs(t, <-waited, context.Canceled)
	})
}

// Attempts that are put off get turns of their own, so that they do not come back together.
func TestAttemptsThatArePutOffComeBackInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPacer()
		require.Zero(t, p.PutOff())
		p.SetRate(Limit{100, 100 * time.Second})
		ctx := within(t, p, time.Hour)
		for range 10 {
			require.NoError(t, send(ctx, one, Told{}))
		}
		attempt := 4 * 100 * time.Second / 91
		for i := range 5 {
			require.InDelta(t, (time.Duration(i+1) * attempt).Seconds(), p.PutOff().Seconds(), 0.001)
		}
		for range 1000 {
			require.LessOrEqual(t, p.PutOff(), attempt+longestQueue)
		}
		time.Sleep(attempt)
		require.Zero(t, p.PutOff(), "there is room, and nobody else's turn holds it up")
	})
}

// An unknown attempt: a connector that is called without one is neither held up nor counted.
func TestWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	ticket, err := Take(t.Context(), one)
	require.NoError(t, err)
	require.Nil(t, ticket)
	ticket.Answered(Told{Stop: time.Hour, Everywhere: true})
	ticket.Close()
	Tell(t.Context(), Told{Stop: time.Hour})
}

func TestNotSent(t *testing.T) {
	t.Parallel()
	e := NotSent(fmt.Errorf("%w", &HeldBackError{RetryAfter: 1500 * time.Millisecond}), "create account", "id1")
	require.Equal(t, KindThrottled, e.Kind)
	require.Equal(t, 1500*time.Millisecond, e.RetryAfter)
	require.Equal(t, "create account id1: throttled", e.Error())
	require.Contains(t, e.Detail, "1.5s")
	e = NotSent(context.Canceled, "create account", "")
	require.Equal(t, KindUnavailable, e.Kind)
	require.ErrorIs(t, e, context.Canceled)
}
