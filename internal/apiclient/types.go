package apiclient

import (
	"encoding/json"
	"time"

	"github.com/tenurehq/tenure/internal/identity"
)

// PolicyFile is one policy file as it is sent.
type PolicyFile struct {
	Name string `json:"name"`
	Data string `json:"data"`
}

// PreviewRequest asks what a policy would change.
type PreviewRequest struct {
	Files []PolicyFile `json:"files"`
}

// ApplyRequest asks for a policy to be made the one in force.
type ApplyRequest struct {
	Files []PolicyFile `json:"files"`
	From  int64        `json:"from"` // the version that the preview was compared with
}

// Preview is what a policy would change.
type Preview struct {
	From      int64           `json:"from"`
	Targets   []TargetPreview `json:"targets"`
	Affected  int             `json:"affected"`
	Refused   int             `json:"refused"`
	Unchanged bool            `json:"unchanged"`
}

// TargetPreview counts people and entitlements in one target.
type TargetPreview struct {
	Target  string `json:"target"`
	Gain    int    `json:"gain"`
	Lose    int    `json:"lose"`
	Change  int    `json:"change"`
	Granted int    `json:"granted"`
	Revoked int    `json:"revoked"`
}

// Operation is one action on one account.
type Operation struct {
	ID          string     `json:"id"`
	IdentityID  string     `json:"identityId"`
	Target      string     `json:"target"`
	Action      string     `json:"action"`
	Status      string     `json:"status"`
	Tier        *int       `json:"tier"`
	DeadlineAt  *time.Time `json:"deadlineAt"`
	RequestedAt time.Time  `json:"requestedAt"`
	VerifiedAt  *time.Time `json:"verifiedAt"`
	ConfirmedAt *time.Time `json:"confirmedAt"`
	Attempts    int        `json:"attempts"`
	ErrorCode   string     `json:"errorCode"`
	ErrorDetail string     `json:"errorDetail"`
}

// Why is what went wrong, the target's own words included.
func (o Operation) Why() string {
	if o.ErrorCode != "" && o.ErrorDetail != "" {
		return o.ErrorCode + ": " + o.ErrorDetail
	}
	return o.ErrorCode + o.ErrorDetail
}

// Target is a system with its health.
type Target struct {
	Name      string     `json:"name"`
	Connector string     `json:"connector"`
	Health    string     `json:"health"`
	Since     time.Time  `json:"since"`
	Reason    string     `json:"reason"`
	ProbedAt  *time.Time `json:"probedAt"`
	Blocked   int        `json:"blocked"`
}

// Case is a person of a source who could be somebody known.
type Case struct {
	ID         string     `json:"id"`
	Source     string     `json:"source"`
	EmployeeID string     `json:"employeeId"`
	Candidates []string   `json:"candidates"`
	Rule       string     `json:"rule"`
	OpenedAt   time.Time  `json:"openedAt"`
	ResolvedAt *time.Time `json:"resolvedAt"`
	Resolution string     `json:"resolution"`
	ResolvedBy string     `json:"resolvedBy"`
}

// CaseDetail is a case with what is known of everybody it is about.
type CaseDetail struct {
	Case
	Person   identity.Attributes `json:"person"` // as the source describes its person
	Matching []Identity          `json:"matching"`
	Timeline []TimelineEntry     `json:"timeline"`
}

// Resolution answers a case.
type Resolution struct {
	Resolution string `json:"resolution"`           // link or keep_apart
	IdentityID string `json:"identityId,omitempty"` // whom to link
}

// Progress is how much lies ahead: people for whom something is left to do, and pokes not yet handed to Temporal.
type Progress struct {
	Unsettled int `json:"unsettled"`
	Outbox    int `json:"outbox"`
}

// Identity is a person in a list.
type Identity struct {
	ID          string         `json:"id"`
	State       identity.State `json:"state"`
	Settled     bool           `json:"settled"`
	EmployeeID  string         `json:"employeeId"`
	UserName    string         `json:"userName"`
	Mail        string         `json:"mail"`
	DisplayName string         `json:"displayName"`
	Department  string         `json:"department"`
	Title       string         `json:"title"`
	WorkerType  string         `json:"workerType"`
	ManagerID   string         `json:"managerId"`
	StartsAt    *time.Time     `json:"startsAt"`
	EndsAt      *time.Time     `json:"endsAt"`
	LeftAt      *time.Time     `json:"leftAt"`
}

// IdentityDetail is everything about a person.
type IdentityDetail struct {
	Identity
	WorkflowID string              `json:"workflowId"`
	NextDueAt  *time.Time          `json:"nextDueAt"`
	Reason     string              `json:"reason"`
	Attributes identity.Attributes `json:"attributes"`
	Accounts   []Account           `json:"accounts"`
	Grants     []Grant             `json:"grants"`
	Operations []Operation         `json:"operations"`
	Timeline   []TimelineEntry     `json:"timeline"`
}

// Account is a person's account in a target.
type Account struct {
	Target      string     `json:"target"`
	NativeID    string     `json:"nativeId"`
	State       string     `json:"state"`
	Outcome     string     `json:"outcome"`
	VerifiedAt  *time.Time `json:"verifiedAt"`
	ConfirmedAt *time.Time `json:"confirmedAt"`
}

// Grant is an entitlement that an account holds, will hold or held.
type Grant struct {
	Target     string     `json:"target"`
	Kind       string     `json:"kind"`
	Name       string     `json:"name"`
	State      string     `json:"state"`
	GrantedAt  *time.Time `json:"grantedAt"`
	RevokedAt  *time.Time `json:"revokedAt"`
	VerifiedAt *time.Time `json:"verifiedAt"`
}

// TimelineEntry is one event of a source.
type TimelineEntry struct {
	EventID    string    `json:"eventId"`
	Source     string    `json:"source"`
	Type       string    `json:"type"`
	Effective  string    `json:"effective"`
	ObservedAt time.Time `json:"observedAt"`
	Rescinds   string    `json:"rescinds"`
	Fields     []string  `json:"fields"`
	Effect     string    `json:"effect"`
}

// Explanation says why a person has what they have, as text for people.
type Explanation struct {
	Text string `json:"text"`
}

// Policy is the policy in force; version 0 is none.
type Policy struct {
	Version   int64           `json:"version"`
	Hash      string          `json:"hash"`
	AppliedAt *time.Time      `json:"appliedAt"`
	AppliedBy string          `json:"appliedBy"`
	Document  json.RawMessage `json:"document"`
}

// Report says how fast access came and went, and what was done in each target.
type Report struct {
	TimeToProvision   Durations      `json:"timeToProvision"`
	TimeToDeprovision Durations      `json:"timeToDeprovision"`
	Targets           []TargetCount  `json:"targets"`
	OpenOperations    map[string]int `json:"openOperations"` // by status
}

// Durations are how long something took, in seconds.
type Durations struct {
	Count int     `json:"count"` // people for whom all of it is done
	Open  int     `json:"open"`  // people for whom some of it is not
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

// TargetCount counts what was done to a target's accounts and read back.
type TargetCount struct {
	Target   string `json:"target"`
	Created  int    `json:"created"`
	Updated  int    `json:"updated"`
	Enabled  int    `json:"enabled"`
	Disabled int    `json:"disabled"`
}

// Decision asks for a kill, or for its lifting.
type Decision struct {
	Reason string `json:"reason"`
}

// Killed answers a Decision.
type Killed struct {
	IdentityID string          `json:"identityId"`
	WorkflowID string          `json:"workflowId"`
	Effect     identity.Effect `json:"effect"`
	DecidedAt  *time.Time      `json:"decidedAt"`
}

// Kills asks for the kill of everybody on a list.
type Kills struct {
	People []string `json:"people"`
	Reason string   `json:"reason"`
	Count  int      `json:"count"`
}

// KillResult answers for one person of a list.
type KillResult struct {
	Person string  `json:"person"`
	Killed *Killed `json:"killed"`
	Error  *struct {
		Detail string `json:"detail"`
	} `json:"error"`
}

// Deprovisioning says how fast access went in a period, and which deadlines were missed.
type Deprovisioning struct {
	Tiers    []Tier   `json:"tiers"`
	Breaches []Breach `json:"breaches"`
}

// Tier is a tier of a period's leaves.
type Tier struct {
	Tier              int       `json:"tier"`
	Actions           int       `json:"actions"`
	InTime            int       `json:"inTime"`
	Late              int       `json:"late"`
	Open              int       `json:"open"`
	Overdue           int       `json:"overdue"`
	TimeToDeprovision Durations `json:"timeToDeprovision"`
}

// Breach is an action of a leave that missed its deadline.
type Breach struct {
	IdentityID string     `json:"identityId"`
	Target     string     `json:"target"`
	Action     string     `json:"action"`
	Tier       int        `json:"tier"`
	DeadlineAt time.Time  `json:"deadlineAt"`
	VerifiedAt *time.Time `json:"verifiedAt"`
	Status     string     `json:"status"`
	ErrorCode  string     `json:"errorCode"`
}
