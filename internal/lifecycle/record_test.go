package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

// record reads the whole record: who did what to what kind of object, and whose employee number it concerns.
func (h *house) record() []string {
	h.t.Helper()
	var entries []string
	require.NoError(h.t, h.store.InOrg(h.t.Context(), org, func(tx *store.Tx) error {
		rows, err := tx.Query(h.t.Context(), `select split_part(actor, ':', 1) || ' ' || action || ' ' || object_type || coalesce(' of ' || (i.attributes->>'employeeId'), '')
			from audit a left join identities i on i.org = a.org and i.id = a.identity_id order by a.id`)
		if err != nil {
			return err
		}
		entries, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	}))
	return entries
}

// Whatever is done to a person is on record: each fact, each plan, each outcome, once and in its order.
func TestTheRecordOfAJoinerMoverAndLeaver(t *testing.T) {
	t.Parallel()
	h := newHouse(t, head+`targets: [{name: crm, connector: scim, settings: {baseUrl: "http://127.0.0.1:1"}, attributes: {userName: person.employeeId, title: person.department}}]
birthright: [{name: everyone, when: true, accounts: [crm]}]
`)
	now := time.Now()
	h.service = lifecycle.New(h.store, lifecycle.Options{Now: func() time.Time { return now }})
	var id uuid.UUID
	says := func(kind identity.EventType, data map[string]any) {
		data["employeeId"] = "1"
		id = h.accept(h.event("urn:hr", kind, data)).Identity
	}
	verified := func(job *lifecycle.Job) (workflows.Outcome, error) {
		return job.Verified(t.Context(), lifecycle.Reading{Found: true, Enabled: job.Step.Wish != nil})
	}
	setBack := func(outcome workflows.Outcome) func(*lifecycle.Job) (workflows.Outcome, error) {
		return func(job *lifecycle.Job) (workflows.Outcome, error) {
			return job.SetBack(t.Context(), outcome, true, store.Finding{Action: "look up", Code: "conflict"})
		}
	}
	// attempt plans, and has the one step of the plan end so.
	attempt := func(end func(*lifecycle.Job) (workflows.Outcome, error)) {
		plan := h.plan(id)
		require.Len(t, plan.Steps, 1)
		job, _, err := h.service.Begin(t.Context(), workflows.ApplyRequest{Org: org, Identity: id.String(), Step: plan.Steps[0]})
		require.NoError(t, err)
		require.NotNil(t, job)
		_, err = end(job)
		require.NoError(t, err)
	}
	const (
		accepted, made, blocked = "test event.accepted event of 1", "run plan.made plan of 1", "run operation.blocked account of 1"
		done                    = "run operations.verified account of 1"
	)
	known := 0
	for _, part := range []struct {
		name string
		play func()
		want []string
	}{
		{"an organization and its policy", func() {}, []string{"cli organization.created organization", "test policy.applied policy"}},
		{"a joiner", func() {
			says(identity.WorkerJoined, map[string]any{"startDate": "2020-01-01", "department": "Sales"})
			attempt(verified)
		}, []string{accepted, made, done}},
		{"a look that finds nothing to do", func() { require.True(t, h.plan(id).Settled) }, []string{}},
		{"a mover, whom the target refuses until somebody has mended it", func() {
			says(identity.WorkerChanged, map[string]any{"department": "Docs"})
			attempt(setBack(workflows.OutcomeFailed))
			_, err := h.service.Retry(t.Context(), org, lifecycle.Caller{Actor: "test"}, h.operations(store.OperationFilter{Status: "failed"})[0].ID)
			require.NoError(t, err)
			attempt(verified)
		}, []string{accepted, made, "run operation.failed account of 1", "test operation.retried operation of 1", done}},
		{"a leave that is announced", func() {
			says(identity.WorkerLeft, map[string]any{"lastDay": now.UTC().AddDate(0, 0, 1).Format(time.DateOnly)})
			require.True(t, h.plan(id).Settled)
		}, []string{accepted}},
		{"its day, with the target down at first", func() {
			now = now.AddDate(0, 0, 3)
			attempt(setBack(workflows.OutcomeBlocked))
			now = now.Add(time.Hour)
			attempt(verified)
		}, []string{"run identity.due identity of 1", made, blocked, done}},
		{"the second look, which finds the account enabled", func() {
			now = now.Add(time.Hour)
			attempt(func(job *lifecycle.Job) (workflows.Outcome, error) { return job.Contradicted(t.Context()) })
			attempt(verified)
		}, []string{"run account.contradicted account of 1", done}},
		{"the next, which does not", func() {
			now = now.Add(time.Hour)
			attempt(func(job *lifecycle.Job) (workflows.Outcome, error) {
				return job.Confirmed(t.Context(), lifecycle.Reading{})
			})
			require.True(t, h.plan(id).Settled)
		}, []string{"run account.confirmed account of 1"}},
	} {
		part.play()
		record := h.record()
		require.Equal(t, part.want, record[known:], part.name)
		known = len(record)
	}
}
