package api_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var fenced = regexp.MustCompile("```(sh|text)\n((?s:.*?)\n)```")

// The examples of docs/scim/curl.md are run as they are, in one shell; below each stands what must be in its output.
func TestSCIMCurlExamples(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	text, err := os.ReadFile("../docs/scim/curl.md")
	require.NoError(t, err)
	const mark = "\x01next\x01"
	script := "set -eu\n"
	var expected [][]string
	for _, block := range fenced.FindAllStringSubmatch(string(text), -1) {
		if block[1] == "sh" {
			script += block[2] + "\nprintf '" + mark + "'\n"
			expected = append(expected, nil)
			continue
		}
		expected[len(expected)-1] = strings.Split(strings.TrimSpace(block[2]), "\n")
	}
	require.Greater(t, len(expected), 8)
	command := exec.CommandContext(t.Context(), "bash", "-c", script)
	command.Env = append(os.Environ(), "TENURE_SCIM_URL="+d.h.url+"/scim/v2", "TENURE_SCIM_TOKEN="+d.token)
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
	outputs := strings.Split(string(out), mark)
	require.Len(t, outputs, len(expected)+1)
	for i, lines := range expected {
		require.NotEmpty(t, lines, "an example without what it shows: %d", i+1)
		for _, line := range lines {
			pattern := strings.ReplaceAll(regexp.QuoteMeta(line), "…", "[^\\s\"]*")
			require.Regexp(t, pattern, strings.ReplaceAll(outputs[i], `": `, `":`)) // what is stored has spaces
		}
	}
}
