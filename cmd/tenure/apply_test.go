package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/apiclient"
)

const (
	aPreview = `{"from":4,"affected":7,"refused":1,"unchanged":false,"targets":[
		{"target":"crm","gain":5,"lose":1,"change":2,"granted":9,"revoked":3},{"target":"wiki","gain":0,"lose":0,"change":0,"granted":0,"revoked":0}]}`
	applied      = `{"version":5,"affected":7}`
	previewRoute = "POST /v1/policy/preview"
	applyRoute   = "POST /v1/policy"
)

// policyFolder is a folder with a policy in two files, and a file that is none.
func policyFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"organization.yaml": "organization: acme\n",
		"sources.yml":       "sources:\n  - name: hr\n",
		"README.md":         "no policy",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func TestApplyAsks(t *testing.T) {
	t.Parallel()
	dir := policyFolder(t)
	for _, test := range []struct {
		name, input string
		terminal    bool
		flags       []string
		code        int
		errOut      string
	}{
		{"yes", "y\n", true, nil, 0, "Apply this policy? [y/N] "},
		{"yes in full", "Yes\n", true, nil, 0, ""},
		{"no", "n\n", true, nil, 1, "not done: you did not agree"},
		{"nothing", "\n", true, nil, 1, "not done"},
		{"end of input", "", true, nil, 1, "not done"},
		{"script", "y\n", false, nil, 1, "nobody is at the terminal to agree: look at what would be done, then run the command with --auto-approve"},
		{"approved script", "", false, []string{"--auto-approve"}, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake, env := newFakeAPI(t, map[string]string{previewRoute: aPreview, applyRoute: applied})
			if test.terminal {
				env[atTerminal] = "yes"
			}
			r := tenureWith(t, env, test.input, append([]string{"apply", "-f", dir}, test.flags...)...)
			require.Equal(t, test.code, r.code, r.errOut)
			require.Contains(t, r.errOut, test.errOut)
			require.Contains(t, r.out, "target  gain  lose  change  grants  revokes\ncrm        5     1       2       9        3\n")
			require.Contains(t, r.out, "7 people are affected; for 1 person of them the policy cannot be evaluated")
			if test.code != 0 {
				require.Equal(t, []string{previewRoute}, fake.asked, "nothing was applied")
				return
			}
			require.Contains(t, r.out, "applied as version 5: 7 people are looked at again, in waves")
			var sent apiclient.ApplyRequest
			fake.sent(applyRoute, &sent)
			require.Equal(t, apiclient.ApplyRequest{From: 4, Files: []apiclient.PolicyFile{
				{Name: filepath.Join(dir, "organization.yaml"), Data: "organization: acme\n"},
				{Name: filepath.Join(dir, "sources.yml"), Data: "sources:\n  - name: hr\n"},
			}}, sent)
		})
	}
}

func TestApplyWithoutChange(t *testing.T) {
	t.Parallel()
	fake, env := newFakeAPI(t, map[string]string{previewRoute: `{"from":4,"unchanged":true,"targets":[]}`})
	require.Equal(t, "no change: this is the policy in force, version 4\n", ok(t, env, "apply", "-f", policyFolder(t)))
	require.Equal(t, []string{previewRoute}, fake.asked)
}

func TestApplyJSON(t *testing.T) {
	t.Parallel()
	_, env := newFakeAPI(t, map[string]string{previewRoute: aPreview, applyRoute: applied})
	r := tenure(t, env, "apply", "-f", policyFolder(t), "--auto-approve", "--json")
	require.Zero(t, r.code)
	require.JSONEq(t, applied, r.out)
	require.Contains(t, r.errOut, "7 people are affected", "the preview is for the person")
}

func TestApplyReportsProblemsByFileAndLine(t *testing.T) {
	t.Parallel()
	fake, env := newFakeAPI(t, nil)
	name := filepath.Join(t.TempDir(), "p.yaml")
	require.NoError(t, os.WriteFile(name, []byte("organization: acme\nsources:\n  - name: hr\n    color: red\ntimeZone: Mars\n"), 0o600))
	r := tenure(t, env, "apply", "-f", name)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, name+":4: ")
	require.Contains(t, r.errOut, name+":5: timeZone: ")
	require.Empty(t, fake.asked, "a policy with problems is not sent")

	r = tenure(t, env, "apply", "-f", t.TempDir())
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "holds no .yaml file")
	r = tenure(t, env, "apply", "-f", "absent.yaml")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "absent.yaml")
}
