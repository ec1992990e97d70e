package scim

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/api/problem"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/scim"
	"github.com/tenurehq/tenure/internal/store"
)

// retryAfter is how many seconds a client should wait when something that we depend on is down.
const retryAfter = "2"

// fail answers a request with an error (RFC 7644, section 3.12). Faults of ours are logged, since the client is not told.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := s.refusal(r.Context(), err)
	switch e.Status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", challenge(r))
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	}
	write(w, e)
}

// challenge is what a 401 asks for (RFC 6750, section 3).
func challenge(r *http.Request) string {
	if r.Header.Get("Authorization") == "" {
		return `Bearer realm="tenure"`
	}
	return `Bearer realm="tenure", error="invalid_token"`
}

func write(w http.ResponseWriter, e *scim.Error) {
	body, err := json.Marshal(e)
	if err != nil {
		panic(err) // an Error is all text
	}
	_ = answer(w, e.Status, body)
}

// refusal is an error as the client sees it; this is the one place that says which error has which status and scimType.
func (s *server) refusal(ctx context.Context, err error) *scim.Error {
	e := refusalOf(err)
	if logs(ctx, e.Status) {
		s.log.ErrorContext(ctx, "request failed", "request_id", access.From(ctx).RequestID, "status", e.Status, "error", store.Loggable(err))
	}
	return e
}

func refusalOf(err error) *scim.Error {
	if e, ok := errors.AsType[*scim.Error](err); ok {
		return e
	}
	e, ok := errors.AsType[*identity.Error](store.Classify(err))
	if !ok {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return scim.Errorf(http.StatusServiceUnavailable, "", "The request was not answered in time: send it again.")
		}
		return scim.Errorf(http.StatusInternalServerError, "", "A fault of ours; the log has it under this request's id.")
	}
	detail := e.Message
	if e.Field != "" {
		detail = e.Field + ": " + detail
	}
	return &scim.Error{Status: problem.Status(e.Code), Type: scimType(e), Detail: detail}
}

func scimType(e *identity.Error) string {
	switch {
	case e.Code == identity.Conflict && e.Field != "":
		return scim.Uniqueness
	case e.Code == identity.Invalid:
		return scim.InvalidValue
	default:
		return ""
	}
}

// WriteProblem answers a request below Root that something around the server refuses, in the form that its clients read.
func WriteProblem(w http.ResponseWriter, p *problem.Problem) {
	if p.Code == identity.Unavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	write(w, &scim.Error{Status: p.Status, Detail: p.Detail})
}
