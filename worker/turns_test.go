package worker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

func pokesOf(org string, n int) []store.Poke {
	pokes := make([]store.Poke, n)
	for i := range pokes {
		pokes[i] = store.Poke{Org: org, Identity: uuid.New(), Class: identity.ClassChange}
	}
	return pokes
}

func TestWhoWasServedMuchYieldsToWhoWasServedLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all turns
		burst, few := pokesOf("burst", 10), pokesOf("few", 1)
		all.claimed(burst)
		all.ended(burst...)
		require.Equal(t, store.Room{Delivering: map[string]int{"burst": 0}}, all.divide(true), "alone it is held back by nobody")

		all.claimed(few)
		room := all.divide(true)
		require.Equal(t, map[string]int{"burst": 0, "few": 1}, room.Delivering)
		require.Equal(t, []string{"burst"}, room.Modest)
		require.Equal(t, []string{"burst"}, room.Yield)
		require.Equal(t, store.Room{Delivering: room.Delivering}, all.divide(false), "while nobody waits there is nothing to yield")

		all.ended(few...)
		all.settled("few", few[0].Identity)
		room = all.divide(true)
		require.Equal(t, []string{"burst"}, room.Modest, "the next of the few may come at any moment")
		require.Empty(t, room.Yield, "nobody of theirs is at work")

		time.Sleep(recently + time.Millisecond)
		require.Equal(t, store.Room{Delivering: map[string]int{}}, all.divide(true), "what is long past is forgotten")
	})
}

func TestTwoImportsAreServedAlike(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all turns
		all.claimed(pokesOf("one", 10))
		all.claimed(pokesOf("other", 12))
		room := all.divide(true)
		require.Empty(t, room.Modest)
		require.Empty(t, room.Yield)
	})
}

func TestSomebodyWhoHangsHasOthersYieldForAMomentOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all turns
		all.claimed(pokesOf("hangs", 1))
		all.claimed(pokesOf("burst", 10))
		require.Equal(t, []string{"burst"}, all.divide(true).Yield)
		time.Sleep(atWork + time.Millisecond)
		require.Empty(t, all.divide(true).Yield)
	})
}

func TestPeopleAreInTheEngineUntilTheySettle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all turns
		few := pokesOf("few", 3)
		all.claimed(few)
		all.claimed(pokesOf("hang", 2))
		require.Equal(t, 5, all.inEngine())
		all.ended(few...)
		all.settled("few", few[0].Identity)
		time.Sleep(2 * recently)
		all.divide(true)
		require.Equal(t, 4, all.inEngine(), "however long ago the last one came")
		time.Sleep(store.InEngineFor)
		require.Zero(t, all.inEngine(), "who takes so long waits for something else than the engine")
	})
}
