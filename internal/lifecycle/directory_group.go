package lifecycle

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/scim"
	"github.com/tenurehq/tenure/internal/store"
)

// DirectoryGroupEdit is what a client's write makes of a Group.
type DirectoryGroupEdit struct {
	Resource scim.Resource
	Changed  bool                   // whether Resource differs from what is stored
	Members  []scim.MemberOperation // done in order
	Unknown  []string               // attributes that were left out, for the record
	BaseURL  string                 // of the server, which the $ref of members begins with
}

// DirectoryGroup is a Group as it stands after a SCIM client's write, without its members. Changed is false when the write
// said what was known already.
type DirectoryGroup struct {
	store.ScimGroup
	Changed bool
}

// CreateDirectoryGroup takes a Group that a SCIM client creates, with its members. Invalid when a member is neither a User nor a
// Group of the organization.
func (s *Service) CreateDirectoryGroup(ctx context.Context, org string, caller Caller,
	decode func(policy.Provisioning) (DirectoryGroupEdit, error),
) (DirectoryGroup, error) {
	var result DirectoryGroup
	err := s.directory(ctx, org, caller, false, func(d *directoryWrite) error {
		input, err := decode(d.allowed)
		if err != nil {
			return err
		}
		g := store.ScimGroup{ID: uuid.New(), Source: d.allowed.Source, Resource: scim.AppendJSON(nil, input.Resource)}
		if err := d.tx.InsertScimGroup(ctx, &g); err != nil {
			return err
		}
		moved, err := d.moveMembers(ctx, &g, input)
		if err != nil {
			return err
		}
		result = DirectoryGroup{g, true}
		if err := d.pokeMoved(ctx, []string{input.Resource.Text("displayName")}, moved); err != nil {
			return err
		}
		return d.auditGroup(ctx, "scim.group.created", &g, moved, input.Unknown)
	})
	return result, err
}

// ChangeDirectoryGroup changes a Group. edit gets what is stored, without the members, with its version for an If-Match; it
// may be called more than once. NotFound when the organization has no such Group; else as CreateDirectoryGroup.
func (s *Service) ChangeDirectoryGroup(ctx context.Context, org string, caller Caller, id uuid.UUID,
	edit func(policy.Provisioning, store.ScimGroup) (DirectoryGroupEdit, error),
) (DirectoryGroup, error) {
	var result DirectoryGroup
	var input DirectoryGroupEdit
	err := s.directory(ctx, org, caller, false, func(d *directoryWrite) error {
		g, err := d.tx.ScimGroupForUpdate(ctx, id)
		if err != nil {
			return err
		}
		if input, err = edit(d.allowed, g); err != nil {
			return err
		}
		result, err = d.changeGroup(ctx, g, input)
		return err
	})
	if !errors.Is(err, errUnchanged) {
		return result, err
	}
	if len(input.Unknown) == 0 {
		return result, nil
	}
	return result, s.directory(ctx, org, caller, false, func(d *directoryWrite) error {
		return d.auditGroup(ctx, "scim.group.unchanged", &result.ScimGroup, nil, input.Unknown)
	})
}

// changeGroup does what a client's write says. errUnchanged comes with the Group as it was.
func (d *directoryWrite) changeGroup(ctx context.Context, g store.ScimGroup, input DirectoryGroupEdit) (DirectoryGroup, error) {
	stored := g
	before, err := scim.GroupType().Load(g.Resource)
	if err != nil {
		return DirectoryGroup{}, err
	}
	if input.Changed {
		g.Resource = scim.AppendJSON(nil, input.Resource)
		if err := d.tx.UpdateScimGroup(ctx, &g); err != nil {
			return DirectoryGroup{}, err
		}
	}
	moved, err := d.moveMembers(ctx, &g, input)
	if err != nil {
		return DirectoryGroup{}, err
	}
	if !input.Changed && len(moved) == 0 {
		return DirectoryGroup{stored, false}, errUnchanged
	}
	names := []string{before.Text("displayName")}
	if name := input.Resource.Text("displayName"); input.Changed && name != names[0] {
		names = append(names, name)
		if err := d.pokeMembers(ctx, g.ID, names); err != nil {
			return DirectoryGroup{}, err
		}
	}
	if err := d.pokeMoved(ctx, names, moved); err != nil { // who went with a change of the name had it by the old one
		return DirectoryGroup{}, err
	}
	return DirectoryGroup{g, true}, d.auditGroup(ctx, "scim.group.changed", &g, moved, input.Unknown)
}

// errUnchanged undoes a write after which everything is as it was: its operations may have raised the version.
var errUnchanged = errors.New("nothing has changed")

// DeleteDirectoryGroup deletes a Group. Its members remain. check may refuse by what is stored, as an If-Match does.
func (s *Service) DeleteDirectoryGroup(ctx context.Context, org string, caller Caller, id uuid.UUID, check func(store.ScimGroup) error) error {
	return s.directory(ctx, org, caller, false, func(d *directoryWrite) error {
		g, err := d.tx.ScimGroupForUpdate(ctx, id)
		if err != nil {
			return err
		}
		if err := check(g); err != nil {
			return err
		}
		stored, err := scim.GroupType().Load(g.Resource)
		if err != nil {
			return err
		}
		members, err := d.tx.DeleteScimGroup(ctx, &g)
		if err != nil {
			return err
		}
		if err := d.pokeMoved(ctx, []string{stored.Text("displayName")}, members); err != nil {
			return err
		}
		return d.auditGroup(ctx, "scim.group.deleted", &g, members, nil)
	})
}

// moveMembers does the operations in order and answers who has come or gone by all of them together.
func (d *directoryWrite) moveMembers(ctx context.Context, g *store.ScimGroup, edit DirectoryGroupEdit) ([]uuid.UUID, error) {
	moved := map[uuid.UUID]bool{}
	for _, op := range edit.Members {
		change, err := d.moveOnce(ctx, g, op, edit.BaseURL)
		if err != nil {
			return nil, err
		}
		if len(change.Unknown) > 0 {
			return nil, unknownMembers(change.Unknown)
		}
		for _, id := range slices.Concat(change.Added, change.Removed) {
			if moved[id] { // came back, or went again
				delete(moved, id)
			} else {
				moved[id] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(moved), func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) }), nil
}

func (d *directoryWrite) moveOnce(ctx context.Context, g *store.ScimGroup, op scim.MemberOperation, baseURL string) (store.ScimMemberChange, error) {
	switch op.Op {
	case scim.AddMembers:
		ids, err := memberIDs(op.Members)
		if err != nil {
			return store.ScimMemberChange{}, err
		}
		return d.tx.AddScimMembers(ctx, g, ids)
	case scim.RemoveMembers:
		return d.tx.RemoveScimMembers(ctx, g, knownMemberIDs(op.Members))
	case scim.RemoveMatching:
		return d.tx.RemoveScimMembersWhere(ctx, g, op.Filter, baseURL)
	case scim.ReplaceMembers:
		ids, err := memberIDs(op.Members)
		if err != nil {
			return store.ScimMemberChange{}, err
		}
		return d.tx.ReplaceScimMembers(ctx, g, ids)
	default:
		return store.ScimMemberChange{}, identity.Errorf(identity.Internal, "no member operation %q", op.Op)
	}
}

// maxNamedUnknown is how many unknown members an error names.
const maxNamedUnknown = 5

func unknownMembers(ids []uuid.UUID) error {
	names := make([]string, 0, maxNamedUnknown)
	for _, id := range ids[:min(len(ids), maxNamedUnknown)] {
		names = append(names, id.String())
	}
	return identity.InvalidField("members", "%d of them are neither a User nor a Group of this organization: %s", len(ids), strings.Join(names, ", "))
}

// memberIDs reads the ids of members to be; an id that is none of ours is refused.
func memberIDs(members []scim.Member) ([]uuid.UUID, error) {
	ids := make([]uuid.UUID, len(members))
	for i, m := range members {
		id, err := uuid.Parse(m.Value)
		if err != nil || id.String() != m.Value {
			return nil, identity.InvalidField("members", "member %d of %d is not the id of a User or Group of this organization", i+1, len(members))
		}
		ids[i] = id
	}
	return ids, nil
}

// knownMemberIDs reads the ids of members that are to go; one that is none of ours is no member anyway.
func knownMemberIDs(members []scim.Member) []uuid.UUID {
	ids := make([]uuid.UUID, 0, len(members))
	for _, m := range members {
		if id, err := uuid.Parse(m.Value); err == nil && id.String() == m.Value {
			ids = append(ids, id)
		}
	}
	return ids
}

// leave follows a User who was deleted out of the Groups: whom another source still reports may have lost something by it.
func (d *directoryWrite) leave(ctx context.Context, user uuid.UUID, left []store.ScimGroup, effect identity.Effect) error {
	moved := []uuid.UUID{user}
	var names []string
	for i := range left {
		g, err := scim.GroupType().Load(left[i].Resource)
		if err != nil {
			return err
		}
		names = append(names, g.Text("displayName"))
		if err := d.auditGroup(ctx, "scim.group.changed", &left[i], moved, nil); err != nil {
			return err
		}
	}
	if effect != identity.EffectNone { // planned anew already
		return nil
	}
	return d.pokeMoved(ctx, names, moved)
}

// pokeMoved has those planned anew who came into a group or left it, when the policy asks about one of its names.
func (d *directoryWrite) pokeMoved(ctx context.Context, names []string, moved []uuid.UUID) error {
	if len(moved) == 0 || !slices.ContainsFunc(names, d.policy.Groups().Has) {
		return nil
	}
	poked, err := d.tx.PokeScimUsers(ctx, moved, identity.ClassBulk)
	d.poked = d.poked || poked
	return err
}

// pokeMembers has all members of a renamed group planned anew when the policy asks about its old name or its new one.
func (d *directoryWrite) pokeMembers(ctx context.Context, id uuid.UUID, names []string) error {
	if !slices.ContainsFunc(names, d.policy.Groups().Has) {
		return nil
	}
	poked, err := d.tx.PokeScimMembers(ctx, id, identity.ClassBulk)
	d.poked = d.poked || poked
	return err
}

func (d *directoryWrite) auditGroup(ctx context.Context, action string, g *store.ScimGroup, moved []uuid.UUID, unknown []string) error {
	detail := map[string]any{"source": g.Source, "version": g.Version, "membersChanged": len(moved)}
	if len(unknown) > 0 {
		detail["ignored"] = unknown
	}
	entry := store.AuditEntry{Actor: d.caller.Actor, RequestID: d.caller.RequestID, Action: action, ObjectType: "scim_group",
		ObjectID: g.ID.String(), Detail: detail}
	entries := []store.AuditEntry{entry}
	for ids := range slices.Chunk(moved, membersPerEntry) {
		entry.Action, entry.Detail = "scim.group.members", map[string]any{"version": g.Version, "members": ids}
		entries = append(entries, entry)
	}
	return d.tx.Audit(ctx, entries...)
}

// membersPerEntry is how many members an entry of the record names.
const membersPerEntry = 1000
