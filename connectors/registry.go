package connectors

import (
	"fmt"
	"sort"
	"strings"
)

// Settings are a target's settings from policy, with secret references already resolved. They are never logged.
type Settings map[string]any

// Factory makes a connector from settings; it checks them and makes no call. Its error names the setting at fault.
type Factory func(Settings) (Connector, error)

// Registry maps the connector names that policy uses to their factories. Only cmd/tenure fills one.
type Registry map[string]Factory

// New makes the named connector.
func (r Registry) New(name string, settings Settings) (Connector, error) {
	factory, ok := r[name]
	if !ok {
		names := make([]string, 0, len(r))
		for n := range r {
			names = append(names, n)
		}
		sort.Strings(names)
		return nil, fmt.Errorf("no connector %q: this binary has %s", name, strings.Join(names, ", "))
	}
	return factory(settings)
}
