package sample_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/deploy/sample"
	"github.com/tenurehq/tenure/internal/identity"
)

// days are days on which the script must work: around the turn of a year, a leap day, both changes of the clocks.
var days = []time.Time{
	time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC),
	time.Date(2026, 10, 25, 23, 59, 59, 0, time.UTC),
	time.Date(2028, 2, 29, 6, 0, 0, 0, time.UTC),
}

func people(t *testing.T, phase sample.Phase) map[string]sample.Event {
	t.Helper()
	by := map[string]sample.Event{}
	for _, e := range phase.Events {
		id, ok := e.Data["employeeId"].(string)
		require.True(t, ok)
		require.NotContains(t, by, id, "one event a person and phase")
		by[id] = e
	}
	return by
}

func TestScriptHasWhatItSays(t *testing.T) {
	t.Parallel()
	phases := sample.Script(days[0])
	require.Len(t, phases, 4)
	joiners, movers, leavers, back := people(t, phases[0]), people(t, phases[1]), people(t, phases[2]), people(t, phases[3])
	require.Len(t, joiners, 300)
	require.Len(t, movers, 40)
	require.Len(t, leavers, 15)
	require.Len(t, back, 5)

	kinds := map[string]int{}
	for _, e := range phases[1].Events {
		switch {
		case e.Data["department"] != nil:
			require.NotEqual(t, joiners[e.Data["employeeId"].(string)].Data["department"], e.Data["department"])
			kinds["department"]++
		case e.Data["familyName"] != nil:
			kinds["name"]++
		case e.Data["managerEmployeeId"] != nil:
			require.NotEqual(t, joiners[e.Data["employeeId"].(string)].Data["managerEmployeeId"], e.Data["managerEmployeeId"])
			kinds["manager"]++
		}
	}
	require.Equal(t, map[string]int{"department": 14, "name": 13, "manager": 13}, kinds)

	immediate, rehired, away := 0, 0, 0
	for id, e := range leavers {
		require.NotContains(t, movers, id)
		require.Equal(t, e.Data["immediate"] == nil, e.Data["lastDay"] != nil)
		if e.Data["immediate"] == true {
			immediate++
		}
	}
	for id, e := range back {
		switch e.Type {
		case identity.WorkerRehired:
			require.Contains(t, leavers, id)
			require.NotEmpty(t, leavers[id].Data["lastDay"], "who left at once is not taken back")
			rehired++
		case identity.WorkerLeaveStarted:
			require.NotContains(t, leavers, id)
			require.NotContains(t, movers, id)
			away++
		}
	}
	require.Equal(t, []int{5, 3, 2}, []int{immediate, rehired, away})
}

func TestCompany(t *testing.T) {
	t.Parallel()
	joiners := sample.Script(days[0])[0].Events
	count := map[string]map[string]int{"department": {}, "workerType": {}, "timeZone": {}, "displayName": {}}
	arrived, late, boss := map[string]bool{}, 0, 0
	for _, e := range joiners {
		for field, values := range count {
			values[e.Data[field].(string)]++
		}
		arrived[e.Data["employeeId"].(string)] = true
		manager, has := e.Data["managerEmployeeId"].(string)
		switch {
		case !has:
			boss++
		case !arrived[manager]:
			late++
		}
		require.Equal(t, e.Data["workerType"] == "contractor", e.Data["endDate"] != nil)
	}
	for _, e := range joiners {
		if manager, has := e.Data["managerEmployeeId"].(string); has {
			require.True(t, arrived[manager], "every manager is one of the 300")
		}
	}
	require.Equal(t, 1, boss)
	require.Greater(t, late, 20, "some managers come after the people who report to them")
	require.Len(t, count["department"], 8)
	for name, n := range count["department"] {
		require.Greater(t, n, 30, name)
	}
	require.Greater(t, count["workerType"]["contractor"], 20)
	require.Greater(t, count["workerType"]["intern"], 10)
	require.Greater(t, len(count["timeZone"]), 10)
	namesakes := 0
	for _, n := range count["displayName"] {
		namesakes += n - 1
	}
	require.Greater(t, namesakes, 10)
	require.GreaterOrEqual(t, count["displayName"]["Anna Müller"], 3)
}

func TestScriptIsTheSameAllDay(t *testing.T) {
	t.Parallel()
	morning := sample.Script(time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC))
	night := sample.Script(time.Date(2026, 5, 5, 11, 0, 0, 0, time.FixedZone("", 12*60*60)))
	require.Equal(t, morning, night)
	other := sample.Script(time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC))
	require.NotEqual(t, morning[0].Events[0].ID, other[0].Events[0].ID, "another day's script is no repetition")
}

// Events stand in the order in which they count, and all of them have taken effect when they are sent.
func TestScriptIsInOrderAndPast(t *testing.T) {
	t.Parallel()
	for _, phases := range append(each(sample.Script), each(sample.Brief)...) {
		ids := map[string]bool{}
		var last sample.Event
		for _, phase := range phases {
			for _, e := range phase.Events {
				require.False(t, ids[e.ID])
				ids[e.ID] = true
				require.Greater(t, e.Sequence, last.Sequence)
				require.True(t, e.Time.After(last.Time), "%s %s", last.Time, e.Time)
				require.True(t, e.Time.Before(phases[0].Events[0].Time.AddDate(0, 0, 30)), "the day of the script")
				require.Equal(t, sample.Source, e.Source)
				require.Contains(t, identity.EventTypes(), e.Type)
				last = e
			}
		}
	}
}

// each tells a story on each of the days.
func each(story func(time.Time) []sample.Phase) (told [][]sample.Phase) {
	for _, day := range days {
		told = append(told, story(day))
	}
	return told
}

// The brief story is a part of the whole one: the same happens to fewer people.
func TestTheBriefStory(t *testing.T) {
	t.Parallel()
	whole, brief := sample.Script(days[0]), sample.Brief(days[0])
	require.Len(t, brief, len(whole))
	known := map[any]bool{}
	for i, phase := range brief {
		require.Equal(t, whole[i].Name, phase.Name)
		var facts []map[string]any
		for _, e := range whole[i].Events {
			facts = append(facts, e.Data)
		}
		for _, e := range phase.Events {
			require.Contains(t, facts, e.Data)
			if i == 0 {
				known[e.Data["employeeId"]] = true
			}
		}
		for _, e := range phase.Events {
			require.True(t, known[e.Data["employeeId"]])
			if manager, has := e.Data["managerEmployeeId"]; has {
				require.True(t, known[manager], "every manager is one of them")
			}
		}
		if i > 0 {
			require.Len(t, phase.Events, len(whole[i].Events))
		}
	}
	require.Len(t, brief[0].Events, 100)
}

func TestEventsAreCloudEvents(t *testing.T) {
	t.Parallel()
	event := sample.Script(days[3])[2].Events[0]
	text, err := json.Marshal(event)
	require.NoError(t, err)
	require.JSONEq(t, fmt.Sprintf(`{
		"specversion": "1.0", "id": %q, "source": "urn:acme:hr", "type": "worker.left", "sequence": "0000000341",
		"time": "2028-02-25T08:05:41Z", "datacontenttype": "application/json",
		"data": {"employeeId": "A0286", "lastDay": "2028-02-26", "reason": "resigned"}
	}`, event.ID), string(text))
}
