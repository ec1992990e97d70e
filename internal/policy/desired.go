package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/tenurehq/tenure/internal/identity"
)

// Subject is what policy is asked about: a person at a moment.
type Subject struct {
	Attributes identity.Attributes
	// UserName and Mail are the allocated names; empty before they are.
	UserName, Mail string
	// Groups are the display names of the directory's groups that the person is a member of.
	Groups []string
	// Manager is nil when the person has none, or none that is known.
	Manager *identity.Attributes
	State   identity.State
	// StartsAt is when the person starts; it matters while they are staged. Zero when unknown.
	StartsAt time.Time
	// EndsAt is the end of the last day; zero when none is known. No rule depends on it so far.
	EndsAt time.Time
	// AsOf is the moment for which the answer holds.
	AsOf time.Time
}

// Desired is what a person should have.
type Desired struct {
	// Accounts are keyed by the target's name.
	Accounts map[string]DesiredAccount `json:"accounts,omitempty"`
	// NextChange is the earliest later moment at which time alone may change the answer: a target's pre-hire window
	// opens, or the day ends where an expression looks at today. Zero when there is none. What the sources' timeline
	// will change is not in it.
	NextChange time.Time `json:"nextChange,omitzero"`
}

// DesiredAccount is an account that a person should have.
type DesiredAccount struct {
	Target  string `json:"target"`
	Enabled bool   `json:"enabled"`
	// Attributes has an entry for each attribute that the target maps. A nil value means that the account should have no
	// value there: leave it out when creating, remove it when updating. Others are string, bool, float64 or []any.
	Attributes map[string]any `json:"attributes"`
	// Reasons are never empty.
	Reasons []Reason `json:"reasons"`
	// Grants are sorted by kind and name.
	Grants []DesiredGrant `json:"grants,omitempty"`
}

// DesiredGrant is an entitlement that an account should hold.
type DesiredGrant struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Reasons are never empty.
	Reasons []Reason `json:"reasons"`
}

// Reason is what gave an account or a grant.
type Reason struct {
	// Rule is the birthright rule's name.
	Rule string `json:"rule"`
	// Role is the path of roles from the rule to the grant, "sales → crm-user"; empty for an account that the rule names
	// itself.
	Role string `json:"role,omitempty"`
}

// given gathers what the rules give in one target.
type given struct {
	reasons []Reason
	grants  []DesiredGrant
}

// Desired answers what the person should have. While staged they have the same accounts and grants as later, disabled,
// in the targets whose pre-hire window is open; when suspended, the same ones disabled; once they have left, nothing,
// whatever the expressions would say. An expression that cannot be evaluated is an identity.Error of code Invalid: then
// nothing is known of what the person should have.
func (p *Policy) Desired(s Subject) (Desired, error) {
	switch {
	case s.State.Gone():
		return Desired{}, nil
	case s.State != identity.StateStaged && s.State != identity.StateActive && s.State != identity.StateSuspended:
		return Desired{}, identity.Errorf(identity.Internal, "policy knows no state %q", s.State)
	}
	facts := p.factsOf(s)
	byTarget, err := p.gather(facts)
	if err != nil {
		return Desired{}, err
	}
	desired := Desired{Accounts: map[string]DesiredAccount{}}
	if p.refersToToday {
		desired.NextChange = nextDay(facts.now())
	}
	for i, given := range byTarget {
		if len(given.reasons) == 0 {
			continue
		}
		if s.State == identity.StateStaged {
			open, opens := window(p.targets[i], s)
			if !open {
				desired.NextChange = earliest(desired.NextChange, opens)
				continue
			}
		}
		account, err := p.account(i, given, facts)
		if err != nil {
			return Desired{}, err
		}
		desired.Accounts[account.Target] = account
	}
	return desired, nil
}

// gather applies every rule; the answer is parallel to the targets.
func (p *Policy) gather(facts *facts) ([]given, error) {
	byTarget := make([]given, len(p.targets))
	for _, rule := range p.rules {
		holds, err := rule.when.holds(facts)
		if err != nil {
			return nil, err
		}
		if !holds {
			continue
		}
		for _, award := range rule.gives {
			byTarget[award.target].add(award)
		}
	}
	return byTarget, nil
}

func (g *given) add(a award) {
	g.reasons = append(g.reasons, a.reason)
	for _, e := range a.entitlements {
		i, found := slices.BinarySearchFunc(g.grants, e, func(have DesiredGrant, want Entitlement) int {
			return cmp.Or(cmp.Compare(have.Kind, want.Kind), cmp.Compare(have.Name, want.Name))
		})
		if !found {
			g.grants = slices.Insert(g.grants, i, DesiredGrant{Kind: e.Kind, Name: e.Name})
		}
		g.grants[i].Reasons = append(g.grants[i].Reasons, a.reason)
	}
}

func (p *Policy) account(target int, given given, facts *facts) (DesiredAccount, error) {
	account := DesiredAccount{
		Target:     p.targets[target].Name,
		Enabled:    facts.subject.State == identity.StateActive,
		Attributes: make(map[string]any, len(p.mappings[target])),
		Reasons:    given.reasons,
		Grants:     given.grants,
	}
	for _, m := range p.mappings[target] {
		value, err := m.value.attribute(facts)
		if err != nil {
			return DesiredAccount{}, err
		}
		account.Attributes[m.attribute] = value
	}
	correlate := p.targets[target].Correlate
	if text, ok := account.Attributes[correlate].(string); !ok || text == "" {
		return DesiredAccount{}, identity.InvalidField(
			fmt.Sprintf("targets[%s].attributes.%s", account.Target, correlate),
			"is no text for this person, and accounts in the target are looked up by it; allocate the name or mend the mapping")
	}
	return account, nil
}

// window reports whether the target's pre-hire window is open, and when it opens; zero when no start is known.
func window(t Target, s Subject) (bool, time.Time) {
	if s.StartsAt.IsZero() {
		return false, time.Time{}
	}
	opens := s.StartsAt.Add(-t.PreHire)
	return !s.AsOf.Before(opens), opens
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// nextDay is the first moment of the day after t, in t's zone.
func nextDay(t time.Time) time.Time {
	year, month, day := t.Date()
	return identity.Date{Year: year, Month: month, Day: day}.EndIn(t.Location())
}

// facts are the variables of one evaluation.
type facts struct {
	policy  *Policy
	subject *Subject
	person  *personValue
	manager any // *personValue, or null
}

func (p *Policy) factsOf(s Subject) *facts {
	f := &facts{policy: p, subject: &s, person: newPersonValue(&s.Attributes), manager: types.NullValue}
	if p.refersToManager && s.Manager != nil {
		f.manager = newPersonValue(s.Manager)
	}
	return f
}

// now is the moment in the person's own zone, or the policy's when the person has none that is known.
func (f *facts) now() time.Time {
	zone, err := loadZone(f.subject.Attributes.TimeZone)
	if err != nil {
		zone = f.policy.zone
	}
	return f.subject.AsOf.In(zone)
}

// ResolveName implements cel.Activation.
func (f *facts) ResolveName(name string) (any, bool) {
	switch name {
	case varPerson:
		return f.person, true
	case varManager:
		return f.manager, true
	case varUserName:
		return types.String(f.subject.UserName), true
	case varMail:
		return types.String(f.subject.Mail), true
	case varState:
		return types.String(f.subject.State), true
	case varGroups:
		return types.NewStringList(types.DefaultTypeAdapter, f.subject.Groups), true
	case varToday:
		return types.String(f.now().Format(time.DateOnly)), true
	default:
		return nil, false
	}
}

// Parent implements cel.Activation.
func (f *facts) Parent() cel.Activation { return nil }
