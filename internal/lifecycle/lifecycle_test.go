package lifecycle_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/internal/testkit"
	"github.com/tenurehq/tenure/workflows"
)

// house is an organization on a database of its own. Nothing works for it: plans are made by hand.
type house struct {
	t       *testing.T
	store   *store.Store
	service *lifecycle.Service
	plans   int
}

const (
	org  = "house"
	head = "organization: " + org + "\ntimeZone: UTC\nsources: [{name: hr, match: [\"urn:hr\"]}, {name: other, match: [\"urn:other\"]}]\n"
	// targets of the first policy, and who gets accounts there.
	targets = `targets:
  - {name: crm, connector: scim, settings: {baseUrl: "http://127.0.0.1:1"}, attributes: {userName: person.employeeId}}
  - {name: wiki, connector: scim, settings: {baseUrl: "http://127.0.0.1:1"}, attributes: {userName: person.employeeId}}
birthright: [{name: everyone, when: true, accounts: [crm]}]
`
)

func migrated(ctx context.Context, owner string) error { return store.Migrate(ctx, owner, "tenure") }

func newHouse(t *testing.T, text string) *house {
	t.Helper()
	db := testkit.PostgresFrom(t, migrated)
	s, err := store.Open(t.Context(), store.Options{URL: db.Serve, MaxConns: 10, UrgentConns: 2})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	require.NoError(t, s.CreateOrganization(t.Context(), org, org))
	h := &house{t: t, store: s, service: lifecycle.New(s, lifecycle.Options{})}
	require.NoError(t, h.apply(text))
	return h
}

func (h *house) apply(text string) error {
	h.t.Helper()
	p, err := policy.Parse(policy.File{Name: "p.yaml", Data: []byte(text)})
	require.NoError(h.t, err)
	_, version, err := h.service.PolicyInForce(h.t.Context(), org)
	require.NoError(h.t, err)
	_, err = h.service.ApplyPolicy(h.t.Context(), org, lifecycle.Caller{Actor: "test"}, p, version)
	return err
}

func (h *house) event(source string, kind identity.EventType, data map[string]any) identity.Event {
	h.t.Helper()
	raw, err := json.Marshal(data)
	require.NoError(h.t, err)
	event, err := identity.ParseEventData(kind, raw)
	require.NoError(h.t, err)
	event.Source, event.ID, event.Type, event.Time = source, uuid.NewString(), kind, time.Now()
	return event
}

func (h *house) accept(event identity.Event) lifecycle.Receipt {
	h.t.Helper()
	receipt, err := h.service.Accept(h.t.Context(), org, lifecycle.Caller{Actor: "test"}, event)
	require.NoError(h.t, err)
	return receipt
}

// join has employee 1 join.
func (h *house) join() lifecycle.Receipt {
	h.t.Helper()
	return h.accept(h.event("urn:hr", identity.WorkerJoined, map[string]any{"employeeId": "1", "startDate": "2020-01-01"}))
}

// plan asks what differs, as a run would.
func (h *house) plan(id uuid.UUID) workflows.Plan {
	h.t.Helper()
	h.plans++
	plan, err := h.service.Plan(h.t.Context(), workflows.PlanRequest{Org: org, Identity: id.String(), PlanID: fmt.Sprintf("run/%d", h.plans), AsOf: time.Now()})
	require.NoError(h.t, err)
	return plan
}

func (h *house) operations(f store.OperationFilter) []store.Operation {
	h.t.Helper()
	f.Limit = 100
	var operations []store.Operation
	require.NoError(h.t, h.store.InOrg(h.t.Context(), org, func(tx *store.Tx) (err error) {
		operations, err = tx.Operations(h.t.Context(), f)
		return err
	}))
	return operations
}

func (h *house) count(query string) (n int) {
	h.t.Helper()
	require.NoError(h.t, h.store.InOrg(h.t.Context(), org, func(tx *store.Tx) error { return tx.QueryRow(h.t.Context(), query).Scan(&n) }))
	return n
}

// A target in which somebody may still have access cannot be dropped, in whatever way the policy leaves it out: nobody
// could take the access away any longer.
func TestAPolicyCannotDropATargetInUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t, head+targets)
	h.plan(h.join().Identity)
	for name, text := range map[string]string{
		"another is left": head + "targets: [{name: wiki, connector: scim, settings: {baseUrl: \"http://127.0.0.1:1\"}, attributes: {userName: person.employeeId}}]\n",
		"none is left":    head,
		"an empty list":   head + "targets: []\n",
	} {
		err := h.apply(text)
		require.Equal(t, identity.Invalid, identity.ErrorCode(err), name)
		require.ErrorContains(t, err, "drops [crm], where people have accounts", name)
	}
	require.Equal(t, 2, h.count(`select count(*) from targets where retired_at is null`))
	require.NoError(t, h.apply(head+`targets: [{name: crm, connector: scim, settings: {baseUrl: "http://127.0.0.1:1"}, attributes: {userName: person.employeeId}}]`))
	require.Equal(t, 1, h.count(`select count(*) from targets where retired_at is null`), "nobody has an account in the other")
}

// A plan by the policy before may make an account at the moment at which its target is dropped. That is on record as long
// as it lasts, and a leave does not pass over it.
func TestAnAccountWhoseTargetIsGoneIsOnRecord(t *testing.T) {
	t.Parallel()
	h := newHouse(t, head+targets)
	id := h.join().Identity
	p, err := policy.Parse(policy.File{Name: "p.yaml", Data: []byte(head)})
	require.NoError(t, err)
	require.NoError(t, h.store.InOrg(t.Context(), org, func(tx *store.Tx) error {
		return tx.ApplyPolicy(t.Context(), 1, store.PolicyRow{Version: 2, Hash: p.Hash(), Document: p.Source(), AppliedBy: "test"}, nil)
	}))
	// The account that the plan by version 1 made.
	require.NoError(t, h.store.InOrg(t.Context(), org, func(tx *store.Tx) error {
		return tx.PlanAccount(t.Context(), store.Account{ID: uuid.New(), Identity: id, Target: "crm", State: identity.AccountPending, Epoch: 1,
			PlanID: "run/0", PlanDigest: []byte("x"), CorrelateValues: []string{"1"}, Reasons: json.RawMessage(`[]`), Policy: 1, CreatedAt: time.Now()})
	}))
	require.Equal(t, 1, h.plan(id).Failed)
	failed := h.operations(store.OperationFilter{Status: "failed"})
	require.Len(t, failed, 1)
	require.Equal(t, "crm", failed[0].Target)
	require.Equal(t, "not_in_policy", failed[0].ErrorCode)

	h.accept(h.event("urn:hr", identity.WorkerLeft, map[string]any{"employeeId": "1", "immediate": true}))
	for range 3 {
		plan := h.plan(id)
		require.False(t, plan.Settled, "a leave that has not been carried out")
		require.Equal(t, "not in policy", plan.Waiting[0].Code)
	}
	require.Len(t, h.operations(store.OperationFilter{Status: "failed"}), 1, "once, not with each look")

	require.NoError(t, h.apply(head+targets))
	plan := h.plan(id)
	require.Len(t, plan.Steps, 1, "the target is back: the account can be taken away")
	require.Zero(t, plan.Failed)
	require.Empty(t, h.operations(store.OperationFilter{Status: "failed"}))
}

// Of two sources that report the same new person at the same moment, one comes second and finds the other.
func TestTwoSourcesAtOnceMeanOnePerson(t *testing.T) {
	t.Parallel()
	const pairs = 25
	for then, want := range map[string]struct{ identities, cases int }{
		"link": {identities: pairs},
		"case": {identities: pairs, cases: pairs},
	} {
		t.Run(then, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, head+"correlation: [{name: same-mail, match: [email, familyName], then: "+then+"}]\n")
			var group errgroup.Group
			for n := range pairs {
				mail := fmt.Sprintf("p%d@house.example", n)
				for _, source := range []string{"urn:hr", "urn:other"} {
					event := h.event(source, identity.WorkerJoined, map[string]any{"employeeId": source + mail, "email": mail, "familyName": "Vogel"})
					group.Go(func() error {
						_, err := h.service.Accept(t.Context(), org, lifecycle.Caller{Actor: "test"}, event)
						return err
					})
				}
			}
			require.NoError(t, group.Wait())
			require.Equal(t, want.identities, h.count(`select count(*) from identities`))
			require.Equal(t, want.cases, h.count(`select count(*) from cases`))
		})
	}
}

// What goes wrong before any action begins is the reason of all that were to follow.
func TestTheReasonOfAFailureIsKept(t *testing.T) {
	t.Parallel()
	for name, each := range map[string]struct {
		action string
		want   string
	}{
		"of an action":         {lifecycle.ActionCreate, "two of them"},
		"before any of them":   {"look up", "look up: two of them"},
		"of the whole attempt": {"attempt", "attempt: two of them"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, head+targets)
			id := h.join().Identity
			plan := h.plan(id)
			require.Len(t, plan.Steps, 1)
			job, _, err := h.service.Begin(t.Context(), workflows.ApplyRequest{Org: org, Identity: id.String(), Step: plan.Steps[0]})
			require.NoError(t, err)
			outcome, err := job.SetBack(t.Context(), workflows.OutcomeFailed, true, store.Finding{Action: each.action, Code: "conflict", Detail: "two of them"})
			require.NoError(t, err)
			require.Equal(t, workflows.OutcomeFailed, outcome)
			failed := h.operations(store.OperationFilter{Status: "failed"})
			require.Len(t, failed, 1)
			require.Equal(t, each.want, failed[0].ErrorDetail)
		})
	}
}

// A target that is up and does not manage an account within the budget may manage it later, without anybody doing anything;
// what it refuses for good waits for somebody.
func TestAFailureThatMayPassIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, passing := range map[string]bool{"that may pass": true, "for good": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, head+targets)
			now := time.Now()
			h.service = lifecycle.New(h.store, lifecycle.Options{Now: func() time.Time { return now }})
			id := h.join().Identity
			step := h.plan(id).Steps[0]
			job, _, err := h.service.Begin(t.Context(), workflows.ApplyRequest{Org: org, Identity: id.String(), Step: step})
			require.NoError(t, err)
			_, err = job.SetBack(t.Context(), workflows.OutcomeFailed, true, store.Finding{Action: lifecycle.ActionCreate, Code: "unavailable", Passing: passing})
			require.NoError(t, err)

			plan := h.plan(id)
			require.True(t, plan.Settled, "no run stays open for it")
			require.Equal(t, 1, plan.Failed)
			due := 0
			if passing {
				due = 1
			}
			require.Equal(t, due, h.count(`select count(*) from identities where next_due_at is not null`))
			now = now.Add(6 * time.Minute)
			plan = h.plan(id)
			require.Len(t, plan.Steps, due)
			if passing {
				require.Equal(t, step.Plan, plan.Steps[0].Plan, "the same is asked for, not something new")
				require.Zero(t, plan.Failed)
			}
		})
	}
}

// A rescission may come before what it rescinds; whoever is known by it alone has never been here.
func TestARescissionAloneIsNoPast(t *testing.T) {
	t.Parallel()
	h := newHouse(t, head)
	require.Equal(t, identity.EffectNone, h.accept(h.event("urn:hr", identity.WorkerRescinded, map[string]any{"employeeId": "1", "rescinds": "never"})).Effect)
	require.Equal(t, identity.EffectJoin, h.join().Effect)
}

// Whom a new policy changes nothing for is not planned anew.
func TestAPolicyThatConcernsNobodyPokesNobody(t *testing.T) {
	t.Parallel()
	h := newHouse(t, head)
	require.True(t, h.plan(h.join().Identity).Settled)
	require.NoError(t, h.apply(head+`targets: [{name: crm, connector: scim, settings: {baseUrl: "http://127.0.0.1:1"}, attributes: {userName: person.employeeId}}]`))
	require.Equal(t, 1, h.count(`select count(*) from identities where settled_policy = 2`))
}

// Whoever heads a company is often their own manager in the HR system.
func TestOnesOwnManager(t *testing.T) {
	t.Parallel()
	h := newHouse(t, head+`targets: [{name: crm, connector: scim, settings: {baseUrl: "http://127.0.0.1:1"}, correlate: title, attributes: {title: manager.displayName}}]
birthright: [{name: everyone, when: true, accounts: [crm]}]
`)
	says := func(kind identity.EventType, name string) uuid.UUID {
		return h.accept(h.event("urn:hr", kind, map[string]any{"employeeId": "1", "displayName": name, "startDate": "2020-01-01", "managerEmployeeId": "1"})).Identity
	}
	shown := func(id uuid.UUID) any {
		plan := h.plan(id)
		require.Len(t, plan.Steps, 1)
		job, _, err := h.service.Begin(t.Context(), workflows.ApplyRequest{Org: org, Identity: id.String(), Step: plan.Steps[0]})
		require.NoError(t, err)
		return job.Step.Wish.Attributes["title"]
	}
	id := says(identity.WorkerJoined, "Ada")
	require.Equal(t, "Ada", shown(id))
	says(identity.WorkerChanged, "Countess")
	require.Equal(t, 1, h.count(`select count(*) from identities where version = 2`), "one change is one version")
	require.Equal(t, "Countess", shown(id))
}
