// Package identity holds the domain's types and its pure rules: what a person is, which states they pass through, and
// what a source's timeline of facts says of them at a given moment. It does no I/O and imports nothing of Tenure, so
// that every other package can speak its language.
package identity

import "time"

// State is where an identity stands in its life, as the API shows it.
type State string

// The states of an identity.
const (
	// StateStaged is a person who is known and has not started: accounts may exist, disabled.
	StateStaged State = "staged"
	// StateActive is a person with at least one work relationship in force.
	StateActive State = "active"
	// StateSuspended is a person on a leave of absence in every relationship in force.
	StateSuspended State = "suspended"
	// StateLeaving is a person who has left and whose revocations are not all confirmed.
	StateLeaving State = "leaving"
	// StateLeft is a person who has left and whose revocations are all confirmed.
	StateLeft State = "left"
)

// Gone reports whether the person has left, whatever remains to be done about it.
func (s State) Gone() bool { return s == StateLeaving || s == StateLeft }

// AccountState is what Tenure knows of an account in a target.
type AccountState string

// The states of an account.
const (
	// AccountPending is an account that a plan asked for and no answer has proven yet. It may exist in the target.
	AccountPending  AccountState = "pending"
	AccountActive   AccountState = "active"
	AccountDisabled AccountState = "disabled"
	AccountArchived AccountState = "archived"
	AccountDeleted  AccountState = "deleted"
)

// Effect is what an accepted event changes about a person, as the answer to the event names it.
type Effect string

// The effects of an event.
const (
	EffectJoin      Effect = "join"
	EffectMove      Effect = "move"
	EffectLeave     Effect = "leave"
	EffectRehire    Effect = "rehire"
	EffectSuspend   Effect = "suspend"
	EffectResume    Effect = "resume"
	EffectScheduled Effect = "scheduled" // nothing changes now; something will, on its day
	EffectNone      Effect = "none"      // a repetition, or a fact that changes nothing
)

// Class is how urgent the work for an identity is. A smaller number goes first, in the outbox and, as the priority
// key, on Temporal's task queues.
type Class int

// The classes of work.
const (
	ClassLeave     Class = 1 // a leave or a kill: the critical control
	ClassSignIn    Class = 2
	ClassChange    Class = 3 // joiner and mover
	ClassReconcile Class = 4 // waves after a policy change or a target's return
	ClassBulk      Class = 5
)

// Attributes are what the sources say of a person. Dates and employment stand in the timeline, not here: attributes
// are what policy maps into accounts. The JSON names are those of the HR event's record.
type Attributes struct {
	EmployeeID        string         `json:"employeeId,omitempty"`
	GivenName         string         `json:"givenName,omitempty"`
	FamilyName        string         `json:"familyName,omitempty"`
	DisplayName       string         `json:"displayName,omitempty"`
	Email             string         `json:"email,omitempty"`
	UserName          string         `json:"userName,omitempty"`
	WorkerType        string         `json:"workerType,omitempty"`
	Department        string         `json:"department,omitempty"`
	Title             string         `json:"title,omitempty"`
	Location          string         `json:"location,omitempty"`
	TimeZone          string         `json:"timeZone,omitempty"`
	ManagerEmployeeID string         `json:"managerEmployeeId,omitempty"`
	Custom            map[string]any `json:"custom,omitempty"`
}

// Situation is what all sources together say of a person at one moment.
type Situation struct {
	// State is staged, active, suspended or left; never leaving, which only the record of operations can tell.
	State      State
	Attributes Attributes
	// StartsAt is when the person starts, or started; zero when no source says.
	StartsAt time.Time
	// EndsAt is the end of the last day, in the zone of the work location; zero when none is known.
	EndsAt time.Time
	// Immediate is true when the leave in force was asked for at once, with no tier waiting for its turn.
	Immediate bool
	// Reason is what the source gave for the leave, if anything.
	Reason string
	// NextChange is the earliest later moment at which a known fact takes effect; zero when there is none.
	NextChange time.Time
}
