package v1

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/internal/store"
)

// Organization is the organization of the request's token.
type Organization struct {
	ID            string     `json:"id"`
	Name          string     `json:"name"`
	CreatedAt     time.Time  `json:"createdAt"`
	PolicyVersion int64      `json:"policyVersion" doc:"0: no policy was applied yet"`
	HeldSince     *time.Time `json:"heldSince,omitempty" doc:"set while a recovery holds every grant and enablement"`
}

// Recovery answers a recovery.
type Recovery struct {
	Identities int `json:"identities" doc:"how many are planned anew"`
}

func (a *routes) registerOrganization() {
	add(a, access.ScopeRead, huma.Operation{OperationID: "list-organizations", Method: http.MethodGet, Path: "/v1/organizations",
		Summary: "List the organizations of the token, which is one"}, a.listOrganizations)
	add(a, access.ScopeAdmin, huma.Operation{OperationID: "begin-recovery", Method: http.MethodPost, Path: "/v1/recovery",
		Summary: "After the database was set back: hold every grant and plan everybody anew"}, a.beginRecovery)
	add(a, access.ScopeAdmin, huma.Operation{OperationID: "release-recovery", Method: http.MethodPost, Path: "/v1/recovery/release",
		Summary: "End the hold, once the sources have been replayed"}, a.releaseRecovery)
}

func (a *routes) listOrganizations(ctx context.Context, _ *struct{}) (list[Organization], error) {
	o, err := a.organization(ctx)
	return list[Organization]{Items: []Organization{o}}, err
}

func (a *routes) organization(ctx context.Context) (Organization, error) {
	var result Organization
	err := a.in(ctx, func(tx *store.Tx) error {
		o, err := tx.Organization(ctx)
		result = Organization{ID: o.ID, Name: o.Name, CreatedAt: o.CreatedAt, PolicyVersion: o.PolicyVersion, HeldSince: o.HeldSince}
		return err
	})
	return result, err
}

func (a *routes) beginRecovery(ctx context.Context, _ *struct{}) (Recovery, error) {
	n, err := a.service.Recover(ctx, access.Org(ctx), access.Caller(ctx))
	return Recovery{Identities: n}, err
}

func (a *routes) releaseRecovery(ctx context.Context, _ *struct{}) (Organization, error) {
	if err := a.service.Release(ctx, access.Org(ctx), access.Caller(ctx)); err != nil {
		return Organization{}, err
	}
	return a.organization(ctx)
}
