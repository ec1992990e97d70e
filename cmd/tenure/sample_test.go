package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/scim"
	"github.com/tenurehq/tenure/connectors/scim/simulator"
	"github.com/tenurehq/tenure/internal/apiclient"
	"github.com/tenurehq/tenure/internal/testkit"
	"github.com/tenurehq/tenure/workflows"
)

// obedient is an API that takes every event and has nobody to show for it.
type obedient struct {
	mu       sync.Mutex
	eventIDs []string
	progress []apiclient.Progress // answers in turn; then all is quiet
}

func (o *obedient) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "POST /v1/policy/preview":
		fmt.Fprint(w, `{"from":1,"unchanged":true}`)
	case "POST /v1/events":
		var events []struct {
			ID string `json:"id"`
		}
		if err := json.NewDecoder(r.Body).Decode(&events); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		results := make([]apiclient.Result, len(events))
		for i, e := range events {
			o.eventIDs = append(o.eventIDs, e.ID)
			results[i] = apiclient.Result{EventID: e.ID, Effect: "join"}
		}
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(map[string]any{"results": results})
	case "GET /v1/progress":
		var now apiclient.Progress
		if len(o.progress) > 0 {
			now, o.progress = o.progress[0], o.progress[1:]
		}
		_ = json.NewEncoder(w).Encode(now)
	case "GET /v1/identities":
		fmt.Fprint(w, `{"items":[]}`)
	case "GET /v1/reports/lifecycle":
		fmt.Fprint(w, `{"timeToProvision":{"count":2,"p50":0.5,"p99":1.5},"targets":[{"target":"crm","created":3,"updated":2,"disabled":1}]}`)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// stage is an obedient API with three empty targets.
func stage(t *testing.T) (*obedient, environ, map[string]connectors.AccountWriter) {
	t.Helper()
	fake := &obedient{}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	env := environ{"TENURE_URL": server.URL, "TENURE_ADMIN_TOKEN": "a", "TENURE_HR_TOKEN": "h", "TENURE_RUN_DIR": filepath.Join(t.TempDir(), "run")}
	targets := map[string]connectors.AccountWriter{}
	for _, name := range []string{"crm", "helpdesk", "wiki"} {
		app, err := simulator.New(simulator.Options{Token: "secret"})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, app.Close()) })
		target := httptest.NewServer(app)
		t.Cleanup(target.Close)
		env[targetVariable(name, "URL")], env[targetVariable(name, "TOKEN")] = target.URL, "secret"
		connector, err := scim.New(connectors.Settings{"baseUrl": target.URL, "token": "secret"})
		require.NoError(t, err)
		targets[name] = connector.(connectors.AccountWriter)
	}
	return fake, env, targets
}

func TestSamplePlay(t *testing.T) {
	t.Parallel()
	fake, env, targets := stage(t)
	fake.progress = []apiclient.Progress{{Unsettled: 3, Outbox: 2}, {Unsettled: 1}}
	r := tenure(t, env, "sample", "play")
	require.Zero(t, r.code, r.errOut)
	require.Len(t, fake.eventIDs, 360)
	require.Contains(t, r.errOut, "joiners sent: 300 of 300\njoiners settled: 3 of 3\nmovers sent: 40 of 40\n")
	for _, part := range []string{"join       360\nall        360\n", "provision    500 ms  1.5 s", "no differences", env["TENURE_URL"] + "/openapi.json", "target wiki"} {
		require.Contains(t, r.out, part)
	}

	require.Regexp(t, `\ncrm +3 +2 +0 +1\n`, r.out)

	// A play on a later day is the same story: its ids are those of the first play.
	first := fake.eventIDs
	fake.eventIDs = nil
	name := filepath.Join(env["TENURE_RUN_DIR"], "sample.json")
	require.NoError(t, writeState(name, state{Day: "2026-01-31"}))
	r = tenure(t, env, "sample", "play", "--json")
	require.Zero(t, r.code, r.errOut)
	require.Contains(t, r.errOut, "the sample was begun on 2026-01-31")
	require.Len(t, fake.eventIDs, len(first))
	require.True(t, strings.HasPrefix(fake.eventIDs[0], "acme-20260131-"))
	var result played
	require.NoError(t, json.Unmarshal([]byte(r.out), &result))
	require.Equal(t, map[string]int{"join": 360}, result.Effects)
	require.NotNil(t, result.Differences)

	// Something in a target that policy does not give.
	_, err := targets["wiki"].CreateAccount(t.Context(), connectors.Account{Enabled: true, Attributes: map[string]any{"userName": "stranger"}})
	require.NoError(t, err)
	r = tenure(t, env, "sample", "play")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.out, "the account belongs to nobody whom Tenure knows")
	require.Contains(t, r.errOut, "tenure: 1 differences between the targets and what policy says")

	require.NoError(t, os.WriteFile(name, []byte("{}"), 0o600))
	r = tenure(t, env, "sample", "play")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "sample.json does not hold the day of the first play: delete it")

	delete(env, "TENURE_SAMPLE_CRM_TOKEN")
	r = tenure(t, env, "sample", "play")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "TENURE_SAMPLE_CRM_TOKEN is not set")
}

func TestTheDayIsKept(t *testing.T) {
	t.Parallel()
	p := player{stateDir: filepath.Join(t.TempDir(), "deep", "run")}
	first, again, err := p.day()
	require.NoError(t, err)
	require.False(t, again)
	require.WithinDuration(t, time.Now(), first, 24*time.Hour)
	second, again, err := p.day()
	require.NoError(t, err)
	require.True(t, again)
	require.True(t, first.Equal(second))
}

func TestWaitingGivesUpWhenNothingMoves(t *testing.T) {
	t.Parallel()
	stuck := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"unsettled":4,"outbox":2}`) }))
	t.Cleanup(stuck.Close)
	var out strings.Builder
	err := waitForQuiet(t.Context(), apiclient.New(stuck.URL, "t"), &out, "leavers settled", patience{look: time.Millisecond, still: 30 * time.Millisecond})
	require.ErrorContains(t, err, "nothing moved for 30ms while waiting until leavers settled: 4 people are unsettled and 2 pokes wait")
	require.ErrorContains(t, err, "tenure target list")
}

// What people are compared with is made of what the API says of them, managers included.
func TestSubjects(t *testing.T) {
	t.Parallel()
	var details []apiclient.IdentityDetail
	require.NoError(t, json.Unmarshal([]byte(`[
		{"id":"a","state":"active","userName":"u","mail":"m","managerId":"b","startsAt":"2026-01-01T00:00:00Z","endsAt":"2026-02-01T00:00:00Z",
			"attributes":{"employeeId":"E1","custom":{"costCenter":"7"}},"accounts":[{"target":"crm","nativeId":"n"},{"target":"wiki"}]},
		{"id":"b","state":"leaving","attributes":{"employeeId":"E2"}}]`), &details))
	asOf := time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC)
	people := subjects(details, asOf)
	require.Equal(t, map[string]string{"crm": "n", "wiki": ""}, people[0].Accounts)
	s := people[0].Subject
	require.Equal(t, "E2", s.Manager.EmployeeID)
	require.Equal(t, "7", s.Attributes.Custom["costCenter"])
	require.Equal(t, []any{"u", "m", asOf}, []any{s.UserName, s.Mail, s.AsOf})
	require.Equal(t, "2026-01-01 2026-02-01", s.StartsAt.Format(time.DateOnly)+" "+s.EndsAt.Format(time.DateOnly))
	require.Nil(t, people[1].Subject.Manager)
}

func TestReadRuns(t *testing.T) {
	t.Parallel()
	options := client.Options{HostPort: testkit.Temporal(t), Namespace: testkit.TemporalNamespace}
	c, err := client.Dial(options)
	require.NoError(t, err)
	defer c.Close()
	org := fmt.Sprintf("runs-%d", time.Now().UnixNano())
	for i, kind := range []string{"Joiner", "Joiner", "Leaver"} {
		run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
			ID: fmt.Sprintf("%s-%d", org, i), TaskQueue: org,
			TypedSearchAttributes: temporal.NewSearchAttributes(workflows.AttributeOrg.ValueSet(org)),
		}, kind)
		require.NoError(t, err)
		if i > 0 {
			require.NoError(t, c.TerminateWorkflow(t.Context(), run.GetID(), run.GetRunID(), "test"))
			continue
		}
		t.Cleanup(func() {
			end, err := client.Dial(options)
			if err == nil {
				err = end.TerminateWorkflow(context.Background(), run.GetID(), run.GetRunID(), "the test is over") // t.Context is over
				end.Close()
			}
			require.NoError(t, err)
		})
	}
	want := []runsOf{{Type: "Joiner", Runs: 2, Closed: 1, MedianEvents: 3, MaxEvents: 3}, {Type: "Leaver", Runs: 1, Closed: 1, MedianEvents: 3, MaxEvents: 3}}
	var runs []runsOf
	require.Eventually(t, func() bool { // visibility is written a moment later
		runs, err = readRuns(t.Context(), options, org)
		return err != nil || reflect.DeepEqual(want, runs)
	}, 20*time.Second, 100*time.Millisecond, "last seen: %+v", &runs)
	require.NoError(t, err)
}
