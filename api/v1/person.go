package v1

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

// IdentitySummary is a person in a listing.
type IdentitySummary struct {
	ID          uuid.UUID      `json:"id" format:"uuid"`
	State       identity.State `json:"state" enum:"staged,active,suspended,leaving,left"`
	Settled     bool           `json:"settled" doc:"nothing is left to do now"`
	EmployeeID  string         `json:"employeeId,omitempty"`
	UserName    string         `json:"userName,omitempty" doc:"as allocated"`
	Mail        string         `json:"mail,omitempty" doc:"as allocated"`
	DisplayName string         `json:"displayName,omitempty"`
	Department  string         `json:"department,omitempty"`
	Title       string         `json:"title,omitempty"`
	WorkerType  string         `json:"workerType,omitempty"`
	ManagerID   *uuid.UUID     `json:"managerId,omitempty" format:"uuid"`
	StartsAt    *time.Time     `json:"startsAt,omitempty"`
	EndsAt      *time.Time     `json:"endsAt,omitempty" doc:"the end of the last day"`
	LeftAt      *time.Time     `json:"leftAt,omitempty" doc:"when the leave in force took effect"`
}

// IdentityDetail is everything about a person.
type IdentityDetail struct {
	IdentitySummary
	WorkflowID string              `json:"workflowId"`
	Version    int64               `json:"version"`
	NextDueAt  *time.Time          `json:"nextDueAt,omitempty" doc:"when something scheduled changes"`
	Immediate  bool                `json:"immediate" doc:"the leave in force was asked for at once"`
	Reason     string              `json:"reason,omitempty" doc:"what the source gave for the leave"`
	Attributes identity.Attributes `json:"attributes"`
	Accounts   []Account           `json:"accounts" nullable:"false"`
	Grants     []Grant             `json:"grants" nullable:"false" doc:"of all accounts"`
	Operations []store.Operation   `json:"operations" nullable:"false" doc:"the newest first, at most 1,000"`
	Timeline   []TimelineEntry     `json:"timeline" nullable:"false" doc:"what the sources said, in the order observed"`
}

// Account is a person's account in a target.
type Account struct {
	ID           uuid.UUID             `json:"id" format:"uuid"`
	Target       string                `json:"target"`
	NativeID     string                `json:"nativeId,omitempty" doc:"the target's own id of it"`
	State        identity.AccountState `json:"state" enum:"pending,active,disabled,archived,deleted"`
	Outcome      string                `json:"outcome,omitempty" enum:"applied,failed,blocked,held"`
	Reasons      json.RawMessage       `json:"reasons" doc:"why policy gives it; empty when it does no longer"`
	Policy       int64                 `json:"policy" doc:"the policy's version that gave it"`
	VerifiedAt   *time.Time            `json:"verifiedAt,omitempty" doc:"when it was first read back"`
	ConfirmedAt  *time.Time            `json:"confirmedAt,omitempty" doc:"when it was read back once more, with nothing in flight"`
	BlockedSince *time.Time            `json:"blockedSince,omitempty"`
	Grants       []Grant               `json:"grants" nullable:"false"`
}

// Grant is an entitlement that an account holds, will hold or held.
type Grant struct {
	Target     string          `json:"target"`
	Kind       string          `json:"kind"`
	Name       string          `json:"name"`
	State      string          `json:"state" enum:"pending,active,revoked"`
	Reasons    json.RawMessage `json:"reasons" doc:"why it was given"`
	Policy     int64           `json:"policy"`
	GrantedAt  *time.Time      `json:"grantedAt,omitempty"`
	RevokedAt  *time.Time      `json:"revokedAt,omitempty"`
	VerifiedAt *time.Time      `json:"verifiedAt,omitempty"`
}

// TimelineEntry is one event of a source.
type TimelineEntry struct {
	EventID        string             `json:"eventId"`
	Source         string             `json:"source" doc:"as the policy calls it"`
	Origin         string             `json:"origin" doc:"the CloudEvents source"`
	Type           identity.EventType `json:"type"`
	EmployeeID     string             `json:"employeeId"`
	RelationshipID string             `json:"relationshipId,omitempty"`
	Sequence       string             `json:"sequence,omitempty"`
	Effective      string             `json:"effective,omitempty" doc:"a date or an instant; absent: the time observed"`
	ObservedAt     time.Time          `json:"observedAt"`
	ReceivedAt     time.Time          `json:"receivedAt"`
	Rescinds       string             `json:"rescinds,omitempty" doc:"the event that it takes back"`
	Fields         []string           `json:"fields" nullable:"false" doc:"what it speaks of"`
	Effect         identity.Effect    `json:"effect" doc:"what it changed when it came"`
}

func summarize(v store.View) IdentitySummary {
	return IdentitySummary{ID: v.ID, State: v.Live, Settled: v.Settled, EmployeeID: v.Attributes.EmployeeID, UserName: v.UserName, Mail: v.Mail,
		DisplayName: v.Attributes.DisplayName, Department: v.Attributes.Department, Title: v.Attributes.Title, WorkerType: v.Attributes.WorkerType,
		ManagerID: v.ManagerID, StartsAt: v.StartsAt, EndsAt: v.EndsAt, LeftAt: v.LeftAt}
}

func describe(org string, v store.View, accounts []store.Account, grants []store.Grant, entries []store.SourcedEntry) IdentityDetail {
	d := IdentityDetail{IdentitySummary: summarize(v), WorkflowID: workflows.IdentityWorkflowID(org, v.ID.String()), Version: v.Version,
		NextDueAt: v.NextDueAt, Immediate: v.Immediate, Reason: v.Reason, Attributes: v.Attributes,
		Accounts: []Account{}, Grants: []Grant{}, Timeline: []TimelineEntry{}}
	for _, a := range accounts {
		account := Account{ID: a.ID, Target: a.Target, NativeID: a.NativeID, State: a.State, Outcome: a.Outcome, Reasons: a.Reasons, Policy: a.Policy,
			VerifiedAt: a.VerifiedAt, ConfirmedAt: a.ConfirmedAt, BlockedSince: a.BlockedSince, Grants: []Grant{}}
		for _, g := range grants {
			if g.Account == a.ID {
				account.Grants = append(account.Grants, Grant{Target: a.Target, Kind: g.Kind, Name: g.Name, State: g.State, Reasons: g.Reasons,
					Policy: g.Policy, GrantedAt: g.GrantedAt, RevokedAt: g.RevokedAt, VerifiedAt: g.VerifiedAt})
			}
		}
		d.Accounts = append(d.Accounts, account)
		d.Grants = append(d.Grants, account.Grants...)
	}
	slices.SortFunc(entries, func(a, b store.SourcedEntry) int {
		return cmp.Or(a.Time.Compare(b.Time), a.ReceivedAt.Compare(b.ReceivedAt), cmp.Compare(a.ID, b.ID))
	})
	for _, e := range entries {
		d.Timeline = append(d.Timeline, timelineEntry(e))
	}
	return d
}

func timelineEntry(e store.SourcedEntry) TimelineEntry {
	fields := e.Patch.Fields()
	if fields == nil {
		fields = []string{}
	}
	return TimelineEntry{EventID: e.ID, Source: e.Source, Origin: e.Entry.Source, Type: e.Type, EmployeeID: e.EmployeeID,
		RelationshipID: e.RelationshipID, Sequence: e.Sequence, Effective: e.Effective.String(), ObservedAt: e.Time, ReceivedAt: e.ReceivedAt,
		Rescinds: e.Rescinds, Fields: fields, Effect: e.Effect}
}
