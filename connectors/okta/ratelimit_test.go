package okta_test

import (
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
	_, _, _, seen := c.RateLimit()
	require.False(t, seen)
	for left := 2; left >= 0; left-- {
		require.NoError(t, c.Probe(t.Context()))
		limit, remaining, reset, ok := c.RateLimit()
		require.True(t, ok)
		require.Equal(t, []int{3, left}, []int{limit, remaining})
		require.Greater(t, reset, 50*time.Second)
		require.LessOrEqual(t, reset, time.Minute)
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
	require.NoError(t, c.Probe(t.Context()))
	limited = true
	e := requireKind(t, connectors.KindThrottled, c.Probe(t.Context()))
	require.Equal(t, time.Second, e.RetryAfter)
	limit, remaining, _, ok := c.RateLimit()
	require.True(t, ok)
	require.Equal(t, []int{600, 599}, []int{limit, remaining}, "it says nothing of the window")
}
