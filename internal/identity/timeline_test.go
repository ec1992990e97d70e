package identity_test

import (
	"testing"

	"github.com/tenurehq/tenure/internal/identity"
)

func TestTimelineRules(t *testing.T) {
	t.Parallel()
	type entries = []identity.Entry
	const start = "2026-01-05T09:00:00Z"
	for name, test := range map[string]struct {
		zone    string
		entries func(t *testing.T) entries
		want    moments
	}{
		"three future moves delivered at once, each on its day": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, `"department":"a"`),
				said(t, "2", changed, start, `"department":"b","effectiveDate":"2026-02-01"`),
				said(t, "3", changed, start, `"department":"c","effectiveDate":"2026-03-01"`),
				said(t, "4", changed, start, `"department":"d","effectiveDate":"2026-04-01"`),
			}
		}, moments{
			{"2026-01-31T23:59:59Z", "active dept=a"}, {"2026-02-01T00:00:00Z", "active dept=b"},
			{"2026-02-28T23:59:59Z", "active dept=b"}, {"2026-03-01T00:00:00Z", "active dept=c"},
			{"2026-03-31T23:59:59Z", "active dept=c"}, {"2026-04-01T00:00:00Z", "active dept=d"},
		}},
		"the later effective day wins, whichever was said later": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, "2026-01-01T00:00:00Z", `"department":"a"`),
				said(t, "2", changed, "2026-01-02T00:00:00Z", `"department":"ten","effectiveDate":"2026-01-10"`),
				said(t, "3", changed, "2026-01-03T00:00:00Z", `"department":"five","effectiveDate":"2026-01-05"`),
			}
		}, moments{{"2026-01-04T12:00:00Z", "active dept=a"}, {"2026-01-07T00:00:00Z", "active dept=five"}, {"2026-01-12T00:00:00Z", "active dept=ten"}}},
		"of the same effective day the later said wins": {"UTC", func(t *testing.T) entries {
			return entries{
				sequenced(said(t, "1", changed, "2026-01-03T00:00:00Z", `"department":"b","effectiveDate":"2026-01-10"`), "10"),
				sequenced(said(t, "2", changed, "2026-01-02T00:00:00Z", `"department":"c","effectiveDate":"2026-01-10"`), "9"),
			}
		}, moments{{"2026-01-10T00:00:00Z", "active dept=b"}}},
		"the sequence beats a clock that was set back": {"UTC", func(t *testing.T) entries {
			return entries{
				sequenced(said(t, "1", joined, "2026-01-05T09:00:00Z", `"department":"a"`), "1"),
				sequenced(said(t, "2", changed, "2026-01-05T08:00:00Z", `"department":"b"`), "2"),
				sequenced(said(t, "3", changed, "2026-01-05T07:00:00Z", `"department":"c"`), "10"),
			}
		}, moments{{"2026-01-05T09:00:00Z", "active dept=c"}}},
		"a clock that runs ahead does not delay a leave": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, ""),
				received(t, said(t, "2", left, "2026-01-06T09:05:00Z", ""), "2026-01-06T09:00:00Z"),
			}
		}, moments{{"2026-01-06T08:59:59Z", "active"}, {"2026-01-06T09:00:00Z", "left"}}},
		"an event dated further ahead waits for its time": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, ""),
				received(t, said(t, "2", left, "2026-01-06T09:05:01Z", ""), "2026-01-06T09:00:00Z"),
			}
		}, moments{{"2026-01-06T09:05:00Z", "active"}, {"2026-01-06T09:05:01Z", "left"}}},
		"a start date moved twice": {"Europe/Berlin", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, `"startDate":"2026-02-01"`),
				said(t, "2", changed, "2026-01-06T09:00:00Z", `"startDate":"2026-03-01"`),
				said(t, "3", changed, "2026-01-07T09:00:00Z", `"startDate":"2026-02-15"`),
			}
		}, moments{
			{"2026-01-05T09:00:00Z", "staged"}, {"2026-02-01T12:00:00Z", "staged"},
			{"2026-02-14T22:59:59Z", "staged"}, {"2026-02-14T23:00:00Z", "active"},
		}},
		"a last day in Auckland": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, `"timeZone":"Pacific/Auckland"`),
				said(t, "2", left, "2026-06-01T00:00:00Z", `"lastDay":"2026-06-30"`),
			}
		}, moments{{"2026-06-30T11:59:59Z", "active"}, {"2026-06-30T12:00:00Z", "left"}}},
		"a last day in Honolulu": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, `"timeZone":"Pacific/Honolulu"`),
				said(t, "2", left, "2026-06-01T00:00:00Z", `"lastDay":"2026-06-30"`),
			}
		}, moments{{"2026-07-01T09:59:59Z", "active"}, {"2026-07-01T10:00:00Z", "left"}}},
		"a last day ends where the person works by then": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, `"timeZone":"Pacific/Auckland","lastDay":"2026-06-30"`),
				said(t, "2", changed, start, `"timeZone":"Pacific/Honolulu","effectiveDate":"2026-06-15"`),
				said(t, "3", changed, "2026-07-01T12:00:00Z", `"timeZone":"America/Anchorage"`),
			}
		}, moments{{"2026-07-01T09:59:59Z", "active"}, {"2026-07-01T10:00:00Z", "left"}, {"2026-07-01T13:00:00Z", "left"}}},
		"a zone said with a last day goes with it": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, `"timeZone":"Pacific/Auckland"`),
				said(t, "2", changed, "2026-06-30T20:00:00Z", `"timeZone":"Pacific/Honolulu","lastDay":"2026-06-30"`),
			}
		}, moments{{"2026-06-30T20:00:00Z", "active"}, {"2026-07-01T10:00:00Z", "left"}}},
		"a change of zone after the end does not bring anybody back": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, `"timeZone":"Pacific/Auckland","lastDay":"2026-06-30"`),
				said(t, "2", changed, "2026-06-30T12:00:00Z", `"timeZone":"Pacific/Honolulu"`),
			}
		}, moments{{"2026-06-30T11:59:59Z", "active"}, {"2026-06-30T12:00:00Z", "left"}, {"2026-06-30T18:00:00Z", "left"}}},
		"an effective day begins where the person works": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, `"timeZone":"Pacific/Auckland","department":"a"`),
				said(t, "2", changed, start, `"department":"b","effectiveDate":"2026-07-01"`),
			}
		}, moments{{"2026-06-30T11:59:59Z", "active dept=a"}, {"2026-06-30T12:00:00Z", "active dept=b"}}},
		"a backdated leave": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, ""),
				said(t, "2", left, "2026-03-10T09:00:00Z", `"lastDay":"2026-03-01"`),
			}
		}, moments{{"2026-03-10T08:59:59Z", "active"}, {"2026-03-10T09:00:00Z", "left"}}},
		"a leave with a backdated effective day": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, ""),
				said(t, "2", left, "2026-03-10T09:00:00Z", `"effectiveDate":"2026-03-02"`),
			}
		}, moments{{"2026-03-01T23:59:59Z", "active"}, {"2026-03-02T00:00:00Z", "left"}, {"2026-03-10T09:00:00Z", "left"}}},
		"a leave backdated to before an import is not undone by the import": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, "2026-03-09T09:00:00Z", `"lastDay":null,"endDate":"2027-01-01"`),
				said(t, "2", left, "2026-03-10T09:00:00Z", `"lastDay":"2026-03-06","effectiveDate":"2026-03-06"`),
			}
		}, moments{{"2026-03-10T09:00:00Z", "left"}}},
		"a leave without a day, backdated to before an import": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, "2026-03-09T09:00:00Z", ""),
				said(t, "2", left, "2026-03-10T09:00:00Z", `"effectiveDate":"2026-03-06"`),
			}
		}, moments{{"2026-03-10T09:00:00Z", "left"}}},
		"notice given before an import keeps the notice period": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", changed, "2026-03-09T09:00:00Z", ""),
				said(t, "2", left, "2026-03-10T09:00:00Z", `"lastDay":"2026-03-31","effectiveDate":"2026-03-06"`),
			}
		}, moments{{"2026-03-10T09:00:00Z", "active"}, {"2026-04-01T00:00:00Z", "left"}}},
		"a termination dated after its last day ends on the last day": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, ""),
				said(t, "2", left, start, `"lastDay":"2026-03-31","effectiveDate":"2026-05-01"`),
			}
		}, moments{{"2026-03-31T23:59:59Z", "active"}, {"2026-04-01T00:00:00Z", "left"}}},
		"a contract's end": {"UTC", func(t *testing.T) entries {
			return entries{said(t, "1", joined, start, `"endDate":"2026-03-31"`)}
		}, moments{{"2026-03-31T23:59:59Z", "active"}, {"2026-04-01T00:00:00Z", "left"}}},
		"the last day comes before the contract's end": {"UTC", func(t *testing.T) entries {
			return entries{said(t, "1", joined, start, `"endDate":"2026-03-31","lastDay":"2026-02-27"`)}
		}, moments{{"2026-02-27T23:59:59Z", "active"}, {"2026-02-28T00:00:00Z", "left"}}},
		"a leave with a contract's end replaces the last day": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, `"lastDay":"2026-05-31"`),
				said(t, "2", left, start, `"endDate":"2026-03-31"`),
			}
		}, moments{{"2026-04-01T00:00:00Z", "left"}}},
		"a leave without a day ends at its moment, whatever was announced": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, `"lastDay":"2026-03-31"`),
				said(t, "2", left, "2026-03-20T17:00:00Z", ""),
			}
		}, moments{{"2026-03-20T16:59:59Z", "active"}, {"2026-03-20T17:00:00Z", "left"}}},
		"immediate overrides every date, and clearing one does not undo it": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, ""),
				said(t, "2", left, "2026-03-20T17:00:00Z", `"lastDay":"2026-06-30","immediate":true`),
				said(t, "3", changed, "2026-03-21T17:00:00Z", `"lastDay":null,"immediate":false`),
				said(t, "4", rehired, "2026-09-01T00:00:00Z", ""),
			}
		}, moments{
			{"2026-03-20T16:59:59Z", "active"}, {"2026-03-20T17:00:00Z", "left immediate"},
			{"2026-03-22T00:00:00Z", "left immediate"}, {"2026-09-01T00:00:00Z", "active"},
		}},
		"a notice period cut short by a change": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, ""),
				said(t, "2", left, "2026-03-20T17:00:00Z", `"lastDay":"2026-06-30"`),
				said(t, "3", changed, "2026-03-21T17:00:00Z", `"immediate":true`),
			}
		}, moments{{"2026-03-21T16:59:59Z", "active"}, {"2026-03-21T17:00:00Z", "left immediate"}}},
		"a change that is immediate with nothing to end": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, ""),
				said(t, "2", changed, "2026-03-21T17:00:00Z", `"immediate":true`),
			}
		}, moments{{"2026-03-21T17:00:00Z", "active"}}},
		"a change with a last day in the past ends employment": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, ""),
				said(t, "2", changed, "2026-03-21T17:00:00Z", `"lastDay":"2026-03-20"`),
			}
		}, moments{{"2026-03-21T17:00:00Z", "left"}}},
		"a resignation withdrawn before it took effect": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, ""),
				said(t, "2", left, "2026-03-20T17:00:00Z", `"lastDay":"2026-06-30"`),
				said(t, "3", changed, "2026-03-21T17:00:00Z", `"lastDay":null`),
			}
		}, moments{{"2026-07-02T00:00:00Z", "active"}}},
		"a resignation withdrawn afterwards": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, ""),
				said(t, "2", left, "2026-03-20T17:00:00Z", `"lastDay":"2026-03-25"`),
				said(t, "3", changed, "2026-03-28T17:00:00Z", `"lastDay":null`),
			}
		}, moments{{"2026-03-27T00:00:00Z", "left"}, {"2026-03-28T17:00:00Z", "active"}}},
		"a full record without a last day does not undo a leave without one": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, ""),
				said(t, "2", left, "2026-03-20T17:00:00Z", ""),
				said(t, "3", changed, "2026-03-28T17:00:00Z", `"lastDay":null,"endDate":null,"department":"b"`),
			}
		}, moments{{"2026-03-29T00:00:00Z", "left dept=b"}}},
		"a contract prolonged after it ended": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, `"endDate":"2026-03-31"`),
				said(t, "2", changed, "2026-04-02T09:00:00Z", `"endDate":"2026-12-31"`),
			}
		}, moments{{"2026-04-02T08:00:00Z", "left"}, {"2026-04-02T09:00:00Z", "active"}, {"2027-01-01T00:00:00Z", "left"}}},
		"a rehire clears what ended the old employment": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, `"endDate":"2026-02-28","department":"a"`),
				said(t, "2", left, "2026-02-20T17:00:00Z", `"immediate":true`),
				said(t, "3", rehired, "2026-05-01T00:00:00Z", `"startDate":"2026-06-01"`),
			}
		}, moments{
			{"2026-04-30T00:00:00Z", "left dept=a immediate"}, {"2026-05-01T00:00:00Z", "staged dept=a"},
			{"2026-06-01T00:00:00Z", "active dept=a"}, {"2030-01-01T00:00:00Z", "active dept=a"},
		}},
		"a rehire with a contract's end": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", left, start, ""),
				said(t, "2", rehired, "2026-05-01T00:00:00Z", `"endDate":"2026-06-01"`),
			}
		}, moments{{"2026-05-01T00:00:00Z", "active"}, {"2026-06-02T00:00:00Z", "left"}}},
		"joining again is a rehire, joining twice is not": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, `"lastDay":"2026-03-31"`),
				said(t, "2", joined, "2026-03-01T00:00:00Z", `"department":"b"`),
				said(t, "3", joined, "2026-05-01T00:00:00Z", ""),
			}
		}, moments{{"2026-03-31T23:59:59Z", "active dept=b"}, {"2026-04-01T00:00:00Z", "left dept=b"}, {"2026-05-01T00:00:00Z", "active dept=b"}}},
		"a leave of absence": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, ""),
				said(t, "2", leaveStarted, start, `"effectiveDate":"2026-03-01"`),
				said(t, "3", leaveEnded, start, `"effectiveDate":"2026-09-01"`),
			}
		}, moments{{"2026-02-28T23:59:59Z", "active"}, {"2026-03-01T00:00:00Z", "suspended"}, {"2026-09-01T00:00:00Z", "active"}}},
		"leaving while on leave": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", leaveStarted, start, ""),
				said(t, "2", changed, start, `"lastDay":"2026-03-31"`),
			}
		}, moments{{"2026-03-31T00:00:00Z", "suspended"}, {"2026-04-01T00:00:00Z", "left"}}},
		"somebody first heard of by a change works here": {"UTC", func(t *testing.T) entries {
			return entries{said(t, "1", changed, start, `"department":"b"`)}
		}, moments{{start, "active dept=b"}}},
		"somebody first heard of by leaving has left, and changes do not hire": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", left, start, `"lastDay":"2026-06-30"`),
				said(t, "2", changed, "2026-02-01T00:00:00Z", `"department":"b"`),
			}
		}, moments{{start, "left"}, {"2026-02-02T00:00:00Z", "left dept=b"}}},
		"a hire with an effective day ahead is known at once": {"UTC", func(t *testing.T) entries {
			return entries{said(t, "1", joined, start, `"department":"b","effectiveDate":"2026-03-01"`)}
		}, moments{{start, "staged dept=b"}, {"2026-02-28T23:59:59Z", "staged dept=b"}, {"2026-03-01T00:00:00Z", "active dept=b"}}},
		"a fixed term said in two events": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, `"effectiveDate":"2026-03-01"`),
				said(t, "2", left, "2026-01-06T00:00:00Z", `"lastDay":"2026-05-31"`),
			}
		}, moments{{"2026-01-07T00:00:00Z", "staged"}, {"2026-03-01T00:00:00Z", "active"}, {"2026-06-01T00:00:00Z", "left"}}},
		"everything rescinded is as good as gone": {"UTC", func(t *testing.T) entries {
			return entries{said(t, "1", joined, start, ""), said(t, "2", rescinded, start, `"rescinds":"1"`)}
		}, moments{{start, "left"}}},
		"a rescinded leave never was": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, ""),
				said(t, "2", left, "2026-02-01T00:00:00Z", `"immediate":true`),
				said(t, "3", rescinded, "2026-02-02T00:00:00Z", `"rescinds":"2"`),
			}
		}, moments{{"2026-02-03T00:00:00Z", "active"}}},
		"a rescinded rescission": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, ""),
				said(t, "2", left, "2026-02-01T00:00:00Z", ""),
				said(t, "3", rescinded, "2026-02-02T00:00:00Z", `"rescinds":"2"`),
				said(t, "4", rescinded, "2026-02-03T00:00:00Z", `"rescinds":"3"`),
			}
		}, moments{{"2026-02-03T00:00:00Z", "left"}}},
		"a rescission of what never came": {"UTC", func(t *testing.T) entries {
			return entries{said(t, "1", joined, start, ""), said(t, "2", rescinded, start, `"rescinds":"9"`)}
		}, moments{{start, "active"}}},
		"rescissions in a circle: the last one counts": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "0", joined, start, ""),
				said(t, "1", rescinded, start, `"rescinds":"3"`),
				said(t, "3", rescinded, "2026-02-03T00:00:00Z", `"rescinds":"1"`),
				said(t, "4", rescinded, start, `"rescinds":"4"`),
			}
		}, moments{{start, "active"}}},
		"a withdrawn notice makes somebody known who was first heard of by it": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", left, start, `"lastDay":"2026-06-30"`),
				said(t, "2", changed, "2026-02-01T00:00:00Z", `"lastDay":null`),
			}
		}, moments{{start, "left"}, {"2026-02-01T00:00:00Z", "active"}}},
		"a rehire ends a leave of absence, and forgets that a leave was immediate": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", leaveStarted, start, ""),
				said(t, "2", left, "2026-02-01T00:00:00Z", `"immediate":true`),
				said(t, "3", rehired, "2026-03-01T00:00:00Z", ""),
				said(t, "4", left, "2026-04-01T00:00:00Z", ""),
			}
		}, moments{{"2026-02-01T00:00:00Z", "left immediate"}, {"2026-03-01T00:00:00Z", "active"}, {"2026-04-01T00:00:00Z", "left"}}},
		"a hire that is not in effect yet is staged, whatever its start": {"UTC", func(t *testing.T) entries {
			return entries{said(t, "1", joined, start, `"startDate":"2026-01-01","effectiveDate":"2026-03-01"`)}
		}, moments{{start, "staged"}, {"2026-03-01T00:00:00Z", "active"}}},
		"a leave said after a joining, and backdated to before it, is not undone by it": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", left, start, ""),
				said(t, "2", joined, "2026-01-10T00:00:00Z", ""),
				said(t, "3", left, "2026-01-20T00:00:00Z", `"effectiveDate":"2026-01-06"`),
			}
		}, moments{{"2026-01-20T00:00:00Z", "left"}}},
		"a rehire is, even if the leave was said afterwards": {"UTC", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, ""),
				said(t, "2", rehired, "2026-01-10T00:00:00Z", ""),
				said(t, "3", left, "2026-01-20T00:00:00Z", `"effectiveDate":"2026-01-06"`),
			}
		}, moments{{"2026-01-20T00:00:00Z", "active"}}},
		"sequences of two origins have nothing to do with each other": {"UTC", func(t *testing.T) entries {
			imported := said(t, "2", changed, "2026-03-01T00:00:00Z", `"department":"imported"`)
			imported.Source = "urn:file"
			return entries{
				sequenced(said(t, "1", changed, start, `"department":"a"`), "7"),
				sequenced(said(t, "3", changed, "2026-04-01T00:00:00Z", `"department":"b"`), "8"),
				imported,
			}
		}, moments{{start, "active dept=a"}, {"2026-03-01T00:00:00Z", "active dept=imported"}, {"2026-04-01T00:00:00Z", "active dept=b"}}},
		"an unset time zone falls back to the organization's": {"Asia/Tokyo", func(t *testing.T) entries {
			return entries{
				said(t, "1", joined, start, `"timeZone":"Pacific/Honolulu","lastDay":"2026-06-30"`),
				said(t, "2", changed, "2026-02-01T00:00:00Z", `"timeZone":null`),
			}
		}, moments{{"2026-06-30T14:59:59Z", "active"}, {"2026-06-30T15:00:00Z", "left"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.check(t, test.entries(t), zone(t, test.zone))
		})
	}
}
