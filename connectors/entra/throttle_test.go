package entra_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

// graph/throttling-limits: 3,000 writes in 150 s. A tenth is left to leaves and others, and a tenth of the rest may be made
// at once.
func TestWritesKeepToThePublishedLimit(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{Quota: simulator.Quota{ResourceUnits: 3500, Writes: 3000}})
	c := b.connect(t, nil)
	ada, p := account(t, c, "ada"), connectors.NewPacer()
	begun, sent := time.Now(), 0
	var err error
	for ; err == nil && sent < 1000; sent++ {
		// With no more time than an answer may take there is none to wait.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err = c.SetEnabled(p.Attempt(ctx, false), ada.NativeID, sent%2 == 0)
		cancel()
	}
	require.ErrorAs(t, err, new(*connectors.HeldBackError))
	require.Greater(t, sent, 250)
	require.Less(t, sent, 280+int(20*time.Since(begun).Seconds()), "2,430 in 150 s are 16 a second")
	require.NoError(t, c.SetEnabled(p.Attempt(t.Context(), true), ada.NativeID, false))
	require.Zero(t, b.Stats().Throttled)
}

// graph/throttling-limits: "Returned only when the application consumed more than 0.8 of its limit".
func TestWhatGraphTellsOfItsLimits(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	const user = `{"id": "u1", "userPrincipalName": "a@contoso.com", "accountEnabled": true}`
	for name, test := range map[string]struct {
		header http.Header
		status int
		// how long a joiner's request is held back, and a leave's
		joiner, leave time.Duration
	}{
		"nothing":                     {nil, 200, 0, 0},
		"little used":                 {http.Header{"X-Ms-Throttle-Limit-Percentage": {"0.5"}}, 200, 0, 0},
		"much used":                   {http.Header{"X-Ms-Throttle-Limit-Percentage": {"1.3"}}, 200, 5 * time.Second, 0},
		"no share":                    {http.Header{"X-Ms-Throttle-Limit-Percentage": {"130"}}, 200, 0, 0},
		"no number":                   {http.Header{"X-Ms-Throttle-Limit-Percentage": {"much"}, "X-Ms-Resource-Unit": {"some"}}, 200, 0, 0},
		"dearer than published":       {http.Header{"X-Ms-Resource-Unit": {"1500"}}, 200, 4177 * time.Millisecond, 0},
		"as published":                {http.Header{"X-Ms-Resource-Unit": {"1"}}, 200, 0, 0},
		"refused":                     {http.Header{"Retry-After": {"7"}}, 429, 7 * time.Second, 7 * time.Second},
		"refused for part of seconds": {http.Header{"Retry-After": {"2.5"}}, 429, 2500 * time.Millisecond, 2500 * time.Millisecond},
		"refused without a time":      {nil, 429, 10 * time.Second, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			c := b.against(t, func(w http.ResponseWriter, _ *http.Request) {
				asked++
				maps.Copy(w.Header(), test.header)
				answer(w, test.status, user)
			})
			p := connectors.NewPacer()
			_, _ = c.GetAccount(p.Attempt(t.Context(), false), "u1")
			require.Equal(t, 1, asked)
			// The joiner's first: a leave's request is sent, and its answer tells of the limits once more.
			for i, want := range []time.Duration{test.joiner, test.leave} {
				urgent := i == 1
				asked = 0
				_, err := c.GetAccount(p.Attempt(t.Context(), urgent), "u1")
				if want == 0 {
					require.Equal(t, 1, asked, "urgent: %t", urgent)
					continue
				}
				require.Zero(t, asked, "urgent: %t", urgent)
				e := refusedWith(t, connectors.KindThrottled, err)
				require.InDelta(t, want.Seconds(), e.RetryAfter.Seconds(), 0.5)
				require.ErrorAs(t, err, new(*connectors.HeldBackError))
			}
		})
	}
}

// A batch as a whole answers 200: each step tells for itself.
func TestAThrottledStepHoldsUpTheNextRequests(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	asked := 0
	c := b.against(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		answer(w, http.StatusOK, `{"responses": [{"id": "1", "status": 200, "headers": {}, "body": {"value": []}},
			{"id": "2", "status": 429, "headers": {"Retry-After": "30"}, "body": {"error": {"code": "TooManyRequests", "message": ""}}}]}`)
	})
	p := connectors.NewPacer()
	_, _, err := c.FindAnyAccounts(p.Attempt(t.Context(), false), "employeeId", "E1")
	require.Equal(t, 30*time.Second, refusedWith(t, connectors.KindThrottled, err).RetryAfter)
	err = c.SetEnabled(p.Attempt(t.Context(), true), "u1", false)
	require.Greater(t, refusedWith(t, connectors.KindThrottled, err).RetryAfter, 29*time.Second)
	require.Equal(t, 1, asked)
	require.Greater(t, p.PutOff(), 29*time.Second)
}

// Without a token nothing can be asked: what the authority says goes for Graph as well.
func TestAThrottlingAuthorityIsLeftAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	asked := 0
	mux := http.NewServeMux()
	authority := httptest.NewTLSServer(mux)
	t.Cleanup(authority.Close)
	mux.HandleFunc("/"+tenantID+"/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		own := authority.URL + "/" + tenantID
		answer(w, http.StatusOK, `{"issuer": "`+own+`", "authorization_endpoint": "`+own+`/authorize", "token_endpoint": "`+own+`/token"}`)
	})
	mux.HandleFunc("/"+tenantID+"/token", func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Retry-After", "30")
		answer(w, http.StatusTooManyRequests, `{"error": "temporarily_unavailable"}`)
	})
	c := b.connect(t, connectors.Settings{"authority": authority.URL, "caFile": certificateFile(t, authority)})
	p := connectors.NewPacer()
	for range 2 {
		_, err := c.GetAccount(p.Attempt(t.Context(), true), "u1")
		require.Greater(t, refusedWith(t, connectors.KindThrottled, err).RetryAfter, 29*time.Second)
	}
	require.Equal(t, 1, asked)
}
