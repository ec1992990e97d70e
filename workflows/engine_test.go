package workflows_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/tenurehq/tenure/workflows"
)

const (
	org        = "acme"
	identityID = "0f8fad5b-d9cb-469f-a165-70867728950e"
	taskQueue  = "q"
)

// start is when every test's run begins.
var start = time.Date(2026, time.March, 2, 8, 0, 0, 0, time.UTC)

// engine runs one workflow on Temporal's time-skipping test environment, with Plan and ApplyAccount registered by their
// names. Between the workflow and the environment it stands in for what the environment does not play: attempts that
// take time, and cancellation as the real engine delivers it (WaitForCancellation: the workflow hears of the end of an
// attempt when the attempt has ended, not when it asked). It watches everything that the run does.
type engine struct {
	t   require.TestingT
	env *testsuite.TestWorkflowEnvironment

	// plan answers the nth call of Plan, counted from 1.
	plan func(n int, request workflows.PlanRequest) (workflows.Plan, error)
	// attempt says how an attempt goes; unset, it takes a second and is applied.
	attempt func(a *attempt)
	// planTakes is how long a call of Plan lasts.
	planTakes time.Duration

	mu       sync.Mutex
	requests []workflows.PlanRequest
	planned  []time.Time
	local    []workflow.LocalActivityOptions
	attempts []*attempt
	running  map[string]*attempt
	overlaps []string // targets at which two attempts ran at once
	most     int      // attempts that ran at once, at all targets
	timers   []timer
	upserts  []temporal.SearchAttributes // one an event
	shown    temporal.SearchAttributes   // what they add up to
	signals  []workflows.Changed         // that the run was handed
}

// attempt is one activity ApplyAccount, as seen from outside.
type attempt struct {
	Request    workflows.ApplyRequest
	Step       workflows.Step
	Options    workflow.ActivityOptions
	Began      time.Time
	Ended      time.Time // zero while it runs
	CancelAt   time.Time // when the run asked for its cancellation
	Executions int       // by the engine, its own retries counted

	takes    time.Duration // until it answers
	lag      time.Duration // from the request for cancellation to the end
	answer   workflows.Outcome
	failures []error                  // that it answers before
	commit   func() workflows.Outcome // answers instead of answer, when set
}

type timer struct {
	At      time.Time
	For     time.Duration
	Summary string
}

func newEngine(t require.TestingT) *engine {
	suite := &testsuite.WorkflowTestSuite{}
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	e := &engine{t: t, env: suite.NewTestWorkflowEnvironment(), running: map[string]*attempt{}}
	e.env.SetStartTime(start)
	e.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: workflows.IdentityWorkflowID(org, identityID), TaskQueue: taskQueue})
	e.env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&watching{engine: e}}})
	e.env.RegisterActivityWithOptions(e.answerPlan, activity.RegisterOptions{Name: workflows.ActivityPlan})
	e.env.RegisterActivityWithOptions(e.answerApply, activity.RegisterOptions{Name: workflows.ActivityApplyAccount})
	return e
}

// startedAs sets the attributes that the relay starts a run with.
func (e *engine) startedAs(stage workflows.Stage) {
	require.NoError(e.t, e.env.SetTypedSearchAttributesOnStart(temporal.NewSearchAttributes(
		workflows.AttributeOrg.ValueSet(org), workflows.AttributeIdentity.ValueSet(identityID), workflows.AttributeStage.ValueSet(string(stage)))))
}

// run runs the workflow to its end and answers how it ended.
func (e *engine) run(definition any) error {
	e.env.ExecuteWorkflow(definition, workflows.Input{Org: org, Identity: identityID})
	require.True(e.t, e.env.IsWorkflowCompleted())
	return e.env.GetWorkflowError()
}

// at does something after a time, counted from the run's start.
func (e *engine) at(after time.Duration, do func()) { e.env.RegisterDelayedCallback(do, after) }

func (e *engine) poke(seq int64) {
	e.env.SignalWorkflow(workflows.SignalChanged, workflows.Changed{Seq: seq})
}

// pokeQuietly sends a signal that the run sees together with whatever comes next.
func (e *engine) pokeQuietly(seq int64) {
	e.env.SignalWorkflowSkippingWorkflowTask(workflows.SignalChanged, workflows.Changed{Seq: seq})
}

func (e *engine) status() workflows.Status {
	value, err := e.env.QueryWorkflow(workflows.QueryStatus)
	require.NoError(e.t, err)
	var status workflows.Status
	require.NoError(e.t, value.Get(&status))
	return status
}

// details is what an operator reads at the top of the run.
func (e *engine) details() string {
	value, err := e.env.QueryWorkflow("__temporal_workflow_metadata")
	require.NoError(e.t, err)
	var metadata sdkpb.WorkflowMetadata
	require.NoError(e.t, value.Get(&metadata))
	return metadata.GetCurrentDetails()
}

func (e *engine) since(t time.Time) time.Duration { return t.Sub(start) }

// of are the attempts at a target, in order.
func (e *engine) of(target string) []*attempt {
	var found []*attempt
	for _, a := range e.attempts {
		if a.Step.Target == target {
			found = append(found, a)
		}
	}
	return found
}

func (e *engine) stages() []string {
	var values []string
	for _, u := range e.upserts {
		if v, ok := u.GetKeyword(workflows.AttributeStage); ok {
			values = append(values, v)
		}
	}
	return values
}

// continued decodes how a run continued as new; ok is false when it did not.
func continued(err error) (name string, in workflows.Input, ok bool) {
	var again *workflow.ContinueAsNewError
	if !errors.As(err, &again) {
		return "", in, false
	}
	err = converter.GetDefaultDataConverter().FromPayloads(again.Input, &in)
	return again.WorkflowType.Name, in, err == nil
}

func (e *engine) answerPlan(_ context.Context, request workflows.PlanRequest) (workflows.Plan, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.requests = append(e.requests, request)
	plan, err := e.plan(len(e.requests), request)
	if plan.ID == "" {
		plan.ID = request.PlanID
	}
	return plan, err
}

func (e *engine) answerApply(_ context.Context, request workflows.ApplyRequest) (workflows.Outcome, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.running[request.Step.Target]
	a.Executions++
	if a.Executions <= len(a.failures) {
		return "", a.failures[a.Executions-1]
	}
	if a.commit != nil {
		return a.commit(), nil
	}
	return a.answer, nil
}

func (e *engine) begin(ctx workflow.Context, request workflows.ApplyRequest) *attempt {
	a := &attempt{Request: request, Step: request.Step, Options: workflow.GetActivityOptions(ctx), Began: workflow.Now(ctx),
		takes: time.Second, lag: 50 * time.Millisecond, answer: workflows.OutcomeApplied}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running[a.Step.Target] != nil {
		e.overlaps = append(e.overlaps, a.Step.Target)
	}
	e.running[a.Step.Target] = a
	e.most = max(e.most, len(e.running))
	e.attempts = append(e.attempts, a)
	if e.attempt != nil {
		e.attempt(a)
	}
	return a
}

func (e *engine) end(ctx workflow.Context, a *attempt) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a.Ended = workflow.Now(ctx)
	if e.running[a.Step.Target] == a {
		delete(e.running, a.Step.Target)
	}
}

// play plays an activity ApplyAccount as the engine and a worker would.
func (e *engine) play(ctx workflow.Context, a *attempt, execute func(workflow.Context) workflow.Future) workflow.Future {
	future, settle := workflow.NewFuture(ctx)
	own, _ := workflow.NewDisconnectedContext(ctx)
	workflow.Go(own, func(own workflow.Context) {
		cancelled := false
		workflow.NewSelector(own).
			AddFuture(workflow.NewTimer(own, a.takes), func(workflow.Future) {}).
			AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) { cancelled = true }).
			Select(own)
		if cancelled {
			a.CancelAt = workflow.Now(own)
			if !a.Options.WaitForCancellation {
				settle.SetError(temporal.NewCanceledError())
			}
			_ = workflow.Sleep(own, a.lag)
			e.end(own, a)
			if a.Options.WaitForCancellation {
				settle.SetError(temporal.NewCanceledError())
			}
			return
		}
		var outcome workflows.Outcome
		err := execute(own).Get(own, &outcome)
		e.end(own, a)
		settle.Set(outcome, err)
	})
	return future
}

// watching puts the engine between the workflow and the environment.
type watching struct {
	interceptor.WorkerInterceptorBase
	engine *engine
}

func (w *watching) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &inbound{interceptor.WorkflowInboundInterceptorBase{Next: next}, w.engine}
}

type inbound struct {
	interceptor.WorkflowInboundInterceptorBase
	engine *engine
}

func (i *inbound) Init(out interceptor.WorkflowOutboundInterceptor) error {
	return i.Next.Init(&outbound{interceptor.WorkflowOutboundInterceptorBase{Next: out}, i.engine})
}

func (i *inbound) HandleSignal(ctx workflow.Context, in *interceptor.HandleSignalInput) error {
	var changed workflows.Changed
	if err := converter.GetDefaultDataConverter().FromPayloads(in.Arg, &changed); err != nil {
		return err
	}
	i.engine.signals = append(i.engine.signals, changed)
	return i.Next.HandleSignal(ctx, in)
}

type outbound struct {
	interceptor.WorkflowOutboundInterceptorBase
	engine *engine
}

func (o *outbound) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	request, ok := args[0].(workflows.ApplyRequest)
	if name != workflows.ActivityApplyAccount || !ok {
		return o.Next.ExecuteActivity(ctx, name, args...)
	}
	return o.engine.play(ctx, o.engine.begin(ctx, request), func(own workflow.Context) workflow.Future {
		return o.Next.ExecuteActivity(own, name, args...)
	})
}

func (o *outbound) ExecuteLocalActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	o.engine.planned = append(o.engine.planned, workflow.Now(ctx))
	o.engine.local = append(o.engine.local, workflow.GetLocalActivityOptions(ctx))
	if o.engine.planTakes == 0 {
		return o.Next.ExecuteLocalActivity(ctx, name, args...)
	}
	future, settle := workflow.NewFuture(ctx)
	workflow.Go(ctx, func(ctx workflow.Context) {
		if err := workflow.Sleep(ctx, o.engine.planTakes); err != nil {
			settle.SetError(err)
			return
		}
		settle.Chain(o.Next.ExecuteLocalActivity(ctx, name, args...))
	})
	return future
}

func (o *outbound) NewTimerWithOptions(ctx workflow.Context, d time.Duration, options workflow.TimerOptions) workflow.Future {
	o.engine.timers = append(o.engine.timers, timer{At: workflow.Now(ctx), For: d, Summary: options.Summary})
	return o.Next.NewTimerWithOptions(ctx, d, options)
}

func (o *outbound) UpsertTypedSearchAttributes(ctx workflow.Context, updates ...temporal.SearchAttributeUpdate) error {
	o.engine.upserts = append(o.engine.upserts, temporal.NewSearchAttributes(updates...))
	o.engine.shown = temporal.NewSearchAttributes(append([]temporal.SearchAttributeUpdate{o.engine.shown.Copy()}, updates...)...)
	return o.Next.UpsertTypedSearchAttributes(ctx, updates...)
}
