package identity

// A source's timeline, and the rules by which it is read. They decide when access goes, so they are written down here
// with their reasons; the tests in timeline_test.go hold one case of each.
//
// # Two orders
//
// Every fact has a place in the order in which its source said things (fact.said): sequence, then time, then id, as the
// API promises. Missing sequences come first, then whole numbers by value, then other texts.
//
// Facts are laid over each other by weight, the moment they speak of, and the later one overrides; of equal weight the
// later said overrides. The weight of a fact with an effectiveDate is that moment: a row effective on the 10th beats one
// effective on the 5th, from the 10th on, whichever was said later. This is how effective-dated HR systems work. The
// weight of a fact without one is its event's time, but never less than that of such a fact that the same origin
// said before: so the sequence beats a clock that was set back, and origins whose sequences have nothing to do with
// each other do not disturb one another.
//
// Neither order depends on the order of arrival, and both are total.
//
// # In effect
//
// A fact counts from its effectiveDate on. Without one it counts from its event's time; an event dated ahead of its
// receipt by up to five minutes counts from the receipt, because a source's clock that runs ahead must not delay a
// leave. A worker.left that states its last day counts from that day's end at the latest, even if its effectiveDate is
// later. A date begins, and ends, where the person works by then: in the zone said in the same event, else the
// timeZone in force, else the organization's. A zone said after a day has ended does not move that end, or somebody who
// has left would be let in again for some hours.
//
// A rescission counts as soon as it is known, whatever its time, because it corrects the record and tells nothing of the
// person's life. What it names has no effect, also when it arrives later. It can be rescinded itself. When all that a
// source said is rescinded the person has left: nobody says any more that they work here.
//
// # Beginning
//
// Every type but worker.left makes an unknown person known: feeds start in the middle, and an import speaks of people
// who have long been here. Without a startDate a worker.joined starts at its moment; the other types do not say
// when, and the person works here at once. Somebody known only by facts still to come is staged, with the attributes
// of the first of them, so that accounts are ready on the day. Somebody first heard of by worker.left has left,
// also when the last day lies ahead: a leave is no reason to create accounts. Later changes do not alter that; a
// joining, a rehire, or the withdrawal of that last day does.
//
// # End
//
// Employment ends at the end of lastDay, without it of endDate. A worker.left that gives neither itself ends it at its
// moment, if nothing did before. immediate, in a worker.left, or in a worker.changed of somebody who has or is given an
// end, does so too, whatever the dates say. In a worker.changed of somebody without an end it means nothing.
//
// Setting a date to null withdraws a resignation, taken effect or not, and moving it reopens what it had ended (the
// contract prolonged a day late). Both only concern ends given by a date: a leave without one, or an immediate one, is
// undone by worker.rehired, worker.joined or a rescission alone. Otherwise every full record with an empty lastDay, as
// many systems send them, would silently bring people back.
//
// For the same reason a fact without an effectiveDate does not touch an end that was said after it. It may well weigh
// more, when the leave was backdated to before it (an import on Monday; on Tuesday a termination as of last Friday),
// but who said it did not know of the leave. A worker.rehired is exempt: it supposes a leave.
//
// worker.rehired, and worker.joined of somebody who has left, begin anew: what was said of start, end, reason and
// leave of absence is forgotten, unless the event says it itself. Attributes stay. A worker.joined of somebody who has
// not left is a change.
//
// # Several relationships
//
// The person's state is the best of their relationships': active, suspended, staged, left. The attributes are those of
// the primary one: best state, then latest start, then id; names, email and userName come from the next one where the
// primary never spoke of them. The person's end is the last of the ends. An event that names no relationship belongs to
// the first one that any event names; when none is named, there is one.

import (
	"maps"
	"math"
	"slices"
	"time"
)

// Entry is an event with the moment at which Tenure received it.
type Entry struct {
	Event
	ReceivedAt time.Time
}

// Record is what one source says of one person at one moment.
type Record struct {
	Source        string
	Relationships []Relationship // by ID; none when all that the source said has been rescinded
	Situation     Situation
	// RehiredAt is the latest time of a worker.rehired in effect; zero when there is none.
	RehiredAt time.Time
}

// Relationship is what a source says of one of a person's work relationships.
type Relationship struct {
	ID        string
	Situation Situation
}

// Fold computes what one source says of one person at asOf, from all of that source's entries about the person, in
// whatever order they are given. source is the configured source, which only names the record; zone is the
// organization's, for people of whom no time zone is known.
//
// The result changes with asOf only at the moments that NextChange announces, and asOf may lie in the past: the answer
// then is what the entries say today of that time.
func Fold(source string, entries []Entry, asOf time.Time, zone *time.Location) Record {
	facts := gather(entries)
	placeImplicit(facts)
	divided := byRelationship(facts)
	record := Record{Source: source}
	var known []*employment
	for _, id := range slices.Sorted(maps.Keys(divided)) {
		e, situation := foldRelationship(divided[id], asOf, zone)
		known = append(known, e)
		record.Relationships = append(record.Relationships, Relationship{ID: id, Situation: situation})
		if e.rehiredAt.After(record.RehiredAt) {
			record.RehiredAt = e.rehiredAt
		}
	}
	record.Situation = summarize(record.Relationships)
	record.Situation.Attributes = attributesOf(record.Relationships, known)
	return record
}

// foldRelationship computes one relationship from its facts, given in the order said.
func foldRelationship(facts []*fact, asOf time.Time, organization *time.Location) (*employment, Situation) {
	e := &employment{zones: newZones(facts, organization)}
	for _, f := range facts {
		e.zones.place(f)
	}
	slices.SortFunc(facts, compareFacts)
	unheard := unheardLeaves(facts)
	var s Situation
	opened, turnedAway := false, false
	for i, f := range facts {
		if f.from.After(asOf) {
			s.NextChange = earliest(s.NextChange, f.from)
			continue
		}
		if f.Type == WorkerRehired && f.time.After(e.rehiredAt) {
			e.rehiredAt = f.time
		}
		opened = opened || f.opens()
		turnedAway = turnedAway || unheard[i]
	}
	var preview *fact
	if !opened && !turnedAway {
		preview = firstOpening(facts)
	}
	for i, f := range facts {
		if !f.from.After(asOf) || f == preview {
			e.apply(f, unheard[i])
		}
	}
	e.describe(&s, asOf, preview, opened)
	return e, s
}

// unheardLeaves marks the leaves of somebody of whom nothing was known: nothing comes before them, neither in the order
// in which facts are laid over each other, which is the one given, nor in the order in which they were said.
func unheardLeaves(facts []*fact) []bool {
	unheard := make([]bool, len(facts))
	heard := slices.IndexFunc(facts, (*fact).opens)
	if heard < 0 {
		heard = len(facts)
	}
	firstSaid := math.MaxInt
	for _, f := range facts[heard:] {
		if f.opens() {
			firstSaid = min(firstSaid, f.said)
		}
	}
	for i, f := range facts[:heard] {
		unheard[i] = f.said < firstSaid
	}
	return unheard
}

// firstOpening is the fact that is the first to come into effect of those that speak of somebody who works here; nil
// when there is none.
func firstOpening(facts []*fact) *fact {
	var first *fact
	for _, f := range facts {
		if f.opens() && (first == nil || f.from.Before(first.from)) {
			first = f
		}
	}
	return first
}

// describe writes the relationship's situation at asOf. preview is the fact to come that makes somebody known early;
// opened says that one is in effect.
func (e *employment) describe(s *Situation, asOf time.Time, preview *fact, opened bool) {
	s.Attributes, s.Reason = e.attributes, e.reason
	s.StartsAt, s.EndsAt = e.start(), e.end()
	if preview != nil && s.StartsAt.Before(preview.from) {
		s.StartsAt = preview.from
	}
	switch {
	case preview == nil && !opened, !s.EndsAt.IsZero() && !s.EndsAt.After(asOf):
		s.State = StateLeft
		s.Immediate = e.immediate
		return
	case s.StartsAt.After(asOf):
		s.State = StateStaged
		s.NextChange = earliest(s.NextChange, s.StartsAt)
	case e.suspended:
		s.State = StateSuspended
	default:
		s.State = StateActive
	}
	if !s.EndsAt.IsZero() {
		s.NextChange = earliest(s.NextChange, s.EndsAt)
	}
}

// attributesOf takes the attributes from the primary relationship, and what belongs to the person from the next ones
// where the primary one never spoke of it.
func attributesOf(relationships []Relationship, known []*employment) Attributes {
	if len(known) == 0 {
		return Attributes{}
	}
	ranked := make([]int, len(known))
	for i := range ranked {
		ranked[i] = i
	}
	slices.SortStableFunc(ranked, func(a, b int) int {
		return comparePrimary(relationships[a].Situation, relationships[b].Situation)
	})
	result := relationships[ranked[0]].Situation.Attributes
	for i, field := range textFields {
		for _, r := range ranked {
			if known[r].spoken[i] {
				if field.personal {
					*field.of(&result) = *field.of(&known[r].attributes)
				}
				break
			}
		}
	}
	return result
}
