package identity_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenurehq/tenure/internal/identity"
)

func TestDayBeginsWhereItBegins(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ date, zone, start, end string }{
		{"2026-06-30", "UTC", "2026-06-30T00:00:00Z", "2026-07-01T00:00:00Z"},
		{"2026-06-30", "Pacific/Auckland", "2026-06-29T12:00:00Z", "2026-06-30T12:00:00Z"},
		{"2026-01-31", "Pacific/Auckland", "2026-01-30T11:00:00Z", "2026-01-31T11:00:00Z"},
		{"2026-06-30", "Pacific/Honolulu", "2026-06-30T10:00:00Z", "2026-07-01T10:00:00Z"},
		{"2026-03-29", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},     // 23 hours
		{"2026-10-25", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},     // 25 hours
		{"2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}, // midnight is skipped: 01:00
		{"2022-09-11", "America/Santiago", "2022-09-11T04:00:00Z", "2022-09-12T03:00:00Z"},  // midnight is skipped
		{"2022-04-03", "America/Santiago", "2022-04-03T04:00:00Z", "2022-04-04T04:00:00Z"},  // back from midnight to 23:00
		{"2022-10-30", "Atlantic/Azores", "2022-10-30T00:00:00Z", "2022-10-31T01:00:00Z"},   // midnight comes twice
		{"2011-12-29", "Pacific/Apia", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"},      // the day before
		{"2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"},      // the day that was skipped
		{"2011-12-31", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},      // the day after
		{"2028-12-31", "Pacific/Auckland", "2028-12-30T11:00:00Z", "2028-12-31T11:00:00Z"},  // where Time.ZoneBounds errs
		{"2028-12-31", "Pacific/Norfolk", "2028-12-30T12:00:00Z", "2028-12-31T12:00:00Z"},
		{"2196-12-31", "Pacific/Norfolk", "2196-12-30T12:00:00Z", "2196-12-31T12:00:00Z"},
		{"2026-12-31", "Pacific/Kiritimati", "2026-12-30T10:00:00Z", "2026-12-31T10:00:00Z"}, // UTC+14
	} {
		d, err := identity.ParseDate(test.date)
		require.NoError(t, err)
		require.Equal(t, at(t, test.start), d.StartIn(zone(t, test.zone)), "%s in %s starts", test.date, test.zone)
		require.Equal(t, at(t, test.end), d.EndIn(zone(t, test.zone)), "%s in %s ends", test.date, test.zone)
	}
}

// A day's first moment is the first at which a clock on the wall shows it, or a later day where it was skipped.
func TestDayBeginsOnce(t *testing.T) {
	t.Parallel()
	names := []string{"America/Sao_Paulo", "Pacific/Apia", "Asia/Beirut", "America/Havana", "Africa/Cairo", "Atlantic/Azores", "Antarctica/Troll", "Pacific/Norfolk", "Pacific/Auckland"}
	rapid.Check(t, func(t *rapid.T) {
		z, err := identity.LoadZone(rapid.SampledFrom(names).Draw(t, "zone"))
		require.NoError(t, err)
		noon := time.Date(1950, 1, 1+rapid.IntRange(0, 91000).Draw(t, "day"), 12, 0, 0, 0, time.UTC)
		d := identity.Date{Year: noon.Year(), Month: noon.Month(), Day: noon.Day()}
		start := d.StartIn(z)
		wall := func(at time.Time) string { return at.In(z).Format(time.DateOnly) }
		require.GreaterOrEqual(t, wall(start), d.String())
		require.Less(t, wall(start.Add(-time.Second)), d.String())
		require.False(t, d.EndIn(z).Before(start))
	})
}

func TestMomentText(t *testing.T) {
	t.Parallel()
	type holder struct{ M identity.Moment }
	for in, want := range map[string]string{
		"":                                    "",
		"2026-06-30":                          "2026-06-30",
		"2026-06-30T12:00:00+02:00":           "2026-06-30T10:00:00Z",
		"2026-06-30T12:00:00.123456789-01:00": "2026-06-30T13:00:00.123456Z",
	} {
		var m identity.Moment
		require.NoError(t, m.UnmarshalText([]byte(in)))
		require.Equal(t, in == "", m.IsZero())
		raw, err := json.Marshal(holder{m})
		require.NoError(t, err)
		require.Equal(t, `{"M":"`+want+`"}`, string(raw))
		var back holder
		require.NoError(t, json.Unmarshal(raw, &back))
		require.Equal(t, m, back.M)
	}
	for _, in := range []string{"2026-02-30", "30.06.2026", "2026-06-30T12:00:00", "2026-06-30 12:00:00Z", "1899-12-31", "9999-12-31", "9999-12-31T00:00:00Z", "x"} {
		require.Equal(t, identity.Invalid, identity.ErrorCode(new(identity.Moment).UnmarshalText([]byte(in))), in)
	}
	require.True(t, identity.At(time.Time{}).IsZero())
}

func TestDateText(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal([]identity.Date{{}, {Year: 2026, Month: 2, Day: 28}})
	require.NoError(t, err)
	require.Equal(t, `["","2026-02-28"]`, string(raw))
	var back []identity.Date
	require.NoError(t, json.Unmarshal(raw, &back))
	require.True(t, back[0].IsZero())
	require.Equal(t, identity.Date{Year: 2026, Month: 3, Day: 1}, back[1].Next())
	require.Error(t, json.Unmarshal([]byte(`["2026-13-01"]`), &back))
}

func TestLoadZone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Local", "Mars/Olympus", "Europe//Berlin", "../etc/passwd", "Europe/./Berlin"} {
		_, err := identity.LoadZone(name)
		require.Equal(t, identity.Invalid, identity.ErrorCode(err), name)
	}
}
