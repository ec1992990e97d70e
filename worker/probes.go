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

// probeLimit ends a run that nobody works on, which would keep the next ones from beginning. It is longer than an activity
// that probes can take.
const probeLimit = time.Minute

// Start begins to probe a target; one that is probed already stays so. A Schedule that an earlier configuration left behind,
// for another task queue or interval, is put right: its runs might find no worker.
func (p *probes) Start(ctx context.Context, org, target string) error {
	id := workflows.ProbeWorkflowID(org, target)
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: p.every}}}
	action := &client.ScheduleWorkflowAction{
		ID:                       id,
		Workflow:                 workflows.ProbeTarget,
		Args:                     []any{workflows.ProbeRequest{Org: org, Target: target}},
		TaskQueue:                p.taskQueue,
		WorkflowExecutionTimeout: probeLimit,
		StaticSummary:            "probe " + target + ", which is down",
		TypedSearchAttributes:    temporal.NewSearchAttributes(workflows.AttributeOrg.ValueSet(org)),
	}
	_, err := p.client.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID: id, Spec: spec, Action: action, Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: p.every, TriggerImmediately: true,
	})
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return err
	}
	return p.putRight(ctx, id, spec, action)
}

// putRight changes a Schedule unless it is as it should be.
func (p *probes) putRight(ctx context.Context, id string, spec client.ScheduleSpec, action *client.ScheduleWorkflowAction) error {
	handle := p.client.ScheduleClient().GetHandle(ctx, id)
	found, err := handle.Describe(ctx)
	if _, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		return nil // it ended this moment: the target is back
	}
	if err != nil {
		return err
	}
	was, ok := found.Schedule.Action.(*client.ScheduleWorkflowAction)
	if ok && was.TaskQueue == action.TaskQueue && was.WorkflowExecutionTimeout == probeLimit &&
		len(found.Schedule.Spec.Intervals) == 1 && found.Schedule.Spec.Intervals[0].Every == p.every {
		return nil
	}
	return handle.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		schedule := in.Description.Schedule
		schedule.Spec, schedule.Action = &spec, action
		return &client.ScheduleUpdate{Schedule: &schedule}, nil
	}})
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
