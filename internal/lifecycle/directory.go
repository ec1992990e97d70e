package lifecycle

import (
	"context"
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/scim"
	"github.com/tenurehq/tenure/internal/store"
)

// DirectoryUser is a User as it stands after a SCIM client's write, and what the write meant for the person.
type DirectoryUser struct {
	*store.ScimUser
	Effect identity.Effect
	// Changed is false when the write said what was known already; then nothing was written but what was left out of it, to the
	// record.
	Changed bool
}

// DirectoryUserEdit is what a client's write makes of a User.
type DirectoryUserEdit struct {
	Resource scim.Resource
	Changed  bool
	Unknown  []string // attributes that were left out, for the record
}

// directoryWrite is one write of a SCIM client in its transaction: the resource, what it says of the person, the poke and
// the record stand and fall together.
type directoryWrite struct {
	*Service
	tx      *store.Tx
	caller  Caller
	now     time.Time
	policy  *policy.Policy
	allowed policy.Provisioning
	poked   bool
}

// errNotProvisioned: the mode decides who may bring people into being, and change them.
func errNotProvisioned(mode policy.Mode) error {
	return identity.Errorf(identity.Forbidden, "the organization's provisioning mode is %q: SCIM writes are accepted in mode %q", mode, policy.ModeSCIM)
}

// directory runs a SCIM client's write. urgent says that it may end somebody's employment.
func (s *Service) directory(ctx context.Context, org string, caller Caller, urgent bool, write func(d *directoryWrite) error) error {
	inOrg := s.store.InOrg
	if urgent {
		inOrg = s.store.InOrgUrgent
	}
	var poked bool
	err := inOrg(ctx, org, func(tx *store.Tx) error {
		tx.Request = caller.RequestID
		o, err := tx.Organization(ctx)
		if err != nil {
			return err
		}
		p, err := s.policyIn(ctx, tx, o.PolicyVersion)
		if err != nil {
			return err
		}
		d := &directoryWrite{Service: s, tx: tx, caller: caller, now: s.now(), policy: p, allowed: p.Provisioning()}
		if d.allowed.Mode != policy.ModeSCIM {
			return errNotProvisioned(d.allowed.Mode)
		}
		if err := write(d); err != nil {
			return err
		}
		poked = d.poked
		return nil
	})
	if err == nil && poked {
		s.woken()
	}
	return err
}

// DirectoryRules are the organization's rules for SCIM, for reading.
func (s *Service) DirectoryRules(ctx context.Context, org string) (policy.Provisioning, error) {
	p, _, err := s.PolicyInForce(ctx, org)
	if err != nil {
		return policy.Provisioning{}, err
	}
	return p.Provisioning(), nil
}

// CreateDirectoryUser takes a User that a SCIM client creates. decode reads it by the organization's schemas; it may be
// called more than once. Somebody who has left and comes back, by the externalId or by the policy's correlation, keeps the
// id. Conflict, with the attribute in Field, when the userName belongs to somebody else.
func (s *Service) CreateDirectoryUser(ctx context.Context, org string, caller Caller,
	decode func(policy.Provisioning) (DirectoryUserEdit, error),
) (DirectoryUser, error) {
	var result DirectoryUser
	err := s.directory(ctx, org, caller, false, func(d *directoryWrite) error {
		input, err := decode(d.allowed)
		if err != nil {
			return err
		}
		result, err = d.create(ctx, input)
		return err
	})
	return result, err
}

func (d *directoryWrite) create(ctx context.Context, input DirectoryUserEdit) (DirectoryUser, error) {
	input.Resource = saidActive(input.Resource)
	person, err := personOf(input.Resource, d.allowed)
	if err != nil {
		return DirectoryUser{}, err
	}
	u := store.ScimUser{ID: uuid.New(), Source: d.allowed.Source, Resource: scim.AppendJSON(nil, input.Resource)}
	found, known, err := d.whoIs(ctx, input.Resource, person.attributes(u.Source, u.ID, d.policy.Zone()))
	switch {
	case err != nil:
		return DirectoryUser{}, err
	case known != nil:
		return d.revive(ctx, *known, input)
	case found.linked != nil:
		u.ID, u.Identity = *found.linked, found.linked
	case !found.unclear():
		u.Identity = &u.ID
	}
	return d.insert(ctx, &u, person, found, input)
}

// saidActive makes active true where a create does not speak of it, so that filters find what isActive takes for granted.
func saidActive(r scim.Resource) scim.Resource {
	if _, given := r["active"]; given {
		return r
	}
	r = maps.Clone(r) // it may be read again
	r["active"] = true
	return r
}

// insert writes a User who was not here before, with the link to the person, or the case about who that is.
func (d *directoryWrite) insert(ctx context.Context, u *store.ScimUser, person person, found match, input DirectoryUserEdit) (DirectoryUser, error) {
	if u.Identity == nil {
		if err := d.tx.SaveLink(ctx, u.Source, u.ID.String(), nil); err != nil {
			return DirectoryUser{}, err
		}
		question := store.Case{Source: u.Source, EmployeeID: u.ID.String(), Candidates: found.candidates, Rule: found.rule, OpenedAt: d.now}
		if err := d.openCase(ctx, d.tx, d.caller, question); err != nil {
			return DirectoryUser{}, err
		}
	}
	fresh := found.linked == nil && !found.unclear()
	effect, err := d.say(ctx, u, person, fresh) // which makes the identity that the row refers to
	if err != nil {
		return DirectoryUser{}, err
	}
	if err := d.tx.InsertScimUser(ctx, u); err != nil {
		return DirectoryUser{}, err
	}
	return DirectoryUser{u, effect, true}, d.auditUser(ctx, "scim.user.created", u, effect, input)
}

// revive gives somebody who was here before the new resource and the old id.
func (d *directoryWrite) revive(ctx context.Context, known store.ScimUser, input DirectoryUserEdit) (DirectoryUser, error) {
	u, err := d.tx.ScimUserForUpdate(ctx, known.ID, true)
	if err != nil {
		return DirectoryUser{}, err
	}
	if u.Version != known.Version { // somebody was faster
		return DirectoryUser{}, taken("userName")
	}
	u.DeletedAt = nil
	return d.save(ctx, u, input, "scim.user.created")
}

// ChangeDirectoryUser changes a User. edit gets what is stored, with its version for an If-Match, and answers what it should
// be; it may be called more than once. The answer has the User's groups if asked for. NotFound when the organization has no such
// User; Conflict as CreateDirectoryUser.
func (s *Service) ChangeDirectoryUser(ctx context.Context, org string, caller Caller, id uuid.UUID, withGroups bool,
	edit func(policy.Provisioning, store.ScimUser) (DirectoryUserEdit, error),
) (DirectoryUser, error) {
	var result DirectoryUser
	// Most changes end nothing, and a directory's cycle sends thousands: they must not take the connections of the leaves.
	err := s.directory(ctx, org, caller, false, func(d *directoryWrite) error {
		u, err := d.user(ctx, id, withGroups)
		if err != nil {
			return err
		}
		input, err := edit(d.allowed, u)
		if err != nil {
			return err
		}
		if !input.Changed {
			result = DirectoryUser{ScimUser: &u, Effect: identity.EffectNone}
			if len(input.Unknown) == 0 {
				return nil
			}
			return d.auditUser(ctx, "scim.user.unchanged", &u, identity.EffectNone, input)
		}
		result, err = d.save(ctx, u, input, "scim.user.changed")
		return err
	})
	return result, err
}

// user locks a User who is not deleted.
func (d *directoryWrite) user(ctx context.Context, id uuid.UUID, withGroups bool) (store.ScimUser, error) {
	u, err := d.tx.ScimUserForUpdate(ctx, id, withGroups)
	if err == nil && u.DeletedAt != nil {
		err = identity.Errorf(identity.NotFound, "the SCIM user %s was deleted", id)
	}
	return u, err
}

func (d *directoryWrite) save(ctx context.Context, u store.ScimUser, input DirectoryUserEdit, action string) (DirectoryUser, error) {
	person, err := personOf(input.Resource, d.allowed)
	if err != nil {
		return DirectoryUser{}, err
	}
	u.Resource = scim.AppendJSON(nil, input.Resource)
	if err := d.tx.UpdateScimUser(ctx, &u); err != nil {
		return DirectoryUser{}, err
	}
	effect, err := d.say(ctx, &u, person, false)
	if err != nil {
		return DirectoryUser{}, err
	}
	return DirectoryUser{&u, effect, true}, d.auditUser(ctx, action, &u, effect, input)
}

// DeleteDirectoryUser takes a User away from SCIM clients. For the person it is a leave, if there was none before; the
// record of them stays, for the tiers and for a rehire. check may refuse by what is stored, as an If-Match does.
func (s *Service) DeleteDirectoryUser(ctx context.Context, org string, caller Caller, id uuid.UUID, check func(store.ScimUser) error) error {
	return s.directory(ctx, org, caller, true, func(d *directoryWrite) error {
		u, err := d.user(ctx, id, false)
		if err != nil {
			return err
		}
		if err := check(u); err != nil {
			return err
		}
		left, err := d.tx.DeleteScimUser(ctx, &u)
		if err != nil {
			return err
		}
		stored, err := d.allowed.Users.Load(u.Resource)
		if err != nil {
			return err
		}
		person, err := personOf(stored, d.allowed)
		if err != nil {
			return err
		}
		person.inactive = false
		person.leaves(d.allowed)
		effect, err := d.say(ctx, &u, person, false)
		if err != nil {
			return err
		}
		if err := d.leave(ctx, u.ID, left, effect); err != nil {
			return err
		}
		return d.auditUser(ctx, "scim.user.deleted", &u, effect, DirectoryUserEdit{Resource: stored})
	})
}

func (d *directoryWrite) auditUser(ctx context.Context, action string, u *store.ScimUser, effect identity.Effect, input DirectoryUserEdit) error {
	detail := map[string]any{"source": u.Source, "effect": effect, "version": u.Version}
	if len(input.Unknown) > 0 {
		detail["ignored"] = input.Unknown
	}
	entry := store.AuditEntry{Actor: d.caller.Actor, RequestID: d.caller.RequestID, Action: action, ObjectType: "scim_user",
		ObjectID: u.ID.String(), Detail: detail}
	if u.Identity != nil {
		entry.Identity = *u.Identity
	}
	return d.tx.Audit(ctx, entry)
}
