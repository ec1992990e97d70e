package v1

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

type operationsInput struct {
	PageInput
	// Status is one of an operation's, or stuck.
	Status string `query:"status" enum:"requested,running,done,verified,confirmed,failed,blocked,superseded,unsupported,held,stuck" doc:"stuck: past its deadline"`
}

// IDInput names an object by its id.
type IDInput struct {
	ID uuid.UUID `path:"id" format:"uuid"`
}

// Retried answers a retry.
type Retried struct {
	OperationID uuid.UUID `json:"operationId" format:"uuid"`
	IdentityID  uuid.UUID `json:"identityId" format:"uuid"`
	WorkflowID  string    `json:"workflowId" doc:"of the run that tries again"`
}

func (a *routes) registerOperations() {
	add(a, access.ScopeRead, huma.Operation{OperationID: "list-operations", Method: http.MethodGet, Path: "/v1/operations",
		Summary: "List operations, such as the failed ones"}, a.listOperations)
	add(a, access.ScopeAdmin, huma.Operation{OperationID: "retry-operation", Method: http.MethodPost, Path: "/v1/operations/{id}/retry",
		Summary: "Try a failed or blocked operation again", DefaultStatus: http.StatusAccepted}, a.retryOperation)
}

func (a *routes) listOperations(ctx context.Context, in *operationsInput) (list[store.Operation], error) {
	after, err := in.after()
	if err != nil {
		return list[store.Operation]{}, err
	}
	var operations []store.Operation
	err = a.in(ctx, func(tx *store.Tx) (err error) {
		operations, err = tx.Operations(ctx, store.OperationFilter{Status: in.Status, Now: a.service.Now(), After: after, Limit: in.Limit + 1})
		return err
	})
	return page(operations, in.Limit, func(o store.Operation) uuid.UUID { return o.ID }, func(o store.Operation) store.Operation { return o }), err
}

func (a *routes) retryOperation(ctx context.Context, in *IDInput) (Retried, error) {
	org := access.Org(ctx)
	operation, err := a.service.Retry(ctx, org, access.Caller(ctx), in.ID)
	return Retried{OperationID: in.ID, IdentityID: operation.Identity,
		WorkflowID: workflows.IdentityWorkflowID(org, operation.Identity.String())}, err
}
