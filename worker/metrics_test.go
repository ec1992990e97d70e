package worker

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/mocks"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/internal/testkit"
	"github.com/tenurehq/tenure/workflows"
)

func TestMetricsAreThereFromTheBeginning(t *testing.T) {
	t.Parallel()
	registry, pace := prometheus.NewPedanticRegistry(), newPace()
	newMetrics(registry, pace)
	for name, series := range map[string]int{"tenure_relay_deliveries_total": 5, "tenure_relay_delivery_failures_total": 5, "tenure_relay_room": 1,
		"tenure_sweeper_sweeps_total": 1, "tenure_sweeper_failures_total": 1, "tenure_sweeper_pokes_total": 2} {
		n, err := testutil.GatherAndCount(registry, name)
		require.NoError(t, err)
		require.Equal(t, series, n, name)
	}
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)

	require.InDelta(t, paceFirst, gathered(t, registry, "tenure_relay_room"), 0)
	at := time.Now()
	for range 20 {
		pace.note(at, at.Add(time.Millisecond))
	}
	require.Greater(t, gathered(t, registry, "tenure_relay_room"), float64(paceFirst), "it follows the pace")
	require.Panics(t, func() { newMetrics(registry, pace) }, "two workers' numbers would be taken for one's")
	require.NotPanics(t, func() { newMetrics(nil, pace) })
}

// gathered is the value of a metric that has one series.
func gathered(t *testing.T, registry prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// bench is a relay and a sweeper on a database of their own, with a Temporal that answers what a test says, and a clock
// that it advances.
type bench struct {
	service *lifecycle.Service
	relay   *relay
	sweeper *sweeper
	metrics *metrics
	ahead   atomic.Int64
}

func (b *bench) now() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) }

func (b *bench) advance(d time.Duration) { b.ahead.Add(int64(d)) }

func migrated(ctx context.Context, owner string) error { return store.Migrate(ctx, owner, "tenure") }

func newBench(t *testing.T, temporal *mocks.Client) *bench {
	t.Helper()
	db := testkit.PostgresFrom(t, migrated)
	s, err := store.Open(t.Context(), store.Options{URL: db.Serve})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	b := &bench{}
	b.service = lifecycle.New(s, lifecycle.Options{Now: b.now})
	b.metrics = newMetrics(nil, newPace())
	log := slog.New(slog.DiscardHandler)
	b.relay = &relay{client: temporal, store: s, log: log, now: b.now, pace: newPace(), metrics: b.metrics,
		wakeUrgent: make(chan struct{}, 1), wakeOther: make(chan struct{}, 1)}
	b.sweeper = &sweeper{client: temporal, service: b.service, relay: b.relay, every: time.Hour, log: log, metrics: b.metrics}
	return b
}

// joiner is somebody who begins in a week, in an organization that gives nobody anything.
func (b *bench) joiner(t *testing.T) uuid.UUID {
	t.Helper()
	const org = "acme"
	require.NoError(t, b.service.Store().CreateOrganization(t.Context(), org, org))
	parsed, err := policy.Parse(policy.File{Name: "p.yaml", Data: []byte("organization: " + org + "\ntimeZone: UTC\n")})
	require.NoError(t, err)
	_, err = b.service.ApplyPolicy(t.Context(), org, lifecycle.Caller{Actor: "test"}, parsed, 0)
	require.NoError(t, err)
	data, err := json.Marshal(map[string]any{"employeeId": "1", "startDate": b.now().UTC().AddDate(0, 0, 7).Format(time.DateOnly)})
	require.NoError(t, err)
	event, err := identity.ParseEventData(identity.WorkerJoined, data)
	require.NoError(t, err)
	event.Source, event.ID, event.Type, event.Time = "hr", "1", identity.WorkerJoined, b.now()
	receipt, err := b.service.Accept(t.Context(), org, lifecycle.Caller{Actor: "test"}, event)
	require.NoError(t, err)
	return receipt.Identity
}

// TestMetricsCountTheWork follows one joiner: a poke that Temporal refuses first, a run that is lost, a start that is due.
func TestMetricsCountTheWork(t *testing.T) {
	t.Parallel()
	temporal := &mocks.Client{}
	handed := temporal.On("SignalWithStartWorkflow", mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything)
	handed.Return(nil, errors.New("refused")).Once()
	temporal.On("SignalWithStartWorkflow", mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).
		Return(&mocks.WorkflowRun{}, nil)
	temporal.On("DescribeWorkflowExecution", mock.Anything, mock.Anything, "").Return(nil, serviceerror.NewNotFound("no such run"))
	b := newBench(t, temporal)
	id := b.joiner(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.relay.run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-ended) })

	b.counts(t, b.metrics.deliveryFailures.WithLabelValues("change"), 1)
	b.advance(time.Minute) // past the pause after a failure
	b.counts(t, b.metrics.deliveries.WithLabelValues("change"), 1)
	b.emptied(t)

	b.advance(2 * b.sweeper.every)
	require.NoError(t, b.sweeper.sweep(ctx))
	b.counts(t, b.metrics.pokes.WithLabelValues("swept"), 1)
	b.counts(t, b.metrics.sweeps, 1)
	b.counts(t, b.metrics.deliveries.WithLabelValues("reconcile"), 1)
	b.emptied(t)

	plan, err := b.service.Plan(ctx, workflows.PlanRequest{Org: "acme", Identity: id.String(), PlanID: uuid.NewString() + "/1", AsOf: b.now()})
	require.NoError(t, err)
	require.True(t, plan.Settled)
	require.NoError(t, b.sweeper.wakeDue(ctx))
	b.counts(t, b.metrics.pokes.WithLabelValues("due"), 0)
	b.advance(8 * 24 * time.Hour)
	require.NoError(t, b.sweeper.wakeDue(ctx))
	b.counts(t, b.metrics.pokes.WithLabelValues("due"), 1)
	b.counts(t, b.metrics.deliveries.WithLabelValues("change"), 2)
	b.counts(t, b.metrics.deliveryFailures.WithLabelValues("change"), 1)
}

// counts waits until a counter has the value.
func (*bench) counts(t *testing.T, counter prometheus.Counter, value float64) {
	t.Helper()
	require.Eventually(t, func() bool { return testutil.ToFloat64(counter) >= value }, 10*time.Second, 5*time.Millisecond)
	require.InDelta(t, value, testutil.ToFloat64(counter), 0)
}

// emptied waits until what was delivered is deleted from the outbox.
func (b *bench) emptied(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		depth, _, err := b.service.Store().OutboxDepth(t.Context(), b.now())
		return err == nil && len(depth) == 0
	}, 10*time.Second, 5*time.Millisecond)
}

func TestMetricsCountSweepsThatFail(t *testing.T) {
	t.Parallel()
	b := newBench(t, &mocks.Client{})
	b.service.Store().Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.sweeper.run(ctx) }()
	require.Eventually(t, func() bool { return testutil.ToFloat64(b.metrics.sweepFailures) >= 1 }, 10*time.Second, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
	require.Zero(t, testutil.ToFloat64(b.metrics.sweeps))
}
