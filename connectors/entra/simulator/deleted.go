package simulator

import (
	"slices"
	"time"
)

// retention is how long a deleted user can be restored (graph/api/directory-deleteditems-restore).
const retention = 30 * 24 * time.Hour

// Deletion is one user's deletion, by whichever route.
type Deletion struct {
	Seq    uint64    `json:"seq"` // ascending, with gaps
	At     time.Time `json:"at"`
	UserID string    `json:"userId"`
	// Route is the operation as it is counted, or "expired" for one whose time in deletedItems was over.
	Route string `json:"route"`
}

// Deletions reads which users were deleted, oldest first: soft, permanently, and by the trap of a missing /$ref.
func (s *Simulator) Deletions() []Deletion {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	return slices.Clone(s.store.deletions)
}

func (s *Simulator) softDelete(key, route string) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	u, err := s.store.findUser(key)
	if err != nil {
		return err
	}
	return s.bury(u, route)
}

// bury moves a user to deletedItems. What it has (memberships, licences, roles) stays with it and counts no more; its
// sessions are over.
func (s *Simulator) bury(u *user, route string) error {
	c := u.clone()
	now := s.now()
	c.Deleted, c.Sessions = &now, nil
	return s.saveDeletion(c, route)
}

func (s *Simulator) purge(u *user, route string) error {
	return s.saveDeletion(&user{ID: u.ID, Seq: u.Seq, Created: u.Created, Purged: true, Attributes: object{}}, route)
}

// saveDeletion writes the user and the entry in one step.
func (s *Simulator) saveDeletion(u *user, route string) error {
	st := s.store
	now := s.now()
	u.Change, u.Changed = st.nextSeq(), now
	d := Deletion{Seq: st.nextSeq(), At: now, UserID: u.ID, Route: route}
	var b batch
	b.put(bucketUsers, u.ID, u)
	b.put(bucketDeletions, number(d.Seq), d)
	if err := st.disk.write(&b); err != nil {
		return err
	}
	st.place(u)
	st.deletions = append(st.deletions, d)
	return nil
}

// expire deletes permanently whose 30 days are over by the clock. The bin is in the order of deletion.
func (s *Simulator) expire() error {
	for len(s.store.bin.ids) > 0 {
		u := s.store.users[s.store.bin.ids[0]]
		if s.now().Sub(*u.Deleted) < retention {
			return nil
		}
		if err := s.purge(u, "expired"); err != nil {
			return err
		}
	}
	return nil
}

// lockExpired takes the lock for writing and lets time have passed.
func (s *Simulator) lockExpired() (unlock func(), err error) {
	s.store.mu.Lock()
	return s.store.mu.Unlock, s.expire()
}

// listDeletedUsers is graph/api/directory-deleteditems-list.
func (s *Simulator) listDeletedUsers(c *call) (*reply, error) {
	unlock, err := s.lockExpired()
	defer unlock()
	if err != nil {
		return nil, err
	}
	names, err := selection(userProperties, "user", c.query, true)
	if err != nil {
		return nil, err
	}
	st := s.store
	return c.list(listing{
		resource: userResource, set: "users", orders: []string{"displayName", "userPrincipalName"}, advanced: []string{"deletedDateTime"},
		items: func(after uint64, _ *expression) []candidate {
			var out []candidate
			for _, id := range st.bin.after(after) {
				u := st.users[id]
				out = append(out, candidate{
					seq: u.Change, value: func(name string) any { return st.userValue(u, name) }, show: func() object { return st.renderUser(u, names) },
				})
			}
			return out
		},
	})
}

func (s *Simulator) findDeleted(id string) (*user, error) {
	u := s.store.users[fold(id)]
	if u == nil || u.Deleted == nil || u.Purged {
		return nil, notFound(id)
	}
	return u, nil
}

// getDeletedItem is graph/api/directory-deleteditems-get.
func (s *Simulator) getDeletedItem(c *call) (*reply, error) {
	unlock, err := s.lockExpired()
	defer unlock()
	if err != nil {
		return nil, err
	}
	u, err := s.findDeleted(c.id["id"])
	if err != nil {
		return nil, err
	}
	names, err := selection(userProperties, "user", c.query, false)
	if err != nil {
		return nil, err
	}
	body := typed("user", s.store.renderUser(u, names))
	body["@odata.context"] = c.context("directoryObjects", c.query, true)
	return ok(body), nil
}

// restoreDeletedItem is graph/api/directory-deleteditems-restore. The user comes back as it was; a licence without a
// free seat is left behind.
func (s *Simulator) restoreDeletedItem(c *call) (*reply, error) {
	var body struct {
		NewName string `json:"newUserPrincipalName"`
	}
	if len(c.body) > 0 {
		if err := c.decode(&body); err != nil {
			return nil, err
		}
	}
	unlock, err := s.lockExpired()
	defer unlock()
	if err != nil {
		return nil, err
	}
	u, err := s.findDeleted(c.id["id"])
	if err != nil {
		return nil, err
	}
	restored := u.clone()
	restored.Deleted = nil
	if body.NewName != "" {
		if err := checkValue(userProperties, "User", "userPrincipalName", body.NewName); err != nil {
			return nil, err
		}
		restored.Attributes["userPrincipalName"] = body.NewName
	}
	if s.store.principalNameTaken(restored.principalName(), restored.ID) {
		return nil, conflict("userPrincipalName")
	}
	restored.Licences = slices.DeleteFunc(restored.Licences, func(a assigned) bool {
		l, known := s.licence(a.SkuID)
		return !known || s.store.seats[a.SkuID] >= l.Seats
	})
	for gid := range restored.MemberOf {
		if s.store.groups[gid] == nil {
			delete(restored.MemberOf, gid)
		}
	}
	if err := s.store.save(restored); err != nil {
		return nil, err
	}
	shown := typed("user", s.store.renderUser(restored, nil))
	shown["@odata.context"] = c.context("directoryObjects", query{}, true)
	return ok(shown), nil
}

// purgeDeletedItem is graph/api/directory-deleteditems-delete. The vendor lists it as not supported for application
// permissions on users in older editions of that page; here it works.
func (s *Simulator) purgeDeletedItem(c *call) (*reply, error) {
	unlock, err := s.lockExpired()
	defer unlock()
	if err != nil {
		return nil, err
	}
	u, err := s.findDeleted(c.id["id"])
	if err != nil {
		return nil, err
	}
	return noContent(), s.purge(u, "DELETE /directory/deletedItems/{id}")
}
