package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

// sweeper finds what nothing else will: identities that are unsettled though no run works for them (a run terminated by
// hand, a restored Temporal), scheduled changes that are due, people whom a new policy affects, targets that are down
// and not probed.
type sweeper struct {
	client    client.Client
	service   *lifecycle.Service
	probes    *probes
	watermark *watermark
	relay     *relay
	every     time.Duration
	log       *slog.Logger
	metrics   *metrics
	again     *time.Timer // for the rest of a sweep that was cut into waves
}

const (
	// sweepBatch bounds the people looked at in one sweep: it is also the wave of a policy change.
	sweepBatch = 500
	// waveEvery is the pause between two waves.
	waveEvery = 2 * time.Second
	// dueEvery is how often scheduled changes are looked for.
	dueEvery = time.Second
	// trust is how long an open run is believed to be at work without being poked again.
	trust = 10 * time.Minute
	// answerTime bounds what a sweep asks of Temporal. One that has just come up may leave a question unanswered for long; the
	// next sweep asks again.
	answerTime = 5 * time.Second
)

func (s *sweeper) run(ctx context.Context) error {
	sweep, due := time.NewTicker(s.every), time.NewTicker(dueEvery)
	defer sweep.Stop()
	defer due.Stop()
	s.again = time.NewTimer(s.every)
	defer s.again.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-due.C:
			err = s.wakeDue(ctx)
		case <-sweep.C:
			err = errors.Join(s.watermark.check(ctx), s.sweep(ctx))
		case <-s.again.C:
			err = s.sweep(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.metrics.sweepFailures.Inc()
			s.log.WarnContext(ctx, "sweep", "error", store.Loggable(err))
		}
	}
}

// wakeDue pokes the people whose scheduled change is due.
func (s *sweeper) wakeDue(ctx context.Context) error {
	n, err := s.service.Store().EnqueueDue(ctx, s.service.Now(), sweepBatch)
	if n > 0 {
		s.metrics.pokes.WithLabelValues(pokedDue).Add(float64(n))
		s.relay.woken()
	}
	return err
}

func (s *sweeper) sweep(ctx context.Context) error {
	now := s.service.Now()
	found, err := s.service.Store().Sweep(ctx, now, now.Add(-s.every), sweepBatch)
	if err != nil {
		return err
	}
	poked := 0
	for _, u := range found {
		enqueued, err := s.look(ctx, u, now)
		if err != nil {
			return err
		}
		if enqueued {
			poked++
			s.metrics.pokes.WithLabelValues(pokedSwept).Inc()
		}
	}
	if poked > 0 {
		s.log.InfoContext(ctx, "sweep poked identities", "count", poked)
		s.relay.woken()
	}
	if len(found) == sweepBatch { // the next wave need not wait for the next sweep
		s.again.Reset(waveEvery)
	}
	if err := s.watch(ctx); err != nil {
		return err
	}
	s.metrics.sweeps.Inc()
	return nil
}

// look pokes an identity, unless a run is at work for it.
func (s *sweeper) look(ctx context.Context, u store.Unsettled, now time.Time) (bool, error) {
	if u.Due == nil {
		working, err := s.working(ctx, u, now)
		if err != nil {
			return false, err
		}
		if working {
			return false, s.service.Store().NoteSwept(ctx, u, now)
		}
	}
	return true, s.service.Store().EnqueueSwept(ctx, u)
}

// working reports whether a run is open for the identity that may be trusted to see to it.
func (s *sweeper) working(ctx context.Context, u store.Unsettled, now time.Time) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	description, err := s.client.DescribeWorkflowExecution(ctx, workflows.IdentityWorkflowID(u.Org, u.Identity.String()), "")
	if _, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	open := description.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	// From time to time it is poked once more, which does no harm.
	return open && u.PokedAt != nil && now.Sub(*u.PokedAt) < trust, nil
}

// watch sees to it that every target which is down is probed, and that nobody waits for one that is up.
func (s *sweeper) watch(ctx context.Context) error {
	down, err := s.service.Store().DownTargets(ctx)
	if err != nil {
		return err
	}
	for _, t := range down {
		if err := s.probes.Start(ctx, t.Org, t.Name); err != nil {
			return err
		}
	}
	waiting, err := s.service.Store().UpTargetsWaitedFor(ctx)
	if err != nil {
		return err
	}
	for _, t := range waiting {
		if err := s.service.PokeBlocked(ctx, t.Org, t.Name); err != nil {
			return err
		}
	}
	return nil
}
