package identity

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// clockSkew is how far a source's clock may run ahead of ours: an event that is dated no further ahead than this is
// taken to speak of now.
const clockSkew = 5 * time.Minute

// fact is an entry that counts, with its place in time.
type fact struct {
	*Entry
	time       time.Time // Entry.Time, cut to Resolution
	receivedAt time.Time // Entry.ReceivedAt, cut to Resolution
	// said is the fact's place in the order in which the sources said things, see compareEvents.
	said int
	// from is when the fact comes into effect.
	from time.Time
	// weight is the moment that orders the fact among the others in effect: the later one overrides. It is never
	// before from.
	weight time.Time
}

// implicit reports whether the fact has no effectiveDate, so that its event's time counts.
func (f *fact) implicit() bool { return f.Effective.IsZero() }

// opens reports whether the fact speaks of somebody who works here: every type does but worker.left.
func (f *fact) opens() bool { return f.Type != WorkerLeft }

// compareFacts is the order in which facts are laid over each other.
func compareFacts(a, b *fact) int {
	return cmp.Or(a.weight.Compare(b.weight), cmp.Compare(a.said, b.said))
}

// gather lists the facts that count, in the order in which they were said: each once, without those rescinded.
func gather(entries []Entry) []*fact {
	store := make([]fact, len(entries))
	facts := make([]*fact, len(entries))
	for i := range entries {
		store[i] = fact{
			Entry:      &entries[i],
			time:       entries[i].Time.UTC().Truncate(Resolution),
			receivedAt: entries[i].ReceivedAt.UTC().Truncate(Resolution),
		}
		facts[i] = &store[i]
	}
	facts = once(facts)
	slices.SortFunc(facts, compareEvents)
	facts = unrescinded(facts)
	for i, f := range facts {
		f.said = i
	}
	return facts
}

// once drops repetitions: of several entries with the same source and id the one received first stays.
func once(facts []*fact) []*fact {
	slices.SortFunc(facts, func(a, b *fact) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.Source, b.Source),
			a.receivedAt.Compare(b.receivedAt), a.time.Compare(b.time))
	})
	return slices.CompactFunc(facts, func(a, b *fact) bool { return a.ID == b.ID && a.Source == b.Source })
}

type eventRef struct{ source, id string }

// unrescinded drops the rescissions and what they take back. A rescission counts as soon as it is known, whatever its
// time says: it is about the record, not about the person's life.
func unrescinded(facts []*fact) []*fact {
	var open []*fact
	for _, f := range facts {
		if f.Type == WorkerRescinded {
			open = append(open, f)
		}
	}
	if len(open) == 0 {
		return facts
	}
	taken := takenBack(open)
	return slices.DeleteFunc(facts, func(f *fact) bool {
		return f.Type == WorkerRescinded || taken[eventRef{f.Source, f.ID}]
	})
}

// takenBack finds what the rescissions, given in the order said, take back. A rescission counts unless one that counts
// takes it back itself. Where some take back each other in a circle, the last one said counts.
func takenBack(open []*fact) map[eventRef]bool {
	taken := make(map[eventRef]bool, len(open))
	pending := make(map[eventRef]int, len(open)) // how many undecided rescissions name the event
	target := func(f *fact) eventRef { return eventRef{f.Source, f.Rescinds} }
	self := func(f *fact) eventRef { return eventRef{f.Source, f.ID} }
	for _, f := range open {
		pending[target(f)]++
	}
	for len(open) > 0 {
		before := len(open)
		for i, f := range slices.Backward(open) {
			switch {
			case taken[self(f)]:
			case pending[self(f)] == 0:
				taken[target(f)] = true
			default:
				continue
			}
			pending[target(f)]--
			open = slices.Delete(open, i, i+1)
		}
		if len(open) == before {
			last := open[len(open)-1]
			taken[target(last)] = true
			pending[target(last)]--
			open = open[:len(open)-1]
		}
	}
	return taken
}

// placeImplicit finds from and weight of the implicit facts, given in the order said. Within one origin a fact never weighs
// less than one said before it, so that the sequence beats a clock that was set back.
func placeImplicit(facts []*fact) {
	type origin struct {
		source string
		latest time.Time
	}
	var origins []origin
	for _, f := range facts {
		if !f.implicit() {
			continue
		}
		i := slices.IndexFunc(origins, func(o origin) bool { return o.source == f.Source })
		if i < 0 {
			i = len(origins)
			origins = append(origins, origin{source: f.Source, latest: f.time})
		}
		if f.time.After(origins[i].latest) {
			origins[i].latest = f.time
		}
		f.weight, f.from = origins[i].latest, f.time
		if !f.time.After(f.receivedAt.Add(clockSkew)) && f.receivedAt.Before(f.time) {
			f.from = f.receivedAt
		}
	}
}

// relationships names the work relationships that the facts, given in the order said, speak of; in the order said.
func relationships(facts []*fact) []string {
	var ids []string
	for _, f := range facts {
		if f.RelationshipID != "" && !slices.Contains(ids, f.RelationshipID) {
			ids = append(ids, f.RelationshipID)
		}
	}
	return ids
}

// onlyRelationship is the id of the relationship that nobody gave an id.
const onlyRelationship = "default"

// byRelationship divides the facts. Those that name no relationship belong to the first one that is named.
func byRelationship(facts []*fact) map[string][]*fact {
	first := onlyRelationship
	if ids := relationships(facts); len(ids) > 0 {
		first = ids[0]
	}
	divided := make(map[string][]*fact, 1)
	for _, f := range facts {
		id := cmp.Or(f.RelationshipID, first)
		divided[id] = append(divided[id], f)
	}
	return divided
}

// AmbiguousRelationship reports whether an event has to name a work relationship and does not: the source, of whose
// person the entries are, speaks of several.
func AmbiguousRelationship(entries []Entry, e Event) bool {
	return e.RelationshipID == "" && e.Type != WorkerRescinded && len(relationships(gather(entries))) > 1
}
