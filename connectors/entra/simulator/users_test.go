package simulator_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

// The vendor's pages are named by their paths under learn.microsoft.com.

// graph/api/user-post-users.
func TestCreateUser(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	out := c.want(c.do(http.MethodPost, "/users", with(person("ada"), "department", "Eng")), http.StatusCreated)
	names := slices.Sorted(maps.Keys(out.body))
	require.Equal(t, []string{
		"@odata.context", "businessPhones", "displayName", "givenName", "id", "jobTitle", "mail", "mobilePhone", "officeLocation",
		"preferredLanguage", "surname", "userPrincipalName",
	}, names, "the default properties only: no accountEnabled, no department, no password")
	require.Contains(t, out.header.Get("Location"), out.text("id"))
	require.True(t, c.sim.PasswordIs(out.text("id"), password))
}

// graph/api/user-post-users, "required"; graph/api/resources/user for lengths and read-only properties.
func TestCreateUserRefuses(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for name, tc := range map[string]struct {
		change  func(map[string]any)
		message string
	}{
		"no accountEnabled":    {func(o map[string]any) { delete(o, "accountEnabled") }, "One or more properties contains invalid values."},
		"no displayName":       {func(o map[string]any) { delete(o, "displayName") }, "One or more properties contains invalid values."},
		"no mailNickname":      {func(o map[string]any) { delete(o, "mailNickname") }, "One or more properties contains invalid values."},
		"no userPrincipalName": {func(o map[string]any) { delete(o, "userPrincipalName") }, "One or more properties contains invalid values."},
		"no password":          {func(o map[string]any) { delete(o, "passwordProfile") }, "A password must be specified to create a new user."},
		"weak password": {
			func(o map[string]any) { o["passwordProfile"] = map[string]any{"password": "password"} },
			"The specified password does not comply with password complexity requirements. Please provide a different password.",
		},
		"accent in the name":    {func(o map[string]any) { o["userPrincipalName"] = "ädele@contoso.com" }, "Property userPrincipalName is invalid."},
		"no domain":             {func(o map[string]any) { o["userPrincipalName"] = "adele" }, "Property userPrincipalName is invalid."},
		"long department":       {func(o map[string]any) { o["department"] = strings.Repeat("x", 65) }, "Invalid value specified for property 'department' of resource 'User'."},
		"empty text":            {func(o map[string]any) { o["jobTitle"] = "" }, "Invalid value specified for property 'jobTitle' of resource 'User'."},
		"blank in the nickname": {func(o map[string]any) { o["mailNickname"] = "a b" }, "Invalid value specified for property 'mailNickname' of resource 'User'."},
		"text for a boolean":    {func(o map[string]any) { o["accountEnabled"] = "true" }, "Invalid value specified for property 'accountEnabled' of resource 'User'."},
		"two business phones":   {func(o map[string]any) { o["businessPhones"] = []string{"1", "2"} }, "Invalid value specified for property 'businessPhones' of resource 'User'."},
		"read-only":             {func(o map[string]any) { o["createdDateTime"] = "2026-01-01T00:00:00Z" }, "Property 'createdDateTime' is read-only and cannot be set."},
		"unknown":               {func(o map[string]any) { o["shoeSize"] = "44" }, "Invalid property 'shoeSize'."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := person("adele")
			tc.change(o)
			out := c.do(http.MethodPost, "/users", o)
			require.Equal(t, http.StatusBadRequest, out.status, out.raw)
			require.Equal(t, "Request_BadRequest", out.code())
			require.Equal(t, tc.message, out.message())
		})
	}
}

// graph/api/resources/user: userPrincipalName is unique, whatever the case; mailNickname is not said to be.
func TestUserPrincipalNameIsUnique(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.create(person("ada"))
	out := c.want(c.do(http.MethodPost, "/users", with(person("eve"), "userPrincipalName", "ADA@contoso.com")), http.StatusBadRequest, "Request_BadRequest")
	require.Equal(t, "Another object with the same value for property userPrincipalName already exists.", out.message())
	require.Contains(t, out.raw, `"code":"ObjectConflict"`)
	require.Contains(t, out.raw, `"target":"userPrincipalName"`)

	eve := c.create(with(person("eve"), "mailNickname", "ada"))
	c.want(c.do(http.MethodPatch, "/users/"+eve, map[string]any{"userPrincipalName": "ada@contoso.com"}), http.StatusBadRequest, "Request_BadRequest")
	c.want(c.do(http.MethodPatch, "/users/"+eve, map[string]any{"userPrincipalName": "EVE@contoso.com"}), http.StatusNoContent)
}

// graph/api/user-update.
func TestUpdateUser(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.create(with(person("ada"), "jobTitle", "Engineer", "department", "Eng"))
	require.Empty(t, c.want(c.do(http.MethodPatch, "/users/"+id, map[string]any{"jobTitle": nil, "accountEnabled": false, "businessPhones": []string{"1"}}),
		http.StatusNoContent).raw)
	out := c.want(c.get("/users/ada@contoso.com?$select=jobTitle,department,accountEnabled,businessPhones"), http.StatusOK)
	require.Nil(t, out.body["jobTitle"])
	require.Contains(t, out.body, "jobTitle")
	require.Equal(t, "Eng", out.text("department"), "what is not named stays")
	require.Equal(t, false, out.body["accountEnabled"])
	require.Equal(t, []any{"1"}, out.body["businessPhones"])

	c.want(c.do(http.MethodPatch, "/users/"+id, map[string]any{"displayName": nil}), http.StatusBadRequest, "Request_BadRequest")
	c.want(c.do(http.MethodPatch, "/users/"+id, map[string]any{"id": "x"}), http.StatusBadRequest, "Request_BadRequest")
	out = c.want(c.do(http.MethodPatch, "/users/nobody", map[string]any{"jobTitle": "x"}), http.StatusNotFound, "Request_ResourceNotFound")
	require.Equal(t, "Resource 'nobody' does not exist or one of its queried reference-property objects are not present.", out.message())

	c.want(c.do(http.MethodPatch, "/users/"+id, map[string]any{"userPrincipalName": "ada.l@contoso.com"}), http.StatusNoContent)
	require.Equal(t, id, c.get("/users/ada.l@contoso.com").text("id"), "a rename is the same user")
	c.want(c.get("/users/ada@contoso.com"), http.StatusNotFound)
}

// graph/api/resources/passwordprofile, and lastPasswordChangeDateTime of graph/api/resources/user.
func TestPasswordReset(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.create(person("ada"))
	c.clock.pass(30*time.Minute + 300*time.Millisecond)
	session, err := c.sim.SignIn(id, password)
	require.NoError(t, err)
	c.clock.pass(time.Second)
	c.want(c.do(http.MethodPatch, "/users/"+id, map[string]any{"passwordProfile": map[string]any{"password": "short"}}), http.StatusBadRequest)
	require.True(t, c.sim.PasswordIs(id, password))
	require.True(t, c.sim.Refresh(session))
	c.want(c.do(http.MethodPatch, "/users/"+id, map[string]any{"passwordProfile": map[string]any{"password": "Another-Horse-2"}}), http.StatusNoContent)
	require.False(t, c.sim.PasswordIs(id, password))
	require.True(t, c.sim.PasswordIs(id, "Another-Horse-2"))
	require.False(t, c.sim.Refresh(session), "entra/identity-platform/refresh-tokens: an administrator's reset revokes")
	_, err = c.sim.SignIn(id, password)
	require.ErrorContains(t, err, "AADSTS50126")

	out := c.get("/users/" + id + "?$select=lastPasswordChangeDateTime,passwordProfile,createdDateTime")
	require.Equal(t, "2026-03-02T09:30:01Z", out.text("lastPasswordChangeDateTime"), "without fractions of a second")
	require.Equal(t, "2026-03-02T09:00:00Z", out.text("createdDateTime"))
	profile := out.body["passwordProfile"].(map[string]any)
	require.Nil(t, profile["password"], "a password is never answered")
	require.Equal(t, true, profile["forceChangePasswordNextSignIn"], "the default")
}

// graph/api/user-revokesigninsessions.
func TestRevokeSignInSessions(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(o *simulator.Options) { o.RevocationLag = time.Minute })
	id := c.create(person("ada"))
	c.clock.pass(time.Minute)
	session, err := c.sim.SignIn(id, password)
	require.NoError(t, err)
	require.Equal(t, 1, c.snapshot(id).Sessions)
	c.clock.pass(time.Second)
	validFrom := func() string {
		return c.get("/users/" + id + "?$select=signInSessionsValidFromDateTime").text("signInSessionsValidFromDateTime")
	}
	require.Equal(t, "2026-03-02T09:00:00Z", validFrom())
	require.Equal(t, true, c.want(c.do(http.MethodPost, "/users/"+id+"/revokeSignInSessions", nil), http.StatusOK).body["value"])
	c.clock.pass(30 * time.Second)
	require.Equal(t, "2026-03-02T09:00:00Z", validFrom(), "not yet: a delay of a few minutes")
	require.True(t, c.sim.Refresh(session))
	c.want(c.do(http.MethodPost, "/users/"+id+"/revokeSignInSessions", nil), http.StatusOK)
	c.clock.pass(30 * time.Second)
	require.Equal(t, "2026-03-02T09:01:01Z", validFrom(), "the first call, not held up by the second")
	require.False(t, c.sim.Refresh(session))
	require.Zero(t, c.snapshot(id).Sessions)
	again, err := c.sim.SignIn(id, password)
	require.NoError(t, err)
	c.clock.pass(time.Minute)
	require.True(t, c.sim.Refresh(again), "begun after the revocation")

	c.want(c.do(http.MethodPatch, "/users/"+id, map[string]any{"accountEnabled": false}), http.StatusNoContent)
	require.False(t, c.sim.Refresh(again))
	_, err = c.sim.SignIn(id, password)
	require.ErrorContains(t, err, "AADSTS50057")
	require.Equal(t, 1, c.snapshot(id).Sessions, "disabled, not revoked")
}

// graph/api/user-list, "replication delays".
func TestReadLag(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(o *simulator.Options) { o.ReadLag = 5 * time.Second })
	id := c.create(person("ada"))
	sales := c.group("Sales")
	filter := "/users?$filter=userPrincipalName eq 'ada@contoso.com'"
	c.want(c.get("/users/"+id), http.StatusNotFound, "Request_ResourceNotFound")
	c.want(c.do(http.MethodPatch, "/users/"+id, map[string]any{"jobTitle": "x"}), http.StatusNotFound)
	c.want(c.do(http.MethodPost, "/groups/"+sales+"/members/$ref", c.ref(id)), http.StatusNotFound)
	require.Empty(t, c.get(filter).values())
	require.Empty(t, c.get("/users").values())
	c.want(c.do(http.MethodPost, "/users", person("ada")), http.StatusBadRequest)
	require.Len(t, c.sim.Users(), 1, "a test sees it")
	c.clock.pass(5 * time.Second)
	c.want(c.get("/users/"+id), http.StatusOK)
	require.Len(t, c.get(filter).values(), 1)
	require.Len(t, c.get("/users").values(), 1)
}

// graph/api/user-post-manager, user-list-manager, user-delete-manager.
func TestManager(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	ada, bob, cyd := c.create(person("ada")), c.create(person("bob")), c.create(person("cyd"))
	c.want(c.get("/users/"+ada+"/manager"), http.StatusNotFound, "Request_ResourceNotFound")
	c.want(c.do(http.MethodPut, "/users/"+ada+"/manager/$ref", c.ref(bob)), http.StatusNoContent)
	c.want(c.do(http.MethodPut, "/users/"+bob+"/manager/$ref", map[string]any{"@odata.id": "https://graph.microsoft.com/v1.0/users/" + cyd}), http.StatusNoContent)
	c.want(c.do(http.MethodPut, "/users/"+ada+"/manager/$ref", c.ref("nobody")), http.StatusNotFound)
	c.want(c.do(http.MethodPut, "/users/"+ada+"/manager/$ref", map[string]any{}), http.StatusBadRequest)
	require.Equal(t, bob, c.want(c.get("/users/"+ada+"/manager"), http.StatusOK).text("id"))
	require.Equal(t, "http://graph.test/v1.0/directoryObjects/"+bob, c.get("/users/"+ada+"/manager/$ref").text("@odata.id"))

	expanded := c.want(c.get("/users/"+ada+"?$expand=manager&$select=displayName"), http.StatusOK).body["manager"].(map[string]any)
	require.Equal(t, bob, expanded["id"])
	require.NotContains(t, expanded, "manager", "one level")
	deep := c.want(c.get("/users/"+ada+"?$expand=manager($levels=max;$select=id,displayName)"), http.StatusOK).body["manager"].(map[string]any)
	require.Equal(t, cyd, deep["manager"].(map[string]any)["id"])
	require.Equal(t, "bob", deep["displayName"])
	require.Equal(t, bob, c.get("/users?$expand=manager($levels=1;$select=id)").values()[0]["manager"].(map[string]any)["id"])
	c.want(c.get("/users/"+ada+"?$expand=manager($select=id)"), http.StatusBadRequest)
	c.want(c.get("/users/"+ada+"?$expand=photo"), http.StatusBadRequest)

	c.want(c.do(http.MethodDelete, "/users/"+ada+"/manager/$ref", nil), http.StatusNoContent)
	c.want(c.do(http.MethodDelete, "/users/"+ada+"/manager/$ref", nil), http.StatusNotFound)
	c.want(c.do(http.MethodDelete, "/users/"+cyd, nil), http.StatusNoContent)
	c.want(c.get("/users/"+bob+"/manager"), http.StatusNotFound)
}

// graph/api/invitation-post.
func TestInvitation(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	invite := map[string]any{"invitedUserEmailAddress": "admin@fabrikam.com", "inviteRedirectUrl": "https://myapp.contoso.com", "invitedUserDisplayName": "Admin"}
	out := c.want(c.do(http.MethodPost, "/invitations", invite), http.StatusCreated)
	require.Equal(t, "PendingAcceptance", out.text("status"))
	require.Equal(t, "Guest", out.text("invitedUserType"))
	id := out.body["invitedUser"].(map[string]any)["id"].(string)
	guest := c.want(c.get("/users/"+id+"?$select=userPrincipalName,userType,mail,externalUserState,creationType,accountEnabled"), http.StatusOK)
	require.Equal(t, "admin_fabrikam.com#EXT#@simulated.onmicrosoft.com", guest.text("userPrincipalName"))
	require.Equal(t, "Guest", guest.text("userType"))
	require.Equal(t, "PendingAcceptance", guest.text("externalUserState"))
	require.Equal(t, "Invitation", guest.text("creationType"))
	require.Equal(t, id, c.get("/users/admin_fabrikam.com%23EXT%23@simulated.onmicrosoft.com").text("id"))

	again := c.want(c.do(http.MethodPost, "/invitations", invite), http.StatusCreated)
	require.Equal(t, id, again.body["invitedUser"].(map[string]any)["id"], "the same guest")
	c.want(c.do(http.MethodPost, "/invitations", map[string]any{"invitedUserEmailAddress": "admin@fabrikam.com"}), http.StatusBadRequest)
	c.want(c.do(http.MethodPost, "/invitations", map[string]any{"invitedUserEmailAddress": "x", "inviteRedirectUrl": "https://x"}), http.StatusBadRequest)
	_, err := c.sim.SignIn(id, "")
	require.Error(t, err, "a guest has no password here")
}
