package e2e

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/connectortest"
	entra "github.com/tenurehq/tenure/connectors/entra/simulator"
	okta "github.com/tenurehq/tenure/connectors/okta/simulator"
	"github.com/tenurehq/tenure/connectors/scim/simulator"
	"github.com/tenurehq/tenure/deploy/sample"
	"github.com/tenurehq/tenure/internal/apiclient"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/testkit"
)

// acme is the sample organization, its targets behind proxies.
type acme struct {
	*deployment
	proxies map[string]*connectortest.FaultProxy
	rules   *policy.Policy // the sample's, but for the times of its targets, which tests wait for
	files   string         // the folder that they stand in
	// employees answers by target whose accounts it holds, by their numbers.
	employees map[string]func() []any
}

// newAcme starts Tenure for the sample organization, without a policy: play and playEvents apply it.
func newAcme(t *testing.T, db testkit.Database, temporalAddress string) *acme {
	t.Helper()
	a := &acme{deployment: newDeployment(t, db, temporalAddress, sample.Organization), files: t.TempDir(),
		proxies: map[string]*connectortest.FaultProxy{}, employees: map[string]func() []any{}}
	files, err := sample.PolicyFiles()
	require.NoError(t, err)
	connector := regexp.MustCompile(`(?m)^    connector: .*\n`)
	for i := range files {
		files[i].Data = connector.ReplaceAll(files[i].Data, []byte("$0    attemptTimeout: 5s\n    settleLag: 2s\n    blockBudget: 5s\n"))
		require.NoError(t, os.WriteFile(filepath.Join(a.files, filepath.Base(files[i].Name)), files[i].Data, 0o600))
	}
	a.rules, err = policy.Parse(files...)
	require.NoError(t, err)
	for _, target := range a.rules.Targets() {
		a.simulate(target)
	}
	a.begin()
	return a
}

// simulate starts a target with what the policy grants there, behind a proxy.
func (a *acme) simulate(target policy.Target) {
	a.t.Helper()
	has := map[string][]string{}
	for _, e := range target.Entitlements {
		has[e.Kind] = append(has[e.Kind], e.Name)
	}
	start := map[string]func(policy.Target, map[string][]string) http.Handler{"crm": a.simulateCRM, "entra": a.simulateEntra, "okta": a.simulateOkta}
	server := httptest.NewServer(start[target.Name](target, has))
	a.t.Cleanup(server.Close)
	proxy := connectortest.Start(a.t, server.URL)
	a.proxies[target.Name] = proxy
	switch prefix := "TENURE_SAMPLE_" + strings.ToUpper(target.Name); target.Name {
	case "entra":
		a.env = append(a.env, prefix+"_GRAPH_URL="+proxy.URL+"/v1.0", prefix+"_CLIENT_SECRET="+secret)
	default:
		a.env = append(a.env, prefix+"_URL="+proxy.URL, prefix+"_TOKEN="+secret)
	}
}

func (a *acme) simulateCRM(_ policy.Target, has map[string][]string) http.Handler {
	sim, err := simulator.New(simulator.Options{Token: secret, Groups: has["group"]})
	require.NoError(a.t, err)
	a.employees["crm"] = func() (numbers []any) {
		for _, u := range sim.Snapshot().Users {
			numbers = append(numbers, u.Attributes["externalId"])
		}
		return numbers
	}
	return sim
}

// simulateEntra also serves the authority, over TLS: it names its own address in what it tells, so no proxy can stand before
// it.
func (a *acme) simulateEntra(target policy.Target, has map[string][]string) http.Handler {
	o := entra.Options{TenantID: target.Settings["tenantId"].(string), ClientID: target.Settings["clientId"].(string), ClientSecret: secret,
		Quota: entra.Quota{ResourceUnits: -1, Writes: -1}}
	for _, name := range has["group"] {
		o.Groups = append(o.Groups, entra.Group{DisplayName: name})
	}
	for _, sku := range has["licence"] {
		o.Licences = append(o.Licences, entra.Licence{SkuPartNumber: sku, SkuID: uuid.NewString(), Seats: 400})
	}
	sim, err := entra.New(o)
	require.NoError(a.t, err)
	authority := httptest.NewTLSServer(sim)
	a.t.Cleanup(authority.Close)
	ca := filepath.Join(a.t.TempDir(), "ca.pem")
	require.NoError(a.t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate().Raw}), 0o600))
	a.env = append(a.env, "TENURE_SAMPLE_ENTRA_URL="+authority.URL, "TENURE_SAMPLE_ENTRA_CA_FILE="+ca)
	a.employees["entra"] = func() (numbers []any) {
		for _, u := range sim.Users() {
			numbers = append(numbers, u.Attributes["employeeId"])
		}
		return numbers
	}
	return sim
}

func (a *acme) simulateOkta(_ policy.Target, has map[string][]string) http.Handler {
	o := okta.Options{Token: secret, Limits: map[okta.Bucket]int{okta.AllBuckets: -1}, Concurrency: -1}
	for _, name := range has["group"] {
		o.Groups = append(o.Groups, okta.Group{Name: name})
	}
	for _, label := range has["application"] {
		o.Apps = append(o.Apps, okta.App{Name: "bookmark", Label: label})
	}
	sim, err := okta.New(o)
	require.NoError(a.t, err)
	a.employees["okta"] = func() (numbers []any) {
		for _, u := range sim.Users() {
			numbers = append(numbers, u.Profile["employeeNumber"])
		}
		return numbers
	}
	return sim
}

// play runs `tenure sample play`, which compares the targets with what policy says and fails when they differ. Its
// requests are repeated for some seconds only, and Postgres may take longer to come back: a play that gave up before the
// deadline is begun once more, which sends what is missing.
func (a *acme) play(deadline time.Time, flags ...string) error {
	for {
		var output, said bytes.Buffer
		command := exec.CommandContext(a.t.Context(), a.binary, append([]string{"sample", "play", "--json", "--file", a.files}, flags...)...)
		command.Env, command.Stdout, command.Stderr = a.env, &output, &said
		var result struct{ Differences []any }
		err := errors.Join(command.Run(), json.Unmarshal(output.Bytes(), &result))
		if err == nil && len(result.Differences) > 0 {
			err = errors.New("there are differences")
		}
		if err == nil {
			return nil
		}
		a.t.Logf("a play ended: %v\n%s\n%v", err, said.String()[max(0, said.Len()-600):], result.Differences)
		if time.Now().After(deadline) {
			return err
		}
	}
}

// brief says that the sample plays with a third of its people. TENURE_SAMPLE=full asks for all of them, as the soak does.
func brief() bool { return os.Getenv("TENURE_SAMPLE") != "full" }

// TestKillsWhileTheSamplePlays is invariant 2 on the sample: kill -9 of the API, the worker, Temporal and Postgres at
// random moments. In the end every target holds what policy says, and nobody has two accounts.
func TestKillsWhileTheSamplePlays(t *testing.T) {
	t.Parallel()
	kills := 6 // while one sample plays
	if brief() {
		kills = 4
	}
	for round := range (killsOr(kills) + kills - 1) / kills {
		t.Run(strconv.Itoa(round), func(t *testing.T) { killWhileTheSamplePlays(t, kills) })
	}
}

func killWhileTheSamplePlays(t *testing.T, kills int) {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	pg := testkit.StartPostgres(t)
	temporal := testkit.StartTemporal(t, pg)
	require.NoError(t, migrate(t.Context(), pg.Owner))
	a := newAcme(t, pg.Database, temporal.Address())
	played := make(chan error, 1)
	go func() { played <- a.play(time.Now().Add(patience), fmt.Sprintf("--brief=%t", brief())) }()
	for n, each := range drawn(random, victims(t, a.api, a.worker, temporal, pg), kills) {
		// The pause is the random moment; what is under way then is for chance to choose.
		pause := 500 + random.IntN(5000)
		if brief() {
			pause /= 2
		}
		time.Sleep(time.Duration(pause) * time.Millisecond)
		require.Empty(t, played, "the sample still plays")
		t.Logf("kill %d: %s", n+1, each.name)
		each.kill()
	}
	require.NoError(t, <-played)
	for name, employees := range a.employees {
		numbers := map[any]bool{}
		for _, number := range employees() {
			require.False(t, numbers[number], "%v has two accounts in %s", number, name)
			numbers[number] = true
		}
		require.NotEmpty(t, numbers, name)
	}
}

// TestATargetDownForTheWholeSample plays the sample undisturbed, and with one target down from the first event to the
// last, whichever chance chooses. The others are as fast as before; those who should have something in it are blocked,
// without an open run but for leavers, and nothing calls it but the probe. When it is back it catches up by itself.
func TestATargetDownForTheWholeSample(t *testing.T) {
	temporal := testkit.Temporal(t)
	names := []string{"crm", "entra", "okta"}
	down := rand.IntN(len(names))
	name, others := names[down], slices.Delete(slices.Clone(names), down, down+1)
	// Other tests may take the processors from one of the two plays: then both are measured once more.
	var a *acme
	var people int // with an account in it
	for round, held := 1, false; !held; round++ {
		undisturbed := newAcme(t, newDatabase(t), temporal)
		undisturbed.playEvents(others...)
		before := undisturbed.p99(others...)
		people = one[int](undisturbed.world, `select count(*) from accounts where target = $1`, name)
		undisturbed.end()

		a = newAcme(t, newDatabase(t), temporal)
		a.proxies[name].SetDown(true)
		a.playEvents(others...)
		beside := a.p99(others...)
		t.Logf("p99 undisturbed: %v; with %s down: %v", before, name, beside)
		held = true
		for what, figure := range beside {
			held = held && figure < before[what]*3/2
		}
		if !held {
			require.Less(t, round, 2, "with %s down the others took more than 1.5 times as long, twice", name)
			a.end()
		}
	}
	proxy := a.proxies[name]
	t.Parallel() // what follows is measured no more
	a.requireBlocked(name, people)
	proxy.Reset()
	require.NoError(t, proxy.Wait(t.Context(), func(s connectortest.State) bool { return s.Requests >= 2 }))
	requests := proxy.Requests()
	for i, request := range requests {
		require.Equal(t, http.MethodGet, request.Method)
		if i > 0 {
			require.Greater(t, request.At.Sub(requests[i-1].At), 5*time.Second, "the probe's interval is ten seconds")
		}
	}
	proxy.SetDown(false)
	a.quiet()
	require.NoError(t, a.play(time.Now()), "it has caught up")
}

// end kills Tenure's processes.
func (a *acme) end() {
	a.api.kill()
	a.worker.kill()
}

// playEvents applies the policy, sends the sample's events, and waits after each phase until the named targets have what
// follows from them.
func (a *acme) playEvents(targets ...string) {
	a.t.Helper()
	_, err := a.service.ApplyPolicy(a.t.Context(), a.org, lifecycle.Caller{Actor: "test"}, a.rules, 0)
	require.NoError(a.t, err)
	for _, phase := range sample.Script(time.Now()) {
		events := make([]apiclient.Outgoing, len(phase.Events))
		for i, e := range phase.Events {
			text, err := json.Marshal(e)
			require.NoError(a.t, err)
			events[i] = apiclient.Outgoing{Person: e.Data["employeeId"].(string), JSON: text}
		}
		err := a.hr.SendEvents(a.t.Context(), events, 25, func(_ []int, results []apiclient.Result) {
			for _, r := range results {
				if r.Error != nil {
					a.t.Errorf("%s was refused: %v", r.EventID, r.Error)
				}
			}
		})
		require.NoError(a.t, err)
		a.eventually(phase.Name+" are done in "+strings.Join(targets, ", "), func() bool { return a.done(targets) })
	}
}

// done reports whether everybody was planned for and nothing is left to do in the targets.
func (a *acme) done(targets []string) bool {
	return one[bool](a.world, `select not exists (select from outbox)
		and not exists (select from identities i where settled_version < version
			and not exists (select from plans p where p.identity_id = i.id and p.version = i.version))
		and not exists (select from operations where target = any($1) and status in ('requested', 'running', 'blocked', 'failed'))`, targets)
}

// p99 is the time from an event's arrival to what it leads to in each target: the account of a joiner, the end of access of
// a leaver.
func (a *acme) p99(targets ...string) map[string]time.Duration {
	a.t.Helper()
	figures := map[string]time.Duration{}
	for _, target := range targets {
		seconds := one[float64](a.world, `select percentile_disc(0.99) within group (order by extract(epoch from o.verified_at - r.received_at))::float8
			from source_records r join operations o on o.identity_id = r.identity_id and o.verified_at > r.received_at
				and o.action = case r.effect when 'join' then 'create' when 'leave' then 'disable' end
			where o.target = $1`, target)
		figures[target] = time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
	}
	return figures
}

// requireBlocked checks that the target's people wait for it, and that no run is open but those of leavers.
func (a *acme) requireBlocked(target string, people int) {
	a.t.Helper()
	a.eventually("everybody is blocked on "+target, func() bool { // but a leaver, for as long as one of their run's attempts takes
		return one[bool](a.world, `select count(*) = $2 and bool_and(outcome = 'blocked') from accounts where target = $1`, target, people)
	})
	ids := one[[]uuid.UUID](a.world, `select array_agg(id) from identities where state <> 'left'`)
	require.NotEmpty(a.t, ids)
	for _, id := range ids {
		a.eventually("no run is open", func() bool { return !a.open(lifecycle.Receipt{Identity: id}) })
	}
}
