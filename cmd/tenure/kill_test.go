package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKill(t *testing.T) {
	t.Parallel()
	env := withAPI(t)
	require.Zero(t, tenure(t, env, "import", workersFile(t, 3), "--source", "urn:acme:hr").code)

	require.Contains(t, ok(t, env, "kill", "E00001", "--reason", "INC-1"), "E00001 is killed: everything is taken away now\ndecided ")
	require.Contains(t, ok(t, env, "kill", "E00001", "--reason", "INC-1"), "E00001 was killed already\n")
	require.Contains(t, ok(t, env, "identity", "show", "E00001"), "identity.killed")
	require.Contains(t, ok(t, env, "reinstate", "E00001", "--reason", "a mistake"), "E00001 is no longer killed")
	require.Equal(t, "E00002 was not killed\n", ok(t, env, "reinstate", "E00002", "--reason", "a mistake"))

	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no reason":       {[]string{"kill", "E00001"}, 2, "needs --reason"},
		"a blank reason":  {[]string{"kill", "E00001", "--reason", " "}, 2, "needs --reason"},
		"nobody":          {[]string{"kill", "--reason", "x"}, 2, "needs either PERSON"},
		"both":            {[]string{"kill", "E00001", "--file", "x", "--reason", "x"}, 2, "needs either PERSON"},
		"somebody else":   {[]string{"kill", "E9", "--reason", "x"}, 1, "no identity of organization"},
		"without a token": {[]string{"reinstate", "E00001", "--reason", "x"}, 1, "set TENURE_TOKEN or TENURE_KILL_TOKEN to one that `tenure token create --scope kill` made"},
	} {
		with := environ{}
		for key, value := range env {
			if key != "TENURE_KILL_TOKEN" || name != "without a token" {
				with[key] = value
			}
		}
		r := tenure(t, with, test.args...)
		require.Equal(t, test.code, r.code, name)
		require.Contains(t, r.errOut, test.want, name)
	}
	env["TENURE_TOKEN"] = env["TENURE_ADMIN_TOKEN"]
	require.Contains(t, tenure(t, env, "kill", "E00001", "--reason", "x").errOut, "the token lacks the scope kill")
}

func TestKillOfAList(t *testing.T) {
	t.Parallel()
	env := withAPI(t)
	require.Zero(t, tenure(t, env, "import", workersFile(t, 5), "--source", "urn:acme:hr").code)
	file := filepath.Join(t.TempDir(), "plant.txt")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write("# the plant\nE00000\n E00001 # twice\n\nE00001\nE00003\n")
	kill := func(args ...string) result {
		return tenure(t, env, append([]string{"kill", "--file", file, "--reason", "closed"}, args...)...)
	}

	require.Contains(t, kill().errOut, "nobody is at the terminal to confirm: look at the list, then run the command with --count 3")
	require.Contains(t, kill("--count", "4").errOut, "not done: "+file+" names 3 people, and 4 was given")
	require.NotContains(t, ok(t, env, "identity", "list"), "leaving")

	r := kill("--count", "3")
	require.Zero(t, r.code, r.errOut)
	require.Contains(t, r.out, "3 people are killed, 0 of them were already\n")

	write("E00003\nE00004\nE9\n")
	r = kill("--count", "3", "--json")
	require.Equal(t, 1, r.code, "one could not be found")
	require.Contains(t, r.errOut, "1 person was not killed")
	var answer struct {
		Results []struct {
			Person string
			Killed *struct{ Effect string }
			Error  *struct{ Code string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(r.out), &answer))
	require.Equal(t, "none", answer.Results[0].Killed.Effect)
	require.Equal(t, "leave", answer.Results[1].Killed.Effect)
	require.Equal(t, "not_found", answer.Results[2].Error.Code)

	write(" \n# nobody\n")
	require.Contains(t, kill("--count", "0").errOut, file+" names nobody")
	require.Contains(t, tenure(t, env, "kill", "--file", file+"x", "--reason", "x", "--count", "1").errOut, "no such file")
}

func TestKillOfAListThatIsCutOff(t *testing.T) {
	t.Parallel()
	env := environ{"TENURE_URL": "http://127.0.0.1:1", "TENURE_KILL_TOKEN": "kill"}
	r := tenureWith(t, env, "E1\nE2\n", "kill", "--file", "-", "--reason", "x", "--count", "2")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "the list is not finished, and some may be killed already: give the command once more, which kills nobody twice: reach Tenure on")
}

// Whoever is at the terminal types how many people they mean.
func TestKillAsksForTheNumber(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{"2\n": "", "3\n": "names 2 people, and 3 was given", "yes\n": "not done: that is no number", "": "not done: that is no number"} {
		api, env := newFakeAPI(t, map[string]string{"POST /v1/kills": `{"results":[]}`})
		env[atTerminal] = "yes"
		file := filepath.Join(t.TempDir(), "list")
		require.NoError(t, os.WriteFile(file, []byte("a\nb\n"), 0o600))
		r := tenureWith(t, env, typed, "kill", "--file", file, "--reason", "x")
		require.Contains(t, r.errOut, "names 2 people, who lose everything at once. Type their number to go on: ")
		require.Contains(t, r.errOut, want)
		require.Equal(t, want == "", len(api.asked) == 1, typed)
	}
}
