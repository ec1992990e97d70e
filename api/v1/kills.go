package v1

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/api/problem"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/workflows"
)

// decisionInput names a person and says why.
type decisionInput struct {
	ReferenceInput
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"why; it is kept with the decision"`
	}
}

type killsInput struct {
	Body struct {
		People []string `json:"people" minItems:"1" maxItems:"1000" doc:"identities' ids, or employee ids or user names that only one has"`
		Reason string   `json:"reason" minLength:"1" maxLength:"1000" doc:"why; it is kept with each decision"`
		Count  int      `json:"count" doc:"how many people are meant: another number than that of the list kills nobody"`
	}
}

// Killed answers a kill, or its lifting.
type Killed struct {
	IdentityID uuid.UUID       `json:"identityId" format:"uuid"`
	WorkflowID string          `json:"workflowId" doc:"of the run that takes everything away"`
	Effect     identity.Effect `json:"effect" enum:"leave,move,rehire,none" doc:"none: it was so already; move: the person had left before, or is not back yet"`
	DecidedAt  *time.Time      `json:"decidedAt,omitempty" doc:"the moment of the decision in force; absent when there is none"`
}

// KillResult answers for one person of a list: with what became of it, or with why nothing did.
type KillResult struct {
	Person string           `json:"person" doc:"as the list has it"`
	Killed *Killed          `json:"killed,omitempty"`
	Error  *problem.Problem `json:"error,omitempty" doc:"why nothing was done"`
}

// killsAnswer answers a list, in its order.
type killsAnswer struct {
	Results []KillResult `json:"results" nullable:"false"`
}

func (a *routes) registerKills() {
	add(a, access.ScopeKill, huma.Operation{OperationID: "kill-identity", Method: http.MethodPost, Path: "/v1/identities/{id}/kill",
		Summary: "End everything that a person has, at once", DefaultStatus: http.StatusAccepted,
		Description: "Whatever the sources say of the person, until it is lifted: by reinstate, or by a worker.rehired event whose time is later."}, a.kill)
	add(a, access.ScopeKill, huma.Operation{OperationID: "reinstate-identity", Method: http.MethodPost, Path: "/v1/identities/{id}/reinstate",
		Summary: "Lift a kill: what the sources say of the person counts again", DefaultStatus: http.StatusAccepted}, a.reinstate)
	add(a, access.ScopeKill, huma.Operation{OperationID: "kill-identities", Method: http.MethodPost, Path: "/v1/kills",
		Summary: "End everything that each person of a list has, at once", DefaultStatus: http.StatusAccepted}, a.killAll)
}

func (a *routes) kill(ctx context.Context, in *decisionInput) (Killed, error) {
	killed, err := a.service.Kill(ctx, access.Org(ctx), access.Caller(ctx), in.ID, in.Body.Reason)
	return describeKilled(ctx, killed), err
}

func (a *routes) reinstate(ctx context.Context, in *decisionInput) (Killed, error) {
	killed, err := a.service.Reinstate(ctx, access.Org(ctx), access.Caller(ctx), in.ID, in.Body.Reason)
	return describeKilled(ctx, killed), err
}

func describeKilled(ctx context.Context, killed lifecycle.Killed) Killed {
	k := Killed{IdentityID: killed.Identity, WorkflowID: workflows.IdentityWorkflowID(access.Org(ctx), killed.Identity.String()), Effect: killed.Effect}
	if !killed.At.IsZero() {
		k.DecidedAt = &killed.At
	}
	return k
}

// killWidth is how many people of a list are killed at once.
const killWidth = 4

// killAll kills everybody on the list who can be, and says of each other why not: a name that is misspelt saves nobody else.
func (a *routes) killAll(ctx context.Context, in *killsInput) (killsAnswer, error) {
	people := map[string]bool{}
	for _, person := range in.Body.People {
		people[person] = true
	}
	if len(people) != in.Body.Count {
		return killsAnswer{}, identity.InvalidField("count", "is %d, and the list names %d people: nobody was killed", in.Body.Count, len(people))
	}
	answer := killsAnswer{Results: make([]KillResult, len(in.Body.People))}
	var group errgroup.Group
	group.SetLimit(killWidth)
	for i, person := range in.Body.People {
		group.Go(func() error {
			answer.Results[i].Person = person
			killed, err := a.service.Kill(ctx, access.Org(ctx), access.Caller(ctx), person, in.Body.Reason)
			if err != nil {
				answer.Results[i].Error = a.fail(ctx, err)
				return nil
			}
			described := describeKilled(ctx, killed)
			answer.Results[i].Killed = &described
			return nil
		})
	}
	_ = group.Wait() // each person's error stands in its result
	return answer, nil
}
