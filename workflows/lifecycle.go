package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// lifecycle is the loop that Joiner, Mover and Leaver share: ask what differs, make it disappear, ask again. A leave
// that arrives pre-empts what runs; any other change is planned at once and reaches a busy target when its attempt ends.
type lifecycle struct {
	in      Input
	signals workflow.ReceiveChannel

	plan  Plan
	plans int // made by this run
	// stale is set by whatever the newest plan could not know: a poke, a superseded step, an outcome during a leave.
	stale   bool
	running map[string]Step // by target
	phase   workflow.Context
	cancel  workflow.CancelFunc
	label   Stage     // as last written to TenureStage
	due     time.Time // as last written to TenureDue
}

func newLifecycle(ctx workflow.Context, stage Stage, in Input) *lifecycle {
	l := &lifecycle{
		in:      in,
		label:   stage,
		signals: workflow.GetSignalChannel(ctx, SignalChanged),
		running: map[string]Step{},
	}
	// A run that continues another as new has its attributes already.
	attributes := workflow.GetTypedSearchAttributes(ctx)
	if label, ok := attributes.GetKeyword(AttributeStage); ok {
		l.label = Stage(label)
	}
	l.due, _ = attributes.GetTime(AttributeDue)
	l.phase, l.cancel = workflow.WithCancel(ctx)
	return l
}

func (l *lifecycle) run(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, QueryStatus, l.status); err != nil {
		return err
	}
	for {
		if err := l.replan(ctx); err != nil {
			return err // only a cancelled or corrupted run: Plan's own failures are waited out
		}
		if l.plan.Recover {
			return temporal.NewNonRetryableApplicationError("the database is behind this run: run `tenure recover`", "RecoverNeeded", nil)
		}
		l.dispatch(ctx)
		if l.finished() {
			return l.end()
		}
		if l.longWaitAhead(ctx) {
			return workflow.NewContinueAsNewError(ctx, Leaver, l.in)
		}
		if err := l.wait(ctx); err != nil {
			return err
		}
	}
}

// drain takes the pokes that have come, and keeps what is newest in them. It is the signals' only reader and does not
// yield, so that none is lost between looking and leaving.
func (l *lifecycle) drain() {
	var changed Changed
	for l.signals.ReceiveAsync(&changed) {
		l.in.Changed = l.in.Changed.merge(changed)
		l.stale = true
	}
}

// replan asks for the difference until it gets an answer. A failing Plan (the database is down) never fails the run.
func (l *lifecycle) replan(ctx workflow.Context) error {
	for delay := time.Second; ; delay = min(2*delay, 30*time.Second) {
		l.drain()
		l.stale = false
		l.plans++
		request := PlanRequest{
			Org:      l.in.Org,
			Identity: l.in.Identity,
			PlanID:   fmt.Sprintf("%s/%d", workflow.GetInfo(ctx).WorkflowExecution.RunID, l.plans),
			Seq:      l.in.Changed.Seq,
			AsOf:     laterOf(workflow.Now(ctx), l.in.Changed.Due),
			Urgent:   l.in.Changed.Urgent,
		}
		var plan Plan
		err := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, planOptions), ActivityPlan, request).Get(ctx, &plan)
		if err == nil {
			return l.accept(ctx, plan)
		}
		if temporal.IsCanceledError(err) {
			return err
		}
		// A new poke ends the wait: it may be a leave, and it means that the database is back.
		options := workflow.AwaitOptions{Timeout: delay, TimerOptions: workflow.TimerOptions{Summary: "plan again after a failure"}}
		if _, err := workflow.AwaitWithOptions(ctx, options, func() bool { return l.signals.Len() > 0 }); err != nil {
			return err
		}
	}
}

var planOptions = workflow.LocalActivityOptions{
	StartToCloseTimeout: 2 * time.Second,
	RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 1},
}

// accept takes a plan over. Only the beginning of a leave cancels what runs.
func (l *lifecycle) accept(ctx workflow.Context, plan Plan) error {
	if plan.Stage == StageLeaver && l.plan.Stage != StageLeaver && len(l.running) > 0 {
		l.cancel()
		l.phase, l.cancel = workflow.WithCancel(ctx)
	}
	l.plan = plan
	return l.upsert(ctx)
}

// dispatch starts the plan's steps on the targets that are idle. A busy target gets its step when its attempt ends.
func (l *lifecycle) dispatch(ctx workflow.Context) {
	for _, step := range l.plan.Steps {
		if _, busy := l.running[step.Target]; busy {
			continue
		}
		l.running[step.Target] = step
		request := ApplyRequest{Org: l.in.Org, Identity: l.in.Identity, Step: step}
		phase := l.phase
		workflow.Go(ctx, func(ctx workflow.Context) {
			var outcome Outcome
			err := workflow.ExecuteActivity(l.applyOptions(phase, step), ActivityApplyAccount, request).Get(ctx, &outcome)
			if err != nil && !temporal.IsCanceledError(err) {
				// ApplyAccount answers outcomes and asks for retries; any other end is a fault of ours, met with patience.
				_ = workflow.NewTimer(phase, 10*time.Second).Get(ctx, nil)
			}
			delete(l.running, step.Target)
			// In a leave every outcome may bring the next due time forward; elsewhere only a step that did not come to its
			// end leaves something the plan does not know, or one that a newer plan has another step behind.
			behind := slices.ContainsFunc(l.plan.Steps, func(s Step) bool { return s.Target == step.Target && s != step })
			if err != nil || outcome == OutcomeSuperseded || behind || l.plan.Stage == StageLeaver {
				l.stale = true
			}
			workflow.SetCurrentDetails(ctx, l.details())
		})
	}
	workflow.SetCurrentDetails(ctx, l.details())
}

func (l *lifecycle) applyOptions(ctx workflow.Context, step Step) workflow.Context {
	base := workflow.GetInfo(ctx).TaskQueueName
	options := workflow.ActivityOptions{
		TaskQueue: TargetsQueue(base),
		// The activity bounds its own attempt by step.Timeout; this is for a worker that is gone.
		StartToCloseTimeout: time.Duration(step.Timeout) + 5*time.Second,
		HeartbeatTimeout:    10 * time.Second,
		WaitForCancellation: true,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    200 * time.Millisecond,
			BackoffCoefficient: 2,
			MaximumInterval:    15 * time.Second,
		},
		Summary: fmt.Sprintf("%s: %s account", step.Target, step.Kind),
		Priority: temporal.Priority{
			PriorityKey: workflow.GetInfo(ctx).Priority.PriorityKey,
			FairnessKey: fairnessKey(l.in.Org, step.Target),
		},
	}
	if step.Urgent {
		options.TaskQueue = UrgentQueue(base)
		options.Priority.PriorityKey = 1
		if step.Kind == StepConfirm { // a second look at somebody who is out waits for those who are not
			options.Priority.PriorityKey = 2
		}
	}
	return workflow.WithActivityOptions(ctx, options)
}

// fairnessKey is at most 64 bytes, which is all that the engine takes.
func fairnessKey(org, target string) string {
	key := org + "/" + target
	return key[:min(len(key), 64)]
}

// wait returns when there is reason to plan again: a poke, the end of everything that ran, or the next due time.
func (l *lifecycle) wait(ctx workflow.Context) error {
	busy := len(l.running) > 0
	ready := func() bool { return l.signals.Len() > 0 || l.stale || (busy && len(l.running) == 0) }
	if l.plan.NextDue.IsZero() && busy {
		return workflow.Await(ctx, ready)
	}
	options := workflow.AwaitOptions{Timeout: time.Minute, TimerOptions: workflow.TimerOptions{Summary: "look again"}}
	if !l.plan.NextDue.IsZero() {
		options.Timeout = max(l.plan.NextDue.Sub(workflow.Now(ctx)), time.Millisecond)
		options.TimerOptions.Summary = fmt.Sprintf("%s at %s", l.plan.DueFor, l.plan.NextDue.UTC().Format(time.RFC3339))
	}
	_, err := workflow.AwaitWithOptions(ctx, options, ready)
	return err
}

// finished reports whether this run has nothing left to do or to wait for.
func (l *lifecycle) finished() bool {
	l.drain()
	return l.plan.Settled && len(l.running) == 0 && !l.stale
}

// end closes the run. A joiner or mover with operations that failed for good fails, visibly, after all its targets have
// settled; a leave never does.
func (l *lifecycle) end() error {
	if l.plan.Failed == 0 || l.plan.Stage == StageLeaver {
		return nil
	}
	return temporal.NewNonRetryableApplicationError(
		fmt.Sprintf("%d account(s) failed for good: see `tenure explain` for identity %s", l.plan.Failed, l.in.Identity),
		"OperationsFailed", nil)
}

// longWaitAhead reports whether to begin a new run before waiting: a waiting Leaver keeps its history, and its count of
// signals, short.
func (l *lifecycle) longWaitAhead(ctx workflow.Context) bool {
	l.drain()
	if len(l.running) > 0 || l.stale || l.plan.Stage != StageLeaver {
		return false
	}
	long := l.plan.NextDue.Sub(workflow.Now(ctx)) > 10*time.Minute && l.plans > 1
	return long || workflow.GetInfo(ctx).GetContinueAsNewSuggested()
}

// upsert keeps the search attributes true, at the cost of an event only when one changes.
func (l *lifecycle) upsert(ctx workflow.Context) error {
	var updates []temporal.SearchAttributeUpdate
	if l.plan.Label != "" && l.plan.Label != l.label {
		l.label = l.plan.Label
		updates = append(updates, AttributeStage.ValueSet(string(l.label)))
	}
	switch due := l.plan.NextDue.UTC().Truncate(time.Second); {
	case due.Equal(l.due):
	case l.plan.NextDue.IsZero():
		l.due = time.Time{}
		updates = append(updates, AttributeDue.ValueUnset())
	default:
		l.due = due
		updates = append(updates, AttributeDue.ValueSet(due))
	}
	if len(updates) == 0 {
		return nil
	}
	return workflow.UpsertTypedSearchAttributes(ctx, updates...)
}

// details is what an operator reads at the top of the run, in Markdown.
func (l *lifecycle) details() string {
	var lines []string
	for _, w := range l.plan.Waiting {
		lines = append(lines, fmt.Sprintf("waiting for target %s, %s since %s", w.Target, w.Code, w.Since.UTC().Format("2006-01-02 15:04 MST")))
	}
	if l.plan.Failed > 0 {
		lines = append(lines, fmt.Sprintf("%d failed for good: see `tenure explain %s`", l.plan.Failed, l.in.Identity))
	}
	if targets := l.busy(); len(targets) > 0 {
		lines = append(lines, "working on "+strings.Join(targets, ", "))
	}
	if !l.plan.NextDue.IsZero() {
		lines = append(lines, fmt.Sprintf("next: %s at %s", l.plan.DueFor, l.plan.NextDue.UTC().Format("2006-01-02 15:04:05 MST")))
	}
	if len(lines) == 0 {
		return "every target agrees"
	}
	return strings.Join(lines, "\n\n")
}

// busy names the targets that are being worked on, in order.
func (l *lifecycle) busy() []string { return workflow.DeterministicKeys(l.running) }

func (l *lifecycle) status() (Status, error) {
	return Status{Stage: l.label, PlanID: l.plan.ID, Running: l.busy(), Waiting: slices.Clone(l.plan.Waiting), NextDue: l.plan.NextDue}, nil
}
