package lifecycle

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

// Termination is the report of one leave: what was to be done by when, what was done, and what proves it.
type Termination struct {
	MadeAt      time.Time      `json:"madeAt"`
	Org         string         `json:"organization"`
	Identity    uuid.UUID      `json:"identityId" format:"uuid"`
	EmployeeID  string         `json:"employeeId,omitempty"`
	DisplayName string         `json:"displayName,omitempty"`
	UserName    string         `json:"userName,omitempty"`
	Department  string         `json:"department,omitempty"`
	Title       string         `json:"title,omitempty"`
	WorkerType  string         `json:"workerType,omitempty"`
	Manager     string         `json:"manager,omitempty" doc:"as displayed"`
	State       identity.State `json:"state" enum:"leaving,left"`
	EndedAt     *time.Time     `json:"endedAt,omitempty" doc:"the end of employment, as the sources have it"`
	LeftAt      time.Time      `json:"leftAt" doc:"when the leave was known and in force: the deadlines count from it"`
	Immediate   bool           `json:"immediate"`
	Reason      string         `json:"reason,omitempty"`
	// Causes are what the leave follows from, the newest first.
	Causes  []TerminationCause  `json:"causes" nullable:"false"`
	Actions []TerminationAction `json:"actions" nullable:"false" doc:"by tier, target and deadline"`
	Open    int                 `json:"open" doc:"how many actions are neither verified nor unsupported"`
	Late    int                 `json:"late" doc:"how many were, or are, not verified by their deadline"`
	DoneAt  *time.Time          `json:"doneAt,omitempty" doc:"when the last action was verified; absent while one is open"`
}

// TerminationCause is an entry of the person's timeline that a leave follows from, with who had it put there.
type TerminationCause struct {
	EventID    string             `json:"eventId"`
	Source     string             `json:"source" doc:"as the policy calls it; tenure for a decision of one's own people"`
	Type       identity.EventType `json:"type"`
	ReceivedAt time.Time          `json:"receivedAt"`
	Actor      string             `json:"actor,omitempty" doc:"token:<id>, cli:<user>"`
}

// TerminationAction is what was done in a target for a leave.
type TerminationAction struct {
	Target      string         `json:"target"`
	Action      string         `json:"action"`
	Tier        int            `json:"tier"`
	Status      string         `json:"status" enum:"requested,running,done,verified,confirmed,failed,blocked,unsupported,held"`
	DeadlineAt  time.Time      `json:"deadlineAt"`
	RequestedAt time.Time      `json:"requestedAt"`
	StartedAt   *time.Time     `json:"startedAt,omitempty"`
	DoneAt      *time.Time     `json:"doneAt,omitempty"`
	VerifiedAt  *time.Time     `json:"verifiedAt,omitempty"`
	ConfirmedAt *time.Time     `json:"confirmedAt,omitempty"`
	Attempts    int            `json:"attempts"`
	Late        bool           `json:"late" doc:"not verified by the deadline"`
	Why         string         `json:"why,omitempty" doc:"what keeps it from being done"`
	Evidence    map[string]any `json:"evidence,omitempty" doc:"what the target showed"`
}

// Closed reports whether nothing is left to do: it is verified, or the target cannot do it.
func (a TerminationAction) Closed() bool { return a.VerifiedAt != nil || a.Status == statusUnsupported }

const (
	statusUnsupported = "unsupported"
	statusSuperseded  = "superseded"
)

// Termination reports on the leave in force. reference is an identity's id, an employee id or a user name. Conflict when the
// person has not left.
func (s *Service) Termination(ctx context.Context, org, reference string) (Termination, error) {
	var report Termination
	err := s.store.InOrg(ctx, org, func(tx *store.Tx) error {
		id, err := tx.FindIdentity(ctx, reference)
		if err != nil {
			return err
		}
		view, err := tx.ViewOf(ctx, id)
		if err != nil {
			return err
		}
		if !view.State.Gone() || view.LeftAt == nil {
			return identity.Errorf(identity.Conflict, "identity %s is %s: there is a report of somebody who has left", id, view.Live)
		}
		report = Termination{MadeAt: s.now().UTC(), Org: org, Identity: id, EmployeeID: view.Attributes.EmployeeID, DisplayName: view.Attributes.DisplayName,
			UserName: view.UserName, Department: view.Attributes.Department, Title: view.Attributes.Title, WorkerType: view.Attributes.WorkerType,
			State: view.Live, EndedAt: view.EndsAt, LeftAt: *view.LeftAt, Immediate: view.Immediate, Reason: view.Reason}
		if view.ManagerID != nil {
			manager, err := tx.Identity(ctx, *view.ManagerID)
			if err != nil {
				return err
			}
			report.Manager = manager.Attributes.DisplayName
		}
		if report.Causes, err = causesOf(ctx, tx, view.Identity); err != nil {
			return err
		}
		operations, err := tx.OperationsOf(ctx, id)
		if err != nil {
			return err
		}
		report.summarize(operations)
		return nil
	})
	return report, err
}

// causesOf finds what a leave follows from: what ended the employment when it came, or announced the end before.
func causesOf(ctx context.Context, tx *store.Tx, row store.Identity) ([]TerminationCause, error) {
	entries, err := tx.IdentityEntries(ctx, row.ID)
	if err != nil {
		return nil, err
	}
	causes, events := []TerminationCause{}, []string{}
	for _, e := range entries {
		ends := e.Effect == identity.EffectLeave || e.Type == identity.WorkerLeft || e.Type == identity.IdentityKilled || e.Effect == identity.EffectScheduled
		if !ends || e.ReceivedAt.After(row.LeftAt.Add(time.Second)) {
			continue
		}
		causes = append(causes, TerminationCause{EventID: e.ID, Source: e.Source, Type: e.Type, ReceivedAt: e.ReceivedAt})
		events = append(events, e.ID)
	}
	slices.SortFunc(causes, func(a, b TerminationCause) int {
		return cmp.Or(b.ReceivedAt.Compare(a.ReceivedAt), cmp.Compare(a.EventID, b.EventID))
	})
	askers, err := tx.AskersOf(ctx, row.ID, events)
	if err != nil {
		return nil, err
	}
	for i, cause := range causes {
		for _, asker := range askers {
			if asker.Event == cause.EventID && !asker.At.After(row.LeftAt.Add(clockSlack)) {
				causes[i].Actor = asker.Actor
			}
		}
	}
	return causes[:min(len(causes), maxCauses)], nil
}

const (
	// maxCauses is how many of a leave's causes are told.
	maxCauses = 5
	// clockSlack is by how much the clocks of the processes, and the database's, may differ.
	clockSlack = 10 * time.Second
)

// summarize takes from a person's operations, the newest first, those of the leave in force: of each action in each target the
// newest that no later plan took the place of.
func (r *Termination) summarize(operations []store.Operation) {
	r.Actions = []TerminationAction{}
	type key struct{ target, action string }
	position := map[key]int{}
	var last time.Time
	for _, o := range operations {
		if o.Tier == nil || o.DeadlineAt == nil || o.Status == statusSuperseded || o.RequestedAt.Before(r.LeftAt.Add(-clockSlack)) {
			continue
		}
		if at, known := position[key{o.Target, o.Action}]; known {
			r.Actions[at].RequestedAt = o.RequestedAt // since when it was asked for
			continue
		}
		position[key{o.Target, o.Action}] = len(r.Actions)
		a := TerminationAction{Target: o.Target, Action: o.Action, Tier: *o.Tier, Status: o.Status, DeadlineAt: *o.DeadlineAt, RequestedAt: o.RequestedAt,
			StartedAt: o.StartedAt, DoneAt: o.DoneAt, VerifiedAt: o.VerifiedAt, ConfirmedAt: o.ConfirmedAt, Attempts: o.Attempts, Evidence: o.Evidence}
		if !a.Closed() {
			a.Why = strings.Trim(o.ErrorCode+": "+o.ErrorDetail, ": ")
			r.Open++
		}
		ended := r.MadeAt
		if a.VerifiedAt != nil {
			ended = *a.VerifiedAt
			if ended.After(last) {
				last = ended
			}
		}
		a.Late = a.Status != statusUnsupported && ended.After(a.DeadlineAt)
		if a.Late {
			r.Late++
		}
		r.Actions = append(r.Actions, a)
	}
	if r.Open == 0 && !last.IsZero() {
		r.DoneAt = &last
	}
	slices.SortStableFunc(r.Actions, func(a, b TerminationAction) int {
		return cmp.Or(cmp.Compare(a.Tier, b.Tier), cmp.Compare(a.Target, b.Target), a.DeadlineAt.Compare(b.DeadlineAt), cmp.Compare(a.Action, b.Action))
	})
}
