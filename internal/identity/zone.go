package identity

import (
	"cmp"
	"path"
	"slices"
	"sync"
	"time"
)

// loaded keeps the zones that were loaded: loading one reads a file. Only names in their one clean spelling get in, so
// it cannot grow past the zone database.
var loaded sync.Map // string → *time.Location

// LoadZone finds a zone of the IANA time zone database by its name, such as "Pacific/Auckland". It refuses "Local",
// which means another thing on every machine, and the empty name.
func LoadZone(name string) (*time.Location, error) {
	known, _ := loaded.Load(name)
	if zone, ok := known.(*time.Location); ok {
		return zone, nil
	}
	if name == "" || name == "Local" || path.Clean(name) != name {
		return nil, Errorf(Invalid, "not a time zone: use a name of the IANA database, such as Europe/Berlin")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, &Error{Code: Invalid, Message: "not a time zone: use a name of the IANA database, such as Europe/Berlin", Err: err}
	}
	loaded.Store(name, zone)
	return zone, nil
}

// zones tells which zone a relationship is in at which time. It depends on all of the relationship's facts and never
// on the moment they are looked at, so that a day's end stays where it is while time goes by.
type zones struct {
	organization *time.Location
	first        *time.Location // before any fact about it
	changes      []zoneChange   // by from
}

type zoneChange struct {
	fact *fact
	zone *time.Location
	rank int // the greater overrides
}

// stated is the zone that a fact itself speaks of.
func (z *zones) stated(f *fact) (*time.Location, bool) {
	raw, ok := f.Patch[fieldTimeZone]
	if !ok {
		return nil, false
	}
	if zone, err := LoadZone(patchText(raw)); err == nil {
		return zone, true
	}
	return z.organization, true
}

// newZones reads the zones from one relationship's facts, given in the order said, and places those facts.
func newZones(facts []*fact, organization *time.Location) *zones {
	z := &zones{organization: organization, first: organization}
	for i, f := range facts {
		zone, ok := z.stated(f)
		if !ok {
			continue
		}
		if i == 0 {
			z.first = zone
		}
		if !f.implicit() {
			f.from = f.Effective.In(zone)
			if day := statedEnd(f); !day.IsZero() {
				f.from = earliest(f.from, day.EndIn(zone))
			}
			f.weight = f.from
		}
		z.changes = append(z.changes, zoneChange{fact: f, zone: zone})
	}
	slices.SortFunc(z.changes, func(a, b zoneChange) int { return compareFacts(a.fact, b.fact) })
	for i := range z.changes {
		z.changes[i].rank = i + 1
	}
	slices.SortFunc(z.changes, func(a, b zoneChange) int {
		return cmp.Or(a.fact.from.Compare(b.fact.from), cmp.Compare(a.rank, b.rank))
	})
	return z
}

// place finds from and weight of a fact with an effectiveDate that says nothing of zones.
func (z *zones) place(f *fact) {
	if _, done := f.Patch[fieldTimeZone]; done || f.implicit() {
		return
	}
	if day, ok := f.Effective.Date(); ok {
		f.from = z.start(day, nil)
	} else {
		f.from = f.Effective.In(z.organization)
	}
	if end := statedEnd(f); !end.IsZero() {
		f.from = earliest(f.from, z.start(end.Next(), nil))
	}
	f.weight = f.from
}

// statedEnd is the last day that a worker.left gives itself. It takes effect at that day's end at the latest: a
// termination is often dated to the day after, or to when it was processed, and that must not keep access alive.
func statedEnd(f *fact) Date {
	if f.Type != WorkerLeft {
		return Date{}
	}
	if day := patchDate(f.Patch[fieldLastDay]); !day.IsZero() {
		return day
	}
	return patchDate(f.Patch[fieldEndDate])
}

// start is the first moment of a day where the person works by then. by is the fact that named the day, nil when it
// has none: a zone in the same patch goes with the day, and only changes that override it, and come before the day
// does, move it.
func (z *zones) start(day Date, by *fact) time.Time {
	zone, rank := z.first, 0
	if by != nil {
		if own, ok := z.stated(by); ok {
			zone = own
			for _, c := range z.changes {
				if c.fact == by {
					rank = c.rank
				}
			}
		}
	}
	at := day.StartIn(zone)
	for _, c := range z.changes {
		if !c.fact.from.Before(at) {
			break
		}
		if c.rank > rank {
			rank = c.rank
			if c.zone != zone {
				zone = c.zone
				at = day.StartIn(zone)
			}
		}
	}
	return at
}
