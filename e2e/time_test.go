package e2e

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

// day is the calendar date so many days from the world's present, where the person works.
func (w *world) day(zone string, days int) string {
	w.t.Helper()
	location, err := time.LoadLocation(zone)
	require.NoError(w.t, err)
	return w.now().In(location).AddDate(0, 0, days).Format(time.DateOnly)
}

const berlin = "Europe/Berlin"

// advanceToNoon moves the world's clock to the middle of a day, whatever the time is now.
func (w *world) advanceToNoon(zone string, days int) {
	w.t.Helper()
	location, err := time.LoadLocation(zone)
	require.NoError(w.t, err)
	year, month, day := w.now().In(location).Date()
	w.advance(time.Date(year, month, day+days, 12, 0, 0, 0, location).Sub(w.now()))
}

func TestThreeFutureMovesEachOnItsDay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	w.send(identity.WorkerJoined, person(1))
	w.quiet()
	moves := []identity.Event{
		w.event(identity.WorkerChanged, fact{"employeeId": "E0001", "title": "third", "effectiveDate": w.day(berlin, 30)}),
		w.event(identity.WorkerChanged, fact{"employeeId": "E0001", "title": "first", "effectiveDate": w.day(berlin, 10)}),
		w.event(identity.WorkerChanged, fact{"employeeId": "E0001", "title": "second", "effectiveDate": w.day(berlin, 20)}),
	}
	for _, move := range moves {
		receipt, err := w.accept(t.Context(), move)
		require.NoError(t, err)
		require.Equal(t, identity.EffectScheduled, receipt.Effect)
	}
	w.quiet()
	require.Equal(t, "Clerk", w.account("crm", "E0001").Attributes["title"])
	for _, title := range []string{"first", "second", "third"} {
		w.advance(10*24*time.Hour + time.Hour)
		w.eventually("the move "+title, func() bool { return w.account("crm", "E0001").Attributes["title"] == title })
		w.quiet()
	}
}

func TestAStartDateMovedTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	joiner := person(1)
	joiner["startDate"] = w.day(berlin, 3)
	w.send(identity.WorkerJoined, joiner)
	w.quiet()
	require.False(t, w.account("crm", "E0001").Enabled, "made before the start, disabled")
	w.send(identity.WorkerChanged, fact{"employeeId": "E0001", "startDate": w.day(berlin, 6)})
	w.send(identity.WorkerChanged, fact{"employeeId": "E0001", "startDate": w.day(berlin, 5)})
	w.quiet()
	w.advanceToNoon(berlin, 4)
	w.quiet()
	require.False(t, w.account("crm", "E0001").Enabled, "the first date no longer counts")
	w.advance(24 * time.Hour)
	w.eventually("enabled on the day", func() bool { return w.account("crm", "E0001").Enabled })
	w.quiet()
	w.requireEnabled("E0001", "Everyone", "Sales")
}

func TestTheLastDayEndsWhereThePersonWorks(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Pacific/Auckland", "Pacific/Honolulu"} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, settings{})
			worker := person(1)
			worker["timeZone"] = zone
			w.send(identity.WorkerJoined, worker)
			lastDay := w.day(zone, 2)
			receipt := w.send(identity.WorkerLeft, fact{"employeeId": "E0001", "lastDay": lastDay})
			require.Equal(t, identity.EffectScheduled, receipt.Effect)
			w.quiet()
			w.requireEnabled("E0001", "Everyone", "Sales")

			location, err := time.LoadLocation(zone)
			require.NoError(t, err)
			day, err := time.ParseInLocation(time.DateOnly, lastDay, location)
			require.NoError(t, err)
			end := day.AddDate(0, 0, 1)
			w.advance(end.Add(-10 * time.Minute).Sub(w.now()))
			w.quiet()
			w.requireEnabled("E0001", "Everyone", "Sales")
			w.advance(10*time.Minute + time.Second)
			w.eventually("out after the last day", func() bool { return !w.account("crm", "E0001").Enabled })
			require.Equal(t, "Leaver", w.runOf(receipt).workflowType())
			w.quiet()
			w.requireGone("E0001")
		})
	}
}

func TestABackdatedLeaveIsALeaveNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	w.send(identity.WorkerJoined, person(1))
	w.quiet()
	receipt := w.send(identity.WorkerLeft, fact{"employeeId": "E0001", "lastDay": w.day(berlin, -20)})
	require.Equal(t, identity.EffectLeave, receipt.Effect)
	w.quiet()
	w.requireGone("E0001")
	require.NoError(t, w.store.InOrg(t.Context(), w.org, func(tx *store.Tx) error {
		row, err := tx.Identity(t.Context(), receipt.Identity)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), *row.LeftAt, time.Minute, "the tiers count from when we knew")
		return nil
	}))
}

func TestOnePersonsEventsShuffledAndDoubled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{idle: true})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	base := w.now().Add(-time.Hour)
	story := func(n int) []identity.Event {
		who := person(n)
		events := []identity.Event{
			w.event(identity.WorkerJoined, who),
			w.event(identity.WorkerChanged, fact{"employeeId": who["employeeId"], "department": "Marketing"}),
			w.event(identity.WorkerLeaveStarted, fact{"employeeId": who["employeeId"]}),
			w.event(identity.WorkerLeaveEnded, fact{"employeeId": who["employeeId"]}),
			w.event(identity.WorkerLeft, fact{"employeeId": who["employeeId"], "immediate": true}),
			w.event(identity.WorkerRehired, fact{"employeeId": who["employeeId"], "title": "Returned"}),
			w.event(identity.WorkerChanged, fact{"employeeId": who["employeeId"], "department": "Sales"}),
		}
		for i := range events {
			events[i].ID = uuid.NewString()
			events[i].Time = base.Add(time.Duration(i) * time.Minute)
		}
		return append(events, events[random.IntN(len(events))], events[random.IntN(len(events))])
	}
	const people = 60 // the pure rules meet 1,000 orders in internal/identity
	var want *store.Identity
	for n := range people {
		events := story(n)
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		var id uuid.UUID
		for _, event := range events {
			receipt, err := w.accept(t.Context(), event)
			require.NoError(t, err)
			require.True(t, id == uuid.Nil || id == receipt.Identity, "one identity")
			id = receipt.Identity
		}
		require.NoError(t, w.store.InOrg(t.Context(), w.org, func(tx *store.Tx) error {
			row, err := tx.Identity(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, identity.StateActive, row.State)
			require.Equal(t, "Sales", row.Attributes.Department)
			require.Equal(t, "Returned", row.Attributes.Title)
			require.Nil(t, row.LeftAt)
			if want == nil {
				want = &row
			}
			require.Equal(t, want.StartsAt, row.StartsAt)
			return nil
		}))
	}
}
