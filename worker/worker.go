// Package worker runs Tenure's side of Temporal: it registers the workflows and the activities on their queues, runs the
// relay that hands the outbox to Temporal and the sweeper that finds what was lost, and shuts all of it down in order.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"

	"github.com/tenurehq/tenure/activities"
	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

// Options configure a Worker.
type Options struct {
	Client    client.Client
	Namespace string
	Service   *lifecycle.Service
	Registry  connectors.Registry
	TaskQueue string // of the workflows; empty: workflows.TaskQueue
	Log       *slog.Logger
	// Metrics receives what an operator sees of the relay and the sweeper; nil: nobody does.
	Metrics prometheus.Registerer
	// SweepInterval is how often lost work is looked for; 0 means 30 s. A poke is found missing after at most two sweeps.
	SweepInterval time.Duration
	// ProbeInterval is how often a target that is down is probed; 0 means 10 s.
	ProbeInterval time.Duration
	// Slots bounds the attempts at targets that run at once in this process; 0 means 40. Half as many again are kept for
	// leaves alone.
	Slots int
	// Workflows bounds the workflow tasks that run at once; 0 means 20.
	Workflows int
	// HeartbeatThrottle is the longest time between two heartbeats of an attempt, which carry the cancellation that a leave
	// waits for; 0 means 200 ms.
	HeartbeatThrottle time.Duration
}

func (o *Options) settle() {
	if o.TaskQueue == "" {
		o.TaskQueue = workflows.TaskQueue
	}
	if o.SweepInterval == 0 {
		o.SweepInterval = 30 * time.Second
	}
	if o.ProbeInterval == 0 {
		o.ProbeInterval = 10 * time.Second
	}
	if o.Slots == 0 {
		o.Slots = 40
	}
	if o.Workflows == 0 {
		o.Workflows = 20
	}
	if o.HeartbeatThrottle == 0 {
		o.HeartbeatThrottle = 200 * time.Millisecond
	}
}

// Worker is one process's share of the work.
type Worker struct {
	options Options
	relay   *relay
	sweeper *sweeper
	workers []worker.Worker
	begun   atomic.Bool
}

// New makes a Worker; Run starts it. It panics when Options.Metrics has the metrics of another Worker.
func New(options Options) *Worker {
	options.settle()
	probes := &probes{client: options.Client, taskQueue: options.TaskQueue, every: options.ProbeInterval}
	implementation := activities.New(options.Service, options.Registry, probes, options.Log)
	w := &Worker{options: options}
	pace := newPace()
	metrics := newMetrics(options.Metrics, pace)
	w.relay = &relay{client: options.Client, namespace: options.Namespace, store: options.Service.Store(), taskQueue: options.TaskQueue,
		log: options.Log, now: options.Service.Now, pace: pace, metrics: metrics,
		wakeUrgent: make(chan struct{}, 1), wakeOther: make(chan struct{}, 1)}
	w.sweeper = &sweeper{client: options.Client, service: options.Service, probes: probes, relay: w.relay, every: options.SweepInterval, log: options.Log,
		metrics:   metrics,
		watermark: &watermark{client: options.Client, service: options.Service, taskQueue: options.TaskQueue, log: options.Log}}
	w.workers = []worker.Worker{
		workflowWorker(options, w.planned(implementation)),
		targetsWorker(options, implementation, pace, workflows.TargetsQueue(options.TaskQueue), options.Slots),
		targetsWorker(options, implementation, pace, workflows.UrgentQueue(options.TaskQueue), max(options.Slots/2, 4)),
	}
	return w
}

// planned is the activity Plan. When it settles somebody, the relay may hand the engine the next.
func (w *Worker) planned(implementation *activities.Activities) func(context.Context, workflows.PlanRequest) (workflows.Plan, error) {
	return func(ctx context.Context, request workflows.PlanRequest) (workflows.Plan, error) {
		plan, err := implementation.Plan(ctx, request)
		if err == nil && plan.Settled {
			if id, err := uuid.Parse(request.Identity); err == nil {
				w.relay.turns.settled(request.Org, id)
			}
			signalTo(w.relay.wakeOther)
		}
		return plan, err
	}
}

// workflowWorker runs the workflows, and Plan as their local activity.
func workflowWorker(options Options, plan any) worker.Worker {
	w := worker.New(options.Client, options.TaskQueue, worker.Options{
		MaxConcurrentWorkflowTaskExecutionSize:  options.Workflows,
		MaxConcurrentWorkflowTaskPollers:        8,
		MaxConcurrentLocalActivityExecutionSize: options.Workflows,
		LocalActivityWorkerOnly:                 true,
		WorkerStopTimeout:                       10 * time.Second,
	})
	for _, run := range []func(workflow.Context, workflows.Input) error{workflows.Joiner, workflows.Mover, workflows.Leaver} {
		w.RegisterWorkflow(run)
	}
	w.RegisterWorkflow(workflows.ProbeTarget)
	w.RegisterActivityWithOptions(plan, activity.RegisterOptions{Name: workflows.ActivityPlan})
	return w
}

// targetsWorker runs the attempts at targets of one queue.
func targetsWorker(options Options, implementation *activities.Activities, pace *pace, queue string, slots int) worker.Worker {
	w := worker.New(options.Client, queue, worker.Options{
		DisableWorkflowWorker:              true,
		MaxConcurrentActivityExecutionSize: slots,
		MaxConcurrentActivityTaskPollers:   8,
		MaxHeartbeatThrottleInterval:       options.HeartbeatThrottle,
		DefaultHeartbeatThrottleInterval:   options.HeartbeatThrottle,
		WorkerStopTimeout:                  10 * time.Second,
	})
	w.RegisterActivityWithOptions(paced(pace, implementation.ApplyAccount), activity.RegisterOptions{Name: workflows.ActivityApplyAccount})
	w.RegisterActivityWithOptions(implementation.ProbeTarget, activity.RegisterOptions{Name: workflows.ActivityProbeTarget})
	return w
}

// Woken tells the relay that this process has just left something in the outbox; it never blocks.
func (w *Worker) Woken() { w.relay.woken() }

// Run works until ctx ends, then stops taking work and waits for what runs, at most its stop time-out. It begins when
// Temporal can be reached.
func (w *Worker) Run(ctx context.Context) error {
	if !w.ready(ctx) {
		return nil
	}
	for i, each := range w.workers {
		if err := each.Start(); err != nil {
			for _, started := range w.workers[:i] {
				started.Stop()
			}
			return fmt.Errorf("start worker: %w", err)
		}
	}
	w.begun.Store(true)
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return w.relay.run(running) })
	group.Go(func() error { return w.sweeper.run(running) })
	err := group.Wait()
	var stopping errgroup.Group
	for _, each := range w.workers {
		stopping.Go(func() error { each.Stop(); return nil })
	}
	_ = stopping.Wait()
	return err
}

// Check reports what keeps the worker from working: that Temporal cannot be reached, or that it has not begun.
func (w *Worker) Check(ctx context.Context) error {
	if _, err := w.options.Client.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return fmt.Errorf("reach Temporal: %w", err)
	}
	if !w.begun.Load() {
		return errors.New("the worker has not begun: it waits until Temporal serves its namespace")
	}
	return nil
}

// ready waits for Temporal, and does nothing before it knows whether the database was set back behind it; false means
// that ctx ended first.
func (w *Worker) ready(ctx context.Context) bool {
	for told := false; ; told = true {
		_, err := w.options.Client.CheckHealth(ctx, &client.CheckHealthRequest{})
		if err == nil {
			err = w.sweeper.watermark.check(ctx)
		}
		if err == nil {
			return true
		}
		if ctx.Err() == nil && !told {
			w.options.Log.WarnContext(ctx, "Temporal cannot be reached: events are taken, and worked on when it is back", "error", store.Loggable(err))
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(time.Second):
		}
	}
}
