package simulator_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

const (
	mobileID    = "3179e48a-750b-4051-897c-87b9720928f7"
	alternateID = "b6332ec1-7057-4abe-9331-3d72feddfe41"
)

func (c client) addMethod(id string, m simulator.Method) string {
	c.t.Helper()
	added, err := c.sim.AddMethod(id, m)
	require.NoError(c.t, err)
	return added
}

// graph/api/authentication-list-methods, graph/api/phoneauthenticationmethod-delete and its siblings.
func TestMethods(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.create(person("ada"))
	path := "/users/" + id + "/authentication/"
	require.Equal(t, []string{"28c10230-6103-485e-b985-444c60001490"}, c.want(c.get(path+"methods"), http.StatusOK).column("id"), "the password is always there")

	require.Equal(t, mobileID, c.addMethod(id, simulator.Method{Kind: simulator.PhoneMethod, PhoneType: "mobile", Default: true}))
	require.Equal(t, alternateID, c.addMethod(id, simulator.Method{Kind: simulator.PhoneMethod, PhoneType: "alternateMobile"}))
	ids := map[simulator.MethodKind]string{}
	for _, kind := range []simulator.MethodKind{
		simulator.MicrosoftAuthenticatorMethod, simulator.FIDO2Method, simulator.SoftwareOathMethod, simulator.EmailMethod,
		simulator.WindowsHelloForBusinessMethod, simulator.TemporaryAccessPassMethod,
	} {
		ids[kind] = c.addMethod(id, simulator.Method{Kind: kind})
	}
	require.Equal(t, []string{
		"#microsoft.graph.passwordAuthenticationMethod", "#microsoft.graph.phoneAuthenticationMethod", "#microsoft.graph.phoneAuthenticationMethod",
		"#microsoft.graph.microsoftAuthenticatorAuthenticationMethod", "#microsoft.graph.fido2AuthenticationMethod",
		"#microsoft.graph.softwareOathAuthenticationMethod", "#microsoft.graph.emailAuthenticationMethod",
		"#microsoft.graph.windowsHelloForBusinessAuthenticationMethod", "#microsoft.graph.temporaryAccessPassAuthenticationMethod",
	}, c.get(path+"methods").column("@odata.type"))
	require.Equal(t, []string{mobileID, alternateID}, c.get(path+"phoneMethods").column("id"))

	c.want(c.do(http.MethodDelete, path+"methods/"+mobileID, nil), http.StatusMethodNotAllowed) // no call for any kind
	c.want(c.do(http.MethodDelete, path+"passwordMethods/28c10230-6103-485e-b985-444c60001490", nil), http.StatusMethodNotAllowed)
	c.want(c.do(http.MethodDelete, path+"fido2Methods/"+mobileID, nil), http.StatusNotFound) // of another kind
	c.want(c.do(http.MethodDelete, path+"shoeMethods/"+mobileID, nil), http.StatusBadRequest)
	out := c.want(c.do(http.MethodDelete, path+"phoneMethods/"+mobileID, nil), http.StatusBadRequest, "badRequest")
	require.Equal(t, "Cannot delete default method with other methods configured. Please change default method before deletion.", out.message())

	for kind, methodID := range ids {
		c.want(c.do(http.MethodDelete, path+string(kind)+"/"+methodID, nil), http.StatusNoContent)
		c.want(c.do(http.MethodDelete, path+string(kind)+"/"+methodID, nil), http.StatusNotFound)
	}
	c.want(c.do(http.MethodDelete, path+"phoneMethods/"+mobileID, nil), http.StatusBadRequest) // alternateMobile goes before mobile
	c.want(c.do(http.MethodDelete, path+"phoneMethods/"+alternateID, nil), http.StatusNoContent)
	c.want(c.do(http.MethodDelete, path+"phoneMethods/"+mobileID, nil), http.StatusNoContent) // the default is the last
	require.Empty(t, c.snapshot(id).Methods)
}

// graph/api/phoneauthenticationmethod-delete: alternateMobile before mobile, also when neither is the default.
func TestAlternateMobileGoesBeforeMobile(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.create(person("ada"))
	c.addMethod(id, simulator.Method{Kind: simulator.MicrosoftAuthenticatorMethod, Default: true})
	c.addMethod(id, simulator.Method{Kind: simulator.PhoneMethod, PhoneType: "mobile"})
	c.addMethod(id, simulator.Method{Kind: simulator.PhoneMethod, PhoneType: "alternateMobile"})
	out := c.want(c.do(http.MethodDelete, "/users/"+id+"/authentication/phoneMethods/"+mobileID, nil), http.StatusBadRequest, "badRequest")
	require.Contains(t, out.message(), "alternateMobile")
	for _, bad := range []simulator.Method{
		{Kind: "passwordMethods"},
		{Kind: "shoes"},
		{Kind: simulator.PhoneMethod},
		{Kind: simulator.FIDO2Method, PhoneType: "mobile"},
		{Kind: simulator.PhoneMethod, PhoneType: "mobile"},
		{Kind: simulator.PhoneMethod, PhoneType: "alternateMobile", Default: true},
	} {
		_, err := c.sim.AddMethod(id, bad)
		require.Error(t, err, bad)
	}
	_, err := c.sim.AddMethod(c.create(person("bob")), simulator.Method{Kind: simulator.PhoneMethod, PhoneType: "alternateMobile"})
	require.Error(t, err)
}

// TestMethodsCanBeCleared: whatever a user has, deleting others first, alternateMobile before mobile, the default last,
// always works.
func TestMethodsCanBeCleared(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.create(person("ada"))
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SliceOf(rapid.SampledFrom([]simulator.Method{
			{Kind: simulator.PhoneMethod, PhoneType: "mobile"}, {Kind: simulator.PhoneMethod, PhoneType: "mobile", Default: true},
			{Kind: simulator.PhoneMethod, PhoneType: "alternateMobile"}, {Kind: simulator.FIDO2Method}, {Kind: simulator.SoftwareOathMethod, Default: true},
			{Kind: simulator.EmailMethod},
		})).Draw(t, "methods")
		last := ""
		type found struct{ kind, id string }
		var all []found
		for _, m := range kinds {
			methodID, err := c.sim.AddMethod(id, m)
			if err != nil {
				continue // a second of what there is one of
			}
			if m.Default {
				last = methodID
			}
			all = append(all, found{string(m.Kind), methodID})
		}
		rank := func(f found) int {
			switch f.id {
			case last:
				return 2
			case mobileID:
				return 1
			}
			return 0
		}
		slices.SortStableFunc(all, func(a, b found) int { return rank(a) - rank(b) })
		for _, f := range all {
			if out := c.do(http.MethodDelete, "/users/"+id+"/authentication/"+f.kind+"/"+f.id, nil); out.status != http.StatusNoContent {
				t.Fatalf("%v of %v: %s", f, all, out.raw)
			}
		}
	})
}

// graph/api/user-assignlicense, user-list-licensedetails, subscribedsku-list.
func TestLicences(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	assign := func(id string, add []string, remove ...string) reply {
		list := []any{}
		for _, sku := range add {
			list = append(list, map[string]any{"skuId": sku})
		}
		return c.do(http.MethodPost, "/users/"+id+"/assignLicense", map[string]any{"addLicenses": list, "removeLicenses": append([]string{}, remove...)})
	}
	consumed := func() any { return c.want(c.get("/subscribedSkus"), http.StatusOK).values()[0]["consumedUnits"] }
	ada := c.create(person("ada"))
	require.Equal(t, "License assignment cannot be done for user with invalid usage location.", c.want(assign(ada, []string{e3}), http.StatusBadRequest, "Request_BadRequest").message())
	c.want(c.do(http.MethodPatch, "/users/"+ada, map[string]any{"usageLocation": "NO"}), http.StatusNoContent)
	require.Len(t, c.want(assign(ada, []string{e3}), http.StatusOK).body["assignedLicenses"], 1)
	c.want(assign(ada, []string{e3}), http.StatusOK)
	require.InDelta(t, 1, consumed(), 0, "again changes nothing")
	require.Equal(t, []string{"ENTERPRISEPACK"}, c.get("/users/"+ada+"/licenseDetails").column("skuPartNumber"))
	require.Equal(t, []string{"ENTERPRISEPACK"}, c.snapshot(ada).Licences)

	bob, cyd := c.create(with(person("bob"), "usageLocation", "NO")), c.create(with(person("cyd"), "usageLocation", "NO"))
	c.want(assign(bob, []string{e3}), http.StatusOK)
	out := c.want(assign(cyd, []string{e3}), http.StatusBadRequest, "Request_BadRequest")
	require.Equal(t, "Subscription with SKU "+e3+" does not have any available licenses.", out.message())
	c.want(assign(ada, []string{e3}, e3), http.StatusOK) // its own seat is free for it
	c.want(assign(ada, nil, e3), http.StatusOK)
	require.Equal(t, "User does not have a corresponding license.", c.want(assign(ada, nil, e3), http.StatusBadRequest).message())
	c.want(assign(cyd, []string{e3}), http.StatusOK)
	c.want(assign(ada, []string{payroll}), http.StatusBadRequest, "Request_BadRequest")
	out = c.want(c.do(http.MethodPost, "/users/"+ada+"/assignLicense", map[string]any{"addLicenses": []any{}}), http.StatusBadRequest, "Request_BadRequest")
	require.Contains(t, out.message(), "The missing parameters are: removeLicenses.")

	c.want(c.do(http.MethodDelete, "/users/"+bob, nil), http.StatusNoContent)
	require.InDelta(t, 1, consumed(), 0, "a deleted user has no seat")
	c.want(assign(ada, []string{e3}), http.StatusOK)
	c.want(c.do(http.MethodPost, "/directory/deletedItems/"+bob+"/restore", nil), http.StatusOK)
	require.Empty(t, c.snapshot(bob).Licences, "no seat was left")
	require.Equal(t, e3, c.get("/subscribedSkus").values()[0]["skuId"])
	c.want(c.get("/subscribedSkus?$filter=skuId eq '"+e3+"'"), http.StatusBadRequest)
}

// graph/api/resources/licenseassignmentstate; of a user it is returned only when selected, and read-only
// (graph/api/resources/user).
func TestLicenceStates(t *testing.T) {
	t.Parallel()
	const plan = "7547a3fe-08ee-4ccb-b430-5077c5041653"
	c := newClient(t)
	ada := c.create(with(person("ada"), "usageLocation", "NO"))
	assign := func(plans ...string) {
		added := []any{map[string]any{"skuId": e3, "disabledPlans": append([]string{}, plans...)}}
		c.want(c.do(http.MethodPost, "/users/"+ada+"/assignLicense", map[string]any{"addLicenses": added, "removeLicenses": []any{}}), http.StatusOK)
	}
	states := func() any {
		return c.want(c.get("/users/"+ada+"?$select=id,licenseAssignmentStates"), http.StatusOK).body["licenseAssignmentStates"]
	}
	state := func(at time.Time, plans ...any) []any {
		return []any{map[string]any{
			"skuId": e3, "disabledPlans": append([]any{}, plans...), "assignedByGroup": nil, "state": "Active", "error": "None",
			"lastUpdatedDateTime": at.Format(time.RFC3339),
		}}
	}
	require.Equal(t, []any{}, states())
	first := c.clock.now()
	assign()
	require.Equal(t, state(first), states())
	c.clock.pass(time.Minute)
	assign()
	require.Equal(t, state(first), states(), "again changes nothing")
	assign(plan)
	require.Equal(t, state(c.clock.now(), plan), states())
	require.Equal(t, states(), c.get("/users?$select=licenseAssignmentStates").values()[0]["licenseAssignmentStates"])
	require.NotContains(t, c.get("/users/"+ada).body, "licenseAssignmentStates")
	c.want(c.do(http.MethodPatch, "/users/"+ada, map[string]any{"licenseAssignmentStates": []any{}}), http.StatusBadRequest, "Request_BadRequest")
	c.want(c.do(http.MethodPost, "/users/"+ada+"/assignLicense", map[string]any{"addLicenses": []any{}, "removeLicenses": []any{e3}}), http.StatusOK)
	require.Equal(t, []any{}, states())
}

// graph/api/user-post-approleassignments, serviceprincipal-post-approleassignedto and their siblings.
func TestAppRoles(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	ada := c.create(person("ada"))
	require.Equal(t, []string{payroll}, c.get("/servicePrincipals?$filter=displayName eq 'payroll'").column("id"))
	roles := c.want(c.get("/servicePrincipals/"+payroll), http.StatusOK).body["appRoles"].([]any)
	require.Equal(t, roleUser, roles[0].(map[string]any)["id"])
	grant := map[string]any{"principalId": ada, "resourceId": payroll, "appRoleId": roleUser}
	for _, way := range []struct{ collection, own string }{
		{"/users/" + ada + "/appRoleAssignments", "/users/ada@contoso.com/appRoleAssignments"},
		{"/servicePrincipals/" + payroll + "/appRoleAssignedTo", "/servicePrincipals/" + payroll + "/appRoleAssignedTo"},
	} {
		id := c.want(c.do(http.MethodPost, way.own, grant), http.StatusCreated).text("id")
		out := c.want(c.do(http.MethodPost, way.collection, grant), http.StatusBadRequest, "Request_BadRequest")
		require.Equal(t, "Permission being assigned already exists on the object", out.message())
		require.Equal(t, []string{"Payroll"}, c.get(way.collection).column("resourceDisplayName"))
		require.Len(t, c.get(way.collection+"?$filter=resourceId eq "+payroll).values(), 1)
		require.Equal(t, []string{"User"}, c.snapshot(ada).AppRoles)
		c.want(c.do(http.MethodDelete, way.collection+"/"+id, nil), http.StatusNoContent)
		c.want(c.do(http.MethodDelete, way.collection+"/"+id, nil), http.StatusNotFound, "Request_ResourceNotFound")
	}
	c.want(c.do(http.MethodPost, "/users/"+ada+"/appRoleAssignments", with(grant, "appRoleId", e3)), http.StatusBadRequest)
	c.want(c.do(http.MethodPost, "/users/"+ada+"/appRoleAssignments", with(grant, "resourceId", e3)), http.StatusNotFound)
	c.want(c.do(http.MethodPost, "/users/"+ada+"/appRoleAssignments", with(grant, "principalId", e3)), http.StatusBadRequest)
	c.want(c.get("/servicePrincipals/"+e3), http.StatusNotFound)
}

// graph/api/user-delete, directory-deleteditems-list, -get, -restore, -delete.
func TestDeletedItems(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	ada := c.create(with(person("ada"), "employeeId", "7"))
	c.join(c.group("Sales"), ada)
	session, err := c.sim.SignIn(ada, password)
	require.NoError(t, err)
	c.want(c.get("/directory/deletedItems/"+ada), http.StatusNotFound)
	c.want(c.do(http.MethodDelete, "/users/"+ada, nil), http.StatusNoContent)
	c.want(c.do(http.MethodDelete, "/users/"+ada, nil), http.StatusNotFound, "Request_ResourceNotFound")
	c.want(c.get("/users/"+ada), http.StatusNotFound)
	require.Empty(t, c.get("/groups/"+c.group("Sales")+"/members").values())
	require.False(t, c.sim.Refresh(session))
	require.Empty(t, c.sim.Users())

	hex := ""
	for _, r := range ada {
		if r != '-' {
			hex += string(r)
		}
	}
	item := c.want(c.get("/directory/deletedItems/"+ada+"?$select=id,userPrincipalName,deletedDateTime"), http.StatusOK)
	require.Equal(t, hex+"ada@contoso.com", item.text("userPrincipalName"), "microsoftgraph/msgraph-sdk-powershell#2256")
	require.Equal(t, "2026-03-02T09:00:00Z", item.text("deletedDateTime"))
	for _, cast := range []string{"microsoft.graph.user", "graph.user"} {
		require.Equal(t, []string{ada}, c.get("/directory/deletedItems/"+cast+"?$filter=employeeId eq '7'").column("id"))
	}
	c.want(c.get("/directory/deletedItems/microsoft.graph.user?$filter=endsWith(userPrincipalName,'ada@contoso.com')"), http.StatusBadRequest)
	require.Equal(t, []string{ada}, c.get("/directory/deletedItems/microsoft.graph.user?$count=true&$filter=endsWith(userPrincipalName,'ada@contoso.com')", eventual...).column("id"))
	c.want(c.get("/directory/deletedItems"), http.StatusBadRequest) // the cast is required

	other := c.create(person("ada")) // the name is free
	c.want(c.do(http.MethodPost, "/directory/deletedItems/"+ada+"/restore", nil), http.StatusBadRequest, "Request_BadRequest")
	c.want(c.do(http.MethodPost, "/directory/deletedItems/"+ada+"/restore", map[string]any{"newUserPrincipalName": "x"}), http.StatusBadRequest)
	out := c.want(c.do(http.MethodPost, "/directory/deletedItems/"+ada+"/restore", map[string]any{"newUserPrincipalName": "ada2@contoso.com"}), http.StatusOK)
	require.Equal(t, "#microsoft.graph.user", out.text("@odata.type"))
	require.Equal(t, ada, c.get("/users/ada2@contoso.com").text("id"))
	require.Equal(t, []string{"Sales"}, c.snapshot(ada).Groups)
	require.Zero(t, c.snapshot(ada).Sessions)

	c.want(c.do(http.MethodDelete, "/users/"+other, nil), http.StatusNoContent)
	c.want(c.do(http.MethodDelete, "/directory/deletedItems/"+other, nil), http.StatusNoContent)
	c.want(c.do(http.MethodPost, "/directory/deletedItems/"+other+"/restore", nil), http.StatusNotFound)
	c.want(c.do(http.MethodDelete, "/directory/deletedItems/"+other, nil), http.StatusNotFound)

	c.want(c.do(http.MethodDelete, "/users/"+ada, nil), http.StatusNoContent)
	c.clock.pass(30*24*time.Hour - time.Minute)
	c.token = c.signIn()
	c.want(c.get("/directory/deletedItems/"+ada), http.StatusOK)
	c.clock.pass(time.Minute)
	c.want(c.get("/directory/deletedItems/"+ada), http.StatusNotFound, "Request_ResourceNotFound")
	c.want(c.do(http.MethodPost, "/directory/deletedItems/"+ada+"/restore", nil), http.StatusNotFound)
	var routes []string
	for _, d := range c.sim.Deletions() {
		routes = append(routes, d.Route)
	}
	require.Equal(t, []string{"DELETE /users/{id}", "DELETE /users/{id}", "DELETE /directory/deletedItems/{id}", "DELETE /users/{id}", "expired"}, routes)
}
