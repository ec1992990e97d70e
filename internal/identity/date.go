package identity

import (
	"fmt"
	"sort"
	"time"
	_ "time/tzdata" // the rules of time must not depend on what the machine has installed
)

// Date is a civil date: a day in a calendar, which becomes a moment only together with a zone. The zero Date is none.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// The years a date of ours may lie in: what is outside is a typing error or a placeholder such as 9999-12-31.
const (
	minYear = 1900
	maxYear = 2200
)

// ParseDate reads a date as ISO 8601 writes it, "2006-01-02", within 1900–2200. Its error names no field.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return Date{}, Errorf(Invalid, "not a calendar date: write it as 2006-01-02")
	}
	if t.Year() < minYear || t.Year() > maxYear {
		return Date{}, Errorf(Invalid, "the year must lie within %d and %d: leave the field out, or send null, when there is no date", minYear, maxYear)
	}
	return Date{Year: t.Year(), Month: t.Month(), Day: t.Day()}, nil
}

// IsZero reports whether there is no date.
func (d Date) IsZero() bool { return d == Date{} }

// Next is the day after.
func (d Date) Next() Date {
	t := time.Date(d.Year, d.Month, d.Day+1, 0, 0, 0, 0, time.UTC)
	return Date{Year: t.Year(), Month: t.Month(), Day: t.Day()}
}

// StartIn is the first moment of the day in a zone, in UTC. It is midnight, but where the clock jumps over midnight it
// is the moment of the jump, and a day that a zone skipped (Pacific/Apia, 2011-12-30) starts when the next one does.
func (d Date) StartIn(zone *time.Location) time.Time {
	// time.Date does not say which of two answers it gives around a jump, and Time.ZoneBounds is wrong on the last day of
	// leap years (seen with Go 1.26: a period that ends before it begins), so the moment is searched for.
	midnight := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
	before, after := midnight.Add(-26*time.Hour), midnight.Add(26*time.Hour) // of the day's start, in every zone there ever was
	if offset := offsetAt(before, zone); offset == offsetAt(after, zone) {
		return midnight.Add(-offset)
	}
	seconds := sort.Search(int(after.Sub(before)/time.Second), func(seconds int) bool {
		at := before.Add(time.Duration(seconds) * time.Second)
		return !at.Add(offsetAt(at, zone)).Before(midnight)
	})
	return before.Add(time.Duration(seconds) * time.Second)
}

func offsetAt(at time.Time, zone *time.Location) time.Duration {
	_, seconds := at.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

// EndIn is the moment that ends the day in a zone: the first one of the next day.
func (d Date) EndIn(zone *time.Location) time.Time { return d.Next().StartIn(zone) }

func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// MarshalText writes the date as "2006-01-02", and no date as "".
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	parsed, err := ParseDate(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// Resolution is the smallest difference between two moments that Tenure knows: what PostgreSQL stores. Finer moments
// are cut, so that a moment read back from the database is never before the one that was computed.
const Resolution = time.Microsecond

// Moment is when a fact takes effect, as its source gave it: a date, which begins when that day begins where the
// person works, or an instant. The zero Moment is none.
type Moment struct {
	date    Date
	instant time.Time // UTC, cut to Resolution
}

// OnDate is the moment at which a day begins, wherever the person works by then.
func OnDate(d Date) Moment { return Moment{date: d} }

// At is an instant.
func At(t time.Time) Moment {
	if t.IsZero() {
		return Moment{}
	}
	return Moment{instant: t.UTC().Truncate(Resolution)}
}

// IsZero reports whether no moment was given.
func (m Moment) IsZero() bool { return m.date.IsZero() && m.instant.IsZero() }

// Date is the day, when the moment was given as one.
func (m Moment) Date() (Date, bool) { return m.date, !m.date.IsZero() }

// In is the moment for somebody who works in a zone.
func (m Moment) In(zone *time.Location) time.Time {
	if m.date.IsZero() {
		return m.instant
	}
	return m.date.StartIn(zone)
}

func (m Moment) String() string {
	if m.instant.IsZero() {
		return m.date.String()
	}
	return m.instant.Format(time.RFC3339Nano)
}

// MarshalText writes a date as "2006-01-02", an instant by RFC 3339 in UTC, and no moment as "".
func (m Moment) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a date or an RFC 3339 instant within 1900–2200, or "" for none.
func (m *Moment) UnmarshalText(text []byte) error {
	s := string(text)
	if len(s) <= len(time.DateOnly) {
		var d Date
		if err := d.UnmarshalText(text); err != nil {
			return err
		}
		*m = OnDate(d)
		return nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return Errorf(Invalid, "neither a date (2006-01-02) nor an instant (2006-01-02T15:04:05+02:00)")
	}
	if t.UTC().Year() < minYear || t.UTC().Year() > maxYear {
		return Errorf(Invalid, "the year must lie within %d and %d", minYear, maxYear)
	}
	*m = At(t)
	return nil
}
