package simulator

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// lockAfter is how many wrong passwords lock a user out: the default password policy.
const lockAfter = 10

// ErrSignIn is a sign-in that was refused: no such user, a wrong password, or a status other than ACTIVE.
var ErrSignIn = errors.New("the sign-in is refused")

// Session is what a sign-in yields.
type Session struct {
	UserID string
	// ID is of the session with Okta itself, Token the refresh token of an application.
	ID, Token string
}

// SignInClient is the client id of the application that SignIn signs in to.
const SignInClient = "0oaPortal00000000000"

// SignIn signs a person in with a password, for a session and a refresh token. Ten wrong passwords lock the user out.
func (s *Simulator) SignIn(login, password string) (Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if err := s.store.settle(now); err != nil {
		return Session{}, err
	}
	u := s.store.users[s.store.byLogin[fold(login)]]
	if u == nil || u.Status != StatusActive || !u.takesPassword() {
		return Session{}, ErrSignIn
	}
	u = u.clone()
	if u.Password != digest(u.ID+password) {
		if u.Failures++; u.Failures >= lockAfter {
			u.become(StatusLockedOut, s.stamp())
		}
		return Session{}, errors.Join(ErrSignIn, s.store.saveUser(u, now))
	}
	for _, grants := range []map[string]grant{u.Sessions, u.Tokens} {
		maps.DeleteFunc(grants, func(_ string, g grant) bool { return !g.alive(now) })
	}
	out := Session{UserID: u.ID, ID: newID("102"), Token: newID("oar")}
	u.Sessions[out.ID], u.Tokens[out.Token] = s.newGrant(""), s.newGrant(SignInClient)
	u.Failures, u.LastLogin = 0, s.stamp()
	return out, s.store.saveUser(u, now)
}

// SessionAlive reports whether a session or a refresh token still works.
func (s *Simulator) SessionAlive(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.store.users[s.store.sessions[id]]
	if u == nil || s.store.settle(s.now()) != nil {
		return false
	}
	u = s.store.users[u.ID]
	for _, grants := range []map[string]grant{u.Sessions, u.Tokens} {
		if g, ok := grants[id]; ok {
			return g.alive(s.now())
		}
	}
	return false
}

// IssueToken gives an application, named by its client id, a refresh token of the person's.
func (s *Simulator) IssueToken(userID, client string) (string, error) {
	id := newID("oar")
	return id, s.edit(userID, func(u *user) error {
		u.Tokens[id] = s.newGrant(client)
		return nil
	})
}

func (s *Simulator) newGrant(client string) grant {
	return grant{Seq: s.store.nextSeq(), Created: s.stamp(), Client: client}
}

// ChoosePassword is what a person does with the link of an activation, a reset or an expired password: the password is
// set and the user becomes ACTIVE (Users API: User status).
func (s *Simulator) ChoosePassword(userID, password string) error {
	return s.edit(userID, func(u *user) error {
		switch u.Status {
		case StatusProvisioned, StatusRecovery, StatusPasswordExpired:
		default:
			return fmt.Errorf("a user in status %s has no password to choose", u.Status)
		}
		if err := checkPassword(password, u.login()); err != nil {
			return err
		}
		u.Password, u.PasswordChanged = digest(u.ID+password), s.stamp()
		u.become(StatusActive, s.stamp())
		return nil
	})
}

// EnrollFactor enrolls a factor of a type such as "sms", "push", "webauthn", and answers its id.
func (s *Simulator) EnrollFactor(userID, factorType string) (string, error) {
	provider, known := factorProviders[factorType]
	if !known {
		return "", fmt.Errorf("no factor type %q: there are %s", factorType, strings.Join(slices.Sorted(maps.Keys(factorProviders)), ", "))
	}
	f := factor{ID: newID("mfa"), Type: factorType, Provider: provider, Created: s.stamp()}
	return f.ID, s.edit(userID, func(u *user) error {
		u.Factors = append(u.Factors, f)
		return nil
	})
}

func (s *Simulator) edit(userID string, change func(*user) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.store.settle(s.now()); err != nil {
		return err
	}
	u := s.store.users[userID]
	if u == nil {
		return notFound(userID, kindUser)
	}
	u = u.clone()
	if err := change(u); err != nil {
		return err
	}
	return s.store.saveUser(u, s.now())
}

// AddGroup makes a group that is not there yet and answers its id.
func (s *Simulator) AddGroup(g Group) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addGroup(g)
}

// AddApp makes an application that is not there yet and answers its id.
func (s *Simulator) AddApp(a App) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addApp(a)
}

// Import puts a user into a group of any type but BUILT_IN, as the import of an application does.
func (s *Simulator) Import(userID, groupID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.findGroup(groupID)
	if err != nil {
		return err
	}
	u := s.store.users[userID]
	if u == nil {
		return notFound(userID, kindUser)
	}
	if g.Type == GroupBuiltIn {
		return errUnsupported
	}
	return s.join(u, g, true)
}

// User is a user as a test sees it.
type User struct {
	ID     string `json:"id"`
	Login  string `json:"login"`
	Status string `json:"status"`
	// TransitioningToStatus is where the user is on its way to; empty when it is not.
	TransitioningToStatus string         `json:"transitioningToStatus,omitempty"`
	Profile               map[string]any `json:"profile"`
	PasswordChanged       time.Time      `json:"passwordChanged"`
	// Groups are the names of the groups that the user was put into, so without Everyone; Apps the labels of the
	// applications; Factors the types. All are sorted.
	Groups  []string `json:"groups"`
	Apps    []string `json:"apps"`
	Factors []string `json:"factors"`
	// Sessions and Tokens count those that still work.
	Sessions int `json:"sessions"`
	Tokens   int `json:"tokens"`
}

// Users reads all users in one step, deactivated ones included, sorted by login.
func (s *Simulator) Users() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if err := s.store.settle(now); err != nil {
		return nil // closed
	}
	out := make([]User, 0, len(s.store.users))
	for _, u := range s.store.users {
		v := User{
			ID: u.ID, Login: u.login(), Status: u.Status, TransitioningToStatus: u.Next, Profile: maps.Clone(u.Profile), PasswordChanged: u.PasswordChanged,
			Groups: s.store.groupNames(u), Apps: s.store.appLabels(u), Factors: []string{}, Sessions: alive(u.Sessions, now), Tokens: alive(u.Tokens, now),
		}
		for _, f := range u.Factors {
			v.Factors = append(v.Factors, f.Type)
		}
		slices.Sort(v.Factors)
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b User) int { return strings.Compare(a.Login, b.Login) })
	return out
}

// Stats reads the counters.
func (s *Simulator) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Calls: maps.Clone(s.calls), Throttled: maps.Clone(s.held)}
}
