package simulator

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// indexed are the properties by which users are found without looking at all of them.
var indexed = []string{"userPrincipalName", "mail", "mailNickname", "employeeId", "displayName"}

// changeEntry is one change of a user; several of one user may stand in the log.
type changeEntry struct {
	seq        uint64
	id         string
	properties map[string]bool // nil is all
}

// store is the directory. All of it is guarded by mu.
type store struct {
	mu   sync.RWMutex
	disk *disk
	now  func() time.Time

	options Options // for its lags

	seq        uint64
	users      map[string]*user // deleted ones included
	groups     map[string]*group
	userOrder  sequence // the live
	bin        sequence // the deleted, by the change that deleted them
	groupOrder sequence
	members    map[string]map[string]uint64          // group → member → when it was added, as a sequence number
	index      map[string]map[string]map[string]bool // property → folded value → ids of live users
	seats      map[string]int                        // SKU → seats taken
	tokens     map[string]string                     // refresh token → user
	log        []changeEntry                         // ascending
	deletions  []Deletion
}

func openStore(folder string, o Options, now func() time.Time) (*store, error) {
	d, err := openDisk(folder)
	if err != nil {
		return nil, err
	}
	s := &store{
		disk: d, now: now, options: o, users: map[string]*user{}, groups: map[string]*group{}, members: map[string]map[string]uint64{},
		index: map[string]map[string]map[string]bool{}, seats: map[string]int{}, tokens: map[string]string{},
	}
	for _, property := range indexed {
		s.index[property] = map[string]map[string]bool{}
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

// findUser finds a user by id or userPrincipalName; a fresh one answers 404 for a while.
func (s *store) findUser(key string) (*user, error) {
	u := s.users[fold(key)]
	if u == nil {
		for id := range s.index["userPrincipalName"][fold(key)] {
			u = s.users[id]
		}
	}
	if u == nil || !u.live() || s.now().Before(u.Visible) {
		return nil, notFound(key)
	}
	return u, nil
}

func (s *store) findGroup(id string) (*group, error) {
	g := s.groups[fold(id)]
	if g == nil || s.now().Before(g.Visible) {
		return nil, notFound(id)
	}
	return g, nil
}

// principalNameTaken reports whether a live user other than id has the name.
func (s *store) principalNameTaken(name, id string) bool {
	for other := range s.index["userPrincipalName"][fold(name)] {
		if other != id {
			return true
		}
	}
	return false
}

// newUser starts a record. signInSessionsValidFromDateTime and the like begin with it.
func (s *store) newUser(attributes map[string]any) *user {
	now := s.now()
	return &user{
		ID: uuid.NewString(), Seq: s.nextSeq(), Created: now, Visible: now.Add(s.options.ReadLag), Attributes: attributes,
		PasswordChanged: now, MemberOf: map[string]link{},
	}
}

// update changes one live user. The function gets a copy; what it refuses is not written.
func (s *store) update(key string, change func(u *user) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.findUser(key)
	if err != nil {
		return err
	}
	c := u.clone()
	if err := change(c); err != nil {
		return err
	}
	return s.save(c)
}

// save writes users to the disk, then to memory.
func (s *store) save(users ...*user) error {
	var b batch
	now := s.now()
	for _, u := range users {
		u.Change, u.Changed = s.nextSeq(), now
		b.put(bucketUsers, u.ID, u)
	}
	if err := s.disk.write(&b); err != nil {
		return err
	}
	for _, u := range users {
		s.place(u)
	}
	return nil
}

// place puts a record that is on the disk into memory, with its indexes.
func (s *store) place(u *user) {
	old := s.users[u.ID]
	entry := changeEntry{seq: u.Change, id: u.ID}
	u.before = nil
	if old != nil {
		s.unindex(old)
		if old.live() == u.live() {
			entry.properties = changedProperties(old, u)
		}
		if s.options.SearchLag > 0 {
			u.before = old
			if u.Changed.Sub(old.Changed) < s.options.SearchLag && old.before != nil {
				u.before = old.before // the index has not caught up with the change before
			}
			previous := *u.before
			previous.before = nil
			u.before = &previous
		}
	}
	s.users[u.ID] = u
	s.indexUser(u)
	if entry.properties == nil || len(entry.properties) > 0 {
		s.log = append(s.log, entry)
	}
}

func (s *store) indexUser(u *user) {
	switch {
	case u.Purged:
		return
	case u.Deleted != nil:
		s.bin.add(u.ID, u.Change)
		return
	}
	s.userOrder.add(u.ID, u.Seq)
	for _, property := range indexed {
		if value := fold(u.text(property)); value != "" {
			addTo(s.index[property], value, u.ID)
		}
	}
	for gid, l := range u.MemberOf {
		s.addMember(gid, u.ID, l)
	}
	for _, l := range u.Licences {
		s.seats[l.SkuID]++
	}
	for _, se := range u.Sessions {
		s.tokens[se.Token] = u.ID
	}
}

func (s *store) unindex(u *user) {
	switch {
	case u.Purged:
		return
	case u.Deleted != nil:
		s.bin.remove(u.Change)
		return
	}
	s.userOrder.remove(u.Seq)
	for _, property := range indexed {
		removeFrom(s.index[property], fold(u.text(property)), u.ID)
	}
	for gid := range u.MemberOf {
		delete(s.members[gid], u.ID)
	}
	for _, l := range u.Licences {
		s.seats[l.SkuID]--
	}
	for _, se := range u.Sessions {
		delete(s.tokens, se.Token)
	}
}

func (s *store) addMember(groupID, memberID string, l link) {
	if s.members[groupID] == nil {
		s.members[groupID] = map[string]uint64{}
	}
	s.members[groupID][memberID] = l.Seq
}

// saveGroup writes a group and, in the same step, the members that change with it.
func (s *store) saveGroup(g *group, members ...*user) error {
	var b batch
	now := s.now()
	b.put(bucketGroups, g.ID, g)
	for _, u := range members {
		u.Change, u.Changed = s.nextSeq(), now
		b.put(bucketUsers, u.ID, u)
	}
	if err := s.disk.write(&b); err != nil {
		return err
	}
	s.placeGroup(g)
	for _, u := range members {
		s.place(u)
	}
	return nil
}

func (s *store) placeGroup(g *group) {
	if old := s.groups[g.ID]; old != nil {
		for parent := range old.MemberOf {
			delete(s.members[parent], g.ID)
		}
	} else {
		s.groupOrder.add(g.ID, g.Seq)
	}
	s.groups[g.ID] = g
	for parent, l := range g.MemberOf {
		s.addMember(parent, g.ID, l)
	}
}

// dropGroup deletes a group for good, with what links to it: deleted security groups cannot be restored
// (graph/api/directory-deleteditems-restore).
func (s *store) dropGroup(g *group) error {
	var b batch
	var users []*user
	var nested []*group
	now := s.now()
	for id := range s.members[g.ID] {
		if u := s.users[id]; u != nil {
			c := u.clone()
			delete(c.MemberOf, g.ID)
			c.Change, c.Changed = s.nextSeq(), now
			b.put(bucketUsers, c.ID, c)
			users = append(users, c)
		} else if child := s.groups[id]; child != nil {
			c := child.clone()
			delete(c.MemberOf, g.ID)
			b.put(bucketGroups, c.ID, c)
			nested = append(nested, c)
		}
	}
	b.remove(bucketGroups, g.ID)
	if err := s.disk.write(&b); err != nil {
		return err
	}
	for _, u := range users {
		s.place(u)
	}
	for _, c := range nested {
		s.placeGroup(c)
	}
	for parent := range g.MemberOf {
		delete(s.members[parent], g.ID)
	}
	delete(s.members, g.ID)
	delete(s.groups, g.ID)
	s.groupOrder.remove(g.Seq)
	return nil
}

// memberIDs are the members of a group in the order in which they were added; of a dynamic one, whom its rule covers.
func (s *store) memberIDs(g *group) []string {
	if g.dynamic() {
		var ids []string
		for _, id := range s.userOrder.ids {
			if g.covers(s.users[id]) {
				ids = append(ids, id)
			}
		}
		return ids
	}
	seqs := s.members[g.ID]
	return slices.SortedFunc(maps.Keys(seqs), func(a, b string) int { return int(seqs[a]) - int(seqs[b]) }) //nolint:gosec // far from overflow
}

// groupsOf are the groups that a user is a direct member of, in the order of listings. With the index behind, the
// memberships are those of then.
func (s *store) groupsOf(u *user, eventual bool) []*group {
	if eventual {
		u = s.asIndexed(u)
	}
	var out []*group
	for _, id := range s.groupOrder.ids {
		g := s.groups[id]
		if _, member := u.MemberOf[id]; member || g.covers(u) {
			out = append(out, g)
		}
	}
	return out
}

// asIndexed is the user as the search index has it.
func (s *store) asIndexed(u *user) *user {
	if u.before != nil && s.now().Sub(u.Changed) < s.options.SearchLag {
		return u.before
	}
	return u
}

// withNested adds the groups that groups are in, at every depth.
func (s *store) withNested(groups []*group) []*group {
	seen := map[string]bool{}
	var all []*group
	for queue := groups; len(queue) > 0; queue = queue[1:] {
		g := queue[0]
		if g == nil || seen[g.ID] {
			continue
		}
		seen[g.ID] = true
		all = append(all, g)
		for parent := range g.MemberOf {
			queue = append(queue, s.groups[parent])
		}
	}
	slices.SortFunc(all, func(a, b *group) int { return int(a.Seq) - int(b.Seq) }) //nolint:gosec // far from overflow
	return all
}

func addTo(index map[string]map[string]bool, value, id string) {
	if index[value] == nil {
		index[value] = make(map[string]bool, 1)
	}
	index[value][id] = true
}

func removeFrom(index map[string]map[string]bool, value, id string) {
	delete(index[value], id)
	if len(index[value]) == 0 {
		delete(index, value)
	}
}
