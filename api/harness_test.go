package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/api"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/internal/testkit"
	"github.com/tenurehq/tenure/workflows"
)

// harness is the API on a database of its own, behind a real server.
type harness struct {
	t       *testing.T
	url     string
	store   *store.Store
	service *lifecycle.Service
	log     *lockedBuffer
	clock   *clock
	db      testkit.Database
	ready   *readiness
}

// clock is a clock that a test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// readiness is what the API is told of Temporal.
type readiness struct {
	mu  sync.Mutex
	err error
}

func (r *readiness) set(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *readiness) check(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func migrated(ctx context.Context, owner string) error { return store.Migrate(ctx, owner, "tenure") }

func start(t *testing.T) *harness {
	t.Helper()
	return startWith(t, func(*api.Options) {})
}

// startWith is start with other options.
func startWith(t *testing.T, set func(*api.Options)) *harness {
	t.Helper()
	db := testkit.PostgresFrom(t, migrated)
	s, err := store.Open(t.Context(), store.Options{URL: db.Serve, MaxConns: 10, UrgentConns: 2})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	h := &harness{t: t, store: s, db: db, log: &lockedBuffer{}, ready: &readiness{},
		clock: &clock{at: time.Now().UTC().Truncate(time.Microsecond)}}
	h.service = lifecycle.New(s, lifecycle.Options{Now: h.clock.now})
	options := api.Options{Service: h.service, Registry: prometheus.NewRegistry(), Ready: h.ready.check,
		Log: slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	set(&options)
	server := httptest.NewServer(api.New(options))
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// caller is not http.DefaultClient, whose connections every httptest.Server of the tests beside this one closes when it
// ends.
var caller = &http.Client{Transport: &http.Transport{}}

// org makes an organization with a policy and answers callers with each scope.
func (h *harness) org(id string) tenant {
	h.t.Helper()
	require.NoError(h.t, h.store.CreateOrganization(h.t.Context(), id, strings.ToUpper(id)))
	return tenant{h: h, id: id, admin: h.token(id, "admin"), hr: h.token(id, "hr"), read: h.token(id, "read"), kill: h.token(id, "kill")}
}

func (h *harness) token(org string, scopes ...string) string {
	h.t.Helper()
	secret, _, err := h.store.CreateToken(h.t.Context(), org, "test", scopes, h.clock.now().Add(24*time.Hour))
	require.NoError(h.t, err)
	return secret
}

// tenant is an organization with tokens.
type tenant struct {
	h               *harness
	id              string
	admin, hr, read string
	kill            string
}

// may is a token that may do what needs the scope.
func (o tenant) may(scope string) string {
	if scope == "kill" {
		return o.kill // admin does not include it
	}
	return o.admin
}

// on is the same organization in a subtest.
func (o tenant) on(t *testing.T) tenant {
	t.Helper()
	h := *o.h
	h.t = t
	o.h = &h
	return o
}

// apply puts the test's policy in force: two targets, a role each, and a case for equal names.
func (o tenant) apply() tenant {
	o.h.t.Helper()
	p, err := policy.Parse(policy.File{Name: "p.yaml", Data: []byte(policyOf(o.id))})
	require.NoError(o.h.t, err)
	_, version, err := o.h.service.PolicyInForce(o.h.t.Context(), o.id)
	require.NoError(o.h.t, err)
	_, err = o.h.service.ApplyPolicy(o.h.t.Context(), o.id, lifecycle.Caller{Actor: "cli:test"}, p, version)
	require.NoError(o.h.t, err)
	return o
}

func policyOf(org string) string {
	return "organization: " + org + `
timeZone: UTC
sources:
  - {name: hr, match: ["urn:hr"]}
  - {name: other, match: ["urn:other"]}
correlation:
  - {name: same-mail, match: [email], then: link}
  - {name: same-name, match: [familyName]}
naming:
  - {name: userName, templates: [slug(person.givenName) + "." + slug(person.familyName), slug(person.employeeId)]}
  - {name: mail, templates: [userName + "@` + org + `.example"]}
targets:
  - name: crm
    connector: scim
    settings: {baseUrl: "http://127.0.0.1:1", token: env:X}
    attributes: {userName: userName}
    entitlements: [{name: Everyone}]
  - name: wiki
    connector: scim
    settings: {baseUrl: "http://127.0.0.1:1", token: env:X}
    attributes: {userName: userName}
roles:
  - {name: crm-user, kind: technical, target: crm, entitlements: [{name: Everyone}]}
birthright:
  - {name: everyone, when: true, accounts: [wiki], roles: [crm-user]}
`
}

// answer is what a request was answered.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

func (a answer) is(status int) answer {
	a.t.Helper()
	require.Equal(a.t, status, a.status, string(a.body))
	if status >= 400 {
		require.Equal(a.t, "application/problem+json", a.header.Get("Content-Type"), string(a.body))
	}
	return a
}

// get is the value at a path such as items.0.id, nil when there is none.
func (a answer) get(path string) any {
	a.t.Helper()
	var value any
	require.NoError(a.t, json.Unmarshal(a.body, &value), string(a.body))
	for part := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[part]
		case []any:
			var i int
			_, err := fmt.Sscan(part, &i)
			require.NoError(a.t, err)
			if i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

func (a answer) text(path string) string {
	a.t.Helper()
	text, ok := a.get(path).(string)
	require.True(a.t, ok, "%s in %s", path, a.body)
	return text
}

func (a answer) items(path string) []any {
	a.t.Helper()
	items, ok := a.get(path).([]any)
	require.True(a.t, ok, "%s in %s", path, a.body)
	return items
}

func (h *harness) do(r *http.Request) answer {
	h.t.Helper()
	response, err := caller.Do(r)
	require.NoError(h.t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(h.t, err)
	return answer{h.t, response.StatusCode, response.Header, body}
}

func (h *harness) request(method, path, token, contentType, body string) *http.Request {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	require.NoError(h.t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func (h *harness) get(path, token string) answer {
	h.t.Helper()
	return h.do(h.request(http.MethodGet, path, token, "", ""))
}

func (h *harness) post(path, token, body string) answer {
	h.t.Helper()
	return h.do(h.request(http.MethodPost, path, token, "application/json", body))
}

const (
	structured = "application/cloudevents+json"
	batched    = "application/cloudevents-batch+json"
)

func (o tenant) send(event string) answer {
	o.h.t.Helper()
	return o.h.do(o.h.request(http.MethodPost, "/v1/events", o.hr, structured, event))
}

func (o tenant) sendBatch(events ...string) answer {
	o.h.t.Helper()
	return o.h.do(o.h.request(http.MethodPost, "/v1/events", o.hr, batched, "["+strings.Join(events, ",")+"]"))
}

// cloudEvent is an event of the source urn:hr; data goes without its braces.
func cloudEvent(id, kind, data string) string { return cloudEventFrom("urn:hr", id, kind, data) }

func cloudEventFrom(source, id, kind, data string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":%q,"type":"worker.%s","time":"2026-01-02T03:04:05Z","data":{%s}}`, id, source, kind, data)
}

func joined(employeeID, given, family string) string {
	return cloudEvent("join-"+employeeID, "joined", fmt.Sprintf(`"employeeId":%q,"givenName":%q,"familyName":%q,"displayName":"%s %s","department":"Sales","startDate":"2026-01-02"`,
		employeeID, given, family, given, family))
}

// join makes a person and answers the identity's id.
func (o tenant) join(employeeID, given, family string) string {
	o.h.t.Helper()
	return o.send(joined(employeeID, given, family)).is(http.StatusAccepted).text("identityId")
}

// deliver does what the relay does with all that waits, and answers it.
func (h *harness) deliver() []store.Poke {
	h.t.Helper()
	pokes, err := h.store.ClaimUrgent(h.t.Context(), h.clock.now(), time.Minute, 1000)
	require.NoError(h.t, err)
	others, err := h.store.Claim(h.t.Context(), h.clock.now(), time.Minute, store.Room{Pokes: 1000, Engine: 1000})
	require.NoError(h.t, err)
	pokes = append(pokes, others...)
	require.NoError(h.t, h.store.Delivered(h.t.Context(), h.clock.now(), pokes))
	return pokes
}

// plan does what an identity's run does first, and answers the plan.
func (o tenant) plan(id string) workflows.Plan {
	o.h.t.Helper()
	plan, err := o.h.service.Plan(o.h.t.Context(), workflows.PlanRequest{Org: o.id, Identity: id, PlanID: uuid.NewString() + "/1", AsOf: o.h.clock.now()})
	require.NoError(o.h.t, err)
	return plan
}

// steps does what a run's activities do for the steps of a plan that name one of the targets, with the given outcome.
func (o tenant) steps(id string, plan workflows.Plan, outcome func(*lifecycle.Job)) {
	o.h.t.Helper()
	for _, step := range plan.Steps {
		job, _, err := o.h.service.Begin(o.h.t.Context(), workflows.ApplyRequest{Org: o.id, Identity: id, Step: step})
		require.NoError(o.h.t, err)
		require.NotNil(o.h.t, job)
		outcome(job)
	}
}

// fulfil plans, and has every step succeed at once.
func (o tenant) fulfil(id string) {
	o.h.t.Helper()
	plan := o.plan(id)
	o.steps(id, plan, func(j *lifecycle.Job) { o.verify(j) })
	o.plan(id)
}

// verify records that a job's account is as wished.
func (o tenant) verify(j *lifecycle.Job) {
	o.h.t.Helper()
	ctx := o.h.t.Context()
	require.NoError(o.h.t, j.Saw(ctx, "native-"+j.Account.ID.String()))
	reading := lifecycle.Reading{Found: true}
	now := o.h.clock.now()
	operations := o.operations(j.Account.Identity)
	if j.Step.Wish != nil {
		reading.Enabled, reading.Held = j.Step.Wish.Enabled, j.Step.Wish.Grants
	}
	for _, operation := range operations {
		if *operation.Account == j.Account.ID && operation.VerifiedAt == nil {
			reading.Findings = append(reading.Findings, store.Finding{Action: operation.Action, Status: "verified", Done: &now, Verified: &now,
				Evidence: map[string]any{"readBack": true}})
		}
	}
	_, err := j.Verified(ctx, reading)
	require.NoError(o.h.t, err)
}

func (o tenant) operations(id uuid.UUID) []store.Operation {
	o.h.t.Helper()
	var operations []store.Operation
	require.NoError(o.h.t, o.h.store.InOrg(o.h.t.Context(), o.id, func(tx *store.Tx) (err error) {
		operations, err = tx.OperationsOf(o.h.t.Context(), id)
		return err
	}))
	return operations
}

func decode(r *http.Response, into any) error {
	if r.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("status %d", r.StatusCode)
	}
	return json.NewDecoder(r.Body).Decode(into)
}
