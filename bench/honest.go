package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/tenurehq/tenure/workflows"
)

// honest is what the product's promises cost without the product: the same runs, with every commit and every HTTP call
// that the product makes for a joiner, and no logic. It reads nothing from the database, decides nothing, evaluates no
// policy, and sends each transaction in one round trip. So it is faster than anything that would be correct.
type honest struct {
	client  client.Client
	queue   string
	rows    *rows
	targets targets
	people  atomic.Int64
	numbers sync.Map // of each identity: uuid.UUID → int64
	ended   atomic.Int64
	broken  atomic.Pointer[error] // what went wrong first: nothing may
	newest  []uuid.UUID
	wake    chan struct{}
	stopAll func()
}

// startHonest starts the baseline on targets that it stops in the end.
func startHonest(ctx context.Context, s *servers, on targets) (*honest, error) {
	h := &honest{client: s.temporal, queue: queueName("honest"), targets: on, wake: make(chan struct{}, 1)}
	for _, t := range on {
		if err := t.prepare(ctx); err != nil {
			return nil, err
		}
	}
	db, err := s.newDatabase(ctx)
	if err != nil {
		return nil, err
	}
	if h.rows, err = openRows(ctx, db); err != nil {
		return nil, err
	}
	stop, err := startBaseline(s.temporal, h.queue, h.joiner, activityOf{activityPlan: h.plan, activitySettle: h.settle},
		activityOf{activityApply: h.apply})
	if err != nil {
		return nil, err
	}
	relaying, cancel := context.WithCancel(ctx)
	relayed := make(chan struct{})
	go func() {
		defer close(relayed)
		h.relay(relaying)
	}()
	h.stopAll = func() {
		cancel()
		<-relayed
		stop()
		h.rows.close()
		db.admin.Close()
		on.stop()
	}
	return h, nil
}

// joiner has the product's shape: plan, three targets side by side, plan again, which settles.
func (h *honest) joiner(ctx workflow.Context, in workflows.Input) error {
	receive(ctx)
	request := workflows.PlanRequest{Org: in.Org, Identity: in.Identity, PlanID: workflow.GetInfo(ctx).WorkflowExecution.RunID + "/1", Seq: 1,
		AsOf: workflow.Now(ctx)}
	var plan workflows.Plan
	if err := workflow.ExecuteLocalActivity(withLocal(ctx), activityPlan, request).Get(ctx, &plan); err != nil {
		return err
	}
	var requests []workflows.ApplyRequest
	for _, step := range plan.Steps {
		requests = append(requests, workflows.ApplyRequest{Org: in.Org, Identity: in.Identity, Step: step})
	}
	if err := applyAll(ctx, requests); err != nil {
		return err
	}
	return workflow.ExecuteLocalActivity(withLocal(ctx), activitySettle, request).Get(ctx, &plan)
}

func (h *honest) plan(ctx context.Context, request workflows.PlanRequest) (workflows.Plan, error) {
	plan := workflows.Plan{ID: request.PlanID, Stage: workflows.StageJoiner, Label: workflows.StageJoiner}
	for _, target := range sortedKeys(h.targets) {
		plan.Steps = append(plan.Steps, workflows.Step{Target: target, Account: uuid.NewString(), Kind: workflows.StepApply, Plan: request.PlanID,
			Epoch: 1, Version: 1, Policy: 1, Timeout: workflows.Duration(10 * time.Second), Limit: 8})
	}
	return plan, h.minded(h.rows.plan(ctx, request, plan))
}

// minded notes an error that ends the measurement: a baseline that fails and tries again is none.
func (h *honest) minded(err error) error {
	if err != nil {
		h.broken.CompareAndSwap(nil, &err)
	}
	return err
}

func (h *honest) settle(ctx context.Context, request workflows.PlanRequest) (workflows.Plan, error) {
	if err := h.minded(h.rows.settle(ctx, request.Identity)); err != nil {
		return workflows.Plan{}, err
	}
	h.ended.Add(1)
	return workflows.Plan{ID: request.PlanID, Stage: workflows.StageJoiner, Label: workflows.StageJoiner, Settled: true}, nil
}

// apply is the activity.
func (h *honest) apply(ctx context.Context, request workflows.ApplyRequest) (workflows.Outcome, error) {
	return workflows.OutcomeApplied, h.minded(h.attempt(ctx, request))
}

// attempt makes the product's calls, between the product's commits.
func (h *honest) attempt(ctx context.Context, request workflows.ApplyRequest) error {
	id, err := uuid.Parse(request.Identity)
	if err != nil {
		return err
	}
	number, ok := h.numbers.Load(id)
	if !ok {
		return fmt.Errorf("identity %s is unknown", id)
	}
	if err := h.rows.begin(ctx, request.Step); err != nil {
		return err
	}
	target := h.targets[request.Step.Target]
	native, err := target.create(ctx, number.(int64)) //nolint:forcetypeassert // only intake writes it
	if err != nil {
		return err
	}
	if err := h.rows.saw(ctx, request.Step, native); err != nil {
		return err
	}
	if err := target.enterAndRead(ctx, native); err != nil {
		return err
	}
	return h.rows.verified(ctx, request, native)
}

// relay delivers the outbox until ctx ends.
func (h *honest) relay(ctx context.Context) {
	for ctx.Err() == nil {
		claimed, err := h.rows.claim(ctx, deliveriesABatch)
		if err == nil && len(claimed) > 0 {
			err = inParallel(ctx, len(claimed), func(ctx context.Context, i int) error {
				return signalWithStart(ctx, h.client, h.queue, claimed[i])
			})
			if err == nil {
				err = h.rows.delivered(ctx, claimed)
			}
		}
		if ctx.Err() == nil {
			_ = h.minded(err)
		}
		if len(claimed) == deliveriesABatch {
			continue
		}
		select {
		case <-ctx.Done():
		case <-h.wake:
		}
	}
}

func (h *honest) round(ctx context.Context, n int) (time.Duration, error) {
	before, began := h.ended.Load(), time.Now()
	h.newest = make([]uuid.UUID, n)
	err := inParallel(ctx, n, func(ctx context.Context, i int) error {
		id, number := uuid.New(), h.people.Add(1)
		h.newest[i] = id
		h.numbers.Store(id, number)
		if err := h.rows.intake(ctx, id, number); err != nil {
			return err
		}
		select {
		case h.wake <- struct{}{}:
		default:
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	err = await(ctx, roundLimit, "the honest runs have settled", func() (bool, error) {
		if broken := h.broken.Load(); broken != nil {
			return false, *broken
		}
		return h.ended.Load() >= before+int64(n), nil
	})
	return time.Since(began), err
}

func (h *honest) check() error { return h.targets.check(int(h.people.Load())) }
