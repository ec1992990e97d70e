package lifecycle

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
)

// Explanation says why a person has what they have: behind each account and grant the rule and the version of the
// policy, who applied it, the events that changed the person, and the proof of each operation.
type Explanation struct {
	Identity   uuid.UUID          `json:"identityId"`
	UserName   string             `json:"userName,omitempty"`
	State      identity.State     `json:"state"`
	Settled    bool               `json:"settled"`
	HeldSince  *time.Time         `json:"heldSince,omitempty" doc:"set while a recovery holds every grant and enablement"`
	Events     []ExplainedEvent   `json:"events" doc:"the events that changed the person, the newest first, at most 10"`
	Accounts   []ExplainedAccount `json:"accounts"`
	Operations []store.Operation  `json:"operations" doc:"of the plan itself, when it failed"`
}

// ExplainedEvent is an event that changed the person.
type ExplainedEvent struct {
	EventID    string             `json:"eventId"`
	Source     string             `json:"source"`
	Type       identity.EventType `json:"type"`
	Effect     identity.Effect    `json:"effect"`
	Fields     []string           `json:"fields"`
	Effective  string             `json:"effective,omitempty"`
	ReceivedAt time.Time          `json:"receivedAt"`
}

// AppliedPolicy is the version of the policy that gave something.
type AppliedPolicy struct {
	Version   int64      `json:"version"`
	Hash      string     `json:"hash,omitempty"`
	AppliedAt *time.Time `json:"appliedAt,omitempty"`
	AppliedBy string     `json:"appliedBy,omitempty"`
}

// ExplainedAccount is an account with the reasons for it.
type ExplainedAccount struct {
	ID           uuid.UUID             `json:"id"`
	Target       string                `json:"target"`
	NativeID     string                `json:"nativeId,omitempty"`
	State        identity.AccountState `json:"state"`
	Outcome      string                `json:"outcome,omitempty" enum:"applied,failed,blocked,held"`
	BlockedSince *time.Time            `json:"blockedSince,omitempty"`
	VerifiedAt   *time.Time            `json:"verifiedAt,omitempty"`
	ConfirmedAt  *time.Time            `json:"confirmedAt,omitempty"`
	Reasons      []policy.Reason       `json:"reasons" doc:"empty when policy gives the account no longer"`
	Policy       AppliedPolicy         `json:"policy"`
	Grants       []ExplainedGrant      `json:"grants"`
	Operations   []store.Operation     `json:"operations" doc:"the newest first"`
}

// ExplainedGrant is an entitlement that an account holds, will hold or held, with the reasons for it.
type ExplainedGrant struct {
	Kind       string          `json:"kind"`
	Name       string          `json:"name"`
	State      string          `json:"state" enum:"pending,active,revoked"`
	Reasons    []policy.Reason `json:"reasons" doc:"why it was given"`
	Policy     AppliedPolicy   `json:"policy"`
	GrantedAt  *time.Time      `json:"grantedAt,omitempty"`
	RevokedAt  *time.Time      `json:"revokedAt,omitempty"`
	VerifiedAt *time.Time      `json:"verifiedAt,omitempty"`
}

// explainedEvents is how many of the events that changed a person are told.
const explainedEvents = 10

// Explain gathers the reasons behind everything that the person has, or had. reference is an identity's id, an employee
// id or a user name.
func (s *Service) Explain(ctx context.Context, org, reference string) (Explanation, error) {
	var result Explanation
	err := s.store.InOrg(ctx, org, func(tx *store.Tx) error {
		e := explaining{tx: tx}
		err := e.run(ctx, reference)
		result = e.result
		return err
	})
	return result, err
}

// explaining is one explanation in the making.
type explaining struct {
	tx       *store.Tx
	policies map[int64]store.PolicyRow
	result   Explanation
}

func (e *explaining) run(ctx context.Context, reference string) error {
	id, err := e.tx.FindIdentity(ctx, reference)
	if err != nil {
		return err
	}
	view, err := e.tx.ViewOf(ctx, id)
	if err != nil {
		return err
	}
	org, err := e.tx.Organization(ctx)
	if err != nil {
		return err
	}
	e.result = Explanation{Identity: id, UserName: view.UserName, State: view.Live, Settled: view.Settled, HeldSince: org.HeldSince,
		Operations: []store.Operation{}}
	if err := e.events(ctx, id); err != nil {
		return err
	}
	return e.accounts(ctx, id)
}

func (e *explaining) events(ctx context.Context, id uuid.UUID) error {
	entries, err := e.tx.IdentityEntries(ctx, id)
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b store.SourcedEntry) int {
		return cmp.Or(b.ReceivedAt.Compare(a.ReceivedAt), cmp.Compare(a.ID, b.ID))
	})
	e.result.Events = []ExplainedEvent{}
	for _, entry := range entries {
		if entry.Effect == identity.EffectNone || len(e.result.Events) == explainedEvents {
			continue
		}
		e.result.Events = append(e.result.Events, ExplainedEvent{EventID: entry.ID, Source: entry.Entry.Source, Type: entry.Type,
			Effect: entry.Effect, Fields: entry.Patch.Fields(), Effective: entry.Effective.String(), ReceivedAt: entry.ReceivedAt})
	}
	return nil
}

func (e *explaining) accounts(ctx context.Context, id uuid.UUID) error {
	accounts, err := e.tx.Accounts(ctx, id)
	if err != nil {
		return err
	}
	grants, err := e.tx.GrantsOf(ctx, id)
	if err != nil {
		return err
	}
	if err := e.readPolicies(ctx, accounts, grants); err != nil {
		return err
	}
	e.result.Accounts = []ExplainedAccount{}
	position := map[uuid.UUID]int{}
	for i, a := range accounts {
		explained := ExplainedAccount{ID: a.ID, Target: a.Target, NativeID: a.NativeID, State: a.State, Outcome: a.Outcome,
			BlockedSince: a.BlockedSince, VerifiedAt: a.VerifiedAt, ConfirmedAt: a.ConfirmedAt, Policy: e.applied(a.Policy),
			Grants: []ExplainedGrant{}, Operations: []store.Operation{}}
		if explained.Reasons, err = readReasons(a.Reasons); err != nil {
			return err
		}
		position[a.ID] = i
		e.result.Accounts = append(e.result.Accounts, explained)
	}
	for _, g := range grants {
		explained := ExplainedGrant{Kind: g.Kind, Name: g.Name, State: g.State, Policy: e.applied(g.Policy), GrantedAt: g.GrantedAt,
			RevokedAt: g.RevokedAt, VerifiedAt: g.VerifiedAt}
		if explained.Reasons, err = readReasons(g.Reasons); err != nil {
			return err
		}
		account := &e.result.Accounts[position[g.Account]]
		account.Grants = append(account.Grants, explained)
	}
	return e.operations(ctx, id, position)
}

func (e *explaining) operations(ctx context.Context, id uuid.UUID, position map[uuid.UUID]int) error {
	operations, err := e.tx.OperationsOf(ctx, id)
	if err != nil {
		return err
	}
	for _, o := range operations {
		if o.Account == nil {
			e.result.Operations = append(e.result.Operations, o)
			continue
		}
		account := &e.result.Accounts[position[*o.Account]]
		account.Operations = append(account.Operations, o)
	}
	return nil
}

func (e *explaining) readPolicies(ctx context.Context, accounts []store.Account, grants []store.Grant) error {
	var versions []int64
	for _, a := range accounts {
		versions = append(versions, a.Policy)
	}
	for _, g := range grants {
		versions = append(versions, g.Policy)
	}
	slices.Sort(versions)
	var err error
	e.policies, err = e.tx.PolicySummaries(ctx, slices.Compact(versions))
	return err
}

func (e *explaining) applied(version int64) AppliedPolicy {
	row, ok := e.policies[version]
	if !ok {
		return AppliedPolicy{Version: version}
	}
	return AppliedPolicy{Version: version, Hash: row.Hash, AppliedAt: &row.AppliedAt, AppliedBy: row.AppliedBy}
}

func readReasons(data json.RawMessage) ([]policy.Reason, error) {
	reasons := []policy.Reason{}
	if err := json.Unmarshal(data, &reasons); err != nil {
		return nil, fmt.Errorf("read reasons: %w", err)
	}
	return reasons, nil
}

// Text is the explanation for a person to read, as `tenure explain` prints it.
func (e Explanation) Text() string {
	var b strings.Builder
	name := e.UserName
	if name == "" {
		name = "(no user name yet)"
	}
	fmt.Fprintf(&b, "%s  %s  %s\n", name, e.Identity, e.State)
	if !e.Settled {
		b.WriteString("  work is left to do\n")
	}
	if e.HeldSince != nil {
		fmt.Fprintf(&b, "  grants and enablements are held since %s: release the recovery\n", moment(*e.HeldSince))
	}
	for _, o := range e.Operations {
		writeOperation(&b, "  ", o)
	}
	b.WriteString("\nWhat changed the person, the newest first:\n")
	for _, event := range e.Events {
		fmt.Fprintf(&b, "  %s  %s  %s (event %s of %s", moment(event.ReceivedAt), event.Type, event.Effect, event.EventID, event.Source)
		if event.Effective != "" {
			fmt.Fprintf(&b, ", effective %s", event.Effective)
		}
		fmt.Fprintf(&b, "): %s\n", strings.Join(event.Fields, ", "))
	}
	if len(e.Accounts) == 0 {
		b.WriteString("\nNo accounts: no rule of the policy gives any, or their time has not come.\n")
	}
	for _, a := range e.Accounts {
		a.write(&b)
	}
	return b.String()
}

func (a ExplainedAccount) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s: account %s", a.Target, a.State)
	if a.NativeID != "" {
		fmt.Fprintf(b, " (id %s there)", a.NativeID)
	}
	if a.VerifiedAt != nil {
		fmt.Fprintf(b, ", verified %s", moment(*a.VerifiedAt))
	}
	if a.ConfirmedAt != nil {
		fmt.Fprintf(b, ", confirmed %s", moment(*a.ConfirmedAt))
	}
	b.WriteByte('\n')
	if a.BlockedSince != nil {
		fmt.Fprintf(b, "  %s since %s\n", a.Outcome, moment(*a.BlockedSince))
	}
	writeReasons(b, a.Reasons, a.Policy, a.State == identity.AccountActive || a.State == identity.AccountPending)
	for _, g := range a.Grants {
		fmt.Fprintf(b, "  %s %q: %s", g.Kind, g.Name, g.State)
		switch {
		case g.RevokedAt != nil:
			fmt.Fprintf(b, " since %s", moment(*g.RevokedAt))
		case g.GrantedAt != nil:
			fmt.Fprintf(b, " since %s", moment(*g.GrantedAt))
		}
		b.WriteByte('\n')
		if g.State != "revoked" {
			b.WriteString("  ")
			writeReasons(b, g.Reasons, g.Policy, true)
		}
	}
	for _, o := range a.Operations {
		writeOperation(b, "  ", o)
	}
}

// writeReasons says why; given is false for what policy has taken away.
func writeReasons(b *strings.Builder, reasons []policy.Reason, applied AppliedPolicy, given bool) {
	if len(reasons) == 0 {
		if given {
			b.WriteString("  because nothing gives it any longer, it is being taken away\n")
		} else {
			b.WriteString("  nothing gives it any longer\n")
		}
		return
	}
	var because []string
	for _, r := range reasons {
		if r.Role == "" {
			because = append(because, fmt.Sprintf("rule %q", r.Rule))
		} else {
			because = append(because, fmt.Sprintf("rule %q through %s", r.Rule, r.Role))
		}
	}
	fmt.Fprintf(b, "  because of %s, policy %d", strings.Join(because, "; "), applied.Version)
	if applied.AppliedAt != nil {
		fmt.Fprintf(b, " applied %s by %s", moment(*applied.AppliedAt), applied.AppliedBy)
	}
	b.WriteByte('\n')
}

func writeOperation(b *strings.Builder, indent string, o store.Operation) {
	fmt.Fprintf(b, "%s%s %s: requested %s", indent, o.Action, o.Status, moment(o.RequestedAt))
	if o.VerifiedAt != nil {
		fmt.Fprintf(b, ", verified %s", moment(*o.VerifiedAt))
	}
	if o.DeadlineAt != nil {
		fmt.Fprintf(b, ", due %s", moment(*o.DeadlineAt))
	}
	if o.ErrorCode != "" {
		fmt.Fprintf(b, ", %s after %d attempts", o.ErrorCode, o.Attempts)
	}
	b.WriteByte('\n')
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
