package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/workflows"
)

func TestStatusAndDetailsTellWhatIsGoingOn(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.startedAs(workflows.StageJoiner)
	first := working(workflows.StageJoiner, step("wiki", 1), step("desk", 1), step("crm", 1))
	second := working(workflows.StageJoiner)
	second.Waiting = []workflows.Waiting{{Target: "wiki", Since: start.Add(4 * time.Minute), Code: "blocked"}}
	second.Steps = []workflows.Step{step("desk", 1)}
	e.plan = inOrder(first, second, blocked(workflows.StageJoiner, workflows.StageBlocked))
	e.attempt = func(a *attempt) {
		switch a.Step.Target {
		case "desk":
			a.takes = time.Minute
		case "wiki":
			a.takes = 20 * time.Second
		}
	}
	e.at(500*time.Millisecond, func() {
		require.Equal(t, workflows.Status{Stage: workflows.StageJoiner, PlanID: e.requests[0].PlanID, Running: []string{"crm", "desk", "wiki"}}, e.status())
		require.Equal(t, "working on crm, desk, wiki", e.details())
	})
	e.at(10*time.Second, func() { require.Equal(t, "working on desk, wiki", e.details()) })
	e.at(30*time.Second, func() { e.poke(1) })
	e.at(40*time.Second, func() {
		require.Equal(t, second.Waiting, e.status().Waiting)
		require.Equal(t, "waiting for target wiki, blocked since 2026-03-02 08:04 UTC\n\nworking on desk", e.details())
	})
	require.NoError(t, e.run(workflows.Joiner))
	require.Equal(t, workflows.StageBlocked, e.status().Stage)
}

func TestASettledRunSaysThatEveryTargetAgrees(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.plan = inOrder(settled(workflows.StageMover))
	require.NoError(t, e.run(workflows.Mover))
	require.Equal(t, "every target agrees", e.details())
}

func TestAttributesAreWrittenOnlyWhenTheyChange(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.startedAs(workflows.StageJoiner)
	due := start.Add(8 * time.Minute)
	e.plan = inOrder(
		working(workflows.StageJoiner, step("crm", 1)),
		waitingUntil(due, "retry crm"), // a leave: the stage and the due time change, in one event
		waitingUntil(due, "retry crm"),
		waitingUntil(due.Add(300*time.Millisecond), "retry crm"), // the same second
		waitingUntil(due.Add(time.Minute), "retry crm"),
		settled(workflows.StageMover)) // a rehire
	for i := range 4 {
		e.at(time.Duration(i+1)*time.Minute, func() { e.poke(int64(i)) })
	}
	require.NoError(t, e.run(workflows.Joiner))
	require.Len(t, e.requests, 6)
	require.Equal(t, []string{"leaver", "mover"}, e.stages())
	require.Len(t, e.upserts, 3)
	_, has := e.upserts[1].GetKeyword(workflows.AttributeStage)
	require.False(t, has)
	last, ok := e.upserts[1].GetTime(workflows.AttributeDue)
	require.True(t, ok)
	require.Equal(t, due.Add(time.Minute), last.UTC())
	require.False(t, e.shown.ContainsKey(workflows.AttributeDue), "no due time in the past stays")
}
