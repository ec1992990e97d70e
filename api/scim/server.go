// Package scim is the SCIM 2.0 server under /scim/v2 (RFC 7643, 7644, 9865): routes, tokens, conditions, lists, Bulk and the
// form of every answer. What bodies, filters and schemas mean stands in internal/scim, what a write means for a person in
// internal/lifecycle: a handler decodes, calls and encodes. Every request works in the organization of its token and in no
// other.
package scim

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/go-chi/chi/v5"
	"golang.org/x/time/rate"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/scim"
)

// Root is where the server stands.
const Root = "/scim/v2"

// ContentType is the media type of every answer (RFC 7644, section 3.1).
const ContentType = "application/scim+json"

// Options say what is served and how much of it.
type Options struct {
	Service *lifecycle.Service
	Log     *slog.Logger
	Limit   Limit
}

// Limit is how many requests a token may send. It keeps a client that has gone wild from the others; real ones send tens a
// second (Entra ID expects 25 at least), and a full import or a measurement some thousands.
type Limit struct {
	PerSecond rate.Limit // 0: 10,000
	Burst     int        // at once; 0: 10,000
}

const defaultLimit = 10_000

// server holds what requests share.
type server struct {
	service *lifecycle.Service
	log     *slog.Logger
	tokens  *access.Memory
	rules   *rulesMemory
	pace    *pace
	bodies  *bodyTurns
}

// Register adds the routes to the router.
func Register(router chi.Router, o Options) {
	s := &server{
		service: o.Service, log: o.Log, tokens: access.NewMemory(o.Service), rules: newRulesMemory(o.Service), pace: newPace(o.Limit),
		bodies: newBodyTurns(),
	}
	router.Route(Root, func(r chi.Router) {
		r.Use(s.enter)
		r.NotFound(s.handle(func(call, http.ResponseWriter, *http.Request) error {
			return scim.Errorf(http.StatusNotFound, "", "There is no such endpoint: /ResourceTypes lists the resources.")
		}))
		s.resources(r, users{})
		s.resources(r, groups{})
		s.discovery(r)
		s.route(r, "/", methods{http.MethodGet: s.searchAllByQuery})
		s.route(r, "/.search", methods{http.MethodPost: s.searchAllByBody})
		s.route(r, tokenPath, methods{http.MethodPost: s.token})
		s.route(r, "/Bulk", methods{http.MethodPost: s.bulk})
		r.HandleFunc("/Me", s.handle(func(call, http.ResponseWriter, *http.Request) error {
			// RFC 7644, section 3.11: a token is an application's and stands for no User.
			return scim.Errorf(http.StatusNotImplemented, "", "/Me is not supported: a token stands for a directory and not for a user.")
		}))
	})
}

// resources adds the routes of a resource type.
func (s *server) resources(r chi.Router, kind kind) {
	at := kind.path()
	s.route(r, at, methods{http.MethodGet: s.listByQuery(kind), http.MethodPost: s.create(kind)})
	s.route(r, at+"/.search", methods{http.MethodPost: s.listByBody(kind)})
	s.route(r, at+"/{id}", methods{http.MethodGet: s.get(kind), http.MethodPut: s.change(kind, kind.replace),
		http.MethodPatch: s.change(kind, kind.patch), http.MethodDelete: s.remove(kind)})
}

// methods are what a path can do.
type methods map[string]handler

// handler answers a request, or with an error for which nothing has been written.
type handler func(c call, w http.ResponseWriter, r *http.Request) error

// call is who asks, for a request or an operation of a Bulk request.
type call struct {
	*server

	org     string
	base    string       // the URL of Root as the client sees it
	dialect scim.Dialect // of the token; empty to recognise it
	// partial leaves out of a new resource what refers to others that a Bulk request has not made yet.
	partial bool
}

func (c call) caller(ctx context.Context) lifecycle.Caller { return access.Caller(ctx) }
