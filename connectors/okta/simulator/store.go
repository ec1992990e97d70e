package simulator

import (
	"cmp"
	"crypto/rand"
	"maps"
	"slices"
	"time"
)

// store is the contents in memory, with the indexes that the usual look-ups need; every change is on the disk before it
// shows here. Records are never changed in place: a write replaces the record, so that answers and the search index may
// keep the old one. Simulator.mu guards it.
type store struct {
	disk   *disk
	revoke time.Duration // how long sessions and tokens work after they were revoked

	seq     uint64
	users   map[string]*user
	groups  map[string]*group
	apps    map[string]*app
	tokens  map[string]accessToken
	members map[string]map[string]uint64 // group id → user id → when it was added, as a sequence number

	userOrder  sequence
	groupOrder sequence
	appOrder   sequence
	byLogin    map[string]string              // folded login → id
	byShort    map[string]map[string]struct{} // folded login up to the @ → ids
	sessions   map[string]string              // session or token → user id

	userIndex  *index
	groupIndex *index
	due        []transition // in the order of their times
}

// transition is a change of status that is under way.
type transition struct {
	at     time.Time
	userID string
}

func openStore(folder string, searchLag, revocationLag time.Duration) (*store, error) {
	d, err := openDisk(folder)
	if err != nil {
		return nil, err
	}
	s := &store{
		disk: d, revoke: revocationLag, users: make(map[string]*user), groups: make(map[string]*group), apps: make(map[string]*app),
		tokens: make(map[string]accessToken), members: make(map[string]map[string]uint64),
		byLogin: make(map[string]string), byShort: make(map[string]map[string]struct{}), sessions: make(map[string]string),
		userIndex: newIndex(), groupIndex: newIndex(),
	}
	if err := s.load(); err != nil {
		_ = d.close()
		return nil, err
	}
	s.userIndex.lag, s.groupIndex.lag = searchLag, searchLag
	return s, nil
}

func (s *store) load() error {
	var users []*user
	var groups []*group
	var apps []*app
	for _, err := range []error{
		load(s.disk, bucketCounter, func(_ string, n uint64) { s.seq = n }),
		load(s.disk, bucketTokens, func(key string, t accessToken) { s.tokens[key] = t }),
		load(s.disk, bucketGroups, func(_ string, g *group) { groups = append(groups, g) }),
		load(s.disk, bucketApps, func(_ string, a *app) { apps = append(apps, a) }),
		load(s.disk, bucketUsers, func(_ string, u *user) { users = append(users, u) }),
	} {
		if err != nil {
			return err
		}
	}
	slices.SortFunc(groups, func(a, b *group) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, g := range groups {
		s.setGroup(g, time.Time{})
	}
	slices.SortFunc(apps, func(a, b *app) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, a := range apps {
		s.setApp(a)
	}
	slices.SortFunc(users, func(a, b *user) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, u := range users {
		s.setUser(u, time.Time{})
	}
	slices.SortFunc(s.due, func(a, b transition) int { return a.at.Compare(b.at) })
	return nil
}

// nextSeq gives a number that no record and no membership had before.
func (s *store) nextSeq() uint64 { s.seq++; return s.seq }

// saveUser writes a user, new or changed, and shows it.
func (s *store) saveUser(u *user, now time.Time, groups ...*group) error {
	var b batch
	b.put(bucketCounter, "seq", s.seq)
	b.put(bucketUsers, u.ID, u)
	for _, g := range groups {
		b.put(bucketGroups, g.ID, g)
	}
	if err := s.disk.write(&b); err != nil {
		return err
	}
	for _, g := range groups {
		s.setGroup(g, now)
	}
	s.setUser(u, now)
	return nil
}

// setUser shows a user; the disk has it.
func (s *store) setUser(u *user, now time.Time) {
	old := s.users[u.ID]
	if old == nil {
		s.userOrder.add(u.ID, u.Seq)
	} else {
		s.unlink(old)
	}
	s.users[u.ID] = u
	s.byLogin[fold(u.login())] = u.ID
	addTo(s.byShort, short(u.login()), u.ID)
	for id, seq := range u.Groups {
		s.members[id][u.ID] = seq
	}
	for id := range u.Sessions {
		s.sessions[id] = u.ID
	}
	for id := range u.Tokens {
		s.sessions[id] = u.ID
	}
	if u.Until != nil && (old == nil || old.Until == nil) {
		s.due = append(s.due, transition{*u.Until, u.ID})
	}
	s.userIndex.set(u, now)
}

// unlink takes a user out of the indexes.
func (s *store) unlink(u *user) {
	delete(s.byLogin, fold(u.login()))
	removeFrom(s.byShort, short(u.login()), u.ID)
	for id := range u.Groups {
		delete(s.members[id], u.ID)
	}
	for id := range u.Sessions {
		delete(s.sessions, id)
	}
	for id := range u.Tokens {
		delete(s.sessions, id)
	}
}

// removeUser deletes a user with all that hangs on it.
func (s *store) removeUser(u *user, now time.Time) error {
	var b batch
	b.remove(bucketUsers, u.ID)
	if err := s.disk.write(&b); err != nil {
		return err
	}
	s.unlink(u)
	delete(s.users, u.ID)
	s.userOrder.remove(u.Seq)
	s.userIndex.remove(u.ID, now)
	return nil
}

// settle lets everything happen whose time has come.
func (s *store) settle(now time.Time) error {
	for len(s.due) > 0 && !now.Before(s.due[0].at) {
		at, u := s.due[0].at, s.users[s.due[0].userID].clone() // it is there: nothing deletes it meanwhile
		u.arrive(u.Next, at.UTC().Truncate(time.Second), at.Add(s.revoke))
		if err := s.saveUser(u, at); err != nil {
			return err
		}
		s.due = s.due[1:]
	}
	s.userIndex.settle(now)
	s.groupIndex.settle(now)
	return nil
}

// findUser is the user by id, by login, or by the login up to the @ when only one has it (User: pathId).
func (s *store) findUser(key string) (*user, error) {
	if u := s.users[key]; u != nil {
		return u, nil
	}
	if id, ok := s.byLogin[fold(key)]; ok {
		return s.users[id], nil
	}
	if ids := s.byShort[fold(key)]; len(ids) == 1 {
		for id := range ids {
			return s.users[id], nil
		}
	}
	return nil, notFound(key, kindUser)
}

// inOrder are a group's members, oldest membership first; everyone has its users in the order of their creation.
func (s *store) inOrder(g *group) *sequence {
	if g.Type == GroupBuiltIn {
		return &s.userOrder
	}
	members := s.members[g.ID]
	out := &sequence{}
	for _, id := range slices.SortedFunc(maps.Keys(members), func(a, b string) int { return cmp.Compare(members[a], members[b]) }) {
		out.add(id, members[id])
	}
	return out
}

// sequence is a list of ids with ascending numbers.
type sequence struct {
	ids  []string
	seqs []uint64
}

func (s *sequence) add(id string, seq uint64) {
	s.ids, s.seqs = append(s.ids, id), append(s.seqs, seq)
}

func (s *sequence) remove(seq uint64) {
	if i, ok := slices.BinarySearch(s.seqs, seq); ok {
		s.ids, s.seqs = slices.Delete(s.ids, i, i+1), slices.Delete(s.seqs, i, i+1)
	}
}

func addTo(index map[string]map[string]struct{}, key, id string) {
	if index[key] == nil {
		index[key] = make(map[string]struct{}, 1)
	}
	index[key][id] = struct{}{}
}

func removeFrom(index map[string]map[string]struct{}, key, id string) {
	delete(index[key], id)
	if len(index[key]) == 0 {
		delete(index, key)
	}
}

// newID is an id of 20 characters that begins with the vendor's mark for the kind of object.
func newID(prefix string) string {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	id := []byte(prefix)
	var noise [32]byte
	for len(id) < 20 {
		_, _ = rand.Read(noise[:]) // never fails
		for _, b := range noise {
			if b < 248 && len(id) < 20 { // 248 is 4 × 62: all letters stay equally likely
				id = append(id, letters[b%62])
			}
		}
	}
	return string(id)
}
