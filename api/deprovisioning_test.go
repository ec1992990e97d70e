package api_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

// Of three leaves one is in time, one is late, and one waits for a target that is down.
func TestDeprovisioningReport(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	report := func(since, until time.Time) answer {
		query := url.Values{"since": {since.Format(time.RFC3339Nano)}}
		if !until.IsZero() {
			query.Set("until", until.Format(time.RFC3339Nano))
		}
		return h.get("/v1/reports/deprovisioning?"+query.Encode(), acme.read).is(http.StatusOK)
	}
	begun := h.clock.now()
	require.Empty(t, report(begun, time.Time{}).items("tiers"))
	leave := func(employee string, takes time.Duration) (string, workflows.Plan) {
		id := acme.join(employee, "Given"+employee, "Family"+employee)
		acme.fulfil(id)
		h.clock.advance(time.Minute)
		acme.send(cloudEvent("left-"+employee, "left", `"employeeId":"`+employee+`","immediate":true`)).is(http.StatusAccepted)
		plan := acme.plan(id)
		h.clock.advance(takes)
		return id, plan
	}
	quick, plan := leave("1", 3*time.Second)
	acme.steps(quick, plan, func(j *lifecycle.Job) { acme.verify(j) })
	between := h.clock.now()
	slow, plan := leave("2", 90*time.Second)
	acme.steps(slow, plan, func(j *lifecycle.Job) { acme.verify(j) })
	down, plan := leave("3", 2*time.Minute)
	acme.steps(down, plan, func(j *lifecycle.Job) {
		_, err := j.SetBack(t.Context(), workflows.OutcomeBlocked, true, store.Finding{Action: lifecycle.ActionDisable, Code: "unavailable"})
		require.NoError(t, err)
	})
	acme.plan(down) // which asks for nothing anew

	is := report(begun, time.Time{})
	for tier, want := range map[string]map[string]float64{
		// Three people in two targets with four actions each, of which that on the factors is due after five minutes.
		"tiers.0": {"tier": 1, "actions": 24, "inTime": 10, "late": 6, "open": 2, "overdue": 6},
		"tiers.1": {"tier": 2, "actions": 6, "inTime": 4, "late": 0, "open": 2, "overdue": 0},
	} {
		for name, n := range want {
			require.InDelta(t, n, is.get(tier+"."+name), 0, "%s of %s", name, tier)
		}
	}
	require.InDelta(t, 2, is.get("tiers.0.timeToDeprovision.count"), 0)
	require.InDelta(t, 1, is.get("tiers.0.timeToDeprovision.open"), 0)
	require.InDelta(t, 90, is.get("tiers.0.timeToDeprovision.max"), 0.1)
	require.Len(t, is.items("breaches"), 12)
	require.Equal(t, down, is.text("breaches.0.identityId"), "what is open first")
	require.Equal(t, "blocked", is.text("breaches.0.status"))
	require.Equal(t, slow, is.text("breaches.6.identityId"))
	require.NotNil(t, is.get("breaches.6.verifiedAt"))

	before := report(begun, between)
	require.InDelta(t, 8, before.get("tiers.0.actions"), 0, "the first leave alone")
	require.InDelta(t, 3, before.get("tiers.0.timeToDeprovision.max"), 0.1)
	require.Empty(t, before.items("breaches"))
	require.InDelta(t, 16, report(between, time.Time{}).get("tiers.0.actions"), 0)
	h.get("/v1/reports/deprovisioning?since=2026-02-01T00:00:00Z&until=2026-02-01T00:00:00Z", acme.read).is(http.StatusBadRequest)
	h.get("/v1/reports/deprovisioning?until=yesterday", acme.read).is(http.StatusBadRequest)
}
