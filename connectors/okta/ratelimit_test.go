package okta_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

// docs/reference/rl2-monitor: the window's end is told as an epoch second, and our clock does not count: the simulated
// one is years ahead.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{Limits: map[simulator.Bucket]int{simulator.BucketUsers: 3}})
	c := connect(t, w.url)
	for range 3 {
		require.NoError(t, c.Probe(t.Context()))
	}
	w.clock.advance(20 * time.Second)
	e := requireKind(t, connectors.KindThrottled, c.Probe(t.Context()))
	require.Equal(t, http.StatusTooManyRequests, e.Status)
	require.Greater(t, e.RetryAfter, 39*time.Second)
	require.LessOrEqual(t, e.RetryAfter, 40*time.Second)
	require.Equal(t, 1, w.Stats().Throttled[string(simulator.BucketUsers)], "one request, not repeated")

	w.clock.advance(e.RetryAfter)
	require.NoError(t, c.Probe(t.Context()), "the wait was long enough")
}

// What is left of a class of operations is spread over its window, a tenth is left to others, and other classes are not
// held up. A connector that is made anew goes on where the one before stopped.
func TestRequestsKeepToWhatIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{Limits: map[simulator.Bucket]int{simulator.BucketUsers: 60, simulator.AllBuckets: -1}})
	ada := w.create(t, connect(t, w.url), "ada")
	p := connectors.NewPacer()
	sent := 0
	for ; sent < 60; sent++ {
		if err := connect(t, w.url).Probe(p.Attempt(t.Context(), false)); err != nil {
			e := requireKind(t, connectors.KindThrottled, err)
			require.Zero(t, e.Status, "it was not sent")
			require.Greater(t, e.RetryAfter, time.Second)
			require.Less(t, e.RetryAfter, 5*time.Second)
			break
		}
	}
	require.Greater(t, sent, 2)
	require.Less(t, sent, 10)
	_, err := connect(t, w.url).GetAccount(p.Attempt(t.Context(), false), ada.NativeID)
	require.NoError(t, err, "reading one user counts by itself")
	require.Empty(t, w.Stats().Throttled)

	leave := p.Attempt(t.Context(), true)
	for range 60 - 1 - sent {
		require.NoError(t, connect(t, w.url).Probe(leave))
	}
	require.Equal(t, http.StatusTooManyRequests, requireKind(t, connectors.KindThrottled, connect(t, w.url).Probe(leave)).Status)
	asked := len(w.requests())
	for _, urgent := range []bool{false, true} {
		e := requireKind(t, connectors.KindThrottled, connect(t, w.url).Probe(p.Attempt(t.Context(), urgent)))
		require.Zero(t, e.Status)
		require.Greater(t, e.RetryAfter, 50*time.Second)
	}
	require.Empty(t, w.requests())
	require.Positive(t, asked)
}

// Which operations Okta counts together (see simulator.Bucket).
func TestClassesOfOperations(t *testing.T) {
	t.Parallel()
	var told string
	c := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		told = r.Method + " " + r.URL.Path
		w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
		w.Header().Set("X-Rate-Limit-Limit", "600")
		w.Header().Set("X-Rate-Limit-Remaining", "0")
		w.Header().Set("X-Rate-Limit-Reset", strconv.FormatInt(time.Now().Add(40*time.Second).Unix(), 10))
		answers(http.StatusTooManyRequests, `{"errorCode":"E0000047"}`)(w, r)
	})
	group, app := connectors.Entitlement{Kind: "group", NativeID: "g1"}, connectors.Entitlement{Kind: "application", NativeID: "a1"}
	of := map[string][]func(ctx context.Context) error{
		"users": {
			c.Probe,
			func(ctx context.Context) error { _, err := c.FindAccounts(ctx, "login", "x"); return err },
			func(ctx context.Context) error { return c.EndSessions(ctx, "u1") },
			func(ctx context.Context) error { return c.Deactivate(ctx, "u1") },
			func(ctx context.Context) error { _, err := c.GrantsOf(ctx, "u1"); return err },
		},
		"one user":       {func(ctx context.Context) error { _, err := c.GetAccount(ctx, "u1"); return err }},
		"writing a user": {func(ctx context.Context) error { return c.ResetPassword(ctx, "u1") }, func(ctx context.Context) error { return c.DeleteAccount(ctx, "u2") }},
		"groups":         {func(ctx context.Context) error { return c.Grant(ctx, "u1", group) }, func(ctx context.Context) error { _, err := c.FindEntitlement(ctx, "group", "x"); return err }},
		"applications":   {func(ctx context.Context) error { return c.Grant(ctx, "u1", app) }, func(ctx context.Context) error { _, err := c.FindEntitlement(ctx, "application", "x"); return err }},
	}
	for class, calls := range of {
		for other, theirs := range of {
			for i, call := range theirs {
				p := connectors.NewPacer()
				requireKind(t, connectors.KindThrottled, calls[0](p.Attempt(t.Context(), true)))
				told = ""
				requireKind(t, connectors.KindThrottled, call(p.Attempt(t.Context(), true)))
				if other == class {
					require.Empty(t, told, "%s %d", class, i)
				} else {
					require.NotEmpty(t, told, "%s is not counted with %s %d", class, other, i)
				}
			}
		}
	}
}

// docs/reference/rl2-monitor: limit and remaining are 0 when too many requests are under way, and the reset is a guess.
func TestTooManyRequestsAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 3, 1, 12, 0, 0, 0, time.UTC)
	limited := false
	c := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", now.Format(http.TimeFormat))
		w.Header().Set("X-Rate-Limit-Reset", strconv.FormatInt(now.Add(time.Minute).Unix(), 10))
		if limited {
			w.Header().Set("X-Rate-Limit-Limit", "0")
			w.Header().Set("X-Rate-Limit-Remaining", "0")
			answers(http.StatusTooManyRequests, `{"errorCode":"E0000047"}`)(w, r)
			return
		}
		w.Header().Set("X-Rate-Limit-Limit", "600")
		w.Header().Set("X-Rate-Limit-Remaining", "599")
		answers(http.StatusOK, "[]")(w, r)
	})
	p := connectors.NewPacer()
	require.NoError(t, c.Probe(p.Attempt(t.Context(), false)))
	limited = true
	e := requireKind(t, connectors.KindThrottled, c.Probe(p.Attempt(t.Context(), false)))
	require.Equal(t, time.Second, e.RetryAfter)
	require.Equal(t, http.StatusTooManyRequests, e.Status)
	limited = false
	began := time.Now()
	require.NoError(t, c.Probe(p.Attempt(t.Context(), true)))
	require.Greater(t, time.Since(began), 900*time.Millisecond, "it is for all, leaves too")
}
