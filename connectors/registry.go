package connectors

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Factory makes a connector from settings; it checks them and makes no call. Its error names the setting at fault.
type Factory func(Settings) (Connector, error)

// Definition is a connector as policy may name it.
type Definition struct {
	New Factory
	// Check judges the settings as New does, but for what only the values behind Elsewhere show, and answers what a target
	// with them can do. Its error joins a *SettingError for each setting at fault, or is about the settings as a whole.
	Check func(Settings) (Abilities, error)
}

// Registry maps the connector names that policy uses to their definitions. Only cmd/tenure fills one.
type Registry map[string]Definition

// New makes the named connector.
func (r Registry) New(name string, settings Settings) (Connector, error) {
	d, err := r.Find(name)
	if err != nil {
		return nil, err
	}
	return d.New(settings)
}

// Find is the named connector's definition; the error lists those that there are.
func (r Registry) Find(name string) (Definition, error) {
	d, ok := r[name]
	if !ok {
		return Definition{}, fmt.Errorf("no connector %q: this binary has %s", name, strings.Join(slices.Sorted(maps.Keys(r)), ", "))
	}
	return d, nil
}
