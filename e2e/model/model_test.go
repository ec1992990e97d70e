// Package model tests the protocol of docs/protocol.md: random interleavings of what can happen to a few people, against
// a model that knows nothing but the events. See docs/protocol-model.md.
package model

import (
	"context"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// number reads a number from the environment.
func number(t testing.TB, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

// defaultRuns is what `make test` plays; `make soak` asks for more.
const defaultRuns = 2000

// variant is a protocol that is broken on purpose; the zero value is not.
type variant struct {
	sql       string // run on the database
	resetSQL  string // and before every world
	noSweeper bool
	noFence   bool // every attempt carries the first epoch
	blind     bool // looking for an account finds nothing
	calm      bool // no run is terminated, so that nothing needs the sweeper
	// tilt makes worlds rough in the way that the missing protection is for; nil leaves them as they come.
	tilt func(*nature)
}

// play is one world of a seed.
func play(ctx context.Context, l *laboratory, seed uint64) *world {
	w := newWorld(ctx, l, seed)
	w.play()
	return w
}

// playAll plays the worlds of the seeds from first on, in some laboratories at once, until one fails or all are played.
func playAll(t *testing.T, v variant, first, runs int) (failed *world, steps int64) {
	t.Helper()
	const atOnce = 4
	var next, done atomic.Int64
	var wrong atomic.Pointer[world]
	next.Store(int64(first))
	var group sync.WaitGroup
	for range min(atOnce, runs) {
		l := newLaboratory(t, v)
		group.Go(func() {
			for wrong.Load() == nil {
				seed := next.Add(1) - 1
				if seed >= int64(first+runs) {
					return
				}
				w := play(t.Context(), l, uint64(seed))
				done.Add(int64(w.steps))
				if w.failure != "" {
					wrong.CompareAndSwap(nil, w)
				}
			}
		})
	}
	group.Wait()
	return wrong.Load(), done.Load()
}

// TestProtocol plays random worlds. TENURE_MODEL_RUNS says how many, TENURE_MODEL_SEED where to begin.
func TestProtocol(t *testing.T) {
	t.Parallel()
	first, runs := number(t, "TENURE_MODEL_SEED", 1), number(t, "TENURE_MODEL_RUNS", defaultRuns)
	t.Logf("seeds %d to %d; to repeat seed 7 alone: TENURE_MODEL_SEED=7 TENURE_MODEL_RUNS=1", first, first+runs-1)
	failed, steps := playAll(t, variant{}, first, runs)
	t.Logf("%d steps", steps)
	if failed != nil {
		t.Fatal(failed.story())
	}
}
