package model

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/activities"
	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/internal/testkit"
)

// base is when every storm begins: after any moment that the database's own clock writes.
var base = time.Date(2040, 3, 5, 9, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant, as far as Go can

// stamp writes a moment as what has passed since the beginning.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Sub(base).Round(time.Millisecond).String()
}

// clock is the one clock of a world, which only the scheduler moves.
type clock struct{ now time.Time }

// laboratory is a database with its organizations, in which one world after the other takes place.
type laboratory struct {
	clock   *clock
	admin   *pgx.Conn
	store   *store.Store
	service *lifecycle.Service
	layouts []layout
	variant variant
}

func migrate(ctx context.Context, ownerURL string) error {
	return store.Migrate(ctx, ownerURL, "tenure")
}

func newLaboratory(t testing.TB, v variant) *laboratory {
	t.Helper()
	db := testkit.PostgresFrom(t, migrate)
	l := &laboratory{clock: &clock{now: base}, variant: v}
	var err error
	l.admin, err = pgx.Connect(t.Context(), db.Admin)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.admin.Close(context.Background()) })
	// Nothing here dies with the server: what is tested is the order of transactions, not their durability.
	_, err = l.admin.Exec(t.Context(), `do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$`)
	require.NoError(t, err)
	l.store, err = store.Open(t.Context(), store.Options{URL: db.Serve, MaxConns: 2, UrgentConns: 2})
	require.NoError(t, err)
	t.Cleanup(l.store.Close)
	l.service = lifecycle.New(l.store, lifecycle.Options{Now: func() time.Time { return l.clock.now }})
	for _, made := range layouts() {
		require.NoError(t, l.store.CreateOrganization(t.Context(), made.org, made.org))
		made.policy, err = policy.Parse(policy.File{Name: "policy.yaml", Data: []byte(made.text)})
		require.NoError(t, err)
		_, err = l.service.ApplyPolicy(t.Context(), made.org, lifecycle.Caller{Actor: "model"}, made.policy, 0)
		require.NoError(t, err)
		l.layouts = append(l.layouts, made)
	}
	if v.sql != "" {
		_, err = l.admin.Exec(t.Context(), v.sql)
		require.NoError(t, err)
	}
	return l
}

// reset empties the organizations for the next world.
func (l *laboratory) reset(ctx context.Context) error {
	_, err := l.admin.Exec(ctx, `delete from audit; delete from operations; delete from grants; delete from plans; delete from outbox;
		delete from accounts; delete from names; delete from source_links; delete from source_records; delete from cases; delete from identities;
		update targets set health = 'up' where health <> 'up'; update organizations set held_since = null where held_since is not null;`+l.variant.resetSQL)
	return err
}

// process is one worker process.
type process struct {
	activities *activities.Activities
	relay      relay
}

// person is somebody of whom events speak.
type person struct {
	w        *world
	employee string
	id       uuid.UUID // zero until an event was accepted
	entries  []identity.Entry
	run      *run
	runs     int
	told     int64 // the newest version that the engine was told of
	habit    int
	// proven is set while the rows say that the person has left and everything is confirmed.
	proven bool
}

// world is one interleaving: what happens to a few people in a few targets.
type world struct {
	*laboratory
	ctx       context.Context //nolint:containedctx // of the test
	seed      uint64
	random    *rand.Rand
	nature    nature
	org       string
	policy    *policy.Policy
	people    []*person
	systems   []*system
	processes []*process
	attempts  []*attempt // alive, in the order of their beginning
	probing   map[string]bool
	sweeper   sweeper
	arrivals  []identity.Event
	steps     int
	storm     bool
	log       []string
	failure   string
}

func newWorld(ctx context.Context, l *laboratory, seed uint64) *world {
	w := &world{laboratory: l, ctx: ctx, seed: seed, random: rand.New(rand.NewPCG(seed, 0)), probing: map[string]bool{}, storm: true}
	l.clock.now = base
	chosen := l.layouts[w.pick(4, 3, 2)]
	w.org, w.policy = chosen.org, chosen.policy
	w.nature = w.newNature()
	for _, target := range w.policy.Targets() {
		w.systems = append(w.systems, &system{w: w, name: target.Name, strict: w.chance(0.7)})
	}
	for range 2 {
		w.processes = append(w.processes, w.newProcess())
	}
	for n := range 1 + w.pick(8, 2, 1) {
		w.people = append(w.people, &person{w: w, employee: fmt.Sprintf("E%d", n+1)})
	}
	w.write()
	return w
}

func (w *world) newProcess() *process {
	registry := connectors.Registry{"memory": {New: func(settings connectors.Settings) (connectors.Connector, error) {
		return connector{w.system(settings["name"].(string))}, nil
	}}}
	return &process{activities: activities.New(w.service, registry, probes{w}, slog.New(slog.DiscardHandler))}
}

func (w *world) system(name string) *system {
	return w.systems[slices.IndexFunc(w.systems, func(s *system) bool { return s.name == name })]
}

// personOf finds whom an identity is.
func (w *world) personOf(id uuid.UUID) *person {
	i := slices.IndexFunc(w.people, func(p *person) bool { return p.id == id })
	if i < 0 {
		return nil
	}
	return w.people[i]
}

// probes is the Schedules of targets that are down.
type probes struct{ w *world }

func (p probes) Start(_ context.Context, _, target string) error {
	p.w.probing[target] = true
	return nil
}

func (p probes) Stop(_ context.Context, _, target string) error {
	delete(p.w.probing, target)
	return nil
}

// chance is true with a probability.
func (w *world) chance(p float64) bool { return w.random.Float64() < p }

// pick answers an index by weight.
func (w *world) pick(weights ...int) int {
	total := 0
	for _, weight := range weights {
		total += weight
	}
	n := w.random.IntN(total)
	for i, weight := range weights {
		if n < weight {
			return i
		}
		n -= weight
	}
	return 0
}

func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.random.Int64N(int64(most-least)+1))
}

func (w *world) logf(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%5d %12s  ", w.steps, stamp(w.clock.now))+fmt.Sprintf(format, args...))
}

// failf notes what must not be; the first one counts.
func (w *world) failf(format string, args ...any) {
	w.logf("WRONG: "+format, args...)
	if w.failure == "" {
		w.failure = fmt.Sprintf(format, args...)
	}
}

// must notes an error that should never be.
func (w *world) must(err error, what string) {
	if err != nil {
		w.failf("%s: %v", what, err)
	}
}

func (w *world) story() string {
	return fmt.Sprintf("seed %d: %s\n%s\n%s", w.seed, w.failure, strings.Join(w.log, "\n"), w.dump())
}
