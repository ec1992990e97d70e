package activities

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// places bounds the attempts that run at a target at once. Who finds none free is told when its turn comes: those who wait
// hold no slot of the worker, and do not keep the engine busy with asking.
type places struct {
	mu    sync.Mutex
	limit int
	free  *semaphore.Weighted
	took  time.Duration // about what an attempt takes
	turn  time.Time     // of who was told last
}

const (
	// nearly is how long who comes in its turn waits for a place within its slot.
	nearly = 100 * time.Millisecond
	// shortestPutOff and longestPutOff bound what somebody is told: an estimate that is far off does no lasting harm. A leave
	// comes again sooner.
	shortestPutOff      = 100 * time.Millisecond
	longestPutOff       = 15 * time.Second
	longestUrgentPutOff = 500 * time.Millisecond
)

// enter takes a place of so many. When there is none it answers after how long to come again: leave is nil then. again says
// that this is not the first time.
func (p *places) enter(ctx context.Context, limit int, again bool) (leave func(), putOff time.Duration) {
	p.mu.Lock()
	if p.limit != limit {
		p.limit, p.free = limit, semaphore.NewWeighted(int64(limit))
	}
	free, inTurn := p.free, again || !p.turn.After(time.Now())
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, nearly)
	defer cancel()
	if !free.TryAcquire(1) && (!inTurn || free.Acquire(ctx, 1) != nil) {
		return nil, p.next()
	}
	entered := time.Now()
	return func() {
		free.Release(1)
		p.note(time.Since(entered))
	}, 0
}

// next is how long until a turn that nobody has.
func (p *places) next() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	at := now
	if p.turn.After(now) {
		at = p.turn
	}
	if at = at.Add(p.took / time.Duration(p.limit)); at.After(now.Add(longestPutOff)) {
		return longestPutOff
	}
	p.turn = at
	return max(at.Sub(now), shortestPutOff)
}

// note takes what an attempt took into a moving average.
func (p *places) note(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.took += (took - p.took) / 8
}
