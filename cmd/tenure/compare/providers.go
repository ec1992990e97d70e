package compare

import (
	"github.com/tenurehq/tenure/connectors"
	entra "github.com/tenurehq/tenure/connectors/entra/simulator"
	okta "github.com/tenurehq/tenure/connectors/okta/simulator"
)

// Entra is what a simulated tenant shows of its users, not through the connector: that could be wrong as well. The
// password of a user is asked for one by one.
func Entra(users []entra.User, password func(nativeID string) bool) []Held {
	held := make([]Held, len(users))
	for i, u := range users {
		attributes := map[string]any{}
		for name, value := range u.Attributes {
			if parts, complexValue := value.(map[string]any); complexValue {
				for part, inner := range parts {
					attributes[name+"."+part] = inner
				}
				continue
			}
			attributes[name] = value
		}
		held[i] = Held{
			Account:      connectors.Account{NativeID: u.ID, Enabled: u.Enabled, Attributes: attributes},
			State:        enabled(u.Enabled),
			Entitlements: append(named("group", u.Groups), named("licence", u.Licences)...),
			Access:       &Access{Sessions: u.Sessions, Factors: len(u.Methods), Password: password(u.ID)},
		}
	}
	return held
}

// Okta is what a simulated org shows of its users, as Entra.
func Okta(users []okta.User, password func(nativeID string) bool) []Held {
	held := make([]Held, len(users))
	for i, u := range users {
		state := Enabled // or so that the person can make it active alone
		switch u.Status {
		case okta.StatusStaged:
			state = Staged
		case okta.StatusSuspended:
			state = Suspended
		case okta.StatusDeprovisioned:
			state = Deactivated
		}
		held[i] = Held{
			Account:      connectors.Account{NativeID: u.ID, Enabled: state == Enabled, Attributes: u.Profile},
			State:        state,
			Entitlements: append(named("group", u.Groups), named("application", u.Apps)...),
			Access:       &Access{Sessions: u.Sessions + u.Tokens, Factors: len(u.Factors), Password: password(u.ID)},
		}
	}
	return held
}

func named(kind string, names []string) []connectors.Entitlement {
	list := make([]connectors.Entitlement, len(names))
	for i, name := range names {
		list[i] = connectors.Entitlement{Kind: kind, Name: name}
	}
	return list
}
