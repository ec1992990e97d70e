package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"pgregory.net/rapid"

	"github.com/tenurehq/tenure/workflows"
)

// Whatever happens to a person, and however the targets answer: never two attempts at one target at once, no end before
// every poke that the run was handed has been planned, and what the last plan saw is true in the end.
func TestAnySequenceOfChangesConverges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawPerson(t)
		changes := drawChanges(t)
		attempts := rapid.SliceOfN(drawAttempt, 30, 30).Draw(t, "attempts")
		e := newEngine(t)
		e.planTakes = millis(0, 1500).Draw(t, "plan takes")
		e.plan = p.plan
		e.attempt = func(a *attempt) {
			if len(e.attempts) <= len(attempts) {
				attempts[len(e.attempts)-1].befall(p, e, a)
				return
			}
			a.commit = func() workflows.Outcome { return p.commit(a.Step, workflows.OutcomeApplied, e.env.Now()) }
		}
		p.happen(changes[0])
		for _, c := range changes[1:] {
			e.at(c.at, func() {
				e.mu.Lock()
				p.happen(c)
				seq := p.version
				e.mu.Unlock()
				for _, later := range c.pokes {
					if later == 0 {
						e.pokeQuietly(seq)
					} else {
						e.at(later, func() { e.poke(seq) })
					}
				}
			})
		}
		err := e.run(definitionOf(changes[0].stage))
		requireSound(t, e, p, err)
	})
}

func requireSound(t *rapid.T, e *engine, p *person, err error) {
	require.Empty(t, e.overlaps, "two attempts at once")
	require.Empty(t, e.running, "ended while an attempt was running")
	require.NotEmpty(t, e.requests)
	last := e.requests[len(e.requests)-1]
	for _, poke := range e.signals {
		require.LessOrEqual(t, poke.Seq, last.Seq, "ended without planning for a poke")
	}
	for _, a := range e.attempts {
		if a.Step.Urgent {
			require.Equal(t, "q-targets-urgent", a.Options.TaskQueue)
			require.Equal(t, 1, a.Options.Priority.PriorityKey)
			continue
		}
		require.Equal(t, "q-targets", a.Options.TaskQueue)
	}
	if name, in, ok := continued(err); ok {
		require.Equal(t, "Leaver", name)
		require.Equal(t, last.Seq, in.Changed.Seq)
		return
	}
	if last.Seq < p.version { // the rest finds a new run
		return
	}
	require.True(t, p.agrees(), "ended before the targets agreed")
	if !p.failed() {
		require.NoError(t, err)
		return
	}
	var visible *temporal.ApplicationError
	require.ErrorAs(t, err, &visible, "%v", err)
	require.Equal(t, "OperationsFailed", visible.Type())
}

func drawPerson(t *rapid.T) *person {
	p := &person{accounts: map[string]*account{}, long: rapid.Bool().Draw(t, "long")}
	for _, name := range []string{"crm", "desk", "wiki"} {
		p.accounts[name] = &account{}
	}
	p.down = rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 9), func(n int) bool { return n == 0 }), 0, 20).Draw(t, "no database")
	return p
}

func drawChanges(t *rapid.T) []change {
	stages := []workflows.Stage{workflows.StageJoiner, workflows.StageMover, workflows.StageLeaver}
	targets := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"crm", "desk", "wiki"}), 1, 3, rapid.ID[string])
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) change {
		c := change{at: millis(0, 40_000).Draw(t, "at"), stage: rapid.SampledFrom(stages).Draw(t, "stage"), targets: targets.Draw(t, "targets"),
			pokes: rapid.SliceOfN(millis(0, 5_000), 1, 3).Draw(t, "pokes")}
		if c.stage == workflows.StageLeaver {
			c.targets = []string{"crm", "desk", "wiki"}
		}
		return c
	}), 1, 8).Draw(t, "changes")
}

// fate is what befalls an attempt.
type fate struct {
	takes, lag time.Duration
	early      bool // commits when it begins, though it answers at its end
	retries    int
	outcome    workflows.Outcome
}

var drawAttempt = rapid.Custom(func(t *rapid.T) fate {
	outcomes := []workflows.Outcome{workflows.OutcomeApplied, workflows.OutcomeApplied, workflows.OutcomeApplied, workflows.OutcomeBlocked, workflows.OutcomeFailed}
	return fate{takes: millis(1, 20_000).Draw(t, "takes"), lag: millis(1, 12_000).Draw(t, "lag"), early: rapid.Bool().Draw(t, "early"),
		retries: rapid.IntRange(0, 2).Draw(t, "retries"), outcome: rapid.SampledFrom(outcomes).Draw(t, "outcome")}
})

func (f fate) befall(p *person, e *engine, a *attempt) {
	a.takes, a.lag = f.takes, f.lag
	for range f.retries {
		a.failures = append(a.failures, temporal.NewApplicationError("account not applied: unavailable", "unavailable"))
	}
	if f.early {
		committed := p.commit(a.Step, f.outcome, a.Began)
		a.commit = func() workflows.Outcome { return committed }
		return
	}
	a.commit = func() workflows.Outcome { return p.commit(a.Step, f.outcome, e.env.Now()) }
}

func millis(from, to int) *rapid.Generator[time.Duration] {
	return rapid.Map(rapid.IntRange(from, to), func(n int) time.Duration { return time.Duration(n) * time.Millisecond })
}
