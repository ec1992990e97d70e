package workflows_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/tenurehq/tenure/workflows"
)

func definitionOf(stage workflows.Stage) any {
	switch stage.WorkflowType() {
	case "Joiner":
		return workflows.Joiner
	case "Leaver":
		return workflows.Leaver
	default:
		return workflows.Mover
	}
}

// blocked is the plan of a run whose target crm is down.
func blocked(stage, label workflows.Stage) workflows.Plan {
	return workflows.Plan{Stage: stage, Label: label, Settled: true,
		Waiting: []workflows.Waiting{{Target: "crm", Since: start, Code: "blocked"}}}
}

func TestABlockedJoinerEndsAndSaysSo(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.startedAs(workflows.StageJoiner)
	e.plan = inOrder(working(workflows.StageJoiner, step("crm", 1), step("desk", 1)), blocked(workflows.StageJoiner, workflows.StageBlocked))
	e.attempt = func(a *attempt) {
		if a.Step.Target == "crm" {
			a.takes, a.answer = 2*time.Minute, workflows.OutcomeBlocked
		}
	}
	require.NoError(t, e.run(workflows.Joiner))
	require.Equal(t, []string{"blocked"}, e.stages())
	require.Equal(t, "waiting for target crm, blocked since 2026-03-02 08:00 UTC", e.details())
}

func TestARunWithFailedOperationsFailsWhenAllItsTargetsHaveSettled(t *testing.T) {
	t.Parallel()
	for _, stage := range []workflows.Stage{workflows.StageJoiner, workflows.StageMover} {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			failed := settled(stage)
			failed.Failed = 1
			failed.Waiting = []workflows.Waiting{{Target: "crm", Since: start, Code: "failed"}}
			e.plan = inOrder(working(stage, step("crm", 1), step("desk", 1)), failed)
			e.attempt = func(a *attempt) {
				if a.Step.Target == "crm" {
					a.answer = workflows.OutcomeFailed
				} else {
					a.takes = time.Minute
				}
			}
			err := e.run(definitionOf(stage))
			var visible *temporal.ApplicationError
			require.ErrorAs(t, err, &visible)
			require.Equal(t, "OperationsFailed", visible.Type())
			require.True(t, visible.NonRetryable())
			require.Contains(t, visible.Error(), identityID, "what to look at")
			require.False(t, e.of("desk")[0].Ended.IsZero(), "not before the other target has settled")
			require.Len(t, e.attempts, 2)
			require.Contains(t, e.details(), "1 failed for good")
		})
	}
}

func TestALeaveNeverFails(t *testing.T) {
	t.Parallel()
	for _, began := range []workflows.Stage{workflows.StageJoiner, workflows.StageMover, workflows.StageLeaver} {
		t.Run("begun as "+string(began), func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			failed := settled(workflows.StageLeaver)
			failed.Failed = 1
			e.plan = inOrder(working(workflows.StageLeaver, revocation("crm", 1)), failed)
			e.attempt = func(a *attempt) { a.answer = workflows.OutcomeFailed }
			require.NoError(t, e.run(definitionOf(began)))
		})
	}
}

func TestADatabaseThatIsBehindFailsTheRunVisibly(t *testing.T) {
	t.Parallel()
	for _, stage := range []workflows.Stage{workflows.StageJoiner, workflows.StageMover, workflows.StageLeaver} {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			e.plan = func(int, workflows.PlanRequest) (workflows.Plan, error) { return workflows.Plan{Recover: true}, nil }
			err := e.run(definitionOf(stage))
			var visible *temporal.ApplicationError
			require.ErrorAs(t, err, &visible)
			require.Equal(t, "RecoverNeeded", visible.Type())
			require.True(t, visible.NonRetryable())
			require.Contains(t, visible.Error(), "tenure recover")
			require.Empty(t, e.attempts, "nothing is changed")
		})
	}
}

func TestAPlanThatFailsForAnHourFailsNothing(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	up := start.Add(time.Hour)
	e.plan = func(n int, _ workflows.PlanRequest) (workflows.Plan, error) {
		switch {
		case e.env.Now().Before(up):
			return workflows.Plan{}, temporal.NewApplicationError("plan failed: internal", "PlanFailed")
		case len(e.attempts) == 0:
			return working(workflows.StageJoiner, step("crm", 1)), nil
		}
		return settled(workflows.StageJoiner), nil
	}
	require.NoError(t, e.run(workflows.Joiner))
	require.Len(t, e.attempts, 1)
	require.Less(t, e.of("crm")[0].Began.Sub(up), 31*time.Second, "it is back soon after the database is")
	require.Less(t, len(e.requests), 140, "with patience: a history has its bounds")
	require.Greater(t, len(e.requests), 100)
	for _, timer := range e.timers {
		require.Equal(t, "plan again after a failure", timer.Summary)
	}
}

func TestALeaversPokeEndsTheWaitAfterAFailedPlan(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	up := start.Add(10 * time.Minute)
	e.plan = func(_ int, request workflows.PlanRequest) (workflows.Plan, error) {
		switch {
		case e.env.Now().Before(up):
			return workflows.Plan{}, errors.New("no database")
		case len(e.attempts) == 0:
			return working(workflows.StageLeaver, revocation("crm", request.Seq)), nil
		}
		return settled(workflows.StageLeaver), nil
	}
	e.at(10*time.Minute+time.Millisecond, func() { e.poke(5) })
	require.NoError(t, e.run(workflows.Mover))
	require.Equal(t, 10*time.Minute+time.Millisecond, e.since(e.attempts[0].Began))
	require.Equal(t, int64(5), e.attempts[0].Step.Epoch, "planned with the poke that ended the wait")
}

func TestARunCancelledByHandEnds(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.plan = inOrder(working(workflows.StageMover, step("crm", 1)))
	e.attempt = func(a *attempt) { a.takes = time.Hour }
	e.at(time.Second, e.env.CancelWorkflow)
	err := e.run(workflows.Mover)
	var cancelled *temporal.CanceledError
	require.ErrorAs(t, err, &cancelled)
}

// A poke that comes in the same workflow task as what would end the run is planned before it ends.
func TestNoPokeIsLostAtTheEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		begin func(e *engine)
	}{
		{"together with the last attempt's end", func(e *engine) {
			e.attempt = func(a *attempt) { a.takes = 3*time.Second - time.Millisecond }
			e.at(3*time.Second-2*time.Millisecond, func() { e.pokeQuietly(2) })
		}},
		{"while the last plan is being made", func(e *engine) {
			e.planTakes = time.Second // the second plan is made from 2 s to 3 s
			e.at(2500*time.Millisecond, func() { e.pokeQuietly(2) })
		}},
		{"together with the last plan", func(e *engine) {
			e.planTakes = time.Second
			e.at(3*time.Second-time.Nanosecond, func() { e.pokeQuietly(2) })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			e.plan = inOrder(working(workflows.StageMover, step("crm", 1)), settled(workflows.StageMover))
			c.begin(e)
			require.NoError(t, e.run(workflows.Mover))
			require.Equal(t, []workflows.Changed{{Seq: 2}}, e.signals, "the poke reached the run")
			require.Equal(t, int64(2), e.requests[len(e.requests)-1].Seq)
		})
	}
}
