package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/scim"
	"github.com/tenurehq/tenure/internal/app"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
)

// writers is how many events are handed in at once, and how many runs are started at once, as by the product's relay.
const writers = 16

// product is Tenure as `tenure serve` runs it, in this process, with one organization.
type product struct {
	form

	db      database
	targets targets
	service *lifecycle.Service
	url     string // of the API
	people  atomic.Int64

	cancel context.CancelFunc
	ended  chan error
	worker *workerProcess // nil without one
}

// form is how a product runs.
type form struct {
	org    string
	work   bool   // the worker too, in this process
	binary string // the program that runs the worker in a process of its own; "" for none
}

// startProduct starts Tenure on a database of its own, and on targets that it stops in the end.
func startProduct(ctx context.Context, s *servers, f form, on targets) (*product, error) {
	p := &product{form: f, targets: on, ended: make(chan error, 1)}
	var err error
	if p.db, err = s.newDatabase(ctx); err != nil {
		return nil, err
	}
	queue := queueName(p.org)
	if p.binary != "" {
		if p.worker, err = startWorker(p.binary, s, p.db, queue); err != nil {
			return nil, err
		}
	}
	running, cancel := context.WithCancel(ctx)
	p.cancel = cancel
	ready := make(chan app.App, 1)
	a := &app.App{DatabaseURL: p.db.serve, Listen: "127.0.0.1:0", Work: p.work, Temporal: s.options, TaskQueue: queue,
		Registry: connectors.Registry{"scim": scim.Definition()}, Ready: func(a app.App) { ready <- a },
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	go func() { p.ended <- a.Run(running) }()
	select {
	case started := <-ready:
		p.service, p.url = started.Service, "http://"+started.Address
	case err := <-p.ended:
		cancel()
		return nil, errors.Join(errors.New("the product did not start"), err)
	}
	return p, p.addOrganization(ctx, p.org)
}

// queueName keeps runs on a shared server apart.
func queueName(of string) string { return "bench-" + of + "-" + uuid.NewString()[:8] }

func (p *product) addOrganization(ctx context.Context, org string) error {
	if err := p.service.Store().CreateOrganization(ctx, org, org); err != nil {
		return err
	}
	parsed, err := policy.Parse(policy.File{Name: "bench.yaml", Data: []byte(p.targets.policyText(org, "person.title"))})
	if err != nil {
		return err
	}
	_, err = p.service.ApplyPolicy(ctx, org, lifecycle.Caller{Actor: "bench"}, parsed, 0)
	return err
}

// stopAfter runs fn, then stops the product.
func (p *product) stopAfter(fn func() error) error {
	err := fn()
	if p.worker != nil {
		err = errors.Join(err, p.worker.stop())
	}
	p.cancel()
	err = errors.Join(err, <-p.ended)
	p.db.admin.Close()
	p.targets.stop()
	return err
}

// joiner is a person of whom nobody has heard yet: the data of an event.
func (p *product) joiner() (identity.Event, error) {
	return joinerOf(p.people.Add(1))
}

func joinerOf(n int64) (identity.Event, error) {
	return event(identity.WorkerJoined, map[string]any{"employeeId": employeeID(n), "givenName": "Given",
		"familyName": familyName(n), "displayName": displayName(n), "email": fmt.Sprintf("p%06d@example.com", n),
		"workerType": "employee", "department": "Sales", "title": "Clerk", "startDate": "2020-01-01"})
}

func employeeID(n int64) string  { return fmt.Sprintf("E%06d", n) }
func familyName(n int64) string  { return fmt.Sprintf("Family%06d", n) }
func displayName(n int64) string { return "Given " + familyName(n) }
func userName(n int64) string    { return fmt.Sprintf("given.family%06d", n) } // as the policy makes it

func event(kind identity.EventType, data map[string]any) (identity.Event, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return identity.Event{}, err
	}
	e, err := identity.ParseEventData(kind, raw)
	e.Source, e.ID, e.Time = "hr", uuid.NewString(), time.Now()
	return e, err
}

// accept hands n joiners in, several at once.
func (p *product) accept(ctx context.Context, org string, n int) error {
	return inParallel(ctx, n, func(ctx context.Context, _ int) error {
		e, err := p.joiner()
		if err != nil {
			return err
		}
		_, err = p.service.Accept(ctx, org, lifecycle.Caller{Actor: "bench"}, e)
		return err
	})
}

// settled counts the people for whom there is nothing left to do.
func (p *product) settled(ctx context.Context) (n int, err error) {
	err = p.db.admin.QueryRow(ctx, `select count(*) from identities where org = $1 and settled_version >= version`, p.org).Scan(&n)
	return n, err
}

// round brings n joiners from their events to accounts that were read back in three targets.
func (p *product) round(ctx context.Context, n int) (time.Duration, error) {
	return p.roundWithin(ctx, n, roundLimit)
}

func (p *product) roundWithin(ctx context.Context, n int, within time.Duration) (time.Duration, error) {
	before, err := p.settled(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := p.accept(ctx, p.org, n); err != nil {
		return 0, err
	}
	err = await(ctx, within, "the product's joiners have settled", func() (bool, error) {
		now, err := p.settled(ctx)
		return now >= before+n, err
	})
	return time.Since(began), err
}

// check holds what the targets have against the people who have come.
func (p *product) check() error { return p.targets.check(int(p.people.Load())) }

// inParallel calls fn for 0 to n-1, as many at once as there are writers.
func inParallel(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for i := range n {
		group.Go(func() error { return fn(ctx, i) })
	}
	return group.Wait()
}

const (
	roundLimit = 3 * time.Minute // a round that takes longer is broken
	lookEvery  = 20 * time.Millisecond
)

// await looks until the condition holds.
func await(ctx context.Context, within time.Duration, what string, condition func() (bool, error)) error {
	deadline := time.Now().Add(within)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		if ok, err := condition(); ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %s", within, what)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
