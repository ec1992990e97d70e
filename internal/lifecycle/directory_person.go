package lifecycle

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/scim"
	"github.com/tenurehq/tenure/internal/store"
)

// A SCIM client says how a person is, not what happened: its source has one entry for each User, which every write
// replaces. Active it is a joining, at the moment when the User became active; else what policy says, a leave or a leave of
// absence, at the moment when it ceased to be. Both stay what they were as long as the User's active does, so that a DELETE
// after an active: false that was a leave begins no new one.

// directoryOrigin is the origin of the entries that SCIM clients make; the event's id is the User's.
func directoryOrigin(source string) string { return "urn:tenure:scim:" + source }

// person is what a User says of the person.
type person struct {
	is       identity.EventType // what the entry says
	inactive bool               // the User is, and was not deleted
	patch    identity.Patch
}

// becomes says what a User that is active, or is not, means for the person.
func (p *person) becomes(active bool, rules policy.Provisioning) {
	p.inactive = !active
	switch {
	case active:
		p.is = identity.WorkerJoined
	case rules.Inactive == policy.InactiveSuspension:
		p.is = identity.WorkerLeaveStarted
	default:
		p.leaves(rules)
	}
}

func (p *person) leaves(rules policy.Provisioning) {
	p.is = identity.WorkerLeft
	if rules.Inactive == policy.InactiveImmediateLeave {
		p.patch["immediate"] = json.RawMessage("true")
	}
}

// isActive takes a User who does not say for active: active has no default (RFC 7643, section 4.1.1), and clients that never
// send it manage people who are there.
func isActive(r scim.Resource) bool {
	active, given := r["active"].(bool)
	return active || !given
}

// personOf reads what policy works with out of a User. Invalid when it says more than a person's attributes may hold.
func personOf(r scim.Resource, rules policy.Provisioning) (person, error) {
	enterprise := r.Extension(scim.EnterpriseSchema)
	name, _ := r["name"].(map[string]any)
	work := preferred(r["addresses"])
	manager, _ := enterprise["manager"].(map[string]any)
	p := person{patch: identity.Patch{}}
	p.becomes(isActive(r), rules)
	for field, value := range map[string]any{
		"employeeId":        enterprise["employeeNumber"],
		"givenName":         name["givenName"],
		"familyName":        name["familyName"],
		"displayName":       firstOf(r["displayName"], name["formatted"]),
		"email":             preferred(r["emails"])["value"],
		"userName":          nameOf(r),
		"workerType":        r["userType"],
		"department":        enterprise["department"],
		"title":             r["title"],
		"location":          work["locality"],
		"timeZone":          zoneOf(r["timezone"]),
		"managerEmployeeId": manager["value"],
	} {
		if err := p.text(field, value); err != nil {
			return p, err
		}
	}
	if _, given := p.patch["employeeId"]; !given {
		p.patch["employeeId"] = json.RawMessage("null") // else the User's id, the key of the entry, would pass for one
	}
	return p, p.custom(r, rules)
}

// entraDeleted is what Entra ID makes of the name of a user whom it deletes, so that another can have it: the object's id
// before it, in hexadecimal digits.
var entraDeleted = regexp.MustCompile(`^[0-9a-fA-F]{32}(.+@.+)$`)

// nameOf is the userName, and the one from before when somebody who is gone was renamed so: that is no rename of the person.
func nameOf(r scim.Resource) any {
	if before := entraDeleted.FindStringSubmatch(r.Text("userName")); before != nil && !isActive(r) {
		return before[1]
	}
	return r["userName"]
}

func firstOf(values ...any) any {
	for _, v := range values {
		if v != nil {
			return v
		}
	}
	return nil
}

// preferred is the primary one of a multi-valued attribute's values, else the one for work, else the first.
func preferred(values any) map[string]any {
	list, _ := values.([]any)
	for _, fits := range []func(map[string]any) bool{
		func(m map[string]any) bool { primary, _ := m["primary"].(bool); return primary },
		func(m map[string]any) bool { return m["type"] == "work" },
		func(map[string]any) bool { return true },
	} {
		for _, v := range list {
			if m, ok := v.(map[string]any); ok && fits(m) {
				return m
			}
		}
	}
	return nil
}

// zoneOf leaves out a zone that is none: a typing error in a directory must not keep somebody from leaving.
func zoneOf(value any) any {
	name, _ := value.(string)
	if _, err := time.LoadLocation(name); err != nil || name == "" || name == "Local" {
		return nil
	}
	return name
}

func (p *person) text(field string, value any) error {
	text, _ := value.(string)
	if text == "" {
		return nil
	}
	if len(text) > identity.MaxText {
		return identity.InvalidField(field, "has %d bytes; a person's attribute has at most %d", len(text), identity.MaxText)
	}
	raw, err := json.Marshal(text)
	p.patch[field] = raw
	return err
}

// custom gathers what the enterprise extension has beside the person's attributes, and the organization's own extensions.
func (p *person) custom(r scim.Resource, rules policy.Provisioning) error {
	custom := map[string]any{}
	enterprise := r.Extension(scim.EnterpriseSchema)
	for _, name := range []string{"costCenter", "organization", "division"} {
		if v, ok := enterprise[name]; ok {
			custom[name] = v
		}
	}
	for _, schema := range rules.Users.Extensions {
		if schema.ID != scim.EnterpriseSchema {
			maps.Copy(custom, r.Extension(schema.ID))
		}
	}
	if len(custom) == 0 {
		return nil
	}
	raw, err := json.Marshal(custom)
	if err != nil {
		return err
	}
	if len(raw) > identity.MaxCustom {
		return identity.InvalidField("schemas", "the extensions have %d bytes; a person's custom attributes have at most %d", len(raw), identity.MaxCustom)
	}
	p.patch["custom"] = raw
	return nil
}

// entry is what the person says as the one entry of its source's timeline.
func (p person) entry(source string, id uuid.UUID, at time.Time) identity.Entry {
	// Each User is a relationship of its own: who has two, by a case, is here as long as one of them is active.
	e := identity.Event{Source: directoryOrigin(source), ID: id.String(), Type: p.is, Time: at, EmployeeID: id.String(),
		RelationshipID: id.String(), Patch: p.patch}
	return identity.Entry{Event: e, ReceivedAt: at}
}

// attributes are what the person is correlated by.
func (p person) attributes(source string, id uuid.UUID, zone *time.Location) identity.Attributes {
	moment := time.Now()
	return identity.Fold(source, []identity.Entry{p.entry(source, id, moment)}, moment, zone).Situation.Attributes
}

// say puts what a User says into the timeline of the person, and does what follows from it.
//
// fresh says that the person is new, so that there is nothing to read.
func (d *directoryWrite) say(ctx context.Context, u *store.ScimUser, p person, fresh bool) (identity.Effect, error) {
	next := store.SourcedEntry{Source: u.Source, Entry: p.entry(u.Source, u.ID, d.now), Effect: identity.EffectNone}
	if u.Identity == nil { // a case is open: what is said waits with it
		return identity.EffectNone, d.tx.PutRecord(ctx, next, nil)
	}
	row, entries, err := d.identity(ctx, *u.Identity, fresh)
	if err != nil {
		return "", err
	}
	others, linked := entries, false
	if i := slices.IndexFunc(entries, func(e store.SourcedEntry) bool { return e.Entry.Source == next.Entry.Source && e.ID == next.ID }); i >= 0 {
		linked = true
		others = slices.Delete(slices.Clone(entries), i, i+1)
		if next = p.since(entries[i], next); next.Type == entries[i].Type && reflect.DeepEqual(next.Patch, entries[i].Patch) {
			return identity.EffectNone, nil
		}
	}
	var was *identity.Situation
	before, after := newTimeline(entries, d.policy), newTimeline(append(others, next), d.policy)
	if len(entries) > 0 {
		situation := before.at(d.now)
		was = &situation
	}
	is := after.at(d.now)
	moved := !identity.SameOutlook(identity.Outlook(d.now, before.at), identity.Outlook(d.now, after.at))
	next.Effect = identity.Derive(was, is, moved)
	if !linked && !fresh { // who named the User as their manager before gets the manager now; nobody knew a new id
		if err := d.adoptReports(ctx, d.tx, d.policy, u.ID.String(), row.ID); err != nil {
			return "", err
		}
	}
	if fresh || next.Effect != identity.EffectNone {
		if d.poked, err = d.saveSituation(ctx, d.tx, d.policy, row, is, d.now); err != nil {
			return "", err
		}
	}
	if !linked {
		if err := d.tx.SaveLink(ctx, u.Source, u.ID.String(), u.Identity); err != nil {
			return "", err
		}
	}
	return next.Effect, d.tx.PutRecord(ctx, next, &row.ID)
}

// since keeps, of what was said last, what holds for as long as the User's active does: since when, and what it means that the
// User is inactive, whatever policy says now.
func (p person) since(last, next store.SourcedEntry) store.SourcedEntry {
	if p.inactive && last.Type != identity.WorkerJoined {
		next.Type = last.Type
		delete(next.Patch, "immediate")
	}
	if immediate, ok := last.Patch["immediate"]; ok && next.Type == identity.WorkerLeft {
		next.Patch["immediate"] = immediate
	}
	if last.Type == next.Type {
		next.Time, next.ReceivedAt = last.Time, last.ReceivedAt
	}
	return next
}

// identity locks an identity and reads what all sources say of it.
func (d *directoryWrite) identity(ctx context.Context, id uuid.UUID, fresh bool) (store.Identity, []store.SourcedEntry, error) {
	if fresh {
		return store.Identity{ID: id}, nil, nil
	}
	return d.tx.IdentityAndEntriesForUpdate(ctx, id)
}
