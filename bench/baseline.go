package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/workflows"
)

// What both baselines have in common with the product: the options of workers, runs and activities. They repeat those of
// package worker and of package workflows, so that only what happens in between differs.

// startBaseline starts the two workers of a baseline: its workflow on the queue, its activity on the targets' queue.
func startBaseline(c client.Client, queue string, run any, local, remote activityOf) (stop func(), err error) {
	flows := worker.New(c, queue, worker.Options{
		MaxConcurrentWorkflowTaskExecutionSize:  20,
		MaxConcurrentWorkflowTaskPollers:        8,
		MaxConcurrentLocalActivityExecutionSize: 20,
		LocalActivityWorkerOnly:                 true,
	})
	flows.RegisterWorkflowWithOptions(run, workflow.RegisterOptions{Name: baselineType})
	for name, fn := range local {
		flows.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	}
	targets := worker.New(c, workflows.TargetsQueue(queue), worker.Options{
		DisableWorkflowWorker:              true,
		MaxConcurrentActivityExecutionSize: 40,
		MaxConcurrentActivityTaskPollers:   8,
		MaxHeartbeatThrottleInterval:       200 * time.Millisecond,
		DefaultHeartbeatThrottleInterval:   200 * time.Millisecond,
	})
	for name, fn := range remote {
		targets.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	}
	if err := flows.Start(); err != nil {
		return nil, err
	}
	if err := targets.Start(); err != nil {
		flows.Stop()
		return nil, err
	}
	return func() { flows.Stop(); targets.Stop() }, nil
}

// activityOf maps names to activities.
type activityOf map[string]any

const (
	baselineType     = "Baseline"
	activityPlan     = "Plan"
	activitySettle   = "Settle"
	activityApply    = "ApplyAccount"
	baselineOrg      = "baseline"
	deliveriesABatch = 64
)

// signalWithStart starts one identity's run as the relay does.
func signalWithStart(ctx context.Context, c client.Client, queue string, id uuid.UUID) error {
	_, err := c.SignalWithStartWorkflow(ctx, workflows.IdentityWorkflowID(baselineOrg, id.String()), workflows.SignalChanged,
		workflows.Changed{Seq: 1}, client.StartWorkflowOptions{
			ID:                    workflows.IdentityWorkflowID(baselineOrg, id.String()),
			TaskQueue:             queue,
			WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			Priority:              workflows.PriorityOf(identity.ClassChange, baselineOrg),
			StaticSummary:         "joiner: bring accounts and access into being",
			TypedSearchAttributes: temporal.NewSearchAttributes(
				workflows.AttributeOrg.ValueSet(baselineOrg),
				workflows.AttributeIdentity.ValueSet(id.String()),
				workflows.AttributeStage.ValueSet(string(workflows.StageJoiner)),
			),
		}, baselineType, workflows.Input{Org: baselineOrg, Identity: id.String()})
	return err
}

// withLocal and withRemote are the product's activity options.
func withLocal(ctx workflow.Context) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: 2 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 1},
	})
}

func withRemote(ctx workflow.Context, target string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           workflows.TargetsQueue(workflow.GetInfo(ctx).TaskQueueName),
		StartToCloseTimeout: 15 * time.Second,
		HeartbeatTimeout:    10 * time.Second,
		WaitForCancellation: true,
		Summary:             target + ": apply account",
		Priority:            temporal.Priority{PriorityKey: int(identity.ClassChange), FairnessKey: baselineOrg + "/" + target},
	})
}

// applyAll runs the three targets' activities side by side.
func applyAll(ctx workflow.Context, requests []workflows.ApplyRequest) error {
	var running []workflow.Future
	for _, request := range requests {
		running = append(running, workflow.ExecuteActivity(withRemote(ctx, request.Step.Target), activityApply, request))
	}
	for _, each := range running {
		var outcome workflows.Outcome
		if err := each.Get(ctx, &outcome); err != nil {
			return err
		}
	}
	return nil
}

// receive takes the poke that started the run.
func receive(ctx workflow.Context) {
	var changed workflows.Changed
	workflow.GetSignalChannel(ctx, workflows.SignalChanged).Receive(ctx, &changed)
}

// bare is the engine alone: a run of the product's shape that does nothing.
type bare struct {
	client client.Client
	queue  string
	ended  atomic.Int64
	newest []uuid.UUID
	stop   func()
}

func startBare(s *servers) (*bare, error) {
	b := &bare{client: s.temporal, queue: queueName("bare")}
	var err error
	b.stop, err = startBaseline(s.temporal, b.queue, b.joiner,
		activityOf{activityPlan: func(context.Context, workflows.PlanRequest) (workflows.Plan, error) { return workflows.Plan{}, nil }},
		activityOf{activityApply: func(context.Context, workflows.ApplyRequest) (workflows.Outcome, error) {
			return workflows.OutcomeApplied, nil
		}})
	return b, err
}

func (b *bare) joiner(ctx workflow.Context, in workflows.Input) error {
	receive(ctx)
	err := workflow.ExecuteLocalActivity(withLocal(ctx), activityPlan, workflows.PlanRequest{Org: in.Org, Identity: in.Identity}).Get(ctx, nil)
	if err != nil {
		return err
	}
	var requests []workflows.ApplyRequest
	for _, target := range []string{"one", "two", "three"} {
		requests = append(requests, workflows.ApplyRequest{Org: in.Org, Identity: in.Identity, Step: workflows.Step{Target: target}})
	}
	if err := applyAll(ctx, requests); err != nil {
		return err
	}
	if !workflow.IsReplaying(ctx) {
		b.ended.Add(1)
	}
	return nil
}

func (b *bare) round(ctx context.Context, n int) (time.Duration, error) {
	before, began := b.ended.Load(), time.Now()
	b.newest = make([]uuid.UUID, n)
	err := inParallel(ctx, n, func(ctx context.Context, i int) error {
		b.newest[i] = uuid.New()
		return signalWithStart(ctx, b.client, b.queue, b.newest[i])
	})
	if err != nil {
		return 0, err
	}
	err = await(ctx, roundLimit, "the bare runs have ended", func() (bool, error) { return b.ended.Load() >= before+int64(n), nil })
	return time.Since(began), err
}
