package api_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/api"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/internal/testkit"
)

// TestDatabaseDown kills the database: callers are told to come back, and what they then send again is taken once.
func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	db := testkit.StartPostgres(t)
	require.NoError(t, migrated(t.Context(), db.Owner))
	s, err := store.Open(t.Context(), store.Options{URL: db.Serve})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	h := &harness{t: t, store: s, db: db.Database, log: &lockedBuffer{}, clock: &clock{at: time.Now()}}
	h.service = lifecycle.New(s, lifecycle.Options{Now: h.clock.now})
	server := httptest.NewServer(api.New(api.Options{Service: h.service, Registry: prometheus.NewRegistry(), Log: slog.New(slog.NewJSONHandler(h.log, nil))}))
	t.Cleanup(server.Close)
	h.url = server.URL
	acme := h.org("acme").apply()
	id := acme.join("1", "Ada", "Lovelace")

	db.Kill()
	for _, answer := range []answer{acme.send(joined("2", "Grace", "Hopper")), h.get("/v1/identities/1", acme.read), h.get("/readyz", "")} {
		answer.is(http.StatusServiceUnavailable)
		require.Equal(t, "unavailable", answer.text("code"))
		require.NotEmpty(t, answer.header.Get("Retry-After"))
	}
	h.get("/healthz", "").is(http.StatusOK)

	require.NoError(t, db.Start(t.Context()))
	require.Eventually(t, func() bool { return h.get("/readyz", "").status == http.StatusOK }, 20*time.Second, 50*time.Millisecond)
	acme.send(joined("2", "Grace", "Hopper")).is(http.StatusAccepted)
	require.Equal(t, id, acme.send(joined("1", "Ada", "Lovelace")).is(http.StatusAccepted).text("identityId"))
	require.Len(t, h.get("/v1/identities", acme.read).is(200).items("items"), 2)
}
