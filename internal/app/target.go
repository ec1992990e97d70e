package app

import (
	"regexp"
	"strings"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/policy"
)

// CheckTarget answers what policy.CheckTargets asks: it makes each target's connector, as a worker will, to find out what is
// wrong before people depend on it. It makes no call, and resolves no reference: the machine that serves the API need not
// have what the workers' machines have, and must not read files for whoever may apply a policy.
func CheckTarget(registry connectors.Registry) func(policy.Target) (key string, err error) {
	return targetCheck{registry}.check
}

type targetCheck struct{ registry connectors.Registry }

// standIns are tried in the place of what a setting refers to, since connectors look at what a value is like. What none
// of them fits is left out: it is judged where it is resolved.
var standIns = []string{"stand-in", "https://stand-in.invalid", "00000000-0000-0000-0000-000000000000"}

func (c targetCheck) check(t policy.Target) (key string, err error) {
	if c.registry[t.Connector] == nil {
		_, err := c.registry.New(t.Connector, nil)
		return "connector", err
	}
	refused := map[string]int{} // how many stand-ins of a setting
	for {
		_, err := c.registry.New(t.Connector, replaceReferences(t.Settings, refused))
		if err == nil {
			return "", nil
		}
		name := nameIn(err.Error(), t.Settings)
		if name == "" {
			return "settings", err
		}
		if !refers(name, t.Settings[name]) || strings.Contains(err.Error(), unknownSetting) {
			return "settings." + name, err
		}
		if refused[name]++; refused[name] > len(standIns) {
			return "", nil // the setting is asked for, and what it refers to will be there
		}
	}
}

// unknownSetting is in each connector's refusal of a name that it does not know, so that a misspelled name is told from
// a reference that cannot be judged.
const unknownSetting = "unknown setting"

// replaceReferences puts a stand-in for each setting that refers to something; refused says which it is to be.
func replaceReferences(settings map[string]any, refused map[string]int) connectors.Settings {
	replaced := connectors.Settings{}
	for name, value := range settings {
		if !refers(name, value) {
			replaced[name] = value
			continue
		}
		n := refused[name]
		if n == len(standIns) {
			continue
		}
		stands, found := resolve(value, standIns[n])
		if !found { // a file's name
			stands = standIns[n]
		}
		replaced[name] = stands
	}
	return replaced
}

// refers reports whether a setting's value is elsewhere: a reference, or the name of a file.
func refers(name string, value any) bool {
	_, isText := value.(string)
	_, found := resolve(value, standIns[0])
	return found || isText && policy.NamesFile(name)
}

// resolve replaces each reference in a setting's value, and reports whether there was one.
func resolve(value any, by string) (any, bool) {
	found := false
	resolved, err := policy.ResolveSettings(map[string]any{"": value},
		func(string) (string, bool) { found = true; return by, true },
		func(string) ([]byte, error) { found = true; return []byte(by), nil })
	if err != nil { // of a reference that is none, which the policy's own check refuses
		return value, found
	}
	return resolved[""], found
}

// nameIn finds the setting that a connector's error names first, among those that are given; "" when it names none.
func nameIn(text string, settings map[string]any) string {
	first, at := "", len(text)
	for name := range settings {
		found := regexp.MustCompile(`(?:^|\W)` + regexp.QuoteMeta(name) + `(?:\W|$)`).FindStringIndex(text)
		if len(found) > 0 && found[0] < at {
			first, at = name, found[0]
		}
	}
	return first
}
