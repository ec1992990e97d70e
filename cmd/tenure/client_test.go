package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeAPI answers prepared JSON by "METHOD /path?query", and keeps what it was asked.
type fakeAPI struct {
	t       *testing.T
	answers map[string]string

	mu    sync.Mutex
	asked []string
	body  map[string]string
}

func newFakeAPI(t *testing.T, answers map[string]string) (*fakeAPI, environ) {
	t.Helper()
	f := &fakeAPI{t: t, answers: answers, body: map[string]string{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, environ{"TENURE_URL": server.URL, "TENURE_ADMIN_TOKEN": "admin", "TENURE_HR_TOKEN": "hr", "TENURE_KILL_TOKEN": "kill"}
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Method + " " + r.URL.String()
	body, err := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, key)
	f.body[key] = string(body)
	answer, ok := f.answers[key]
	switch {
	case err != nil || r.Header.Get("Authorization") == "":
		w.WriteHeader(http.StatusBadRequest)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"title":"Not Found","detail":"the test has no answer to %s"}`, key)
	default:
		fmt.Fprint(w, answer)
	}
}

func (f *fakeAPI) sent(key string, into any) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Contains(f.t, f.body, key)
	require.NoError(f.t, json.Unmarshal([]byte(f.body[key]), into))
}

const (
	// The objects are left open, for what a test adds.
	oneCase = `{"id":"c1","source":"hr","employeeId":"E9","candidates":["i1"],"rule":"same-name","openedAt":"2026-03-01T10:00:00Z"`
	someone = `{"id":"i1","state":"active","settled":true,"employeeId":"E1","userName":"mueller","displayName":"Jörg Ǻlund","department":"Sales","workerType":"employee"`
	oneOp   = `{"id":"o1","identityId":"i1","target":"crm","action":"disable","status":"failed","tier":1,"requestedAt":"2026-03-01T10:00:00Z","attempts":3,"errorCode":"invalid","errorDetail":"userName is taken"}`
	bossID  = "91b2f4c0-6f0e-4f57-9d0e-0a8a3c1f5d11"
	// A leave of which one action was late and one is open.
	termination = `{"displayName":"Jörg Ǻlund","employeeId":"E1","identityId":"91b2f4c0-6f0e-4f57-9d0e-0a8a3c1f5d11","state":"leaving","leftAt":"2026-03-01T10:00:00Z",
		"reason":"<a>","open":1,"late":1,"madeAt":"2026-03-01T11:00:00Z","causes":[{"eventId":"d1","source":"tenure","type":"identity.killed","receivedAt":"2026-03-01T10:00:00Z","actor":"token:x"}],
		"actions":[{"tier":1,"target":"crm","action":"disable","status":"verified","deadlineAt":"2026-03-01T10:01:00Z","requestedAt":"2026-03-01T10:00:00Z","verifiedAt":"2026-03-01T10:01:30Z","late":true},
			{"tier":2,"target":"crm","action":"end_sessions","status":"failed","deadlineAt":"2026-03-01T12:00:00Z","requestedAt":"2026-03-01T10:00:00Z","why":"503: no"}]}`
	health = `{"name":"crm","connector":"scim","health":"down","since":"2026-03-01T10:00:00Z","reason":"attempts","blocked":12}`
)

func TestReadingAndMending(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		args    []string
		asks    string
		answer  string
		prints  []string
		without []string
	}{
		{"identities", []string{"identity", "list", "--department", "R&D", "--search", "mü", "--limit", "2"},
			"GET /v1/identities?department=R%26D&limit=2&q=m%C3%BC", `{"items":[` + someone + `}]}`,
			[]string{"E1        Jörg Ǻlund  mueller    Sales       employee  active  yes      i1"}, nil},
		{"reports", []string{"identity", "list", "--manager", bossID}, "GET /v1/identities?limit=100&manager=" + bossID, `{"items":[` + someone + `}]}`,
			[]string{"E1        Jörg Ǻlund"}, nil},
		{"nobody", []string{"identity", "list", "--state", "left"}, "GET /v1/identities?limit=100&state=left", `{"items":[]}`, []string{"nobody"}, nil},
		{"identity", []string{"identity", "show", "a/b"}, "GET /v1/identities/a%2Fb", someone + `,"workflowId":"identity/acme/i1","mail":"",
			"accounts":[{"target":"crm","state":"active","outcome":"applied","nativeId":"n-7","verifiedAt":"2026-03-01T10:00:00Z"}],
			"grants":[{"target":"crm","kind":"group","name":"Sales","state":"active"}],"operations":[` + oneOp + `],
			"timeline":[{"eventId":"e1","source":"hr","type":"worker.joined","effect":"join","fields":["department","title"],"observedAt":"2026-03-01T10:00:00Z"},
				{"eventId":"e2","source":"hr","type":"worker.rescinded","effect":"none","rescinds":"e1","fields":[],"observedAt":"2026-03-01T10:00:00Z"}]}`,
			[]string{"Jörg Ǻlund", "Accounts", "n-7", "group", "Operations (the newest 1 of 1)", "invalid: userName is taken", "department title", "takes back e1"},
			[]string{"mail"}},
		{"explain", []string{"explain", "E1"}, "GET /v1/identities/E1/explain", `{"text":"crm: account active\n  because of rule \"sales\"\n"}`,
			[]string{"crm: account active\n  because of rule \"sales\"\n"}, nil},
		{"operations", []string{"operation", "list", "--status", "failed"}, "GET /v1/operations?limit=100&status=failed", `{"items":[` + oneOp + `]}`,
			[]string{"o1  i1        crm     disable  failed  1                   3  invalid: userName is taken"}, nil},
		{"retry", []string{"operation", "retry", "o1"}, "POST /v1/operations/o1/retry", `{"operationId":"o1","identityId":"i1"}`, []string{"operation o1 will be tried again"}, nil},
		{"targets", []string{"target", "list"}, "GET /v1/targets", `{"items":[` + health + `]}`, []string{"crm     scim       down    "}, nil},
		{"pause", []string{"target", "pause", "crm"}, "POST /v1/targets/crm/pause", health, []string{"target crm is paused: `tenure target resume crm` ends that"}, nil},
		{"resume", []string{"target", "resume", "crm"}, "POST /v1/targets/crm/resume", health, []string{"target crm is in use again"}, nil},
		{"cases", []string{"case", "list", "--all"}, "GET /v1/cases?all=true", `{"items":[` + oneCase + `}]}`, []string{"c1  hr      E9        same-name           1"}, nil},
		{"open cases", []string{"case", "list"}, "GET /v1/cases", `{"items":[]}`, []string{"no open case"}, nil},
		{"case", []string{"case", "show", "c1"}, "GET /v1/cases/c1", oneCase + `,"person":{"displayName":"Jörg Ǻlund","email":"j@x.example"},"matching":[` + someone + `}]}`,
			[]string{`Rule "same-name" takes somebody whom the source hr reports`, "(source)  E9        Jörg Ǻlund  j@x.example", "i1        E1        Jörg Ǻlund", "tenure case resolve c1 --keep-apart"}, nil},
		{"resolved case", []string{"case", "show", "c1"}, "GET /v1/cases/c1", oneCase + `,"resolvedAt":"2026-03-02T10:00:00Z","resolvedBy":"token:x","resolution":"link","matching":[]}`,
			[]string{"by token:x: link"}, []string{"--keep-apart"}},
		{"link", []string{"case", "resolve", "c1", "--link", "i1"}, "POST /v1/cases/c1/resolve", `{"caseId":"c1"}`, []string{"case c1 is resolved"}, nil},
		{"policy", []string{"policy", "show"}, "GET /v1/policy", `{"version":3,"hash":"ab","appliedAt":"2026-03-01T10:00:00Z","appliedBy":"token:x","document":{"organization":"acme","targets":[{"name":"crm"}]}}`,
			[]string{"# version 3, applied ", "# hash ab\norganization: acme\ntargets:\n- name: crm\n"}, nil},
		{"no policy", []string{"policy", "show"}, "GET /v1/policy", `{"version":0}`, []string{"no policy yet: `tenure apply` applies one"}, nil},
		{"report", []string{"report", "lifecycle", "--since", "2026-01-31T00:00:00Z"}, "GET /v1/reports/lifecycle?since=2026-01-31T00%3A00%3A00Z",
			`{"timeToProvision":{"count":3,"p50":0.25,"p99":75,"max":80.4},"timeToDeprovision":{"count":0,"open":2},"targets":[{"target":"crm","created":5,"disabled":1}],"openOperations":{"failed":4,"stuck":0}}`,
			[]string{"provision    250 ms  1m15s  1m20s       3         0", "deprovision                             0         2", "crm           5        0        0         1", "failed           4"}, []string{"stuck"}},
		{"deadlines", []string{"report", "sla", "--since", "2026-01-31T00:00:00Z", "--until", "2026-02-28T00:00:00Z"},
			"GET /v1/reports/deprovisioning?since=2026-01-31T00%3A00%3A00Z&until=2026-02-28T00%3A00%3A00Z",
			`{"tiers":[{"tier":1,"actions":24,"inTime":20,"late":1,"overdue":3,"timeToDeprovision":{"count":2,"p50":0.5,"p99":90,"max":90}}],"breaches":[{"identityId":"i1",
				"target":"crm","action":"disable","tier":1,"deadlineAt":"2026-02-01T10:00:00Z","verifiedAt":"2026-02-01T10:00:30Z","status":"verified"}]}`,
			[]string{"   1       2  500 ms  1m30s  1m30s       24       20     1     0        3\n", "Missed deadlines", "30.0 s   verified"}, nil},
		{"no leave", []string{"report", "sla"}, "GET /v1/reports/deprovisioning", `{"tiers":[],"breaches":[]}`, []string{"nobody left\n"}, []string{"Missed"}},
		{"termination", []string{"report", "termination", "E1"}, "GET /v1/identities/E1/termination", termination,
			[]string{"Jörg Ǻlund", "identity.killed  tenure  token:x  d1", "   1  crm     disable       verified LATE", "   2  crm     end_sessions  failed", "503: no", "2 actions, 1 not verified, 1 past their deadline\n"}, nil},
		{"progress", []string{"report", "progress"}, "GET /v1/progress", `{"unsettled":1,"outbox":7}`,
			[]string{"1 person is unsettled: something is left to do for them, or to wait for\n7 pokes wait to be handed to Temporal\n"}, nil},
		{"quiet", []string{"report", "progress"}, "GET /v1/progress", `{"unsettled":0,"outbox":0}`, []string{"all is quiet: nothing is left to do for anybody\n"}, nil},
		{"organization", []string{"org", "list"}, "GET /v1/organizations", `{"items":[{"id":"acme","name":"Acme Ltd","createdAt":"2026-03-01T10:00:00Z","policyVersion":3}]}`,
			[]string{"acme  Acme Ltd       3  "}, nil},
		{"recover", []string{"recover", "--yes"}, "POST /v1/recovery", `{"identities":1}`, []string{"held: 1 person is looked at again"}, nil},
		{"release", []string{"recover", "--release", "--yes"}, "POST /v1/recovery/release", `{"id":"acme"}`, []string{"released: every identity is looked at again"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake, env := newFakeAPI(t, map[string]string{test.asks: test.answer})
			r := tenure(t, env, test.args...)
			require.Zero(t, r.code, r.errOut)
			for _, part := range test.prints {
				require.Contains(t, r.out, part)
			}
			for _, part := range test.without {
				require.NotContains(t, r.out, part)
			}
			require.Equal(t, []string{test.asks}, fake.asked)

			r = tenure(t, env, append(test.args, "--json")...)
			require.Zero(t, r.code, r.errOut)
			require.True(t, json.Valid([]byte(r.out)), r.out)
		})
	}
}

func TestJSONIsTheAPIsOwn(t *testing.T) {
	t.Parallel()
	_, env := newFakeAPI(t, map[string]string{
		"GET /v1/identities/E1":        someone + `,"unknown to this version":{"<b>":1}}`,
		"GET /v1/identities?limit=1":   `{"items":[` + someone + `}],"next":"n"}`,
		"GET /v1/operations?limit=100": `{"items":[]}`,
		"POST /v1/recovery":            `{"identities":4}`,
	})
	require.Contains(t, ok(t, env, "identity", "show", "E1", "--json"), `"<b>": 1`)
	r := tenure(t, env, "identity", "list", "--limit", "1", "--json")
	require.JSONEq(t, `{"items":[`+someone+`}]}`, r.out)
	require.Equal(t, "these are the first 1: --limit 0 shows all\n", r.errOut)
	require.JSONEq(t, `{"items":[]}`, ok(t, env, "operation", "list", "--json"))
	require.JSONEq(t, `{"identities":4}`, ok(t, env, "recover", "--yes", "--json"))
}

func TestCaseResolutionsSent(t *testing.T) {
	t.Parallel()
	const path = "POST /v1/cases/c1/resolve"
	fake, env := newFakeAPI(t, map[string]string{path: `{}`})
	var sent map[string]string
	ok(t, env, "case", "resolve", "c1", "--link", "i1")
	fake.sent(path, &sent)
	require.Equal(t, map[string]string{"resolution": "link", "identityId": "i1"}, sent)
	ok(t, env, "case", "resolve", "c1", "--keep-apart")
	sent = nil
	fake.sent(path, &sent)
	require.Equal(t, map[string]string{"resolution": "keep_apart"}, sent)
}

func TestClientErrors(t *testing.T) {
	t.Parallel()
	_, env := newFakeAPI(t, nil)
	for _, test := range []struct {
		args   []string
		code   int
		output string
	}{
		{[]string{"explain", "nobody"}, 1, "tenure: the test has no answer to GET /v1/identities/nobody/explain\n"},
		{[]string{"operation", "list", "--status", "odd"}, 2, `--status is "odd": it must be one of requested,`},
		{[]string{"identity", "list", "--state", "gone"}, 2, `--state is "gone": it must be one of staged,`},
		{[]string{"identity", "list", "--manager", "E1"}, 2, `--manager is "E1": it must be an identity's id`},
		{[]string{"identity", "list", "--limit", "-1"}, 2, "--limit is -1"},
		{[]string{"case", "resolve", "c1"}, 2, "needs either --link IDENTITY or --keep-apart"},
		{[]string{"case", "resolve", "c1", "--link", "i1", "--keep-apart"}, 2, "needs either"},
		{[]string{"report", "lifecycle", "--since", "yesterday"}, 2, `--since is "yesterday"`},
		{[]string{"report", "lifecycle", "--since", "9999-01-01"}, 2, `--since is "9999-01-01"`},
		{[]string{"report", "sla", "--until", "soon"}, 2, `--until is "soon"`},
		{[]string{"report", "termination"}, 2, "needs PERSON"},
		{[]string{"report", "termination", "E1", "--html", "x", "--json"}, 2, "takes either --html or --json"},
		{[]string{"explain"}, 2, "needs PERSON: an identity's id, an employee id or a user name"},
		{[]string{"import", "x.csv", "--batch", "0"}, 2, "--batch is 0"},
		{[]string{"import", "compare"}, 1, "compare is no file"},
		{[]string{"import", "absent.csv"}, 1, "read the file: open absent.csv"},
		{[]string{"recover"}, 1, "nobody is at the terminal to agree: look at what would be done, then run the command with --yes"},
	} {
		r := tenure(t, env, test.args...)
		require.Equal(t, test.code, r.code, "%v: %s", test.args, r.errOut)
		require.Contains(t, r.errOut, test.output)
		require.Empty(t, r.out)
	}
	r := tenure(t, environ{}, "target", "list")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "no token: set TENURE_TOKEN or TENURE_ADMIN_TOKEN")
}

func TestTerminationPage(t *testing.T) {
	t.Parallel()
	_, env := newFakeAPI(t, map[string]string{"GET /v1/identities/E1/termination": termination})
	file := filepath.Join(t.TempDir(), "E1.html")
	require.Equal(t, "written: "+file+"\n", ok(t, env, "report", "termination", "E1", "--html", file))
	page, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(page), "1 of 2 actions are not verified.")
	require.Contains(t, string(page), "&lt;a&gt;")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode(), "it may say why somebody was dismissed")
	require.Equal(t, string(page), ok(t, env, "report", "termination", "E1", "--html", "-"))
	require.Contains(t, tenure(t, env, "report", "termination", "E1", "--html", filepath.Join(file, "x")).errOut, "not a directory")
}
