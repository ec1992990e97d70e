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

type identitiesInput struct {
	PageInput
	State      string `query:"state" enum:"staged,active,suspended,leaving,left"`
	Department string `query:"department" maxLength:"256"`
	WorkerType string `query:"workerType" maxLength:"256"`
	UserName   string `query:"userName" maxLength:"256"`
	EmployeeID string `query:"employeeId" maxLength:"256"`
	Target     string `query:"target" maxLength:"64" doc:"people with an account there"`
	Manager    string `query:"manager" format:"uuid" doc:"the manager's identity"`
	Query      string `query:"q" maxLength:"256" doc:"the beginning of a name, a mail address or a user name"`
}

// ReferenceInput names a person.
type ReferenceInput struct {
	ID string `path:"id" maxLength:"256" doc:"an identity's id, or an employee id or user name that only one has"`
}

func (a *routes) registerIdentities() {
	add(a, access.ScopeRead, huma.Operation{OperationID: "list-identities", Method: http.MethodGet, Path: "/v1/identities",
		Summary: "List people"}, a.listIdentities)
	add(a, access.ScopeRead, huma.Operation{OperationID: "get-identity", Method: http.MethodGet, Path: "/v1/identities/{id}",
		Summary: "Show a person with accounts, grants, operations and timeline"}, a.getIdentity)
	add(a, access.ScopeRead, huma.Operation{OperationID: "explain-identity", Method: http.MethodGet, Path: "/v1/identities/{id}/explain",
		Summary: "Say why a person has each account and grant"}, a.explainIdentity)
}

func (a *routes) listIdentities(ctx context.Context, in *identitiesInput) (list[IdentitySummary], error) {
	filter := store.IdentityFilter{State: identity.State(in.State), Department: in.Department, WorkerType: in.WorkerType, UserName: in.UserName,
		EmployeeID: in.EmployeeID, Target: in.Target, Prefix: in.Query, Limit: in.Limit + 1}
	if in.Manager != "" {
		manager, err := uuid.Parse(in.Manager)
		if err != nil {
			return list[IdentitySummary]{}, identity.InvalidField("manager", "is not a UUID")
		}
		filter.Manager = &manager
	}
	var err error
	if filter.After, err = in.after(); err != nil {
		return list[IdentitySummary]{}, err
	}
	var views []store.View
	err = a.in(ctx, func(tx *store.Tx) (err error) {
		views, err = tx.Identities(ctx, filter)
		return err
	})
	return page(views, in.Limit, func(v store.View) uuid.UUID { return v.ID }, summarize), err
}

func (a *routes) getIdentity(ctx context.Context, in *ReferenceInput) (IdentityDetail, error) {
	var detail IdentityDetail
	err := a.in(ctx, func(tx *store.Tx) error {
		id, err := tx.FindIdentity(ctx, in.ID)
		if err != nil {
			return err
		}
		view, err := tx.ViewOf(ctx, id)
		if err != nil {
			return err
		}
		accounts, err := tx.Accounts(ctx, id)
		if err != nil {
			return err
		}
		grants, err := tx.GrantsOf(ctx, id)
		if err != nil {
			return err
		}
		entries, err := tx.IdentityEntries(ctx, id)
		if err != nil {
			return err
		}
		detail = describe(access.Org(ctx), view, accounts, grants, entries)
		detail.Operations, err = tx.OperationsOf(ctx, id)
		return err
	})
	return detail, err
}

// explanation is an Explanation with its text.
type explanation struct {
	lifecycle.Explanation
	Text string `json:"text" doc:"the same for a person to read"`
}

func (a *routes) explainIdentity(ctx context.Context, in *ReferenceInput) (explanation, error) {
	e, err := a.service.Explain(ctx, access.Org(ctx), in.ID)
	return explanation{Explanation: e, Text: e.Text()}, err
}
