// Package api is Tenure over HTTP: the routes, what surrounds every request (its id, the log, metrics, limits), health
// and metrics. It is a thin layer: no rule of the domain lives here, and it never waits for Temporal.
package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenurehq/tenure/api/scim"
	v1 "github.com/tenurehq/tenure/api/v1"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
)

// Options say what the API serves and where it reports.
type Options struct {
	Service *lifecycle.Service
	Log     *slog.Logger
	// Registry receives the metrics of HTTP and of the work that waits, and is what /metrics shows.
	Registry *prometheus.Registry
	// Ready reports whether what is needed besides the database can be reached; nil asks nothing.
	Ready func(context.Context) error
	// CheckTarget says what is wrong with a target's connector or its settings, as policy.CheckTargets asks; nil knows no
	// connector and finds nothing.
	CheckTarget func(policy.Target) []policy.TargetFault
	// SCIM is how many requests a SCIM client may send.
	SCIM scim.Limit
}

// requestTimeout bounds the work for one request.
const requestTimeout = time.Minute

// New makes the handler of all routes. It panics when it cannot register its metrics, as when called twice with one
// registry.
func New(o Options) http.Handler {
	router := newRouter(o)
	router.NotFound(notFound("/openapi.json lists them"))
	scim.Register(router, scim.Options{Service: o.Service, Log: o.Log, Limit: o.SCIM})
	description, err := json.Marshal(v1.Register(router, v1.Options{Service: o.Service, Log: o.Log, CheckTarget: o.CheckTarget}))
	if err != nil {
		panic(fmt.Sprintf("the API's description is no JSON: %v", err))
	}
	router.Get("/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(description)
	})
	return router
}

// NewOperator makes the handler of a process that has no API: health and metrics. It panics as New does.
func NewOperator(o Options) http.Handler {
	router := newRouter(o)
	router.NotFound(notFound("there are /healthz, /readyz and /metrics"))
	return router
}

// newRouter makes what every process has: health, metrics, and what surrounds each request.
func newRouter(o Options) chi.Router {
	router := chi.NewRouter()
	m := newMetrics(o.Registry, o.Service, o.Log)
	router.Use(accompany(o.Log, m), recoverPanics(o.Log), headers, readable, withTimeout(requestTimeout))
	router.MethodNotAllowed(methodNotAllowed(router))
	registerHealth(router, o)
	router.Method(http.MethodGet, "/metrics", m.handler())
	return router
}

// The limits of a connection.
const (
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10
)

// NewServer makes a server for the handler with time-outs and limits set: a caller that sends slowly, or reads slowly,
// holds nothing up. The caller sets Addr or passes a listener.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      2 * requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
