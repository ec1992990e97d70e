package identity

import (
	"time"
)

// Dated is a situation with the moment from which it holds.
type Dated struct {
	At        time.Time
	Situation Situation
}

// maxOutlook bounds how far ahead two timelines are compared.
const maxOutlook = 100

// Outlook lists the situations to come: the one at asOf, and one at each NextChange after it, at most 100. fn computes
// the situation at a moment.
func Outlook(asOf time.Time, fn func(time.Time) Situation) []Dated {
	var ahead []Dated
	for at := asOf; len(ahead) < maxOutlook; {
		s := fn(at)
		ahead = append(ahead, Dated{At: at, Situation: s})
		if !s.NextChange.After(at) {
			break
		}
		at = s.NextChange
	}
	return ahead
}

// SameOutlook reports whether two outlooks, taken at the same moment, promise the same. A moment at which nothing
// changes after all does not count.
func SameOutlook(a, b []Dated) bool {
	a, b = changesOf(a), changesOf(b)
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if i > 0 && !a[i].At.Equal(b[i].At) || !sameSituation(a[i].Situation, b[i].Situation) {
			return false
		}
	}
	return true
}

func changesOf(outlook []Dated) []Dated {
	var changes []Dated
	for _, d := range outlook {
		if len(changes) == 0 || !sameSituation(changes[len(changes)-1].Situation, d.Situation) {
			changes = append(changes, d)
		}
	}
	return changes
}

// sameSituation compares all but NextChange, which says when to look again and nothing of the person.
func sameSituation(a, b Situation) bool {
	return a.State == b.State && a.StartsAt.Equal(b.StartsAt) && a.EndsAt.Equal(b.EndsAt) &&
		a.Immediate == b.Immediate && a.Reason == b.Reason && SameAttributes(a.Attributes, b.Attributes)
}
