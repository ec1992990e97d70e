package api_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

// confirm does the second reading of everything that waits for one.
func (o tenant) confirm(id string) {
	o.h.t.Helper()
	o.steps(id, o.plan(id), func(j *lifecycle.Job) {
		_, err := j.Confirmed(o.h.t.Context(), lifecycle.Reading{})
		require.NoError(o.h.t, err)
	})
	o.plan(id)
}

// fail plans, and has every step end badly.
func (o tenant) fail(id string, outcome workflows.Outcome) {
	o.h.t.Helper()
	o.steps(id, o.plan(id), func(j *lifecycle.Job) {
		action := lifecycle.ActionCreate
		if j.Step.Leave {
			action = lifecycle.ActionDisable
		}
		_, err := j.SetBack(o.h.t.Context(), outcome, true, store.Finding{Action: action, Code: "invalid", Detail: "the target's words"})
		require.NoError(o.h.t, err)
	})
	o.plan(id)
}

func TestFailedOperationIsListedAndRetried(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	id := acme.join("1", "Ada", "Lovelace")
	acme.fail(id, workflows.OutcomeFailed)
	failed := h.get("/v1/operations?status=failed&limit=200", acme.read).is(200)
	require.Len(t, failed.items("items"), 3)
	require.Empty(t, h.get("/v1/operations?status=verified", acme.read).is(200).items("items"))
	detail := string(failed.body)
	require.Contains(t, detail, "the target's words")
	operation := failed.text("items.0.id")

	version := h.get("/v1/identities/1", acme.read).get("version")
	r := h.request(http.MethodPost, "/v1/operations/"+operation+"/retry", acme.admin, "", "")
	r.Header.Set("Tenure-Request-Id", "mend-1")
	retried := h.do(r).is(http.StatusAccepted)
	require.Equal(t, id, retried.text("identityId"))
	require.Equal(t, "identity/acme/"+id, retried.text("workflowId"))
	h.post("/v1/operations/"+operation+"/retry", acme.admin, "").is(http.StatusAccepted) // no harm in twice
	require.NotEqual(t, version, h.get("/v1/identities/1", acme.read).get("version"))
	require.Equal(t, []string{"operation.retried mend-1 failed"}, acme.audit("operation.retried")[:1])

	acme.fulfil(id)
	require.Equal(t, true, h.get("/v1/identities/1", acme.read).get("settled"))
	require.Empty(t, h.get("/v1/operations?status=failed", acme.read).is(200).items("items"))
	refused := h.post("/v1/operations/"+operation+"/retry", acme.admin, "").is(http.StatusConflict)
	require.Contains(t, refused.text("detail"), "verified")
	require.Equal(t, "id", h.post("/v1/operations/1/retry", acme.admin, "").is(http.StatusBadRequest).text("errors.0.field"))
	h.post("/v1/operations/"+uuid.NewString()+"/retry", acme.admin, "").is(http.StatusNotFound)
	require.Equal(t, "status", h.get("/v1/operations?status=odd", acme.read).is(http.StatusBadRequest).text("errors.0.field"))
}

// audit lists the record's entries of an action: the action, the request's id and what the object was.
func (o tenant) audit(action string) []string {
	o.h.t.Helper()
	var entries []string
	require.NoError(o.h.t, o.h.store.InOrg(o.h.t.Context(), o.id, func(tx *store.Tx) error {
		rows, err := tx.Query(o.h.t.Context(), `select action || ' ' || request_id || ' ' || coalesce(detail->>'was', '') from audit where action = $1 order by id`, action)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var entry string
			if err := rows.Scan(&entry); err != nil {
				return err
			}
			entries = append(entries, entry)
		}
		return rows.Err()
	}))
	return entries
}

func TestLeaversRetryIsALeave(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	id := acme.join("1", "Ada", "Lovelace")
	acme.fulfil(id)
	acme.send(cloudEvent("left", "left", `"employeeId":"1","lastDay":"2026-02-01"`)).is(202)
	acme.fail(id, workflows.OutcomeBlocked)
	h.clock.advance(5 * time.Minute)
	require.Len(t, h.get("/v1/operations?status=blocked", acme.read).is(200).items("items"), 10)
	stuck := h.get("/v1/operations?status=stuck", acme.read).is(200)
	require.Len(t, stuck.items("items"), 6, "the first tier is due within a minute, its factors within five, the second within an hour")
	h.deliver() // what came before is on its way
	h.post("/v1/operations/"+stuck.text("items.0.id")+"/retry", acme.admin, "").is(http.StatusAccepted)
	pokes := h.deliver()
	require.Len(t, pokes, 1)
	require.Equal(t, id, pokes[0].Identity.String())
	require.EqualValues(t, 1, pokes[0].Class)
}

func TestOperationPages(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	for i := range 3 {
		acme.plan(acme.join(fmt.Sprintf("p%d", i), fmt.Sprintf("G%d", i), fmt.Sprintf("F%d", i)))
	}
	seen, cursor := map[string]bool{}, ""
	for {
		page := h.get("/v1/operations?limit=4&after="+cursor, acme.read).is(200)
		for i := range page.items("items") {
			seen[page.text(fmt.Sprintf("items.%d.id", i))] = true
		}
		next, more := page.get("next").(string)
		if !more {
			break
		}
		cursor = next
	}
	require.Len(t, seen, 9)
}

func TestTargetsArePausedAndResumed(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	id := acme.join("1", "Ada", "Lovelace")
	h.deliver()
	require.NoError(t, h.service.SetHealth(t.Context(), "acme", "crm", "down", "attempts"))
	acme.steps(id, acme.plan(id), func(j *lifecycle.Job) {
		if j.Step.Target != "crm" {
			acme.verify(j)
			return
		}
		_, err := j.SetBack(t.Context(), workflows.OutcomeBlocked, true, store.Finding{Action: lifecycle.ActionCreate, Code: "unavailable"})
		require.NoError(t, err)
	})
	acme.plan(id)
	require.Equal(t, "down", h.get("/v1/targets", acme.read).is(200).text("items.0.health"))
	require.InDelta(t, 1, h.get("/v1/targets", acme.read).is(200).get("items.0.blocked"), 0)
	require.Equal(t, "paused", h.post("/v1/targets/crm/pause", acme.admin, "").is(200).text("health"))
	require.Equal(t, "paused", h.get("/v1/targets", acme.read).is(200).text("items.0.health"))
	require.Equal(t, "up", h.get("/v1/targets", acme.read).is(200).text("items.1.health"))
	version := h.get("/v1/identities/1", acme.read).get("version")
	require.Equal(t, "up", h.post("/v1/targets/crm/resume", acme.admin, "").is(200).text("health"))
	require.NotEqual(t, version, h.get("/v1/identities/1", acme.read).get("version"), "whoever waited is poked")
	h.post("/v1/targets/none/pause", acme.admin, "").is(http.StatusNotFound)
	h.post("/v1/targets/none/resume", acme.admin, "").is(http.StatusNotFound)
}

func TestProgress(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	at := func(unsettled, outbox int) {
		t.Helper()
		a := h.get("/v1/progress", acme.read).is(200)
		require.InDelta(t, unsettled, a.get("unsettled"), 0)
		require.InDelta(t, outbox, a.get("outbox"), 0)
	}
	at(0, 0)
	id := acme.join("1", "Ada", "Lovelace")
	at(1, 1)
	acme.fulfil(id)
	at(0, 1)
	h.deliver()
	at(0, 0)
}

func TestReportMeasuresTimes(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	for i, took := range []time.Duration{time.Second, 3 * time.Second, 8 * time.Second} {
		id := acme.join(fmt.Sprintf("p%d", i), fmt.Sprintf("G%d", i), fmt.Sprintf("F%d", i))
		plan := acme.plan(id)
		h.clock.advance(took)
		acme.steps(id, plan, acme.verify)
		acme.plan(id)
	}
	open := acme.join("open", "Open", "End")
	acme.plan(open)
	h.clock.advance(time.Minute)
	// A mover's grant, long after, is no part of the time to provision.
	acme.send(cloudEventAt("later", "changed", `"employeeId":"p0","givenName":"Another"`)).is(202)
	since := h.clock.now().Add(-time.Second).Format(time.RFC3339)
	acme.send(cloudEventAt("left", "left", `"employeeId":"p1","lastDay":"2026-02-01"`)).is(202)
	left := h.get("/v1/identities/p1", acme.read).text("id")
	plan := acme.plan(left)
	h.clock.advance(2 * time.Second)
	acme.steps(left, plan, acme.verify)

	a := h.get("/v1/reports/lifecycle", acme.read).is(200)
	for path, want := range map[string]float64{
		"timeToProvision.count": 3, "timeToProvision.open": 1, "timeToProvision.p50": 3, "timeToProvision.max": 8, "timeToProvision.p99": 7.9,
		"timeToDeprovision.count": 1, "timeToDeprovision.open": 0, "timeToDeprovision.p50": 2, "timeToDeprovision.max": 2,
		"targets.0.created": 3, "targets.0.disabled": 1, "openOperations.requested": 3,
	} {
		require.InDelta(t, want, a.get(path), 0.001, path)
	}
	recent := h.get("/v1/reports/lifecycle?since="+since, acme.read).is(200)
	require.InDelta(t, 0, recent.get("timeToProvision.count"), 0)
	require.InDelta(t, 1, recent.get("timeToDeprovision.count"), 0)
	require.InDelta(t, 0, recent.get("targets.0.created"), 0)
	require.Equal(t, "since", h.get("/v1/reports/lifecycle?since=yesterday", acme.read).is(http.StatusBadRequest).text("errors.0.field"))
}

// The times of an operation are what a leave is judged by: when it was asked for, begun, done, read back, read back once more,
// and when it was due.
func TestALeaversOperationsTellTheirTimes(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	id := acme.join("1", "Ada", "Lovelace")
	acme.fulfil(id)
	tick := func() time.Time {
		h.clock.advance(time.Second)
		return h.clock.now()
	}
	left := tick()
	acme.send(cloudEvent("left", "left", `"employeeId":"1","lastDay":"2026-02-01"`)).is(202)
	asked := tick()
	plan := acme.plan(id)
	require.Len(t, plan.Steps, 2)
	wanted := map[string]map[string]time.Time{} // by target
	for _, step := range plan.Steps {
		started := tick()
		job, _, err := h.service.Begin(t.Context(), workflows.ApplyRequest{Org: acme.id, Identity: id, Step: step})
		require.NoError(t, err)
		done, verified := tick(), tick()
		wanted[step.Target] = map[string]time.Time{"requestedAt": asked, "startedAt": started, "doneAt": done, "verifiedAt": verified}
		reading := lifecycle.Reading{Found: true}
		for _, o := range acme.operations(uuid.MustParse(id)) {
			if o.PlanID == plan.ID && *o.Account == job.Account.ID {
				reading.Findings = append(reading.Findings, store.Finding{Action: o.Action, Status: "verified", Done: &done, Verified: &verified})
			}
		}
		_, err = job.Verified(t.Context(), reading)
		require.NoError(t, err)
	}
	h.clock.advance(time.Hour)
	confirmed := h.clock.now()
	acme.confirm(id)

	page := h.get("/v1/operations?status=confirmed", acme.read).is(200)
	within := map[string]time.Duration{"disable": time.Minute, "end_sessions": time.Minute, "reset_password": time.Minute,
		"reset_factors": 5 * time.Minute, "remove_memberships": time.Hour}
	require.Len(t, page.items("items"), len(wanted)*len(within))
	for i := range page.items("items") {
		at := func(field string) string { return page.text(fmt.Sprintf("items.%d.%s", i, field)) }
		times := wanted[at("target")]
		times["confirmedAt"], times["deadlineAt"] = confirmed, left.Add(within[at("action")])
		for field, want := range times {
			require.Equal(t, want.Format(time.RFC3339Nano), at(field), "%s of %s in %s", field, at("action"), at("target"))
		}
	}
}
