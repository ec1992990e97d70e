package activities

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A row is a target's attempts, one each second: F failed, and . did not. The health is that after the last.
func TestHealthOfATarget(t *testing.T) {
	t.Parallel()
	for attempts, want := range map[string]string{
		"":                                      "up",
		"FFFF":                                  "up",       // too few to say
		"FFFFF":                                 "down",     // in a row
		"FFFFFF.":                               "up",       // and back
		"F.F.F.F.F.":                            "up",       // the window is not full
		strings.Repeat(".", 15) + "F.FFF":       "up",       // four of twenty
		strings.Repeat(".", 11) + "FF.FF.FF.":   "degraded", // six of twenty
		strings.Repeat("F.", 10) + "FFFFF":      "down",
		strings.Repeat("F.", 10) + "FFFFF.":     "degraded",
		strings.Repeat("F..", 7):                "degraded",
		strings.Repeat("F..", 7) + "..........": "up",
	} {
		w, now, health := &window{}, time.Date(2031, 3, 1, 12, 0, 0, 0, time.UTC), "up"
		for _, attempt := range attempts {
			now = now.Add(time.Second)
			health = w.note(attempt == 'F', health, now)
		}
		require.Equal(t, want, health, attempts)
	}

	w, now := &window{}, time.Date(2031, 3, 1, 12, 0, 0, 0, time.UTC)
	for range 5 {
		require.Equal(t, "up", w.note(true, "up", now), "five at one moment may be one fault")
	}
	require.Equal(t, "down", w.note(true, "up", now.Add(3*time.Second)))
	require.Equal(t, "down", w.note(true, "down", now.Add(10*time.Second)))
	require.Equal(t, "up", w.note(true, "up", now.Add(20*time.Second)), "somebody found it well meanwhile: it is judged anew")
	w.reset()
	require.Equal(t, "up", w.note(true, "up", now.Add(21*time.Second)))
}
