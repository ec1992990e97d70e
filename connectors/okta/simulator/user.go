package simulator

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// The statuses of a user (Users API: User status).
const (
	StatusStaged          = "STAGED"
	StatusProvisioned     = "PROVISIONED"
	StatusActive          = "ACTIVE"
	StatusRecovery        = "RECOVERY"
	StatusPasswordExpired = "PASSWORD_EXPIRED"
	StatusLockedOut       = "LOCKED_OUT"
	StatusSuspended       = "SUSPENDED"
	StatusDeprovisioned   = "DEPROVISIONED"
)

// The providers that know no password (Users API: User creation scenarios).
const (
	providerOkta       = "OKTA"
	providerFederation = "FEDERATION"
	providerSocial     = "SOCIAL"
)

// user is one user with all that hangs on it.
type user struct {
	ID              string             `json:"id"`
	Seq             uint64             `json:"seq"` // order of creation: the order of listings
	Status          string             `json:"status"`
	Next            string             `json:"next,omitempty"`  // the status that it is on its way to
	Until           *time.Time         `json:"until,omitempty"` // when it gets there
	Created         time.Time          `json:"created"`
	Activated       time.Time          `json:"activated"`
	StatusChanged   time.Time          `json:"statusChanged"`
	LastLogin       time.Time          `json:"lastLogin"`
	LastUpdated     time.Time          `json:"lastUpdated"`
	PasswordChanged time.Time          `json:"passwordChanged"`
	Profile         map[string]any     `json:"profile"`
	Provider        provider           `json:"provider"`
	Password        string             `json:"password,omitempty"` // a digest
	Question        string             `json:"question,omitempty"`
	Failures        int                `json:"failures,omitempty"` // wrong passwords since the last right one
	Groups          map[string]uint64  `json:"groups,omitempty"`   // id → when it was added, as a sequence number
	Apps            map[string]appUser `json:"apps,omitempty"`
	Factors         []factor           `json:"factors,omitempty"`
	Sessions        map[string]grant   `json:"sessions,omitempty"` // by id
	Tokens          map[string]grant   `json:"tokens,omitempty"`   // refresh tokens, by id
}

// grant is a session with Okta or an application's refresh token.
type grant struct {
	Seq     uint64     `json:"seq"` // the order of listings
	Created time.Time  `json:"created"`
	Client  string     `json:"client,omitempty"` // of a token: the application's client id
	Ends    *time.Time `json:"ends,omitempty"`   // if it was revoked
}

func (g grant) alive(now time.Time) bool { return g.Ends == nil || now.Before(*g.Ends) }

type provider struct {
	Type string `json:"type"`
	Name string `json:"name,omitempty"`
}

// clone is a copy to change. The profile is shared, since changes replace it.
func (u *user) clone() *user {
	c := *u
	c.Groups, c.Apps = maps.Clone(u.Groups), maps.Clone(u.Apps)
	c.Sessions, c.Tokens = maps.Clone(u.Sessions), maps.Clone(u.Tokens)
	c.Factors = slices.Clone(u.Factors)
	if c.Groups == nil {
		c.Groups = make(map[string]uint64)
	}
	if c.Apps == nil {
		c.Apps = make(map[string]appUser)
	}
	if c.Sessions == nil {
		c.Sessions = make(map[string]grant)
	}
	if c.Tokens == nil {
		c.Tokens = make(map[string]grant)
	}
	return &c
}

func (u *user) text(name string) string {
	s, _ := u.Profile[name].(string)
	return s
}

func (u *user) login() string { return u.text("login") }

// takesPassword reports whether the user signs in with a password of Okta's.
func (u *user) takesPassword() bool {
	return u.Provider.Type != providerFederation && u.Provider.Type != providerSocial
}

// become changes the status at once. A change that is under way goes on.
func (u *user) become(status string, at time.Time) {
	if u.Status == status {
		return
	}
	u.Status, u.StatusChanged, u.LastUpdated = status, at, at
	if status == StatusActive && u.Activated.IsZero() {
		u.Activated = at
	}
}

// arrive ends a change of status. Sessions that it stops work until sessionsEnd.
func (u *user) arrive(status string, at, sessionsEnd time.Time) {
	u.Next, u.Until = "", nil
	u.become(status, at)
	if status == StatusDeprovisioned {
		u.leave(sessionsEnd)
	}
}

// stopSessions ends every session at the given moment, if it has not ended before.
func (u *user) stopSessions(at time.Time) { stop(u.Sessions, at) }

// stopTokens does the same to refresh tokens.
func (u *user) stopTokens(at time.Time) { stop(u.Tokens, at) }

func stop(grants map[string]grant, at time.Time) {
	for id, g := range grants {
		if g.alive(at) {
			g.Ends = &at
			grants[id] = g
		}
	}
}

// leave is what deactivation does (help.okta.com, Deactivate and delete user accounts, Results summary): sessions
// stop, assignments to applications go; factors and group memberships stay until the user is deleted. Nothing is said of
// OAuth tokens, so they stay too. The password goes, since an activation after it leads to PROVISIONED (User status).
func (u *user) leave(sessionsEnd time.Time) {
	u.stopSessions(sessionsEnd)
	u.Apps = make(map[string]appUser)
	u.Password, u.Failures = "", 0
}

// alive counts the grants that still work.
func alive(grants map[string]grant, now time.Time) int {
	n := 0
	for _, g := range grants {
		if g.alive(now) {
			n++
		}
	}
	return n
}

// fold is what two logins have in common when they are not unique: case and diacritical marks do not tell them apart
// (Users API: Okta login).
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFD.String(s))
}

// short is a login's short name, folded.
func short(login string) string {
	name, _, _ := strings.Cut(login, "@")
	return fold(name)
}

// field is a property as filters and searches see it, nil when there is none.
func (u *user) field(name, sub string) any {
	switch name {
	case "profile":
		return u.Profile[sub]
	case "type":
		if sub == "id" {
			return userType
		}
	}
	if sub != "" {
		return nil
	}
	switch name {
	case "id":
		return u.ID
	case "status":
		return u.Status
	case "created":
		return u.Created
	case "activated":
		return u.Activated
	case "statusChanged":
		return u.StatusChanged
	case "lastUpdated":
		return u.LastUpdated
	}
	return nil
}

func (u *user) ident() (string, uint64) { return u.ID, u.Seq }

func (u *user) texts() map[string]any { return u.Profile }

// userType is the id of the default user type, the only one here.
const userType = "oty1aXjG8xQ8kZlV20g4"

// render is the user as the API shows it. In a list only the link to itself is given (Users API: Individual users versus
// collection of users).
func (u *user) render(base string, listed bool) map[string]any {
	profile := maps.Clone(u.Profile)
	for _, name := range []string{"mobilePhone", "secondEmail"} { // shown even when they are null
		if _, ok := profile[name]; !ok {
			profile[name] = nil
		}
	}
	credentials := map[string]any{"provider": u.Provider}
	if u.Password != "" {
		credentials["password"] = struct{}{} // tells that there is one, never which (Users API: Password object)
	}
	if u.Question != "" {
		credentials["recovery_question"] = map[string]string{"question": u.Question}
	}
	self := base + "/api/v1/users/" + u.ID
	links := map[string]any{"self": link(self)}
	if !listed {
		for _, name := range u.operations() {
			links[name] = map[string]string{"href": self + "/lifecycle/" + operationPaths[name], "method": "POST"}
		}
	}
	out := map[string]any{
		"id": u.ID, "status": u.Status, "created": iso(u.Created), "activated": iso(u.Activated), "statusChanged": iso(u.StatusChanged),
		"lastLogin": iso(u.LastLogin), "lastUpdated": iso(u.LastUpdated), "passwordChanged": iso(u.PasswordChanged),
		"type": map[string]string{"id": userType}, "profile": profile, "credentials": credentials, "_links": links,
	}
	if u.Next != "" {
		out["transitioningToStatus"] = u.Next
	}
	return out
}

func link(href string) map[string]string { return map[string]string{"href": href} }

var operationPaths = map[string]string{
	"activate": "activate", "reactivate": "reactivate", "deactivate": "deactivate", "suspend": "suspend", "unsuspend": "unsuspend",
	"unlock": "unlock", "resetPassword": "reset_password", "expirePassword": "expire_password", "resetFactors": "reset_factors",
}

// operations are the links that the status permits (Core Okta API: Hypermedia).
func (u *user) operations() []string {
	var out []string
	switch u.Status {
	case StatusStaged:
		out = []string{"activate", "deactivate"}
	case StatusProvisioned:
		out = []string{"reactivate", "deactivate", "resetPassword"}
	case StatusActive:
		out = []string{"suspend", "deactivate", "resetPassword", "expirePassword"}
	case StatusRecovery:
		out = []string{"reactivate", "deactivate", "resetPassword"}
	case StatusPasswordExpired:
		out = []string{"deactivate", "resetPassword"}
	case StatusLockedOut:
		out = []string{"unlock", "deactivate", "resetPassword"}
	case StatusSuspended:
		out = []string{"unsuspend", "deactivate"}
	case StatusDeprovisioned:
		return []string{"activate"}
	}
	if len(u.Factors) > 0 {
		out = append(out, "resetFactors")
	}
	return out
}
