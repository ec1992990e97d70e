package simulator

import (
	"cmp"
	"maps"
	"slices"

	"github.com/elimity-com/scim"
	"github.com/elimity-com/scim/errors"
	"github.com/scim2/filter-parser/v2"
)

// renderUser is the user for the library, with the groups it is in (RFC 7643 §4.1.2). The lock is held.
func (s *store) renderUser(u *user, p projection) scim.Resource {
	out := u.resource()
	if p.shows("groups") && len(u.groups) > 0 {
		groups := make([]any, 0, len(u.groups))
		for _, id := range slices.Sorted(maps.Keys(u.groups)) {
			groups = append(groups, map[string]any{
				"value": id, "display": s.groups[id].text("displayName"), "$ref": "Groups/" + id, "type": "direct",
			})
		}
		out.Attributes["groups"] = groups
	}
	p.apply(out.Attributes)
	return out
}

// renderGroup is the group for the library, with its members. The lock is held.
func (s *store) renderGroup(g *group, p projection) scim.Resource {
	out := g.resource()
	if p.shows("members") && len(g.members) > 0 {
		members := make([]any, 0, len(g.members))
		for _, id := range g.memberIDs() {
			members = append(members, map[string]any{
				"value": id, "display": s.users[id].text("userName"), "$ref": "Users/" + id, "type": "User",
			})
		}
		out.Attributes["members"] = members
	}
	p.apply(out.Attributes)
	return out
}

func (s *store) getUser(id string, p projection) (scim.Resource, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	u, ok := s.users[id]
	if !ok {
		return scim.Resource{}, errors.ScimErrorResourceNotFound(id)
	}
	return s.renderUser(u, p), nil
}

func (s *store) getGroup(id string, p projection) (scim.Resource, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	g, ok := s.groups[id]
	if !ok {
		return scim.Resource{}, errors.ScimErrorResourceNotFound(id)
	}
	return s.renderGroup(g, p), nil
}

// listUsers is one page of the users that match, in the order of creation.
func (s *store) listUsers(params scim.ListRequestParams, p projection) (scim.Page, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	match := func(id string, e filter.Expression) (bool, error) { return matches(e, s.userView(id)) }
	ids, err := search(params, s.userOrder.ids, s.indexedUsers, match)
	if err != nil {
		return scim.Page{}, err
	}
	return page(params, ids, func(id string) scim.Resource { return s.renderUser(s.users[id], p) }), nil
}

// listGroups is one page of the groups that match, in the order of creation.
func (s *store) listGroups(params scim.ListRequestParams, p projection) (scim.Page, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	match := func(id string, e filter.Expression) (bool, error) { return matches(e, s.groupView(id)) }
	ids, err := search(params, s.groupOrder.ids, s.indexedGroups, match)
	if err != nil {
		return scim.Page{}, err
	}
	return page(params, ids, func(id string) scim.Resource { return s.renderGroup(s.groups[id], p) }), nil
}

// search is the ids that match: by an index where the filter is one equality that has one, else by looking at each.
func search(params scim.ListRequestParams, all []string, indexed func(attr, sub, value string) ([]string, bool),
	match func(id string, e filter.Expression) (bool, error),
) ([]string, error) {
	if params.FilterValidator == nil {
		return all, nil
	}
	e := params.FilterValidator.GetFilter()
	if attr, ok := e.(*filter.AttributeExpression); ok && attr.Operator == filter.EQ && attr.AttributePath.URI() == "" {
		value, err := compared(attr)
		if err != nil {
			return nil, err
		}
		if text, ok := value.(string); ok {
			if ids, ok := indexed(fold(attr.AttributePath.AttributeName), fold(attr.AttributePath.SubAttributeName()), text); ok {
				return ids, nil
			}
		}
	}
	found := []string{}
	for _, id := range all {
		ok, err := match(id, e)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, id)
		}
	}
	return found, nil
}

func page(params scim.ListRequestParams, ids []string, render func(id string) scim.Resource) scim.Page {
	out := scim.Page{TotalResults: len(ids), Resources: []scim.Resource{}}
	start := min(params.StartIndex-1, len(ids))
	for _, id := range ids[start:min(start+params.Count, len(ids))] {
		out.Resources = append(out.Resources, render(id))
	}
	return out
}

func (s *store) indexedUsers(attr, sub, value string) ([]string, bool) {
	switch attr + "." + sub {
	case "id.":
		_, ok := s.users[value]
		return one(value, ok), true
	case "username.":
		id, ok := s.byUserName[fold(value)]
		return one(id, ok), true
	case "externalid.":
		return s.ofKind(s.byExternal[value], func(id string) (uint64, bool) { u, ok := s.users[id]; return seqOf(u, ok) }), true
	}
	return nil, false
}

func (s *store) indexedGroups(attr, sub, value string) ([]string, bool) {
	groupSeq := func(id string) (uint64, bool) {
		g, ok := s.groups[id]
		if !ok {
			return 0, false
		}
		return g.Seq, true
	}
	switch attr + "." + sub {
	case "id.":
		_, ok := s.groups[value]
		return one(value, ok), true
	case "displayname.":
		return s.ofKind(s.byDisplay[fold(value)], groupSeq), true
	case "externalid.":
		return s.ofKind(s.byExternal[value], groupSeq), true
	case "members.value":
		if u, ok := s.users[value]; ok {
			return s.ofKind(u.groups, groupSeq), true
		}
		return []string{}, true
	}
	return nil, false
}

func seqOf(u *user, ok bool) (uint64, bool) {
	if !ok {
		return 0, false
	}
	return u.Seq, true
}

func one(id string, ok bool) []string {
	if !ok {
		return []string{}
	}
	return []string{id}
}

// ofKind are the ids that seq knows, in the order of creation.
func (s *store) ofKind(ids map[string]struct{}, seq func(id string) (uint64, bool)) []string {
	out := []string{}
	for id := range ids {
		if _, ok := seq(id); ok {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		x, _ := seq(a)
		y, _ := seq(b)
		return cmp.Compare(x, y)
	})
	return out
}

// userView and groupView are what a filter sees.
func (s *store) userView(id string) map[string]any {
	u := s.users[id]
	view := maps.Clone(u.Attributes)
	view["id"] = id
	groups := make([]any, 0, len(u.groups))
	for g := range u.groups {
		groups = append(groups, map[string]any{"value": g, "display": s.groups[g].text("displayName")})
	}
	view["groups"] = groups
	return view
}

func (s *store) groupView(id string) map[string]any {
	g := s.groups[id]
	view := maps.Clone(g.Attributes)
	view["id"] = id
	members := make([]any, 0, len(g.members))
	for m := range g.members {
		members = append(members, map[string]any{"value": m})
	}
	view["members"] = members
	return view
}
