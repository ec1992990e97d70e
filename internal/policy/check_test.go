package policy

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckTargetsPlacesWhatIsWrong(t *testing.T) {
	t.Parallel()
	p, err := Parse(
		File{Name: "organization.yaml", Data: []byte("organization: acme\n")},
		File{Name: "targets.yaml", Data: []byte(`targets:
  - name: wiki.eu
    connector: nosuch
    attributes: {userName: person.employeeId}
  - name: crm
    connector: scim
    settings:
      baseUrll: https://crm.example
      nested: {deep: [1]}
    attributes: {userName: person.employeeId}
  - name: bare
    connector: scim
    attributes: {userName: person.employeeId}
`)})
	require.NoError(t, err)
	faults := map[string][]TargetFault{
		"wiki.eu": {{"connector", errors.New("there is none")}},
		"crm":     {{"settings.baseUrll", errors.New("is unknown")}, {"attributes.userName", errors.New("is never written")}},
		"bare":    {{"settings", errors.New("token is missing")}},
	}
	err = p.CheckTargets(func(target Target) []TargetFault { return faults[target.Name] })
	require.EqualError(t, err, `targets.yaml:3: targets[wiki.eu].connector: there is none
targets.yaml:8: targets[crm].settings.baseUrll: is unknown
targets.yaml:10: targets[crm].attributes.userName: is never written
targets.yaml:11: targets[bare].settings: token is missing`)
	require.ErrorAs(t, err, new(Problems))

	require.NoError(t, p.CheckTargets(func(Target) []TargetFault { return nil }))
	stored, err := Load(p.Source())
	require.NoError(t, err)
	err = stored.CheckTargets(func(target Target) []TargetFault { return faults[target.Name] })
	require.ErrorContains(t, err, "targets[crm].settings.baseUrll: is unknown", "what is stored has no places")
}
