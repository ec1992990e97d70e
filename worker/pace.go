package worker

import (
	"context"
	"math"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
)

// pace finds out how many people the engine can work on at once before they begin to wait for one another. Its signal is
// Temporal's own: the time from the scheduling of an activity to its start. While that is near the least seen of late,
// there is room for more; when it grows, what is handed to the engine only waits there, where a leave or another
// organization cannot overtake it. (Slow start, additive increase and multiplicative decrease, as of congestion control,
// RFC 5681; a bound on the delay above the least seen, as of RFC 6817.)
type pace struct {
	mu        sync.Mutex
	limit     float64
	known     float64       // where waiting began the last time: below it the limit grows fast
	wait      time.Duration // a moving average
	least     time.Duration // wait of the current window
	before    time.Duration // least wait of the window before
	window    time.Time     // when the current window began
	decreased time.Time     // by the engine's clock
	full      time.Time     // until when the engine counts as full
	now       func() time.Time
}

const (
	paceFirst = 8
	paceLeast = 4
	paceMost  = 256
	// paceWindow is how long the least wait is remembered: a cluster that has become slower is not taken for a queue for
	// ever.
	paceWindow = 30 * time.Second
	// paceSlack is the wait that is never taken for a queue: several activities that are scheduled at once have as much
	// while processors idle.
	paceSlack = 25 * time.Millisecond
	// paceGrowth is how many people more there is room for when as many activities as people have started without a wait.
	paceGrowth = 2
	// paceFull is how long after a decrease the engine counts as full.
	paceFull = 5 * time.Second
)

func newPace() *pace { return &pace{limit: paceFirst, known: paceMost, now: time.Now} }

// room is how many people may be in the engine where so many are, and whether it is full: whether they wait for one another.
// There is never room for many times as many as have shown that they do not wait (RFC 7661).
func (p *pace) room(now int) (people int, full bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = min(p.limit, paceFirst+2*float64(now))
	return int(p.limit), p.now().Before(p.full)
}

// people is the room found last.
func (p *pace) people() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return math.Floor(p.limit)
}

// note takes when an activity was scheduled and started, by the engine's clock.
func (p *pace) note(scheduled, started time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if scheduled.Before(p.decreased) {
		return // it had to wait for those who were too many then
	}
	if started.Sub(p.window) > paceWindow {
		p.before, p.least, p.window = p.least, 0, started
	}
	wait := started.Sub(scheduled)
	if p.least == 0 || wait < p.least {
		p.least = wait
	}
	base := p.least
	if p.before > 0 {
		base = min(base, p.before)
	}
	p.wait += (wait - p.wait) / 8
	switch {
	case p.wait > 2*base+paceSlack:
		p.limit = max(p.limit*0.8, paceLeast)
		p.wait, p.known = base, p.limit
		p.decreased, p.full = started, p.now().Add(paceFull)
	case p.limit < p.known:
		p.limit = min(p.limit+1, paceMost)
	default:
		p.limit = min(p.limit+paceGrowth/p.limit, paceMost)
	}
}

// paced is an activity whose wait is noted; only that of first attempts, which do not follow a back-off.
func paced[In, Out any](p *pace, run func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (Out, error) {
		if info := activity.GetInfo(ctx); info.Attempt == 1 {
			p.note(info.ScheduledTime, info.StartedTime)
		}
		return run(ctx, in)
	}
}
