package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
	for _, args := range [][]string{{"--only", "lunch"}, {"--rounds", "0"}, {"--kills", "1"}, {"more"}} {
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
