package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/workflows"
)

// run is a person's workflow run, as Temporal's API shows it.
type run struct {
	w  *world
	id string
	*workflowservice.DescribeWorkflowExecutionResponse
}

// runOf describes the newest run that works, or worked, for the person; it waits for the first one.
func (w *world) runOf(receipt lifecycle.Receipt) run {
	w.t.Helper()
	id := workflows.IdentityWorkflowID(w.org, receipt.Identity.String())
	var description *workflowservice.DescribeWorkflowExecutionResponse
	w.eventually("a run of "+id, func() bool {
		var err error
		description, err = w.temporal.DescribeWorkflowExecution(w.t.Context(), id, "")
		return err == nil
	})
	return run{w, id, description}
}

func (r run) runID() string { return r.WorkflowExecutionInfo.GetExecution().GetRunId() }

func (r run) workflowType() string { return r.WorkflowExecutionInfo.GetType().GetName() }

func (r run) status() enums.WorkflowExecutionStatus { return r.WorkflowExecutionInfo.GetStatus() }

// awaitFailed waits until the person's run has failed, which it does a moment after the rows say so.
func (w *world) awaitFailed(receipt lifecycle.Receipt) {
	w.t.Helper()
	w.eventually("the run has failed", func() bool { return w.runOf(receipt).status() == enums.WORKFLOW_EXECUTION_STATUS_FAILED })
}

// attribute decodes a search attribute that holds text.
func (r run) attribute(name string) string {
	return text(r.w.t, r.WorkflowExecutionInfo.GetSearchAttributes().GetIndexedFields()[name])
}

// details is what stands at the top of the run's page.
func (r run) details() string {
	r.w.t.Helper()
	var metadata sdkpb.WorkflowMetadata
	r.query("__temporal_workflow_metadata", &metadata)
	return metadata.GetCurrentDetails()
}

// working is what the run itself says that it does.
func (r run) working() (status workflows.Status) {
	r.w.t.Helper()
	r.query(workflows.QueryStatus, &status)
	return status
}

// query asks the run until it answers: a busy engine may give a query up.
func (r run) query(name string, answer any) {
	r.w.t.Helper()
	r.w.eventually("the run answers", func() bool {
		value, err := r.w.temporal.QueryWorkflow(r.w.t.Context(), r.id, r.runID(), name)
		if err != nil {
			r.w.t.Logf("query: %v", err)
			return false
		}
		require.NoError(r.w.t, value.Get(answer))
		return true
	})
}

func (r run) history() []*historypb.HistoryEvent {
	return historyOf(r.w.t, r.w.temporal, r.id, r.runID()).GetEvents()
}

func historyOf(t testing.TB, c client.Client, id, runID string) *historypb.History {
	t.Helper()
	history := &historypb.History{}
	events := c.GetWorkflowHistory(t.Context(), id, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		history.Events = append(history.Events, event)
	}
	return history
}

// summaries are those of a kind of event, in order.
func summaries(t testing.TB, events []*historypb.HistoryEvent, kind enums.EventType) []string {
	t.Helper()
	var found []string
	for _, event := range events {
		if event.GetEventType() == kind {
			found = append(found, text(t, event.GetUserMetadata().GetSummary()))
		}
	}
	return found
}

func text(t testing.TB, payload *commonpb.Payload) string {
	t.Helper()
	if payload == nil {
		return ""
	}
	var s string
	require.NoError(t, converter.GetDefaultDataConverter().FromPayload(payload, &s))
	return s
}

func TestAJoinersRunCanBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{attemptTimeout: "30s"})
	crm := w.systems["crm"].proxy
	crm.SetRules(connectortest.Rule{Writes: true, Fault: connectortest.Hang()}) // each attempt: a busy engine may begin another
	joined := w.send(identity.WorkerJoined, person(1))
	require.NoError(t, crm.Wait(t.Context(), func(s connectortest.State) bool { return s.Held == 1 }))
	w.eventually("only crm is worked on", func() bool { return w.runOf(joined).details() == "working on crm" })

	r := w.runOf(joined)
	require.Equal(t, "Joiner", r.workflowType())
	require.Equal(t, "joiner: bring accounts and access into being", text(t, r.ExecutionConfig.GetUserMetadata().GetSummary()))
	require.Equal(t, w.org, r.attribute("TenureOrg"))
	require.Equal(t, joined.Identity.String(), r.attribute("TenureIdentity"))
	require.Equal(t, "joiner", r.attribute("TenureStage"))
	require.Equal(t, []string{"crm"}, r.working().Running)

	crm.SetRules()
	crm.Release()
	w.quiet()
	w.eventually("the run has ended", func() bool {
		return w.runOf(joined).status() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
	})
	require.Equal(t, "every target agrees", w.runOf(joined).details())
	require.ElementsMatch(t, []string{"crm: apply account", "desk: apply account", "wiki: apply account"},
		summaries(t, r.history(), enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED))
}

func TestARunWhoseTargetIsDownSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{blockBudget: "8s"}) // longer than it takes to know a target for down
	leaver := w.send(identity.WorkerJoined, person(1))
	w.quiet()
	w.systems["crm"].proxy.SetDown(true)
	before := time.Now().UTC().Truncate(time.Minute)
	joiner := w.send(identity.WorkerJoined, person(2))
	w.leaveNow("E0001")

	w.eventually("the joiner is blocked, and its run has ended", func() bool {
		r := w.runOf(joiner)
		return r.status() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED && r.attribute("TenureStage") == "blocked"
	})
	requireBlockedSince(t, before, w.runOf(joiner).details(), "")

	w.eventually("the leave waits for crm", func() bool {
		r := w.runOf(leaver)
		return r.workflowType() == "Leaver" && len(r.working().Waiting) == 1 && len(r.working().Running) == 0 && r.working().NextDue.After(time.Now())
	})
	r := w.runOf(leaver)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, r.status(), "a leave stays")
	require.Equal(t, "leaver: take everything away, and prove it", text(t, r.ExecutionConfig.GetUserMetadata().GetSummary()))
	require.Equal(t, "leaver", r.attribute("TenureStage"))
	due, err := time.Parse(time.RFC3339, r.attribute("TenureDue"))
	require.NoError(t, err)
	status := r.working()
	require.Equal(t, status.NextDue.UTC().Truncate(time.Second), due.UTC())
	next := fmt.Sprintf("next: %s at %s", why(t, r), due.UTC().Format("2006-01-02 15:04:05 MST"))
	requireBlockedSince(t, before, r.details(), "\n\n"+next)
	require.Contains(t, summaries(t, r.history(), enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED), "crm: revoke account")

	w.systems["crm"].proxy.SetDown(false)
	w.quiet()
	w.requireGone("E0001")
	w.requireEnabled("E0002", "Everyone", "Sales")
}

// why is what the newest timer's summary says before its time.
func why(t testing.TB, r run) string {
	t.Helper()
	timers := summaries(t, r.history(), enums.EVENT_TYPE_TIMER_STARTED)
	require.NotEmpty(t, timers)
	last := timers[len(timers)-1]
	at := len(last) - len(" at 2006-01-02T15:04:05Z")
	require.Positive(t, at, last)
	require.Contains(t, []string{"retry crm", "confirm desk", "confirm wiki", "deadline of tier 1"}, last[:at])
	return last[:at]
}

// requireBlockedSince checks "waiting for target crm, blocked since …", the time being one since the target went down.
func requireBlockedSince(t testing.TB, before time.Time, details, rest string) {
	t.Helper()
	const layout = "2006-01-02 15:04 MST"
	for since := before; !since.After(time.Now()); since = since.Add(time.Minute) {
		if details == "waiting for target crm, blocked since "+since.Format(layout)+rest {
			return
		}
	}
	require.Fail(t, "not what an operator should read", "%q, wanted at the end %q", details, rest)
}

// The budget of a joiner's history, as docs/results.md quotes it.
func TestAJoinersHistoryIsShort(t *testing.T) {
	t.Parallel()
	const budget, people = 28, 8
	w := newWorld(t, settings{sweep: 30 * time.Second}) // as production sweeps
	for n := range people {
		joined := w.send(identity.WorkerJoined, person(n))
		w.eventually("the run has ended", func() bool {
			return w.runOf(joined).status() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
		})
		events := w.runOf(joined).history()
		if n == 0 {
			for _, event := range events {
				t.Logf("%3d %s", event.GetEventId(), event.GetEventType())
			}
		}
		t.Logf("joiner %d with 3 targets: %d events", n, len(events))
		require.LessOrEqual(t, len(events), budget)
	}
}
