package workflows_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/tenurehq/tenure/workflows"
)

func TestAJoinerWorksOnAllTargetsAtOnceAndEndsWhenTheyAgree(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.startedAs(workflows.StageJoiner)
	e.plan = inOrder(working(workflows.StageJoiner, step("crm", 1), step("desk", 1), step("wiki", 1)), settled(workflows.StageJoiner))
	require.NoError(t, e.run(workflows.Joiner))

	require.Len(t, e.requests, 2, "one plan to begin with, one to see that all is done")
	runID := e.requests[0].PlanID[:strings.LastIndex(e.requests[0].PlanID, "/")]
	for i, r := range e.requests {
		require.Equal(t, org, r.Org)
		require.Equal(t, identityID, r.Identity)
		require.Equal(t, fmt.Sprintf("%s/%d", runID, i+1), r.PlanID)
		require.Equal(t, e.planned[i].UTC(), r.AsOf.UTC())
		require.LessOrEqual(t, e.local[i].StartToCloseTimeout, 2*time.Second)
	}
	require.Equal(t, 3, e.most, "in parallel")
	require.Len(t, e.attempts, 3)
	require.Empty(t, e.timers, "no timer in a run that has nothing to wait for")
	require.Empty(t, e.upserts, "the relay has set the stage")
	for _, a := range e.attempts {
		require.Equal(t, workflows.ApplyRequest{Org: org, Identity: identityID, Step: step(a.Step.Target, 1)}, a.Request)
	}
}

func TestAnAttemptsOptions(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("a-target-of-a-long-name-", 4)
	e := newEngine(t)
	e.plan = inOrder(working(workflows.StageJoiner, step("crm", 1), step(longest, 1)), settled(workflows.StageJoiner))
	require.NoError(t, e.run(workflows.Joiner))

	a := e.of("crm")[0]
	require.Equal(t, "q-targets", a.Options.TaskQueue)
	require.Equal(t, "crm: apply account", a.Options.Summary)
	require.True(t, a.Options.WaitForCancellation, "a cancelled attempt is over when it says so, not before")
	require.LessOrEqual(t, a.Options.HeartbeatTimeout, 10*time.Second)
	require.Positive(t, a.Options.HeartbeatTimeout)
	require.Greater(t, a.Options.StartToCloseTimeout, time.Duration(a.Step.Timeout), "the attempt ends by itself first")
	require.Zero(t, a.Options.RetryPolicy.MaximumAttempts, "the engine never gives up: ApplyAccount does, by an outcome")
	require.Equal(t, "acme/crm", a.Options.Priority.FairnessKey)
	key := e.of(longest)[0].Options.Priority.FairnessKey
	require.Len(t, key, 64, "the engine takes no more than 64 bytes")
	require.True(t, strings.HasPrefix(key, "acme/a-target"))
}

func TestTheEnginesRetriesNeedNoNewPlan(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.plan = inOrder(working(workflows.StageJoiner, step("crm", 1)), settled(workflows.StageJoiner))
	e.attempt = func(a *attempt) {
		a.failures = []error{temporal.NewApplicationError("account not applied: throttled", "throttled"), errors.New("unavailable")}
	}
	require.NoError(t, e.run(workflows.Joiner))
	require.Equal(t, 3, e.of("crm")[0].Executions)
	require.Len(t, e.attempts, 1)
	require.Len(t, e.requests, 2)
}

func TestAnAttemptThatEndsByAFaultOfOursIsMetWithPatience(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.plan = func(n int, _ workflows.PlanRequest) (workflows.Plan, error) {
		if n <= 2 {
			return working(workflows.StageMover, step("crm", 1)), nil
		}
		return settled(workflows.StageMover), nil
	}
	e.attempt = func(a *attempt) {
		if len(e.attempts) == 1 {
			a.failures = []error{temporal.NewNonRetryableApplicationError("cannot be", "Bug", nil)}
		}
	}
	require.NoError(t, e.run(workflows.Mover), "no fault of an attempt fails the run")
	require.Len(t, e.attempts, 2)
	require.GreaterOrEqual(t, e.attempts[1].Began.Sub(e.attempts[0].Ended), 10*time.Second)
}

func TestAPokeIsPlannedAtOnceAndABusyTargetGetsItsNewestStepWhenItsAttemptEnds(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.plan = inOrder(
		working(workflows.StageMover, step("crm", 1), step("desk", 1)),
		working(workflows.StageMover, step("crm", 2), step("wiki", 2)), // while crm is busy still, and desk is done
		working(workflows.StageMover, step("crm", 2)),                  // when crm's first attempt was superseded
		settled(workflows.StageMover))
	e.attempt = func(a *attempt) {
		if a.Step.Target == "crm" && a.Step.Epoch == 1 {
			a.takes, a.answer = 10*time.Second, workflows.OutcomeSuperseded
		}
	}
	e.at(3*time.Second, func() { e.poke(7) })
	e.at(5*time.Second, func() {
		require.Equal(t, []string{"crm"}, e.status().Running)
		require.Equal(t, "working on crm", e.details())
	})
	require.NoError(t, e.run(workflows.Mover))

	require.Equal(t, int64(7), e.requests[1].Seq)
	require.Equal(t, 3*time.Second, e.since(e.planned[1]), "planned when the poke came")
	require.Equal(t, 3*time.Second, e.since(e.of("wiki")[0].Began), "an idle target starts at once")
	require.Empty(t, e.overlaps)
	crm := e.of("crm")
	require.Len(t, crm, 2)
	require.True(t, crm[0].CancelAt.IsZero(), "only a leave cancels")
	require.Equal(t, 10*time.Second, e.since(crm[1].Began))
	require.Equal(t, int64(2), crm[1].Step.Epoch)
}

func TestAPokeKeepsTheNewestSeqAndDue(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	due := start.Add(3 * time.Hour)
	e.plan = inOrder(working(workflows.StageMover, step("crm", 1)), settled(workflows.StageMover))
	e.at(100*time.Millisecond, func() {
		e.env.SignalWorkflowSkippingWorkflowTask(workflows.SignalChanged, workflows.Changed{Seq: 9})
		e.env.SignalWorkflowSkippingWorkflowTask(workflows.SignalChanged, workflows.Changed{Seq: 4, Due: due})
		e.poke(6)
	})
	require.NoError(t, e.run(workflows.Mover))
	last := e.requests[len(e.requests)-1]
	require.Equal(t, int64(9), last.Seq)
	require.Equal(t, due, last.AsOf.UTC(), "as of the moment that was due, even if our clock is behind it")
}

// What was committed before the new plan was made answers "applied" after it: the target's newest step must not wait for
// another target, which may hang.
func TestAnotherTargetsHangingAttemptHoldsUpNothing(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.plan = func(n int, _ workflows.PlanRequest) (workflows.Plan, error) {
		switch {
		case n == 1:
			return working(workflows.StageMover, step("crm", 1), step("desk", 1)), nil
		case len(e.of("crm")) < 2:
			return working(workflows.StageMover, step("crm", 2), step("desk", 1)), nil
		case e.running["desk"] != nil:
			return working(workflows.StageMover, step("desk", 1)), nil
		}
		return settled(workflows.StageMover), nil
	}
	e.attempt = func(a *attempt) {
		switch {
		case a.Step.Target == "desk":
			a.takes = 2 * time.Minute
		case a.Step.Epoch == 1:
			a.takes = 4 * time.Second
		}
	}
	e.at(3*time.Second, func() { e.poke(2) })
	require.NoError(t, e.run(workflows.Mover))
	require.Len(t, e.of("crm"), 2)
	require.Equal(t, 4*time.Second, e.since(e.of("crm")[1].Began))
	require.Len(t, e.of("desk"), 1)
	require.Empty(t, e.overlaps)
}

func TestASupersededStepIsPlannedAnewWhileOthersRun(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.plan = inOrder(
		working(workflows.StageJoiner, step("crm", 1), step("desk", 1)),
		working(workflows.StageJoiner, step("crm", 2), step("desk", 1)),
		settled(workflows.StageJoiner))
	e.attempt = func(a *attempt) {
		switch {
		case a.Step.Target == "desk":
			a.takes = time.Minute
		case a.Step.Epoch == 1:
			a.answer = workflows.OutcomeSuperseded
		}
	}
	require.NoError(t, e.run(workflows.Joiner))
	require.Len(t, e.of("crm"), 2)
	require.Equal(t, time.Second, e.since(e.of("crm")[1].Began))
	require.Len(t, e.of("desk"), 1)
}

func TestOnlyALeaveCancelsWhatRuns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		before, after workflows.Stage
		cancels       bool
	}{
		{"a leave meets a joiner", workflows.StageJoiner, workflows.StageLeaver, true},
		{"a leave meets a mover", workflows.StageMover, workflows.StageLeaver, true},
		{"a change meets a joiner", workflows.StageJoiner, workflows.StageJoiner, false},
		{"a change meets a mover", workflows.StageMover, workflows.StageMover, false},
		{"a rehire meets a leave", workflows.StageLeaver, workflows.StageMover, false},
		{"news meet a leave", workflows.StageLeaver, workflows.StageLeaver, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			e.plan = func(n int, _ workflows.PlanRequest) (workflows.Plan, error) {
				switch {
				case n == 1:
					return working(c.before, step("crm", 1), step("desk", 1)), nil
				case len(e.of("crm")) < 2:
					return working(c.after, revocation("crm", 2), revocation("desk", 2)), nil
				}
				return settled(c.after), nil
			}
			e.attempt = func(a *attempt) {
				if a.Step.Epoch == 1 {
					a.takes, a.lag = 30*time.Second, 300*time.Millisecond
				}
			}
			e.at(2*time.Second, func() { e.poke(2) })
			require.NoError(t, e.run(definitionOf(c.before)))

			require.Empty(t, e.overlaps, "a cancelled attempt is waited for before the next one at its target")
			first, second := e.of("crm")[0], e.of("crm")[1]
			if !c.cancels {
				require.True(t, first.CancelAt.IsZero())
				require.Equal(t, 30*time.Second, e.since(second.Began))
				return
			}
			require.Equal(t, 2*time.Second, e.since(first.CancelAt))
			require.Equal(t, 2300*time.Millisecond, e.since(second.Began), "as soon as the cancelled attempt has ended")
			for _, a := range []*attempt{second, e.of("desk")[1]} {
				require.Equal(t, "q-targets-urgent", a.Options.TaskQueue)
				require.Equal(t, 1, a.Options.Priority.PriorityKey)
				require.True(t, a.CancelAt.IsZero(), "a leave's own work is not cancelled by it")
			}
		})
	}
}

func TestALeaveDoesNotWaitForATargetThatIsSlowToCancel(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.plan = func(n int, _ workflows.PlanRequest) (workflows.Plan, error) {
		switch {
		case n == 1:
			return working(workflows.StageJoiner, step("crm", 1), step("desk", 1)), nil
		case len(e.of("crm")) < 2:
			return working(workflows.StageLeaver, revocation("crm", 2), revocation("desk", 2)), nil
		}
		return settled(workflows.StageLeaver), nil
	}
	e.attempt = func(a *attempt) {
		if a.Step.Epoch == 1 {
			a.takes, a.lag = time.Hour, 200*time.Millisecond
			if a.Step.Target == "crm" {
				a.lag = 12 * time.Second
			}
		}
	}
	e.at(2*time.Second, func() { e.poke(2) })
	require.NoError(t, e.run(workflows.Joiner))
	require.Equal(t, 2200*time.Millisecond, e.since(e.of("desk")[1].Began))
	require.Equal(t, 14*time.Second, e.since(e.of("crm")[1].Began))
	require.Empty(t, e.overlaps)
	require.Equal(t, []string{"leaver"}, e.stages())
}

func TestALeaveEndsThePatienceWithAFaultOfOurs(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.plan = func(n int, _ workflows.PlanRequest) (workflows.Plan, error) {
		switch {
		case n == 1:
			return working(workflows.StageJoiner, step("crm", 1)), nil
		case len(e.of("crm")) < 2:
			return working(workflows.StageLeaver, revocation("crm", 2)), nil
		}
		return settled(workflows.StageLeaver), nil
	}
	e.attempt = func(a *attempt) {
		if a.Step.Epoch == 1 {
			a.failures = []error{temporal.NewNonRetryableApplicationError("cannot be", "Bug", nil)}
		}
	}
	e.at(2*time.Second, func() { e.poke(2) })
	require.NoError(t, e.run(workflows.Joiner))
	require.Equal(t, 2*time.Second, e.since(e.of("crm")[1].Began))
}
