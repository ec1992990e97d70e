package simulator

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// user is a user as it is kept. A record that readers can see is never changed in place: a write replaces it.
type user struct {
	ID      string    `json:"id"`
	Seq     uint64    `json:"seq"` // order of creation: the order of listings
	Created time.Time `json:"created"`
	Visible time.Time `json:"visible"` // until then it answers 404

	// Attributes are the properties that can be written, but the password.
	Attributes      map[string]any `json:"attributes"`
	Password        string         `json:"password,omitempty"`
	PasswordChanged time.Time      `json:"passwordChanged"`
	ChangeNext      bool           `json:"changeNext,omitempty"` // forceChangePasswordNextSignIn

	Revocations []time.Time     `json:"revocations,omitempty"` // when revokeSignInSessions was called
	Sessions    []session       `json:"sessions,omitempty"`
	Methods     []method        `json:"methods,omitempty"`
	MemberOf    map[string]link `json:"memberOf,omitempty"` // by the group's id; dynamic ones left out
	Licences    []assigned      `json:"licences,omitempty"`
	AppRoles    []roleGrant     `json:"appRoles,omitempty"`
	Manager     string          `json:"manager,omitempty"`
	Deleted     *time.Time      `json:"deleted,omitempty"` // in deletedItems since
	Purged      bool            `json:"purged,omitempty"`  // gone; kept for the changes to tell

	Change  uint64    `json:"change"` // the sequence number of the last change
	Changed time.Time `json:"changed"`

	// before is what the search index still has. It is lost with the process: a new one has a fresh index.
	before *user
}

type session struct {
	Token string    `json:"token"`
	At    time.Time `json:"at"`
}

// link is a membership.
type link struct {
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
}

// assigned is a licence that was assigned to the user itself.
type assigned struct {
	SkuID         string    `json:"skuId"`
	DisabledPlans []string  `json:"disabledPlans"`
	Updated       time.Time `json:"updated"` // when it was assigned, or its plans were changed
}

type roleGrant struct {
	ID         string    `json:"id"`
	ResourceID string    `json:"resourceId"`
	AppRoleID  string    `json:"appRoleId"`
	Created    time.Time `json:"created"`
}

// clone is a copy to change.
func (u *user) clone() *user {
	c := *u
	c.Attributes = maps.Clone(u.Attributes)
	c.Revocations = slices.Clone(u.Revocations)
	c.Sessions = slices.Clone(u.Sessions)
	c.Methods = slices.Clone(u.Methods)
	c.Licences = slices.Clone(u.Licences)
	c.AppRoles = slices.Clone(u.AppRoles)
	c.MemberOf = maps.Clone(u.MemberOf)
	if c.MemberOf == nil {
		c.MemberOf = map[string]link{}
	}
	return &c
}

func (u *user) text(name string) string {
	s, _ := u.Attributes[name].(string)
	return s
}

func (u *user) principalName() string { return u.text("userPrincipalName") }

func (u *user) enabled() bool { return u.Attributes["accountEnabled"] == true }

func (u *user) live() bool { return u.Deleted == nil && !u.Purged }

// group is a group as it is kept. Its members are kept with the members.
type group struct {
	ID         string          `json:"id"`
	Seq        uint64          `json:"seq"`
	Created    time.Time       `json:"created"`
	Visible    time.Time       `json:"visible"`
	Attributes map[string]any  `json:"attributes"`
	MemberOf   map[string]link `json:"memberOf,omitempty"`
}

func (g *group) clone() *group {
	c := *g
	c.Attributes = maps.Clone(g.Attributes)
	c.MemberOf = maps.Clone(g.MemberOf)
	if c.MemberOf == nil {
		c.MemberOf = map[string]link{}
	}
	return &c
}

func (g *group) name() string {
	s, _ := g.Attributes["displayName"].(string)
	return s
}

func (g *group) dynamic() bool {
	types, _ := g.Attributes["groupTypes"].([]any)
	return slices.Contains(types, any("DynamicMembership"))
}

// covers reports whether the rule of a dynamic group holds for the user.
func (g *group) covers(u *user) bool {
	rule, _ := g.Attributes["membershipRule"].(string)
	property, value, valid := parseRule(rule)
	return valid && g.dynamic() && strings.EqualFold(u.text(property), value)
}

// parseRule reads `user.property -eq "value"`, the one form of membership rule that is understood here
// (entra/identity/users/groups-dynamic-membership).
func parseRule(rule string) (property, value string, valid bool) {
	left, right, found := strings.Cut(strings.Trim(rule, "() "), " -eq ")
	property, isUser := strings.CutPrefix(strings.TrimSpace(left), "user.")
	right = strings.TrimSpace(right)
	if !found || !isUser || len(right) < 2 || right[0] != '"' || right[len(right)-1] != '"' || userProperties[property].kind != kindText {
		return "", "", false
	}
	return property, right[1 : len(right)-1], true
}

// fold is the case-insensitive form of a text.
func fold(s string) string { return strings.ToLower(s) }

// sequence is a set of ids in the order of their numbers: a page is a slice of it.
type sequence struct {
	ids  []string
	seqs []uint64
}

// add puts the id where its number belongs, which is mostly the end.
func (s *sequence) add(id string, seq uint64) {
	i, _ := slices.BinarySearch(s.seqs, seq)
	s.ids, s.seqs = slices.Insert(s.ids, i, id), slices.Insert(s.seqs, i, seq)
}

func (s *sequence) remove(seq uint64) {
	if i, found := slices.BinarySearch(s.seqs, seq); found {
		s.ids, s.seqs = slices.Delete(s.ids, i, i+1), slices.Delete(s.seqs, i, i+1)
	}
}

// after are the ids with greater numbers.
func (s *sequence) after(seq uint64) []string {
	i, found := slices.BinarySearch(s.seqs, seq)
	if found {
		i++
	}
	return s.ids[i:]
}
