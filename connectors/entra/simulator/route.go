package simulator

import (
	"net/http"
	"net/url"
	"strings"
)

// route is one operation of the API.
type route struct {
	method   string
	template string   // under /v1.0, as it is counted
	units    int      // base cost in resource units (graph/throttling-limits); 0 is 1
	needs    []string // any of these permissions
	handle   func(*Simulator, *call) (*reply, error)
}

// segments of a template; those in braces match anything but nothing.
func (r route) segments() []string { return strings.Split(r.template, "/")[1:] }

// match finds the operation. A path that exists with other methods answers 405, any other 400, as Graph does.
func match(method, escapedPath string) (route, map[string]string, *graphError) {
	path := strings.TrimSuffix(strings.TrimPrefix(escapedPath, "/v1.0"), "/")
	given := strings.Split(path, "/")[1:]
	for i := range given {
		unescaped, err := url.PathUnescape(given[i])
		if err != nil {
			return route{}, nil, badRequest("Invalid URL.")
		}
		given[i] = normalized(unescaped)
	}
	otherMethod := false
	for _, r := range routes {
		values, ok := matches(r.segments(), given)
		if !ok {
			continue
		}
		if r.method == method {
			return r, values, nil
		}
		otherMethod = true
	}
	if otherMethod {
		// graph/json-batching shows this body.
		return route{}, nil, refuse(http.StatusMethodNotAllowed, codeBadRequest, "Specified HTTP method is not allowed for the request target.")
	}
	last := ""
	if len(given) > 0 {
		last = given[len(given)-1]
	}
	return route{}, nil, refuse(http.StatusBadRequest, "BadRequest", "Resource not found for the segment '%s'.", last)
}

// normalized maps the forms in which the SDKs write casts and functions to the one in the templates: graph.user is
// short for microsoft.graph.user, delta() and microsoft.graph.delta for delta (graph/delta-query-overview).
func normalized(segment string) string {
	switch segment {
	case "delta()", "microsoft.graph.delta", "microsoft.graph.delta()":
		return "delta"
	case "graph.user", "graph.group":
		return "microsoft." + segment
	}
	return segment
}

func matches(template, given []string) (map[string]string, bool) {
	if len(template) != len(given) {
		return nil, false
	}
	var values map[string]string
	for i, want := range template {
		name, isValue := strings.CutPrefix(want, "{")
		switch {
		case isValue && given[i] != "" && !strings.HasPrefix(given[i], "$"):
			if values == nil {
				values = make(map[string]string, 2)
			}
			values[strings.TrimSuffix(name, "}")] = given[i]
		case isValue || !strings.EqualFold(want, given[i]):
			return nil, false
		}
	}
	return values, true
}

// routes are tried in order: what is literal stands before what is a value.
var routes []route

func init() { //nolint:gochecknoinits // the handlers refer to the table through $batch, which the compiler calls a cycle
	routes = []route{
		{method: "POST", template: "/$batch", handle: (*Simulator).batch},
		{method: "GET", template: "/organization", handle: (*Simulator).listOrganization},

		{method: "GET", template: "/users", units: 2, needs: readUsers, handle: (*Simulator).listUsers},
		{method: "GET", template: "/users/$count", units: 2, needs: readUsers, handle: (*Simulator).countUsers},
		{method: "GET", template: "/users/delta", needs: readUsers, handle: (*Simulator).userDelta},
		{method: "POST", template: "/users", needs: writeUsers, handle: (*Simulator).createUser},
		{method: "GET", template: "/users/{id}", needs: readUsers, handle: (*Simulator).getUser},
		{method: "PATCH", template: "/users/{id}", needs: writeUsers, handle: (*Simulator).updateUser},
		{method: "DELETE", template: "/users/{id}", needs: deleteUsers, handle: (*Simulator).deleteUser},
		{method: "POST", template: "/users/{id}/revokeSignInSessions", needs: endSessions, handle: (*Simulator).revokeSignInSessions},
		{method: "GET", template: "/users/{id}/manager", needs: readUsers, handle: (*Simulator).getManager},
		{method: "GET", template: "/users/{id}/manager/$ref", needs: readUsers, handle: (*Simulator).getManagerRef},
		{method: "PUT", template: "/users/{id}/manager/$ref", needs: writeUsers, handle: (*Simulator).putManager},
		{method: "DELETE", template: "/users/{id}/manager/$ref", needs: writeUsers, handle: (*Simulator).deleteManager},

		{method: "GET", template: "/users/{id}/authentication/methods", needs: readMethods, handle: (*Simulator).listMethods},
		{method: "GET", template: "/users/{id}/authentication/{kind}", needs: readMethods, handle: (*Simulator).listMethods},
		{method: "DELETE", template: "/users/{id}/authentication/{kind}/{method}", needs: writeMethods, handle: (*Simulator).deleteMethod},

		{method: "GET", template: "/users/{id}/memberOf", units: 2, needs: readGroups, handle: (*Simulator).listMemberOf},
		{method: "GET", template: "/users/{id}/memberOf/$count", units: 2, needs: readGroups, handle: (*Simulator).countMemberOf},
		{method: "GET", template: "/users/{id}/memberOf/microsoft.graph.group", units: 2, needs: readGroups, handle: (*Simulator).listMemberCast},
		{method: "GET", template: "/users/{id}/transitiveMemberOf", units: 2, needs: readGroups, handle: (*Simulator).listTransitiveMemberOf},
		{method: "GET", template: "/users/{id}/transitiveMemberOf/microsoft.graph.group", units: 2, needs: readGroups, handle: (*Simulator).listTransitiveCast},

		{method: "POST", template: "/users/{id}/assignLicense", needs: writeLicence, handle: (*Simulator).assignLicense},
		{method: "GET", template: "/users/{id}/licenseDetails", units: 2, needs: readUsers, handle: (*Simulator).listLicenseDetails},
		{method: "GET", template: "/subscribedSkus", units: 3, needs: readSkus, handle: (*Simulator).listSubscribedSkus},

		{method: "GET", template: "/users/{id}/appRoleAssignments", needs: readRoles, handle: (*Simulator).listAppRoleAssignments},
		{method: "POST", template: "/users/{id}/appRoleAssignments", needs: writeRoles, handle: (*Simulator).createAppRoleAssignment},
		{method: "DELETE", template: "/users/{id}/appRoleAssignments/{assignment}", needs: writeRoles, handle: (*Simulator).deleteAppRoleAssignment},
		{method: "GET", template: "/servicePrincipals", needs: readApplications, handle: (*Simulator).listServicePrincipals},
		{method: "GET", template: "/servicePrincipals/{sp}", needs: readApplications, handle: (*Simulator).getServicePrincipal},
		{method: "GET", template: "/servicePrincipals/{sp}/appRoleAssignedTo", needs: readRoles, handle: (*Simulator).listAppRoleAssignedTo},
		{method: "POST", template: "/servicePrincipals/{sp}/appRoleAssignedTo", needs: writeRoles, handle: (*Simulator).createAppRoleAssignedTo},
		{method: "DELETE", template: "/servicePrincipals/{sp}/appRoleAssignedTo/{assignment}", needs: writeRoles, handle: (*Simulator).deleteAppRoleAssignedTo},

		{method: "GET", template: "/groups", needs: readGroups, handle: (*Simulator).listGroups},
		{method: "POST", template: "/groups", needs: writeGroups, handle: (*Simulator).createGroup},
		{method: "GET", template: "/groups/{id}", needs: readGroups, handle: (*Simulator).getGroup},
		{method: "PATCH", template: "/groups/{id}", needs: writeMembers, handle: (*Simulator).updateGroup},
		{method: "DELETE", template: "/groups/{id}", needs: writeGroups, handle: (*Simulator).deleteGroup},
		{method: "GET", template: "/groups/{id}/members", units: 3, needs: readGroups, handle: (*Simulator).listMembers},
		{method: "GET", template: "/groups/{id}/transitiveMembers", units: 5, needs: readGroups, handle: (*Simulator).listTransitiveMembers},
		{method: "POST", template: "/groups/{id}/members/$ref", needs: writeMembers, handle: (*Simulator).addMember},
		{method: "DELETE", template: "/groups/{id}/members/{member}/$ref", needs: writeMembers, handle: (*Simulator).removeMember},
		{method: "DELETE", template: "/groups/{id}/members/{member}", needs: writeMembers, handle: (*Simulator).deleteMemberObject},

		{method: "POST", template: "/invitations", needs: invite, handle: (*Simulator).createInvitation},

		{method: "GET", template: "/directory/deletedItems/microsoft.graph.user", needs: readUsers, handle: (*Simulator).listDeletedUsers},
		{method: "GET", template: "/directory/deletedItems/{id}", needs: readUsers, handle: (*Simulator).getDeletedItem},
		{method: "DELETE", template: "/directory/deletedItems/{id}", needs: deleteUsers, handle: (*Simulator).purgeDeletedItem},
		{method: "POST", template: "/directory/deletedItems/{id}/restore", needs: deleteUsers, handle: (*Simulator).restoreDeletedItem},
	}
}
