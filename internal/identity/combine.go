package identity

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Precedence says whose word counts for an attribute when several sources speak of a person.
type Precedence struct {
	// Default lists source names, the strongest first. Sources that are not listed come after them, by name.
	Default []string
	// ByAttribute overrides Default for single attributes, by their JSON names; "custom.<key>" is one key of custom.
	ByAttribute map[string][]string
}

func (p Precedence) of(attribute string) []string {
	if order, ok := p.ByAttribute[attribute]; ok {
		return order
	}
	return p.Default
}

// Combine computes the identity from what its sources say. The person is active while any work relationship of any
// source is; each attribute is that of the strongest source that has a value for it. Somebody of whom no source knows
// a work relationship, any more, has left.
func Combine(records []Record, precedence Precedence) Situation {
	var all []Relationship
	for _, r := range records {
		all = append(all, r.Relationships...)
	}
	combined := summarize(all)
	if len(records) == 1 {
		combined.Attributes = records[0].Situation.Attributes
	} else {
		combined.Attributes = combineAttributes(records, precedence)
	}
	return combined
}

func combineAttributes(records []Record, precedence Precedence) Attributes {
	var result Attributes
	orders := map[string][]Record{} // by the source order they follow
	ranked := func(attribute string) []Record {
		order := precedence.of(attribute)
		key := strings.Join(order, "\x00")
		sorted, ok := orders[key]
		if !ok {
			sorted = slices.SortedFunc(slices.Values(records), func(a, b Record) int { return compareRecords(order, a, b) })
			orders[key] = sorted
		}
		return sorted
	}
	for _, f := range textFields {
		for _, r := range ranked(f.name) {
			if value := *f.of(&r.Situation.Attributes); value != "" {
				*f.of(&result) = value
				break
			}
		}
	}
	for _, record := range records {
		for key := range record.Situation.Attributes.Custom {
			if _, done := result.Custom[key]; done {
				continue
			}
			if value, ok := strongestCustom(ranked("custom."+key), key); ok {
				if result.Custom == nil {
					result.Custom = map[string]any{}
				}
				result.Custom[key] = value
			}
		}
	}
	return result
}

func strongestCustom(ranked []Record, key string) (any, bool) {
	for _, r := range ranked {
		if value, ok := r.Situation.Attributes.Custom[key]; ok && value != nil && value != "" {
			return value, true
		}
	}
	return nil, false
}

// compareRecords puts the stronger record first. Two records of one source, which a merge can bring about, are told
// apart by the state, the later start and the employee id.
func compareRecords(order []string, a, b Record) int {
	if c := cmp.Compare(sourceRank(order, a.Source), sourceRank(order, b.Source)); c != 0 {
		return c
	}
	return cmp.Or(
		strings.Compare(a.Source, b.Source),
		comparePrimary(a.Situation, b.Situation),
		strings.Compare(a.Situation.Attributes.EmployeeID, b.Situation.Attributes.EmployeeID),
	)
}

func sourceRank(order []string, source string) int {
	if i := slices.Index(order, source); i >= 0 {
		return i
	}
	return len(order)
}

// stateRank orders the states of a relationship, the one that speaks for the person first.
func stateRank(s State) int {
	switch s {
	case StateActive:
		return 0
	case StateSuspended:
		return 1
	case StateStaged:
		return 2
	default:
		return 3
	}
}

// comparePrimary puts the situation that speaks for the person first: the best state, then the latest start.
func comparePrimary(a, b Situation) int {
	return cmp.Or(cmp.Compare(stateRank(a.State), stateRank(b.State)), b.StartsAt.Compare(a.StartsAt))
}

// summarize is the situation of a person with these work relationships, but for the attributes: the best state of
// any; the earliest start of those in that state; the latest end of those not over, none if one of them has none.
// When all are over, the last to end says how it ended. NextChange is the earliest of any.
func summarize(relationships []Relationship) Situation {
	s := Situation{State: StateLeft}
	for _, r := range relationships {
		if stateRank(r.Situation.State) < stateRank(s.State) {
			s.State = r.Situation.State
		}
		s.NextChange = earliest(s.NextChange, r.Situation.NextChange)
	}
	var ends []time.Time
	for _, r := range relationships {
		if r.Situation.State == s.State {
			s.StartsAt = earliest(s.StartsAt, r.Situation.StartsAt)
		}
		if s.State != StateLeft && r.Situation.State != StateLeft {
			ends = append(ends, r.Situation.EndsAt)
		}
	}
	if s.State == StateLeft {
		howItEnded(relationships, &s)
		return s
	}
	if !slices.ContainsFunc(ends, time.Time.IsZero) {
		s.EndsAt = slices.MaxFunc(ends, time.Time.Compare)
	}
	s.Reason = reasonOfEnd(relationships, s.EndsAt)
	return s
}

// howItEnded takes the end, and what was said of it, from the relationship that ended last. Of two that ended at the
// same moment the immediate one counts, and then the lesser reason in the order of text, so that the answer is one.
func howItEnded(relationships []Relationship, s *Situation) {
	for i, r := range relationships {
		last := cmp.Or(
			r.Situation.EndsAt.Compare(s.EndsAt),
			compareBool(r.Situation.Immediate, s.Immediate),
			strings.Compare(s.Reason, r.Situation.Reason),
		)
		if i == 0 || last > 0 {
			s.EndsAt, s.Immediate, s.Reason = r.Situation.EndsAt, r.Situation.Immediate, r.Situation.Reason
		}
	}
}

// reasonOfEnd is what was said of the end that lies ahead, when there is one.
func reasonOfEnd(relationships []Relationship, end time.Time) string {
	reason := ""
	for _, r := range relationships {
		if !end.IsZero() && r.Situation.EndsAt.Equal(end) && r.Situation.State != StateLeft && r.Situation.Reason > reason {
			reason = r.Situation.Reason
		}
	}
	return reason
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// earliest is the earlier of two moments, of which the zero one is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Derive names the effect of a change, from the situation before (nil: never heard of) and after. scheduled says that
// what lies ahead changed as well, which the caller knows by comparing outlooks; it is the answer when nothing
// changes now. A last day announced, or a start date moved, is such a change: the dates are not in force yet.
func Derive(before *Situation, after Situation, scheduled bool) Effect {
	if before == nil || before.State == "" {
		if after.State.Gone() || after.State == "" {
			return EffectNone
		}
		return EffectJoin
	}
	switch gone := after.State.Gone(); {
	case before.State.Gone() && !gone:
		return EffectRehire
	case !before.State.Gone() && gone:
		return EffectLeave
	case after.State == StateSuspended && before.State != StateSuspended:
		return EffectSuspend
	case before.State == StateSuspended && after.State == StateActive:
		return EffectResume
	case !gone && before.State != after.State, changedInForce(*before, after):
		return EffectMove
	case scheduled:
		return EffectScheduled
	default:
		return EffectNone
	}
}

// changedInForce reports whether two situations of the same state differ in something that is in force: an attribute,
// when somebody who works here started, or how and when somebody who has left did so.
func changedInForce(a, b Situation) bool {
	gone, started := b.State.Gone(), b.State == StateActive || b.State == StateSuspended
	return !SameAttributes(a.Attributes, b.Attributes) || a.Immediate != b.Immediate ||
		started && !a.StartsAt.Equal(b.StartsAt) ||
		gone && (a.Reason != b.Reason || !a.EndsAt.Equal(b.EndsAt))
}

// SameAttributes reports whether two sets of attributes say the same.
func SameAttributes(a, b Attributes) bool {
	if len(a.Custom) != len(b.Custom) {
		return false
	}
	for _, f := range textFields {
		if *f.of(&a) != *f.of(&b) {
			return false
		}
	}
	return len(a.Custom) == 0 || reflect.DeepEqual(a.Custom, b.Custom)
}
