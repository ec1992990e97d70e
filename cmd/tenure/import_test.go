package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/api"
	"github.com/tenurehq/tenure/internal/apiclient"
	process "github.com/tenurehq/tenure/internal/app"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
)

// withAPI is the environment of an organization with a real API, and nothing behind it that does the work.
func withAPI(t *testing.T) environ {
	t.Helper()
	env := migrated(t)
	s, err := store.Open(t.Context(), store.Options{URL: env["DATABASE_URL"]})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	server := httptest.NewServer(api.New(api.Options{Service: lifecycle.New(s, lifecycle.Options{}),
		Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), CheckTarget: process.CheckTarget(registry())}))
	t.Cleanup(server.Close)
	env["TENURE_URL"] = server.URL
	ok(t, env, "org", "create", "acme")
	for variable, scope := range map[string]string{"TENURE_ADMIN_TOKEN": "admin", "TENURE_HR_TOKEN": "hr", "TENURE_KILL_TOKEN": "kill"} {
		env[variable] = strings.TrimSpace(ok(t, env, "token", "create", "--org", "acme", "--name", scope, "--scope", scope, "--quiet"))
	}
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(policy, []byte("organization: acme\nsources:\n  - {name: hr, match: [\"urn:acme:hr\"]}\n"), 0o600))
	require.Contains(t, ok(t, env, "apply", "-f", policy, "--auto-approve"), "applied as version 1: nobody is affected")
	return env
}

// workersFile is a CSV file of n people who start in a year, with some rows that are wrong.
func workersFile(t *testing.T, n int, wrong ...string) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("employeeId,givenName,familyName,department,startDate,timeZone,managerEmployeeId\n")
	start := time.Now().AddDate(1, 0, 0).Format(time.DateOnly)
	for i := range n {
		manager := ""
		if i > 0 {
			manager = fmt.Sprintf("E%05d", i/10)
		}
		fmt.Fprintf(&text, "E%05d,Jörg,Müller %d,Dept %d,%s,Europe/Berlin,%s\n", i, i, i%8, start, manager)
	}
	for _, row := range wrong {
		text.WriteString(row + "\n")
	}
	name := filepath.Join(t.TempDir(), "workers.csv")
	require.NoError(t, os.WriteFile(name, []byte(text.String()), 0o600))
	return name
}

func TestImport(t *testing.T) {
	t.Parallel()
	env := withAPI(t)
	file := workersFile(t, 1200, "X1,A,B,C,2026-13-01,Europe/Berlin,", "X2,A,B,C,2026-12-01,Europe/Nowhere,")

	r := tenure(t, env, "import", file, "--source", "urn:acme:hr", "--batch", "100")
	require.Equal(t, 1, r.code, "two rows are refused")
	require.Contains(t, r.out, "1200 rows taken (join 1200)\n")
	require.Contains(t, r.errOut, "rows sent: 1200 of 1200\n")
	require.Contains(t, r.errOut, file+":1202: startDate: ")
	require.Contains(t, r.errOut, file+":1203: timeZone: ")
	require.Contains(t, r.errOut, "tenure: 2 rows of "+file+" were refused")

	r = tenure(t, env, "import", file, "--source", "urn:acme:hr", "--json")
	require.Equal(t, 1, r.code)
	var again struct {
		Rows    int            `json:"rows"`
		Effects map[string]int `json:"effects"`
		Refused []refusedRow   `json:"refused"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.out), &again))
	require.Equal(t, 1200, again.Rows)
	require.Equal(t, map[string]int{"join": 1200}, again.Effects, "each row is answered as it was the first time")
	require.Equal(t, []int{1202, 1203}, []int{again.Refused[0].Line, again.Refused[1].Line})

	var people struct {
		Items []apiclient.Identity `json:"items"`
	}
	require.NoError(t, json.Unmarshal([]byte(ok(t, env, "identity", "list", "--limit", "0", "--json")), &people))
	require.Len(t, people.Items, 1200, "nobody came into being twice")
}

func TestImportOfASourceThatThePolicyDoesNotName(t *testing.T) {
	t.Parallel()
	r := tenure(t, withAPI(t), "import", workersFile(t, 3))
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, ":2: source: the policy of \"acme\" has no source that matches")
	require.Contains(t, r.out, "0 rows taken\n")
}

func TestImportDryRun(t *testing.T) {
	t.Parallel()
	file := workersFile(t, 5, "X1,A,B,C,2026-13-01,Europe/Berlin,")
	r := tenure(t, environ{}, "import", file, "--dry-run") // needs no Tenure at all
	require.Equal(t, 1, r.code)
	require.Contains(t, r.out, "5 rows would be sent (worker.changed 5)\n")
	require.Contains(t, r.out, `"employeeId":"E00000"`)
	require.Contains(t, r.out, "and 2 more")
	require.Contains(t, r.errOut, file+":7: startDate: ")

	r = tenure(t, environ{}, "import", workersFile(t, 5), "--dry-run", "--json", "--source", "urn:x")
	require.Zero(t, r.code)
	var dry struct {
		Events []struct {
			Source string         `json:"source"`
			Data   map[string]any `json:"data"`
		} `json:"events"`
		Refused []refusedRow `json:"refused"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.out), &dry))
	require.Len(t, dry.Events, 5)
	require.Equal(t, "urn:x", dry.Events[0].Source)
	require.NotNil(t, dry.Refused)
}

func TestImportThatCannotGoOn(t *testing.T) {
	t.Parallel()
	_, env := newFakeAPI(t, map[string]string{"POST /v1/events": `{"results":[{"eventId":"x"}]}`})
	r := tenure(t, env, "import", workersFile(t, 40))
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "of different releases; 0 of 40 were answered: run the command again")
}

func TestImportTakesAPersonsRowsInTheirOrder(t *testing.T) {
	t.Parallel()
	env := withAPI(t)
	text := "employeeId,type\n"
	const each = 20
	for i := range each {
		text += fmt.Sprintf("L%d,joined\nJ%d,left\nL%d,left\nJ%d,joined\n", i, i, i, i)
	}
	file := filepath.Join(t.TempDir(), "moves.csv")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	first := tenure(t, env, "import", file, "--source", "urn:acme:hr", "--json")
	require.Zero(t, first.code, first.errOut)
	again := tenure(t, env, "import", file, "--source", "urn:acme:hr", "--json")
	require.Zero(t, again.code, again.errOut)
	require.Equal(t, first.out, again.out, "sent again it is a repetition")

	var people struct {
		Items []apiclient.Identity `json:"items"`
	}
	require.NoError(t, json.Unmarshal([]byte(ok(t, env, "identity", "list", "--state", "active", "--limit", "0", "--json")), &people))
	require.Len(t, people.Items, each)
	for _, i := range people.Items {
		require.Equal(t, "J", i.EmployeeID[:1], "whose last row says that they joined")
	}
}

func TestImportListsRefusedRowsByLine(t *testing.T) {
	t.Parallel()
	_, env := newFakeAPI(t, map[string]string{"POST /v1/events": `{"results":[{"eventId":"x","error":{"title":"Bad Request","status":400,"detail":"relationshipId: required"}}]}`})
	r := tenure(t, env, "import", workersFile(t, 1, "X1,A,B,C,2026-13-01,Europe/Berlin,"), "--json")
	require.Equal(t, 1, r.code)
	var answer struct{ Refused []refusedRow }
	require.NoError(t, json.Unmarshal([]byte(r.out), &answer))
	require.Len(t, answer.Refused, 2)
	require.Equal(t, refusedRow{Line: 2, Error: "relationshipId: required"}, answer.Refused[0], "the one that Tenure refused comes before the one that was never sent")
	require.Equal(t, 3, answer.Refused[1].Line)
}

func TestImportCountsOpenCases(t *testing.T) {
	t.Parallel()
	_, env := newFakeAPI(t, map[string]string{"POST /v1/events": `{"results":[{"eventId":"x","effect":"none","caseId":"c1"}]}`})
	r := tenure(t, env, "import", workersFile(t, 1))
	require.Zero(t, r.code, r.errOut)
	require.Contains(t, r.out, "1 rows taken (none 1)\n1 of them wait until you say who the person is: `tenure case list`\n")
}
