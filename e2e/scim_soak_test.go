//go:build soak

package e2e

import (
	"testing"
	"time"
)

// TestSoakSCIMStorm is TestSCIMStorm for a minute.
func TestSoakSCIMStorm(t *testing.T) {
	testStorm(t, time.Minute)
}

// TestSoakTemporalDownUnderSCIMLoad is TestTemporalDownUnderSCIMLoad for ten minutes, with more clients and people.
func TestSoakTemporalDownUnderSCIMLoad(t *testing.T) {
	testOutage(t, outage{lasts: 10 * time.Minute, clients: 16, settled: 12, joiners: 120})
}
