package scim

import "github.com/tenurehq/tenure/connectors"

// abilities are those of any target that speaks SCIM: which attributes it has is its own schema's matter.
type abilities struct{}

var _ connectors.Abilities = abilities{}

func check(in connectors.Settings) (connectors.Abilities, error) {
	if _, err := parseSettings(in); err != nil {
		return nil, err
	}
	return abilities{}, nil
}

func (abilities) CheckLookup(attribute string) error {
	_, err := parseKey(attribute)
	return err
}

func (abilities) CheckAttribute(name string) error {
	_, err := parseKey(name)
	return err
}

func (abilities) CheckEntitlement(kind string) error {
	if kind != kindGroup {
		return errKind
	}
	return nil
}
