package activities

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// enter takes a place, for the first time or in turn.
func enter(t *testing.T, p *places, limit int, again bool) (leave func(), putOff time.Duration) {
	t.Helper()
	leave, putOff = p.enter(t.Context(), limit, again)
	require.Equal(t, leave == nil, putOff > 0, "a place, or a time to come again")
	return leave, putOff
}

func TestWhoFindsNoPlaceIsToldWhenItsTurnComes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p places
		const limit, took = 2, 8 * time.Second
		for range 40 { // until it is known what an attempt takes
			leave, _ := enter(t, &p, limit, false)
			time.Sleep(took)
			leave()
		}
		first, _ := enter(t, &p, limit, false)
		second, _ := enter(t, &p, limit, false)
		began := time.Now()
		for turn := range 3 {
			_, putOff := enter(t, &p, limit, false)
			require.InDelta(t, (time.Duration(turn+1) * took / limit).Seconds(), (time.Since(began) + putOff).Seconds(), 0.3, "turn %d", turn)
		}
		require.LessOrEqual(t, time.Since(began), nearly, "whoever comes behind one who waits does not wait within its slot")
		_, putOff := enter(t, &p, limit, false)
		require.Equal(t, longestPutOff, putOff)

		first()
		third, _ := enter(t, &p, limit, false)
		require.NotNil(t, third, "a place that is free is taken by who comes")
		time.AfterFunc(nearly/2, second)
		fourth, _ := enter(t, &p, limit, true)
		require.NotNil(t, fourth, "who comes in its turn waits a moment for a place")
	})
}

func TestPlacesFollowThePolicy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p places
		one, _ := enter(t, &p, 1, false)
		none, putOff := enter(t, &p, 1, false)
		require.Nil(t, none)
		require.Equal(t, shortestPutOff, putOff, "nothing is known yet of what an attempt takes")
		other, _ := enter(t, &p, 2, false)
		one() // a place of before
		other()
	})
}
