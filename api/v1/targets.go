package v1

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

type targetInput struct {
	Name string `path:"name" maxLength:"64"`
}

func (a *routes) registerTargets() {
	add(a, access.ScopeRead, huma.Operation{OperationID: "list-targets", Method: http.MethodGet, Path: "/v1/targets",
		Summary: "List targets with their health and how many people each holds up"}, a.listTargets)
	add(a, access.ScopeAdmin, huma.Operation{OperationID: "pause-target", Method: http.MethodPost, Path: "/v1/targets/{name}/pause",
		Summary: "Stop calling a target"}, func(ctx context.Context, in *targetInput) (store.Target, error) {
		return a.pauseTarget(ctx, in.Name, true)
	})
	add(a, access.ScopeAdmin, huma.Operation{OperationID: "resume-target", Method: http.MethodPost, Path: "/v1/targets/{name}/resume",
		Summary: "Call a paused target again, and catch up"}, func(ctx context.Context, in *targetInput) (store.Target, error) {
		return a.pauseTarget(ctx, in.Name, false)
	})
}

func (a *routes) listTargets(ctx context.Context, _ *struct{}) (list[store.Target], error) {
	targets, err := a.targets(ctx)
	return list[store.Target]{Items: targets}, err
}

func (a *routes) targets(ctx context.Context) ([]store.Target, error) {
	var targets []store.Target
	err := a.in(ctx, func(tx *store.Tx) (err error) {
		targets, err = tx.Targets(ctx)
		return err
	})
	return targets, err
}

func (a *routes) pauseTarget(ctx context.Context, name string, paused bool) (store.Target, error) {
	if err := a.service.Pause(ctx, access.Org(ctx), access.Caller(ctx), name, paused); err != nil {
		return store.Target{}, err
	}
	targets, err := a.targets(ctx)
	if err != nil {
		return store.Target{}, err
	}
	i := slices.IndexFunc(targets, func(t store.Target) bool { return t.Name == name })
	if i < 0 {
		return store.Target{}, identity.Errorf(identity.NotFound, "target %q is not in the policy of organization %q", name, access.Org(ctx))
	}
	return targets[i], nil
}
