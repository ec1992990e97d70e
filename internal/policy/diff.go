package policy

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
)

// AccountChange is what becomes of an account.
type AccountChange string

// The changes of an account. The empty value is none.
const (
	AccountGained   AccountChange = "gained"
	AccountLost     AccountChange = "lost"
	AccountEnabled  AccountChange = "enabled"
	AccountDisabled AccountChange = "disabled"
)

// Change is what differs in one target between two Desired. It names attributes and entitlements and quotes no value.
type Change struct {
	Target  string        `json:"target"`
	Account AccountChange `json:"account,omitempty"`
	// Attributes are the names of those whose value changed, sorted; empty for an account gained or lost.
	Attributes []string      `json:"attributes,omitempty"`
	Gained     []Entitlement `json:"gained,omitempty"`
	Lost       []Entitlement `json:"lost,omitempty"`
}

// Diff is what changes from one Desired to another, by target in the order of names. Targets in which nothing changes
// are left out; reasons do not count.
func Diff(before, after Desired) []Change {
	names := map[string]bool{}
	for name := range before.Accounts {
		names[name] = true
	}
	for name := range after.Accounts {
		names[name] = true
	}
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, had := before.Accounts[name]
		now, has := after.Accounts[name]
		change := Change{Target: name, Gained: missing(now.Grants, old.Grants), Lost: missing(old.Grants, now.Grants)}
		switch {
		case !had:
			change.Account = AccountGained
		case !has:
			change.Account = AccountLost
		default:
			change.Attributes = changedAttributes(old.Attributes, now.Attributes)
			if now.Enabled != old.Enabled {
				change.Account = AccountDisabled
				if now.Enabled {
					change.Account = AccountEnabled
				}
			}
		}
		if change.Account != "" || len(change.Attributes)+len(change.Gained)+len(change.Lost) > 0 {
			changes = append(changes, change)
		}
	}
	return changes
}

// missing are the entitlements of those that are not among others.
func missing(of, others []DesiredGrant) []Entitlement {
	var list []Entitlement
	for _, grant := range of {
		e := Entitlement{Kind: grant.Kind, Name: grant.Name}
		if !slices.ContainsFunc(others, func(o DesiredGrant) bool { return o.Kind == e.Kind && o.Name == e.Name }) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b Entitlement) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
	return list
}

// changedAttributes compares values; one that is absent equals one that should have no value.
func changedAttributes(before, after map[string]any) []string {
	var names []string
	for name, value := range after {
		if !reflect.DeepEqual(before[name], value) {
			names = append(names, name)
		}
	}
	for name, value := range before {
		if _, ok := after[name]; !ok && value != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
