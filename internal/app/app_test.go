package app_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/app"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/internal/testkit"
)

// nobody is an address at which no Temporal is: port 1, which this machine's programs are not given.
const nobody = "127.0.0.1:1"

func migrated(ctx context.Context, owner string) error { return store.Migrate(ctx, owner, "tenure") }

// newApp is an App on a database and task queue of its own.
func newApp(t *testing.T, temporal string) *app.App {
	t.Helper()
	db := testkit.PostgresFrom(t, migrated)
	// The database is a copy, and the databases that use one Temporal namespace must tell each other apart.
	conn, err := pgx.Connect(t.Context(), db.Admin)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	_, err = conn.Exec(t.Context(), `update watermark set installation = gen_random_uuid()`)
	require.NoError(t, err)
	quiet := slog.New(slog.DiscardHandler)
	return &app.App{DatabaseURL: db.Serve, TaskQueue: "app-" + uuid.NewString(), Registry: connectors.Registry{}, Log: quiet,
		Temporal: client.Options{HostPort: temporal, Namespace: testkit.TemporalNamespace, Logger: log.NewStructuredLogger(quiet)}}
}

// process is an App that runs.
type process struct {
	t       *testing.T
	service *lifecycle.Service
	url     string
}

// run runs an App until the test ends; it must then end without an error.
func run(t *testing.T, a *app.App) process {
	t.Helper()
	ready, ended := make(chan app.App, 1), make(chan error, 1)
	a.Ready = func(a app.App) { ready <- a }
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	select {
	case started := <-ready:
		return process{t, started.Service, "http://" + started.Address}
	case err := <-ended:
		ended <- err
		require.NoError(t, err)
		return process{}
	}
}

func (p process) get(path string) (int, string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+path, nil)
	require.NoError(p.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(p.t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(p.t, err)
	return response.StatusCode, string(body)
}

// shows waits until /metrics has all of the lines.
func (p process) shows(lines ...string) string {
	p.t.Helper()
	var text string
	for _, line := range lines {
		require.Eventually(p.t, func() bool {
			_, text = p.get("/metrics")
			return strings.Contains(text, "\n"+line+"\n")
		}, 20*time.Second, 50*time.Millisecond, line)
	}
	return text
}

func (p process) becomesReady() {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		status, _ := p.get("/readyz")
		return status == http.StatusOK
	}, 20*time.Second, 50*time.Millisecond)
}

// join has somebody begin in a new organization that gives nobody anything.
func (p process) join() (org string) {
	p.t.Helper()
	org = "o" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	require.NoError(p.t, p.service.Store().CreateOrganization(p.t.Context(), org, org))
	parsed, err := policy.Parse(policy.File{Name: "p.yaml", Data: []byte("organization: " + org + "\ntimeZone: UTC\n")})
	require.NoError(p.t, err)
	_, err = p.service.ApplyPolicy(p.t.Context(), org, lifecycle.Caller{Actor: "test"}, parsed, 0)
	require.NoError(p.t, err)
	data, err := json.Marshal(map[string]any{"employeeId": "1", "startDate": "2020-01-01"})
	require.NoError(p.t, err)
	event, err := identity.ParseEventData(identity.WorkerJoined, data)
	require.NoError(p.t, err)
	event.Source, event.ID, event.Type, event.Time = "hr", "1", identity.WorkerJoined, time.Now()
	_, err = p.service.Accept(p.t.Context(), org, lifecycle.Caller{Actor: "test"}, event)
	require.NoError(p.t, err)
	return org
}

// TestProcessesThatWorkShowIt: a worker alone at its own address, and one beside the API at the API's.
func TestProcessesThatWorkShowIt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name                 string
		listen, workerListen string
		v1                   int // the status of a route of the API
	}{
		{"worker", "", "127.0.0.1:0", http.StatusNotFound},
		{"serve", "127.0.0.1:0", taken(t), http.StatusUnauthorized},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, testkit.Temporal(t))
			a.Work, a.Listen, a.WorkerListen, a.SweepInterval = true, test.listen, test.workerListen, 100*time.Millisecond
			p := run(t, a)
			status, _ := p.get("/healthz")
			require.Equal(t, http.StatusOK, status)
			p.becomesReady()
			status, _ = p.get("/v1/identities")
			require.Equal(t, test.v1, status)

			org := p.join()
			text := p.shows(`tenure_relay_deliveries_total{class="change"} 1`, `tenure_identities_unsettled 0`, `tenure_outbox_depth{class="change"} 0`,
				`tenure_relay_delivery_failures_total{class="change"} 0`, `tenure_sweeper_failures_total 0`)
			require.NotContains(t, text, org)
			for _, pattern := range []string{`(?m)^tenure_relay_room ([2-9]|\d\d+)$`, `(?m)^tenure_sweeper_sweeps_total [1-9]`, `(?m)^go_goroutines \d`,
				`(?m)^process_resident_memory_bytes \d`} {
				require.Eventually(t, func() bool { _, text = p.get("/metrics"); return regexp.MustCompile(pattern).MatchString(text) }, 20*time.Second, 50*time.Millisecond, pattern)
			}
			classes := regexp.MustCompile(`tenure_outbox_depth\{class="(\w+)"\}`).FindAllStringSubmatch(text, -1)
			require.Len(t, classes, 5)
			for _, class := range classes {
				require.Contains(t, text, `tenure_relay_deliveries_total{class="`+class[1]+`"}`, "both name the classes alike")
			}
		})
	}
}

// TestTemporalDown: the worker says that it cannot work; the API goes on.
func TestTemporalDown(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, listen, workerListen string
		ready                      int
		says                       string
	}{
		{"worker", "", "127.0.0.1:0", http.StatusServiceUnavailable, "not ready: temporal"},
		{"serve", "127.0.0.1:0", "", http.StatusOK, "ok"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, nobody)
			a.Work, a.Listen, a.WorkerListen = true, test.listen, test.workerListen
			p := run(t, a)
			status, _ := p.get("/healthz")
			require.Equal(t, http.StatusOK, status)
			status, says := p.get("/readyz")
			require.Equal(t, test.ready, status)
			require.Contains(t, says, test.says)
			p.join()
			p.shows(`tenure_outbox_depth{class="change"} 1`, `tenure_relay_deliveries_total{class="change"} 0`)
		})
	}
}

// TestPostgresComesLater: who starts while Postgres does not run, or is starting, goes on by itself.
func TestPostgresComesLater(t *testing.T) {
	t.Parallel()
	pg := testkit.StartPostgres(t)
	require.NoError(t, migrated(t.Context(), pg.Owner))
	pg.Kill()
	a := newApp(t, nobody)
	waits := make(lines, 100)
	a.DatabaseURL, a.Listen, a.Log = pg.Serve, "127.0.0.1:0", slog.New(slog.NewTextHandler(waits, nil))
	first, started := make(chan string, 1), make(chan error, 1)
	go func() {
		first <- <-waits
		started <- pg.Start(t.Context())
	}()
	p := run(t, a)
	require.Contains(t, <-first, "waiting for Postgres")
	require.NoError(t, <-started)
	p.becomesReady()
}

// TestABadDatabaseIsSaidAtOnce: what does not pass by itself is not waited for.
func TestABadDatabaseIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	a := newApp(t, nobody)
	empty := testkit.Postgres(t)
	for url, says := range map[string]string{
		strings.Replace(a.DatabaseURL, "postgres://", "postgres://nobody-", 1): "connect to Postgres",
		empty.Owner: "tenure migrate",
	} {
		waits := make(lines, 100)
		a.DatabaseURL, a.Log = url, slog.New(slog.NewTextHandler(waits, nil))
		require.ErrorContains(t, a.Run(t.Context()), says)
		require.Empty(t, waits)
	}
}

// lines are what a log says.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// TestMissingNamespace: a Temporal that answers is not enough for the worker to begin.
func TestMissingNamespace(t *testing.T) {
	t.Parallel()
	a := newApp(t, testkit.Temporal(t))
	a.Work, a.WorkerListen, a.Temporal.Namespace = true, "127.0.0.1:0", "absent-"+uuid.NewString()
	p := run(t, a)
	status, says := p.get("/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, says, "not ready: temporal")
}

func TestAnAddressThatIsTaken(t *testing.T) {
	t.Parallel()
	for variable, fill := range map[string]func(*app.App){
		"TENURE_LISTEN":        func(a *app.App) { a.Listen = taken(t) },
		"TENURE_WORKER_LISTEN": func(a *app.App) { a.WorkerListen, a.Work = taken(t), true },
	} {
		t.Run(variable, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, nobody)
			fill(a)
			require.ErrorContains(t, a.Run(t.Context()), "set "+variable+" to a free address")
		})
	}
}

// taken is an address at which somebody else listens.
func taken(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}
