package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tenurehq/tenure/internal/identity"
)

// fact is the data of an event.
type fact map[string]any

// write makes up what the sources will say, and the order in which it arrives.
func (w *world) write() {
	for _, p := range w.people {
		p.habit = w.pick(3, 2, 1)
		at := base.Add(-w.between(0, 48*time.Hour))
		var said []identity.Event
		for n := range 3 + w.random.IntN(6) {
			kind, data := w.say(p, n, at)
			if kind == identity.WorkerRescinded {
				if len(said) < 2 {
					continue
				}
				data["rescinds"] = said[1+w.random.IntN(len(said)-1)].ID
			}
			event := w.event(p, kind, data, n, at)
			said = append(said, event)
			at = at.Add(w.between(time.Second, 6*time.Hour))
		}
		w.arrivals = append(w.arrivals, said...)
	}
	for _, e := range w.arrivals {
		if w.chance(0.15) {
			w.arrivals = append(w.arrivals, e)
		}
	}
	if w.chance(0.4) {
		w.random.Shuffle(len(w.arrivals), func(i, j int) { w.arrivals[i], w.arrivals[j] = w.arrivals[j], w.arrivals[i] })
		return
	}
	w.mix()
}

// mix lays the events of several people between each other; each person's stay in their order.
func (w *world) mix() {
	queues := map[string][]identity.Event{}
	for _, e := range w.arrivals {
		queues[e.EmployeeID] = append(queues[e.EmployeeID], e)
	}
	for i := range w.arrivals {
		waiting := slices.Sorted(maps.Keys(queues))
		employee := waiting[w.random.IntN(len(waiting))]
		w.arrivals[i] = queues[employee][0]
		if queues[employee] = queues[employee][1:]; len(queues[employee]) == 0 {
			delete(queues, employee)
		}
	}
}

// say chooses a person's n-th event.
func (w *world) say(p *person, n int, at time.Time) (identity.EventType, fact) {
	data := fact{"employeeId": p.employee}
	if n == 0 {
		data["displayName"], data["title"], data["department"] = "Name of "+p.employee, "T0", w.department()
		data["workerType"] = "employee"
		switch w.pick(6, 2, 1) {
		case 1: // starts later
			data["startDate"] = at.Add(w.between(0, 96*time.Hour)).Format(time.DateOnly)
		case 2: // and the contract ends
			data["startDate"] = at.Format(time.DateOnly)
			data["endDate"] = at.Add(w.between(24*time.Hour, 120*time.Hour)).Format(time.DateOnly)
		}
		if w.chance(0.3) {
			data["managerEmployeeId"] = w.people[w.random.IntN(len(w.people))].employee
		}
		return identity.WorkerJoined, data
	}
	if p.habit > 0 && w.chance(0.8) {
		return w.again(p, n, data)
	}
	switch w.pick(8, 3, 3, 3, 6, 5, 1, 1, 1) {
	case 0:
		data["department"] = w.department()
	case 1:
		data["title"] = "T" + strconv.Itoa(n)
		data["displayName"] = "Name " + strconv.Itoa(n)
	case 2: // a move on a day to come, or of a day gone by
		data["department"] = w.department()
		data["effectiveDate"] = at.Add(w.between(-48*time.Hour, 96*time.Hour)).Format(time.DateOnly)
	case 3:
		if w.chance(0.3) {
			data["lastDay"] = at.Add(w.between(-24*time.Hour, 72*time.Hour)).Format(time.DateOnly)
		}
		return identity.WorkerLeft, data
	case 4:
		data["immediate"] = true
		return identity.WorkerLeft, data
	case 5:
		data["department"] = w.department()
		return identity.WorkerRehired, data
	case 6:
		return identity.WorkerLeaveStarted, data
	case 7:
		return identity.WorkerLeaveEnded, data
	default:
		return identity.WorkerRescinded, data
	}
	return identity.WorkerChanged, data
}

// again is an event of a habit: somebody who leaves and comes back, or moves to and fro.
func (w *world) again(p *person, n int, data fact) (identity.EventType, fact) {
	if p.habit == 2 {
		data["department"] = departments[n%2]
		return identity.WorkerChanged, data
	}
	if n%2 == 0 {
		return identity.WorkerRehired, data
	}
	data["immediate"] = true
	return identity.WorkerLeft, data
}

func (w *world) department() string { return departments[w.random.IntN(len(departments))] }

func (w *world) event(p *person, kind identity.EventType, data fact, n int, at time.Time) identity.Event {
	raw, err := json.Marshal(data)
	w.must(err, "write event")
	event, err := identity.ParseEventData(kind, raw)
	w.must(err, "write event")
	event.Source, event.ID, event.Type = "hr", fmt.Sprintf("%s-%d", p.employee, n), kind
	event.Time, event.Sequence = at, strconv.Itoa(n)
	return event
}
