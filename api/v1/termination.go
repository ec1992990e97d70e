package v1

import (
	"bytes"
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/report"
)

// htmlPage is an answer that a browser shows.
type htmlPage struct {
	ContentType string `header:"Content-Type"`
	Policy      string `header:"Content-Security-Policy"`
	Body        []byte
}

func (a *routes) registerTermination() {
	add(a, access.ScopeRead, huma.Operation{OperationID: "report-termination", Method: http.MethodGet, Path: "/v1/identities/{id}/termination",
		Summary: "Report on a leave: what was to be done by when, what was done, and what proves it"}, a.reportTermination)
	addPage(a, access.ScopeRead, huma.Operation{OperationID: "show-termination", Method: http.MethodGet, Path: "/v1/identities/{id}/termination.html",
		Summary: "The same as a page that can be printed"}, a.showTermination)
}

func (a *routes) reportTermination(ctx context.Context, in *ReferenceInput) (lifecycle.Termination, error) {
	return a.service.Termination(ctx, access.Org(ctx), in.ID)
}

func (a *routes) showTermination(ctx context.Context, in *ReferenceInput) ([]byte, error) {
	t, err := a.service.Termination(ctx, access.Org(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	err = report.Termination(&body, t)
	return body.Bytes(), err
}
