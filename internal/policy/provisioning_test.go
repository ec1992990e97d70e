package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/policy"
)

func TestProvisioningIsOffUnlessSaid(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "provisioning: {scim: {}}\n"} {
		got := with(t, text).Provisioning()
		require.Equal(t, policy.ModeDisabled, got.Mode)
		require.Equal(t, "scim", got.Source)
		require.Equal(t, policy.InactiveLeave, got.Inactive)
		require.False(t, got.RejectUnknown)
	}
}

func TestProvisioning(t *testing.T) {
	t.Parallel()
	got := with(t, "provisioning: {mode: scim, scim: {source: entra, inactive: suspension, unknownAttributes: reject}}\n").Provisioning()
	require.Equal(t, policy.ModeSCIM, got.Mode)
	require.Equal(t, "entra", got.Source)
	require.Equal(t, policy.InactiveSuspension, got.Inactive)
	require.True(t, got.RejectUnknown)
}

func TestProvisioningSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"provisioning: {mode: SCIM}\n":                                      `provisioning.mode`,
		"provisioning: {mode: scim, scim: {inactive: delete}}\n":            `"delete"`,
		"provisioning: {mode: scim, scim: {inactive: [leave]}}\n":           `inactive`,
		"provisioning: {mode: scim, scim: {unknownAttributes: keep}}\n":     `"keep"`,
		"provisioning: {mode: scim, scim: {deactivate: leave}}\n":           `deactivate`,
		"sources: [{name: hr}]\nprovisioning: {mode: scim, scim: {}}\n":     `no source is called "scim"`,
		"provisioning: {mode: scim, scim: {schemas: [{name: a, id: a}]}}\n": `provisioning.scim.schemas[a]`,
	} {
		_, err := policy.Parse(policy.File{Name: "p.yaml", Data: []byte("organization: acme\n" + text)})
		require.ErrorContains(t, err, want, text)
		require.ErrorContains(t, err, "p.yaml:", text)
	}
}
