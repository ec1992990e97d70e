package api_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/api"
)

func TestRequestID(t *testing.T) {
	t.Parallel()
	h := start(t)
	for given, kept := range map[string]bool{"abc-1.2_X": true, strings.Repeat("x", 64): true, strings.Repeat("x", 65): false,
		"with space": false, "<script>": false, "": false} {
		r := h.request(http.MethodGet, "/healthz", "", "", "")
		r.Header.Set("Tenure-Request-Id", given)
		got := h.do(r).is(http.StatusOK).header.Get("Tenure-Request-Id")
		if kept {
			require.Equal(t, given, got)
		} else {
			require.NoError(t, uuid.Validate(got))
		}
	}
}

func TestEveryAnswerIsPrivateAndTyped(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	for _, r := range routes("acme") {
		answer := h.do(h.request(r.method, r.at("crm"), acme.admin, "application/json", r.body))
		require.Equal(t, "no-store", answer.header.Get("Cache-Control"), r.path)
		require.Equal(t, "nosniff", answer.header.Get("X-Content-Type-Options"), r.path)
		require.NotEmpty(t, answer.header.Get("Content-Type"), r.path)
		require.NotEmpty(t, answer.header.Get("Tenure-Request-Id"), r.path)
	}
}

func TestNoSuchRoute(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.get("/nothing", "").is(http.StatusNotFound)
	h.get("/v1/nothing", "").is(http.StatusNotFound)
	deleted := h.do(h.request(http.MethodDelete, "/v1/policy", "", "", "")).is(http.StatusMethodNotAllowed)
	require.Equal(t, "GET, POST", deleted.header.Get("Allow"))
	posted := h.do(h.request(http.MethodPost, "/v1/identities/x", "", "", "")).is(http.StatusMethodNotAllowed)
	require.Equal(t, "GET", posted.header.Get("Allow"))
}

func TestAddressesThatAreNoText(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	for _, path := range []string{"/v1/identities/%00", "/v1/identities?q=%00", "/v1/identities?q=%ff", "/v1/identities?q=%zz", "/v1/identities/%ff"} {
		require.Equal(t, http.StatusBadRequest, h.get(path, acme.read).status, path)
	}
}

// TestNothingPersonalInLogOrMetrics sends a canary along every path on which input can fail.
func TestNothingPersonalInLogOrMetrics(t *testing.T) {
	t.Parallel()
	const canary = "Zaphodbeeblebrox"
	h := start(t)
	acme := h.org("acme").apply()
	acme.join(canary, canary, canary)
	acme.send(cloudEvent(canary, "left", `"employeeId":"`+canary+`","lastDay":"`+canary+`"`)).is(400)
	acme.sendBatch(`"`+canary+`"`, cloudEventFrom(canary, canary, "joined", `"employeeId":"`+canary+`"`)).is(202)
	for _, r := range routes("acme") {
		h.do(h.request(r.method, r.at(canary)+"?q="+canary, acme.admin, "application/json", strings.Replace(r.body, "{", `{"`+canary+`":1,`, 1)))
		h.do(h.request(r.method, r.at(canary), acme.admin, "application/json", r.body))
	}
	h.do(h.request(canary, "/v1/policy", acme.admin, "", "")).is(405)
	h.get("/"+canary, "").is(404)
	h.get("/v1/identities?"+canary+"="+canary, acme.read).is(400)
	metrics := h.get("/metrics", "").is(200)
	for name, text := range map[string]string{"log": h.log.String(), "metrics": string(metrics.body)} {
		require.NotContains(t, strings.ToLower(text), strings.ToLower(canary), name)
		require.Contains(t, text, "/v1/identities/{id}", name)
		require.Contains(t, text, "unmatched", name)
	}
	require.NotContains(t, string(metrics.body), "acme")
	require.Contains(t, h.log.String(), `"organization":"acme"`)
}

func TestMetricsShowTheWorkThatWaits(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	acme.join("1", "Ada", "Lovelace")
	h.clock.advance(time.Minute)
	require.NoError(t, h.service.SetHealth(t.Context(), "acme", "crm", "down", "probe"))
	text := string(h.get("/metrics", "").is(200).body)
	for _, line := range []string{`tenure_outbox_depth{class="change"} 1`, `tenure_outbox_depth{class="leave"} 0`, `tenure_identities_unsettled 1`,
		`tenure_targets_down 1`, `tenure_scrape_success 1`, `tenure_http_request_duration_seconds_count{method="POST",route="/v1/events",status="202"} 1`} {
		require.Contains(t, text, line+"\n")
	}
	require.Regexp(t, `tenure_outbox_oldest_age_seconds [1-9]`, text)
	h.store.Close()
	require.Contains(t, string(h.get("/metrics", "").is(200).body), "tenure_scrape_success 0\n")
}

func TestHealth(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme")
	h.get("/readyz", "").is(http.StatusOK)
	h.ready.set(errors.New("no route to host temporal.internal"))
	answer := h.get("/readyz", "").is(http.StatusServiceUnavailable)
	require.Equal(t, "not ready: temporal", answer.text("detail"))
	h.ready.set(nil)
	h.store.Close()
	require.Equal(t, "not ready: database", h.get("/readyz", "").is(http.StatusServiceUnavailable).text("detail"))
	h.get("/healthz", "").is(http.StatusOK)
	h.get("/v1/progress", acme.read).is(http.StatusInternalServerError)
}

func TestPanicIsAProblem(t *testing.T) {
	t.Parallel()
	h := start(t)
	log := &lockedBuffer{}
	server := httptest.NewServer(api.New(api.Options{Service: h.service, Registry: prometheus.NewRegistry(),
		Log:   slog.New(slog.NewJSONHandler(log, nil)),
		Ready: func(context.Context) error { panic("secret words") }}))
	t.Cleanup(server.Close)
	h.url = server.URL
	answer := h.get("/readyz", "").is(http.StatusInternalServerError)
	require.Equal(t, "internal", answer.text("code"))
	require.NotContains(t, string(answer.body)+log.String(), "secret words")
	require.Contains(t, log.String(), "panic while serving")
	require.Contains(t, log.String(), answer.header.Get("Tenure-Request-Id"))
}

func TestServerHasLimits(t *testing.T) {
	t.Parallel()
	h := start(t)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := api.NewServer(http.NotFoundHandler(), slog.New(slog.NewJSONHandler(h.log, nil)))
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	h.url = "http://" + listener.Addr().String()
	r := h.request(http.MethodGet, "/", "", "", "")
	r.Header.Set("X-Long", strings.Repeat("x", 64<<10))
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, h.do(r).status)
	require.NoError(t, server.Close())
	require.ErrorIs(t, <-done, http.ErrServerClosed)
	require.Positive(t, server.ReadHeaderTimeout)
	require.Positive(t, server.ReadTimeout)
	require.Positive(t, server.WriteTimeout)
	require.Positive(t, server.IdleTimeout)
}
