package identity_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
)

// at reads a moment as the tests write them.
func at(t testing.TB, s string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, s)
	require.NoError(t, err)
	return moment.UTC()
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := identity.LoadZone(name)
	require.NoError(t, err)
	return z
}

// said is an event of the source, said at a time and received at once; data is what the event carries beside the
// employee id.
func said(t testing.TB, id string, kind identity.EventType, when, data string) identity.Entry {
	t.Helper()
	if data != "" {
		data = ", " + data
	}
	event, err := identity.ParseEventData(kind, []byte(`{"employeeId":"1001"`+data+`}`))
	require.NoError(t, err)
	event.Source, event.ID, event.Time = "urn:hr", id, at(t, when)
	return identity.Entry{Event: event, ReceivedAt: event.Time}
}

// sequenced gives an entry a sequence.
func sequenced(e identity.Entry, sequence string) identity.Entry {
	e.Sequence = sequence
	return e
}

// received gives an entry another time of receipt.
func received(t testing.TB, e identity.Entry, when string) identity.Entry {
	t.Helper()
	e.ReceivedAt = at(t, when)
	return e
}

const (
	joined       = identity.WorkerJoined
	changed      = identity.WorkerChanged
	left         = identity.WorkerLeft
	rehired      = identity.WorkerRehired
	leaveStarted = identity.WorkerLeaveStarted
	leaveEnded   = identity.WorkerLeaveEnded
	rescinded    = identity.WorkerRescinded
)

// line writes what a test looks at in a situation.
func line(s identity.Situation) string {
	text := string(s.State)
	if s.Attributes.Department != "" {
		text += " dept=" + s.Attributes.Department
	}
	if s.Immediate {
		text += " immediate"
	}
	return text
}

// moments are what a situation has to be at which time, in order.
type moments [][2]string

func (m moments) check(t *testing.T, entries []identity.Entry, organization *time.Location) {
	t.Helper()
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		random.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		for _, moment := range m {
			record := identity.Fold("hr", entries, at(t, moment[0]), organization)
			require.Equal(t, moment[1], line(record.Situation), "at %s", moment[0])
		}
	}
}
