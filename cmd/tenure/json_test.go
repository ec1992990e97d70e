package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/testkit"
)

// serving are the commands that run until they are interrupted. They have a log, and no answer.
var serving = []string{"serve", "api", "worker", "simulate scim", "simulate entra", "simulate okta"}

// commandsBelow lists the commands that do something, as they are called.
func commandsBelow(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		if !sub.HasSubCommands() {
			names = append(names, strings.TrimPrefix(sub.CommandPath(), "tenure "))
		}
		names = append(names, commandsBelow(sub)...)
	}
	return names
}

func TestEveryCommandPrintsJSON(t *testing.T) {
	t.Parallel()
	_, env := newFakeAPI(t, map[string]string{
		previewRoute: aPreview, applyRoute: applied, "GET /v1/policy": `{"version":0}`,
		"GET /v1/identities?limit=100": `{"items":[]}`, "GET /v1/identities/E1": `{"id":"i1"}`, "GET /v1/identities/E1/explain": `{"text":"why"}`,
		"GET /v1/operations?limit=100": `{"items":[]}`, "POST /v1/operations/o1/retry": `{"operationId":"o1"}`,
		"GET /v1/targets": `{"items":[]}`, "POST /v1/targets/crm/pause": health, "POST /v1/targets/crm/resume": health,
		"GET /v1/cases": `{"items":[]}`, "GET /v1/cases/c1": `{"id":"c1"}`, "POST /v1/cases/c1/resolve": `{"caseId":"c1"}`,
		"POST /v1/identities/E1/kill": `{"identityId":"i1"}`, "POST /v1/identities/E1/reinstate": `{"identityId":"i1"}`,
		"GET /v1/identities/E1/termination": termination, "GET /v1/reports/deprovisioning": `{"tiers":[],"breaches":[]}`,
		"GET /v1/reports/lifecycle": `{}`, "GET /v1/progress": `{}`, "POST /v1/recovery": `{"identities":1}`,
		"POST /v1/events": `{"results":[{"eventId":"x","effect":"join"}]}`,
	})
	maps.Copy(env, migrated(t))
	ok(t, env, "org", "create", "acme")
	var made struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(ok(t, env, "token", "create", "--org", "acme", "--name", "x", "--scope", "hr", "--json")), &made))
	policy := policyFolder(t)
	_, stageEnv, _ := stage(t)
	calls := map[string]struct {
		env  environ
		args []string
	}{
		"migrate":            {env, nil},
		"org create":         {env, []string{"beta"}},
		"org list":           {env, nil},
		"token create":       {env, []string{"--org", "acme", "--name", "y", "--scope", "hr"}},
		"token list":         {env, []string{"--org", "acme"}},
		"token revoke":       {env, []string{"--org", "acme", made.ID}},
		"plan":               {env, []string{"-f", policy}},
		"apply":              {env, []string{"-f", policy, "--auto-approve"}},
		"policy show":        {env, nil},
		"import":             {env, []string{workersFile(t, 1)}},
		"sample play":        {stageEnv, nil},
		"identity list":      {env, nil},
		"identity show":      {env, []string{"E1"}},
		"explain":            {env, []string{"E1"}},
		"kill":               {env, []string{"E1", "--reason", "x"}},
		"reinstate":          {env, []string{"E1", "--reason", "x"}},
		"operation list":     {env, nil},
		"operation retry":    {env, []string{"o1"}},
		"target list":        {env, nil},
		"target pause":       {env, []string{"crm"}},
		"target resume":      {env, []string{"crm"}},
		"case list":          {env, nil},
		"case show":          {env, []string{"c1"}},
		"case resolve":       {env, []string{"c1", "--keep-apart"}},
		"report lifecycle":   {env, nil},
		"report sla":         {env, nil},
		"report termination": {env, []string{"E1"}},
		"report progress":    {env, nil},
		"recover":            {env, []string{"--yes"}},
	}
	require.ElementsMatch(t, commandsBelow(newRootCommand(&app{env: env})), append(slices.Collect(maps.Keys(calls)), serving...))
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := tenure(t, call.env, append(append(strings.Fields(name), call.args...), "--json")...)
			require.Zero(t, r.code, r.errOut)
			require.True(t, json.Valid([]byte(r.out)), r.out)
			require.Contains(t, "{[", r.out[:1], "what is printed is an object or a list")
		})
	}
}

func TestJSONOfWhatIsMade(t *testing.T) {
	t.Parallel()
	env := migrated(t)
	var organization struct {
		organizationRow

		Made bool
	}
	read := func(into any, args ...string) {
		t.Helper()
		require.NoError(t, json.Unmarshal([]byte(ok(t, env, append(args, "--json")...)), into))
	}
	read(&organization, "org", "create", "acme", "--name", "Acme Ltd")
	require.Equal(t, "Acme Ltd", organization.Name)
	require.True(t, organization.Made)
	read(&organization, "org", "create", "acme", "--if-missing", "--name", "Other")
	require.Equal(t, "Acme Ltd", organization.Name)
	require.False(t, organization.Made)

	var token struct{ ID, RevokedAt string }
	read(&token, "token", "create", "--org", "acme", "--name", "x", "--scope", "hr")
	id := token.ID
	read(&token, "token", "revoke", "--org", "acme", id)
	require.Equal(t, id, token.ID)
	require.NotEmpty(t, token.RevokedAt)
	r := tenure(t, env, "token", "create", "--org", "acme", "--name", "x", "--scope", "hr", "--quiet", "--json")
	require.Equal(t, 2, r.code)

	var migration struct {
		ServeRole string
		Temporal  *struct{ Address, Namespace string }
	}
	read(&migration, "migrate")
	require.Equal(t, "tenure", migration.ServeRole)
	require.Nil(t, migration.Temporal)
	env["TEMPORAL_ADDRESS"], env["TEMPORAL_NAMESPACE"] = testkit.Temporal(t), testkit.TemporalNamespace
	read(&migration, "migrate")
	require.Equal(t, testkit.TemporalNamespace, migration.Temporal.Namespace)
}
