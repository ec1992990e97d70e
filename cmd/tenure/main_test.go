package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// environ is a process's environment.
type environ map[string]string

func (e environ) Environ() []string {
	var pairs []string
	for name, value := range e {
		pairs = append(pairs, name+"="+value)
	}
	return pairs
}

func (e environ) LookupEnv(name string) (string, bool) {
	value, ok := e[name]
	return value, ok
}

// atTerminal is set in the environment of a command whose standard input is to be taken for a person at a terminal.
const atTerminal = "TEST_AT_TERMINAL"

func agreeable(env environ) bool { return env[atTerminal] != "" }

// result is how a command ended.
type result struct {
	out, errOut string
	code        int
}

// tenure runs the command line in this process, with nothing on its standard input.
func tenure(t *testing.T, env environ, args ...string) result {
	t.Helper()
	return tenureWith(t, env, "", args...)
}

// tenureWith gives the command something to read.
func tenureWith(t *testing.T, env environ, input string, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	root := newRootCommand(&app{env: env, interactive: func(any) bool { return agreeable(env) }})
	root.SetIn(strings.NewReader(input))
	root.SetOut(&out)
	root.SetErr(&errOut)
	root.SetArgs(args)
	code := exitCode(t.Context(), execute(t.Context(), root), &errOut)
	return result{out: out.String(), errOut: errOut.String(), code: code}
}

// ok runs a command that must succeed and answers what it prints.
func ok(t *testing.T, env environ, args ...string) string {
	t.Helper()
	r := tenure(t, env, args...)
	require.Zero(t, r.code, "tenure %s: %s", strings.Join(args, " "), r.errOut)
	require.Empty(t, r.errOut)
	return r.out
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		args   []string
		code   int
		output string // in what is printed to standard error, or to standard output when the code is 0
	}{
		{"nothing", nil, 0, "Look and mend:"},
		{"help", []string{"--help"}, 0, "tenure explain E1042"},
		{"version", []string{"--version"}, 0, "tenure "},
		{"group alone", []string{"org"}, 0, "Make and list organizations"},
		{"unknown command", []string{"frobnicate"}, 2, `tenure: tenure has no command "frobnicate"` + "\nSee: tenure --help\n"},
		{"near miss", []string{"migrat"}, 2, `did you mean migrate?`},
		{"unknown below a group", []string{"org", "lst"}, 2, `tenure org has no command "lst": did you mean list?`},
		{"unknown flag", []string{"org", "list", "--wide"}, 2, "tenure: unknown flag: --wide\nSee: tenure org list --help\n"},
		{"missing argument", []string{"org", "create"}, 2, "tenure org create needs ID, the id of the organization"},
		{"one argument too many", []string{"org", "create", "a", "b"}, 2, `tenure org create does not expect "b"`},
		{"argument to one that takes none", []string{"migrate", "now"}, 2, `does not expect "now"`},
		{"missing flag", []string{"token", "create", "--name", "x", "--scope", "hr"}, 2, "tenure token create needs --org"},
		{"unknown scope", []string{"token", "create", "--org", "a", "--name", "x", "--scope", "root"}, 2, `--scope is "root": it must be hr, read, admin, kill, scim`},
		{"bad lifetime", []string{"token", "create", "--org", "a", "--name", "x", "--scope", "hr", "--expires", "soon"}, 2, `--expires is "soon"`},
		{"no database", []string{"org", "list"}, 1, "tenure: DATABASE_URL is not set: set it to"},
		{"neither a database nor a token", []string{"org", "list"}, 1, "or ask a running Tenure: no token: set TENURE_TOKEN or TENURE_ADMIN_TOKEN"},
		{"no database to migrate", []string{"migrate"}, 1, "TENURE_OWNER_DATABASE_URL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := tenure(t, environ{}, test.args...)
			require.Equal(t, test.code, r.code, r.errOut)
			if test.code == 0 {
				require.Contains(t, r.out, test.output)
				require.Empty(t, r.errOut)
				return
			}
			require.Contains(t, r.errOut, test.output)
			require.Empty(t, r.out)
			require.Equal(t, 1, strings.Count(r.errOut, "tenure: "), "an error is printed once: %s", r.errOut)
		})
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errOut bytes.Buffer
	require.Equal(t, 1, exitCode(ctx, fmt.Errorf("send the rows: %w; 5 of 9 were answered", ctx.Err()), &errOut))
	require.Equal(t, "tenure: interrupted: send the rows: context canceled; 5 of 9 were answered\n", errOut.String())
}
