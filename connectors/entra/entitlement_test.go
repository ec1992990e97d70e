package entra_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

const (
	sku      = "05e9a617-0261-4cee-bb44-138d3ef5d965"
	otherSku = "c7df2760-2c81-4ef7-b578-5b5392b571df"
	appID    = "8e881353-1735-45af-af21-ee1344582a4d"
	roleID   = "ef7437e6-4f94-4a0a-a110-a439eb2aa8f7"
)

func TestLicences(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{Licences: []simulator.Licence{
		{SkuPartNumber: "SPE_E3", SkuID: sku, Seats: 1}, {SkuPartNumber: "VISIO", SkuID: otherSku, Seats: 9},
	}})
	c := b.connect(t, connectors.Settings{"entitlements": []any{"licence"}})
	e3, err := c.FindEntitlement(t.Context(), "licence", "SPE_E3")
	require.NoError(t, err)
	require.Equal(t, connectors.Entitlement{NativeID: sku, Kind: "licence", Name: "SPE_E3"}, e3)
	_, err = c.FindEntitlement(t.Context(), "licence", "SPE_E5")
	requireKind(t, connectors.KindNotFound, err)

	ada, bob := account(t, c, "ada"), account(t, c, "bob")
	require.Empty(t, grants(t, c, ada.NativeID))
	for range 2 {
		require.NoError(t, c.Grant(t.Context(), ada.NativeID, e3))
		require.Equal(t, []string{"SPE_E3"}, b.user(ada.NativeID).Licences)
		require.Equal(t, []connectors.Entitlement{e3}, grants(t, c, ada.NativeID))
	}
	require.Contains(t, refusedWith(t, connectors.KindInvalid, c.Grant(t.Context(), bob.NativeID, e3)).Detail, "no seat of the licence is left")
	for range 2 {
		require.NoError(t, c.Revoke(t.Context(), ada.NativeID, e3))
		require.Empty(t, b.user(ada.NativeID).Licences)
		require.Empty(t, grants(t, c, ada.NativeID))
	}
	require.NoError(t, c.Grant(t.Context(), bob.NativeID, e3), "the seat is free again")
	require.Equal(t, []connectors.Entitlement{e3}, grants(t, c, bob.NativeID))

	require.NoError(t, c.UpdateAccount(t.Context(), ada.NativeID, map[string]any{"usageLocation": nil}))
	visio := connectors.Entitlement{NativeID: otherSku, Kind: "licence", Name: "VISIO"}
	require.Contains(t, refusedWith(t, connectors.KindNotFound, c.Grant(t.Context(), ada.NativeID, visio)).Detail, "usageLocation")
	for _, id := range []string{"", "a/b"} {
		requireKind(t, connectors.KindInvalid, c.Grant(t.Context(), ada.NativeID, connectors.Entitlement{NativeID: id, Kind: "licence"}))
		requireKind(t, connectors.KindInvalid, c.Revoke(t.Context(), ada.NativeID, connectors.Entitlement{NativeID: id, Kind: "licence"}))
	}
}

// GrantsOf covers every kind that is set, in the order of the setting.
func TestGrantsOfAllKinds(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{
		Groups:   []simulator.Group{{DisplayName: "Sales"}},
		Licences: []simulator.Licence{{SkuPartNumber: "SPE_E3", SkuID: sku, Seats: 9}, {SkuPartNumber: "VISIO", SkuID: otherSku, Seats: 9}},
		AppRoles: []simulator.Application{{ID: appID, DisplayName: "Sheets", Roles: []simulator.AppRole{{ID: roleID, Value: "Approver"}}}},
	})
	c := b.connect(t, connectors.Settings{"entitlements": []any{"licence", "appRole", "group"}})
	ada := account(t, c, "ada")
	var want []connectors.Entitlement
	for _, e := range []struct{ kind, name string }{{"licence", "SPE_E3"}, {"licence", "VISIO"}, {"appRole", "Sheets/Approver"}, {"group", "Sales"}} {
		found, err := c.FindEntitlement(t.Context(), e.kind, e.name)
		require.NoError(t, err)
		require.NoError(t, c.Grant(t.Context(), ada.NativeID, found))
		want = append(want, found)
	}
	require.Equal(t, want, grants(t, c, ada.NativeID))
	require.NoError(t, c.Revoke(t.Context(), ada.NativeID, want[1]))
	require.Equal(t, slices.Delete(want, 1, 2), grants(t, c, ada.NativeID))
}

func grants(t testing.TB, c connectors.EntitlementGranter, nativeID string) []connectors.Entitlement {
	t.Helper()
	held, err := c.GrantsOf(t.Context(), nativeID)
	require.NoError(t, err)
	return held
}

// A licence that comes from a group names it in licenseAssignmentStates (graph/api/resources/licenseassignmentstate).
func TestLicencesOfGroupsAreNotTheAccounts(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	skus := 0
	c := b.doubleWith(t, []any{"licence"}, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/subscribedSkus") {
			skus++
			answer(w, http.StatusOK, `{"value": [{"skuId": "`+sku+`", "skuPartNumber": "SPE_E3"}, {"skuId": "`+otherSku+`", "skuPartNumber": "VISIO"}]}`)
			return
		}
		answer(w, http.StatusOK, `{"id": "u1", "licenseAssignmentStates": [
			{"skuId": "`+sku+`", "assignedByGroup": "g1", "state": "Active"}, {"skuId": "`+otherSku+`", "assignedByGroup": null, "state": "Active"}]}`)
	})
	for range 2 {
		held, err := c.GrantsOf(t.Context(), "u1")
		require.NoError(t, err)
		require.Equal(t, []connectors.Entitlement{{NativeID: otherSku, Kind: "licence", Name: "VISIO"}}, held)
	}
	require.Equal(t, 1, skus, "names are kept for a while")
}

func TestAppRoles(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{AppRoles: []simulator.Application{
		{ID: appID, DisplayName: "Time/Sheet", Roles: []simulator.AppRole{{ID: roleID, Value: "Approver"}}},
	}})
	c, asked := b.recorded(t, connectors.Settings{"entitlements": []any{"appRole"}})
	approver, err := c.FindEntitlement(t.Context(), "appRole", "Time/Sheet/Approver")
	require.NoError(t, err)
	require.Equal(t, connectors.Entitlement{NativeID: appID + "." + roleID, Kind: "appRole", Name: "Time/Sheet/Approver"}, approver)
	for _, name := range []string{"Time/Sheet/Boss", "Sheet/Approver", "Approver", "", "/", "Time/Sheet/"} {
		_, err := c.FindEntitlement(t.Context(), "appRole", name)
		requireKind(t, connectors.KindNotFound, err)
	}
	ada, bob := account(t, c, "ada"), account(t, c, "bob")
	for range 2 {
		require.NoError(t, c.Grant(t.Context(), ada.NativeID, approver))
		require.NoError(t, c.Grant(t.Context(), bob.NativeID, approver))
		held, err := c.GrantsOf(t.Context(), ada.NativeID)
		require.NoError(t, err)
		require.Equal(t, []connectors.Entitlement{approver}, held)
	}
	asked()
	for range 2 {
		require.NoError(t, c.Revoke(t.Context(), ada.NativeID, approver))
		require.Empty(t, b.user(ada.NativeID).AppRoles)
	}
	require.Equal(t, []string{"Approver"}, b.user(bob.NativeID).AppRoles, "somebody else's")
	for _, request := range asked() {
		require.Regexp(t, `^(GET /users/[^/]+/appRoleAssignments|DELETE /users/[^/]+/appRoleAssignments/[^/]+)$`, request)
	}
	for _, id := range []string{"", ".", "x", "x.", ".x", "a/b.c", appID} {
		requireKind(t, connectors.KindInvalid, c.Grant(t.Context(), ada.NativeID, connectors.Entitlement{NativeID: id, Kind: "appRole"}))
		requireKind(t, connectors.KindInvalid, c.Revoke(t.Context(), ada.NativeID, connectors.Entitlement{NativeID: id, Kind: "appRole"}))
	}
	require.Empty(t, asked())
}

// The list holds the roles of the user's groups too; their principal is the group (graph/api/user-list-approleassignments).
func TestAppRolesOfGroupsAreNotTheAccounts(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	var deleted []string
	c := b.doubleWith(t, []any{"appRole"}, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodDelete:
			deleted = append(deleted, r.URL.Path)
			w.WriteHeader(http.StatusNoContent)
		case strings.HasPrefix(r.URL.Path, "/v1.0/servicePrincipals/"):
			answer(w, http.StatusOK, `{"id": "a1", "displayName": "App", "appRoles": [{"id": "r1", "value": "Reader", "isEnabled": true, "allowedMemberTypes": ["User"]}]}`)
		default:
			answer(w, http.StatusOK, `{"value": [
				{"id": "1", "appRoleId": "r1", "principalId": "g1", "resourceId": "a1"},
				{"id": "2", "appRoleId": "r1", "principalId": "u1", "resourceId": "a1"},
				{"id": "3", "appRoleId": "00000000-0000-0000-0000-000000000000", "principalId": "u1", "resourceId": "a1"},
				{"id": "4", "appRoleId": "gone", "principalId": "u1", "resourceId": "a1"}]}`)
		}
	})
	held, err := c.GrantsOf(t.Context(), "u1")
	require.NoError(t, err)
	require.Equal(t, []connectors.Entitlement{
		{NativeID: "a1.r1", Kind: "appRole", Name: "App/Reader"},
		{NativeID: "a1.00000000-0000-0000-0000-000000000000", Kind: "appRole", Name: "App/Default Access"},
		{NativeID: "a1.gone", Kind: "appRole", Name: "a1.gone"},
	}, held)
	require.NoError(t, c.Revoke(t.Context(), "u1", held[0]))
	require.Equal(t, []string{"/v1.0/users/u1/appRoleAssignments/2"}, deleted, "not that of the group, nor another role's")
}

func TestKindsThatAreNotSetAreNotTouched(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{Licences: []simulator.Licence{{SkuPartNumber: "SPE_E3", SkuID: sku, Seats: 1}}})
	c, asked := b.recorded(t, nil)
	ada := account(t, c, "ada")
	asked()
	licence := connectors.Entitlement{NativeID: sku, Kind: "licence", Name: "SPE_E3"}
	requireKind(t, connectors.KindUnsupported, c.Grant(t.Context(), ada.NativeID, licence))
	requireKind(t, connectors.KindUnsupported, c.Revoke(t.Context(), ada.NativeID, licence))
	_, err := c.FindEntitlement(t.Context(), "licence", "SPE_E3")
	requireKind(t, connectors.KindUnsupported, err)
	require.Empty(t, asked())
	_, err = c.GrantsOf(t.Context(), ada.NativeID)
	require.NoError(t, err)
	require.Equal(t, []string{"GET /users/" + ada.NativeID + "/memberOf"}, asked())
}
