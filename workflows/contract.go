// Package workflows holds what Tenure does over time: Joiner, Mover and Leaver, one lifecycle loop with three names, and
// the probe of a target that is down. A workflow carries ids and nothing personal; what should be done is asked of the
// activities. This package imports the Temporal SDK and internal/identity and nothing else of ours.
package workflows

import (
	"cmp"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/tenurehq/tenure/internal/identity"
)

// TaskQueue is the default queue of the workflows; the targets' queues take their names from it.
const TaskQueue = "tenure"

// TargetsQueue is where the work on targets waits, for the workflows' queue given.
func TargetsQueue(workflows string) string { return workflows + "-targets" }

// UrgentQueue is where the first tier of a leave waits. It has workers' slots of its own, because the engine orders
// tasks and cannot free slots that hang.
func UrgentQueue(workflows string) string { return workflows + "-targets-urgent" }

// IdentityWorkflowID is the id of the one run that works for an identity, whatever its type.
func IdentityWorkflowID(org, identityID string) string { return "identity/" + org + "/" + identityID }

// ProbeWorkflowID is the id of the run, and of the Schedule, that probes a target which is down.
func ProbeWorkflowID(org, target string) string { return "probe/" + org + "/" + target }

// SignalChanged pokes an identity's run; its payload is a Changed.
const SignalChanged = "changed"

// QueryStatus answers a Status.
const QueryStatus = "status"

// The search attributes of every identity's run.
var (
	AttributeOrg      = temporal.NewSearchAttributeKeyKeyword("TenureOrg")
	AttributeIdentity = temporal.NewSearchAttributeKeyKeyword("TenureIdentity")
	AttributeStage    = temporal.NewSearchAttributeKeyKeyword("TenureStage")
	AttributeDue      = temporal.NewSearchAttributeKeyTime("TenureDue")
)

// Stage is what a run is about at the moment; it is also the value of the search attribute TenureStage.
type Stage string

// The stages.
const (
	StageJoiner  Stage = "joiner"
	StageMover   Stage = "mover"
	StageLeaver  Stage = "leaver"
	StageBlocked Stage = "blocked" // settled, but a target is down
	StageStuck   Stage = "stuck"   // a leave past its deadline
)

// WorkflowType is the name of the workflow that a stage's run starts as.
func (s Stage) WorkflowType() string {
	switch s {
	case StageJoiner:
		return "Joiner"
	case StageLeaver, StageStuck:
		return "Leaver"
	default:
		return "Mover"
	}
}

// Input starts a Joiner, Mover or Leaver.
type Input struct {
	Org      string `json:"org"`
	Identity string `json:"identity"`
	// Changed is the newest poke that a run carried over when it continued as new.
	Changed Changed `json:"changed,omitzero"`
}

// MemoRequest is where a run's memo has the id of the request that began it. The audit has it too, with the identity.
const MemoRequest = "TenureRequestId"

// Changed says that there is something new to look at.
type Changed struct {
	// Seq is the identity's version that asked for the poke. Plan refuses a Seq above the row's version, which means
	// that the database was set back.
	Seq int64 `json:"seq"`
	// Due is the moment a scheduled change was due, when that is why; plans are made as of no earlier moment.
	Due time.Time `json:"due,omitzero"`
	// Urgent says that it is about a leave.
	Urgent bool `json:"urgent,omitempty"`
	// Request is the id of the request that asked for it, for those who read the history; nothing is decided by it.
	Request string `json:"request,omitempty"`
}

// merge keeps what is newest in both.
func (c Changed) merge(other Changed) Changed {
	return Changed{Seq: max(c.Seq, other.Seq), Due: laterOf(c.Due, other.Due), Urgent: c.Urgent || other.Urgent, Request: cmp.Or(other.Request, c.Request)}
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Activity names.
const (
	ActivityPlan         = "Plan"
	ActivityApplyAccount = "ApplyAccount"
	ActivityProbeTarget  = "ProbeTarget"
)

// PlanRequest asks what should be, what is, and what differs.
type PlanRequest struct {
	Org      string `json:"org"`
	Identity string `json:"identity"`
	// PlanID is the run's id and the plan's ordinal in it, so that a local activity that runs again after its marker was
	// lost finds the plan it had made.
	PlanID string    `json:"planId"`
	Seq    int64     `json:"seq"`
	AsOf   time.Time `json:"asOf"`
	// Urgent says that it is about a leave: it uses the connections kept free for them.
	Urgent bool `json:"urgent,omitempty"`
}

// Plan is the difference between what should be and what is, as ids only.
type Plan struct {
	ID    string `json:"id"`
	Stage Stage  `json:"stage"` // joiner, mover or leaver
	// Label is the stage as the search attribute shows it: also blocked, or stuck.
	Label Stage `json:"label"`
	// Steps has one entry for each account that differs and may be worked on now.
	Steps []Step `json:"steps,omitempty"`
	// Waiting names the targets that hold the identity up.
	Waiting []Waiting `json:"waiting,omitempty"`
	// Settled is true when nothing is left to do, or to wait for in this run, at this version: the identity's row says so
	// too, since the same transaction wrote it.
	Settled bool `json:"settled,omitempty"`
	// Failed counts the accounts whose work failed for good at this version.
	Failed int `json:"failed,omitempty"`
	// Recover is true when the database is behind the poke: nothing was changed.
	Recover bool `json:"recover,omitempty"`
	// NextDue is when the run should plan again without being poked: a Leaver's next retry or confirmation. Zero: never.
	NextDue time.Time `json:"nextDue,omitzero"`
	// DueFor says in a few words what NextDue is for, as the timer's summary.
	DueFor string `json:"dueFor,omitempty"`
}

// Step is the work on one account.
type Step struct {
	Target  string   `json:"target"`
	Account string   `json:"account"`
	Kind    StepKind `json:"kind"`
	// Plan is the plan that says what the account should become: an earlier one while what it asked for still holds.
	Plan  string `json:"plan"`
	Epoch int64  `json:"epoch"`
	// Version and Policy are those that the newest plan looked at: what a failure is remembered against.
	Version int64    `json:"version"`
	Policy  int64    `json:"policy"`
	Urgent  bool     `json:"urgent,omitempty"`
	Timeout Duration `json:"timeout"` // of one attempt
	Limit   int      `json:"limit"`   // of attempts at the target at once, a worker
}

// StepKind is what a step does to its account.
type StepKind string

// The kinds of step.
const (
	StepApply   StepKind = "apply"   // make the account what policy says
	StepRevoke  StepKind = "revoke"  // take everything away
	StepConfirm StepKind = "confirm" // read back once more when nothing can be in flight any longer
)

// Duration is a time.Duration that reads well in a history: "10s".
type Duration time.Duration

// MarshalText writes the duration as Go prints it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// Waiting is a target that holds an identity up.
type Waiting struct {
	Target string    `json:"target"`
	Since  time.Time `json:"since"`
	Code   string    `json:"code"` // why: "down", "throttled", "unauthorized", …
}

// ApplyRequest asks for one step of a plan.
type ApplyRequest struct {
	Org      string `json:"org"`
	Identity string `json:"identity"`
	Step     Step   `json:"step"`
}

// Outcome is how a step ended.
type Outcome string

// The outcomes.
const (
	OutcomeApplied    Outcome = "applied"    // done and read back
	OutcomeSuperseded Outcome = "superseded" // a newer plan or a leave came between
	OutcomeBlocked    Outcome = "blocked"    // the target is down past the budget
	OutcomeFailed     Outcome = "failed"     // permanently, until data, policy or credentials change
)

// ProbeRequest names the target to probe.
type ProbeRequest struct {
	Org    string `json:"org"`
	Target string `json:"target"`
}

// Status answers QueryStatus.
type Status struct {
	Stage   Stage     `json:"stage"`
	PlanID  string    `json:"planId"`
	Running []string  `json:"running"` // targets being worked on, sorted
	Waiting []Waiting `json:"waiting"`
	NextDue time.Time `json:"nextDue,omitzero"`
}

// PriorityOf is the priority of an identity's run, and of its tasks on the workflows' queue.
func PriorityOf(class identity.Class, org string) temporal.Priority {
	return temporal.Priority{PriorityKey: int(class), FairnessKey: org}
}
