package identity_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenurehq/tenure/internal/identity"
)

var (
	origin    = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	zoneNames = []string{"UTC", "Pacific/Auckland", "Pacific/Honolulu", "America/Santiago", "Africa/Cairo"}
)

// days draws a day of the few weeks in which all generated facts lie, so that they meet.
func days(t *rapid.T, label string) identity.Date {
	day := origin.AddDate(0, 0, rapid.IntRange(0, 40).Draw(t, label))
	return identity.Date{Year: day.Year(), Month: day.Month(), Day: day.Day()}
}

func quarters(t *rapid.T, label string, from, to int) time.Time {
	return origin.Add(time.Duration(rapid.IntRange(from*96, to*96).Draw(t, label)) * 15 * time.Minute)
}

func drawPatch(t *rapid.T) identity.Patch {
	patch := identity.Patch{}
	maybe := func(field string, chance int, value func() any) {
		switch rapid.IntRange(0, chance).Draw(t, field+"?") {
		case 0:
			raw, err := json.Marshal(value())
			require.NoError(t, err)
			patch[field] = raw
		case 1:
			patch[field] = json.RawMessage("null")
		}
	}
	maybe("department", 4, func() any { return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "department") })
	maybe("timeZone", 6, func() any { return rapid.SampledFrom(zoneNames).Draw(t, "timeZone") })
	maybe("startDate", 6, func() any { return days(t, "startDate") })
	maybe("endDate", 6, func() any { return days(t, "endDate") })
	maybe("lastDay", 6, func() any { return days(t, "lastDay") })
	maybe("immediate", 8, func() any { return true })
	maybe("reason", 8, func() any { return rapid.SampledFrom([]string{"x", "y"}).Draw(t, "reason") })
	maybe("custom", 6, func() any { return map[string]any{rapid.SampledFrom([]string{"k", "l"}).Draw(t, "key"): nil, "m": 1} })
	return patch
}

func drawEntry(t *rapid.T, i int) identity.Entry {
	e := identity.Entry{Event: identity.Event{
		Source:     rapid.SampledFrom([]string{"urn:a", "urn:a", "urn:a", "urn:b"}).Draw(t, "source"),
		ID:         fmt.Sprint(i),
		Type:       rapid.SampledFrom(identity.EventTypes()).Draw(t, "type"),
		Time:       quarters(t, "time", 0, 30),
		Sequence:   rapid.SampledFrom([]string{"", "", "1", "2", "10", "x"}).Draw(t, "sequence"),
		EmployeeID: "1001",
	}}
	e.RelationshipID = rapid.SampledFrom([]string{"", "", "", "r1", "r2"}).Draw(t, "relationship")
	e.ReceivedAt = e.Time.Add(time.Duration(rapid.IntRange(-20, 50).Draw(t, "delay")) * time.Hour / 4)
	if e.Type == identity.WorkerRescinded {
		e.Rescinds = fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "rescinds"))
		return e
	}
	e.Patch = drawPatch(t)
	switch rapid.IntRange(0, 4).Draw(t, "effective?") {
	case 0:
		e.Effective = identity.OnDate(days(t, "effective"))
	case 1:
		e.Effective = identity.At(quarters(t, "effective", 0, 40))
	}
	return e
}

func drawEntries(t *rapid.T) []identity.Entry {
	entries := make([]identity.Entry, rapid.IntRange(0, 9).Draw(t, "entries"))
	for i := range entries {
		entries[i] = drawEntry(t, i)
	}
	return entries
}

func drawZone(t *rapid.T) *time.Location {
	z, err := identity.LoadZone(rapid.SampledFrom(zoneNames).Draw(t, "zone"))
	require.NoError(t, err)
	return z
}

func TestOrderAndRepetitionOfArrivalDoNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		entries, organization, asOf := drawEntries(t), drawZone(t), quarters(t, "asOf", -1, 45)
		want := identity.Fold("hr", entries, asOf, organization)
		again := append([]identity.Entry(nil), entries...)
		if len(entries) > 0 {
			again = append(again, rapid.SliceOfN(rapid.SampledFrom(entries), 0, 5).Draw(t, "repeated")...)
		}
		again = rapid.Permutation(again).Draw(t, "shuffled")
		require.Equal(t, want, identity.Fold("hr", again, asOf, organization))
	})
}

// The scheduler looks at a person again at NextChange and not before: nothing may happen in between.
func TestNothingChangesBeforeNextChange(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		entries, organization := drawEntries(t), drawZone(t)
		asOf := quarters(t, "asOf", -1, 45)
		now := identity.Fold("hr", entries, asOf, organization)
		end := now.Situation.NextChange
		if end.IsZero() {
			end = origin.AddDate(5, 0, 0)
		}
		require.True(t, end.After(asOf), "NextChange lies ahead")
		span := end.Sub(asOf)
		for _, part := range []time.Duration{span - identity.Resolution, span / 2, time.Duration(rapid.Int64Range(0, int64(span)-1).Draw(t, "later"))} {
			if later := asOf.Add(part.Truncate(identity.Resolution)); later.Before(end) {
				require.Equal(t, now, identity.Fold("hr", entries, later, organization), "at %s", later)
			}
		}
	})
}

func reopens(e identity.Entry) bool {
	_, lastDay := e.Patch["lastDay"]
	_, endDate := e.Patch["endDate"]
	return lastDay || endDate || e.Type == identity.WorkerJoined || e.Type == identity.WorkerRehired
}

// Once a relationship is over, only a joining, a rehire or a date that is moved or cleared brings it back.
func TestNobodyComesBackWithoutAFactThatCouldBringThemBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var entries []identity.Entry
		for _, e := range drawEntries(t) {
			if !reopens(e) || e.Type == identity.WorkerLeft {
				entries = append(entries, e)
			}
		}
		for i := range entries { // only the relationship's leaves may name a day, and one that ends it
			delete(entries[i].Patch, "endDate")
			if string(entries[i].Patch["lastDay"]) == "null" {
				delete(entries[i].Patch, "lastDay")
			}
		}
		leaves := 0
		for i := range entries {
			if entries[i].Type == identity.WorkerLeft {
				if leaves++; leaves > 1 { // a second leave may name another day, which is a moved date
					delete(entries[i].Patch, "lastDay")
				}
			}
		}
		organization := drawZone(t)
		over := map[string]bool{}
		for _, moment := range identity.Outlook(origin.AddDate(0, 0, -1), func(at time.Time) identity.Situation {
			return identity.Fold("hr", entries, at, organization).Situation
		}) {
			for _, r := range identity.Fold("hr", entries, moment.At, organization).Relationships {
				require.False(t, over[r.ID] && r.Situation.State != identity.StateLeft, "%s came back at %s", r.ID, moment.At)
				// Without an employee id nothing is in effect yet: somebody to come, not somebody gone.
				over[r.ID] = r.Situation.State == identity.StateLeft && r.Situation.Attributes.EmployeeID != ""
			}
		}
	})
}

func TestRescindingAllButOneLeavesThatOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var entries []identity.Entry
		for _, e := range drawEntries(t) {
			if e.Type != identity.WorkerRescinded {
				entries = append(entries, e)
			}
		}
		if len(entries) == 0 {
			return
		}
		organization, asOf := drawZone(t), quarters(t, "asOf", -1, 45)
		keep := rapid.IntRange(0, len(entries)-1).Draw(t, "keep")
		all := append([]identity.Entry(nil), entries...)
		for i, e := range entries {
			if i != keep {
				all = append(all, identity.Entry{ReceivedAt: asOf, Event: identity.Event{
					Source: e.Source, ID: "r" + e.ID, Type: identity.WorkerRescinded, Time: asOf, EmployeeID: "1001", Rescinds: e.ID,
				}})
			}
		}
		require.Equal(t, identity.Fold("hr", entries[keep:keep+1], asOf, organization), identity.Fold("hr", all, asOf, organization))
	})
}

func TestCombineDoesNotDependOnTheOrderOfSources(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		asOf := quarters(t, "asOf", -1, 45)
		var records []identity.Record
		for _, source := range []string{"hr", "scim", "crm"} {
			records = append(records, identity.Fold(source, drawEntries(t), asOf, time.UTC))
		}
		precedence := identity.Precedence{
			Default:     rapid.Permutation([]string{"hr", "scim"}).Draw(t, "default"),
			ByAttribute: map[string][]string{"department": {"crm"}, "custom.m": {"scim", "crm"}},
		}
		want := identity.Combine(records, precedence)
		require.Equal(t, want, identity.Combine(rapid.Permutation(records).Draw(t, "records"), precedence))
		active := false
		for _, r := range records {
			for _, relationship := range r.Relationships {
				active = active || relationship.Situation.State == identity.StateActive
			}
		}
		require.Equal(t, active, want.State == identity.StateActive)
	})
}
