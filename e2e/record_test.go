package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	sdkworker "go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/testkit"
	"github.com/tenurehq/tenure/workflows"
)

// recordVariable makes the tests of this file write the histories that workflows/replay_test.go replays. To record them
// anew after a change of the workflows that is meant to change their commands (runs that are open in production must
// then be let end first, or the change be guarded by workflow.GetVersion):
//
//	TENURE_RECORD_HISTORIES=1 go run ./deploy/local test -- go test -count=1 -run TestRecord ./e2e/
const recordVariable = "TENURE_RECORD_HISTORIES"

// recorded checks that a history of the real engine holds nothing personal and replays with the code as it is, and
// writes it down when asked to.
func (w *world) recorded(name string, history *historypb.History) {
	t := w.t
	t.Helper()
	raw, err := proto.Marshal(history)
	require.NoError(t, err)
	for _, personal := range []string{"Given", "Canary", "E000", "Clerk", secret} {
		require.NotContains(t, string(raw), personal, name)
	}
	replayer := sdkworker.NewWorkflowReplayer()
	for _, definition := range []any{workflows.Joiner, workflows.Mover, workflows.Leaver, workflows.ProbeTarget} {
		replayer.RegisterWorkflow(definition)
	}
	replayed := proto.CloneOf(history) // the replayer changes what it is given
	require.NoError(t, replayer.ReplayWorkflowHistory(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)), replayed), name)
	if os.Getenv(recordVariable) == "" {
		return
	}
	compact, err := protojson.Marshal(history)
	require.NoError(t, err)
	var indented bytes.Buffer // protojson's own indentation differs from build to build
	require.NoError(t, json.Indent(&indented, compact, "", " "))
	indented.WriteByte('\n')
	folder := filepath.Join("..", "workflows", "testdata", "histories")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, name+".json"), indented.Bytes(), 0o644))
}

// recordingWorld is a world whose worker does not put this machine's name into the histories.
func recordingWorld(t *testing.T, s settings) *world {
	t.Helper()
	s.idle = true
	w := newWorld(t, s)
	var err error
	w.temporal, err = client.Dial(client.Options{HostPort: testkit.Temporal(t), Namespace: testkit.TemporalNamespace, Identity: "recorder",
		Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	t.Cleanup(w.temporal.Close)
	w.startWorker(s)
	return w
}

func TestRecordJoinerMoverLeaver(t *testing.T) {
	t.Parallel()
	w := recordingWorld(t, settings{})
	joined := w.send(identity.WorkerJoined, person(1))
	for _, c := range []struct {
		name, workflowType string
		do                 func()
	}{
		{"joiner", "Joiner", func() {}},
		{"mover", "Mover", func() { w.send(identity.WorkerChanged, fact{"employeeId": "E0001", "department": "Marketing"}) }},
		{"leaver", "Leaver", func() { w.leaveNow("E0001") }},
	} {
		c.do()
		w.eventually("the "+c.name+" has ended", func() bool {
			r := w.runOf(joined)
			return r.workflowType() == c.workflowType && r.status() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
		})
		w.quiet()
		w.recorded(c.name, &historypb.History{Events: w.runOf(joined).history()})
	}
}

// A leave that waits for a target which is down, and then for a confirmation that is due so late that it continues as new.
func TestRecordLeaverBlockedAndContinued(t *testing.T) {
	t.Parallel()
	w := recordingWorld(t, settings{settleLag: "15m"})
	joined := w.send(identity.WorkerJoined, person(1))
	w.eventually("the joiner has ended", func() bool {
		return w.runOf(joined).status() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
	})
	w.systems["crm"].proxy.SetDown(true)
	w.leaveNow("E0001")
	var first run
	w.eventually("the leave waits for crm", func() bool {
		first = w.runOf(joined)
		return first.workflowType() == "Leaver" && len(first.working().Waiting) > 0
	})
	w.eventually("crm is probed", func() bool { return len(w.executions("ProbeTarget")) > 0 })
	w.systems["crm"].proxy.SetDown(false)
	w.eventually("the leave has continued as new", func() bool { return w.runOf(joined).runID() != first.runID() })
	second := w.runOf(joined)
	w.eventually("the new run waits for the confirmation", func() bool { return !second.working().NextDue.IsZero() })
	t.Cleanup(func() {
		_ = w.temporal.TerminateWorkflow(context.WithoutCancel(t.Context()), second.id, "", "the test is over")
	})

	events := first.history()
	require.Equal(t, enums.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW, events[len(events)-1].GetEventType())
	w.recorded("leaver_blocked_continued", &historypb.History{Events: events})
	w.recorded("leaver_waiting", &historypb.History{Events: second.history()})
	w.eventually("a probe has ended", func() bool {
		for _, probe := range w.executions("ProbeTarget") {
			if probe.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED {
				w.recorded("probe", historyOf(t, w.temporal, probe.GetExecution().GetWorkflowId(), probe.GetExecution().GetRunId()))
				return true
			}
		}
		return false
	})
	require.Equal(t, "Leaver", second.workflowType())
	require.Equal(t, "leaver", second.attribute("TenureStage"))
	require.Equal(t, joined.Identity.String(), second.attribute("TenureIdentity"), "the attributes go along")
	require.Equal(t, int32(1), second.WorkflowExecutionInfo.GetPriority().GetPriorityKey(), "and the priority of a leave")
	require.Contains(t, second.details(), "next: confirm ")
}
