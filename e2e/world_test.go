// Package e2e tests Tenure as a whole: real Postgres, real Temporal, the worker as it runs in production, and SCIM
// servers with faults before them as targets. What counts is what the targets hold in the end.
package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/connectors/scim"
	"github.com/tenurehq/tenure/connectors/scim/simulator"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/internal/testkit"
	"github.com/tenurehq/tenure/worker"
)

const (
	tokenVariable = "TENURE_E2E_TOKEN"
	secret        = "e2e-s3cret-canary"
)

func TestMain(m *testing.M) {
	if err := os.Setenv(tokenVariable, secret); err != nil {
		panic(err)
	}
	var err error
	if binaries, err = os.MkdirTemp("", "tenure-e2e-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(binaries)
	os.Exit(code)
}

// binaries is a folder for what is built for the tests.
var binaries string

var targetNames = []string{"crm", "desk", "wiki"}

// system is a target as the test sees it: the server itself, and the proxy that Tenure goes through.
type system struct {
	*simulator.Simulator
	proxy *connectortest.FaultProxy
}

// world is one organization with its targets, and a worker that serves it.
type world struct {
	t        testing.TB
	org      string
	db       testkit.Database
	store    *store.Store
	service  *lifecycle.Service
	temporal client.Client
	systems  map[string]system
	queue    string
	log      *slog.Logger

	mu     sync.Mutex
	offset time.Duration // of the clock that the sweeper and the service go by
	worker *worker.Worker
	// swept counts the sweeps that the worker has completed.
	swept func() int
	stop  func()
}

// settings of a world; the zero value suits most tests.
type settings struct {
	attemptTimeout, settleLag, blockBudget string
	slots                                  int
	throttle                               time.Duration // of heartbeats
	sweep                                  time.Duration
	idle                                   bool // no worker yet: startWorker starts one
}

func migrate(ctx context.Context, ownerURL string) error {
	return store.Migrate(ctx, ownerURL, "tenure")
}

// newDatabase is a database with the schema. It is a copy, and the databases that use one Temporal namespace must tell
// each other apart.
func newDatabase(t testing.TB) testkit.Database {
	t.Helper()
	db := testkit.PostgresFrom(t, migrate)
	conn, err := pgx.Connect(t.Context(), db.Admin)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	_, err = conn.Exec(t.Context(), `update watermark set installation = gen_random_uuid()`)
	require.NoError(t, err)
	return db
}

func newWorld(t testing.TB, s settings) *world {
	t.Helper()
	w := newWorldOn(t, newDatabase(t), s)
	var err error
	w.temporal, err = client.Dial(client.Options{HostPort: testkit.Temporal(t), Namespace: testkit.TemporalNamespace,
		Logger: quietly()})
	require.NoError(t, err)
	t.Cleanup(w.temporal.Close)
	if !s.idle {
		w.startWorker(s)
	}
	return w
}

// newWorldOn makes an organization with its targets on a database that has the schema; nothing works for it yet.
func newWorldOn(t testing.TB, db testkit.Database, s settings) *world {
	t.Helper()
	w := &world{t: t, org: "o" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12], systems: map[string]system{}, db: db}
	w.queue = "q-" + w.org
	w.log = slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var err error
	w.store, err = store.Open(t.Context(), store.Options{URL: w.db.Serve})
	require.NoError(t, err)
	t.Cleanup(w.store.Close)
	w.service = lifecycle.New(w.store, lifecycle.Options{Now: w.now, Woken: w.woken})
	for _, name := range targetNames {
		sim, err := simulator.New(simulator.Options{Token: secret, Groups: []string{"Everyone", "Sales", "Marketing"}})
		require.NoError(t, err)
		server := httptest.NewServer(sim)
		t.Cleanup(server.Close)
		w.systems[name] = system{sim, connectortest.Start(t, server.URL)}
	}
	require.NoError(t, w.store.CreateOrganization(t.Context(), w.org, w.org))
	w.applyPolicy(w.policyText(s))
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.offset)
}

// woken tells the worker that runs, if any, that something is in the outbox.
func (w *world) woken() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.worker != nil {
		w.worker.Woken()
	}
}

// advance moves the clock that scheduled changes go by.
func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset += d
}

// startWorker runs a worker until stopWorker or the end of the test.
func (w *world) startWorker(s settings) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	metrics := prometheus.NewRegistry()
	w.swept = func() int { return counter(w.t, metrics, "tenure_sweeper_sweeps_total") }
	work := worker.New(worker.Options{Client: w.temporal, Namespace: testkit.TemporalNamespace, Service: w.service, Metrics: metrics,
		Registry: connectors.Registry{"scim": scim.Definition()}, TaskQueue: w.queue, Log: w.log,
		SweepInterval: cmp.Or(s.sweep, 500*time.Millisecond), ProbeInterval: time.Second, Slots: s.slots, HeartbeatThrottle: s.throttle})
	w.mu.Lock()
	w.worker = work
	w.mu.Unlock()
	done := make(chan error, 1)
	go func() { done <- work.Run(ctx) }()
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				w.t.Errorf("worker: %v", err)
			}
		})
	}
	w.t.Cleanup(w.stop)
}

// policyText gives everyone the three targets and the group Everyone, and each department its group.
func (w *world) policyText(s settings) string {
	var b strings.Builder
	fmt.Fprintf(&b, "organization: %s\ntimeZone: Europe/Berlin\nnaming:\n  - name: userName\n    templates: ['slug(person.givenName) + \".\" + slug(person.familyName)', '\"u\" + slug(person.employeeId)']\ntargets:\n", w.org)
	for _, name := range targetNames {
		fmt.Fprintf(&b, `  - name: %s
    connector: scim
    settings: {baseUrl: "%s", token: "env:%s"}
    correlate: externalId
    attemptTimeout: %s
    settleLag: %s
    blockBudget: %s
    attributes:
      externalId: person.employeeId
      userName: userName
      displayName: person.displayName
      title: person.title
    entitlements: [{name: Everyone}, {name: Sales}, {name: Marketing}]
`, name, w.systems[name].proxy.URL, tokenVariable, cmp.Or(s.attemptTimeout, "2s"), cmp.Or(s.settleLag, "1s"), cmp.Or(s.blockBudget, "5s"))
	}
	b.WriteString("roles:\n")
	for _, name := range targetNames {
		for _, group := range []string{"Everyone", "Sales", "Marketing"} {
			fmt.Fprintf(&b, "  - {name: %s-%s, kind: technical, target: %s, entitlements: [{name: %s}]}\n", name, strings.ToLower(group), name, group)
		}
	}
	for _, group := range []string{"everyone", "sales", "marketing"} {
		fmt.Fprintf(&b, "  - {name: %s, kind: business, includes: [crm-%[1]s, desk-%[1]s, wiki-%[1]s]}\n", group)
	}
	b.WriteString(`birthright:
  - {name: everyone, when: true, accounts: [crm, desk, wiki], roles: [everyone]}
  - {name: sales, when: 'person.department == "Sales"', roles: [sales]}
  - {name: marketing, when: 'person.department == "Marketing"', roles: [marketing]}
`)
	return b.String()
}

func (w *world) applyPolicy(text string) {
	w.t.Helper()
	p, err := policy.Parse(policy.File{Name: "policy.yaml", Data: []byte(text)})
	require.NoError(w.t, err)
	preview, err := w.service.PreviewPolicy(w.t.Context(), w.org, p)
	require.NoError(w.t, err)
	_, err = w.service.ApplyPolicy(w.t.Context(), w.org, lifecycle.Caller{Actor: "test"}, p, preview.From)
	require.NoError(w.t, err)
}

// fact is the data of an event.
type fact map[string]any

// send has an event accepted, at the world's present, and answers the receipt.
func (w *world) send(kind identity.EventType, data fact) lifecycle.Receipt {
	w.t.Helper()
	receipt, err := w.accept(w.t.Context(), w.event(kind, data))
	require.NoError(w.t, err)
	return receipt
}

func (w *world) event(kind identity.EventType, data fact) identity.Event {
	w.t.Helper()
	raw, err := json.Marshal(data)
	require.NoError(w.t, err)
	event, err := identity.ParseEventData(kind, raw)
	require.NoError(w.t, err)
	event.Source, event.ID, event.Type, event.Time = "hr", uuid.NewString(), kind, w.now()
	return event
}

func (w *world) accept(ctx context.Context, event identity.Event) (lifecycle.Receipt, error) {
	return w.service.Accept(ctx, w.org, lifecycle.Caller{Actor: "test"}, event)
}

// person is the data of a joiner.
func person(n int) fact {
	return fact{"employeeId": fmt.Sprintf("E%04d", n), "givenName": "Given", "familyName": fmt.Sprintf("Canary%04d", n),
		"displayName": fmt.Sprintf("Given Canary%04d", n), "workerType": "employee", "department": "Sales", "title": "Clerk",
		"startDate": "2020-01-01"}
}

// patience is how long a test waits for what must come, on a machine that is busy with others. It bounds nothing that a test
// claims of speed: that is measured where it is claimed.
const patience = 5 * time.Minute

// eventually waits until the condition holds.
func (w *world) eventually(what string, condition func() bool) {
	w.t.Helper()
	w.within(patience, what, condition)
}

// within waits so long at most until the condition holds.
func (w *world) within(limit time.Duration, what string, condition func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(limit)
	for !condition() {
		if time.Now().After(deadline) {
			w.dump()
			w.t.Fatalf("not within %s: %s", limit, what)
		}
		time.Sleep(100 * time.Millisecond) // until the next look: each one costs the database that is tested
	}
}

// quiet waits until nothing is left to do for anybody.
func (w *world) quiet() {
	w.t.Helper()
	w.eventually(settledAll, func() bool { return w.unsettled() == 0 })
}

const settledAll = "every identity settled"

func (w *world) unsettled() int {
	n := 0
	require.NoError(w.t, w.store.InOrg(w.t.Context(), w.org, func(tx *store.Tx) error {
		return tx.QueryRow(w.t.Context(), `select (select count(*) from identities where settled_version < version
				or settled_policy < (select policy_version from organizations where id = $1) or next_due_at <= $2)
			+ (select count(*) from outbox)`, w.org, w.now()).Scan(&n)
	}))
	return n
}

// dump writes what the rows say, for a test that failed.
func (w *world) dump() {
	_ = w.store.InOrg(context.Background(), w.org, func(tx *store.Tx) error {
		rows, err := tx.Query(context.Background(), `select i.id::text || ' v' || i.version || ' settled ' || i.settled_version || ' ' || i.state || ' ' ||
			coalesce(a.target || ' ' || a.state || ' ' || a.outcome || ' epoch ' || a.epoch || ' attempts ' || a.attempts || ' verified ' || coalesce(a.verified_at::text, '-')
			|| ' due ' || coalesce(a.confirm_due_at::text, '-') || ' confirmed ' || coalesce(a.confirmed_at::text, '-') || ' ', 'no account')
			|| coalesce((select string_agg(o.action || '=' || o.status || ' ' || o.error_code || ' ' || o.error_detail, '; ') from operations o
				where o.org = a.org and o.account_id = a.id and o.status in ('failed', 'blocked', 'running', 'requested')), '')
			from identities i left join accounts a on a.org = i.org and a.identity_id = i.id
			where i.settled_version < i.version or a.outcome <> 'applied'
			union all select t.name || ' is ' || t.health || ' since ' || t.health_since::text || ' ' || t.health_reason || ' ' || coalesce(t.probed_at::text, '') from targets t
			order by 1 limit 50`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				return err
			}
			w.t.Log(line)
		}
		return nil
	})
}

// account is a person's account in a target's own store; nil when there is none.
func (w *world) account(target, employeeID string) *simulator.User {
	w.t.Helper()
	var found *simulator.User
	for _, u := range w.systems[target].Snapshot().Users {
		if u.Attributes["externalId"] == employeeID {
			require.Nil(w.t, found, "two accounts for %s in %s", employeeID, target)
			found = &u
		}
	}
	return found
}

// requireEnabled checks that the person has exactly this in every target.
func (w *world) requireEnabled(employeeID string, groups ...string) {
	w.t.Helper()
	for _, target := range targetNames {
		u := w.account(target, employeeID)
		require.NotNil(w.t, u, "%s has no account in %s", employeeID, target)
		require.True(w.t, u.Enabled, "%s in %s", employeeID, target)
		require.ElementsMatch(w.t, groups, u.Groups, "%s in %s", employeeID, target)
	}
}

// requireGone checks that the person can do nothing in any target.
func (w *world) requireGone(employeeID string) {
	w.t.Helper()
	for _, target := range targetNames {
		if u := w.account(target, employeeID); u != nil {
			require.False(w.t, u.Enabled, "%s in %s", employeeID, target)
			require.Empty(w.t, u.Groups, "%s in %s", employeeID, target)
		}
	}
}

// testWriter logs to the test.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// one reads one value of the organization's rows.
func one[T any](w *world, query string, args ...any) (value T) {
	w.t.Helper()
	require.NoError(w.t, w.store.InOrg(w.t.Context(), w.org, func(tx *store.Tx) error {
		return tx.QueryRow(w.t.Context(), query, args...).Scan(&value)
	}))
	return value
}

// quietly drops what the Temporal client logs.
func quietly() sdklog.Logger {
	return sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))
}
