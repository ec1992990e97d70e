package identity_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
)

func TestShufflesAndRepetitionsChangeNothing(t *testing.T) {
	t.Parallel()
	entries := []identity.Entry{
		said(t, "a", joined, "2026-01-05T09:00:00Z", `"startDate":"2026-02-01","timeZone":"Pacific/Auckland","custom":{"desk":1,"badge":"x"}`),
		said(t, "b", changed, "2026-01-06T09:00:00Z", `"startDate":"2026-02-15","custom":{"desk":null}`),
		said(t, "c", changed, "2026-01-07T09:00:00Z", `"department":"b","effectiveDate":"2026-03-01"`),
		said(t, "d", changed, "2026-01-07T09:00:00Z", `"department":"c","effectiveDate":"2026-04-01"`),
		said(t, "e", left, "2026-01-08T09:00:00Z", `"lastDay":"2026-05-31","reason":"resigned"`),
		said(t, "f", rescinded, "2026-01-09T09:00:00Z", `"rescinds":"e"`),
		said(t, "g", leaveStarted, "2026-01-10T09:00:00Z", `"effectiveDate":"2026-06-01"`),
		said(t, "h", left, "2026-06-15T09:00:00Z", `"lastDay":"2026-06-30"`),
		said(t, "i", rehired, "2026-08-01T09:00:00Z", `"startDate":"2026-09-01"`),
	}
	days := []time.Time{}
	for day := at(t, "2026-01-01T00:00:00Z"); day.Before(at(t, "2026-10-01T00:00:00Z")); day = day.AddDate(0, 0, 9) {
		days = append(days, day)
	}
	want := []identity.Record{}
	for _, day := range days {
		want = append(want, identity.Fold("hr", entries, day, time.UTC))
	}
	for seed := range uint64(1000) {
		random := rand.New(rand.NewPCG(seed, 1))
		shuffled := append([]identity.Entry(nil), entries...)
		for range random.IntN(len(entries)) {
			shuffled = append(shuffled, entries[random.IntN(len(entries))])
		}
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for i, day := range days {
			require.Equal(t, want[i], identity.Fold("hr", shuffled, day, time.UTC), "order %d on %s", seed, day)
		}
	}
}

func TestPatchMergesCustomByKey(t *testing.T) {
	t.Parallel()
	entries := []identity.Entry{
		said(t, "1", joined, "2026-01-01T00:00:00Z", `"title":"x","custom":{"a":1,"b":{"c":[2]},"d":"e"}`),
		said(t, "2", changed, "2026-01-02T00:00:00Z", `"custom":{"a":null,"d":"f","g":true}`),
		said(t, "3", changed, "2026-01-03T00:00:00Z", `"title":null,"custom":null`),
		said(t, "4", changed, "2026-01-04T00:00:00Z", `"title":"say \"hi\"","custom":{"h":"i"}`),
	}
	for day, want := range []identity.Attributes{
		{EmployeeID: "1001", Title: "x", Custom: map[string]any{"a": 1.0, "b": map[string]any{"c": []any{2.0}}, "d": "e"}},
		{EmployeeID: "1001", Title: "x", Custom: map[string]any{"b": map[string]any{"c": []any{2.0}}, "d": "f", "g": true}},
		{EmployeeID: "1001"},
		{EmployeeID: "1001", Title: `say "hi"`, Custom: map[string]any{"h": "i"}},
	} {
		asOf := at(t, fmt.Sprintf("2026-01-%02dT12:00:00Z", day+1))
		require.Equal(t, want, identity.Fold("hr", entries, asOf, time.UTC).Situation.Attributes)
	}
}

func TestDatesOfASituation(t *testing.T) {
	t.Parallel()
	const start = "2026-01-05T09:00:00Z"
	for name, test := range map[string]struct {
		entries            []identity.Entry
		starts, ends, next string
	}{
		"a joining without a start date":          {[]identity.Entry{said(t, "1", joined, start, "")}, start, "", ""},
		"a change does not say when they started": {[]identity.Entry{said(t, "1", changed, start, "")}, "", "", ""},
		"a start and an end in the zone said with them": {
			[]identity.Entry{said(t, "1", joined, start, `"startDate":"2020-07-01","endDate":"2026-06-30","timeZone":"Pacific/Auckland"`)},
			"2020-06-30T12:00:00Z", "2026-06-30T12:00:00Z", "2026-06-30T12:00:00Z",
		},
		"a day before all that is known is in the first known zone": {
			[]identity.Entry{said(t, "1", joined, start, `"timeZone":"Pacific/Auckland"`), said(t, "2", left, start, `"effectiveDate":"2026-01-03"`)},
			start, "2026-01-02T11:00:00Z", "",
		},
		"leaving twice happens once": {
			[]identity.Entry{said(t, "1", joined, start, ""), said(t, "2", left, "2026-01-06T00:00:00Z", ""), said(t, "3", left, "2026-01-07T00:00:00Z", "")},
			start, "2026-01-06T00:00:00Z", "",
		},
		"a rehire starts anew": {
			[]identity.Entry{said(t, "1", joined, start, `"endDate":"2026-01-05"`), said(t, "2", rehired, "2026-01-08T00:00:00Z", "")},
			"2026-01-08T00:00:00Z", "", "",
		},
		"moments are no finer than the database's": {
			[]identity.Entry{said(t, "1", joined, "2026-01-09T23:30:00Z", ""), func() identity.Entry {
				e := said(t, "2", changed, "2026-01-09T23:30:00Z", "")
				e.Time = e.Time.Add(time.Hour + 1500*time.Nanosecond)
				return e
			}()},
			"2026-01-09T23:30:00Z", "", "2026-01-10T00:30:00.000001Z",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := identity.Fold("hr", test.entries, at(t, "2026-01-10T00:00:00Z"), time.UTC).Situation
			text := func(moment time.Time) string {
				if moment.IsZero() {
					return ""
				}
				return moment.Format(time.RFC3339Nano)
			}
			require.Equal(t, []string{test.starts, test.ends, test.next}, []string{text(s.StartsAt), text(s.EndsAt), text(s.NextChange)})
		})
	}
}
