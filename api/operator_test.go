package api_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/api"
)

// TestOperator: a process without the API shows health and metrics, and nothing else.
func TestOperator(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	acme.join("1", "Ada", "Lovelace")
	server := httptest.NewServer(api.NewOperator(api.Options{Service: h.service, Registry: prometheus.NewRegistry(), Ready: h.ready.check,
		Log: slog.New(slog.NewJSONHandler(h.log, nil))}))
	t.Cleanup(server.Close)
	h.url = server.URL

	require.Equal(t, "ok\n", string(h.get("/healthz", "").is(http.StatusOK).body))
	require.Equal(t, "ok\n", string(h.get("/readyz", "").is(http.StatusOK).body))
	text := string(h.get("/metrics", "").is(http.StatusOK).body)
	require.Contains(t, text, `tenure_outbox_depth{class="change"} 1`+"\n")
	require.Contains(t, text, `tenure_http_request_duration_seconds_count{method="GET",route="/readyz",status="200"} 1`+"\n")
	require.NotContains(t, text, "acme")

	for _, path := range []string{"/", "/v1/identities", "/v1/organizations", "/openapi.json"} {
		require.Contains(t, h.get(path, acme.admin).is(http.StatusNotFound).text("detail"), "/readyz")
	}
	require.Equal(t, http.MethodGet, h.post("/metrics", "", "").is(http.StatusMethodNotAllowed).header.Get("Allow"))

	h.ready.set(errors.New("no route to host temporal.internal"))
	require.Equal(t, "not ready: temporal", h.get("/readyz", "").is(http.StatusServiceUnavailable).text("detail"))
	require.Contains(t, h.log.String(), "no route to host temporal.internal", "the log says what the answer does not")
	h.ready.set(nil)
	h.get("/readyz", "").is(http.StatusOK)
	h.store.Close()
	require.Equal(t, "not ready: database", h.get("/readyz", "").is(http.StatusServiceUnavailable).text("detail"))
	require.Contains(t, string(h.get("/metrics", "").is(http.StatusOK).body), "tenure_scrape_success 0\n")
	h.get("/healthz", "").is(http.StatusOK)
}
