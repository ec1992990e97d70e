package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// ProbeTarget looks whether a target that was down is back. A Schedule starts it while the target is down; the activity
// ends the Schedule, and pokes the people who wait, when it is.
func ProbeTarget(ctx workflow.Context, in ProbeRequest) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           UrgentQueue(workflow.GetInfo(ctx).TaskQueueName),
		StartToCloseTimeout: 20 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 1}, // the Schedule is the retry
		Summary:             "probe " + in.Target,
	})
	return workflow.ExecuteActivity(ctx, ActivityProbeTarget, in).Get(ctx, nil)
}
