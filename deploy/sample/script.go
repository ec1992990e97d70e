package sample

import (
	"fmt"
	"slices"
	"time"

	"github.com/tenurehq/tenure/internal/identity"
)

// What the script has of each kind.
const (
	movers           = 40
	leavers          = 15
	immediateLeavers = 5
	rehires          = 3
	leaves           = 2
)

// When the phases happen, in days before the day of the script. All is past in every time zone, so that each event has
// its effect when it arrives; and a last day is over before its rehire begins.
const (
	joinedBefore = 30
	movedBefore  = 10
	leftBefore   = 4
	lastDay      = 3
	returnBefore = 1
)

// script collects events in the order in which they are sent.
type script struct {
	name     string // a part of the events' ids
	day      time.Time
	sequence int
}

// Script is what happens to acme's people, with dates relative to today's date in UTC: 300 joiners, 40 movers,
// 15 leavers, then 3 rehires and 2 leaves of absence.
func Script(today time.Time) []Phase {
	return phases(&script{name: "acme", day: midnight(today)}, company())
}

// Brief is the same story with those alone who lead, to whom something happens, or who are somebody's namesake: a third of
// the joiners, and everybody else.
func Brief(today time.Time) []Phase {
	staff := company()
	members := slices.IndexFunc(staff, func(w worker) bool { return !w.leads() })
	return phases(&script{name: "acme-brief", day: midnight(today)}, slices.DeleteFunc(staff, func(w worker) bool {
		acts := w.number <= members+movers || w.number > workers-leavers-leaves
		return !acts && !w.namesake()
	}))
}

func phases(s *script, staff []worker) []Phase {
	// Those who lead nobody, taken from both ends so that nobody is in two parts of the script.
	members := slices.DeleteFunc(slices.Clone(staff), func(w worker) bool { return w.leads() })
	moving, leaving := members[:movers], members[len(members)-leavers:]
	away := members[len(members)-leavers-leaves : len(members)-leavers]
	return []Phase{
		{Name: "joiners", Events: s.joiners(staff)},
		{Name: "movers", Events: s.movers(moving)},
		{Name: "leavers", Events: s.leavers(leaving)},
		{Name: "rehires and leaves of absence", Events: append(s.rehires(leaving), s.leaves(away)...)},
	}
}

func (w worker) leads() bool { return w.number <= 1+len(departments)*(1+leadsPerDept) }

func midnight(t time.Time) time.Time {
	year, month, day := t.UTC().Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// event makes the next event, so many days before the day of the script; events of a day follow each other by a second.
func (s *script) event(kind identity.EventType, daysBefore int, data map[string]any) Event {
	s.sequence++
	return Event{
		// The day is part of the id: a script made on another day is another story, not a repetition.
		ID:       fmt.Sprintf("%s-%s-%04d", s.name, s.day.Format("20060102"), s.sequence),
		Source:   Source,
		Type:     kind,
		Time:     s.day.AddDate(0, 0, -daysBefore).Add(8*time.Hour + time.Duration(s.sequence)*time.Second),
		Sequence: fmt.Sprintf("%010d", s.sequence),
		Data:     data,
	}
}

// joiners are all workers; some heads and leads come after the people who report to them.
func (s *script) joiners(staff []worker) []Event {
	late := func(w worker) bool { return w.leads() && w.number%4 == 3 }
	var events []Event
	for _, w := range staff {
		if !late(w) {
			events = append(events, s.event(identity.WorkerJoined, joinedBefore, w.record(s.day)))
		}
	}
	for _, w := range staff {
		if late(w) {
			events = append(events, s.event(identity.WorkerJoined, joinedBefore, w.record(s.day)))
		}
	}
	return events
}

// movers change department (with title and manager), family name, or manager alone, by turns.
func (s *script) movers(of []worker) []Event {
	events := make([]Event, len(of))
	for i, w := range of {
		data := map[string]any{"employeeId": employeeID(w.number)}
		switch i % 3 {
		case 0:
			to := (w.department + 1 + i%5) % len(departments)
			data["department"] = departments[to].name
			data["managerEmployeeId"] = employeeID(2 + len(departments) + to*leadsPerDept)
			data["custom"] = map[string]any{"costCenter": fmt.Sprintf("CC-%02d", 10+to)}
			if w.kind != "intern" {
				data["title"] = departments[to].work
			}
		case 1:
			w.family = marriedNames[i%len(marriedNames)]
			data["familyName"] = w.family
			data["displayName"] = w.displayName()
		case 2:
			data["managerEmployeeId"] = employeeID(2 + w.department) // the head of the department
		}
		events[i] = s.event(identity.WorkerChanged, movedBefore, data)
	}
	return events
}

// leavers leave on their last day; the last ones at once.
func (s *script) leavers(of []worker) []Event {
	events := make([]Event, len(of))
	for i, w := range of {
		data := map[string]any{"employeeId": employeeID(w.number)}
		if i < len(of)-immediateLeavers {
			data["lastDay"] = date(s.day, -lastDay)
			data["reason"] = "resigned"
		} else {
			data["immediate"] = true
			data["reason"] = "dismissed"
		}
		events[i] = s.event(identity.WorkerLeft, leftBefore, data)
	}
	return events
}

// rehires are the first of those who left on their last day, back in their old department.
func (s *script) rehires(leavers []worker) []Event {
	var events []Event
	for _, w := range leavers[:rehires] {
		events = append(events, s.event(identity.WorkerRehired, returnBefore, map[string]any{
			"employeeId": employeeID(w.number),
			"startDate":  date(s.day, -returnBefore),
			"endDate":    nil,
			"workerType": "employee",
			"title":      departments[w.department].work,
		}))
	}
	return events
}

func (s *script) leaves(of []worker) []Event {
	var events []Event
	for _, w := range of {
		events = append(events, s.event(identity.WorkerLeaveStarted, returnBefore, map[string]any{
			"employeeId": employeeID(w.number),
			"reason":     "parental",
		}))
	}
	return events
}
