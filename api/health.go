package api

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tenurehq/tenure/api/problem"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

// readyTimeout bounds what a probe waits for.
const readyTimeout = 2 * time.Second

// registerHealth adds /healthz, which answers while the process lives, and /readyz, which answers when it can serve.
func registerHealth(router chi.Router, o Options) {
	router.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { writeOK(w) })
	router.Get("/readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if part, err := unready(ctx, o); err != nil {
			o.Log.WarnContext(ctx, "not ready", "part", part, "error", store.Loggable(err))
			problem.Write(w, problem.New(identity.Unavailable, "not ready: "+part))
			return
		}
		writeOK(w)
	})
}

// unready names what keeps the process from serving. Nobody needs a token to ask, so it names no more than that.
func unready(ctx context.Context, o Options) (part string, err error) {
	if err := o.Service.Store().CheckSchema(ctx); err != nil {
		return "database", err
	}
	if o.Ready != nil {
		if err := o.Ready(ctx); err != nil {
			return "temporal", err
		}
	}
	return "", nil
}

func writeOK(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}
