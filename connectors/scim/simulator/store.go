package simulator

import (
	"maps"
	"reflect"
	"sync"
	"time"

	"github.com/elimity-com/scim"
	"github.com/elimity-com/scim/errors"
	"github.com/google/uuid"
)

// store holds the contents in memory, with the indexes that the usual look-ups need, and writes every change to the
// disk before it shows in memory. One lock makes each request one step: concurrent PATCHes of a group lose no member.
type store struct {
	mu   sync.RWMutex
	disk *disk

	seq        uint64 // the last sequence number given, to records, memberships and audit entries alike
	users      map[string]*user
	groups     map[string]*group
	userOrder  sequence
	groupOrder sequence
	byUserName map[string]string              // folded → id
	byExternal map[string]map[string]struct{} // → ids
	byDisplay  map[string]map[string]struct{} // folded display name of a group → ids
	audit      []Write
}

func openStore(folder string) (*store, error) {
	d, err := openDisk(folder)
	if err != nil {
		return nil, err
	}
	s := &store{
		disk: d, users: make(map[string]*user), groups: make(map[string]*group),
		byUserName: make(map[string]string), byExternal: make(map[string]map[string]struct{}), byDisplay: make(map[string]map[string]struct{}),
	}
	if err := d.load(s); err != nil {
		_ = d.close()
		return nil, err
	}
	return s, nil
}

func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.disk.close()
}

func (s *store) nextSeq() uint64 { s.seq++; return s.seq }

// newRecord starts a record; the library has checked the attributes against the schema.
func (s *store) newRecord(attributes map[string]any) record {
	now := time.Now().UTC()
	return record{ID: uuid.NewString(), Seq: s.nextSeq(), Version: 1, Created: now, Modified: now, Attributes: attributes}
}

// next is the record with other attributes.
func (r record) next(attributes map[string]any) record {
	r.Attributes, r.Version, r.Modified = attributes, r.Version+1, time.Now().UTC()
	return r
}

func (s *store) createUser(attributes map[string]any) (scim.Resource, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := attributes["active"]; !ok {
		attributes["active"] = true
	}
	u := &user{record: s.newRecord(attributes), groups: map[string]struct{}{}}
	if err := s.checkUserName(u); err != nil {
		return scim.Resource{}, err
	}
	entry := s.entry(ActionCreate, KindUser, u.ID)
	entry.Enabled = u.enabled()
	var b batch
	b.putRecord(bucketUsers, &u.record)
	if err := s.commit(&b, entry); err != nil {
		return scim.Resource{}, err
	}
	s.addUser(u)
	return s.renderUser(u, projection{}), nil
}

// checkUserName refuses an empty name and one that another user has, whatever the case (RFC 7643 §4.1.1).
func (s *store) checkUserName(u *user) error {
	name := u.userName()
	if name == "" {
		return invalid(errors.ScimTypeInvalidValue, "The userName must not be empty.")
	}
	if other, taken := s.byUserName[name]; taken && other != u.ID {
		return errors.ScimErrorUniqueness
	}
	return nil
}

// changeUser edits a copy of the attributes. An edit that changes nothing writes nothing.
func (s *store) changeUser(id string, check func(uint64) error, edit func(attributes map[string]any) (map[string]any, error)) (scim.Resource, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.users[id]
	if !ok {
		return scim.Resource{}, errors.ScimErrorResourceNotFound(id)
	}
	if err := check(u.Version); err != nil {
		return scim.Resource{}, err
	}
	attributes, err := edit(cloneObject(u.Attributes))
	if err != nil {
		return scim.Resource{}, err
	}
	if reflect.DeepEqual(attributes, u.Attributes) {
		return s.renderUser(u, projection{}), nil
	}
	changed := &user{record: u.next(attributes), groups: u.groups}
	if err := s.checkUserName(changed); err != nil {
		return scim.Resource{}, err
	}
	entry := s.entry(ActionUpdate, KindUser, id)
	entry.Enabled = changed.enabled()
	var b batch
	b.putRecord(bucketUsers, &changed.record)
	if err := s.commit(&b, entry); err != nil {
		return scim.Resource{}, err
	}
	s.unindexUser(u)
	s.users[id] = changed
	s.indexUser(changed)
	return s.renderUser(changed, projection{}), nil
}

// deleteUser removes the user and its memberships.
func (s *store) deleteUser(id string, check func(uint64) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.users[id]
	if !ok {
		return errors.ScimErrorResourceNotFound(id)
	}
	if err := check(u.Version); err != nil {
		return err
	}
	var b batch
	b.remove(bucketUsers, id)
	entries := []Write{s.entry(ActionDelete, KindUser, id)}
	for gid := range u.groups {
		b.remove(bucketMembers, memberKey(gid, id))
		entries = append(entries, s.memberEntry(ActionRemoveMember, gid, id))
	}
	if err := s.commit(&b, entries...); err != nil {
		return err
	}
	for gid := range u.groups {
		delete(s.groups[gid].members, id)
	}
	s.unindexUser(u)
	s.userOrder.remove(u.Seq)
	delete(s.users, id)
	return nil
}

func (s *store) addUser(u *user) {
	s.users[u.ID] = u
	s.userOrder.add(u.ID, u.Seq)
	s.indexUser(u)
}

func (s *store) indexUser(u *user) {
	s.byUserName[u.userName()] = u.ID
	addTo(s.byExternal, u.text("externalId"), u.ID)
}

func (s *store) unindexUser(u *user) {
	delete(s.byUserName, u.userName())
	removeFrom(s.byExternal, u.text("externalId"), u.ID)
}

func (s *store) indexGroup(g *group) {
	addTo(s.byDisplay, fold(g.text("displayName")), g.ID)
	addTo(s.byExternal, g.text("externalId"), g.ID)
}

func (s *store) unindexGroup(g *group) {
	removeFrom(s.byDisplay, fold(g.text("displayName")), g.ID)
	removeFrom(s.byExternal, g.text("externalId"), g.ID)
}

func addTo(index map[string]map[string]struct{}, value, id string) {
	if value == "" {
		return
	}
	if index[value] == nil {
		index[value] = make(map[string]struct{}, 1)
	}
	index[value][id] = struct{}{}
}

func removeFrom(index map[string]map[string]struct{}, value, id string) {
	delete(index[value], id)
	if len(index[value]) == 0 {
		delete(index, value)
	}
}

// commit writes the batch with its audit entries to the disk. Memory is changed after it, still under the lock.
func (s *store) commit(b *batch, entries ...Write) error {
	for i := range entries {
		entries[i].Seq = s.nextSeq()
		b.putEntry(entries[i])
	}
	if err := s.disk.write(b); err != nil {
		return errors.ScimErrorInternal
	}
	s.audit = append(s.audit, entries...)
	return nil
}

// membership is what one request changes in a group's members. It is a difference, so that adding one to ten thousand
// copies nothing.
type membership struct {
	cleared bool
	change  map[string]bool // user id → member or not
}

func (m *membership) clear() { m.cleared, m.change = true, nil }

func (m *membership) set(id string, member bool) {
	if m.change == nil {
		m.change = make(map[string]bool)
	}
	m.change[id] = member
}

// effective is the difference against what the group has: who is new and who goes.
func (m *membership) effective(members map[string]uint64) (added, removed []string) {
	if m.cleared {
		for id := range members {
			if !m.change[id] {
				removed = append(removed, id)
			}
		}
	}
	for id, member := range m.change {
		_, is := members[id]
		switch {
		case member && !is:
			added = append(added, id)
		case !member && is && !m.cleared:
			removed = append(removed, id)
		}
	}
	return added, removed
}

func sameAttributes(a, b map[string]any) bool {
	return maps.EqualFunc(a, b, reflect.DeepEqual)
}
