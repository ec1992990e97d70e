package connectors

import (
	"time"

	"golang.org/x/time/rate"
)

// costs are the limits that a request draws on: policy's rate, else what the vendor has published, less the part that
// joiners and movers leave to others.
func (p *Pacer) costs(charge Charge) []Cost {
	if p.rate != (Limit{}) {
		return []Cost{{p.rate, charge.Requests}}
	}
	costs := make([]Cost, 0, len(charge.Published))
	for _, c := range charge.Published {
		if c.Units > 0 {
			c.Requests -= c.Requests / leaveShare
			costs = append(costs, c)
		}
	}
	return costs
}

// limiter is the token bucket of a limit.
func (p *Pacer) limiter(limit Limit) *rate.Limiter {
	l := p.limiters[limit]
	if l == nil {
		l = newLimiter(limit)
		p.limiters[limit] = l
	}
	return l
}

// newLimiter makes a bucket that lets no more requests through in any length of time of the limit than it allows: a tenth
// of them at once, but enough for an attempt, and the others at the rate that fits them into the rest.
func newLimiter(limit Limit) *rate.Limiter {
	burst := burstOf(limit.Requests)
	return rate.NewLimiter(rate.Limit(float64(limit.Requests-burst+1)/limit.Per.Seconds()), burst)
}

func burstOf(requests int) int { return max(1, requests/10, min(requests, attemptRequests)) }

// delay is how long n tokens are to be waited for, or the whole bucket when it holds less.
func delay(l *rate.Limiter, now time.Time, n int) time.Duration {
	if l.Limit() == rate.Inf {
		return 0
	}
	missing := float64(min(n, l.Burst())) - l.TokensAt(now)
	return max(0, time.Duration(missing/float64(l.Limit())*float64(time.Second)))
}

// period is how long n tokens take to come.
func period(l *rate.Limiter, n int) time.Duration {
	return time.Duration(float64(n) / float64(l.Limit()) * float64(time.Second))
}

// spend takes the cost's tokens, those of the future where there are none: what leaves take so, others wait for. The debt
// is never more than the whole limit: what was sent longer ago than that does not count any more.
func spend(l *rate.Limiter, cost Cost, now time.Time) {
	n := min(cost.Units, cost.Requests+int(l.TokensAt(now)))
	for n > 0 {
		take := min(n, l.Burst())
		l.ReserveN(now, take)
		n -= take
	}
}

// window is a class of requests that the target counts from one moment to another, such as a minute, and of which it tells
// how many are left. It is nothing until the target has told.
type window struct {
	limit int
	// remaining is the least that was told in this window, less the requests whose answers were lost.
	remaining int
	ends      time.Time // zero while no answer of this window has come
	// flying are the requests that were taken and not answered. Those that the target counted before its latest answer are
	// not among them: they have been answered.
	flying int
	pace   *rate.Limiter // spreads what is left over the rest of the window
}

// left is how many requests joiners and movers may still make in this window.
func (w *window) left(now time.Time) int {
	if !w.ends.IsZero() && !now.Before(w.ends) { // the next begins with the next request
		w.remaining, w.ends = w.limit, time.Time{}
	}
	return w.remaining - w.flying - w.limit/leaveShare
}

// wait is how long a joiner's or mover's request must wait until there is room for so many, and how long it takes the
// window to have room for them again.
func (w *window) wait(now time.Time, room int) (wait, turn time.Duration) {
	if w.limit == 0 {
		return 0, 0
	}
	left := w.left(now)
	switch {
	case left > 0 && w.ends.IsZero():
		return delay(w.pace, now, room), period(w.pace, room) // at the pace of the window before, until an answer tells
	case left > 0:
		w.pace.SetLimitAt(now, rate.Limit(float64(left)/w.ends.Sub(now).Seconds()))
		return delay(w.pace, now, room), period(w.pace, room)
	case w.ends.IsZero():
		return firstPatience, 0 // the answers to what is under way will tell
	default:
		return w.ends.Sub(now), 0
	}
}

func (w *window) send(now time.Time, urgent bool) {
	w.flying++
	if w.limit > 0 && !urgent {
		w.pace.ReserveN(now, 1)
	}
}

func (w *window) lost() {
	w.flying--
	w.remaining--
}

// windowSlack is by how much two answers of one window may differ in when it ends: it is told in whole seconds, and
// answers take their time.
const windowSlack = 2 * time.Second

// answered takes what the answer to a request of the class tells.
func (w *window) answered(now time.Time, told Told) {
	w.flying--
	if told.Limit <= 0 {
		w.remaining--
		return
	}
	if w.limit != told.Limit {
		w.limit, w.ends = told.Limit, time.Time{}
		w.pace = rate.NewLimiter(rate.Inf, burstOf(told.Limit))
	}
	ends := now.Add(told.Reset)
	switch {
	case w.ends.IsZero() || ends.After(w.ends.Add(windowSlack)):
		w.remaining, w.ends = told.Remaining, ends
	case ends.Before(w.ends.Add(-windowSlack)):
		// An answer of the window before came late.
	default:
		w.remaining = min(w.remaining, told.Remaining)
		if ends.After(w.ends) {
			w.ends = ends
		}
	}
}
