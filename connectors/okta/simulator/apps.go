package simulator

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// app is an application.
type app struct {
	ID      string    `json:"id"`
	Seq     uint64    `json:"seq"`
	Name    string    `json:"name"`
	Label   string    `json:"label"`
	Created time.Time `json:"created"`
}

// appUser is a user's assignment to an application (Application Users API).
type appUser struct {
	Seq      uint64         `json:"seq"`
	Created  time.Time      `json:"created"`
	Updated  time.Time      `json:"updated"`
	Profile  map[string]any `json:"profile,omitempty"`
	UserName string         `json:"userName"`
}

func (a *app) field(name, sub string) any {
	if sub != "" {
		return nil
	}
	switch name {
	case "id":
		return a.ID
	case "name":
		return a.Name
	case "status":
		return StatusActive
	}
	return nil
}

func (a *app) render(base string) map[string]any {
	self := base + "/api/v1/apps/" + a.ID
	return map[string]any{
		"id": a.ID, "name": a.Name, "label": a.Label, "status": StatusActive, "signOnMode": "BOOKMARK",
		"created": iso(a.Created), "lastUpdated": iso(a.Created),
		"_links": map[string]any{"self": link(self), "users": link(self + "/users")},
	}
}

func (au appUser) render(base, appID string, u *user) any {
	profile := au.Profile
	if profile == nil {
		profile = map[string]any{}
	}
	status := StatusActive
	switch u.Status {
	case StatusStaged, StatusSuspended:
		status = u.Status
	}
	return map[string]any{
		"id": u.ID, "externalId": nil, "scope": "USER", "status": status, "syncState": "DISABLED", "created": iso(au.Created),
		"lastUpdated": iso(au.Updated), "statusChanged": iso(au.Created), "passwordChanged": nil, "lastSync": nil,
		"credentials": map[string]string{"userName": au.UserName}, "profile": profile,
		"_links": map[string]any{"app": link(base + "/api/v1/apps/" + appID), "user": link(base + "/api/v1/users/" + u.ID)},
	}
}

// addApp makes an application that is not there yet and answers its id.
func (s *Simulator) addApp(wanted App) (string, error) {
	for _, a := range s.store.apps {
		if a.Label == wanted.Label {
			return a.ID, nil
		}
	}
	if wanted.Label == "" || wanted.Name == "" {
		return "", invalid("label", "label: The field cannot be left blank")
	}
	a := &app{ID: newID("0oa"), Seq: s.store.nextSeq(), Name: wanted.Name, Label: wanted.Label, Created: s.stamp()}
	var b batch
	b.put(bucketCounter, "seq", s.store.seq)
	b.put(bucketApps, a.ID, a)
	if err := s.store.disk.write(&b); err != nil {
		return "", err
	}
	s.store.setApp(a)
	return a.ID, nil
}

func (s *store) setApp(a *app) {
	s.apps[a.ID] = a
	s.appOrder.add(a.ID, a.Seq)
}

func (s *Simulator) findApp(id string) (*app, error) {
	if a := s.store.apps[id]; a != nil {
		return a, nil
	}
	return nil, notFound(id, kindApp)
}

const (
	appPage     = 200 // Applications API: List all applications, limit
	appUserPage = 500 // Application Users API: List all application users, limit
)

// listApps (Applications API: List all applications): q looks at name and label; with user.id in the filter, the
// applications of one user, and with expand=user/{id} the assignments as well.
func (s *Simulator) listApps(r *request) (answer, error) {
	apps := make([]*app, 0, len(s.store.apps))
	for _, id := range s.store.appOrder.ids {
		apps = append(apps, s.store.apps[id])
	}
	apps, of, err := s.filterApps(apps, r.query.Get("filter"))
	if err != nil {
		return answer{}, err
	}
	expand := r.query.Get("expand")
	if expand != "" && (of == nil || expand != "user/"+of.ID) {
		return answer{}, invalid("expand", "expand: Only user/{userId} with the filter user.id of the same user is supported")
	}
	if q := strings.ToLower(r.query.Get("q")); q != "" {
		apps, _ = where(apps, func(a *app) (bool, error) {
			return strings.HasPrefix(strings.ToLower(a.Name), q) || strings.HasPrefix(strings.ToLower(a.Label), q), nil
		})
	}
	return page(r, appPage, appPage, apps, func(a *app) uint64 { return a.Seq }, func(a *app) any {
		out := a.render(r.base)
		if expand != "" {
			out["_embedded"] = map[string]any{"user": of.Apps[a.ID].render(r.base, a.ID, of)}
		}
		return out
	})
}

// filterApps are the applications that match, and the user when the filter asks for one's.
func (s *Simulator) filterApps(apps []*app, text string) ([]*app, *user, error) {
	if text == "" {
		return apps, nil, nil
	}
	e, err := appFilter.parse(text)
	if err != nil {
		return nil, nil, err
	}
	if id, ok := equalTo(e, "user", "id"); ok {
		u := s.store.users[id]
		if u == nil {
			return nil, nil, notFound(id, kindUser)
		}
		apps, _ = where(apps, func(a *app) (bool, error) { _, assigned := u.Apps[a.ID]; return assigned, nil })
		return apps, u, nil
	}
	apps, err = where(apps, func(a *app) (bool, error) { return matches(a, e, true) })
	return apps, nil, err
}

func (s *Simulator) getApp(r *request) (answer, error) {
	a, err := s.findApp(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	return answer{body: a.render(r.base)}, nil
}

// listAppUsers (Application Users API: List all application users).
func (s *Simulator) listAppUsers(r *request) (answer, error) {
	if err := notSimulated(r, "q", "expand"); err != nil {
		return answer{}, err
	}
	a, err := s.findApp(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	users, _ := s.usersWhere(func(u *user) (bool, error) { _, ok := u.Apps[a.ID]; return ok, nil })
	return page(r, 50, appUserPage, users, func(u *user) uint64 { return u.Seq },
		func(u *user) any { return u.Apps[a.ID].render(r.base, a.ID, u) })
}

// appUserBody is the body of assignments.
type appUserBody struct {
	ID          string         `json:"id"`
	Profile     map[string]any `json:"profile"`
	Credentials struct {
		UserName string `json:"userName"`
	} `json:"credentials"`
}

// assignToApp (Application Users API: Assign an application user). A second time is refused with the code that there is
// for it (error-codes, E0000062), though the reference does not say so; an inactive user is refused (E0000117).
func (s *Simulator) assignToApp(r *request) (answer, error) {
	a, err := s.findApp(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	var body appUserBody
	if err := r.decode(&body); err != nil {
		return answer{}, err
	}
	if body.ID == "" {
		return answer{}, invalid("id", "id: The field cannot be left blank")
	}
	u := s.store.users[body.ID]
	if u == nil {
		return answer{}, notFound(body.ID, kindUser)
	}
	if u.Status == StatusDeprovisioned {
		return answer{}, errInactive
	}
	if _, assigned := u.Apps[a.ID]; assigned {
		return answer{}, errAssigned
	}
	now := s.stamp()
	au := appUser{Seq: s.store.nextSeq(), Created: now, Updated: now, Profile: body.Profile, UserName: body.Credentials.UserName}
	if au.UserName == "" {
		au.UserName = u.login()
	}
	return s.setAppUser(r, a, u, au)
}

func (s *Simulator) setAppUser(r *request, a *app, u *user, au appUser) (answer, error) {
	u = u.clone()
	u.Apps[a.ID] = au
	if err := s.store.saveUser(u, s.now()); err != nil {
		return answer{}, err
	}
	return answer{body: au.render(r.base, a.ID, u)}, nil
}

// findAppUser is the assignment that a path names.
func (s *Simulator) findAppUser(r *request) (*app, *user, error) {
	a, err := s.findApp(r.PathValue("id"))
	if err != nil {
		return nil, nil, err
	}
	u := s.store.users[r.PathValue("userId")]
	if u == nil {
		return nil, nil, notFound(r.PathValue("userId"), kindAppUser)
	}
	if _, assigned := u.Apps[a.ID]; !assigned {
		return nil, nil, notFound(u.ID, kindAppUser)
	}
	return a, u, nil
}

func (s *Simulator) getAppUser(r *request) (answer, error) {
	a, u, err := s.findAppUser(r)
	if err != nil {
		return answer{}, err
	}
	return answer{body: u.Apps[a.ID].render(r.base, a.ID, u)}, nil
}

// updateAppUser (Application Users API: Update an application user).
func (s *Simulator) updateAppUser(r *request) (answer, error) {
	a, u, err := s.findAppUser(r)
	if err != nil {
		return answer{}, err
	}
	var body appUserBody
	if err := r.decode(&body); err != nil {
		return answer{}, err
	}
	au := u.Apps[a.ID]
	profile := maps.Clone(au.Profile)
	if profile == nil {
		profile = make(map[string]any)
	}
	maps.Copy(profile, body.Profile)
	au.Profile, au.Updated = withoutNulls(profile), s.stamp()
	if body.Credentials.UserName != "" {
		au.UserName = body.Credentials.UserName
	}
	return s.setAppUser(r, a, u, au)
}

// unassignFromApp (Application Users API: Unassign an application user).
func (s *Simulator) unassignFromApp(r *request) (answer, error) {
	a, u, err := s.findAppUser(r)
	if err != nil {
		return answer{}, err
	}
	u = u.clone()
	delete(u.Apps, a.ID)
	return noContent, s.store.saveUser(u, s.now())
}

// appLabels are the labels of the applications that a user is assigned to, sorted.
func (s *store) appLabels(u *user) []string {
	out := []string{}
	for id := range u.Apps {
		out = append(out, s.apps[id].Label)
	}
	slices.Sort(out)
	return out
}
