package model

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/workflows"
)

// attempt is one attempt at an activity: the real ApplyAccount on a goroutine of its own, which runs only while the
// scheduler waits for it. It stands still before every request to the target, and again before it gets the answer.
type attempt struct {
	activity *activity
	process  int // the worker process it runs in
	number   int
	began    time.Time
	ctx      context.Context //nolint:containedctx // it is the attempt's life
	cancel   context.CancelFunc
	// lost is set when the engine has given it up while it lives on.
	lost     bool
	asked    *call // a request that has not reached the target
	answered *call // a request whose answer is on its way back
	ended    bool
	killed   bool
	outcome  workflows.Outcome
	err      error

	yield  chan struct{}
	resume chan bool // false: the process is dead
}

func (a *attempt) deadline() time.Time {
	return a.began.Add(time.Duration(a.activity.step.Timeout)).Add(-latest)
}

// latest keeps what must happen before a moment out of that moment.
const latest = time.Millisecond

// limit is by when every effect of the attempt has come.
func (a *attempt) limit() time.Time {
	return a.began.Add(time.Duration(a.activity.step.Timeout)).Add(settleLag).Add(-latest)
}

var errCut = errors.New("no answer")

func ambiguous(what string) error {
	return &connectors.Error{Kind: connectors.KindAmbiguous, Action: what, Err: errCut}
}

// ask runs on the attempt's goroutine: it hands the request to the scheduler and waits for what comes of it.
func (a *attempt) ask(ctx context.Context, c *call) (any, error) {
	if ctx.Err() != nil || a.activity.person.w.clock.now.After(a.deadline()) {
		return nil, ambiguous(c.what) // it is not sent any more
	}
	a.asked = c
	a.pause()
	return c.answer, c.err
}

func (a *attempt) pause() {
	a.yield <- struct{}{}
	if !<-a.resume {
		a.killed = true
		runtime.Goexit()
	}
}

// start runs the attempt up to its first request.
func (a *attempt) start(p *process) {
	a.yield, a.resume = make(chan struct{}), make(chan bool)
	a.ctx, a.cancel = context.WithCancel(context.WithValue(context.Background(), attemptKey{}, a))
	go func() {
		defer close(a.yield)
		defer a.cancel()
		value, err := activityEnvironment(a.ctx, p).ExecuteActivity(p.activities.ApplyAccount, a.activity.request())
		if err == nil {
			err = value.Get(&a.outcome)
		}
		a.err, a.ended = err, true
	}()
	a.await()
}

// await waits until the attempt stands still, has ended, or is dead.
func (a *attempt) await() { <-a.yield }

// proceed hands the attempt the answer to its request.
func (a *attempt) proceed() {
	a.answered = nil
	a.resume <- true
	a.await()
}

// kill ends the attempt's goroutine where it stands, as the end of its process does.
func (a *attempt) kill() {
	if a.ended || a.killed {
		return
	}
	a.asked, a.answered = nil, nil
	a.resume <- false
	for range a.yield {
	}
}

// retryDelay is how long the engine waits before the next attempt.
func (a *attempt) retryDelay() time.Duration {
	var application *temporal.ApplicationError
	if errors.As(a.err, &application) && application.NextRetryDelay() > 0 {
		return application.NextRetryDelay()
	}
	return min(200*time.Millisecond<<min(a.number-1, 10), 15*time.Second)
}

// activityEnvironment makes the context in which the SDK runs an activity.
func activityEnvironment(ctx context.Context, p *process) *testsuite.TestActivityEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx})
	env.RegisterActivity(p.activities.ApplyAccount)
	env.RegisterActivity(p.activities.ProbeTarget)
	return env
}
