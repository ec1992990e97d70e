package lifecycle

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
)

// Caller is who asks, as the record will say.
type Caller struct {
	Actor     string // "token:<id>", "cli:<user>", "run:<id>"
	RequestID string
}

// Receipt answers an accepted event.
type Receipt struct {
	EventID  string
	Identity uuid.UUID // zero while a case decides who it is
	Effect   identity.Effect
}

// Accept takes an event of a source: in one transaction it joins the person's timeline, changes the identity, leaves a
// poke in the outbox and an entry in the record. An event that came before is answered as it was then.
func (s *Service) Accept(ctx context.Context, org string, caller Caller, event identity.Event) (Receipt, error) {
	var receipt Receipt
	var poked bool
	inOrg := s.store.InOrg
	if mayEnd(event, s.now()) {
		inOrg = s.store.InOrgUrgent
	}
	err := inOrg(ctx, org, func(tx *store.Tx) error {
		tx.Request = caller.RequestID
		a := acceptance{Service: s, tx: tx, caller: caller, entry: identity.Entry{Event: event, ReceivedAt: s.now()}}
		if err := a.run(ctx); err != nil {
			return err
		}
		receipt, poked = a.receipt, a.poked
		return nil
	})
	if err == nil && poked {
		s.woken()
	}
	return receipt, err
}

// mayEnd reports whether an event may end somebody's employment now. A contract's end in months, which each contractor's
// joining tells, is not urgent.
func mayEnd(event identity.Event, now time.Time) bool {
	_, immediate := event.Patch["immediate"]
	tomorrow := now.AddDate(0, 0, 1).Format(time.DateOnly) // wherever the person works
	ends := func(field string) bool {
		day := event.Patch.Text(field)
		return day != "" && day <= tomorrow
	}
	return event.Type == identity.WorkerLeft || event.Type == identity.WorkerRescinded || immediate || ends("lastDay") || ends("endDate")
}

// acceptance is one event on its way into the rows.
type acceptance struct {
	*Service
	tx     *store.Tx
	caller Caller
	entry  identity.Entry

	policy  *policy.Policy
	source  string // the configured source
	receipt Receipt
	poked   bool
}

func (a *acceptance) run(ctx context.Context) error {
	org, err := a.tx.Organization(ctx)
	if err != nil {
		return err
	}
	if a.policy, err = a.policyIn(ctx, a.tx, org.PolicyVersion); err != nil {
		return err
	}
	rule, ok := a.policy.SourceFor(a.entry.Source)
	if !ok {
		return identity.InvalidField("source", "the policy of %q has no source that matches %q: name it under sources", a.tx.Org, a.entry.Source)
	}
	a.source = rule.Name
	a.receipt = Receipt{EventID: a.entry.ID, Effect: identity.EffectNone}
	if err := a.lock(ctx); err != nil {
		return err
	}
	earlier, err := a.tx.Receipt(ctx, a.entry.Source, a.entry.ID)
	if err != nil {
		return err
	}
	if earlier != nil {
		a.receipt.Effect = earlier.Effect
		if earlier.Identity != nil {
			a.receipt.Identity = *earlier.Identity
		}
		return nil
	}
	return a.join(ctx)
}

// lock serializes events about one person, those about persons whom a rule of correlation would take for one another, and
// an event that names a manager with that manager's own arrival.
func (a *acceptance) lock(ctx context.Context) error {
	var managers []string
	if key := a.entry.Patch.Text("managerEmployeeId"); key != "" && key != a.entry.EmployeeID {
		managers = append(managers, key)
	}
	persons := append(correlationLocks(a.policy, a.alone()), a.entry.EmployeeID)
	return a.tx.LockPersons(ctx, persons, managers)
}

// join puts the event into the timeline of the person it is about, once it is known who that is.
func (a *acceptance) join(ctx context.Context) error {
	id, known, own, err := a.tx.Person(ctx, a.source, a.entry.EmployeeID)
	if err != nil {
		return err
	}
	if identity.AmbiguousRelationship(plain(own), a.entry.Event) {
		return identity.InvalidField("data.relationshipId", "employee has several work relationships in source %q: say which one is meant", a.source)
	}
	fresh := false
	if !known {
		if id, fresh, err = a.correlate(ctx); err != nil {
			return err
		}
	}
	if id == nil { // a case is open: the facts wait with it
		if err := a.tx.InsertRecord(ctx, a.source, a.entry, store.Receipt{Effect: identity.EffectNone}); err != nil {
			return err
		}
		return a.audit(ctx, nil)
	}
	if err := a.change(ctx, *id, fresh); err != nil {
		return err
	}
	a.receipt.Identity = *id
	if err := a.tx.InsertRecord(ctx, a.source, a.entry, store.Receipt{Identity: id, Effect: a.receipt.Effect}); err != nil {
		return err
	}
	return a.audit(ctx, id)
}

func (a *acceptance) audit(ctx context.Context, id *uuid.UUID) error {
	entry := store.AuditEntry{Actor: a.caller.Actor, RequestID: a.caller.RequestID, Action: "event.accepted", ObjectType: "event",
		ObjectID: a.entry.ID, Detail: map[string]any{"type": a.entry.Type, "source": a.entry.Source, "effect": a.receipt.Effect,
			"fields": a.entry.Patch.Fields()}}
	if id != nil {
		entry.Identity = *id
	}
	return a.tx.Audit(ctx, entry)
}

// change computes what the identity becomes with the new entry, and writes it. Of a fresh one there is nothing to read.
func (a *acceptance) change(ctx context.Context, id uuid.UUID, fresh bool) error {
	row, entries := store.Identity{ID: id}, []store.SourcedEntry(nil)
	if !fresh {
		var err error
		if row, entries, err = a.tx.IdentityAndEntriesForUpdate(ctx, id); err != nil {
			return err
		}
	}
	now := a.entry.ReceivedAt
	before := newTimeline(entries, a.policy)
	after := newTimeline(append(entries, store.SourcedEntry{Source: a.source, Entry: a.entry}), a.policy)
	var was *identity.Situation
	// What was rescinded before it came says nothing of a person.
	if slices.ContainsFunc(entries, func(e store.SourcedEntry) bool { return e.Type != identity.WorkerRescinded }) {
		situation := before.at(now)
		was = &situation
	}
	is := after.at(now)
	moved := !identity.SameOutlook(identity.Outlook(now, before.at), identity.Outlook(now, after.at))
	a.receipt.Effect = identity.Derive(was, is, moved)
	if !fresh && a.receipt.Effect == identity.EffectNone {
		return nil
	}
	return a.write(ctx, row, is, fresh)
}

// write stores the changed identity and pokes whoever is concerned.
func (a *acceptance) write(ctx context.Context, row store.Identity, is identity.Situation, fresh bool) error {
	if fresh { // what reads comes first, so that the writes travel together
		if err := a.adoptReports(ctx, a.tx, a.policy, a.entry.EmployeeID, row.ID); err != nil {
			return err
		}
		if is.Attributes.ManagerEmployeeID == a.entry.EmployeeID { // whom nobody finds before the link is saved
			row.ManagerKey, row.ManagerID = a.entry.EmployeeID, &row.ID
		}
	}
	var err error
	if a.poked, err = a.saveSituation(ctx, a.tx, a.policy, row, is, a.entry.ReceivedAt); err != nil || !fresh {
		return err
	}
	return a.tx.SaveLink(ctx, a.source, a.entry.EmployeeID, &row.ID)
}

// saveSituation writes what the sources now say of an identity under a new version, fences a leave, and pokes it. Those
// whose accounts show something of their manager are poked with him.
func (s *Service) saveSituation(ctx context.Context, tx *store.Tx, p *policy.Policy, row store.Identity, is identity.Situation, now time.Time) (bool, error) {
	changed := !identity.SameAttributes(row.Attributes, is.Attributes)
	if err := s.assign(ctx, tx, &row, is, now); err != nil {
		return false, err
	}
	save := tx.SaveIdentity
	if row.Version == 0 {
		save = tx.InsertIdentity
	}
	row.Version++
	if err := save(ctx, row); err != nil {
		return false, err
	}
	class := identity.ClassChange
	if row.State.Gone() {
		class = identity.ClassLeave
		if err := tx.Fence(ctx, row.ID); err != nil {
			return false, err
		}
	}
	if err := tx.Enqueue(ctx, row.ID, row.Version, class, nil); err != nil {
		return false, err
	}
	if changed && row.Version > 1 && p.RefersToManager() {
		reports, err := tx.Reports(ctx, row.ID)
		if err != nil {
			return false, err
		}
		if len(reports) > 0 {
			return true, tx.RaiseVersions(ctx, reports, identity.ClassReconcile)
		}
	}
	return true, nil
}

// assign copies a situation into an identity's row and resolves the manager.
func (s *Service) assign(ctx context.Context, tx *store.Tx, row *store.Identity, is identity.Situation, now time.Time) error {
	switch {
	case !is.State.Gone():
		row.LeftAt = nil
	case row.LeftAt == nil:
		// The tiers' anchor is the first moment we knew: a backdated leave cannot have met its deadlines before.
		row.LeftAt = &now
	}
	row.AsOf = now
	row.State, row.Attributes, row.Immediate, row.Reason = is.State, is.Attributes, is.Immediate, is.Reason
	row.StartsAt, row.EndsAt = optional(is.StartsAt), optional(is.EndsAt)
	if row.ManagerKey != is.Attributes.ManagerEmployeeID || row.ManagerID == nil {
		row.ManagerKey, row.ManagerID = is.Attributes.ManagerEmployeeID, nil
		if row.ManagerKey != "" {
			var err error
			if row.ManagerID, err = tx.ResolveManager(ctx, row.ManagerKey); err != nil {
				return err
			}
		}
	}
	return nil
}

// adoptReports gives those who named this person as their manager before the arrival what follows from it.
func (s *Service) adoptReports(ctx context.Context, tx *store.Tx, p *policy.Policy, employeeID string, id uuid.UUID) error {
	reports, err := tx.AdoptReports(ctx, employeeID, id)
	if err != nil || len(reports) == 0 || !p.RefersToManager() {
		return err
	}
	return tx.RaiseVersions(ctx, reports, identity.ClassReconcile)
}

// timeline computes an identity's situation from all its sources' entries, and from what was decided here.
type timeline struct {
	bySource  map[string][]identity.Entry
	decisions []identity.Entry
	policy    *policy.Policy
}

func newTimeline(entries []store.SourcedEntry, p *policy.Policy) timeline {
	t := timeline{bySource: map[string][]identity.Entry{}, policy: p}
	for _, e := range entries {
		// By the type, which no feed can send: a policy without sources takes facts from one of any name.
		if e.Type == identity.IdentityKilled || e.Type == identity.IdentityReinstated {
			t.decisions = append(t.decisions, e.Entry)
			continue
		}
		t.bySource[e.Source] = append(t.bySource[e.Source], e.Entry)
	}
	return t
}

func (t timeline) at(moment time.Time) identity.Situation {
	records := t.records(moment)
	is := identity.Combine(records, t.policy.Precedence())
	if kill, killed := identity.KillInForce(t.decisions, records, moment); killed {
		return identity.Override(is, kill)
	}
	return is
}

func (t timeline) records(moment time.Time) []identity.Record {
	records := make([]identity.Record, 0, len(t.bySource))
	for source, entries := range t.bySource {
		records = append(records, identity.Fold(source, entries, moment, t.policy.Zone()))
	}
	return records
}

func plain(entries []store.SourcedEntry) []identity.Entry {
	out := make([]identity.Entry, len(entries))
	for i, e := range entries {
		out[i] = e.Entry
	}
	return out
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
