package hrimport_test

import (
	"cmp"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenurehq/tenure/internal/hrimport"
	"github.com/tenurehq/tenure/internal/identity"
)

func TestIDsMakeAnImportRepeatable(t *testing.T) {
	t.Parallel()
	id := func(file string, o hrimport.Options) string {
		for row := range hrimport.Read(strings.NewReader(file), o) {
			return decode(t, row).ID
		}
		require.Fail(t, "no row")
		return ""
	}
	base := id("employeeId,title\n1,a\n", options)
	require.Equal(t, base, id("employeeId,title\n1,a\n", options), "the same file again")
	require.Equal(t, base, id("title;employeeId;email\r\n\"a\";1;\r\n", options), "other columns, the same content")
	require.Equal(t, base, id(`{"title":"a","employeeId":"1"}`, options), "another format, the same content")
	require.Equal(t, base, id("employeeId,title\n\n1,a\n", options), "another line")
	require.Equal(t, read(t, "employeeId,title\n1,a\n1,b\n")[1].ID, read(t, "employeeId,title\n2,a\n1,a\n2,b\n1,b\n")[3].ID, "another place among others")
	later, elsewhere := options, options
	later.Observed = later.Observed.Add(time.Second)
	elsewhere.Source = "urn:other"
	others := []string{
		base, id("employeeId,title\n1,b\n", options), id("employeeId,title\n2,a\n", options), id("employeeId,title,type\n1,a,left\n", options),
		id("employeeId,title,sequence\n1,a,1\n", options), id("employeeId,title\n1,a\n", later), id("employeeId,title\n1,a\n", elsewhere),
	}
	seen := map[string]bool{}
	for _, other := range others {
		require.False(t, seen[other], "%v", others)
		seen[other] = true
	}
}

// entriesOf are the events of a file's rows, received at one moment.
func entriesOf(t require.TestingT, file string, o hrimport.Options, received time.Time) []identity.Entry {
	var entries []identity.Entry
	for row := range hrimport.Read(strings.NewReader(file), o) {
		require.NoError(t, row.Err)
		var e struct {
			ID, Source, Type string
			Time             time.Time
			Data             json.RawMessage
		}
		require.NoError(t, json.Unmarshal(row.Event, &e))
		fact, err := identity.ParseEventData(identity.EventType(e.Type), e.Data)
		require.NoError(t, err)
		fact.Source, fact.ID, fact.Time = e.Source, e.ID, e.Time
		entries = append(entries, identity.Entry{Event: fact, ReceivedAt: received})
	}
	return entries
}

// What a file says of somebody last is what counts, whatever ids the rows' content makes.
func TestTheLastRowOfAPersonCounts(t *testing.T) {
	t.Parallel()
	type person struct {
		state      identity.State
		department string
	}
	states := map[string]identity.State{"joined": identity.StateActive, "left": identity.StateLeft}
	rapid.Check(t, func(t *rapid.T) {
		file := "employeeId,type,department\n"
		want := map[string]person{}
		rows := rapid.IntRange(1, 20).Draw(t, "rows")
		for range rows {
			id := rapid.SampledFrom([]string{"7", "8", "9"}).Draw(t, "employeeId")
			kind := rapid.SampledFrom([]string{"joined", "left", "changed"}).Draw(t, "type")
			department := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "department")
			file += id + "," + kind + "," + department + "\n"
			want[id] = person{cmp.Or(states[kind], want[id].state, identity.StateActive), department}
		}
		received := options.Observed.Add(rapid.SampledFrom([]time.Duration{-time.Minute, 0, identity.Resolution, time.Hour}).Draw(t, "received"))
		byPerson := map[string][]identity.Entry{}
		ids := map[string]bool{}
		for _, entry := range entriesOf(t, file, options, received) {
			byPerson[entry.EmployeeID] = append(byPerson[entry.EmployeeID], entry)
			ids[entry.ID] = true
		}
		require.Len(t, ids, rows, "rows that say the same again are events of their own")
		got := map[string]person{}
		for id, entries := range byPerson {
			s := identity.Fold("hr", entries, options.Observed.AddDate(0, 0, 1), time.UTC).Situation
			got[id] = person{s.State, s.Attributes.Department}
		}
		require.Equal(t, want, got)
	})
}

// A full export imported again, after somebody left, must neither hire them back nor withdraw their leave.
func TestAFullFileAgainDoesNotHireAnybodyBack(t *testing.T) {
	t.Parallel()
	const file = "employeeId,startDate,lastDay,department\n1,2026-01-01,,a\n"
	for _, leave := range []string{`"lastDay":"2026-07-01"`, `"immediate":true`, `"reason":"x"`} {
		var entries []identity.Entry
		for day := range 4 {
			now := options.Observed.AddDate(0, 0, 2*day)
			entries = append(entries, entriesOf(t, file, hrimport.Options{Source: "urn:file", Observed: now}, now)...)
			if day == 1 {
				left, err := identity.ParseEventData(identity.WorkerLeft, []byte(`{"employeeId":"1",`+leave+`}`))
				require.NoError(t, err)
				left.Source, left.ID, left.Time = "urn:hr", "left", now.Add(time.Hour)
				entries = append(entries, identity.Entry{Event: left, ReceivedAt: left.Time})
			}
		}
		first := identity.Fold("hr", entries[:1], options.Observed, time.UTC)
		require.Equal(t, identity.StateActive, first.Situation.State, "an unknown person joins")
		last := identity.Fold("hr", entries, options.Observed.AddDate(0, 1, 0), time.UTC)
		require.Equal(t, identity.StateLeft, last.Situation.State, leave)
	}
}
