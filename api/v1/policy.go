package v1

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
)

// PolicyFile is one file of a policy.
type PolicyFile struct {
	Name string `json:"name" minLength:"1" maxLength:"256" doc:"as problems will call it"`
	Data string `json:"data" doc:"YAML"`
}

type previewInput struct {
	Body struct {
		Files []PolicyFile `json:"files" minItems:"1" maxItems:"100" nullable:"false"`
	}
}

type applyInput struct {
	Body struct {
		Files []PolicyFile `json:"files" minItems:"1" maxItems:"100" nullable:"false"`
		From  int64        `json:"from" minimum:"0" doc:"the version that the preview was compared with"`
	}
}

// Policy is the policy in force. Version 0 is none.
type Policy struct {
	Version   int64           `json:"version"`
	Hash      string          `json:"hash,omitempty"`
	AppliedAt *time.Time      `json:"appliedAt,omitempty"`
	AppliedBy string          `json:"appliedBy,omitempty"`
	Document  json.RawMessage `json:"document,omitempty" doc:"in its canonical form"`
}

// Applied answers an application of a policy.
type Applied struct {
	Version int64 `json:"version" doc:"in force now"`
	lifecycle.Preview
}

func (a *routes) registerPolicy() {
	add(a, access.ScopeRead, huma.Operation{OperationID: "get-policy", Method: http.MethodGet, Path: "/v1/policy",
		Summary: "Show the policy in force"}, a.getPolicy)
	add(a, access.ScopeAdmin, huma.Operation{OperationID: "preview-policy", Method: http.MethodPost, Path: "/v1/policy/preview",
		Summary: "Say what a policy would change, without applying it"}, a.previewPolicy)
	add(a, access.ScopeAdmin, huma.Operation{OperationID: "apply-policy", Method: http.MethodPost, Path: "/v1/policy",
		Summary: "Put a policy in force"}, a.applyPolicy)
}

func (a *routes) getPolicy(ctx context.Context, _ *struct{}) (Policy, error) {
	var p Policy
	err := a.in(ctx, func(tx *store.Tx) error {
		org, err := tx.Organization(ctx)
		if err != nil {
			return err
		}
		row, err := tx.Policy(ctx, org.PolicyVersion)
		if err == nil && row != nil {
			p = Policy{Version: row.Version, Hash: row.Hash, AppliedAt: &row.AppliedAt, AppliedBy: row.AppliedBy, Document: row.Document}
		}
		return err
	})
	return p, err
}

func (a *routes) previewPolicy(ctx context.Context, in *previewInput) (lifecycle.Preview, error) {
	parsed, err := a.parse(in.Body.Files)
	if err != nil {
		return lifecycle.Preview{}, err
	}
	return a.service.PreviewPolicy(ctx, access.Org(ctx), parsed)
}

func (a *routes) applyPolicy(ctx context.Context, in *applyInput) (Applied, error) {
	parsed, err := a.parse(in.Body.Files)
	if err != nil {
		return Applied{}, err
	}
	preview, err := a.service.ApplyPolicy(ctx, access.Org(ctx), access.Caller(ctx), parsed, in.Body.From)
	applied := Applied{Version: preview.From, Preview: preview}
	if !preview.Unchanged {
		applied.Version++
	}
	return applied, err
}

// parse reads a policy and checks it as a whole, its targets' connectors and settings too: what is wrong there would show
// only when the first people fail in the target, leavers among them.
func (a *routes) parse(files []PolicyFile) (*policy.Policy, error) {
	given := make([]policy.File, len(files))
	for i, f := range files {
		given[i] = policy.File{Name: f.Name, Data: []byte(f.Data)}
	}
	parsed, err := policy.Parse(given...)
	if err != nil || a.checkTarget == nil {
		return parsed, err
	}
	return parsed, parsed.CheckTargets(a.checkTarget)
}
