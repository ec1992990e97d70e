package app

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/policy"
)

// CheckTarget answers what policy.CheckTargets asks: it lets each target's connector judge what policy says of it, to find
// out what is wrong before people depend on it. It makes no call, and resolves no reference: the machine that serves the
// API need not have what the workers' machines have, and must not read files for whoever may apply a policy.
func CheckTarget(registry connectors.Registry) func(policy.Target) []policy.TargetFault {
	return func(t policy.Target) []policy.TargetFault {
		definition, err := registry.Find(t.Connector)
		if err != nil {
			return []policy.TargetFault{{Key: "connector", Err: err}}
		}
		if definition.Check == nil {
			return nil
		}
		abilities, err := definition.Check(knownHere(t.Settings))
		if err != nil {
			return settingFaults(err)
		}
		return useFaults(t, abilities)
	}
}

// knownHere puts connectors.Elsewhere in the place of each setting that refers to something.
func knownHere(settings map[string]any) connectors.Settings {
	known := connectors.Settings{}
	for name, value := range settings {
		if known[name] = value; refers(name, value) {
			known[name] = connectors.Elsewhere{}
		}
	}
	return known
}

// refers reports whether a setting's value is elsewhere: a reference, a list that holds one, or the name of a file.
func refers(name string, value any) bool {
	if _, isText := value.(string); isText && policy.NamesFile(name) {
		return true
	}
	found := false
	// An error is of a reference that is none, which the policy's own check refuses.
	_, _ = policy.ResolveSettings(map[string]any{"": value},
		func(string) (string, bool) { found = true; return "", true },
		func(string) ([]byte, error) { found = true; return nil, nil })
	return found
}

// settingFaults places each of the errors that a connector's check has joined.
func settingFaults(err error) []policy.TargetFault {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var faults []policy.TargetFault
		for _, one := range joined.Unwrap() {
			faults = append(faults, settingFaults(one)...)
		}
		return faults
	}
	if at, ok := errors.AsType[*connectors.SettingError](err); ok {
		return []policy.TargetFault{{Key: "settings." + at.Setting, Err: at.Err}}
	}
	return []policy.TargetFault{{Key: "settings", Err: err}}
}

// useFaults are what policy wants of the target and the target cannot do.
func useFaults(t policy.Target, abilities connectors.Abilities) []policy.TargetFault {
	var faults []policy.TargetFault
	fault := func(key string, err error) {
		if err != nil {
			faults = append(faults, policy.TargetFault{Key: key, Err: err})
		}
	}
	for _, name := range t.Attributes {
		fault("attributes."+name, abilities.CheckAttribute(name))
	}
	if len(faults) == 0 { // else it is most likely the same
		fault("correlate", abilities.CheckLookup(t.Correlate))
	}
	var kinds []string
	for _, e := range t.Entitlements {
		if !slices.Contains(kinds, e.Kind) {
			kinds = append(kinds, e.Kind)
			if err := abilities.CheckEntitlement(e.Kind); err != nil {
				fault("entitlements", fmt.Errorf("kind %s: %w", e.Kind, err))
			}
		}
	}
	return faults
}
