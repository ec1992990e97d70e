package sample_test

import (
	"bytes"
	"encoding/csv"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/deploy/sample"
)

var update = flag.Bool("update", false, "write workers.csv anew")

func TestWorkersFileIsCurrent(t *testing.T) {
	t.Parallel()
	var now bytes.Buffer
	require.NoError(t, sample.WriteCSV(&now))
	if *update {
		require.NoError(t, os.WriteFile("workers.csv", now.Bytes(), 0o644))
	}
	file, err := os.ReadFile("workers.csv")
	require.NoError(t, err)
	require.Equal(t, now.String(), string(file), "run go generate in this folder")
	rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 301)
}
