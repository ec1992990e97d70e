package entra_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

// Without /$ref the removal of a member deletes the user (graph/api/group-delete-members). The simulator does delete then, and
// counts it.
func TestRemovingAMemberNeverDeletesAUser(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c, asked := b.recorded(t, nil)
	ada, group := account(t, c, "ada"), newGroups(t, b, 1)[0]
	asked()
	for _, nativeID := range []string{ada.NativeID, strings.ToUpper(ada.NativeID), "x", "", ".", "..", "$ref", "/", "a/b", "?", "#", ada.NativeID + "?", ada.NativeID + "/", ada.NativeID + "#", ada.NativeID + "%2F", ada.NativeID + "\x00"} {
		for _, groupID := range []string{group.NativeID, "x", "", ".", "..", "/", group.NativeID + "/members/" + ada.NativeID + "?", "../users", "../users/" + ada.NativeID + "#", "%2e%2e"} {
			_ = c.Revoke(t.Context(), nativeID, connectors.Entitlement{NativeID: groupID, Kind: "group", Name: "x"})
		}
	}
	requireOnlyReferences(t, asked())
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(rapid.Just(ada.NativeID), rapid.String(), rapid.StringMatching(`[0-9a-f/?#%.$-]{0,40}`))
		_ = c.Revoke(t.Context(), id.Draw(t, "user"), connectors.Entitlement{NativeID: id.Draw(t, "group"), Kind: "group", Name: "x"})
	})
	requireOnlyReferences(t, asked())
	require.Zero(t, b.Stats().Deletions)
	_, err := c.GetAccount(t.Context(), ada.NativeID)
	require.NoError(t, err)
}

// requireOnlyReferences: what was deleted was the membership, and what has no proper id was not asked at all.
func requireOnlyReferences(t testing.TB, asked []string) {
	t.Helper()
	for _, request := range asked {
		require.Regexp(t, `^DELETE /groups/[0-9A-Za-z_=-]+/members/[0-9A-Za-z_=-]+/\$ref$`, request)
	}
}

func TestGroupsThatGraphCannotChangeAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{Groups: []simulator.Group{{DisplayName: "Ruled", Rule: `user.department -eq "Sales"`}}})
	c := b.connect(t, nil)
	_, err := c.FindEntitlement(t.Context(), "group", "Ruled")
	require.Contains(t, refusedWith(t, connectors.KindInvalid, err).Detail, "dynamic")
	ada, err := c.CreateAccount(t.Context(), connectors.Account{Enabled: true, Attributes: map[string]any{
		"userPrincipalName": "ada@contoso.onmicrosoft.com", "displayName": "Ada", "department": "Sales",
	}})
	require.NoError(t, err)
	require.Equal(t, []string{"Ruled"}, b.user(ada.NativeID).Groups)
	held, err := c.GrantsOf(t.Context(), ada.NativeID)
	require.NoError(t, err)
	require.Empty(t, held, "nobody can take a dynamic membership away")

	const group = `{"value": [{"id": "g1", "displayName": "G", "groupTypes": %s, "mailEnabled": %s, "securityEnabled": true, "onPremisesSyncEnabled": %s}]}`
	for _, test := range []struct{ types, mail, synced, why string }{
		{`[]`, "false", "null", ""},
		{`["Unified"]`, "true", "null", ""},
		{`["Unified", "DynamicMembership"]`, "true", "null", "dynamic"},
		{`[]`, "true", "null", "Exchange"},
		{`[]`, "false", "true", "on the premises"},
	} {
		double := b.against(t, func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, fmt.Sprintf(group, test.types, test.mail, test.synced))
		})
		found, err := double.FindEntitlement(t.Context(), "group", "G")
		if test.why == "" {
			require.NoError(t, err)
			require.Equal(t, connectors.Entitlement{NativeID: "g1", Kind: "group", Name: "G"}, found)
			continue
		}
		e := refusedWith(t, connectors.KindInvalid, err)
		require.Contains(t, e.Detail, test.why)
		require.Equal(t, "g1", e.Object)
	}
}

func TestANameThatSeveralGroupsHaveIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c := b.connect(t, nil)
	for i, name := range []string{"Sales", "sales", "Twins", "Twins"} {
		b.call(t, http.MethodPost, "/groups", map[string]any{
			"displayName": name, "mailEnabled": false, "securityEnabled": true, "mailNickname": fmt.Sprintf("n%d", i),
		})
	}
	for _, name := range []string{"Sales", "sales"} {
		found, err := c.FindEntitlement(t.Context(), "group", name)
		require.NoError(t, err)
		require.Equal(t, name, found.Name, "the one spelled exactly so")
	}
	for _, name := range []string{"SALES", "Twins"} {
		_, err := c.FindEntitlement(t.Context(), "group", name)
		require.Contains(t, refusedWith(t, connectors.KindConflict, err).Detail, "several")
	}
}

// memberOf lists directory roles and administrative units too (graph/api/user-list-memberof), which nobody can be taken out of
// by way of a group, on as many pages as it likes, empty ones among them.
func TestGrantsAreReadToTheLastPage(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	pages := []string{
		`{"value": [{"@odata.type": "#microsoft.graph.directoryRole", "id": "r1", "displayName": "User Administrator"}], "@odata.nextLink": "http://HOST/v1.0/next?$skiptoken=a%20b"}`,
		`{"value": [], "@odata.nextLink": "http://HOST/v1.0/next?$skiptoken=c&x=%27"}`,
		`{"value": [{"@odata.type": "#microsoft.graph.administrativeUnit", "id": "a1", "displayName": "Unit"}, {"@odata.type": "#microsoft.graph.group", "id": "g1", "displayName": "G", "groupTypes": []}]}`,
	}
	var asked []string
	c := b.against(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI())
		answer(w, http.StatusOK, strings.ReplaceAll(pages[len(asked)-1], "HOST", r.Host))
	})
	held, err := c.GrantsOf(t.Context(), "u1")
	require.NoError(t, err)
	require.Equal(t, []connectors.Entitlement{{NativeID: "g1", Kind: "group", Name: "G"}}, held)
	require.Equal(t, []string{"/v1.0/next?$skiptoken=a%20b", "/v1.0/next?$skiptoken=c&x=%27"}, asked[1:], "the address is used as it was given")
}

func TestAPageThatLeadsElsewhereIsNotFollowed(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	for _, next := range []string{
		"https://graph.example.com/v1.0/users", "http://HOST.example.com/v1.0/users", "http://HOST/v1.0/../beta/users", "http://HOST/beta/users",
		"http://x@HOST/v1.0/users", "/v1.0/users", "http://HOST/v1.0/users#x", "://",
	} {
		n := 0
		c := b.against(t, func(w http.ResponseWriter, r *http.Request) {
			n++
			answer(w, http.StatusOK, `{"value": [], "@odata.nextLink": "`+strings.ReplaceAll(next, "HOST", r.Host)+`"}`)
		})
		_, err := c.GrantsOf(t.Context(), "u1")
		requireKind(t, connectors.KindUnavailable, err)
		require.Equal(t, 1, n, next)
		_, err = c.ListAccounts(t.Context(), connectors.Page{Cursor: "https://graph.example.com/v1.0/users"})
		requireKind(t, connectors.KindInvalid, err)
		require.Equal(t, 1, n, "the token went nowhere")
	}
}
