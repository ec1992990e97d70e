package entra

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/tenurehq/tenure/connectors"
)

// The role of an application that has none, and how the vendor's portal calls it (graph/api/user-post-approleassignments).
const (
	defaultRoleID   = "00000000-0000-0000-0000-000000000000"
	defaultRoleName = "Default Access"
)

const applicationSelection = "id,displayName,appRoles"

// An app role's native id is that of the service principal and that of the role with a dot between them.
func appRoleID(resourceID, roleID string) string { return resourceID + "." + roleID }

// findAppRole resolves "application/value". The value is what stands after the last slash.
func (c *Connector) findAppRole(ctx context.Context, name string) (connectors.Entitlement, error) {
	req := call{action: "find app role", method: http.MethodGet, template: "/servicePrincipals"}
	slash := strings.LastIndexByte(name, '/')
	if slash < 0 {
		return connectors.Entitlement{}, req.fail(connectors.KindNotFound, errors.New("an app role is named as application/role value"))
	}
	application, value := name[:slash], name[slash+1:]
	req.query = map[string]string{"select": applicationSelection, "filter": "displayName eq " + quote(application)}
	found, err := c.client.all(ctx, req, maxMatches)
	if err != nil {
		return connectors.Entitlement{}, err
	}
	resource, err := one(req, found, application, func(o object) string { return o.text("displayName") })
	if err != nil {
		return connectors.Entitlement{}, err
	}
	role, err := one(req, roles(resource), value, func(o object) string { return o.text("value") })
	if err != nil {
		return connectors.Entitlement{}, err
	}
	if checkID(resource.text("id")) != nil || checkID(role.text("id")) != nil {
		return connectors.Entitlement{}, req.rubbish(http.StatusOK, errors.New("an application or its role has no id"))
	}
	return connectors.Entitlement{
		NativeID: appRoleID(resource.text("id"), role.text("id")), Kind: kindAppRole,
		Name: resource.text("displayName") + "/" + role.text("value"),
	}, nil
}

// roles are what users can be assigned to: the roles for users that are enabled, and the default one.
func roles(resource object) []object {
	out := []object{{"id": defaultRoleID, "value": defaultRoleName}}
	for _, role := range resource.objects("appRoles") {
		types := role.texts("allowedMemberTypes")
		if role["isEnabled"] != false && (role["allowedMemberTypes"] == nil || strings.Contains(strings.Join(types, ","), "User")) && role.text("value") != "" {
			out = append(out, role)
		}
	}
	return out
}

// appRolesOf reads the app roles that the user has itself; the answer holds those of its groups too, which name the group
// as the principal (graph/api/user-list-approleassignments).
func (c *Connector) appRolesOf(ctx context.Context, nativeID string) ([]connectors.Entitlement, error) {
	req := listing("read app roles of account", nativeID, "/users/{user}/appRoleAssignments", "id,appRoleId,principalId,resourceId")
	assignments, err := c.client.all(ctx, req, maxGroups)
	if err != nil {
		return nil, err
	}
	var grants []connectors.Entitlement
	for _, a := range assignments {
		if !strings.EqualFold(a.text("principalId"), nativeID) {
			continue
		}
		id := appRoleID(a.text("resourceId"), a.text("appRoleId"))
		name, err := c.names.get(kindAppRole+id, func() (map[string]string, error) { return c.appRoleNames(ctx, a.text("resourceId")) })
		switch {
		case err != nil:
			return nil, err
		case name == "":
			// A role without a value, or of an application that has dropped it: policy cannot name it, a leave must take it.
			name = id
		}
		grants = append(grants, connectors.Entitlement{NativeID: id, Kind: kindAppRole, Name: name})
	}
	return grants, nil
}

func (c *Connector) appRoleNames(ctx context.Context, resourceID string) (map[string]string, error) {
	req := call{
		action: "read application", object: resourceID, method: http.MethodGet, template: "/servicePrincipals/{application}",
		ids: map[string]string{"application": resourceID}, query: map[string]string{"select": applicationSelection},
	}
	resource, err := c.client.get(ctx, req)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, role := range roles(resource) {
		names[kindAppRole+appRoleID(resourceID, role.text("id"))] = resource.text("displayName") + "/" + role.text("value")
	}
	return names, nil
}

// assignAppRole gives the user the role (graph/api/user-post-approleassignments).
func (c *Connector) assignAppRole(nativeID, entitlementID string) (call, error) {
	resourceID, roleID, err := splitAppRole("assign app role", entitlementID)
	if err != nil {
		return call{}, err
	}
	req, err := entitlementCall("assign app role", http.MethodPost, "/users/{user}/appRoleAssignments", nativeID, resourceID)
	req.body = map[string]string{"principalId": nativeID, "resourceId": resourceID, "appRoleId": roleID}
	req.accept = []int{http.StatusCreated}
	return req, err
}

func splitAppRole(action, entitlementID string) (resourceID, roleID string, err error) {
	resourceID, roleID, _ = strings.Cut(entitlementID, ".")
	if checkID(resourceID) != nil || checkID(roleID) != nil {
		return "", "", call{action: action}.fail(connectors.KindInvalid, errors.New("the native id of an app role is the application's id, a dot and the role's id"))
	}
	return resourceID, roleID, nil
}

// removeAppRole deletes the assignment (graph/api/user-delete-approleassignments), which has an id of its own.
func (c *Connector) removeAppRole(ctx context.Context, nativeID, entitlementID string) error {
	resourceID, roleID, err := splitAppRole("remove app role", entitlementID)
	if err != nil {
		return err
	}
	req := listing("remove app role", nativeID, "/users/{user}/appRoleAssignments", "id,appRoleId,principalId,resourceId")
	// The filter takes a GUID without quotes (graph/api/user-list-approleassignments, example 2).
	req.query["filter"] = "resourceId eq " + resourceID
	assignments, err := c.client.all(ctx, req, maxMatches)
	if err != nil {
		return err
	}
	for _, a := range assignments {
		if !strings.EqualFold(a.text("principalId"), nativeID) || a.text("resourceId") != resourceID || a.text("appRoleId") != roleID {
			continue
		}
		remove := userCall("remove app role", nativeID)
		remove.method, remove.template, remove.accept = http.MethodDelete, "/users/{user}/appRoleAssignments/{assignment}", []int{http.StatusNoContent}
		remove.ids["assignment"] = a.text("id")
		if _, err := c.client.do(ctx, remove); err != nil && connectors.KindOf(err) != connectors.KindNotFound {
			return err
		}
	}
	return nil
}
