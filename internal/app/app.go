// Package app puts Tenure together: the store, the domain's service, the HTTP API and the worker, started and stopped in
// order. The binary and the end-to-end tests start the same App. It knows no concrete connector: those come in by the
// registry.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sethvargo/go-retry"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"github.com/tenurehq/tenure/api"
	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/worker"
)

// App is one process of Tenure. Fill the fields, then Run.
type App struct {
	DatabaseURL string
	// Listen is the address of the HTTP API, of health and of metrics; empty: this process serves no API.
	Listen string
	// WorkerListen is the address of health and metrics of a worker without the API; empty: it serves none.
	WorkerListen string
	// Work says whether this process runs the worker, the relay and the sweeper.
	Work bool

	Temporal      client.Options
	TaskQueue     string
	Registry      connectors.Registry
	SweepInterval time.Duration
	ProbeInterval time.Duration
	Slots         int
	Log           *slog.Logger
	Now           func() time.Time // nil: time.Now
	Ready         func(App)        // called once everything runs; nil: nothing
	Address       string           // where the process listens, known when Ready is called; empty: nowhere
	Service       *lifecycle.Service
}

// patience is how long a start waits for a Postgres that cannot be reached: it may be starting too.
const patience = time.Minute

func (a *App) openStore(ctx context.Context) (*store.Store, error) {
	var s *store.Store
	backoff := retry.WithMaxDuration(patience, retry.WithCappedDuration(2*time.Second, retry.NewExponential(200*time.Millisecond)))
	err := retry.Do(ctx, backoff, func(ctx context.Context) (err error) {
		if s, err = store.Open(ctx, store.Options{URL: a.DatabaseURL}); store.Unreachable(err) {
			a.Log.WarnContext(ctx, "waiting for Postgres", "error", store.Loggable(err))
			return retry.RetryableError(err)
		}
		return err
	})
	return s, err
}

// Run starts what the App is to be and works until ctx ends or a part fails, then stops all of it: the API first, so
// that nothing new comes in, then the worker, then the connections.
func (a *App) Run(ctx context.Context) error {
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	waker := s.NewWaker()
	woken := waker.Woken
	var work *worker.Worker
	a.Service = lifecycle.New(s, lifecycle.Options{Now: a.Now, Woken: func() { woken() }})
	// The client connects when it is first used: the API takes events while Temporal is down.
	temporal, err := client.NewLazyClient(a.Temporal)
	if err != nil {
		return fmt.Errorf("configure Temporal: %w", err)
	}
	defer temporal.Close()
	metrics := newMetrics()
	if a.Work {
		work = worker.New(worker.Options{Client: temporal, Namespace: a.Temporal.Namespace, Service: a.Service, Registry: a.Registry,
			TaskQueue: a.TaskQueue, Log: a.Log, Metrics: metrics, SweepInterval: a.SweepInterval, ProbeInterval: a.ProbeInterval, Slots: a.Slots})
		woken = work.Woken
	}
	listener, err := a.listen(ctx)
	if err != nil {
		return err
	}
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { waker.Run(running); return nil })
	a.start(running, group, work, metrics, listener)
	if a.Ready != nil {
		a.Ready(*a)
	}
	return group.Wait()
}

// start starts the worker and the server, each if this process has one. The worker goes on until the API has finished
// what it took; a worker without the API shows its health and metrics until it has ended.
func (a *App) start(running context.Context, group *errgroup.Group, work *worker.Worker, metrics *prometheus.Registry, listener net.Listener) {
	last, end := context.WithCancel(context.WithoutCancel(running))
	options := api.Options{Service: a.Service, Log: a.Log, Registry: metrics, CheckTarget: CheckTarget(a.Registry)}
	switch {
	case a.Listen != "":
		group.Go(func() error {
			defer end()
			return serve(running, api.NewServer(api.New(options), a.Log), listener)
		})
		if work != nil {
			group.Go(func() error { return work.Run(last) })
		}
	case work != nil:
		group.Go(func() error {
			defer end()
			return work.Run(running)
		})
		if listener != nil {
			options.Ready = work.Check
			group.Go(func() error { return serve(last, api.NewServer(api.NewOperator(options), a.Log), listener) })
		}
	default:
		end()
	}
}

// newMetrics makes the one registry of the process, with what Go and the operating system tell of it.
func newMetrics() *prometheus.Registry {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return metrics
}

// listen opens the address of this process and notes it; nil when it is to listen nowhere.
func (a *App) listen(ctx context.Context) (net.Listener, error) {
	address, variable := a.Listen, "TENURE_LISTEN"
	if address == "" && a.Work {
		address, variable = a.WorkerListen, "TENURE_WORKER_LISTEN"
	}
	if address == "" {
		return nil, nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w: set %s to a free address", address, err, variable)
	}
	a.Address = listener.Addr().String()
	return listener, nil
}

// shutdownTime is how long requests have to end.
const shutdownTime = 15 * time.Second

func serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := server.Shutdown(bounded); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("stop HTTP: %w", err)
	}
	return nil
}
