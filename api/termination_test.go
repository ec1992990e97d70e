package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

// A report says of every action when it was due, whether and when it was seen to be done, and who asked for what reason.
func TestTerminationReport(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	ada := acme.join("1001", "Ada", "Canary")
	acme.fulfil(ada)
	report := func() answer { return h.get("/v1/identities/1001/termination", acme.read).is(http.StatusOK) }
	page := func() string {
		answer := h.get("/v1/identities/"+ada+"/termination.html", acme.read).is(http.StatusOK)
		require.Equal(t, "text/html; charset=utf-8", answer.header.Get("Content-Type"))
		require.Contains(t, answer.header.Get("Content-Security-Policy"), "default-src 'none'")
		return string(answer.body)
	}
	require.Contains(t, h.get("/v1/identities/1001/termination", acme.read).is(http.StatusConflict).text("detail"), "is active")
	h.get("/v1/identities/1001/termination.html", acme.read).is(http.StatusConflict)

	h.clock.advance(time.Hour)
	h.post("/v1/identities/1001/kill", acme.kill, `{"reason":"<b>INC-1</b> & more"}`).is(http.StatusAccepted)
	known := h.clock.now()
	require.Contains(t, page(), "There was no account to take away", "nothing is planned yet")
	plan := acme.plan(ada)
	require.InDelta(t, 10, report().get("open"), 0)
	require.Contains(t, page(), "10 of 10 actions are not verified.")

	// One target is quick, the other is down until tier 1 is late.
	h.clock.advance(2 * time.Second)
	acme.steps(ada, workflows.Plan{Steps: plan.Steps[:1]}, func(j *lifecycle.Job) { acme.verify(j) })
	acme.steps(ada, workflows.Plan{Steps: plan.Steps[1:]}, func(j *lifecycle.Job) {
		_, err := j.SetBack(t.Context(), workflows.OutcomeBlocked, true, store.Finding{Action: lifecycle.ActionDisable, Code: "unavailable", Detail: "503 from <them>"})
		require.NoError(t, err)
	})
	h.clock.advance(2 * time.Minute)
	is := report()
	require.InDelta(t, 5, is.get("open"), 0)
	require.InDelta(t, 3, is.get("late"), 0, "three actions of tier 1 are due after a minute, the factors after five, tier 2 after an hour")
	require.Nil(t, is.get("doneAt"))
	require.Equal(t, "unavailable: 503 from <them>", whyOf(is, "disable"))
	shown := page()
	require.Contains(t, shown, "5 of 10 actions are not verified.")
	require.Contains(t, shown, "unavailable: 503 from &lt;them&gt;")
	require.Contains(t, shown, "&lt;b&gt;INC-1&lt;/b&gt; &amp; more", "what people wrote is text")

	acme.steps(ada, acme.plan(ada), func(j *lifecycle.Job) { acme.verify(j) })
	is = report()
	require.InDelta(t, 0, is.get("open"), 0)
	require.InDelta(t, 3, is.get("late"), 0)
	require.Equal(t, known.Format(time.RFC3339Nano), is.text("leftAt"))
	require.Equal(t, h.clock.now().Format(time.RFC3339Nano), is.text("doneAt"))
	require.Equal(t, "<b>INC-1</b> & more", is.text("reason"))
	require.Equal(t, "identity.killed", is.text("causes.0.type"))
	require.Regexp(t, "^token:[0-9a-f-]{36}$", is.text("causes.0.actor"))
	require.Contains(t, page(), "All 10 actions are verified")
	require.Equal(t, 10, strings.Count(string(is.body), `"readBack":true`), "with the evidence of each")
}

// whyOf is what keeps an action from being done in some target.
func whyOf(report answer, action string) any {
	for _, item := range report.items("actions") {
		if a := item.(map[string]any); a["action"] == action && a["why"] != nil {
			return a["why"]
		}
	}
	return nil
}

// The cause of a leave is what ended the employment, or announced its end, and not what was said afterwards.
func TestTheCauseOfALeave(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	ada := acme.join("1001", "Ada", "Canary")
	day := h.clock.now().AddDate(0, 0, 2)
	acme.send(cloudEvent("notice", "left", `"employeeId":"1001","reason":"resigned","lastDay":"`+day.Format(time.DateOnly)+`"`)).is(http.StatusAccepted)
	h.get("/v1/identities/1001/termination", acme.read).is(http.StatusConflict)
	h.clock.advance(4 * 24 * time.Hour)
	acme.fulfil(ada)
	acme.hr = h.token("acme", "hr") // the others have expired
	acme.send(cloudEvent("late", "changed", `"employeeId":"1001","title":"x"`)).is(http.StatusAccepted)
	report := h.get("/v1/identities/1001/termination", h.token("acme", "read")).is(http.StatusOK)
	require.Len(t, report.items("causes"), 1)
	require.Equal(t, "notice", report.text("causes.0.eventId"))
	require.Regexp(t, "^token:", report.text("causes.0.actor"))
	require.Equal(t, "resigned", report.text("reason"))
	h.get("/v1/identities/"+uuid.NewString()+"/termination", h.token("acme", "read")).is(http.StatusNotFound)
}
