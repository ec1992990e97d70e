// Package v1 is the JSON API under /v1, with its OpenAPI description. A handler decodes, calls the service or reads the
// store, and encodes: no rule of the domain lives here. Every handler works in the organization of the request's token
// and in no other.
package v1

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/api/problem"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
)

// maxBody is the largest request body in bytes, and bodyTimeout how long a caller may take to send it.
const (
	maxBody     = 4 << 20
	bodyTimeout = 30 * time.Second
)

// bearer is the name of the security scheme in the OpenAPI description.
const bearer = "bearer"

// Options say what the routes serve.
type Options struct {
	Service *lifecycle.Service
	Log     *slog.Logger
	// CheckTarget says what is wrong with a target's connector or its settings, as policy.CheckTargets asks; nil finds
	// nothing.
	CheckTarget func(policy.Target) []policy.TargetFault
}

// Register adds the routes to the router and answers their OpenAPI 3.1 description.
func Register(router chi.Router, o Options) *huma.OpenAPI {
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "Tenure", Version: "1",
				Description: "Joiner, mover and leaver automation. Errors are problem details (RFC 9457)."},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{bearer: {Type: "http", Scheme: "bearer",
					Description: "A token of one organization, made by `tenure token create`."}},
			},
		},
		Formats:                      huma.DefaultFormats,
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
	a := &routes{api: humachi.New(router, config), service: o.Service, log: o.Log, checkTarget: o.CheckTarget, batches: newBatchLimits()}
	a.api.UseMiddleware(a.authenticate)
	a.registerEvents()
	a.registerIdentities()
	a.registerKills()
	a.registerTermination()
	a.registerOperations()
	a.registerTargets()
	a.registerCases()
	a.registerPolicy()
	a.registerOrganization()
	a.registerReports()
	return a.api.OpenAPI()
}

// routes holds what the handlers share.
type routes struct {
	api         huma.API
	service     *lifecycle.Service
	log         *slog.Logger
	checkTarget func(policy.Target) []policy.TargetFault
	batches     *batchLimits
}

// output is an answer with a JSON body.
type output[B any] struct{ Body B }

// list is one page of a listing.
type list[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"the cursor of the next page; absent on the last page"`
}

// limited is an operation with the scope that its token must have, and the limits of its body.
func limited(needed access.Scope, op huma.Operation) huma.Operation {
	op.Security = []map[string][]string{{bearer: {string(needed)}}}
	op.MaxBodyBytes = maxBody + 1 // huma refuses a body as long as the limit
	op.BodyReadTimeout = bodyTimeout
	return op
}

// addPage registers an operation that answers HTML.
func addPage[I any](a *routes, needed access.Scope, op huma.Operation, handle func(context.Context, *I) ([]byte, error)) {
	op.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{"text/html": {Schema: &huma.Schema{Type: "string"}}}}}
	huma.Register(a.api, limited(needed, op), func(ctx context.Context, in *I) (*htmlPage, error) {
		body, err := handle(ctx, in)
		if err != nil {
			return nil, a.fail(ctx, err)
		}
		return &htmlPage{ContentType: "text/html; charset=utf-8", Policy: "default-src 'none'; style-src 'unsafe-inline'", Body: body}, nil
	})
}

// add registers one operation. needed is the scope that its token must have.
func add[I, B any](a *routes, needed access.Scope, op huma.Operation, handle func(context.Context, *I) (B, error)) {
	huma.Register(a.api, limited(needed, op), func(ctx context.Context, in *I) (*output[B], error) {
		body, err := handle(ctx, in)
		if err != nil {
			return nil, a.fail(ctx, err)
		}
		return &output[B]{Body: body}, nil
	})
}

// authenticate lets a request through whose token has the operation's scope.
func (a *routes) authenticate(ctx huma.Context, next func(huma.Context)) {
	needed := access.Scope(ctx.Operation().Security[0][bearer][0])
	if err := access.Authenticate(ctx.Context(), a.service, ctx.Header("Authorization"), needed); err != nil {
		_, w := humachi.Unwrap(ctx)
		problem.Write(w, a.fail(ctx.Context(), err))
		return
	}
	next(ctx)
}

// fail turns an error into what the caller is told. Faults of ours are logged, since the caller is not told them.
func (a *routes) fail(ctx context.Context, err error) *problem.Problem {
	p := problem.From(err)
	if p.Status >= http.StatusInternalServerError && ctx.Err() == nil {
		a.log.ErrorContext(ctx, "request failed", "request_id", access.From(ctx).RequestID, "status", p.Status, "error", store.Loggable(err))
	}
	return p
}

// in runs a reading transaction in the organization of the request's token.
func (a *routes) in(ctx context.Context, fn func(tx *store.Tx) error) error {
	return a.service.Store().InOrg(ctx, access.Org(ctx), fn)
}
