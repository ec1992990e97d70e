package okta

import (
	"slices"

	"github.com/tenurehq/tenure/connectors"
)

// abilities are what a target with certain settings can do. What a setting whose value is elsewhere may allow is allowed.
type abilities struct {
	given connectors.Settings
	kinds []string
}

var _ connectors.Abilities = abilities{}

func check(in connectors.Settings) (connectors.Abilities, error) {
	s, err := parseSettings(in)
	if err != nil {
		return nil, err
	}
	return abilities{in, s.kinds}, nil
}

// CheckLookup allows what search finds late, too: Okta keeps logins unique, so that a second account is refused.
func (a abilities) CheckLookup(attribute string) error { return checkName(attribute) }

func (a abilities) CheckAttribute(name string) error { return checkName(name) }

func (a abilities) CheckEntitlement(kind string) error {
	if a.given.Elsewhere("entitlements") || slices.Contains(a.kinds, kind) {
		return nil
	}
	return errKind
}
