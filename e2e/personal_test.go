package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/protobuf/proto"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/connectors/scim"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/internal/testkit"
	"github.com/tenurehq/tenure/worker"
)

// canaries are what must stand in no history, id, attribute, memo or log line, in lower case.
var canaries = []string{"zyrianne", "quibblethwaite", "zq@canary.example", "grand zanzibarian", "staff-canary", strings.ToLower(secret),
	strings.ToLower(clientSecret), strings.ToLower(oktaToken), strings.ToLower(chosen)}

// canary is the data of a person made of canaries.
func canary(n int) fact {
	return fact{"employeeId": fmt.Sprintf("STAFF-CANARY-%d", n), "givenName": "Zyrianne", "familyName": fmt.Sprintf("Quibblethwaite%c", 'a'+n),
		"displayName": "Zyrianne Quibblethwaite", "email": "zq@canary.example", "workerType": "employee", "department": "Sales",
		"title": "Grand Zanzibarian", "startDate": "2020-01-01"}
}

// gossip is what a target, a driver or a library might say in an error.
const gossip = `user Zyrianne Quibblethwaite <zq@canary.example>, Grand Zanzibarian (STAFF-CANARY-0), token ` + secret

func gossiping(status int) connectortest.Fault {
	return connectortest.Answer(status, http.Header{"Content-Type": {"application/scim+json"}, "Retry-After": {"1"}, "X-Trace": {gossip}},
		fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"%d","detail":%q}`, status, gossip))
}

// loose is a connector that fails in the ways that a careless one would.
type loose struct {
	full
	creates *atomic.Int32
}

type full interface {
	connectors.Connector
	connectors.AccountWriter
	connectors.EntitlementGranter
}

func (l loose) CreateAccount(ctx context.Context, account connectors.Account) (connectors.Account, error) {
	switch l.creates.Add(1) {
	case 1:
		panic(fmt.Sprintf("cannot create %v: %s", account.Attributes, gossip))
	case 2:
		return connectors.Account{}, errors.New(gossip)
	case 3:
		return connectors.Account{}, fmt.Errorf("send: %w", &connectors.Error{Kind: connectors.KindUnavailable, Action: "create account", Detail: gossip, Err: errors.New(gossip)})
	}
	return l.full.CreateAccount(ctx, account)
}

// recorder keeps every line of a log.
type recorder struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines.Write(p)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines.String()
}

// startLooseWorker starts the worker with a careless connector for the targets, and answers all that it and Temporal's
// library log, at every level.
func (w *world) startLooseWorker(creates *atomic.Int32) *recorder {
	w.t.Helper()
	written := &recorder{}
	log := slog.New(slog.NewTextHandler(written, &slog.HandlerOptions{Level: slog.Level(-100)}))
	c, err := client.Dial(client.Options{HostPort: testkit.Temporal(w.t), Namespace: testkit.TemporalNamespace, Logger: sdklog.NewStructuredLogger(log)})
	require.NoError(w.t, err)
	w.t.Cleanup(c.Close)
	registry := connectors.Registry{"scim": {New: func(settings connectors.Settings) (connectors.Connector, error) {
		connector, err := scim.New(settings)
		if err != nil {
			return nil, err
		}
		return loose{connector.(full), creates}, nil
	}}}
	ctx, cancel := context.WithCancel(context.Background())
	work := worker.New(worker.Options{Client: c, Namespace: testkit.TemporalNamespace, Service: w.service, Registry: registry,
		TaskQueue: w.queue, Log: log, SweepInterval: 500 * time.Millisecond, ProbeInterval: time.Second})
	done := make(chan error, 1)
	go func() { done <- work.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("worker: %v", err)
		}
	})
	return written
}

// gossipingDatabase makes the worker's first write to each table fail with an error that quotes what was written.
func (w *world) gossipingDatabase() {
	w.t.Helper()
	conn := w.admin()
	defer func() { _ = conn.Close(context.WithoutCancel(w.t.Context())) }()
	for table, event := range map[string]string{"plans": "insert", "accounts": "update", "operations": "update", "grants": "insert or update",
		"outbox": "delete", "identities": "update", "targets": "update"} {
		_, err := conn.Exec(w.t.Context(), fmt.Sprintf(`
			create sequence gossip_%[1]s;
			create function gossip_%[1]s() returns trigger language plpgsql security definer as $$
			begin
				if nextval('public.gossip_%[1]s') <= 1 then
					raise exception 'invalid input: %%', '%[3]s' using errcode = '22P02', detail = '%[3]s', hint = '%[3]s';
				end if;
				return coalesce(new, old);
			end $$;
			create trigger gossip before %[2]s on public.%[1]s for each row execute function gossip_%[1]s()`, table, event, gossip))
		require.NoError(w.t, err)
	}
}

// Through every failure that targets, database and careless code can make, nothing personal leaves the database.
func TestNothingPersonalStandsInTemporalOrInTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{idle: true, blockBudget: "3s"})
	w.applyPolicy(w.personalPolicy(settings{blockBudget: "3s"}))
	crm, desk, wiki := w.systems["crm"].proxy, w.systems["desk"].proxy, w.systems["wiki"].proxy
	var creates atomic.Int32
	written := w.startLooseWorker(&creates)

	// A careless connector, and a database that gossips.
	first := w.send(identity.WorkerJoined, canary(0))
	w.quiet()
	require.GreaterOrEqual(t, creates.Load(), int32(4))
	w.gossipingDatabase()
	w.send(identity.WorkerJoined, canary(1))
	w.quiet()

	// Refusals for good, and for a while.
	crm.SetRules(connectortest.Rule{Method: http.MethodPost, Fault: gossiping(400)})
	desk.SetRules(connectortest.Rule{Writes: true, Times: 2, Fault: gossiping(503)}, connectortest.Rule{Writes: true, Times: 1, Fault: gossiping(429)})
	wiki.SetRules(connectortest.Rule{Times: 1, Fault: connectortest.Rubbish(gossip)}, connectortest.Rule{Writes: true, Times: 1, Fault: connectortest.DropAfter()})
	refused := w.send(identity.WorkerJoined, canary(2))
	w.quiet()
	crm.SetRules(connectortest.Rule{Writes: true, Fault: gossiping(403)})
	desk.SetRules(connectortest.Rule{Writes: true, Fault: gossiping(409)})
	wiki.SetRules(connectortest.Rule{Writes: true, Fault: gossiping(500)})
	w.send(identity.WorkerChanged, fact{"employeeId": "STAFF-CANARY-1", "title": "Grand Zanzibarian II", "department": "Marketing"})
	w.quiet()

	// A name that policy cannot make, a leave that is refused, a target that is down.
	w.send(identity.WorkerJoined, merge(canary(0), fact{"employeeId": "STAFF-CANARY-3"}))
	w.quiet()
	left := w.send(identity.WorkerLeft, fact{"employeeId": "STAFF-CANARY-0", "immediate": true, "reason": gossip})
	w.eventually("the leave waits", func() bool { return len(w.runOf(left).working().Waiting) > 0 })
	crm.SetDown(true)
	w.send(identity.WorkerJoined, canary(4))
	w.eventually("crm is probed", func() bool { return w.executions("ProbeTarget") != nil })

	w.awaitFailed(refused) // the failures are what this test is about
	require.Contains(t, w.recordedErrors(), "Zyrianne Quibblethwaite", "the targets' words stand in the database")
	require.NotContains(t, w.recordedErrors(), secret, "but no secret, even there")
	seen := w.requireNothingPersonalInTemporal()
	require.Contains(t, seen, first.Identity.String(), "what was looked at is not encoded")
	require.Contains(t, seen, "OperationsFailed")
	require.Contains(t, seen, "account not applied")
	requireNothingPersonal(t, "the worker's log", written.String())
	require.Contains(t, written.String(), "level=DEBUG")
	require.Contains(t, written.String(), "level=WARN")
}

func merge(a, b fact) fact {
	maps.Copy(a, b)
	return a
}

// personalPolicy maps more of the person than the usual one, and has no other name for a second person of the same name.
func (w *world) personalPolicy(s settings) string {
	text := w.policyText(s)
	with := strings.ReplaceAll(text, "      title: person.title\n", "      title: person.title\n      'emails[type eq \"work\"].value': person.email\n")
	return strings.Replace(with, `, '"u" + slug(person.employeeId)'`, "", 1)
}

// recordedErrors are what the operations' rows say of what went wrong.
func (w *world) recordedErrors() string {
	var all string
	require.NoError(w.t, w.store.InOrg(w.t.Context(), w.org, func(tx *store.Tx) error {
		return tx.QueryRow(w.t.Context(), `select coalesce(string_agg(error_detail, E'\n'), '') from operations where org = $1`, w.org).Scan(&all)
	}))
	return all
}

// executions lists the organization's runs, open and closed, of a workflow type; "" is every type.
func (w *world) executions(workflowType string) []*workflowpb.WorkflowExecutionInfo {
	w.t.Helper()
	query := fmt.Sprintf("TenureOrg = '%s'", w.org)
	if workflowType != "" {
		query += fmt.Sprintf(" and WorkflowType = '%s'", workflowType)
	}
	response, err := w.temporal.ListWorkflow(w.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: testkit.TemporalNamespace, Query: query, PageSize: 1000})
	require.NoError(w.t, err)
	return response.GetExecutions()
}

// requireNothingPersonalInTemporal looks through everything that Temporal has of the organization, and answers it.
func (w *world) requireNothingPersonalInTemporal() string {
	w.t.Helper()
	var seen strings.Builder
	note := func(what string, message proto.Message) {
		data, err := proto.Marshal(message) // payloads stand in it as they are
		require.NoError(w.t, err)
		requireNothingPersonal(w.t, what, string(data))
		seen.Write(data)
	}
	executions := w.executions("")
	require.NotEmpty(w.t, executions)
	for _, execution := range executions {
		id, runID := execution.GetExecution().GetWorkflowId(), execution.GetExecution().GetRunId()
		note("the listing of "+id, execution)
		description, err := w.temporal.DescribeWorkflowExecution(w.t.Context(), id, runID)
		require.NoError(w.t, err)
		note("the description of "+id, description)
		for _, event := range historyOf(w.t, w.temporal, id, runID).GetEvents() {
			note(fmt.Sprintf("event %d of %s, %s", event.GetEventId(), id, event.GetEventType()), event)
		}
		if execution.GetType().GetName() != "ProbeTarget" {
			r := run{w, id, description}
			requireNothingPersonal(w.t, "the details of "+id, r.details())
			requireNothingPersonal(w.t, "the status of "+id, fmt.Sprint(r.working()))
		}
	}
	return seen.String()
}

func requireNothingPersonal(t testing.TB, what, text string) {
	t.Helper()
	lower := strings.ToLower(text)
	for _, c := range canaries {
		if at := strings.Index(lower, c); at >= 0 {
			require.Fail(t, "personal data in "+what, "%q in …%q…", c, text[max(0, at-600):min(len(text), at+200)])
		}
	}
}
