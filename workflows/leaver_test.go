package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/workflows"
)

func TestALeaverWaitsOnOneTimerThatSaysWhatFor(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.startedAs(workflows.StageLeaver)
	due := start.Add(time.Second + 4*time.Minute + 500*time.Millisecond)
	second := revocation("crm", 1)
	second.Kind = workflows.StepConfirm
	e.plan = inOrder(
		working(workflows.StageLeaver, revocation("crm", 1)),
		waitingUntil(due, "confirm crm"),
		working(workflows.StageLeaver, second),
		settled(workflows.StageLeaver))
	e.at(time.Minute, func() {
		require.Equal(t, "next: confirm crm at 2026-03-02 08:04:01 UTC", e.details())
		require.Equal(t, due, e.status().NextDue.UTC())
	})
	require.NoError(t, e.run(workflows.Leaver))
	require.Equal(t, []timer{{At: start.Add(time.Second), For: due.Sub(start.Add(time.Second)), Summary: "confirm crm at 2026-03-02T08:04:01Z"}}, e.timers)
	require.Len(t, e.attempts, 2)
	require.Equal(t, due, e.attempts[1].Began.UTC(), "planned when it was due")
	require.Equal(t, 1, e.attempts[0].Options.Priority.PriorityKey)
	require.Equal(t, 2, e.attempts[1].Options.Priority.PriorityKey, "a second look waits for those who are not out yet")
	require.Len(t, e.upserts, 2, "the due time is set once, and unset when it is over")
	at, ok := e.upserts[0].GetTime(workflows.AttributeDue)
	require.True(t, ok)
	require.Equal(t, due.Truncate(time.Second), at.UTC())
	require.Empty(t, e.stages())
}

func TestAPokeWakesAWaitingLeaver(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.plan = inOrder(
		waitingUntil(start.Add(9*time.Minute), "retry crm"),
		working(workflows.StageLeaver, revocation("crm", 1)),
		settled(workflows.StageLeaver))
	e.at(90*time.Second, func() { e.poke(3) })
	require.NoError(t, e.run(workflows.Leaver))
	require.Equal(t, 90*time.Second, e.since(e.attempts[0].Began))
	require.Equal(t, int64(3), e.requests[1].Seq)
}

func TestALongWaitBeginsANewRun(t *testing.T) {
	t.Parallel()
	for _, began := range []workflows.Stage{workflows.StageJoiner, workflows.StageMover, workflows.StageLeaver} {
		t.Run("begun as "+string(began), func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			e.plan = inOrder(
				working(workflows.StageLeaver, revocation("crm", 1), revocation("desk", 1)),
				waitingUntil(start.Add(24*time.Hour), "tier 3"))
			e.attempt = func(a *attempt) {
				if a.Step.Target == "desk" {
					a.takes = 20 * time.Second
				}
			}
			e.at(100*time.Millisecond, func() {
				e.env.SignalWorkflow(workflows.SignalChanged, workflows.Changed{Seq: 4, Due: start.Add(time.Minute)})
			})
			e.at(200*time.Millisecond, func() { e.poke(3) })
			name, in, ok := continued(e.run(definitionOf(began)))
			require.True(t, ok)
			require.Equal(t, "Leaver", name, "whatever type the run began as")
			require.Equal(t, workflows.Input{Org: org, Identity: identityID,
				Changed: workflows.Changed{Seq: 4, Due: start.Add(time.Minute)}}, in, "ids, and the newest of what was heard")
			require.False(t, e.of("desk")[0].Ended.IsZero(), "not while anything runs")
			for _, timer := range e.timers {
				require.Less(t, timer.At.Sub(start), 20*time.Second, "the wait itself belongs to the new run")
			}
		})
	}
}

func TestALongWaitThatARunBeginsWithIsWaitedOut(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.plan = inOrder(waitingUntil(start.Add(24*time.Hour), "tier 3"), settled(workflows.StageLeaver))
	require.NoError(t, e.run(workflows.Leaver), "else it would begin anew for ever")
	require.Len(t, e.requests, 2)
	require.Equal(t, 24*time.Hour, e.since(e.planned[1]))
}

func TestAShortWaitNeedsNoNewRun(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.plan = inOrder(
		working(workflows.StageLeaver, revocation("crm", 1)),
		waitingUntil(start.Add(9*time.Minute), "retry crm"),
		settled(workflows.StageLeaver))
	require.NoError(t, e.run(workflows.Leaver))
}

func TestALongHistoryBeginsANewRunBeforeAnyWait(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.plan = inOrder(
		working(workflows.StageLeaver, revocation("crm", 1)),
		waitingUntil(start.Add(time.Minute), "retry crm"))
	e.at(500*time.Millisecond, func() { e.env.SetContinueAsNewSuggested(true) })
	name, _, ok := continued(e.run(workflows.Leaver))
	require.True(t, ok)
	require.Equal(t, "Leaver", name)
}

// A poke in the same task as the decision to begin anew goes along, or is planned first.
func TestNoPokeIsLostWhenARunBeginsAnew(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.planTakes = time.Second // the second plan is made from 2 s to 3 s
	e.plan = inOrder(
		working(workflows.StageLeaver, revocation("crm", 1)),
		waitingUntil(start.Add(24*time.Hour), "tier 3"))
	e.at(2500*time.Millisecond, func() { e.pokeQuietly(8) })
	_, in, ok := continued(e.run(workflows.Leaver))
	require.True(t, ok)
	require.Equal(t, []workflows.Changed{{Seq: 8}}, e.signals)
	require.Equal(t, int64(8), in.Changed.Seq)
	require.Equal(t, int64(8), e.requests[len(e.requests)-1].Seq, "and was planned: the new run would wait first otherwise")
}

func TestEveryOutcomeOfALeaveIsPlannedUpon(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.plan = func(int, workflows.PlanRequest) (workflows.Plan, error) {
		crm, desk := e.of("crm"), e.of("desk")
		switch {
		case len(crm) == 0 || crm[0].Ended.IsZero():
			return working(workflows.StageLeaver, revocation("crm", 1), revocation("desk", 1)), nil
		case desk[0].Ended.IsZero(): // crm is to be read again long before desk has ended
			plan := working(workflows.StageLeaver, revocation("desk", 1))
			if len(crm) == 1 {
				plan.NextDue, plan.DueFor = start.Add(10*time.Second), "confirm crm"
				if !e.env.Now().Before(plan.NextDue) {
					plan.NextDue = time.Time{}
					plan.Steps = append(plan.Steps, revocation("crm", 1))
				}
			}
			return plan, nil
		}
		return settled(workflows.StageLeaver), nil
	}
	e.attempt = func(a *attempt) {
		if a.Step.Target == "desk" {
			a.takes = 5 * time.Minute
		}
	}
	require.NoError(t, e.run(workflows.Leaver))
	require.Len(t, e.of("crm"), 2)
	require.Equal(t, 10*time.Second, e.since(e.of("crm")[1].Began))
}

func TestAStuckLeaveShowsItself(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.startedAs(workflows.StageLeaver)
	stuck := waitingUntil(start.Add(5*time.Minute), "retry crm")
	stuck.Label = workflows.StageStuck
	stuck.Waiting = []workflows.Waiting{{Target: "crm", Since: start, Code: "blocked"}}
	e.plan = inOrder(working(workflows.StageLeaver, revocation("crm", 1)), stuck, working(workflows.StageLeaver, revocation("crm", 1)),
		settled(workflows.StageLeaver))
	e.at(time.Minute, func() {
		require.Equal(t, workflows.StageStuck, e.status().Stage)
		require.Equal(t, "waiting for target crm, blocked since 2026-03-02 08:00 UTC\n\nnext: retry crm at 2026-03-02 08:05:00 UTC", e.details())
	})
	require.NoError(t, e.run(workflows.Leaver))
	require.Equal(t, []string{"stuck", "leaver"}, e.stages())
}

// The attributes live on when a run continues as new; what was true of the run before must not stay.
func TestARunThatContinuedAsStuckCorrectsItself(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.startedAs(workflows.StageStuck)
	e.plan = inOrder(settled(workflows.StageLeaver))
	require.NoError(t, e.run(workflows.Leaver))
	require.Equal(t, []string{"leaver"}, e.stages())
}
