package identity

import (
	"encoding/json"
	"time"
)

// EventType says what an HR event reports. The values are the CloudEvents types of the API.
type EventType string

// The event types.
const (
	WorkerJoined       EventType = "worker.joined"
	WorkerChanged      EventType = "worker.changed"
	WorkerLeft         EventType = "worker.left"
	WorkerRehired      EventType = "worker.rehired"
	WorkerLeaveStarted EventType = "worker.leave_started"
	WorkerLeaveEnded   EventType = "worker.leave_ended"
	WorkerRescinded    EventType = "worker.rescinded"
)

// EventTypes lists all event types.
func EventTypes() []EventType {
	return []EventType{WorkerJoined, WorkerChanged, WorkerLeft, WorkerRehired, WorkerLeaveStarted, WorkerLeaveEnded, WorkerRescinded}
}

// Event is one fact that a source reports of one person. Source and ID together name it; both, Time and Sequence are
// the CloudEvents attributes of the same names (CloudEvents 1.0, sections "Context Attributes" and the extension
// "Sequence"), which the caller fills; ParseEventData fills the rest.
type Event struct {
	Source, ID string
	Type       EventType
	Time       time.Time
	Sequence   string
	EmployeeID string
	// RelationshipID tells several work relationships of one person apart; empty is the only one.
	RelationshipID string
	// Effective is the effectiveDate; zero when the event has none and takes effect at its Time.
	Effective Moment
	// Rescinds is the ID of the event, of the same Source, that a worker.rescinded takes back.
	Rescinds string
	// Patch holds the record's fields that were present.
	Patch Patch
}

// Patch holds the fields of a record that an event speaks of, by their JSON names: a field that is absent stays as it
// is, one that is null is cleared. It goes to the database and back as a JSON object.
type Patch map[string]json.RawMessage
