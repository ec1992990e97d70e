package simulator

import (
	"strings"
	"time"
)

// group is a group without its members, which the store keeps apart.
type group struct {
	ID                    string         `json:"id"`
	Seq                   uint64         `json:"seq"`
	Type                  string         `json:"type"`
	Created               time.Time      `json:"created"`
	LastUpdated           time.Time      `json:"lastUpdated"`
	LastMembershipUpdated time.Time      `json:"lastMembershipUpdated"`
	Profile               map[string]any `json:"profile"`
}

func (g *group) name() string {
	s, _ := g.Profile["name"].(string)
	return s
}

// touched is the group with its members changed at the given time.
func (g *group) touched(at time.Time) *group {
	c := *g
	c.LastMembershipUpdated = at
	return &c
}

func (g *group) ident() (string, uint64) { return g.ID, g.Seq }

func (g *group) texts() map[string]any { return g.Profile }

func (g *group) field(name, sub string) any {
	if name == "profile" {
		return g.Profile[sub]
	}
	if sub != "" {
		return nil
	}
	switch name {
	case "id":
		return g.ID
	case "type":
		return g.Type
	case "created":
		return g.Created
	case "lastUpdated":
		return g.LastUpdated
	case "lastMembershipUpdated":
		return g.LastMembershipUpdated
	}
	return nil
}

func (g *group) render(base string) any {
	class := "okta:user_group"
	if g.Type == GroupApp {
		class = "okta:windows_security_principal"
	}
	self := base + "/api/v1/groups/" + g.ID
	return map[string]any{
		"id": g.ID, "type": g.Type, "created": iso(g.Created), "lastUpdated": iso(g.LastUpdated),
		"lastMembershipUpdated": iso(g.LastMembershipUpdated), "objectClass": []string{class}, "profile": g.Profile,
		"_links": map[string]any{"self": link(self), "users": link(self + "/users")},
	}
}

// addGroup makes a group that is not there yet and answers its id.
func (s *Simulator) addGroup(wanted Group) (string, error) {
	if wanted.Type == "" {
		wanted.Type = GroupOkta
	}
	for _, g := range s.store.groups {
		if g.name() == wanted.Name && g.Type == wanted.Type {
			return g.ID, nil
		}
	}
	if err := s.checkGroup(map[string]any{"name": wanted.Name}, ""); err != nil && wanted.Type == GroupOkta {
		return "", err
	}
	return s.newGroup(map[string]any{"name": wanted.Name}, wanted.Type)
}

func (s *Simulator) newGroup(profile map[string]any, kind string) (string, error) {
	now := s.stamp()
	g := &group{ID: newID("00g"), Seq: s.store.nextSeq(), Type: kind, Created: now, LastUpdated: now, LastMembershipUpdated: now, Profile: profile}
	return g.ID, s.saveGroup(g)
}

func (s *Simulator) saveGroup(g *group) error {
	var b batch
	b.put(bucketCounter, "seq", s.store.seq)
	b.put(bucketGroups, g.ID, g)
	if err := s.store.disk.write(&b); err != nil {
		return err
	}
	s.store.setGroup(g, s.now())
	return nil
}

// setGroup shows a group; the disk has it.
func (s *store) setGroup(g *group, now time.Time) {
	if s.groups[g.ID] == nil {
		s.groupOrder.add(g.ID, g.Seq)
		s.members[g.ID] = make(map[string]uint64)
	}
	s.groups[g.ID] = g
	s.groupIndex.set(g, now)
}

// mostName is how long a group's name may be, in bytes (Groups API: OktaUserGroupProfile).
const mostName = 255

// checkGroup finds what is wrong with a group's profile: the name must be there and no other group of Okta's may have it.
func (s *Simulator) checkGroup(profile map[string]any, self string) error {
	name, _ := profile["name"].(string)
	if name == "" {
		return invalid("name", "name: The field cannot be left blank")
	}
	if len(name) > mostName {
		return invalid("name", "name: The field is too long")
	}
	for _, g := range s.store.groups {
		if g.ID != self && g.Type != GroupApp && g.name() == name {
			return invalid("name", taken("name"))
		}
	}
	return nil
}

func (s *Simulator) findGroup(id string) (*group, error) {
	if g := s.store.groups[id]; g != nil {
		return g, nil
	}
	return nil, notFound(id, kindGroup)
}

const (
	groupPage  = 10000 // Groups API: List all groups, limit
	groupQuery = 300   // the same, q
)

// listGroups (Groups API: List all groups): search is eventually consistent, q cannot be paged.
func (s *Simulator) listGroups(r *request) (answer, error) {
	if err := notSimulated(r, "sortBy", "sortOrder", "expand"); err != nil {
		return answer{}, err
	}
	groups := make([]*group, 0, len(s.store.groups))
	for _, id := range s.store.groupOrder.ids {
		groups = append(groups, s.store.groups[id])
	}
	if searched := r.query.Get("search"); searched != "" {
		e, err := groupSearch.parse(searched)
		if err != nil {
			return answer{}, err
		}
		found, err := s.store.groupIndex.search(e)
		if err != nil {
			return answer{}, err
		}
		groups = groups[:0]
		for _, doc := range found {
			if g, ok := doc.(*group); ok {
				groups = append(groups, g)
			}
		}
	}
	if filtered := r.query.Get("filter"); filtered != "" {
		e, err := groupFilter.parse(filtered)
		if err != nil {
			return answer{}, err
		}
		if groups, err = where(groups, func(g *group) (bool, error) { return matches(g, e, true) }); err != nil {
			return answer{}, err
		}
	}
	show := func(otherwise int) (answer, error) {
		return page(r, otherwise, groupPage, groups, func(g *group) uint64 { return g.Seq }, func(g *group) any { return g.render(r.base) })
	}
	if q := strings.ToLower(r.query.Get("q")); q != "" {
		groups, _ = where(groups, func(g *group) (bool, error) { return strings.HasPrefix(strings.ToLower(g.name()), q), nil })
		out, err := show(groupQuery)
		out.next = ""
		return out, err
	}
	return show(groupPage)
}

func where[T any](all []T, match func(T) (bool, error)) ([]T, error) {
	var out []T
	for _, item := range all {
		ok, err := match(item)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, item)
		}
	}
	return out, nil
}

type groupBody struct {
	Profile map[string]any `json:"profile"`
}

func (s *Simulator) getGroup(r *request) (answer, error) {
	g, err := s.findGroup(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	return answer{body: g.render(r.base)}, nil
}

// createGroup (Groups API: Add a group) makes an OKTA_GROUP.
func (s *Simulator) createGroup(r *request) (answer, error) {
	var body groupBody
	if err := r.decode(&body); err != nil {
		return answer{}, err
	}
	if err := s.checkGroup(body.Profile, ""); err != nil {
		return answer{}, err
	}
	id, err := s.newGroup(withoutNulls(body.Profile), GroupOkta)
	if err != nil {
		return answer{}, err
	}
	return answer{body: s.store.groups[id].render(r.base)}, nil
}

// replaceGroup (Groups API: Replace a group): only of type OKTA_GROUP.
func (s *Simulator) replaceGroup(r *request) (answer, error) {
	g, err := s.findGroup(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if err := g.manual(); err != nil {
		return answer{}, err
	}
	var body groupBody
	if err := r.decode(&body); err != nil {
		return answer{}, err
	}
	if err := s.checkGroup(body.Profile, g.ID); err != nil {
		return answer{}, err
	}
	changed := *g
	changed.Profile, changed.LastUpdated = withoutNulls(body.Profile), s.stamp()
	if err := s.saveGroup(&changed); err != nil {
		return answer{}, err
	}
	return answer{body: changed.render(r.base)}, nil
}

// deleteGroup (Groups API: Delete a group): of type OKTA_GROUP or APP_GROUP.
func (s *Simulator) deleteGroup(r *request) (answer, error) {
	g, err := s.findGroup(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if g.Type == GroupBuiltIn {
		return answer{}, errForbidden
	}
	st := s.store
	var b batch
	b.remove(bucketGroups, g.ID)
	left := make([]*user, 0, len(st.members[g.ID]))
	for id := range st.members[g.ID] {
		u := st.users[id].clone()
		delete(u.Groups, g.ID)
		b.put(bucketUsers, id, u)
		left = append(left, u)
	}
	if err := st.disk.write(&b); err != nil {
		return answer{}, err
	}
	for _, u := range left {
		st.setUser(u, s.now())
	}
	delete(st.groups, g.ID)
	delete(st.members, g.ID)
	st.groupOrder.remove(g.Seq)
	st.groupIndex.remove(g.ID, s.now())
	return noContent, nil
}
