package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/api/problem"
	"github.com/tenurehq/tenure/api/scim"
	"github.com/tenurehq/tenure/internal/identity"
)

// unmatched stands for the route of a request that no route matches, so that its path (which may hold anything) is
// neither logged nor counted.
const unmatched = "unmatched"

// accompany gives each request its id, and logs and counts it when it is over: by route template, never by path or
// query, which name people.
func accompany(log *slog.Logger, m *metrics) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			began := time.Now()
			visit, r := access.Begin(w, r)
			wrapped := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			defer conclude(log, m, visit, wrapped, r, began)
			next.ServeHTTP(wrapped, r)
		})
	}
}

// conclude logs and counts a request that has been served.
func conclude(log *slog.Logger, m *metrics, visit *access.Visit, w middleware.WrapResponseWriter, r *http.Request, began time.Time) {
	route, method := routeOf(r), methodOf(r)
	took, status := time.Since(began), w.Status()
	if status == 0 {
		status = http.StatusOK // nothing was written, which net/http sends as 200
	}
	m.observe(route, method, status, took)
	attributes := []slog.Attr{slog.String("method", method), slog.String("route", route), slog.Int("status", status),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.Int("bytes", w.BytesWritten()), slog.String("request_id", visit.RequestID)}
	if visit.Token != nil {
		attributes = append(attributes, slog.String("organization", visit.Token.Org), slog.String("token", visit.Token.ID.String()))
	}
	log.LogAttrs(r.Context(), levelOf(route), "request", attributes...)
}

func routeOf(r *http.Request) string {
	if pattern := chi.RouteContext(r.Context()).RoutePattern(); pattern != "" && pattern != "/*" {
		return pattern
	}
	return unmatched
}

// methodOf is the method, if it is one that exists: callers can invent others without end.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	default:
		return "other"
	}
}

// levelOf keeps what machines ask every few seconds out of the ordinary log.
func levelOf(route string) slog.Level {
	switch route {
	case "/healthz", "/readyz", "/metrics":
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

// recoverPanics answers a panic with a problem. The panic's value may hold anything, so the log gets its type and the
// stack only.
func recoverPanics(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer answerPanic(log, w, r)
			next.ServeHTTP(w, r)
		})
	}
}

// answerPanic is deferred: it ends a panic.
func answerPanic(log *slog.Logger, w http.ResponseWriter, r *http.Request) {
	value := recover()
	if value == nil {
		return
	}
	if value == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so, too
		panic(value)
	}
	log.ErrorContext(r.Context(), "panic while serving a request", "request_id", access.From(r.Context()).RequestID,
		"route", routeOf(r), "type", fmt.Sprintf("%T", value), "stack", string(debug.Stack()))
	if wrapped, ok := w.(middleware.WrapResponseWriter); ok && wrapped.Status() != 0 {
		panic(http.ErrAbortHandler) // half an answer is out: the connection must not look whole
	}
	refuse(w, r, problem.New(identity.Internal, "a fault of ours; the log has it under this request's id"))
}

// refuse answers with a problem, in the form that the caller reads.
func refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	if isSCIM(r) {
		scim.WriteProblem(w, p)
		return
	}
	problem.Write(w, p)
}

func isSCIM(r *http.Request) bool {
	return r.URL.Path == scim.Root || strings.HasPrefix(r.URL.Path, scim.Root+"/")
}

// headers sets what every answer says: nobody but the caller may keep it, and it is what its type says.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// readable refuses a path or query that is not text: Postgres could not compare it with anything. The SCIM server does so
// itself, after it knows who asks.
func readable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isSCIM(r) {
			next.ServeHTTP(w, r)
			return
		}
		query, err := url.QueryUnescape(r.URL.RawQuery)
		if err != nil || !isText(query) || !isText(r.URL.Path) {
			problem.Write(w, problem.New(identity.Invalid, "the address is not UTF-8 text without U+0000"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// withTimeout bounds the time that the work for a request may take.
func withTimeout(limit time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), limit)
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

// notFound says which routes there are.
func notFound(routes string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		problem.Write(w, problem.New(identity.NotFound, "no such route: "+routes))
	}
}

// methodNotAllowed names the methods that the path has (RFC 9110, section 15.5.6).
func methodNotAllowed(routes chi.Routes) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if isSCIM(r) { // which answers every method that there is (RFC 9110, section 15.6.2)
			scim.WriteProblem(w, &problem.Problem{Status: http.StatusNotImplemented, Detail: "There is no such method."})
			return
		}
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if routes.Match(chi.NewRouteContext(), method, r.URL.Path) {
				allowed = append(allowed, method)
			}
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		p := problem.New(identity.Invalid, "this route has no such method; it has "+strings.Join(allowed, ", "))
		p.Status, p.Title = http.StatusMethodNotAllowed, http.StatusText(http.StatusMethodNotAllowed)
		problem.Write(w, p)
	}
}
