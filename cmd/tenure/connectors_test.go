package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/deploy/sample"
	process "github.com/tenurehq/tenure/internal/app"
	"github.com/tenurehq/tenure/internal/policy"
)

// The check of settings tells a name that a connector does not know from a value that it does not like by these words.
func TestConnectorsRefuseUnknownSettingsInOneWay(t *testing.T) {
	t.Parallel()
	for name := range registry() {
		_, err := registry().New(name, connectors.Settings{"abcd": "x"})
		require.ErrorContains(t, err, `unknown setting "abcd"`, name)
	}
}

// What the policies refer to is not on this machine, and nothing is wrong with that.
func TestGoodTargetsPassTheCheck(t *testing.T) {
	t.Parallel()
	files, err := sample.PolicyFiles()
	require.NoError(t, err)
	p, err := policy.Parse(files...)
	require.NoError(t, err)
	require.NoError(t, p.CheckTargets(process.CheckTarget(registry())))

	p = policyWithTarget(t, "okta", `
      orgUrl: https://acme.okta.example
      clientId: env:ID
      privateKey: file:/absent/key.pem
      privateKeyId: kid
      caFile: /absent/ca.pem`)
	require.NoError(t, p.CheckTargets(process.CheckTarget(registry())))
	p = policyWithTarget(t, "entra", `
      tenantId: env:TENANT
      clientId: 6f0e4c1a-5d0b-4f8e-9f55-7e0c5a3d1002
      certificate: file:/absent/key.pem
      caFile: /absent/ca.pem`)
	require.NoError(t, p.CheckTargets(process.CheckTarget(registry())))
	p = policyWithTarget(t, "entra", `
      tenantId: acme.example
      clientId: env:CLIENT
      federatedTokenFile: /absent/token`)
	require.NoError(t, p.CheckTargets(process.CheckTarget(registry())))
}

func TestBadTargetsAreFound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ connector, settings, problem string }{
		{"nosuch", " {}", `p.yaml:4: targets[crm].connector: no connector "nosuch": this binary has entra, okta, scim`},
		{"scim", "\n      baseUrll: https://crm.example\n      token: env:T", `p.yaml:6: targets[crm].settings.baseUrll: scim: unknown setting "baseUrll"`},
		{"scim", "\n      baseUrl: env:U\n      tokenn: env:T", `p.yaml:7: targets[crm].settings.tokenn: scim: unknown setting "tokenn"`},
		{"scim", "\n      baseUrl: env:U", "p.yaml:5: targets[crm].settings: scim: setting token is missing"},
		{"scim", "\n      baseUrl: http://crm.example\n      token: env:T", "p.yaml:6: targets[crm].settings.baseUrl: scim: setting baseUrl: must be https"},
		{"okta", "\n      privateKey: file:/k\n      clientId: x\n      orgUrl: https://o.example\n      privateKeyIdd: file:/x",
			`p.yaml:9: targets[crm].settings.privateKeyIdd: okta: unknown setting "privateKeyIdd"`},
		{"okta", "\n      orgUrl: https://o.example\n      token: env:T\n      clientId: x", "p.yaml:8: targets[crm].settings.clientId: okta: setting clientId does not go with token"},
		{"entra", "\n      tenantId: acme.example\n      clientId: me\n      clientSecret: env:S", "p.yaml:7: targets[crm].settings.clientId: entra: setting clientId: must be a GUID"},
	} {
		err := policyWithTarget(t, test.connector, test.settings).CheckTargets(process.CheckTarget(registry()))
		require.ErrorContains(t, err, test.problem)
	}
}

func policyWithTarget(t *testing.T, connector, settings string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse(policy.File{Name: "p.yaml", Data: []byte(targetPolicy(connector, settings))})
	require.NoError(t, err)
	return p
}

func targetPolicy(connector, settings string) string {
	return "organization: acme\ntargets:\n  - name: crm\n    connector: " + connector + "\n    settings:" + settings + "\n    attributes: {userName: person.employeeId}\n"
}

func TestApplyRefusesATargetThatCannotBe(t *testing.T) {
	t.Parallel()
	env := withAPI(t)
	name := filepath.Join(t.TempDir(), "p.yaml")
	for _, command := range [][]string{{"apply", "-f", name, "--auto-approve"}, {"plan", "-f", name}} {
		for place, wrong := range map[string]string{
			":4: targets[crm].connector: no connector":              targetPolicy("nosuch", " {}"),
			":6: targets[crm].settings.baseUrll: scim: unknown set": targetPolicy("scim", "\n      baseUrll: https://crm.example\n      token: env:T"),
		} {
			require.NoError(t, os.WriteFile(name, []byte(wrong), 0o600))
			r := tenure(t, env, command...)
			require.Equal(t, 1, r.code)
			require.Contains(t, r.errOut, name+place)
		}
	}
	require.True(t, strings.HasPrefix(ok(t, env, "policy", "show"), "# version 1,"), "nothing was applied")
}
