package worker

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/tenurehq/tenure/workflows"
)

// probes keeps one Schedule for each target that is down.
type probes struct {
	client    client.Client
	taskQueue string
	every     time.Duration
}

// Start begins to probe a target; one that is probed already stays so.
func (p *probes) Start(ctx context.Context, org, target string) error {
	id := workflows.ProbeWorkflowID(org, target)
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	_, err := p.client.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID:                 id,
		Spec:               client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: p.every}}},
		Overlap:            enums.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow:      p.every,
		TriggerImmediately: true,
		Action: &client.ScheduleWorkflowAction{
			ID:            id,
			Workflow:      workflows.ProbeTarget,
			Args:          []any{workflows.ProbeRequest{Org: org, Target: target}},
			TaskQueue:     p.taskQueue,
			StaticSummary: "probe " + target + ", which is down",
			TypedSearchAttributes: temporal.NewSearchAttributes(
				workflows.AttributeOrg.ValueSet(org),
			),
		},
	})
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return nil
	}
	return err
}

// Stop ends the probing of a target; one that is not probed is no error.
func (p *probes) Stop(ctx context.Context, org, target string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	err := p.client.ScheduleClient().GetHandle(ctx, workflows.ProbeWorkflowID(org, target)).Delete(ctx)
	if _, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		return nil
	}
	return err
}
