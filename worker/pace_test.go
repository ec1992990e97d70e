package worker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// engine is a pace on a clock of its own.
type engine struct {
	*pace
	clock time.Time
}

func newEngine() *engine {
	e := &engine{pace: newPace(), clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	e.now = func() time.Time { return e.clock }
	return e
}

// starts has as many activities start, one every 20 ms, each after that wait.
func (e *engine) starts(n int, wait time.Duration) {
	for range n {
		e.clock = e.clock.Add(20 * time.Millisecond)
		e.note(e.clock.Add(-wait), e.clock)
	}
}

// busy is the room while many are in the engine.
func (e *engine) busy() int {
	people, _ := e.room(paceMost)
	return people
}

func TestThePaceFollowsWhatTheEngineCanDo(t *testing.T) {
	t.Parallel()
	e := newEngine()
	people, full := e.room(0)
	require.Equal(t, paceFirst, people)
	require.False(t, full)

	e.starts(40, 3*time.Millisecond)
	require.Equal(t, paceFirst+40, e.busy(), "while nobody waits there is room for more, soon")
	e.starts(500, 200*time.Millisecond)
	people, full = e.room(paceMost)
	require.Equal(t, paceLeast, people, "while all wait for one another there is room for the fewest")
	require.True(t, full)
	e.starts(500, 4*time.Millisecond)
	people, full = e.room(paceMost)
	require.Greater(t, people, 3*paceFirst, "it recovers")
	require.False(t, full)
}

func TestOneQueueIsTakenForOneSign(t *testing.T) {
	t.Parallel()
	e := newEngine()
	e.starts(30, 3*time.Millisecond)
	before := e.busy()
	scheduled := e.clock
	for i := range 100 { // they were all scheduled at once, and wait for one another
		e.note(scheduled, scheduled.Add(time.Duration(i+1)*20*time.Millisecond))
	}
	require.GreaterOrEqual(t, e.busy(), before*3/4, "how many fewer are enough shows in those that come after")
}

func TestThePaceDoesNotGrowWithoutUse(t *testing.T) {
	t.Parallel()
	e := newEngine()
	e.starts(200, 3*time.Millisecond)
	people, _ := e.room(5)
	require.Equal(t, paceFirst+10, people, "that five do not wait does not say that two hundred would not")
}

func TestAFarClusterIsNotTakenForAQueue(t *testing.T) {
	t.Parallel()
	e := newEngine()
	e.starts(20, 3*time.Millisecond)
	// Two windows later, what was the least on the nearer cluster is forgotten.
	e.starts(int(2*paceWindow/(20*time.Millisecond)), 60*time.Millisecond)
	before := e.busy()
	e.starts(500, 65*time.Millisecond)
	require.Greater(t, e.busy(), before)
}

func TestThePaceStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := newEngine()
		for range rapid.IntRange(1, 300).Draw(t, "activities") {
			e.clock = e.clock.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "between")) * time.Millisecond)
			e.note(e.clock.Add(-time.Duration(rapid.IntRange(-5, 20_000).Draw(t, "wait"))*time.Millisecond), e.clock)
			people, _ := e.room(rapid.IntRange(0, 1000).Draw(t, "people"))
			require.GreaterOrEqual(t, people, paceLeast)
			require.LessOrEqual(t, people, paceMost)
		}
	})
}
