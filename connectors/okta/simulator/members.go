package simulator

import (
	"maps"
	"slices"
)

// manual refuses a change of the members of any group but OKTA_GROUP (Groups API: Assign a user to a group). The codes
// are those seen of APP_GROUP in okta/terraform-provider-okta#118 and of BUILT_IN in okta/terraform-provider-okta#903.
func (g *group) manual() error {
	switch g.Type {
	case GroupOkta:
		return nil
	case GroupBuiltIn:
		return errUnsupported
	default:
		return errForbidden
	}
}

// memberPage is the most members that a page holds, and the default (Groups API: List all member users, limit).
const memberPage = 1000

// listGroupUsers (Groups API: List all member users).
func (s *Simulator) listGroupUsers(r *request) (answer, error) {
	g, err := s.findGroup(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	members := s.store.inOrder(g)
	at := make([]int, len(members.ids))
	for i := range at {
		at[i] = i
	}
	return page(r, memberPage, memberPage, at, func(i int) uint64 { return members.seqs[i] },
		func(i int) any { return s.store.users[members.ids[i]].render(r.base, true) })
}

// listUserGroups (User Resources API: List all groups) holds Everyone too. It has no pages.
func (s *Simulator) listUserGroups(r *request) (answer, error) {
	u, err := s.store.findUser(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	out := []any{}
	for _, id := range s.store.groupOrder.ids {
		g := s.store.groups[id]
		if _, member := u.Groups[id]; member || g.Type == GroupBuiltIn {
			out = append(out, g.render(r.base))
		}
	}
	return answer{body: out}, nil
}

// assignToGroup (Groups API: Assign a user to a group): repeating it changes nothing.
func (s *Simulator) assignToGroup(r *request) (answer, error) { return s.setMember(r, true) }

// unassignFromGroup (Groups API: Unassign a user from a group): one who is no member is no error.
func (s *Simulator) unassignFromGroup(r *request) (answer, error) { return s.setMember(r, false) }

func (s *Simulator) setMember(r *request, member bool) (answer, error) {
	g, err := s.findGroup(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	u := s.store.users[r.PathValue("userId")]
	if u == nil {
		return answer{}, notFound(r.PathValue("userId"), kindUser)
	}
	if err := g.manual(); err != nil {
		return answer{}, err
	}
	return noContent, s.join(u, g, member)
}

func (s *Simulator) join(u *user, g *group, member bool) error {
	if _, is := u.Groups[g.ID]; is == member {
		return nil
	}
	u = u.clone()
	if member {
		u.Groups[g.ID] = s.store.nextSeq()
	} else {
		delete(u.Groups, g.ID)
	}
	return s.store.saveUser(u, s.now(), g.touched(s.stamp()))
}

// groupNames are the names of the groups that a user was put into, sorted.
func (s *store) groupNames(u *user) []string {
	out := []string{}
	for id := range maps.Keys(u.Groups) {
		out = append(out, s.groups[id].name())
	}
	slices.Sort(out)
	return out
}
