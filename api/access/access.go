// Package access says who makes a request: the bearer token of an organization, its scopes, and the id under which the
// request stands in the log and in the record. It knows no route.
package access

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/scim"
	"github.com/tenurehq/tenure/internal/store"
)

// Scope is what a token may be used for.
type Scope string

// The scopes. Admin includes the others, but for kill.
const (
	ScopeHR    Scope = "hr"    // send events
	ScopeRead  Scope = "read"  // read everything of the organization
	ScopeAdmin Scope = "admin" // change policy, targets, cases and operations
	ScopeSCIM  Scope = "scim"  // be the organization's SCIM client
	ScopeKill  Scope = "kill"  // end everything that a person has, and lift that
)

// The scopes of a SCIM client of which it is known who it is; without, it is recognised by what it sends (see
// scim.Dialect). Each includes ScopeSCIM.
const (
	ScopeSCIMEntra = ScopeSCIM + ":" + Scope(scim.Entra)
	ScopeSCIMOkta  = ScopeSCIM + ":" + Scope(scim.Okta)
	ScopeSCIMRFC   = ScopeSCIM + ":" + Scope(scim.RFC)
)

// Scopes lists the scopes that a token can be given.
func Scopes() []Scope {
	return []Scope{ScopeHR, ScopeRead, ScopeAdmin, ScopeKill, ScopeSCIM, ScopeSCIMEntra, ScopeSCIMOkta, ScopeSCIMRFC}
}

// Within says whether a token with these scopes may do what the scope is for.
func (s Scope) Within(scopes []string) bool {
	return slices.ContainsFunc(scopes, func(given string) bool {
		return given == string(s) || given == string(ScopeAdmin) && s != ScopeKill || s == ScopeSCIM && strings.HasPrefix(given, string(ScopeSCIM)+":")
	})
}

// DialectOf is the dialect that a token's scopes name; empty when none does.
func DialectOf(scopes []string) scim.Dialect {
	for _, given := range scopes {
		if dialect, ok := strings.CutPrefix(given, string(ScopeSCIM)+":"); ok {
			return scim.Dialect(dialect)
		}
	}
	return ""
}

// RequestIDHeader carries the request's id, both ways.
const RequestIDHeader = "Tenure-Request-Id"

var requestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Visit is what is known of a request besides what it asks for. The log reads it after the request has been served.
type Visit struct {
	RequestID string
	Token     *store.Token // nil until the request was authenticated
}

type visitKey struct{}

// Begin gives a request its id, the caller's own when it has a usable one, and tells it in the answer.
func Begin(w http.ResponseWriter, r *http.Request) (*Visit, *http.Request) {
	visit := &Visit{RequestID: r.Header.Get(RequestIDHeader)}
	if !requestID.MatchString(visit.RequestID) {
		visit.RequestID = uuid.NewString()
	}
	w.Header().Set(RequestIDHeader, visit.RequestID)
	return visit, r.WithContext(context.WithValue(r.Context(), visitKey{}, visit))
}

// From answers the visit of a request that Begin has seen.
func From(ctx context.Context) *Visit {
	visit, _ := ctx.Value(visitKey{}).(*Visit)
	if visit == nil {
		return &Visit{}
	}
	return visit
}

// Authenticate finds the token in an Authorization header and checks that it has the scope. The error is Unauthorized
// or Forbidden.
func Authenticate(ctx context.Context, service *lifecycle.Service, authorization string, needed Scope) error {
	secret, err := bearer(authorization)
	if err != nil {
		return err
	}
	token, err := service.Store().Authenticate(ctx, secret, service.Now())
	if err != nil {
		return err
	}
	return admit(ctx, token, needed)
}

// bearer is the secret in an Authorization header (RFC 6750, section 2.1).
func bearer(authorization string) (string, error) {
	scheme, secret, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", identity.Errorf(identity.Unauthorized, "send a token as `Authorization: Bearer …`; `tenure token create` makes one")
	}
	return strings.TrimSpace(secret), nil
}

// admit lets a token's holder in, if it has the scope.
func admit(ctx context.Context, token store.Token, needed Scope) error {
	From(ctx).Token = &token
	if !needed.Within(token.Scopes) {
		return identity.Errorf(identity.Forbidden, "the token lacks the scope %s", needed)
	}
	return nil
}

// Org is the organization of the request's token.
func Org(ctx context.Context) string {
	if token := From(ctx).Token; token != nil {
		return token.Org
	}
	return "" // no organization has this id: nothing is found
}

// Caller is who the record will say made the request.
func Caller(ctx context.Context) lifecycle.Caller {
	visit := From(ctx)
	caller := lifecycle.Caller{RequestID: visit.RequestID}
	if visit.Token != nil {
		caller.Actor = "token:" + visit.Token.ID.String()
	}
	return caller
}
