package simulator_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

// The permission tables of the operations' pages; graph/permissions-reference.
func TestPermissions(t *testing.T) {
	t.Parallel()
	const some = "87d349ed-44d7-43e1-9a83-5f2406dee5bd"
	ref := map[string]any{"@odata.id": "https://graph.microsoft.com/v1.0/users/" + some}
	for name, tc := range map[string]struct {
		method, path string
		body         any
		least        string
	}{
		"list users":      {"GET", "/users", nil, "User.Read.All"},
		"create a user":   {"POST", "/users", person("ada"), "User.ReadWrite.All"},
		"update a user":   {"PATCH", "/users/" + some, map[string]any{"jobTitle": "x"}, "User.ReadWrite.All"},
		"delete a user":   {"DELETE", "/users/" + some, nil, "User.ReadWrite.All"},
		"revoke sessions": {"POST", "/users/" + some + "/revokeSignInSessions", nil, "User.RevokeSessions.All"},
		"list methods":    {"GET", "/users/" + some + "/authentication/methods", nil, "UserAuthenticationMethod.Read.All"},
		"delete a method": {"DELETE", "/users/" + some + "/authentication/fido2Methods/x", nil, "UserAuthenticationMethod.ReadWrite.All"},
		"list groups":     {"GET", "/groups", nil, "GroupMember.Read.All"},
		"create a group":  {"POST", "/groups", map[string]any{}, "Group.ReadWrite.All"},
		"add a member":    {"POST", "/groups/" + some + "/members/$ref", ref, "GroupMember.ReadWrite.All"},
		"remove a member": {"DELETE", "/groups/" + some + "/members/" + some + "/$ref", nil, "GroupMember.ReadWrite.All"},
		"memberships":     {"GET", "/users/" + some + "/memberOf", nil, "GroupMember.Read.All"},
		"assign licences": {"POST", "/users/" + some + "/assignLicense", map[string]any{}, "LicenseAssignment.ReadWrite.All"},
		"list SKUs":       {"GET", "/subscribedSkus", nil, "Organization.Read.All"},
		"assign a role":   {"POST", "/users/" + some + "/appRoleAssignments", map[string]any{}, "AppRoleAssignment.ReadWrite.All"},
		"invite":          {"POST", "/invitations", map[string]any{}, "User.Invite.All"},
		"restore":         {"POST", "/directory/deletedItems/" + some + "/restore", nil, "User.ReadWrite.All"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			granted := func(permissions ...string) client {
				return newClient(t, func(o *simulator.Options) { o.Permissions = permissions })
			}
			c := granted("Mail.Read")
			out := c.want(c.do(tc.method, tc.path, tc.body), http.StatusForbidden, "Authorization_RequestDenied")
			require.Equal(t, "Insufficient privileges to complete the operation.", out.message())
			require.NotEqual(t, http.StatusForbidden, granted(tc.least).do(tc.method, tc.path, tc.body).status)
		})
	}
}

// graph/api/user-update asks for more than its table when the password is among the properties.
func TestAPasswordNeedsAPermissionOfItsOwn(t *testing.T) {
	t.Parallel()
	password := map[string]any{"passwordProfile": map[string]any{"password": "Changed-by-an-application-1"}}
	for status, permissions := range map[int][]string{
		http.StatusForbidden: {"User.ReadWrite.All"}, http.StatusNoContent: {"User.ReadWrite.All", "User-PasswordProfile.ReadWrite.All"},
	} {
		c := newClient(t, func(o *simulator.Options) { o.Permissions = permissions })
		require.Equal(t, status, c.do(http.MethodPatch, "/users/"+c.create(person("ada")), password).status)
	}
}

// The caution in graph/api/group-delete-members: without the right to delete users it is 403.
func TestDeleteMemberWithoutRefNeedsTheRight(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	c := newClient(t, func(o *simulator.Options) { o.Folder = folder })
	sales, ada := c.group("Sales"), c.create(person("ada"))
	c.join(sales, ada)
	require.NoError(t, c.sim.Close())
	c = newClient(t, func(o *simulator.Options) { o.Folder = folder; o.Permissions = []string{"GroupMember.ReadWrite.All"} })
	c.want(c.do(http.MethodDelete, "/groups/"+sales+"/members/"+ada, nil), http.StatusForbidden, "Authorization_RequestDenied")
	require.Empty(t, c.sim.Deletions())
	c.want(c.do(http.MethodDelete, "/groups/"+sales+"/members/"+ada+"/$ref", nil), http.StatusNoContent)
}
