package simulator

import (
	"cmp"
	"slices"
)

// memberResource is what the members of a group are filtered as.
var memberResource = resource{name: "DirectoryObject", properties: userProperties}

// listMembers is graph/api/group-list-members.
func (s *Simulator) listMembers(c *call) (*reply, error) { return s.membersOf(c, false) }

// listTransitiveMembers is graph/api/group-list-transitivemembers.
func (s *Simulator) listTransitiveMembers(c *call) (*reply, error) { return s.membersOf(c, true) }

func (s *Simulator) membersOf(c *call, transitive bool) (*reply, error) {
	st := s.store
	st.mu.RLock()
	defer st.mu.RUnlock()
	g, err := st.findGroup(c.id["id"])
	if err != nil {
		return nil, err
	}
	if c.query.filter != "" && !c.query.advanced() { // graph/api/group-list-members: $filter needs the header
		return nil, needsAdvanced("filter")
	}
	ids := st.memberIDs(g)
	if transitive {
		ids = st.transitiveMembers(g)
	}
	return c.list(listing{
		resource: memberResource, set: "directoryObjects",
		items: func(after uint64, _ *expression) []candidate {
			var out []candidate
			for i, id := range ids[min(int(after), len(ids)):] { //nolint:gosec // a position in a slice
				out = append(out, s.memberCandidate(c, id, after+uint64(i)+1))
			}
			return out
		},
	})
}

// memberCandidate shows a user or a nested group; place is its place in the list, from 1.
func (s *Simulator) memberCandidate(c *call, id string, place uint64) candidate {
	if u := s.store.users[id]; u != nil {
		return candidate{
			seq: place, value: func(name string) any { return s.store.userValue(u, name) },
			show: func() object { return typed("user", s.store.renderUser(u, c.query.shared(userProperties))) },
		}
	}
	g := s.store.groups[id]
	return candidate{
		seq: place, value: func(name string) any { return groupValue(g, name) },
		show: func() object { return typed("group", renderGroup(g, c.query.shared(groupProperties))) },
	}
}

// shared are the selected properties that objects of this kind have; a collection of directory objects has several kinds.
func (q query) shared(properties map[string]property) []string {
	if q.selected == nil {
		return nil
	}
	names := []string{}
	for _, wanted := range q.selected {
		if name, p := canonical(properties, wanted); p.kind != kindNone {
			names = append(names, name)
		}
	}
	return names
}

func typed(name string, o object) object {
	o["@odata.type"] = "#microsoft.graph." + name
	return o
}

func (s *store) transitiveMembers(g *group) []string {
	seen := map[string]bool{g.ID: true}
	var all []string
	for queue := []*group{g}; len(queue) > 0; queue = queue[1:] {
		for _, id := range s.memberIDs(queue[0]) {
			if seen[id] {
				continue
			}
			seen[id] = true
			all = append(all, id)
			if nested := s.groups[id]; nested != nil {
				queue = append(queue, nested)
			}
		}
	}
	return all
}

// addMember is graph/api/group-post-members: 204, 400 for a member, 404 for an object that is not there.
func (s *Simulator) addMember(c *call) (*reply, error) {
	id, err := c.reference()
	if err != nil {
		return nil, err
	}
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	g, err := st.findGroup(c.id["id"])
	if err != nil {
		return nil, err
	}
	if g.dynamic() {
		return nil, denied()
	}
	if nested := st.groups[fold(id)]; nested != nil {
		if err := s.nest(nested, g); err != nil {
			return nil, err
		}
		return noContent(), nil
	}
	u, err := st.findUser(id)
	if err != nil {
		return nil, err
	}
	if _, member := u.MemberOf[g.ID]; member {
		return nil, alreadyMember()
	}
	if err := st.save(s.withMembership(u, g)); err != nil {
		return nil, err
	}
	return noContent(), nil
}

// nest makes a group a member of another.
func (s *Simulator) nest(nested, parent *group) error {
	if nested.ID == parent.ID {
		return badRequest("A group cannot be a member of itself.")
	}
	if _, member := nested.MemberOf[parent.ID]; member {
		return alreadyMember()
	}
	c := nested.clone()
	c.MemberOf[parent.ID] = link{Seq: s.store.nextSeq(), At: s.now()}
	return s.store.saveGroup(c)
}

// removeMember is graph/api/group-delete-members.
func (s *Simulator) removeMember(c *call) (*reply, error) {
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	g, err := st.findGroup(c.id["id"])
	if err != nil {
		return nil, err
	}
	if g.dynamic() {
		return nil, denied()
	}
	if nested := st.groups[fold(c.id["member"])]; nested != nil {
		if _, member := nested.MemberOf[g.ID]; !member {
			return nil, notFound(c.id["member"])
		}
		without := nested.clone()
		delete(without.MemberOf, g.ID)
		return noContent(), st.saveGroup(without)
	}
	u, err := st.findUser(c.id["member"])
	if err != nil {
		return nil, err
	}
	if _, member := u.MemberOf[g.ID]; !member {
		return nil, notFound(c.id["member"])
	}
	without := u.clone()
	delete(without.MemberOf, g.ID)
	return noContent(), st.save(without)
}

// deleteMemberObject is the caution in graph/api/group-delete-members: without /$ref the member itself is deleted from
// the directory when the application may manage such objects, else 403.
func (s *Simulator) deleteMemberObject(c *call) (*reply, error) {
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	g, err := st.findGroup(c.id["id"])
	if err != nil {
		return nil, err
	}
	id := c.id["member"]
	if nested := st.groups[fold(id)]; nested != nil {
		if _, member := nested.MemberOf[g.ID]; !member {
			return nil, notFound(id)
		}
		if !s.permits(writeGroups) {
			return nil, denied()
		}
		return noContent(), st.dropGroup(nested)
	}
	u, err := st.findUser(id)
	if err != nil {
		return nil, err
	}
	if _, member := u.MemberOf[g.ID]; !member && !g.covers(u) {
		return nil, notFound(id)
	}
	if !s.permits(deleteUsers) {
		return nil, denied()
	}
	return noContent(), s.bury(u, "DELETE /groups/{id}/members/{member}")
}

// listMemberOf is graph/api/user-list-memberof.
func (s *Simulator) listMemberOf(c *call) (*reply, error) { return s.memberOf(c, false, false) }

// listMemberCast is its OData cast to groups.
func (s *Simulator) listMemberCast(c *call) (*reply, error) { return s.memberOf(c, false, true) }

// listTransitiveMemberOf is graph/api/user-list-transitivememberof.
func (s *Simulator) listTransitiveMemberOf(c *call) (*reply, error) {
	return s.memberOf(c, true, false)
}

// listTransitiveCast is its OData cast to groups.
func (s *Simulator) listTransitiveCast(c *call) (*reply, error) { return s.memberOf(c, true, true) }

func (s *Simulator) countMemberOf(c *call) (*reply, error) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	u, err := s.store.findUser(c.id["id"])
	if err != nil {
		return nil, err
	}
	return c.countOnly(membershipListing(c, s.store.groupsOf(u, true), "directoryObjects"))
}

func (s *Simulator) memberOf(c *call, transitive, cast bool) (*reply, error) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	u, err := s.store.findUser(c.id["id"])
	if err != nil {
		return nil, err
	}
	switch { // the header is required with $search, $filter, $orderby and casts
	case cast && !c.query.advanced():
		return nil, needsAdvanced("cast")
	case (c.query.filter != "" || c.query.orderBy != "") && !c.query.advanced():
		return nil, needsAdvanced("filter")
	}
	groups := s.store.groupsOf(u, c.query.eventual)
	if transitive {
		groups = s.store.withNested(groups)
	}
	set := "directoryObjects"
	if cast {
		set = "groups"
	}
	return c.list(membershipListing(c, groups, set))
}

func membershipListing(c *call, groups []*group, set string) listing {
	return listing{
		resource: groupResource, set: set, orders: []string{"displayName"},
		items: func(after uint64, _ *expression) []candidate {
			start, _ := slices.BinarySearchFunc(groups, after+1, func(g *group, seq uint64) int { return cmp.Compare(g.Seq, seq) })
			var out []candidate
			for _, g := range groups[start:] {
				out = append(out, groupCandidate(g, func() object {
					shown := renderGroup(g, c.query.shared(groupProperties))
					if set == "groups" {
						return shown
					}
					return typed("group", shown)
				}))
			}
			return out
		},
	}
}
