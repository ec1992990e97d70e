package v1

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
)

type casesInput struct {
	All bool `query:"all" doc:"the resolved ones, too"`
}

// CaseDetail is a case with what is known of everybody it is about.
type CaseDetail struct {
	store.Case
	Person   identity.Attributes `json:"person" doc:"what the source says of its person"`
	Matching []IdentitySummary   `json:"matching" nullable:"false" doc:"the candidates"`
	Timeline []TimelineEntry     `json:"timeline" nullable:"false" doc:"the facts that wait for the answer"`
}

type resolveInput struct {
	IDInput
	Body struct {
		Resolution string     `json:"resolution" enum:"link,keep_apart" doc:"link: the person is the candidate; keep_apart: somebody new"`
		IdentityID *uuid.UUID `json:"identityId,omitempty" format:"uuid" doc:"the candidate, for link"`
	}
}

// Resolved answers a case's resolution.
type Resolved struct {
	CaseID     uuid.UUID `json:"caseId" format:"uuid"`
	Resolution string    `json:"resolution"`
	IdentityID uuid.UUID `json:"identityId" format:"uuid" doc:"who the person is"`
}

func (a *routes) registerCases() {
	add(a, access.ScopeRead, huma.Operation{OperationID: "list-cases", Method: http.MethodGet, Path: "/v1/cases",
		Summary: "List the open questions of who a person is, the oldest first, at most 1,000"}, a.listCases)
	add(a, access.ScopeRead, huma.Operation{OperationID: "get-case", Method: http.MethodGet, Path: "/v1/cases/{id}",
		Summary: "Show a case with the candidates"}, a.getCase)
	add(a, access.ScopeAdmin, huma.Operation{OperationID: "resolve-case", Method: http.MethodPost, Path: "/v1/cases/{id}/resolve",
		Summary: "Say who the person is"}, a.resolveCase)
}

func (a *routes) listCases(ctx context.Context, in *casesInput) (list[store.Case], error) {
	var cases []store.Case
	err := a.in(ctx, func(tx *store.Tx) (err error) {
		cases, err = tx.Cases(ctx, in.All)
		return err
	})
	return list[store.Case]{Items: cases}, err
}

func (a *routes) getCase(ctx context.Context, in *IDInput) (CaseDetail, error) {
	detail := CaseDetail{Matching: []IdentitySummary{}, Timeline: []TimelineEntry{}}
	policy, _, err := a.service.PolicyInForce(ctx, access.Org(ctx))
	if err != nil {
		return detail, err
	}
	err = a.in(ctx, func(tx *store.Tx) error {
		if detail.Case, err = tx.Case(ctx, in.ID); err != nil {
			return err
		}
		for _, candidate := range detail.Candidates {
			view, err := tx.ViewOf(ctx, candidate)
			if err != nil {
				return err
			}
			detail.Matching = append(detail.Matching, summarize(view))
		}
		entries, err := tx.PersonEntries(ctx, detail.Source, detail.EmployeeID)
		if err != nil {
			return err
		}
		plain := make([]identity.Entry, 0, len(entries))
		for _, e := range entries {
			plain = append(plain, e.Entry)
			detail.Timeline = append(detail.Timeline, timelineEntry(e))
		}
		detail.Person = identity.Fold(detail.Source, plain, a.service.Now(), policy.Zone()).Situation.Attributes
		return nil
	})
	return detail, err
}

func (a *routes) resolveCase(ctx context.Context, in *resolveInput) (Resolved, error) {
	var candidate uuid.UUID
	switch {
	case in.Body.IdentityID != nil:
		candidate = *in.Body.IdentityID
	case in.Body.Resolution == lifecycle.ResolveLink:
		return Resolved{}, identity.InvalidField("identityId", "required for %s: the candidate who the person is", lifecycle.ResolveLink)
	}
	who, err := a.service.ResolveCase(ctx, access.Org(ctx), access.Caller(ctx), in.ID, in.Body.Resolution, candidate)
	return Resolved{CaseID: in.ID, Resolution: in.Body.Resolution, IdentityID: who}, err
}
