package simulator_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

func rate(r reply) [3]string {
	return [3]string{r.header.Get("X-Rate-Limit-Limit"), r.header.Get("X-Rate-Limit-Remaining"), r.header.Get("X-Rate-Limit-Reset")}
}

// TestRateLimit: reference/rate-limits, How rate limiting works; reference/rl2-monitor, Confirm you're hitting a rate limit;
// reference/error-codes, E0000047.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{Limits: map[simulator.Bucket]int{simulator.BucketGetUser: 3, simulator.BucketUsers: 1, simulator.AllBuckets: -1}})
	id := o.staged("ada")
	reset := strconv.FormatInt(o.clock.now().Unix()+60, 10)
	for i, left := range []string{"2", "1", "0"} {
		r := o.must(http.MethodGet, "/api/v1/users/"+id, nil)
		require.Equal(t, [3]string{"3", left, reset}, rate(r), i)
		require.Equal(t, "Sun, 01 Mar 2026 09:30:15 GMT", r.header.Get("Date"))
	}
	o.clock.pass(20 * time.Second)
	r := o.refused(429, "E0000047", http.MethodGet, "/api/v1/users/"+id, nil)
	require.Equal(t, [3]string{"3", "0", reset}, rate(r))
	require.Equal(t, "API call exceeded rate limit due to too many requests.", r.body["errorSummary"])
	require.Equal(t, 204, o.do(http.MethodDelete, "/api/v1/users/"+id, nil).status, "another bucket")
	o.refused(429, "E0000047", http.MethodGet, "/api/v1/users", nil)
	o.clock.pass(39 * time.Second)
	o.refused(429, "E0000047", http.MethodGet, "/api/v1/users/"+id, nil)
	o.clock.pass(600 * time.Millisecond) // the second that the header told
	require.Equal(t, "2", rate(o.must(http.MethodGet, "/api/v1/users/"+id, nil))[1])
	stats := o.sim.Stats()
	require.Equal(t, map[string]int{"GET /api/v1/users/{id}": 2, "/api/v1/users": 1}, stats.Throttled)
	require.Equal(t, map[string]int{"POST /api/v1/users": 1, "GET /api/v1/users/{id}": 6, "DELETE /api/v1/users/{id}": 1, "GET /api/v1/users": 1}, stats.Calls)
}

// TestPublishedLimits: reference/rl-global-mgmt (Workforce Identity, May 2025), and okta/terraform-provider-okta,
// rate_limit_lines.go, for what counts where.
func TestPublishedLimits(t *testing.T) {
	t.Parallel()
	for call, limit := range map[[2]string]string{
		{"GET", "/api/v1/users"}:                         "600",
		{"POST", "/api/v1/users"}:                        "600",
		{"GET", "/api/v1/users/x"}:                       "2000",
		{"POST", "/api/v1/users/x"}:                      "600",
		{"PUT", "/api/v1/users/x"}:                       "600",
		{"DELETE", "/api/v1/users/x"}:                    "600",
		{"POST", "/api/v1/users/x/lifecycle/deactivate"}: "600",
		{"DELETE", "/api/v1/users/x/sessions"}:           "600",
		{"GET", "/api/v1/users/x/factors"}:               "600",
		{"GET", "/api/v1/groups"}:                        "500",
		{"PUT", "/api/v1/groups/x/users/y"}:              "500",
		{"GET", "/api/v1/groups/x"}:                      "1000",
		{"POST", "/api/v1/apps/x/users"}:                 "100",
		{"GET", "/api/v1/apps/x"}:                        "500",
		{"GET", "/api/v1/org"}:                           "1200",
		{"GET", "/api/v1/nothing"}:                       "1200",
		{"POST", "/oauth2/v1/token"}:                     "2000",
	} {
		o := newOrg(t, simulator.Options{Limits: map[simulator.Bucket]int{}})
		require.Equal(t, limit, rate(o.do(call[0], call[1], nil))[0], call)
	}
	require.Len(t, simulator.DefaultLimits(), 9)
	one := newOrg(t, simulator.Options{Limits: map[simulator.Bucket]int{simulator.AllBuckets: 1, simulator.BucketGroups: -1}})
	one.staged("ada")
	one.refused(429, "E0000047", http.MethodPost, "/api/v1/users", nil)
	for range 20 {
		one.must(http.MethodGet, "/api/v1/groups", nil)
	}
}

// TestBucketsAreShared: the lifecycle of a user counts with the list of users.
func TestBucketsAreShared(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{Limits: map[simulator.Bucket]int{simulator.BucketUsers: 2}})
	id := o.staged("ada")
	o.lifecycle(id, "activate")
	o.refused(429, "E0000047", http.MethodGet, "/api/v1/users", nil)
}

// TestConcurrency: reference/rl2-concurrency, reference/rl2-monitor: limit and remaining are 0, the reset is a suggestion;
// afterwards the headers go back to the time-based limits.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{Concurrency: 2, Limits: map[simulator.Bucket]int{simulator.AllBuckets: 50}})
	var ends []*io.PipeWriter
	done := make(chan int, 2)
	for range 2 { // two requests whose bodies do not end
		body, end := io.Pipe()
		ends = append(ends, end)
		req := httptest.NewRequest(http.MethodPost, "http://org.example/api/v1/users", body)
		go func() {
			w := httptest.NewRecorder()
			o.sim.ServeHTTP(w, req)
			done <- w.Code
		}()
		_, err := end.Write([]byte("{")) // it is being read
		require.NoError(t, err)
	}
	r := o.refused(429, "E0000047", http.MethodGet, "/api/v1/users", nil)
	told := rate(r)
	require.Equal(t, []string{"0", "0"}, told[:2])
	reset, err := strconv.ParseInt(told[2], 10, 64)
	require.NoError(t, err)
	require.GreaterOrEqual(t, reset, o.clock.now().Unix())
	require.Equal(t, map[string]int{simulator.Concurrency: 1}, o.sim.Stats().Throttled)
	for _, end := range ends {
		require.NoError(t, end.Close())
		require.Equal(t, 401, <-done)
	}
	require.Equal(t, "47", rate(o.must(http.MethodGet, "/api/v1/users", nil))[1], "the refused one was not counted")
}
