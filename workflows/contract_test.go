package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/workflows"
)

func TestNamesThatOthersRelyOn(t *testing.T) {
	t.Parallel()
	require.Equal(t, "identity/acme/1", workflows.IdentityWorkflowID("acme", "1"))
	require.Equal(t, "probe/acme/crm", workflows.ProbeWorkflowID("acme", "crm"))
	require.Equal(t, "tenure-targets", workflows.TargetsQueue(workflows.TaskQueue))
	require.Equal(t, "tenure-targets-urgent", workflows.UrgentQueue(workflows.TaskQueue))
	for stage, name := range map[workflows.Stage]string{
		workflows.StageJoiner: "Joiner", workflows.StageMover: "Mover", workflows.StageLeaver: "Leaver",
		workflows.StageStuck: "Leaver", workflows.StageBlocked: "Mover",
	} {
		require.Equal(t, name, stage.WorkflowType())
	}
	require.Equal(t, temporal.Priority{PriorityKey: 1, FairnessKey: "acme"}, workflows.PriorityOf(identity.ClassLeave, "acme"))
	require.Equal(t, temporal.Priority{PriorityKey: 3, FairnessKey: "acme"}, workflows.PriorityOf(identity.ClassChange, "acme"))
}

func TestDurationsReadWellInAHistory(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(workflows.Step{Timeout: workflows.Duration(90 * time.Second)})
	require.NoError(t, err)
	require.Contains(t, string(data), `"timeout":"1m30s"`)
	var back workflows.Step
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, workflows.Duration(90*time.Second), back.Timeout)
	require.Error(t, json.Unmarshal([]byte(`{"timeout":"soon"}`), &back))
}

func TestAProbeIsOneUrgentAttempt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error
	}{{"back or still down", nil}, {"could not be told", errors.New("no database")}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			calls := 0
			e.env.RegisterActivityWithOptions(func(ctx context.Context, in workflows.ProbeRequest) error {
				calls++
				if queue := activity.GetInfo(ctx).TaskQueue; queue != workflows.UrgentQueue(taskQueue) {
					return errors.New("on queue " + queue)
				}
				if (in != workflows.ProbeRequest{Org: org, Target: "crm"}) {
					return errors.New("not what was asked")
				}
				return c.err
			}, activity.RegisterOptions{Name: workflows.ActivityProbeTarget})
			e.env.ExecuteWorkflow(workflows.ProbeTarget, workflows.ProbeRequest{Org: org, Target: "crm"})
			err := e.env.GetWorkflowError()
			if c.err == nil {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.err.Error())
			}
			require.Equal(t, 1, calls, "the Schedule is the retry")
		})
	}
}
