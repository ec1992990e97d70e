package connectors

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// counter is a target that counts requests in windows of a minute, begins one with the first request after the one before,
// and tells what is left as Okta does: its end in whole seconds, relative to a date in whole seconds.
type counter struct {
	limit int

	mu             sync.Mutex
	ends           time.Time
	used           int
	asked, refused int
	inWindow       []int // requests let through, window by window
}

func (c *counter) hit() Told {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !now.Before(c.ends) {
		c.ends, c.used, c.inWindow = now.Truncate(time.Second).Add(time.Minute), 0, append(c.inWindow, 0)
	}
	c.asked++
	told := Told{Limit: c.limit, Reset: c.ends.Sub(now.Truncate(time.Second))}
	if c.used >= c.limit {
		c.refused++
		told.Stop = told.Reset
		return told
	}
	c.used++
	c.inWindow[len(c.inWindow)-1]++
	told.Remaining = c.limit - c.used
	return told
}

// ask makes a request that takes the latency to arrive, and as long to be answered.
func (c *counter) ask(ctx context.Context, latency time.Duration) error {
	ticket, err := Take(ctx, one)
	if err != nil {
		return err
	}
	defer ticket.Close()
	time.Sleep(latency)
	told := c.hit()
	time.Sleep(latency)
	ticket.Answered(told)
	return nil
}

// storm has workers make attempts of four requests as fast as the pacer lets them, until the time is over, and come back
// when it says so. It answers how many attempts were whole, and how many were torn apart.
func (c *counter) storm(t *testing.T, p *Pacer, workers int, latency, whole time.Duration) (done, torn int) {
	t.Helper()
	ends := time.Now().Add(whole)
	var mu sync.Mutex
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for time.Now().Before(ends) {
				if wait := p.PutOff(); wait > 0 {
					time.Sleep(wait)
					continue
				}
				sent, held := c.attempt(p, latency)
				mu.Lock()
				switch {
				case sent == 4:
					done++
				case sent > 0:
					torn++
				}
				mu.Unlock()
				time.Sleep(held)
			}
		})
	}
	group.Wait()
	return done, torn
}

// attempt makes four requests within ten seconds.
func (c *counter) attempt(p *Pacer, latency time.Duration) (sent int, held time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ctx = p.Attempt(ctx, false)
	for range 4 {
		if back, ok := errors.AsType[*HeldBackError](c.ask(ctx, latency)); ok {
			return sent, back.RetryAfter
		}
		sent++
	}
	return sent, 0
}

// As long as nobody else uses the target, nothing is refused, whatever the limit; and most of what may be used is.
func TestAWindowThatIsToldIsNeverOverrun(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		c := &counter{limit: rapid.IntRange(100, 2000).Draw(rt, "limit")}
		workers := rapid.IntRange(1, 30).Draw(rt, "workers")
		latency := time.Duration(rapid.IntRange(0, 300).Draw(rt, "latency")) * time.Millisecond
		offset := time.Duration(rapid.IntRange(0, 999).Draw(rt, "offset")) * time.Millisecond
		var done, torn int
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(offset)
			done, torn = c.storm(t, NewPacer(), workers, latency, 5*time.Minute)
		})
		if c.refused > 0 {
			rt.Fatalf("%d of %d refused", c.refused, c.asked)
		}
		if torn > (done+torn)/10+workers {
			rt.Fatalf("%d attempts were torn apart, %d not", torn, done)
		}
		possible := min(c.limit, workers*int(time.Minute/(2*max(latency, time.Millisecond))))
		for i, n := range c.inWindow[1 : len(c.inWindow)-1] {
			if n < possible*7/10 {
				rt.Fatalf("window %d of %v: %d of %d possible", i+1, c.inWindow, n, possible)
			}
		}
	})
}

// Several processes do not know of each other. What each is told keeps all of them within the limit but for a few.
func TestProcessesShareAWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &counter{limit: 600}
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() { c.storm(t, NewPacer(), 8, 50*time.Millisecond, 10*time.Minute) })
		}
		group.Wait()
		require.Less(t, c.refused, c.asked/100)
	})
}

// What others use up is refused once, and then nobody sends before the window is over; a leave does not wait for what is
// left, and finds it.
func TestAWindowThatOthersHaveUsedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, p := &counter{limit: 100}, NewPacer()
		joiner, leave := within(t, p, time.Hour), p.Attempt(t.Context(), true)
		for range 95 {
			c.hit()
		}
		require.NoError(t, c.ask(joiner, 0))
		require.ErrorAs(t, c.ask(within(t, p, time.Hour), 0), new(*HeldBackError), "a tenth is for others")
		require.Equal(t, time.Minute, p.PutOff())
		require.Zero(t, c.refused)
		for range 4 {
			require.NoError(t, c.ask(leave, 0))
		}
		require.NoError(t, c.ask(leave, 0))
		require.Equal(t, 1, c.refused)
		requireHeld(t, time.Minute, c.ask(p.Attempt(t.Context(), true), 0))
		require.Equal(t, 1, c.refused)
		begun := time.Now()
		require.NoError(t, c.ask(joiner, 0))
		require.Equal(t, time.Minute, time.Since(begun))
		require.Equal(t, 1, c.refused)
	})
}

// An answer that was lost may have been counted; one that comes late speaks of a window that is over.
func TestWhatAWindowCounts(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	w := &window{}
	answered := func(at time.Duration, told Told) {
		w.send(now.Add(at), true)
		w.answered(now.Add(at), told)
	}
	wait, _ := w.wait(now, 1)
	require.Zero(t, wait, "nothing was told yet")
	answered(0, Told{})
	answered(0, Told{Limit: 100, Remaining: 90, Reset: 60 * time.Second})
	require.Equal(t, 80, w.left(now))
	answered(time.Second, Told{Limit: 100, Remaining: 92, Reset: 59 * time.Second})
	require.Equal(t, 80, w.left(now), "of two answers the lower counts: the other was overtaken")
	w.send(now, false)
	require.Equal(t, 79, w.left(now), "what is under way may not have been counted")
	w.lost()
	require.Equal(t, 79, w.left(now))
	answered(2*time.Second, Told{})
	require.Equal(t, 78, w.left(now), "nor did this answer tell")
	require.Equal(t, 90, w.left(now.Add(60*time.Second)), "the window is over")
	answered(60500*time.Millisecond, Told{Limit: 100, Remaining: 99, Reset: 59 * time.Second})
	require.Equal(t, 89, w.left(now.Add(61*time.Second)))
	answered(61*time.Second, Told{Limit: 100, Remaining: 3, Reset: 0})
	require.Equal(t, 89, w.left(now.Add(61*time.Second)), "that was the window before")
	answered(62*time.Second, Told{Limit: 50, Remaining: 20, Reset: 58 * time.Second})
	require.Equal(t, 15, w.left(now.Add(62*time.Second)), "the limit itself was changed")
}
