package connectors

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Limit is how many requests a target takes in a length of time. The zero Limit is none.
type Limit struct {
	Requests int
	Per      time.Duration
}

// Charge is what one HTTP request counts for at its target.
type Charge struct {
	// Class names the requests that the target counts together and tells how many of are left (see Told).
	Class string
	// Requests is how many requests the target counts it as: 1, or the steps of a batch.
	Requests int
	// Published is what it takes from limits that the vendor has published. They hold until policy sets a rate.
	Published []Cost
}

// Cost is what a request takes from a limit, in the limit's own units.
type Cost struct {
	Limit
	Units int
}

// Told is what an answer says of its target's limits. The zero value says nothing.
type Told struct {
	// Limit is how many requests of the Charge's Class the target takes in the window that now runs; 0 when it does not
	// say. Remaining of them are left, and the window ends after Reset, counted from the answer on.
	Limit, Remaining int
	Reset            time.Duration
	// Stop is how long the target asks to be left alone after a refusal (429): nobody makes a request before it is over.
	// Everywhere says that this goes for every class of requests.
	Stop       time.Duration
	Everywhere bool
	// Ease is how long joiners and movers make no request, so that none has to be refused.
	Ease time.Duration
	// Extra is what the request took from published limits beyond its Charge.
	Extra []Cost
}

// HeldBackError is the cause of a KindThrottled of our own: the request was not sent, since the target has no room for it
// before RetryAfter is over.
type HeldBackError struct {
	RetryAfter time.Duration
}

func (h *HeldBackError) Error() string {
	return fmt.Sprintf("not sent: the target's rate has no room before %s are over", h.RetryAfter.Round(time.Millisecond))
}

// LongestStop bounds what a target may ask for: a mistaken Retry-After of a day must not keep leaves from it.
const LongestStop = 10 * time.Minute

// The bounds of waiting.
const (
	// firstPatience is how long an attempt's first request waits. Later ones wait longer: what has been done already would
	// have to be done again.
	firstPatience = time.Second
	// answerTime is kept of an attempt's time for the answer to a request that had to wait.
	answerTime = time.Second
	// attemptRequests are about as many as a joiner's attempt makes. It begins only when there is room for them: an attempt
	// that is torn apart wastes what it has sent.
	attemptRequests = 4
	// shortestTurn and longestQueue space out the attempts that are put off.
	shortestTurn = 20 * time.Millisecond
	longestQueue = 30 * time.Second
	// leaveShare is the part of each limit, one in so many, that joiners and movers leave to leaves and to others.
	leaveShare = 10
)

// Pacer keeps the requests that this process makes to one target within the target's limits: a rate from policy, or else
// those that the vendor has published; what answers tell is left of a window; and the times for which a refusal asks to be
// left alone. It outlives the connectors of the target, and is safe for concurrent use.
//
// A joiner's or mover's request waits its turn, or is not sent at all. A leave's never waits for a limit, but makes the
// others wait longer: access is taken away first. Only a refusal holds it up, for as long as the target asks.
//
// It counts what this process sends. Where several do, a rate holds for each of them; what a target tells of its windows
// is the use of all.
type Pacer struct {
	mu       sync.Mutex
	rate     Limit
	limiters map[Limit]*rate.Limiter
	whole    hold
	classes  map[string]*class
	turn     time.Time // of the attempt that was put off last
}

// hold is when requests may be made again.
type hold struct {
	stopped time.Time // by anybody
	eased   time.Time // by joiners and movers
}

// class is a class of requests.
type class struct {
	hold
	window window
}

// NewPacer makes a Pacer that knows no limit yet.
func NewPacer() *Pacer {
	return &Pacer{limiters: map[Limit]*rate.Limiter{}, classes: map[string]*class{}}
}

// SetRate sets policy's rate. The zero Limit leaves the vendor's published ones in force.
func (p *Pacer) SetRate(limit Limit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate != limit {
		p.rate, p.limiters = limit, map[Limit]*rate.Limiter{}
	}
}

// attemptKey is where a context holds its attempt.
type attemptKey struct{}

// attempt is what the requests of one attempt have in common.
type attempt struct {
	pacer  *Pacer
	urgent bool
	begun  atomic.Bool // a request was sent
}

// Attempt makes the context under which the requests of one attempt at an account are made. urgent says that they take
// something away from somebody who has left, or look whether the target is there at all.
func (p *Pacer) Attempt(ctx context.Context, urgent bool) context.Context {
	return context.WithValue(ctx, attemptKey{}, &attempt{pacer: p, urgent: urgent})
}

// PutOff answers how long a joiner's or mover's attempt should be put off, because the target has no room for what it will
// send; 0 when it may begin. Those that are put off get one turn after the other, so that they do not all come back at
// once.
func (p *Pacer) PutOff() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var wait, turn time.Duration
	look := func(w, t time.Duration) {
		if w > wait {
			wait, turn = w, t
		}
	}
	look(p.whole.wait(now, false), 0)
	for _, limiter := range p.limiters {
		look(delay(limiter, now, attemptRequests), period(limiter, attemptRequests))
	}
	for _, c := range p.classes {
		look(c.wait(now, false), 0)
		look(c.window.wait(now, attemptRequests))
	}
	if wait <= firstPatience {
		return 0
	}
	at := now.Add(wait)
	if next := p.turn.Add(max(turn, shortestTurn)); next.After(at) && next.Before(at.Add(longestQueue)) {
		at = next
	}
	p.turn = at
	return at.Sub(now)
}

// Take waits until a request may be sent. A connector calls it before each, with what the request counts for, and tells the
// Ticket of the answer. Its error is a *HeldBackError, or ctx's. Without an attempt in ctx it neither waits nor counts.
func Take(ctx context.Context, charge Charge) (*Ticket, error) {
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		return nil, nil
	}
	wait, ok := a.take(time.Now(), charge, a.patience(ctx))
	if !ok {
		return nil, &HeldBackError{RetryAfter: wait}
	}
	t := &Ticket{pacer: a.pacer, class: charge.Class}
	for wait > 0 {
		if err := sleep(ctx, wait); err != nil {
			t.Close()
			return nil, err
		}
		// The target may have asked meanwhile to be left alone.
		if wait = a.pacer.stopped(time.Now(), charge.Class); wait > a.patience(ctx) {
			t.Close()
			return nil, &HeldBackError{RetryAfter: wait}
		}
	}
	a.begun.Store(true)
	return t, nil
}

// patience is how long the attempt's next request may wait.
func (a *attempt) patience(ctx context.Context) time.Duration {
	most := time.Minute
	if deadline, ok := ctx.Deadline(); ok {
		most = time.Until(deadline) - answerTime
	}
	if !a.begun.Load() {
		most = min(most, firstPatience)
	}
	return max(most, 0)
}

// sleep waits, or answers ctx's error as soon as it has one.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take answers how long a request must wait, and counts it unless that is longer than it may.
func (a *attempt) take(now time.Time, charge Charge, patience time.Duration) (wait time.Duration, ok bool) {
	p, room := a.pacer, 1
	if !a.begun.Load() {
		room = attemptRequests
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.class(charge.Class)
	costs := p.costs(charge)
	wait = max(p.whole.wait(now, a.urgent), c.wait(now, a.urgent))
	if !a.urgent {
		for _, cost := range costs {
			wait = max(wait, delay(p.limiter(cost.Limit), now, cost.Units-1+room))
		}
		full, _ := c.window.wait(now, room)
		wait = max(wait, full)
	}
	if wait > patience {
		return wait, false
	}
	for _, cost := range costs {
		spend(p.limiter(cost.Limit), cost, now)
	}
	c.window.send(now, a.urgent)
	return wait, true
}

// stopped is how long a class of requests is still to be left alone.
func (p *Pacer) stopped(now time.Time, of string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.whole.wait(now, true), p.class(of).wait(now, true))
}

func (h hold) wait(now time.Time, urgent bool) time.Duration {
	wait := max(h.stopped.Sub(now), 0)
	if !urgent {
		wait = max(wait, h.eased.Sub(now))
	}
	return wait
}

// extend holds requests up until later, never until sooner.
func (h *hold) extend(now time.Time, stop, ease time.Duration) {
	if until := now.Add(min(stop, LongestStop)); until.After(h.stopped) {
		h.stopped = until
	}
	if until := now.Add(min(ease, LongestStop)); until.After(h.eased) {
		h.eased = until
	}
}

func (p *Pacer) class(name string) *class {
	if p.classes[name] == nil {
		p.classes[name] = &class{}
	}
	return p.classes[name]
}

// Ticket is a request that may be sent. The nil Ticket is one that nobody counts.
type Ticket struct {
	pacer  *Pacer
	class  string
	closed bool
}

// Answered takes what the answer tells.
func (t *Ticket) Answered(told Told) {
	if t == nil || t.closed {
		return
	}
	t.closed = true
	t.pacer.mu.Lock()
	defer t.pacer.mu.Unlock()
	now := time.Now()
	t.pacer.class(t.class).window.answered(now, told)
	t.pacer.heed(now, t.class, told)
}

// heed takes what is told of the target itself.
func (p *Pacer) heed(now time.Time, class string, told Told) {
	for _, cost := range p.costs(Charge{Published: told.Extra}) {
		spend(p.limiter(cost.Limit), cost, now)
	}
	if told.Everywhere {
		p.whole.extend(now, told.Stop, told.Ease)
		return
	}
	p.class(class).extend(now, told.Stop, told.Ease)
}

// Close ends a request without an answer, which may have been counted all the same. After Answered it does nothing.
func (t *Ticket) Close() {
	if t == nil || t.closed {
		return
	}
	t.closed = true
	t.pacer.mu.Lock()
	defer t.pacer.mu.Unlock()
	t.pacer.class(t.class).window.lost()
}

// Tell takes what the answer to a step of a batch tells of the target as a whole.
func Tell(ctx context.Context, told Told) {
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		return
	}
	told.Everywhere = true
	a.pacer.mu.Lock()
	defer a.pacer.mu.Unlock()
	a.pacer.heed(time.Now(), "", told)
}

// NotSent is the error of a request that Take did not let through.
func NotSent(err error, action, object string) *Error {
	e := &Error{Kind: KindUnavailable, Action: action, Object: object, Detail: err.Error(), Err: err}
	if held, ok := errors.AsType[*HeldBackError](err); ok {
		e.Kind, e.RetryAfter = KindThrottled, held.RetryAfter
	}
	return e
}
