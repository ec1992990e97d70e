package worker

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/tenurehq/tenure/internal/testkit"
	"github.com/tenurehq/tenure/workflows"
)

// A Schedule that was made for a task queue which no worker has any longer is put right, and a run of it that is open keeps
// the next ones from beginning for no more than its limit.
func TestProbesAreMovedToTheTaskQueueInUse(t *testing.T) {
	t.Parallel()
	c, err := client.Dial(client.Options{HostPort: testkit.Temporal(t), Namespace: testkit.TemporalNamespace})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	org := "o" + uuid.NewString()[:8]
	before, now := probes{client: c, taskQueue: "gone-" + org, every: time.Hour}, probes{client: c, taskQueue: "used-" + org, every: time.Second}
	require.NoError(t, before.Start(t.Context(), org, "crm"))
	t.Cleanup(func() { _ = now.Stop(context.Background(), org, "crm") })

	probed := make(chan workflows.ProbeRequest, 100)
	w := sdkworker.New(c, now.taskQueue, sdkworker.Options{})
	w.RegisterWorkflowWithOptions(func(_ workflow.Context, in workflows.ProbeRequest) error {
		probed <- in
		return nil
	}, workflow.RegisterOptions{Name: "ProbeTarget"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)

	for range 2 { // the second finds it as it should be
		require.NoError(t, now.Start(t.Context(), org, "crm"))
	}
	handle := c.ScheduleClient().GetHandle(t.Context(), workflows.ProbeWorkflowID(org, "crm"))
	description, err := handle.Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, enums.SCHEDULE_OVERLAP_POLICY_SKIP, description.Schedule.Policy.Overlap)
	for _, stuck := range description.Info.RunningWorkflows { // it ends by its limit; the test does not wait for that
		run, err := c.DescribeWorkflowExecution(t.Context(), stuck.WorkflowID, "")
		require.NoError(t, err)
		require.Equal(t, probeLimit, run.GetExecutionConfig().GetWorkflowExecutionTimeout().AsDuration())
		require.NoError(t, c.TerminateWorkflow(t.Context(), stuck.WorkflowID, "", "by the test"))
	}
	require.Equal(t, workflows.ProbeRequest{Org: org, Target: "crm"}, <-probed)
}
