package simulator

import (
	"slices"

	"github.com/elimity-com/scim"
	"github.com/elimity-com/scim/errors"
)

// ensureGroups creates the groups that no group has the name of.
func (s *store) ensureGroups(names []string) error {
	for _, name := range names {
		s.mu.RLock()
		_, there := s.byDisplay[fold(name)]
		s.mu.RUnlock()
		if there {
			continue
		}
		if _, err := s.createGroup(map[string]any{"displayName": name}, &membership{}); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) createGroup(attributes map[string]any, m *membership) (scim.Resource, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &group{record: s.newRecord(attributes), members: map[string]uint64{}}
	if err := s.saveGroup(g, g, m, ActionCreate); err != nil {
		return scim.Resource{}, err
	}
	s.groupOrder.add(g.ID, g.Seq)
	return s.renderGroup(g, projection{}), nil
}

// changeGroup edits a copy of the attributes, and the members by their difference. A change of nothing writes nothing.
func (s *store) changeGroup(id string, check func(uint64) error, edit func(attributes map[string]any, m *membership) (map[string]any, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.groups[id]
	if !ok {
		return errors.ScimErrorResourceNotFound(id)
	}
	if err := check(g.Version); err != nil {
		return err
	}
	m := &membership{}
	attributes, err := edit(cloneObject(g.Attributes), m)
	if err != nil {
		return err
	}
	if added, removed := m.effective(g.members); len(added)+len(removed) == 0 && sameAttributes(attributes, g.Attributes) {
		return nil
	}
	return s.saveGroup(g, &group{record: g.next(attributes), members: g.members}, m, ActionUpdate)
}

// saveGroup writes the group in its new form and the changes of its members, in one step.
func (s *store) saveGroup(old, g *group, m *membership, action Action) error {
	if g.text("displayName") == "" {
		return invalid(errors.ScimTypeInvalidValue, "The displayName must not be empty.")
	}
	added, removed := m.effective(old.members)
	slices.Sort(added)
	for _, id := range added {
		if _, ok := s.users[id]; !ok {
			return invalid(errors.ScimTypeInvalidValue, "A member does not exist.")
		}
	}
	var b batch
	var entries []Write
	b.putRecord(bucketGroups, &g.record)
	if action == ActionCreate || !sameAttributes(old.Attributes, g.Attributes) {
		entries = append(entries, s.entry(action, KindGroup, g.ID))
	}
	seqs := make([]uint64, len(added))
	for i, id := range added {
		seqs[i] = s.nextSeq()
		b.putMember(g.ID, id, seqs[i])
		entries = append(entries, s.memberEntry(ActionAddMember, g.ID, id))
	}
	for _, id := range removed {
		b.remove(bucketMembers, memberKey(g.ID, id))
		entries = append(entries, s.memberEntry(ActionRemoveMember, g.ID, id))
	}
	if err := s.commit(&b, entries...); err != nil {
		return err
	}
	s.unindexGroup(old)
	s.groups[g.ID] = g
	s.indexGroup(g)
	for i, id := range added {
		g.members[id] = seqs[i]
		s.users[id].groups[g.ID] = struct{}{}
	}
	for _, id := range removed {
		delete(g.members, id)
		delete(s.users[id].groups, g.ID)
	}
	return nil
}

func (s *store) deleteGroup(id string, check func(uint64) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.groups[id]
	if !ok {
		return errors.ScimErrorResourceNotFound(id)
	}
	if err := check(g.Version); err != nil {
		return err
	}
	var b batch
	b.remove(bucketGroups, id)
	entries := []Write{s.entry(ActionDelete, KindGroup, id)}
	for member := range g.members {
		b.remove(bucketMembers, memberKey(id, member))
		entries = append(entries, s.memberEntry(ActionRemoveMember, id, member))
	}
	if err := s.commit(&b, entries...); err != nil {
		return err
	}
	for member := range g.members {
		delete(s.users[member].groups, id)
	}
	s.unindexGroup(g)
	s.groupOrder.remove(g.Seq)
	delete(s.groups, id)
	return nil
}
