package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlanAppliesNothing(t *testing.T) {
	t.Parallel()
	fake, env := newFakeAPI(t, map[string]string{previewRoute: aPreview, applyRoute: applied})
	dir := policyFolder(t)
	out := ok(t, env, "plan", "-f", dir)
	require.Contains(t, out, "target  gain  lose  change  grants  revokes\ncrm        5     1       2       9        3\n")
	require.Contains(t, out, "7 people are affected; for 1 person of them")
	require.Contains(t, out, "nothing is applied: `tenure apply` does it\n")
	require.JSONEq(t, aPreview, ok(t, env, "plan", "-f", dir, "--json"))
	require.Equal(t, []string{previewRoute, previewRoute}, fake.asked)
	require.Equal(t, 2, tenure(t, env, "plan").code, "which files?")
	require.Equal(t, 1, tenure(t, env, "plan", "-f", "absent.yaml").code)
}

func TestPlanWithoutChange(t *testing.T) {
	t.Parallel()
	_, env := newFakeAPI(t, map[string]string{previewRoute: `{"from":4,"unchanged":true,"targets":[]}`})
	require.Equal(t, "no change: this is the policy in force, version 4\n", ok(t, env, "plan", "-f", policyFolder(t)))
}
