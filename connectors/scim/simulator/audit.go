package simulator

import (
	"slices"
	"strings"
	"time"
)

// Action is what a write did.
type Action string

// The actions.
const (
	ActionCreate       Action = "create"
	ActionUpdate       Action = "update"
	ActionDelete       Action = "delete"
	ActionAddMember    Action = "add member"
	ActionRemoveMember Action = "remove member"
)

// The kinds of resource in the audit.
const (
	KindUser  = "User"
	KindGroup = "Group"
)

// Write is one effective change. A request that changed nothing leaves none.
type Write struct {
	Seq     uint64    `json:"seq"` // ascending, with gaps
	At      time.Time `json:"at"`
	Action  Action    `json:"action"`
	Kind    string    `json:"kind"`
	ID      string    `json:"id"`
	Enabled bool      `json:"enabled,omitempty"` // of a user, after a create or update
	Member  string    `json:"member,omitempty"`  // the user's id, when a group's members changed
}

func (s *store) entry(action Action, kind, id string) Write {
	return Write{At: time.Now().UTC(), Action: action, Kind: kind, ID: id}
}

func (s *store) memberEntry(action Action, groupID, userID string) Write {
	w := s.entry(action, KindGroup, groupID)
	w.Member = userID
	return w
}

// Audit reads all effective writes, oldest first. Those of a persistent simulator go back to its beginning.
func (s *Simulator) Audit() []Write {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	return slices.Clone(s.store.audit)
}

// EnabledSince reports whether the user with the id was enabled at t or at any moment after it.
func (s *Simulator) EnabledSince(id string, t time.Time) bool {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	enabled := false
	for _, w := range s.store.audit {
		if w.Kind != KindUser || w.ID != id {
			continue
		}
		if enabled && w.At.After(t) {
			return true // as it was at t
		}
		enabled = w.Enabled
	}
	return enabled
}

// User is a user as a test sees it.
type User struct {
	ID       string
	UserName string
	Enabled  bool
	// Attributes are nested as in SCIM, the password included and the groups left out.
	Attributes map[string]any
	// Groups are display names, sorted.
	Groups []string
}

// Snapshot is the contents at one moment.
type Snapshot struct {
	// Users are sorted by user name.
	Users []User
	// Groups counts the members by display name.
	Groups map[string]int
}

// Snapshot reads all contents in one step.
func (s *Simulator) Snapshot() Snapshot {
	st := s.store
	st.mu.RLock()
	defer st.mu.RUnlock()
	out := Snapshot{Users: make([]User, 0, len(st.users)), Groups: make(map[string]int, len(st.groups))}
	for _, g := range st.groups {
		out.Groups[g.text("displayName")] += len(g.members)
	}
	for _, u := range st.users {
		v := User{ID: u.ID, UserName: u.text("userName"), Enabled: u.enabled(), Attributes: cloneObject(u.Attributes), Groups: []string{}}
		for id := range u.groups {
			v.Groups = append(v.Groups, st.groups[id].text("displayName"))
		}
		slices.Sort(v.Groups)
		out.Users = append(out.Users, v)
	}
	slices.SortFunc(out.Users, func(a, b User) int { return strings.Compare(a.UserName, b.UserName) })
	return out
}
