//go:build soak

package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/store"
)

// TestSoakABurst is the figure of invariant 6: while one organization imports a thousand joiners, another's take at most
// twice as long as alone, at the 99th percentile.
func TestSoakABurst(t *testing.T) {
	w, quiet := newWorldWithAnother(t)
	const people = 100
	alone := quiet.took(0, people)
	var beside []time.Duration
	w.besideABurst(func() { beside = quiet.took(people, people) })
	for _, p := range []int{50, 90, 99} {
		t.Logf("p%d: alone %v, beside the burst %v", p, percentile(alone, p), percentile(beside, p))
	}
	require.LessOrEqual(t, percentile(beside, 99), 2*percentile(alone, 99))
}

// took streams joiners, and answers how long each took from the acceptance to the last account read back, sorted.
func (w *world) took(first, people int) (took []time.Duration) {
	w.t.Helper()
	began := w.stream(first, people)
	require.NoError(w.t, w.store.InOrg(w.t.Context(), w.org, func(tx *store.Tx) error {
		for id, from := range began {
			accounts, err := tx.Accounts(w.t.Context(), id)
			require.NoError(w.t, err)
			require.Len(w.t, accounts, len(targetNames))
			var last time.Time
			for _, a := range accounts {
				require.NotNil(w.t, a.VerifiedAt)
				if a.VerifiedAt.After(last) {
					last = *a.VerifiedAt
				}
			}
			took = append(took, last.Sub(from))
		}
		return nil
	}))
	slices.Sort(took)
	return took
}

func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[min(len(sorted)*p/100, len(sorted)-1)].Round(time.Millisecond)
}
