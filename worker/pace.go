package worker

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
)

// pace finds out how many people the engine can work on at once before they begin to wait for one another. Its signal is
// Temporal's own: the time from the scheduling of an activity to its start. While that is near the least seen of late,
// there is room for more; when it grows, what is handed to the engine only waits there, where a leave or another
// organization cannot overtake it. (Additive increase, multiplicative decrease, as of congestion control, RFC 5681.)
type pace struct {
	mu        sync.Mutex
	limit     float64
	least     time.Duration // wait of the current window
	before    time.Duration // least wait of the window before
	window    time.Time     // when the current window began
	decreased time.Time
	now       func() time.Time
}

const (
	paceFirst = 8
	paceLeast = 4
	paceMost  = 256
	// paceWindow is how long the least wait is remembered: a cluster that has become slower is not taken for a queue for
	// ever.
	paceWindow = 30 * time.Second
	// paceSlack is the wait that is never taken for a queue.
	paceSlack = 10 * time.Millisecond
	// paceHold is how long a decrease is given to show before the next.
	paceHold = 200 * time.Millisecond
)

func newPace() *pace { return &pace{limit: paceFirst, now: time.Now} }

// room is how many people may be in the engine.
func (p *pace) room() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int(p.limit)
}

// note takes the wait of one activity.
func (p *pace) note(wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Sub(p.window) > paceWindow {
		p.before, p.least, p.window = p.least, 0, now
	}
	if p.least == 0 || wait < p.least {
		p.least = wait
	}
	base := p.least
	if p.before > 0 {
		base = min(base, p.before)
	}
	switch {
	case wait <= 2*base+paceSlack:
		p.limit = min(p.limit+1/p.limit, paceMost)
	case now.Sub(p.decreased) > paceHold:
		p.limit, p.decreased = max(p.limit*0.8, paceLeast), now
	}
}

// paced is an activity whose wait is noted; only that of first attempts, which do not follow a back-off.
func paced[In, Out any](p *pace, run func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (Out, error) {
		if info := activity.GetInfo(ctx); info.Attempt == 1 {
			p.note(info.StartedTime.Sub(info.ScheduledTime))
		}
		return run(ctx, in)
	}
}
