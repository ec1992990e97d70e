package simulator

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// userPage is the most users that a page holds, and the default (Users API: List all users, limit).
const userPage = 200

// userBody is the body of creates and updates. What is not known is ignored, as the vendor does.
type userBody struct {
	Profile     map[string]any `json:"profile"`
	GroupIDs    []string       `json:"groupIds"`
	Credentials struct {
		Password *struct {
			Value string `json:"value"`
		} `json:"password"`
		Question *struct {
			Question string `json:"question"`
		} `json:"recovery_question"`
		Provider *provider `json:"provider"`
	} `json:"credentials"`
}

func (b *userBody) password() string {
	if b.Credentials.Password == nil {
		return ""
	}
	return b.Credentials.Password.Value
}

func pageUsers(r *request, otherwise int, users []*user) (answer, error) {
	return page(r, otherwise, userPage, users, func(u *user) uint64 { return u.Seq }, func(u *user) any { return u.render(r.base, true) })
}

// listUsers (Users API: List all users): a plain list and q leave out DEPROVISIONED, filter and search do not; search is
// eventually consistent, q cannot be paged.
func (s *Simulator) listUsers(r *request) (answer, error) {
	if err := notSimulated(r, "sortBy", "sortOrder", "expand", "fields"); err != nil {
		return answer{}, err
	}
	q, filtered, searched := r.query.Get("q"), r.query.Get("filter"), r.query.Get("search")
	if filtered != "" && (searched != "" || q != "") || q != "" && searched != "" {
		return answer{}, errSearchAndFilter
	}
	switch {
	case searched != "":
		e, err := userSearch.parse(searched)
		if err != nil {
			return answer{}, err
		}
		found, err := s.store.userIndex.search(e)
		if err != nil {
			return answer{}, err
		}
		users := make([]*user, 0, len(found))
		for _, doc := range found {
			if u, ok := doc.(*user); ok {
				users = append(users, u)
			}
		}
		return pageUsers(r, userPage, users)
	case filtered != "":
		e, err := userFilter.parse(filtered)
		if err != nil {
			return answer{}, err
		}
		users, err := s.usersWhere(func(u *user) (bool, error) { return matches(u, e, true) })
		if err != nil {
			return answer{}, err
		}
		return pageUsers(r, userPage, users)
	case q != "":
		users, _ := s.usersWhere(func(u *user) (bool, error) { return u.Status != StatusDeprovisioned && u.startsWith(q), nil })
		out, err := pageUsers(r, 10, users)
		out.next = ""
		return out, err
	default:
		users, _ := s.usersWhere(func(u *user) (bool, error) { return u.Status != StatusDeprovisioned, nil })
		return pageUsers(r, userPage, users)
	}
}

func (u *user) startsWith(q string) bool {
	for _, name := range []string{"firstName", "lastName", "email"} {
		if strings.HasPrefix(strings.ToLower(u.text(name)), strings.ToLower(q)) {
			return true
		}
	}
	return false
}

func (s *Simulator) usersWhere(match func(*user) (bool, error)) ([]*user, error) {
	var out []*user
	for _, id := range s.store.userOrder.ids {
		u := s.store.users[id]
		ok, err := match(u)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, u)
		}
	}
	return out, nil
}

// getUser (Users API: Retrieve a user): by id, login or unambiguous short name, whatever the status.
func (s *Simulator) getUser(r *request) (answer, error) {
	if err := notSimulated(r, "expand"); err != nil {
		return answer{}, err
	}
	u, err := s.store.findUser(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	return answer{body: u.render(r.base, false)}, nil
}

// createUser (Users API: Create a user, User creation scenarios).
func (s *Simulator) createUser(r *request) (answer, error) {
	var body userBody
	if err := r.decode(&body); err != nil {
		return answer{}, err
	}
	activate, err := r.flag("activate", true)
	if err != nil {
		return answer{}, err
	}
	withProvider, err := r.flag("provider", false)
	if err != nil {
		return answer{}, err
	}
	now := s.stamp()
	u := (&user{
		ID: newID("00u"), Status: StatusStaged, Created: now, LastUpdated: now,
		Profile: withoutNulls(body.Profile), Provider: provider{Type: providerOkta, Name: providerOkta},
	}).clone()
	if withProvider && body.Credentials.Provider != nil {
		u.Provider = *body.Credentials.Provider
	}
	if err := s.checkProfile(u.Profile, ""); err != nil {
		return answer{}, err
	}
	if err := setCredentials(u, &body, now); err != nil {
		return answer{}, err
	}
	expire := r.query.Get("nextLogin") == "changePassword"
	switch {
	case expire && !activate:
		return answer{}, errExpireNeedsActive
	case expire && u.Password == "":
		return answer{}, errExpireNeedsPwd
	}
	groups, err := s.joinable(body.GroupIDs)
	if err != nil {
		return answer{}, err
	}
	u.Seq = s.store.nextSeq()
	for i, g := range groups {
		u.Groups[g.ID] = s.store.nextSeq()
		groups[i] = g.touched(now)
	}
	if activate {
		target := u.activationTarget()
		if expire {
			target = StatusPasswordExpired
		}
		s.begin(u, target, s.activate)
	}
	if err := s.store.saveUser(u, s.now(), groups...); err != nil {
		return answer{}, err
	}
	return answer{body: u.render(r.base, false)}, nil
}

// mostGroupIDs is how many groups a user can be created in (Users API: Create user in group).
const mostGroupIDs = 20

// joinable are the groups to create a user in, each once.
func (s *Simulator) joinable(ids []string) ([]*group, error) {
	if len(ids) > mostGroupIDs {
		return nil, invalid("groupIds", "groupIds: The number of groups must not exceed 20")
	}
	var out []*group
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		g := s.store.groups[id]
		if g == nil {
			return nil, notFound(id, kindGroup)
		}
		if err := g.manual(); err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// setCredentials takes over password and question; a provider other than Okta's supports neither (Users API: User
// creation scenarios).
func setCredentials(u *user, body *userBody, now time.Time) error {
	given := body.password() != "" || body.Credentials.Question != nil
	if given && !u.takesPassword() {
		return errCredentials
	}
	if body.Credentials.Question != nil {
		u.Question = body.Credentials.Question.Question
	}
	if body.password() == "" {
		return nil // an empty password object is what reading a user answers
	}
	if err := checkPassword(body.password(), u.login()); err != nil {
		return err
	}
	u.Password, u.PasswordChanged = digest(u.ID+body.password()), now
	return nil
}

// writable is the user that an update is for. One that is deactivated is not found (okta/okta-sdk-java#721) unless the org
// allows it (Users API: Update a user), which this one does not; one that is being activated refuses (error-codes, E0000112).
func (s *Simulator) writable(id string) (*user, error) {
	u, err := s.store.findUser(id)
	switch {
	case err != nil:
		return nil, err
	case u.Status == StatusDeprovisioned:
		return nil, notFound(id, kindUser)
	case u.Next != "":
		return nil, errActivating
	}
	return u.clone(), nil
}

// updateUser (Users API: Update a user): a partial update.
func (s *Simulator) updateUser(r *request) (answer, error) {
	return s.change(r, func(u *user, body *userBody) {
		merged := maps.Clone(u.Profile)
		maps.Copy(merged, body.Profile)
		u.Profile = withoutNulls(merged)
	})
}

// replaceUser (Users API: Replace a user): what the profile does not name is deleted.
func (s *Simulator) replaceUser(r *request) (answer, error) {
	return s.change(r, func(u *user, body *userBody) {
		if body.Profile != nil {
			u.Profile = withoutNulls(body.Profile)
		}
	})
}

// change updates profile and credentials. A password set for a PROVISIONED user makes it ACTIVE (Users API: User status).
func (s *Simulator) change(r *request, edit func(*user, *userBody)) (answer, error) {
	if err := notSimulated(r, "strict"); err != nil {
		return answer{}, err
	}
	u, err := s.writable(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	var body userBody
	if err := r.decode(&body); err != nil {
		return answer{}, err
	}
	edit(u, &body)
	if err := s.checkProfile(u.Profile, u.ID); err != nil {
		return answer{}, err
	}
	now := s.stamp()
	if err := setCredentials(u, &body, now); err != nil {
		return answer{}, err
	}
	u.LastUpdated = now
	if body.password() != "" && u.Status == StatusProvisioned {
		u.become(StatusActive, now)
	}
	if err := s.store.saveUser(u, s.now()); err != nil {
		return answer{}, err
	}
	return answer{body: u.render(r.base, false)}, nil
}

// deleteUser (Users API: Delete a user): the first time it deactivates, the second time it deletes.
func (s *Simulator) deleteUser(r *request) (answer, error) {
	u, err := s.store.findUser(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	switch {
	case u.Next != "":
		return answer{}, errActivating
	case u.Status == StatusDeprovisioned:
		return noContent, s.store.removeUser(u, s.now())
	default:
		return noContent, s.deprovision(u.clone(), r.Header.Get("Prefer"))
	}
}
