package lifecycle

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/scim"
	"github.com/tenurehq/tenure/internal/store"
)

// ruleExternalID is what a case names in the place of a rule of the policy when several Users have one externalId.
const ruleExternalID = "externalId"

// unclear says whether a person has to tell who somebody is. That there is nobody to choose from is no answer either.
func (m match) unclear() bool { return m.linked == nil && m.rule != "" }

// whoIs finds out whom a create means: the User who was here before, or else the identity, or nobody yet when only a person
// can tell.
func (d *directoryWrite) whoIs(ctx context.Context, r scim.Resource, attributes identity.Attributes) (match, *store.ScimUser, error) {
	source, externalID, userName := d.allowed.Source, r.Text("externalId"), r.Text("userName")
	if locks := directoryLocks(d.policy, source, externalID, attributes); len(locks) > 0 {
		if err := d.tx.LockPersons(ctx, locks, nil); err != nil {
			return match{}, nil, err
		}
	}
	namesakes, err := d.tx.ScimNamesakes(ctx, source, externalID, userName)
	if err != nil {
		return match{}, nil, err
	}
	before, unclear, err := d.cameBefore(namesakes, externalID, userName, isActive(r))
	if err != nil || before != nil {
		return match{}, before, err
	}
	found, err := d.match(ctx, d.tx, d.policy, source, attributes)
	if err != nil {
		return found, nil, err
	}
	if unclear != nil {
		found, err = d.sharedExternalID(ctx, unclear, found)
		return found, nil, err
	}
	if found.linked == nil {
		return found, nil, nil
	}
	before, err = d.tx.ScimUserOf(ctx, *found.linked)
	return found, before, err
}

// directoryLocks name what a create locks, all at once, so that of two creates that could mean one person the second comes
// when the first is there to be found.
func directoryLocks(p *policy.Policy, source, externalID string, attributes identity.Attributes) []string {
	locks := correlationLocks(p, attributes)
	if externalID != "" {
		locks = append(locks, "scim/externalId/"+source+"/"+externalID)
	}
	return locks
}

// namesake is a User with the externalId or the userName of one to be made.
type namesake struct {
	store.ScimUser
	stored scim.Resource
	gone   bool // deleted or inactive
}

// cameBefore finds, among the Users with the externalId or the userName of one to be made, the one who it is: somebody gone
// with both; else the only one with the externalId, who is gone; else somebody inactive with the userName if only one of the
// two has an externalId. Users with the externalId of whom none can be told to be the one are answered as unclear. It refuses
// a create of somebody who is here. The userName of a deleted User is nobody's (RFC 7644, section 3.6).
func (d *directoryWrite) cameBefore(users []store.ScimUser, externalID, userName string, active bool) (
	before *store.ScimUser, unclear []store.ScimUser, err error,
) {
	var owner *namesake // of the userName
	var holders []namesake
	for _, u := range users {
		stored, err := d.allowed.Users.Load(u.Resource)
		if err != nil {
			return nil, nil, err
		}
		n := namesake{u, stored, u.DeletedAt != nil || !isActive(stored)}
		if u.DeletedAt == nil && scim.Fold(stored.Text("userName")) == scim.Fold(userName) {
			if !n.gone || !active { // only an active User brings somebody back
				return nil, nil, taken("userName")
			}
			owner = &n
		}
		if externalID != "" && u.Source == d.allowed.Source && stored.Text("externalId") == externalID {
			holders = append(holders, n)
		}
	}
	for _, n := range holders {
		if n.gone && scim.Fold(n.stored.Text("userName")) == scim.Fold(userName) {
			return &n.ScimUser, nil, nil
		}
	}
	switch {
	case len(holders) == 1 && holders[0].gone:
		return &holders[0].ScimUser, nil, nil
	case len(holders) > 0:
		return nil, usersOf(holders), nil
	case owner == nil:
		return nil, nil, nil
	}
	if other := owner.stored.Text("externalId"); other != "" && externalID != "" && other != externalID {
		return nil, nil, nil // policy says who that is; somebody else cannot have the name
	}
	return &owner.ScimUser, nil, nil
}

// usersOf are those who are here; when nobody is, all.
func usersOf(holders []namesake) []store.ScimUser {
	var here, all []store.ScimUser
	for _, n := range holders {
		all = append(all, n.ScimUser)
		if !n.gone {
			here = append(here, n.ScimUser)
		}
	}
	if len(here) > 0 {
		return here
	}
	return all
}

// sharedExternalID makes a question of it that others have the externalId of a new User: who they are may be the person, and
// so may be whom the policy's rules found. A guess would make a second person of a rename, or one person of two.
func (d *directoryWrite) sharedExternalID(ctx context.Context, others []store.ScimUser, found match) (match, error) {
	candidates := append([]uuid.UUID{}, found.candidates...) // never nil
	if found.linked != nil {
		candidates = append(candidates, *found.linked)
	}
	var waiting []uuid.UUID
	for _, u := range others {
		if u.Identity == nil { // a case is open about them, too
			waiting = append(waiting, u.ID)
			continue
		}
		candidates = append(candidates, *u.Identity)
	}
	if len(waiting) > 0 {
		more, err := d.tx.ScimCandidates(ctx, d.allowed.Source, waiting)
		if err != nil {
			return match{}, err
		}
		candidates = append(candidates, more...)
	}
	slices.SortFunc(candidates, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return match{rule: ruleExternalID, candidates: slices.Compact(candidates)}, nil
}

func taken(attribute string) error {
	return &identity.Error{Code: identity.Conflict, Field: attribute, Message: "another user of the organization has this " + attribute}
}
