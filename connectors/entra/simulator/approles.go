package simulator

import (
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// defaultRole is assigned for an application that has no roles (graph/api/resources/approleassignment).
const defaultRole = "00000000-0000-0000-0000-000000000000"

var applicationProperties = map[string]property{
	"id":          {kind: kindText, filters: "eq in"},
	"appId":       {kind: kindText, filters: "eq in"},
	"displayName": {kind: kindText, filters: "eq in startswith"},
}

func (s *Simulator) application(id string) (Application, error) {
	for _, a := range s.options.AppRoles {
		if strings.EqualFold(a.ID, id) {
			return a, nil
		}
	}
	return Application{}, notFound(id)
}

func (a Application) render() object {
	roles := []any{}
	for _, r := range a.Roles {
		roles = append(roles, object{
			"id": r.ID, "value": r.Value, "displayName": r.Value, "isEnabled": true, "allowedMemberTypes": []string{"User"}, "origin": "Application",
		})
	}
	return object{"id": a.ID, "appId": a.ID, "displayName": a.DisplayName, "accountEnabled": true, "appRoles": roles}
}

// listServicePrincipals is graph/api/serviceprincipal-list.
func (s *Simulator) listServicePrincipals(c *call) (*reply, error) {
	return c.list(listing{
		resource: resource{name: "ServicePrincipal", properties: applicationProperties}, set: "servicePrincipals",
		items: func(after uint64, _ *expression) []candidate {
			var out []candidate
			for i, a := range s.options.AppRoles {
				if seq := uint64(i) + 1; seq > after {
					o := a.render()
					out = append(out, candidate{seq: seq, value: func(name string) any { return o[name] }, show: func() object { return o }})
				}
			}
			return out
		},
	})
}

// getServicePrincipal is graph/api/serviceprincipal-get.
func (s *Simulator) getServicePrincipal(c *call) (*reply, error) {
	a, err := s.application(c.id["sp"])
	if err != nil {
		return nil, err
	}
	return ok(a.render()), nil
}

func (s *Simulator) renderGrant(u *user, g roleGrant) object {
	a, _ := s.application(g.ResourceID)
	return object{
		"id": g.ID, "deletedDateTime": nil, "appRoleId": g.AppRoleID, "createdDateTime": dateTime(g.Created), "principalDisplayName": u.text("displayName"),
		"principalId": u.ID, "principalType": "User", "resourceDisplayName": a.DisplayName, "resourceId": g.ResourceID,
	}
}

// listAppRoleAssignments is graph/api/user-list-approleassignments.
func (s *Simulator) listAppRoleAssignments(c *call) (*reply, error) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	u, err := s.store.findUser(c.id["id"])
	if err != nil {
		return nil, err
	}
	return c.list(s.grantListing([]*user{u}, func(roleGrant) bool { return true }))
}

// listAppRoleAssignedTo is graph/api/serviceprincipal-list-approleassignedto.
func (s *Simulator) listAppRoleAssignedTo(c *call) (*reply, error) {
	a, err := s.application(c.id["sp"])
	if err != nil {
		return nil, err
	}
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	var users []*user
	for _, id := range s.store.userOrder.ids {
		users = append(users, s.store.users[id])
	}
	return c.list(s.grantListing(users, func(g roleGrant) bool { return g.ResourceID == a.ID }))
}

func (s *Simulator) grantListing(users []*user, keep func(roleGrant) bool) listing {
	return listing{
		resource: resource{name: "AppRoleAssignment", properties: map[string]property{
			"resourceId": {kind: kindText, filters: "eq"}, "principalId": {kind: kindText, filters: "eq"},
		}},
		set: "appRoleAssignments",
		items: func(after uint64, _ *expression) []candidate {
			var out []candidate
			place := uint64(0)
			for _, u := range users {
				for _, g := range u.AppRoles {
					if !keep(g) {
						continue
					}
					if place++; place > after {
						o := s.renderGrant(u, g)
						out = append(out, candidate{seq: place, value: func(name string) any { return o[name] }, show: func() object { return o }})
					}
				}
			}
			return out
		},
	}
}

// createAppRoleAssignment is graph/api/user-post-approleassignments.
func (s *Simulator) createAppRoleAssignment(c *call) (*reply, error) {
	return s.grantRole(c, func(g grantBody) bool {
		return c.id["id"] == g.PrincipalID || s.isPrincipalName(c.id["id"], g.PrincipalID)
	})
}

// createAppRoleAssignedTo is graph/api/serviceprincipal-post-approleassignedto, which the vendor recommends.
func (s *Simulator) createAppRoleAssignedTo(c *call) (*reply, error) {
	return s.grantRole(c, func(g grantBody) bool { return strings.EqualFold(c.id["sp"], g.ResourceID) })
}

func (s *Simulator) isPrincipalName(name, id string) bool {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	u, err := s.store.findUser(name)
	return err == nil && u.ID == id
}

type grantBody struct {
	PrincipalID string `json:"principalId"`
	ResourceID  string `json:"resourceId"`
	AppRoleID   string `json:"appRoleId"`
}

// grantRole: a role that the user has already is refused with 400, as is one that the application does not have.
func (s *Simulator) grantRole(c *call, fitsAddress func(grantBody) bool) (*reply, error) {
	var body grantBody
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if !fitsAddress(body) {
		return nil, badRequest("The principalId or the resourceId does not match the address of the request.")
	}
	a, err := s.application(body.ResourceID)
	if err != nil {
		return nil, err
	}
	known := slices.ContainsFunc(a.Roles, func(r AppRole) bool { return r.ID == body.AppRoleID }) || len(a.Roles) == 0 && body.AppRoleID == defaultRole
	if !known {
		return nil, badRequest("Permission being assigned was not found on application '%s'.", a.ID)
	}
	random := uuid.New()
	grant := roleGrant{ID: encoded(random[:]), ResourceID: a.ID, AppRoleID: body.AppRoleID, Created: s.now()}
	var shown object
	err = s.store.update(body.PrincipalID, func(u *user) error {
		if slices.ContainsFunc(u.AppRoles, func(g roleGrant) bool { return g.ResourceID == a.ID && g.AppRoleID == body.AppRoleID }) {
			return badRequest("Permission being assigned already exists on the object")
		}
		u.AppRoles = append(u.AppRoles, grant)
		shown = s.renderGrant(u, grant)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &reply{status: http.StatusCreated, body: shown}, nil
}

// deleteAppRoleAssignment is graph/api/user-delete-approleassignments.
func (s *Simulator) deleteAppRoleAssignment(c *call) (*reply, error) {
	return s.dropGrant(c.id["id"], func(g roleGrant) bool { return g.ID == c.id["assignment"] }, c.id["assignment"])
}

// deleteAppRoleAssignedTo is graph/api/serviceprincipal-delete-approleassignedto.
func (s *Simulator) deleteAppRoleAssignedTo(c *call) (*reply, error) {
	id := c.id["assignment"]
	is := func(g roleGrant) bool { return g.ID == id && strings.EqualFold(g.ResourceID, c.id["sp"]) }
	holder := ""
	s.store.mu.RLock()
	for _, u := range s.store.users {
		if u.live() && slices.ContainsFunc(u.AppRoles, is) {
			holder = u.ID
		}
	}
	s.store.mu.RUnlock()
	if holder == "" {
		return nil, notFound(id)
	}
	return s.dropGrant(holder, is, id)
}

func (s *Simulator) dropGrant(userKey string, is func(roleGrant) bool, id string) (*reply, error) {
	err := s.store.update(userKey, func(u *user) error {
		if !slices.ContainsFunc(u.AppRoles, is) {
			return notFound(id)
		}
		u.AppRoles = slices.DeleteFunc(u.AppRoles, is)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return noContent(), nil
}
