package scim

import "slices"

// MemberOp is a kind of change to a Group's members.
type MemberOp string

// The changes to members.
const (
	AddMembers     MemberOp = "add"            // Members become members; those who are one already stay it
	RemoveMembers  MemberOp = "remove"         // Members are no members any more; those who are none are nothing to do
	ReplaceMembers MemberOp = "replace"        // Members become the only members; there may be none
	RemoveMatching MemberOp = "removeMatching" // the members that Filter selects are no members any more
)

// MemberOperation is a change to a Group's members. Members has no duplicates.
type MemberOperation struct {
	Op      MemberOp
	Members []Member

	// Filter is that of RemoveMatching, relative to an element of members as in a ValuePath: its paths are value, type, $ref
	// and display.
	Filter Filter
}

func (d *patchDecoder) memberOperation(op rawOperation, at location, filter Filter) *Error {
	if at.sub != nil {
		return badRequest(Mutability, "%s is immutable: add and remove members as a whole.", fullName(at.sub, at.attr.Attribute))
	}
	if filter != nil {
		return d.filteredMembers(op, filter)
	}
	if op.kind == opRemove && op.value == nil {
		d.members = append(d.members, MemberOperation{Op: ReplaceMembers})
		return nil
	}
	members, err := readMembers(op.value)
	if err != nil {
		return err
	}
	switch op.kind {
	case opAdd:
		d.appendMembers(AddMembers, members)
	case opRemove:
		d.appendMembers(RemoveMembers, members)
	case opReplace:
		d.members = append(d.members, MemberOperation{Op: ReplaceMembers, Members: members})
	}
	return nil
}

func (d *patchDecoder) filteredMembers(op rawOperation, filter Filter) *Error {
	ids, exact := memberIDs(filter)
	switch {
	case op.kind == opRemove && exact:
		d.appendMembers(RemoveMembers, ids)
	case op.kind == opRemove:
		d.members = append(d.members, MemberOperation{Op: RemoveMatching, Filter: filter})
	case op.kind == opAdd && exact && len(ids) == 1:
		// Like any add with a filter that selects nothing: the element is created.
		d.appendMembers(AddMembers, ids)
	default:
		return badRequest(Mutability, "Members are immutable: add and remove them as a whole.")
	}
	return nil
}

// memberIDs are the ids of a filter that is nothing but value eq "…" or several of these.
func memberIDs(filter Filter) ([]Member, bool) {
	switch f := filter.(type) {
	case Compare:
		id, ok := f.Value.(string)
		return []Member{{Value: id}}, ok && id != "" && f.Op == Equal && f.Path.Attribute.Name == "value"
	case Or:
		var all []Member
		for _, t := range f.Terms {
			ids, ok := memberIDs(t)
			if !ok {
				return nil, false
			}
			all = append(all, ids...)
		}
		return all, true
	}
	return nil, false
}

// appendMembers joins an operation with the one before where that does the same, so that a client that sends each member
// in an operation of its own costs no more than one that does not.
func (d *patchDecoder) appendMembers(op MemberOp, members []Member) {
	if len(members) == 0 {
		return
	}
	if n := len(d.members); n > 0 && d.members[n-1].Op == op {
		d.members[n-1].Members = append(d.members[n-1].Members, members...)
		return
	}
	d.members = append(d.members, MemberOperation{Op: op, Members: members})
}

// checkMembers leaves each member once in an operation, and refuses too many of them.
func (d *patchDecoder) checkMembers() *Error {
	n := 0
	for i := range d.members {
		op := &d.members[i]
		seen := make(map[string]struct{}, len(op.Members))
		op.Members = slices.DeleteFunc(op.Members, func(m Member) bool {
			_, twice := seen[m.Value]
			seen[m.Value] = struct{}{}
			return twice
		})
		n += len(op.Members)
	}
	if n > MaxMembers {
		return tooLarge("There are more than %d members in the request. Send it in parts.", MaxMembers)
	}
	return nil
}
