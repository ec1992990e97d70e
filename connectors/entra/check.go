package entra

import (
	"slices"

	"github.com/tenurehq/tenure/connectors"
)

// abilities are what a target with certain settings can do. What a setting whose value is elsewhere may allow is allowed.
type abilities struct {
	given    connectors.Settings
	settings settings
}

var _ connectors.Abilities = abilities{}

func check(in connectors.Settings) (connectors.Abilities, error) {
	s, err := parseSettings(in)
	if err != nil {
		return nil, err
	}
	return abilities{in, s}, nil
}

func (a abilities) CheckLookup(attribute string) error {
	if a.given.Elsewhere("attributes") {
		return nil
	}
	return a.settings.checkLookup(attribute)
}

func (a abilities) CheckAttribute(name string) error {
	switch {
	case a.given.Elsewhere("attributes"):
		return nil
	case name == attributeManager || name == attributeManagerID:
		if a.settings.manager {
			return nil
		}
		return errNoManager
	default:
		return a.settings.checkName(name)
	}
}

func (a abilities) CheckEntitlement(kind string) error {
	if a.given.Elsewhere("entitlements") || slices.Contains(a.settings.entitlements, kind) {
		return nil
	}
	return errKind
}
