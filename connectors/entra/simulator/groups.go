package simulator

import (
	"errors"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

var groupResource = resource{name: "Group", properties: groupProperties}

// AddGroup creates the group unless one has its name, and answers its id. It is visible at once.
func (s *Simulator) AddGroup(g Group) (string, error) {
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, id := range st.groupOrder.ids {
		if st.groups[id].name() == g.DisplayName {
			return id, nil
		}
	}
	attributes := object{
		"displayName": g.DisplayName, "mailEnabled": false, "securityEnabled": true, "mailNickname": uuid.NewString()[:8],
	}
	if g.Rule != "" {
		if _, _, valid := parseRule(g.Rule); !valid {
			return "", errors.New("the rule must read: user.<property> -eq \"<value>\"")
		}
		attributes["groupTypes"], attributes["membershipRule"] = []any{"DynamicMembership"}, g.Rule
		attributes["membershipRuleProcessingState"] = "On"
	}
	if g.DisplayName == "" {
		return "", errors.New("a display name is required")
	}
	since := s.now().Add(-s.options.SearchLag) // the index has it
	created := &group{ID: uuid.NewString(), Seq: st.nextSeq(), Created: since, Visible: since, Attributes: attributes}
	return created.ID, st.saveGroup(created)
}

// listGroups is graph/api/group-list.
func (s *Simulator) listGroups(c *call) (*reply, error) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	names, err := selection(groupProperties, "group", c.query, true)
	if err != nil {
		return nil, err
	}
	return c.list(listing{
		resource: groupResource, set: "groups", orders: []string{"displayName"},
		items: func(after uint64, _ *expression) []candidate {
			var out []candidate
			for _, id := range s.store.groupOrder.after(after) {
				g := s.store.groups[id]
				if s.now().Before(g.Visible) || (c.query.eventual && s.now().Sub(g.Created) < s.options.SearchLag) {
					continue
				}
				out = append(out, groupCandidate(g, func() object { return renderGroup(g, names) }))
			}
			return out
		},
	})
}

func groupCandidate(g *group, show func() object) candidate {
	return candidate{seq: g.Seq, value: func(name string) any { return groupValue(g, name) }, show: show}
}

// getGroup is graph/api/group-get.
func (s *Simulator) getGroup(c *call) (*reply, error) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	g, err := s.store.findGroup(c.id["id"])
	if err != nil {
		return nil, err
	}
	names, err := selection(groupProperties, "group", c.query, false)
	if err != nil {
		return nil, err
	}
	body := renderGroup(g, names)
	body["@odata.context"] = c.context("groups", c.query, true)
	return ok(body), nil
}

// createGroup is graph/api/group-post-groups. Groups with mail are not simulated.
func (s *Simulator) createGroup(c *call) (*reply, error) {
	var body object
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	for _, name := range []string{"displayName", "mailEnabled", "mailNickname", "securityEnabled"} {
		if body[name] == nil {
			return nil, required(name, "Group")
		}
	}
	if body["mailEnabled"] != false || body["securityEnabled"] != true {
		return nil, badRequest("The service does not currently support writes of mail-enabled groups. Please ensure that the mail-enablement " +
			"property is unset and the security-enablement property is set.")
	}
	links, err := bindings(body)
	if err != nil {
		return nil, err
	}
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	now := s.now()
	g := &group{
		ID: uuid.NewString(), Seq: st.nextSeq(), Created: now, Visible: now.Add(s.options.ReadLag), Attributes: object{}, MemberOf: map[string]link{},
	}
	if err := assignGroup(g.Attributes, body); err != nil {
		return nil, err
	}
	if rule, _ := g.Attributes["membershipRule"].(string); g.dynamic() != (rule != "") {
		return nil, invalidValue("membershipRule", "Group")
	} else if _, _, valid := parseRule(rule); rule != "" && !valid {
		return nil, invalidValue("membershipRule", "Group")
	}
	if err := s.writeGroup(g, links); err != nil {
		return nil, err
	}
	out := renderGroup(g, nil)
	out["@odata.context"] = c.context("groups", query{}, true)
	return &reply{status: http.StatusCreated, body: out}, nil
}

// updateGroup is graph/api/group-update, and example 2 of graph/api/group-post-members: up to 20 members at once.
func (s *Simulator) updateGroup(c *call) (*reply, error) {
	var body object
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	links, err := bindings(body)
	if err != nil {
		return nil, err
	}
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	found, err := st.findGroup(c.id["id"])
	if err != nil {
		return nil, err
	}
	g := found.clone()
	if err := assignGroup(g.Attributes, body); err != nil {
		return nil, err
	}
	if err := s.writeGroup(g, links); err != nil {
		return nil, err
	}
	return noContent(), nil
}

func assignGroup(attributes, values object) error {
	for name, value := range values {
		name, _ := canonical(groupProperties, name)
		if strings.HasPrefix(name, "@odata.") {
			continue
		}
		if err := checkValue(groupProperties, "Group", name, value); err != nil {
			return err
		}
		attributes[name] = value
	}
	return nil
}

// writeGroup saves the group with the members that the links add: all or nothing.
func (s *Simulator) writeGroup(g *group, links []string) error {
	if len(links) == 0 {
		return s.store.saveGroup(g)
	}
	if g.dynamic() {
		return denied()
	}
	var users []*user
	seen := map[string]bool{}
	for _, id := range links {
		u, err := s.store.findUser(id)
		if err != nil {
			return err // groups can be nested one by one only, here
		}
		if _, member := u.MemberOf[g.ID]; member || seen[u.ID] {
			return alreadyMember()
		}
		seen[u.ID] = true
		users = append(users, s.withMembership(u, g))
	}
	return s.store.saveGroup(g, users...)
}

// withMembership is a copy of the user that is a member.
func (s *Simulator) withMembership(u *user, g *group) *user {
	c := u.clone()
	c.MemberOf[g.ID] = link{Seq: s.store.nextSeq(), At: s.now()}
	return c
}

func alreadyMember() error {
	return badRequest("One or more added object references already exist for the following modified properties: 'members'.")
}

// maxLinks is how many members one request adds (graph/api/group-post-members).
const maxLinks = 20

// bindings takes members@odata.bind out of the body.
func bindings(body object) ([]string, error) {
	const name = "members@odata.bind"
	value, given := body[name]
	if !given {
		return nil, nil
	}
	delete(body, name)
	list, isList := value.([]any)
	if !isList {
		return nil, invalidValue(name, "Group")
	}
	if len(list) > maxLinks {
		return nil, badRequest("A resource cannot contain more than %d link changes", maxLinks)
	}
	var ids []string
	for _, v := range list {
		text, _ := v.(string)
		id, err := referenced(text)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// deleteGroup is graph/api/group-delete. A security group is gone for good.
func (s *Simulator) deleteGroup(c *call) (*reply, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	g, err := s.store.findGroup(c.id["id"])
	if err != nil {
		return nil, err
	}
	if err := s.store.dropGroup(g); err != nil {
		return nil, err
	}
	return noContent(), nil
}
