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
	// Listen is the address of the HTTP API; empty: this process serves none.
	Listen string
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
	Address       string           // where the API listens, known when Ready is called
	Service       *lifecycle.Service
}

// Run starts what the App is to be and works until ctx ends or a part fails, then stops all of it: the API first, so
// that nothing new comes in, then the worker, then the connections.
func (a *App) Run(ctx context.Context) error {
	s, err := store.Open(ctx, store.Options{URL: a.DatabaseURL})
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
	if a.Work {
		work = worker.New(worker.Options{Client: temporal, Namespace: a.Temporal.Namespace, Service: a.Service, Registry: a.Registry,
			TaskQueue: a.TaskQueue, Log: a.Log, SweepInterval: a.SweepInterval, ProbeInterval: a.ProbeInterval, Slots: a.Slots})
		woken = work.Woken
	}
	var listener net.Listener
	if a.Listen != "" {
		if listener, err = new(net.ListenConfig).Listen(ctx, "tcp", a.Listen); err != nil {
			return fmt.Errorf("listen on %s: %w: set TENURE_LISTEN to a free address", a.Listen, err)
		}
	}
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { waker.Run(running); return nil })
	// The worker goes on until the API has finished what it took.
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorking()
	if work != nil {
		group.Go(func() error { return work.Run(working) })
	}
	if a.Listen == "" {
		group.Go(func() error { <-running.Done(); stopWorking(); return nil })
	} else {
		a.Address = listener.Addr().String()
		server := api.NewServer(api.New(api.Options{Service: a.Service, Log: a.Log, Registry: prometheus.NewRegistry()}), a.Log)
		group.Go(func() error {
			defer stopWorking()
			return serve(running, server, listener)
		})
	}
	if a.Ready != nil {
		a.Ready(*a)
	}
	return group.Wait()
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
