package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/policy"
)

func TestMedianAndSpread(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		median float64
		spread string
	}{
		{[]float64{7}, 7, "7.0 (7.0 – 7.0)"},
		{[]float64{3, 1, 2}, 2, "2.0 (1.0 – 3.0)"},
		{[]float64{4, 1, 2, 3}, 2.5, "2.5 (1.0 – 4.0)"},
	} {
		require.InDelta(t, c.median, median(c.values), 1e-9)
		require.Equal(t, c.spread, spread(c.values, "%.1f"))
	}
}

func TestPercentileIsTheSmallestThatEnoughDoNotExceed(t *testing.T) {
	t.Parallel()
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	require.EqualValues(t, 50, percentile(hundred, 50))
	require.EqualValues(t, 99, percentile(hundred, 99))
	require.EqualValues(t, 100, percentile(hundred, 100))
	require.EqualValues(t, 2, percentile([]time.Duration{1, 2}, 99), "of two, half are below 99 %")
	require.EqualValues(t, 1, percentile([]time.Duration{1, 2, 3}, 0))
}

func TestRatiosAreRoundByRound(t *testing.T) {
	t.Parallel()
	require.Equal(t, []float64{0.5, 2}, ratios([]float64{10, 20}, []float64{20, 10}))
}

func TestResultsReplaceOnlyWhatStandsBetweenTheMarks(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "results.md")
	require.NoError(t, os.WriteFile(file, []byte("# Results\n\n"+beginMark+"\nold\n"+endMark+"\n\nafter\n"), 0o600))
	for range 2 { // writing again changes nothing else
		require.NoError(t, writeResults(file, "new\n"))
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, "# Results\n\n"+beginMark+"\n\nnew\n\n"+endMark+"\n\nafter\n", string(text))
	}
	require.NoError(t, os.WriteFile(file, []byte(beginMark), 0o600))
	require.ErrorContains(t, writeResults(file, "new"), endMark)
}

func TestTheCommittedResultsHaveAPlace(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", resultsFile))
	require.NoError(t, err)
	_, err = between(string(text), "")
	require.NoError(t, err)
}

func TestFlags(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"--quick", "--kills", "100"})
	require.NoError(t, err)
	require.Equal(t, 100, o.kills, "a size that is named counts")
	require.Equal(t, 60, o.joiners, "the others are small")
	require.Equal(t, 90, o.limited)
	require.Equal(t, 10000, o.users)
	for _, args := range [][]string{{"--only", "lunch"}, {"--rounds", "0"}, {"--kills", "1"}, {"--limited", "0"}, {"--users", "999"}, {"more"}} {
		_, err := parse(args)
		require.Error(t, err, "%v", args)
	}
}

func TestEveryKillOfAReportIsCounted(t *testing.T) {
	t.Parallel()
	sent := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(after time.Duration) *time.Time { moment := sent.Add(after); return &moment }
	r := &killResults{}
	r.add(killed{sent: sent}, verdict{Delivered: at(10), Planned: at(20), Begun: at(50), At: at(90)})
	r.add(killed{sent: sent, queued: true}, verdict{Delivered: at(10), At: at(30)})
	require.Equal(t, []time.Duration{90}, r.fresh)
	require.Equal(t, []time.Duration{30}, r.queued)
	require.Zero(t, r.withAccounts, "nothing was begun for the queued one")
	require.Equal(t, [4][]time.Duration{{10}, {20}, {30}, {40}}, r.legs)
}

func TestTheVendorsOfAReport(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	limits := &limitResults{joiners: 400, took: 2 * time.Minute, calls: map[string]float64{"entra": 3.01, "okta": 3.25, "crm": 5},
		throttled: map[string]int{"entra": 0, "okta": 2}}
	limits.markdown(&b)
	require.Contains(t, b.String(), "400 joiners at once: 3.3 a second")
	require.Contains(t, b.String(), "| crm | 5.00 | | | no limit | |\n| entra | 3.01 | ≤ 3 | met | 0 | 0.0 |\n| okta | 3.25 | ≤ 3 | **missed** | 2 | 5.0 |\n")

	b.Reset()
	second := []time.Duration{time.Second}
	slow := &killResults{fresh: second, legs: [4][]time.Duration{second, second, second, second}, lag: slowRevocation}
	slow.markdown(&b, "Kills")
	require.Contains(t, b.String(), "| settled people | 1 | 1.00 s | 1.00 s | 1.00 s | none |  |\n")
	require.NotContains(t, b.String(), "queued")
}

func TestASlowKillHasNobodyQueued(t *testing.T) {
	t.Parallel()
	o := options{rounds: 5, kills: 300, queued: 1000}.vendors()
	require.Equal(t, options{rounds: 3, kills: 100, queued: 1000}, o)
	require.Equal(t, options{rounds: 3, kills: 50}, o.slow())
	require.Equal(t, 2, options{kills: 2}.vendors().slow().kills)
}

func TestAPolicyOfTargets(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(context.Context) (targets, error){
		"applications": startTargets,
		"vendors":      func(ctx context.Context) (targets, error) { return startVendors(ctx, nature{}) },
	} {
		on, err := start(t.Context())
		require.NoError(t, err)
		t.Cleanup(on.stop)
		p, err := policy.Parse(policy.File{Name: name, Data: []byte(on.policyText("acme", "person.title"))})
		require.NoError(t, err, name)
		require.Len(t, p.Targets(), 3)
		require.NoError(t, on.check(0))
		require.ErrorContains(t, on.check(1), "has 0 accounts and should have 1")
	}
}

// The honest baseline's requests are those of the product's connectors: the vendors take them, and find what they ask for.
func TestTheHonestBaselinesRequests(t *testing.T) {
	t.Parallel()
	on, err := startVendors(t.Context(), nature{limited: true})
	require.NoError(t, err)
	t.Cleanup(on.stop)
	for name, calls := range map[string]int{"entra": 3, "okta": 3, "crm": 5} {
		target := on[name]
		require.NoError(t, target.prepare(t.Context()), name)
		for n := range int64(2) {
			before := target.requests()
			id, err := target.create(t.Context(), n)
			require.NoError(t, err, name)
			require.NotEmpty(t, id, name)
			require.NoError(t, target.enterAndRead(t.Context(), id), name)
			require.Equal(t, calls, target.requests()-before, name)
		}
	}
	require.NoError(t, on.check(2))
}
