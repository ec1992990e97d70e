package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

// MaxReason is how long the reason of a decision may be, in characters.
const MaxReason = 1000

// Killed answers a kill, or its lifting.
type Killed struct {
	Identity uuid.UUID
	Effect   identity.Effect
	// At is the moment of the decision in force: that of the first kill, when it is asked for again.
	At time.Time
}

// Kill ends everything that a person has, at once, whatever the sources say of them, and keeps it so until Reinstate, or a
// worker.rehired that comes later. The reference is an identity's id, or an employee id or user name that one person has. A
// person who is killed already is not killed twice: the answer is the first one's, with no effect. The errors are Invalid
// without a reason, NotFound for an unknown person, and Conflict for a reference that several people have.
func (s *Service) Kill(ctx context.Context, org string, caller Caller, reference, reason string) (Killed, error) {
	return s.decide(ctx, org, caller, reference, identity.IdentityKilled, reason)
}

// Reinstate lifts a kill: what the sources say of the person counts again. It has no effect on somebody who is not killed.
// The errors are Kill's.
func (s *Service) Reinstate(ctx context.Context, org string, caller Caller, reference, reason string) (Killed, error) {
	return s.decide(ctx, org, caller, reference, identity.IdentityReinstated, reason)
}

func (s *Service) decide(ctx context.Context, org string, caller Caller, reference string, what identity.EventType, reason string) (Killed, error) {
	reason = strings.TrimSpace(reason)
	switch {
	case reason == "":
		return Killed{}, identity.InvalidField("reason", "must say why: it is kept with the decision")
	case !utf8.ValidString(reason) || strings.ContainsRune(reason, 0):
		return Killed{}, identity.InvalidField("reason", "must be text in UTF-8 without NUL")
	case utf8.RuneCountInString(reason) > MaxReason:
		return Killed{}, identity.InvalidField("reason", "has more than %d characters", MaxReason)
	}
	d := decision{Service: s, caller: caller, what: what, reason: reason}
	err := s.store.InOrgUrgent(ctx, org, func(tx *store.Tx) (err error) {
		tx.Request = caller.RequestID
		d.tx, d.poked = tx, false
		if d.id, err = tx.FindIdentity(ctx, reference); err != nil {
			return err
		}
		return d.run(ctx)
	})
	if err == nil && d.poked {
		s.woken()
	}
	return d.answer, err
}

// decision is one decision on its way into the rows.
type decision struct {
	*Service
	tx     *store.Tx
	caller Caller
	id     uuid.UUID
	what   identity.EventType
	reason string
	answer Killed
	poked  bool
}

func (d *decision) run(ctx context.Context) error {
	org, err := d.tx.Organization(ctx)
	if err != nil {
		return err
	}
	p, err := d.policyIn(ctx, d.tx, org.PolicyVersion)
	if err != nil {
		return err
	}
	row, entries, err := d.tx.IdentityAndEntriesForUpdate(ctx, d.id)
	if err != nil {
		return err
	}
	now := d.now()
	before := newTimeline(entries, p)
	now = before.decidedBy(now)
	kill, killed := identity.KillInForce(before.decisions, before.records(now), now)
	d.answer = Killed{Identity: d.id, Effect: identity.EffectNone, At: kill.Time.UTC()}
	if killed == (d.what == identity.IdentityKilled) {
		return nil // as it is already
	}
	said, err := json.Marshal(d.reason)
	if err != nil {
		return fmt.Errorf("write reason: %w", err)
	}
	event := identity.Event{Source: identity.DecisionSource, ID: uuid.NewString(), Type: d.what, Time: now, EmployeeID: d.id.String(),
		Patch: identity.Patch{"reason": said}}
	next := store.SourcedEntry{Source: identity.DecisionSource, Entry: identity.Entry{Event: event, ReceivedAt: now}}
	was, is := before.at(now), newTimeline(append(entries, next), p).at(now)
	d.answer = Killed{Identity: d.id, Effect: identity.Derive(&was, is, false), At: now}
	if d.poked, err = d.saveSituation(ctx, d.tx, p, row, is, now); err != nil {
		return err
	}
	if err := d.tx.SaveLink(ctx, identity.DecisionSource, d.id.String(), &d.id); err != nil {
		return err
	}
	if err := d.tx.InsertRecord(ctx, identity.DecisionSource, next.Entry, store.Receipt{Identity: &d.id, Effect: d.answer.Effect}); err != nil {
		return err
	}
	return d.tx.Audit(ctx, store.AuditEntry{Actor: d.caller.Actor, RequestID: d.caller.RequestID, Action: string(d.what), ObjectType: "identity",
		ObjectID: d.id.String(), Identity: d.id, Detail: map[string]any{"was": was.State, "effect": d.answer.Effect, "event": event.ID}})
}

// decidedBy is the moment of a decision that comes now: later than every one before, whatever the clock says, for the last
// one counts.
func (t timeline) decidedBy(now time.Time) time.Time {
	now = now.UTC().Truncate(identity.Resolution)
	for _, decision := range t.decisions {
		if !now.After(decision.Time) {
			now = decision.Time.Add(identity.Resolution)
		}
	}
	return now
}
