package policy_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
)

func reference(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../docs/policy.md")
	require.NoError(t, err)
	return string(data)
}

// blocks are the contents of the reference's fenced blocks in the language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	var found []string
	for _, match := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(reference(t), -1) {
		found = append(found, match[1])
	}
	return found
}

func TestTheReferencesExample(t *testing.T) {
	t.Parallel()
	yaml, jsons := blocks(t, "yaml"), blocks(t, "json")
	require.Len(t, yaml, 1)
	require.Len(t, jsons, 2)
	p, err := policy.Parse(policy.File{Name: "docs/policy.md", Data: []byte(yaml[0])})
	require.NoError(t, err)

	s := policy.Subject{State: identity.StateActive, AsOf: asOf}
	require.NoError(t, json.Unmarshal([]byte(jsons[0]), &s.Attributes))
	for i, name := range []*string{&s.UserName, &s.Mail} {
		names, err := candidates(p.NamingRules()[i], s, 1)
		require.NoError(t, err)
		*name = names[0]
	}
	desired, err := p.Desired(s)
	require.NoError(t, err)
	got, err := json.Marshal(desired)
	require.NoError(t, err)
	require.JSONEq(t, jsons[1], string(got))
}

func TestTheReferencesFunctions(t *testing.T) {
	t.Parallel()
	rows := regexp.MustCompile("(?m)^\\|[^|]+\\| `([^|]+)` \\| `([^|]+)` \\|$").FindAllStringSubmatch(reference(t), -1)
	require.Len(t, rows, 7)
	for _, row := range rows {
		desired, err := mapped(t, row[1]).Desired(salesperson())
		require.NoError(t, err, row[1])
		require.Equal(t, row[2], desired.Accounts["crm"].Attributes["x"], row[1])
	}
}

// The reference describes each key under the heading of the mapping that it belongs to. The decoder's complaint about an
// unknown key lists those that there are.
func TestTheReferenceHasEveryKey(t *testing.T) {
	t.Parallel()
	const text = `wrong: 1
sources: [{wrong: 1}]
precedence: {wrong: 1}
correlation: [{wrong: 1}]
naming: [{wrong: 1}]
targets: [{wrong: 1}]
roles: [{wrong: 1}]
birthright: [{wrong: 1}]
`
	_, err := policy.Parse(policy.File{Name: "p.yaml", Data: []byte(text)})
	var problems policy.Problems
	require.ErrorAs(t, err, &problems)
	sections := 0
	for _, problem := range problems {
		_, keys, unknown := strings.Cut(problem.Message, "unknown key; the keys here are ")
		if !unknown {
			continue
		}
		sections++
		heading := "### At the top"
		if list, _, nested := strings.Cut(problem.Path, "wrong"); nested && list != "" {
			heading = "### `" + strings.Trim(strings.TrimSuffix(list, "[0]."), ".") + "`"
		}
		_, section, found := strings.Cut(reference(t), heading+"\n")
		require.True(t, found, heading)
		section, _, _ = strings.Cut(section, "\n#")
		for key := range strings.SplitSeq(keys, ", ") {
			require.Contains(t, section, "| `"+key+"` |", heading)
		}
		require.Equal(t, strings.Count(keys, ",")+1, strings.Count(section, "\n| `"), "%s describes a key that there is not", heading)
	}
	require.Equal(t, 8, sections)
}
