package worker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func steady(p *pace, clock *time.Time, n int, wait time.Duration) {
	for range n {
		*clock = clock.Add(20 * time.Millisecond)
		p.note(wait)
	}
}

func TestThePaceFollowsWhatTheEngineCanDo(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := newPace()
	p.now = func() time.Time { return clock }
	require.Equal(t, paceFirst, p.room())

	steady(p, &clock, 500, 3*time.Millisecond)
	wide := p.room()
	require.Greater(t, wide, 3*paceFirst, "while nobody waits there is room for more")
	steady(p, &clock, 500, 200*time.Millisecond)
	require.Equal(t, paceLeast, p.room(), "while all wait for one another there is room for the fewest")
	steady(p, &clock, 500, 4*time.Millisecond)
	require.Greater(t, p.room(), 3*paceFirst, "it recovers")
}

func TestAFarClusterIsNotTakenForAQueue(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := newPace()
	p.now = func() time.Time { return clock }
	steady(p, &clock, 100, 3*time.Millisecond)
	// Two windows later, what was the least on the nearer cluster is forgotten.
	steady(p, &clock, int(2*paceWindow/(20*time.Millisecond)), 60*time.Millisecond)
	before := p.room()
	steady(p, &clock, 500, 65*time.Millisecond)
	require.Greater(t, p.room(), before)
}

func TestThePaceStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		p := newPace()
		p.now = func() time.Time { return clock }
		for range rapid.IntRange(1, 300).Draw(t, "activities") {
			clock = clock.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "between")) * time.Millisecond)
			p.note(time.Duration(rapid.IntRange(-5, 20_000).Draw(t, "wait")) * time.Millisecond)
			require.GreaterOrEqual(t, p.room(), paceLeast)
			require.LessOrEqual(t, p.room(), paceMost)
		}
	})
}
