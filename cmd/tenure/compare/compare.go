// Package compare holds a target's contents, as read from the target itself, against what policy says people should
// have there. It is independent of how Tenure plans and applies, so that it can show their mistakes.
package compare

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/policy"
)

// Person is somebody whom Tenure knows, with the accounts that it says they have.
type Person struct {
	ID      string // the identity's
	Subject policy.Subject
	// Accounts are the native ids by target that Tenure has recorded.
	Accounts map[string]string
}

// Held is an account of a target with the entitlements it holds.
type Held struct {
	connectors.Account
	Entitlements []connectors.Entitlement
}

// Difference is one thing in a target that is not as policy says. Its text names attributes and entitlements, and
// quotes no value of a person.
type Difference struct {
	Target   string `json:"target"`
	Identity string `json:"identityId,omitempty"` // empty: an account of nobody whom Tenure knows
	NativeID string `json:"nativeId,omitempty"`   // empty: there is no account
	What     string `json:"what"`
}

// Targets compares the contents of the targets, by name, with what policy gives the people. The differences come by
// target, in the order of the people.
func Targets(p *policy.Policy, people []Person, contents map[string][]Held) ([]Difference, error) {
	comparisons := map[string]*comparison{}
	for target, accounts := range contents {
		c := &comparison{target: target, accounts: map[string]Held{}}
		for _, account := range accounts {
			if _, twice := c.accounts[account.NativeID]; twice {
				c.differs("", account.NativeID, "the target lists the account twice")
			}
			c.accounts[account.NativeID] = account
		}
		comparisons[target] = c
	}
	for _, person := range people {
		desired, err := p.Desired(person.Subject)
		if err != nil {
			return nil, fmt.Errorf("ask policy for identity %s: %w", person.ID, err)
		}
		for target, c := range comparisons {
			if wish, wanted := desired.Accounts[target]; wanted {
				c.has(person, wish)
			} else {
				c.hasNot(person)
			}
		}
	}
	var differences []Difference
	for _, c := range comparisons {
		c.strangers()
		differences = append(differences, c.differences...)
	}
	slices.SortStableFunc(differences, func(a, b Difference) int { return cmp.Compare(a.Target, b.Target) })
	return differences, nil
}

// comparison is of one target.
type comparison struct {
	target      string
	accounts    map[string]Held // those that nobody has been found for yet
	differences []Difference
}

func (c *comparison) differs(identity, nativeID, format string, args ...any) {
	c.differences = append(c.differences, Difference{Target: c.target, Identity: identity, NativeID: nativeID, What: fmt.Sprintf(format, args...)})
}

// has compares the account of a person who should have one.
func (c *comparison) has(person Person, wish policy.DesiredAccount) {
	nativeID := person.Accounts[c.target]
	if nativeID == "" {
		c.differs(person.ID, "", "should have an account, and Tenure has recorded none")
		return
	}
	account, ok := c.accounts[nativeID]
	if !ok {
		c.differs(person.ID, nativeID, "the account that Tenure has recorded is not in the target, or is another's as well")
		return
	}
	delete(c.accounts, nativeID)
	if account.Enabled != wish.Enabled {
		c.differs(person.ID, nativeID, "is %s and should be %s", enabled(account.Enabled), enabled(wish.Enabled))
	}
	for _, name := range sortedKeys(wish.Attributes) {
		if is, should := account.Attributes[name], wish.Attributes[name]; !same(is, should) {
			c.differs(person.ID, nativeID, "attribute %s is not as policy says", name)
		}
	}
	wanted := make([]string, len(wish.Grants))
	for i, grant := range wish.Grants {
		wanted[i] = grant.Kind + " " + grant.Name
	}
	c.grants(person.ID, account, wanted)
}

// hasNot compares what is left of the account of a person who should have none: it gives no access.
func (c *comparison) hasNot(person Person) {
	nativeID := person.Accounts[c.target]
	account, ok := c.accounts[nativeID]
	if !ok {
		return
	}
	delete(c.accounts, nativeID)
	if account.Enabled {
		c.differs(person.ID, nativeID, "is enabled and should give no access")
	}
	c.grants(person.ID, account, nil)
}

func (c *comparison) grants(identity string, account Held, wanted []string) {
	held := make([]string, len(account.Entitlements))
	for i, e := range account.Entitlements {
		held[i] = e.Kind + " " + e.Name
	}
	for _, name := range missing(wanted, held) {
		c.differs(identity, account.NativeID, "does not hold %s", name)
	}
	for _, name := range missing(held, wanted) {
		c.differs(identity, account.NativeID, "holds %s, which policy does not give", name)
	}
}

// strangers are accounts that belong to nobody whom Tenure knows.
func (c *comparison) strangers() {
	for _, id := range sortedKeys(c.accounts) {
		c.differs("", id, "the account belongs to nobody whom Tenure knows")
	}
}

// missing are those of names that are not among others, sorted.
func missing(names, others []string) []string {
	var list []string
	for _, name := range names {
		if !slices.Contains(others, name) {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// same compares values; no value equals an empty one, which targets do not tell apart.
func same(is, should any) bool {
	return reflect.DeepEqual(is, should) || empty(is) && empty(should)
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	default:
		return false
	}
}

func enabled(b bool) string {
	if b {
		return "enabled"
	}
	return "disabled"
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
