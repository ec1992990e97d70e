// Package compare holds a target's contents, as read from the target itself, against what policy says people should
// have there. It is independent of how Tenure plans and applies, so that it can show their mistakes: accounts are found by
// what policy correlates them by, and what Tenure has recorded of them is one more thing to compare.
package compare

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
)

// Person is somebody whom Tenure knows, with the accounts that it says they have.
type Person struct {
	ID      string // the identity's
	Subject policy.Subject
	// Accounts are the native ids by target that Tenure has recorded.
	Accounts map[string]string
	// SignedIn are the targets in which the person had chosen a password, enrolled factors and signed in.
	SignedIn map[string]bool
	// Left and Away say that the person has left, or was on leave, at some time since, whatever they are now.
	Left, Away bool
}

// Held is an account of a target with what it holds.
type Held struct {
	connectors.Account
	State        State
	Entitlements []connectors.Entitlement
	// Access is nil where the target keeps nothing of the kind, as a SCIM application.
	Access *Access
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
	for name, accounts := range contents {
		target, _ := p.Target(name)
		comparisons[name] = newComparison(target, accounts)
	}
	for _, person := range people {
		desired, err := p.Desired(person.Subject)
		if err != nil {
			return nil, fmt.Errorf("ask policy for identity %s: %w", person.ID, err)
		}
		// What tells an account to be the person's is the same when they have left.
		present := person.Subject
		present.State = identity.StateActive
		asPresent, err := p.Desired(present)
		if err != nil {
			return nil, fmt.Errorf("ask policy for identity %s: %w", person.ID, err)
		}
		for target, c := range comparisons {
			key, _ := asPresent.Accounts[target].Attributes[c.correlate].(string)
			account, found := c.find(key, person.Accounts[target])
			if wish, wanted := desired.Accounts[target]; wanted {
				c.has(person, account, found, wish)
			} else if found {
				c.hasNot(person, account)
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
	correlate   string
	accounts    map[string]Held     // by native id: those that nobody has been found for yet
	of          map[string][]string // native ids by the value of the attribute that accounts are correlated by
	differences []Difference
}

func newComparison(target policy.Target, accounts []Held) *comparison {
	c := &comparison{target: target.Name, correlate: target.Correlate, accounts: map[string]Held{}, of: map[string][]string{}}
	for _, account := range accounts {
		if _, twice := c.accounts[account.NativeID]; twice {
			c.differs("", account.NativeID, "the target lists the account twice")
			continue
		}
		c.accounts[account.NativeID] = account
		if key, ok := account.Attributes[c.correlate].(string); ok && key != "" {
			c.of[key] = append(c.of[key], account.NativeID)
		}
	}
	return c
}

// find takes the account that is correlated by the key, of several the one that is recorded; else the one that is recorded.
func (c *comparison) find(key, recorded string) (Held, bool) {
	ids := c.of[key]
	if slices.Contains(ids, recorded) {
		ids = []string{recorded}
	}
	for _, id := range append(slices.Clone(ids), recorded) {
		if account, ok := c.accounts[id]; ok {
			delete(c.accounts, id)
			return account, true
		}
	}
	return Held{}, false
}

func (c *comparison) differs(identity, nativeID, format string, args ...any) {
	c.differences = append(c.differences, Difference{Target: c.target, Identity: identity, NativeID: nativeID, What: fmt.Sprintf(format, args...)})
}

// has compares the account of a person who should have one.
func (c *comparison) has(person Person, account Held, found bool, wish policy.DesiredAccount) {
	recorded := person.Accounts[c.target]
	if !found {
		c.differs(person.ID, recorded, "should have an account, and the target has none")
		return
	}
	if recorded != account.NativeID {
		c.differs(person.ID, account.NativeID, "is not the account that Tenure has recorded")
	}
	c.state(person, account, stateOf(person.Subject.State))
	for _, name := range sortedKeys(wish.Attributes) {
		if is, should := account.Attributes[name], wish.Attributes[name]; !same(is, should) {
			c.differs(person.ID, account.NativeID, "attribute %s is not as policy says", name)
		}
	}
	wanted := make([]string, len(wish.Grants))
	for i, grant := range wish.Grants {
		wanted[i] = grant.Kind + " " + grant.Name
	}
	c.grants(person.ID, account, wanted)
	c.access(person, account)
}

// hasNot compares what is left of the account of a person who should have none: it gives no access.
func (c *comparison) hasNot(person Person, account Held) {
	switch {
	case person.Subject.State.Gone():
		c.state(person, account, Deactivated)
	case account.State == Enabled:
		c.differs(person.ID, account.NativeID, "is enabled and should give no access")
	}
	c.grants(person.ID, account, nil)
	c.access(person, account)
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

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
