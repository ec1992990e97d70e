package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/deploy/sample"
	process "github.com/tenurehq/tenure/internal/app"
	"github.com/tenurehq/tenure/internal/policy"
)

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
      certificatePassword: env:ABSENT
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
	const entra = "\n      tenantId: acme.example\n      clientId: env:C"
	for _, test := range []struct{ connector, settings, problem string }{
		{"nosuch", " {}", `p.yaml:4: targets[crm].connector: no connector "nosuch": this binary has entra, okta, scim`},
		{"scim", "\n      baseUrll: https://crm.example\n      token: env:T", "p.yaml:6: targets[crm].settings.baseUrll: there is no such setting: there are baseUrl, "},
		{"scim", "\n      baseUrl: env:U\n      tokenn: env:T", "p.yaml:7: targets[crm].settings.tokenn: there is no such setting"},
		{"scim", "\n      baseUrl: env:U", "p.yaml:5: targets[crm].settings: setting token is missing"},
		{"scim", "\n      baseUrl: http://crm.example\n      token: env:T", "p.yaml:6: targets[crm].settings.baseUrl: must be https"},
		{"scim", "\n      baseUrl: http://crm.example\n      token: env:T\n      update: post", "p.yaml:8: targets[crm].settings.update: must be patch or put"},
		{"okta", "\n      privateKey: file:/k\n      clientId: x\n      orgUrl: https://o.example\n      privateKeyIdd: file:/x",
			"p.yaml:9: targets[crm].settings.privateKeyIdd: there is no such setting"},
		{"okta", "\n      orgUrl: https://o.example\n      token: env:T\n      clientId: x", "p.yaml:8: targets[crm].settings.clientId: does not go with token"},
		{"okta", "\n      orgUrl: https://o.example\n      token: env:T\n      privateKey: file:/k", "p.yaml:8: targets[crm].settings.privateKey: does not go with token"},
		{"entra", "\n      tenantId: acme.example\n      clientId: me\n      clientSecret: env:S", "p.yaml:7: targets[crm].settings.clientId: must be a GUID"},
		{"entra", entra + "\n      clientSecret: env:S\n      certificate: file:/k.pem", "p.yaml:5: targets[crm].settings: exactly one of the settings clientSecret, certificate and federatedTokenFile"},
		{"entra", entra + "\n      certificate: file:/k.pem\n      federatedTokenFile: /t", "p.yaml:5: targets[crm].settings: exactly one of"},
		{"entra", entra, "p.yaml:5: targets[crm].settings: exactly one of"},
		{"entra", entra + "\n      clientSecret: env:S\n      certificatePassword: env:P", "p.yaml:9: targets[crm].settings.certificatePassword: there is no certificate"},
	} {
		err := policyWithTarget(t, test.connector, test.settings).CheckTargets(process.CheckTarget(registry()))
		require.ErrorContains(t, err, test.problem)
	}
}

// What a target could never do is said when the policy is applied, not when the first person needs it.
func TestWhatATargetCannotDoIsFound(t *testing.T) {
	t.Parallel()
	const entra = "entra\n    settings: {tenantId: acme.example, clientId: env:C, certificate: file:/k.pem%s}\n"
	const okta = "okta\n    settings: {orgUrl: https://o.example, token: env:T%s}\n"
	const scim = "scim\n    settings: {baseUrl: https://crm.example, token: env:T%s}\n"
	for _, test := range []struct{ target, more, rest, problem string }{
		{entra, "", "    correlate: employeeId\n    attributes: {employeeId: person.employeeId, companyName: person.department}", ""},
		{entra, "", "    correlate: companyName\n    attributes: {companyName: person.employeeId}", "p.yaml:6: targets[crm].correlate: accounts cannot be looked up by companyName"},
		{entra, ", attributes: [manager]", "    correlate: manager\n    attributes: {manager: person.employeeId}", "p.yaml:6: targets[crm].correlate: manager is not read"},
		{entra, "", "    correlate: mail\n    attributes:\n      mail: person.email\n      hireDate: person.title", "p.yaml:9: targets[crm].attributes.hireDate: hireDate is not read by this target: add it"},
		{entra, "", "    correlate: mail\n    attributes:\n      mail: person.email\n      manager: person.title", "p.yaml:9: targets[crm].attributes.manager: manager is not read by this target: add it"},
		{entra, ", attributes: [manager]", "    correlate: mail\n    attributes:\n      mail: person.email\n      manager: person.title", ""},
		{entra, "", "    correlate: mail\n    attributes: {mail: person.email}\n    entitlements: [{kind: licence, name: E5}]", "p.yaml:8: targets[crm].entitlements: kind licence: no such kind of entitlement"},
		{entra, ", entitlements: [licence]", "    correlate: mail\n    attributes: {mail: person.email}\n    entitlements: [{kind: licence, name: E5}]", ""},
		{okta, "", "    correlate: login\n    attributes: {login: person.userName}", ""},
		{okta, "", "    correlate: profile.login\n    attributes: {profile.login: person.userName}", `targets[crm].attributes.profile.login: the attribute "profile.login" is not the name`},
		{okta, "", "    correlate: login\n    attributes: {login: person.userName}\n    entitlements: [{kind: application, name: Wiki}]", "p.yaml:8: targets[crm].entitlements: kind application: no such kind of entitlement"},
		{scim, "", "    correlate: 'emails[type eq \"work\"].value'\n    attributes: {'emails[type eq \"work\"].value': person.email}", ""},
		{scim, "", "    correlate: id\n    attributes: {id: person.employeeId}", `targets[crm].attributes.id: attribute key "id" is not allowed`},
		{scim, "", "    attributes: {userName: person.userName}\n    entitlements: [{kind: licence, name: E5}]", "p.yaml:7: targets[crm].entitlements: kind licence: SCIM has entitlements of kind group only"},
	} {
		text := "organization: acme\ntargets:\n  - name: crm\n    connector: " + fmt.Sprintf(test.target, test.more) + test.rest + "\n"
		p, err := policy.Parse(policy.File{Name: "p.yaml", Data: []byte(text)})
		require.NoError(t, err, text)
		err = p.CheckTargets(process.CheckTarget(registry()))
		if test.problem == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, test.problem, text)
	}
}

func policyWithTarget(t *testing.T, connector, settings string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse(policy.File{Name: "p.yaml", Data: []byte(targetPolicy(connector, settings))})
	require.NoError(t, err)
	return p
}

func targetPolicy(connector, settings string) string {
	return "organization: acme\ntargets:\n  - name: crm\n    connector: " + connector + "\n    settings:" + settings + "\n    correlate: displayName\n    attributes: {displayName: person.employeeId}\n"
}

func TestApplyRefusesATargetThatCannotBe(t *testing.T) {
	t.Parallel()
	env := withAPI(t)
	name := filepath.Join(t.TempDir(), "p.yaml")
	for _, command := range [][]string{{"apply", "-f", name, "--auto-approve"}, {"plan", "-f", name}} {
		for place, wrong := range map[string]string{
			":4: targets[crm].connector: no connector":                     targetPolicy("nosuch", " {}"),
			":6: targets[crm].settings.baseUrll: there is no such setting": targetPolicy("scim", "\n      baseUrll: https://crm.example\n      token: env:T"),
		} {
			require.NoError(t, os.WriteFile(name, []byte(wrong), 0o600))
			r := tenure(t, env, command...)
			require.Equal(t, 1, r.code)
			require.Contains(t, r.errOut, name+place)
		}
	}
	require.True(t, strings.HasPrefix(ok(t, env, "policy", "show"), "# version 1,"), "nothing was applied")
}
