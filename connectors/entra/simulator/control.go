package simulator

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// SignIn signs a user in with the password and answers a refresh token: a session.
func (s *Simulator) SignIn(userID, password string) (string, error) {
	token := uuid.NewString()
	err := s.store.update(userID, func(u *user) error {
		switch {
		case u.Password == "" || u.Password != password:
			return errors.New("AADSTS50126: invalid user name or password")
		case !u.enabled():
			return errors.New("AADSTS50057: the user account is disabled")
		}
		u.Sessions = append(u.Sessions, session{Token: token, At: s.now()})
		return nil
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// Refresh redeems a refresh token and reports whether the session is alive: the account is there and enabled, and the
// token was not revoked.
func (s *Simulator) Refresh(token string) bool {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	u := s.store.users[s.store.tokens[token]]
	if u == nil || !u.live() || !u.enabled() {
		return false
	}
	return slices.ContainsFunc(u.Sessions, func(se session) bool { return se.Token == token && s.store.sessionValid(u, se) })
}

// sessionValid: not begun before the last revocation that has taken effect, nor before the last change of the password,
// which ends tokens that were got with the old one (entra/identity-platform/refresh-tokens, "Token revocation").
func (s *store) sessionValid(u *user, se session) bool {
	return !se.At.Before(s.sessionsValidFrom(u)) && !se.At.Before(u.PasswordChanged)
}

// PasswordIs reports whether the password is the user's, whatever the state of the account.
func (s *Simulator) PasswordIs(userID, password string) bool {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	u := s.store.users[userID]
	return u != nil && u.live() && u.Password != "" && u.Password == password
}

// User is a user as a test sees it, whether clients see it already or not.
type User struct {
	ID                string `json:"id"`
	UserPrincipalName string `json:"userPrincipalName"`
	Enabled           bool   `json:"enabled"`
	// Attributes are the properties with a value, but for the password.
	Attributes map[string]any `json:"attributes"`
	Groups     []string       `json:"groups"`   // display names, sorted; direct memberships, dynamic ones included
	Licences   []string       `json:"licences"` // SKU part numbers, sorted
	AppRoles   []string       `json:"appRoles"` // values of roles, sorted
	Methods    []string       `json:"methods"`  // kinds, sorted; the password left out
	Manager    string         `json:"manager"`  // an id
	// Sessions counts the refresh tokens that are not revoked. They are of no use while the account is disabled.
	Sessions int `json:"sessions"`
}

// Users reads all live users in one step, sorted by userPrincipalName.
func (s *Simulator) Users() []User {
	st := s.store
	st.mu.RLock()
	defer st.mu.RUnlock()
	out := make([]User, 0, len(st.userOrder.ids))
	for _, id := range st.userOrder.ids {
		out = append(out, s.snapshot(st.users[id]))
	}
	slices.SortFunc(out, func(a, b User) int { return strings.Compare(a.UserPrincipalName, b.UserPrincipalName) })
	return out
}

func (s *Simulator) snapshot(u *user) User {
	out := User{
		ID: u.ID, UserPrincipalName: u.principalName(), Enabled: u.enabled(), Attributes: maps.Clone(u.Attributes), Manager: u.Manager,
		Groups: []string{}, Licences: []string{}, AppRoles: []string{}, Methods: []string{},
	}
	for _, g := range s.store.groupsOf(u, false) {
		out.Groups = append(out.Groups, g.name())
	}
	for _, a := range u.Licences {
		l, _ := s.licence(a.SkuID)
		out.Licences = append(out.Licences, l.SkuPartNumber)
	}
	for _, g := range u.AppRoles {
		a, _ := s.application(g.ResourceID)
		for _, r := range a.Roles {
			if r.ID == g.AppRoleID {
				out.AppRoles = append(out.AppRoles, r.Value)
			}
		}
	}
	for _, m := range u.Methods {
		out.Methods = append(out.Methods, string(m.Kind))
	}
	for _, se := range u.Sessions {
		if s.store.sessionValid(u, se) {
			out.Sessions++
		}
	}
	for _, list := range [][]string{out.Groups, out.Licences, out.AppRoles, out.Methods} {
		slices.Sort(list)
	}
	return out
}

// Stats are what was counted since the simulator was opened.
type Stats struct {
	// Calls counts by method and route template, "GET /users/{id}"; "GET other" is what has no route. The steps of a
	// batch count one by one, and so does the batch. Refused ones count too.
	Calls map[string]int `json:"calls"`
	// Throttled counts the answers with 429, inside batches too.
	Throttled int `json:"throttled"`
	// Deletions is how many users were ever deleted, as Deletions has them.
	Deletions int `json:"deletions"`
}

// Stats reads the counters.
func (s *Simulator) Stats() Stats {
	deletions := len(s.Deletions())
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Calls: maps.Clone(s.stats.Calls), Throttled: s.stats.Throttled, Deletions: deletions}
}

func (s *Simulator) count(method, template string) {
	if template == "" {
		template = "other"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Calls[method+" "+template]++
}

func (s *Simulator) countThrottled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Throttled++
}
