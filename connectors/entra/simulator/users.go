package simulator

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

var userResource = resource{name: "User", properties: userProperties}

// listUsers is graph/api/user-list.
func (s *Simulator) listUsers(c *call) (*reply, error) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	l, err := s.userListing(c)
	if err != nil {
		return nil, err
	}
	return c.list(l)
}

// countUsers is example 3 of graph/api/user-list.
func (s *Simulator) countUsers(c *call) (*reply, error) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	l, err := s.userListing(c)
	if err != nil {
		return nil, err
	}
	return c.countOnly(l)
}

func (s *Simulator) userListing(c *call) (listing, error) {
	names, err := selection(userProperties, "user", c.query, true)
	if err != nil {
		return listing{}, err
	}
	expand, err := parseExpand(c.query)
	if err != nil {
		return listing{}, err
	}
	st := s.store
	return listing{
		resource: userResource, set: "users", orders: []string{"displayName", "userPrincipalName"}, advanced: []string{"createdDateTime"},
		items: func(after uint64, filter *expression) []candidate {
			var out []candidate
			for _, id := range st.narrowed(filter, after, c.query.eventual) {
				u := st.users[id]
				if s.hidden(u, c.query.eventual) {
					continue
				}
				if c.query.eventual {
					u = st.asIndexed(u)
				}
				out = append(out, candidate{
					seq:   u.Seq,
					value: func(name string) any { return st.userValue(u, name) },
					show:  func() object { return expand.apply(st, u, st.renderUser(u, names)) },
				})
			}
			return out
		},
	}, nil
}

// hidden reports whether a fresh user is not in the listings yet: for ReadLag nowhere, for SearchLag not in the index.
func (s *Simulator) hidden(u *user, eventual bool) bool {
	now := s.now()
	return now.Before(u.Visible) || (eventual && now.Sub(u.Created) < s.options.SearchLag)
}

// narrowed are the ids of live users with a greater number, fewer of them when the filter names an indexed value.
func (s *store) narrowed(filter *expression, after uint64, eventual bool) []string {
	if eventual && s.options.SearchLag > 0 {
		return s.userOrder.after(after) // the values of then are in no index
	}
	for _, property := range indexed {
		value, found := filter.equals(property)
		if !found {
			continue
		}
		var ids []string
		for id := range s.index[property][fold(value)] {
			if s.users[id].Seq > after {
				ids = append(ids, id)
			}
		}
		slices.SortFunc(ids, func(a, b string) int { return cmp.Compare(s.users[a].Seq, s.users[b].Seq) })
		return ids
	}
	return s.userOrder.after(after)
}

// getUser is graph/api/user-get.
func (s *Simulator) getUser(c *call) (*reply, error) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	u, err := s.store.findUser(c.id["id"])
	if err != nil {
		return nil, err
	}
	names, err := selection(userProperties, "user", c.query, false)
	if err != nil {
		return nil, err
	}
	expand, err := parseExpand(c.query)
	if err != nil {
		return nil, err
	}
	body := expand.apply(s.store, u, s.store.renderUser(u, names))
	body["@odata.context"] = c.context("users", c.query, true)
	return ok(body), nil
}

// createUser is graph/api/user-post-users.
func (s *Simulator) createUser(c *call) (*reply, error) {
	var body object
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	for _, name := range []string{"accountEnabled", "displayName", "mailNickname", "userPrincipalName"} {
		if body[name] == nil {
			return nil, required(name, "User")
		}
	}
	if body["passwordProfile"] == nil {
		return nil, badRequest("A password must be specified to create a new user.")
	}
	profile, err := parseProfile(body["passwordProfile"])
	if err != nil {
		return nil, err
	}
	delete(body, "passwordProfile")
	attributes := object{"userType": "Member"}
	if err := assign(attributes, body); err != nil {
		return nil, err
	}
	st := s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	u := st.newUser(attributes)
	u.Password, u.ChangeNext = profile.password, profile.changeNext
	if st.principalNameTaken(u.principalName(), "") {
		return nil, conflict("userPrincipalName")
	}
	if err := st.save(u); err != nil {
		return nil, err
	}
	out := st.renderUser(u, nil)
	out["@odata.context"] = c.context("users", query{}, true)
	return &reply{status: http.StatusCreated, body: out, header: map[string]string{
		"Location": c.base + "/directoryObjects/" + u.ID + "/Microsoft.DirectoryServices.User",
	}}, nil
}

// assign checks the values and sets those that are not null; null removes.
func assign(attributes, values object) error {
	for name, value := range values {
		name, _ := canonical(userProperties, name)
		if strings.HasPrefix(name, "@odata.") {
			continue
		}
		if err := checkValue(userProperties, "User", name, value); err != nil {
			return err
		}
		if list, isList := value.([]any); value == nil || isList && len(list) == 0 {
			delete(attributes, name)
			continue
		}
		attributes[name] = value
	}
	return nil
}

// updateUser is graph/api/user-update.
func (s *Simulator) updateUser(c *call) (*reply, error) {
	var body object
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if _, given := body["passwordProfile"]; given && !s.permits(writePasswords) {
		return nil, denied()
	}
	err := s.store.update(c.id["id"], func(u *user) error {
		if value, given := body["passwordProfile"]; given {
			profile, err := parseProfile(value)
			if err != nil {
				return err
			}
			u.Password, u.ChangeNext, u.PasswordChanged = profile.password, profile.changeNext, s.now()
			delete(body, "passwordProfile")
		}
		if err := assign(u.Attributes, body); err != nil {
			return err
		}
		if s.store.principalNameTaken(u.principalName(), u.ID) {
			return conflict("userPrincipalName")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return noContent(), nil
}

// profile is what is taken of a passwordProfile (graph/api/resources/passwordprofile).
type profile struct {
	password   string
	changeNext bool
}

func parseProfile(value any) (profile, error) {
	fields, isObject := value.(object)
	password, isText := fields["password"].(string)
	if !isObject || !isText {
		return profile{}, invalidValue("passwordProfile", "User")
	}
	if !strong(password) {
		return profile{}, badRequest("The specified password does not comply with password complexity requirements. Please provide a different password.")
	}
	changeNext, given := fields["forceChangePasswordNextSignIn"].(bool)
	return profile{password: password, changeNext: changeNext || !given}, nil
}

// strong is the policy of cloud accounts: 8 to 256 characters, three of lower case, upper case, digits and symbols
// (entra/identity/authentication/concept-sspr-policy).
func strong(password string) bool {
	if n := len([]rune(password)); n < 8 || n > 256 {
		return false
	}
	kinds := 0
	for _, set := range []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "@#$%^&*-_!+=[]{}|\\:',.?/`~\"();<> "} {
		if strings.ContainsAny(password, set) {
			kinds++
		}
	}
	return kinds >= 3
}

// deleteUser is graph/api/user-delete: into deletedItems for 30 days.
func (s *Simulator) deleteUser(c *call) (*reply, error) {
	if err := s.softDelete(c.id["id"], "DELETE /users/{id}"); err != nil {
		return nil, err
	}
	return noContent(), nil
}

// revokeSignInSessions is graph/api/user-revokesigninsessions.
func (s *Simulator) revokeSignInSessions(c *call) (*reply, error) {
	err := s.store.update(c.id["id"], func(u *user) error {
		valid := s.store.sessionsValidFrom(u) // of those that show already only the last matters
		u.Revocations = slices.DeleteFunc(u.Revocations, func(at time.Time) bool { return at.Before(valid) })
		u.Revocations = append(u.Revocations, s.now())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ok(object{"@odata.context": c.base + "/$metadata#Edm.Boolean", "value": true}), nil
}

// listOrganization is graph/api/organization-list, in short.
func (s *Simulator) listOrganization(c *call) (*reply, error) {
	return ok(object{"@odata.context": c.context("organization", c.query, false), "value": []any{object{
		"id": s.options.TenantID, "displayName": "Simulated tenant",
		"verifiedDomains": []any{object{"name": initialDomain, "isDefault": true, "isInitial": true, "type": "Managed", "capabilities": "Email"}},
	}}}), nil
}
