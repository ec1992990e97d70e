package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/tenurehq/tenure/connectors"
	entra "github.com/tenurehq/tenure/connectors/entra/simulator"
	okta "github.com/tenurehq/tenure/connectors/okta/simulator"
	scim "github.com/tenurehq/tenure/connectors/scim/simulator"
	"github.com/tenurehq/tenure/deploy/sample"
	"github.com/tenurehq/tenure/internal/apiclient"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/testkit"
	"github.com/tenurehq/tenure/workflows"
)

// obedient is an API that takes every event, and shows for it whom it was told to.
type obedient struct {
	mu       sync.Mutex
	eventIDs []string
	people   []apiclient.IdentityDetail
	progress []apiclient.Progress // answers in turn; then all is quiet
}

func (o *obedient) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if id, one := strings.CutPrefix(r.URL.Path, "/v1/identities/"); one {
		_ = json.NewEncoder(w).Encode(o.people[slices.IndexFunc(o.people, func(d apiclient.IdentityDetail) bool { return d.ID == id })])
		return
	}
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
		_ = json.NewEncoder(w).Encode(map[string]any{"items": o.people})
	case "GET /v1/reports/lifecycle":
		fmt.Fprint(w, `{"timeToProvision":{"count":2,"p50":0.5,"p99":1.5},"targets":[{"target":"crm","created":3,"updated":2,"disabled":1}]}`)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// simulators are the sample's targets.
type simulators struct {
	crm   *scim.Simulator
	entra *entra.Simulator
	okta  *okta.Simulator
}

// acme is the sample's policy.
func acme(t *testing.T) *policy.Policy {
	t.Helper()
	files, err := sample.PolicyFiles()
	require.NoError(t, err)
	p, err := policy.Parse(files...)
	require.NoError(t, err)
	return p
}

// stage is an obedient API with three targets that hold nobody.
func stage(t *testing.T) (*obedient, environ, simulators) {
	t.Helper()
	fake := &obedient{}
	api := httptest.NewServer(fake)
	t.Cleanup(api.Close)
	p := acme(t)
	target := func(name string) policy.Target {
		found, ok := p.Target(name)
		require.True(t, ok)
		return found
	}
	granted := func(name, kind string) []string {
		var names []string
		for _, e := range target(name).Entitlements {
			if e.Kind == kind {
				names = append(names, e.Name)
			}
		}
		return names
	}
	var s simulators
	var err error
	s.crm, err = scim.New(scim.Options{Token: "secret", Groups: granted("crm", "group")})
	require.NoError(t, err)
	crm := httptest.NewServer(s.crm)
	t.Cleanup(crm.Close)
	tenant := target("entra").Settings
	directoryOptions := entra.Options{TenantID: tenant["tenantId"].(string), ClientID: tenant["clientId"].(string), ClientSecret: "secret"}
	for _, name := range granted("entra", "group") {
		directoryOptions.Groups = append(directoryOptions.Groups, entra.Group{DisplayName: name})
	}
	for _, sku := range granted("entra", "licence") {
		directoryOptions.Licences = append(directoryOptions.Licences, entra.Licence{SkuPartNumber: sku, SkuID: madeUpID("sku", sku), Seats: 9})
	}
	s.entra, err = entra.New(directoryOptions)
	require.NoError(t, err)
	directory := httptest.NewTLSServer(s.entra)
	t.Cleanup(directory.Close)
	orgOptions := okta.Options{Token: "secret"}
	for _, name := range granted("okta", "group") {
		orgOptions.Groups = append(orgOptions.Groups, okta.Group{Name: name})
	}
	for _, label := range granted("okta", "application") {
		orgOptions.Apps = append(orgOptions.Apps, okta.App{Name: "bookmark", Label: label})
	}
	s.okta, err = okta.New(orgOptions)
	require.NoError(t, err)
	org := httptest.NewServer(s.okta)
	t.Cleanup(org.Close)
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: directory.Certificate().Raw}), 0o600))
	return fake, environ{
		"TENURE_URL": api.URL, "TENURE_ADMIN_TOKEN": "a", "TENURE_HR_TOKEN": "h", "TENURE_RUN_DIR": filepath.Join(t.TempDir(), "run"),
		"TENURE_SAMPLE_CRM_URL": crm.URL, "TENURE_SAMPLE_CRM_TOKEN": "secret",
		"TENURE_SAMPLE_ENTRA_URL": directory.URL, "TENURE_SAMPLE_ENTRA_GRAPH_URL": directory.URL + "/v1.0",
		"TENURE_SAMPLE_ENTRA_CLIENT_SECRET": "secret", "TENURE_SAMPLE_ENTRA_CA_FILE": caFile,
		"TENURE_SAMPLE_OKTA_URL": org.URL, "TENURE_SAMPLE_OKTA_TOKEN": "secret",
	}, s
}

func TestSamplePlay(t *testing.T) {
	t.Parallel()
	fake, env, _ := stage(t)
	fake.progress = []apiclient.Progress{{Unsettled: 3, Outbox: 2}, {Unsettled: 1}}
	r := tenure(t, env, "sample", "play")
	require.Zero(t, r.code, r.errOut)
	require.Len(t, fake.eventIDs, 360)
	require.Contains(t, r.errOut, "joiners sent: 300 of 300\njoiners settled: 3 of 3\nmovers sent: 40 of 40\n")
	for _, part := range []string{"join       360\nall        360\n", "provision    500 ms  1.5 s", "no differences", env["TENURE_URL"] + "/openapi.json", "target entra"} {
		require.Contains(t, r.out, part)
	}

	require.Regexp(t, `\ncrm +3 +2 +0 +1 +0 +0\n`, r.out)

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
	crm := connect(t, "scim", connectors.Settings{"baseUrl": env["TENURE_SAMPLE_CRM_URL"], "token": "secret"})
	_, err := crm.CreateAccount(t.Context(), connectors.Account{Enabled: true, Attributes: map[string]any{"userName": "stranger"}})
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
	require.Contains(t, r.errOut, "TENURE_SAMPLE_CRM_TOKEN")
	require.Contains(t, r.errOut, "`make run` sets what the sample needs")
}

// TestSamplePlaysAnotherPolicy: one that is wrong, or another organization's, is refused before anything is sent.
func TestSamplePlaysAnotherPolicy(t *testing.T) {
	t.Parallel()
	fake, env, _ := stage(t)
	for name, c := range map[string]struct{ text, want string }{
		"broken":               {"organization: acme\ntimeZone: Nowhere\n", "nothing was played, mend the policy first:\n"},
		"another organization": {"organization: contoso\ntimeZone: UTC\n", `nothing was played: the policy is that of the organization "contoso"`},
		"no policy":            {"", "nothing was played, mend the policy first:\n"},
	} {
		path := filepath.Join(t.TempDir(), "policy.yaml")
		require.NoError(t, os.WriteFile(path, []byte(c.text), 0o600))
		r := tenure(t, env, "sample", "play", "-f", path)
		require.Equal(t, 1, r.code, name)
		require.Contains(t, r.errOut, c.want, name)
	}
	r := tenure(t, env, "sample", "play", "-f", t.TempDir())
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "holds no .yaml file")
	require.Empty(t, fake.eventIDs)

	r = tenure(t, env, "sample", "play", "-f", "../../deploy/sample/acme")
	require.Zero(t, r.code, r.errOut)
	require.Len(t, fake.eventIDs, 360)
}

// TestSampleSignsPeopleIn: those who have joined begin to use what they have, once; and what a leaver keeps is found.
func TestSampleSignsPeopleIn(t *testing.T) {
	t.Parallel()
	fake, env, targets := stage(t)
	ada := apiclient.IdentityDetail{Identity: apiclient.Identity{ID: "ada", EmployeeID: "A1", State: identity.StateActive, UserName: "al", Mail: "ada@acme.example"},
		Attributes: identity.Attributes{EmployeeID: "A1", GivenName: "Ada", FamilyName: "L", DisplayName: "Ada L", WorkerType: "employee",
			Department: "Engineering", Custom: map[string]any{"costCenter": "7"}}, Timeline: []apiclient.TimelineEntry{{Effect: "join"}}}
	bob := ada // who has left and come back
	bob.ID, bob.EmployeeID, bob.UserName, bob.Mail, bob.Attributes.EmployeeID = "bob", "A2", "bl", "bob@acme.example", "A2"
	bob.Timeline = []apiclient.TimelineEntry{{Effect: "join"}, {Effect: "leave"}, {Effect: "rehire"}}
	for _, person := range []*apiclient.IdentityDetail{&ada, &bob} {
		provision(t, env, person)
	}
	fake.people = []apiclient.IdentityDetail{ada, bob}
	for range 2 {
		r := tenure(t, env, "sample", "play")
		require.Zero(t, r.code, r.out+r.errOut)
		require.Equal(t, []int{1, 0}, []int{targets.entra.Users()[0].Sessions, targets.entra.Users()[1].Sessions})
		require.Equal(t, []int{1, 0}, []int{targets.okta.Users()[0].Sessions, targets.okta.Users()[1].Tokens})
		require.Len(t, targets.entra.Users()[0].Methods, 2)
		require.Len(t, targets.okta.Users()[0].Factors, 2)
	}
	fake.people[0].State = identity.StateLeft
	r := tenure(t, env, "sample", "play", "--json")
	require.Equal(t, 1, r.code)
	var result played
	require.NoError(t, json.Unmarshal([]byte(r.out), &result))
	require.Greater(t, result.Usage["entra"].Calls, 4)
	require.Greater(t, result.Usage["okta"].Calls, 4)
	require.Greater(t, result.Usage["crm"].Calls, 4)
	var found []string
	for _, d := range result.Differences {
		require.Equal(t, "A1", d.Employee, "%+v", d)
		found = append(found, d.Target+": "+d.What)
	}
	require.Subset(t, found, []string{
		"crm: is enabled and should be deactivated", "crm: holds group Engineering, which policy does not give",
		"entra: is enabled and should be deactivated", "entra: holds licence SPE_E3, which policy does not give",
		"entra: has 1 sessions, which should have ended", "entra: has 2 factors, which a leaver should not have",
		"okta: is enabled and should be deactivated", "okta: holds application Code Hosting, which policy does not give",
		"okta: has 2 sessions, which should have ended",
	})
}

// provision gives a person in all targets what policy says, and records the native ids.
func provision(t *testing.T, env environ, person *apiclient.IdentityDetail) {
	t.Helper()
	p := acme(t)
	desired, err := p.Desired(subjects([]apiclient.IdentityDetail{*person}, time.Now())[0].Subject)
	require.NoError(t, err)
	require.Len(t, desired.Accounts, 3)
	for name, wish := range desired.Accounts {
		rule, _ := p.Target(name)
		settings, err := policy.ResolveSettings(rule.Settings, env.LookupEnv, os.ReadFile)
		require.NoError(t, err)
		c := connect(t, rule.Connector, settings)
		account, err := c.CreateAccount(t.Context(), connectors.Account{Enabled: true, Attributes: wish.Attributes})
		require.NoError(t, err)
		for _, grant := range wish.Grants {
			grantEach(t, c, account.NativeID, [2]string{grant.Kind, grant.Name})
		}
		person.Accounts = append(person.Accounts, apiclient.Account{Target: name, NativeID: account.NativeID})
	}
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
			"timeline":[{"effect":"join"},{"effect":"suspend"},{"effect":"resume"}],
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
	require.Equal(t, []bool{false, true, false, false}, []bool{people[0].Left, people[0].Away, people[1].Left, people[1].Away})
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
