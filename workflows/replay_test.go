package workflows_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"github.com/tenurehq/tenure/workflows"
)

// The histories were recorded on the real engine by e2e/record_test.go, which says how to record them anew. What is
// changed in the workflows must still replay them, since runs like these are open in production when it is deployed.
var histories = []string{"joiner", "mover", "leaver", "leaver_blocked_continued", "leaver_waiting", "probe"}

type lifecycle = func(workflow.Context, workflows.Input) error

func replay(t *testing.T, name string, wrap func(lifecycle) lifecycle) error {
	t.Helper()
	replayer := worker.NewWorkflowReplayer()
	for name, definition := range map[string]lifecycle{"Joiner": workflows.Joiner, "Mover": workflows.Mover, "Leaver": workflows.Leaver} {
		replayer.RegisterWorkflowWithOptions(wrap(definition), workflow.RegisterOptions{Name: name})
	}
	replayer.RegisterWorkflow(workflows.ProbeTarget)
	return replayer.ReplayWorkflowHistory(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)), read(t, name))
}

func read(t *testing.T, name string) *historypb.History {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "histories", name+".json"))
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	history, err := client.HistoryFromJSON(file, client.HistoryJSONOptions{})
	require.NoError(t, err)
	return history
}

func TestRecordedHistoriesReplay(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "histories", "*.json"))
	require.NoError(t, err)
	require.Len(t, files, len(histories), "a history that nobody replays")
	for _, name := range histories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, replay(t, name, func(l lifecycle) lifecycle { return l }))
		})
	}
}

func TestAChangedWorkflowIsCaughtByTheReplay(t *testing.T) {
	t.Parallel()
	changes := map[string]func(lifecycle) lifecycle{
		"one more activity": func(next lifecycle) lifecycle {
			return func(ctx workflow.Context, in workflows.Input) error {
				options := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Second})
				_ = workflow.ExecuteActivity(options, "Notify", in.Identity)
				return next(ctx, in)
			}
		},
		"one more timer": func(next lifecycle) lifecycle {
			return func(ctx workflow.Context, in workflows.Input) error {
				if err := workflow.Sleep(ctx, time.Second); err != nil {
					return err
				}
				return next(ctx, in)
			}
		},
		"nothing done": func(lifecycle) lifecycle {
			return func(workflow.Context, workflows.Input) error { return nil }
		},
	}
	for change, wrap := range changes {
		for _, name := range histories {
			if name == "probe" {
				continue // not a lifecycle: its replay above is what holds it
			}
			t.Run(change+" in "+name, func(t *testing.T) {
				t.Parallel()
				require.Error(t, replay(t, name, wrap))
			})
		}
	}
}

func TestRecordedHistoriesHoldNothingPersonal(t *testing.T) {
	t.Parallel()
	for _, name := range histories {
		history := read(t, name)
		raw, err := proto.Marshal(history) // payloads stand in it as they are, not in base64 as in the file
		require.NoError(t, err)
		for _, personal := range []string{"Given", "Canary", "E0001", "Clerk", "Sales", "Marketing", "s3cret"} {
			require.NotContains(t, string(raw), personal, name)
		}
		require.Contains(t, string(raw), `"org"`, "what was looked at is not encoded")
	}
}
