package api_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/scim"
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

// What the set-up pages tell people to map is what the schemas have, under the names that policies have for it.
func TestSCIMSetUpPagesNameAttributesThatThereAre(t *testing.T) {
	t.Parallel()
	const enterprise = scim.EnterpriseSchema
	short := strings.NewReplacer("…:User:", enterprise+":")
	for file, column := range map[string]int{"../docs/scim/entra.md": 1, "../docs/scim/okta.md": 0} {
		named := 0
		for _, row := range docTable(t, file, "Attributes") {
			for _, found := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[column], -1) {
				path, err := scim.ParsePath(scim.UserType(), oktaName(short.Replace(found[1])))
				require.NoError(t, err, "%s: %s", file, found[1])
				require.NotNil(t, path.Attribute, found[1])
				named++
			}
		}
		require.Greater(t, named, 8, file)
	}
}

// oktaName is where Okta sends an attribute of its profile that has no such name in the schemas.
func oktaName(name string) string {
	if path, ok := map[string]string{
		"givenName": "name.givenName", "familyName": "name.familyName", "email": `emails[type eq "work"].value`, "locality": `addresses[primary eq true].locality`,
		"department": scim.EnterpriseSchema + ":department", "employeeNumber": scim.EnterpriseSchema + ":employeeNumber", "managerValue": scim.EnterpriseSchema + ":manager.value",
	}[name]; ok {
		return path
	}
	return name
}
