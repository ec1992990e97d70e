package identity

import (
	"time"
)

// employment is one work relationship while its facts are laid over each other.
type employment struct {
	zones      *zones
	attributes Attributes
	spoken     [len(textFields)]bool // which text attributes any fact spoke of

	startDate namedDay
	startedAt time.Time // the start when no startDate says it
	endDate   namedDay
	lastDay   namedDay
	// leftAt ends the relationship whatever the dates say: a worker.left without a date, or an immediate one.
	leftAt time.Time
	leftBy *fact
	// unheardAt ends the relationship of somebody first heard of by their leaving.
	unheardAt time.Time
	immediate bool
	reason    string
	suspended bool
	rehiredAt time.Time // see Record
}

// namedDay is a day with the fact that gave or cleared it, nil when none ever spoke of it.
type namedDay struct {
	date Date
	by   *fact
}

func (e *employment) start() time.Time {
	if e.startDate.date.IsZero() {
		return e.startedAt
	}
	return e.zones.start(e.startDate.date, e.startDate.by)
}

// end is when the relationship ends, zero when nobody says.
func (e *employment) end() time.Time {
	end := earliest(e.leftAt, e.unheardAt)
	last := e.lastDay
	if last.date.IsZero() {
		last = e.endDate
	}
	if !last.date.IsZero() {
		end = earliest(end, e.zones.start(last.date.Next(), last.by))
	}
	return end
}

// apply lays a fact over what was known. unheard says that nothing was known.
func (e *employment) apply(f *fact, unheard bool) {
	opens := f.Type == WorkerRehired || f.Type == WorkerJoined && e.overFor(f)
	if opens {
		e.reopen()
	}
	e.applyAttributes(f)
	hadEnd := !e.lastDay.date.IsZero() || !e.endDate.date.IsZero()
	e.applyDates(f)
	switch f.Type {
	case WorkerJoined, WorkerRehired:
		if e.startDate.date.IsZero() && (opens || e.startedAt.IsZero()) {
			e.startedAt = f.from
		}
	case WorkerLeft:
		e.applyLeft(f, unheard)
	case WorkerChanged:
		over := hadEnd || !e.end().IsZero()
		if over && e.isImmediate(f) {
			e.endAtOnce(f)
		}
	case WorkerLeaveStarted:
		e.suspended = true
	case WorkerLeaveEnded:
		e.suspended = false
	case WorkerRescinded:
		// Says nothing of its own: what it takes back was left out before the facts are applied.
	case IdentityKilled, IdentityReinstated:
		// No source says these: see Override.
	}
}

func (e *employment) isImmediate(f *fact) bool { return string(f.Patch[fieldImmediate]) == "true" }

// overFor reports whether the relationship is over by the time a worker.joined comes, and was known to be: a leave
// that was said after the joining, though backdated before it, ends what the joining began.
func (e *employment) overFor(joined *fact) bool {
	if end := e.end(); end.IsZero() || end.After(joined.weight) {
		return false
	}
	for _, by := range []*fact{e.leftBy, e.lastDay.by, e.endDate.by} {
		if by != nil && yields(joined, by) {
			return false
		}
	}
	return true
}

// yields reports whether a fact must not touch an end that another one set: it only weighs more because its event has
// no effectiveDate and the other, though said later, was backdated.
func yields(f, end *fact) bool { return f.implicit() && f.said < end.said }

// reopen begins the employment anew.
func (e *employment) reopen() {
	e.startDate, e.endDate, e.lastDay = namedDay{}, namedDay{}, namedDay{}
	e.startedAt, e.leftAt, e.unheardAt = time.Time{}, time.Time{}, time.Time{}
	e.leftBy = nil
	e.immediate, e.suspended = false, false
	e.reason = ""
}

func (e *employment) applyAttributes(f *fact) {
	e.attributes.EmployeeID = f.EmployeeID // unless the source has a key of its own and speaks of the attribute
	for i := range textFields {
		if raw, ok := f.Patch[textFields[i].name]; ok {
			*textFields[i].of(&e.attributes) = patchText(raw)
			e.spoken[i] = true
		}
	}
	if raw, ok := f.Patch[fieldCustom]; ok {
		e.attributes.Custom = mergeCustom(e.attributes.Custom, raw)
	}
	if raw, ok := f.Patch[fieldReason]; ok {
		e.reason = patchText(raw)
	}
}

func (e *employment) applyDates(f *fact) {
	if raw, ok := f.Patch[fieldStartDate]; ok {
		e.startDate = namedDay{patchDate(raw), f}
	}
	e.applyEnd(f, fieldEndDate, &e.endDate)
	e.applyEnd(f, fieldLastDay, &e.lastDay)
}

// applyEnd takes over a date that ends the relationship, or withdraws it.
func (e *employment) applyEnd(f *fact, field string, day *namedDay) {
	raw, ok := f.Patch[field]
	if !ok || day.by != nil && yields(f, day.by) {
		return
	}
	withdrawn := !day.date.IsZero() && isNull(raw)
	*day = namedDay{patchDate(raw), f}
	if withdrawn && f.opens() {
		e.unheardAt = time.Time{}
	}
}

func (e *employment) applyLeft(f *fact, unheard bool) {
	if unheard {
		e.unheardAt = f.from
	}
	switch {
	case e.isImmediate(f):
		e.endAtOnce(f)
	case statedEnd(f).IsZero():
		e.leaveAt(f)
	case patchDate(f.Patch[fieldLastDay]).IsZero():
		e.lastDay = namedDay{Date{}, f} // its endDate is the end, whatever lastDay was said before
	}
}

func (e *employment) endAtOnce(f *fact) {
	e.immediate = true
	e.leaveAt(f)
}

func (e *employment) leaveAt(f *fact) {
	e.leftAt = earliest(e.leftAt, f.from)
	if e.leftBy == nil || e.leftBy.said < f.said {
		e.leftBy = f
	}
}
