package entra_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

// withManager are the settings of a target that maps the manager.
var withManager = connectors.Settings{"attributes": []any{"manager"}}

func TestTheManager(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c, asked := b.recorded(t, withManager)
	boss, ada := account(t, c, "boss"), account(t, c, "ada")
	name := boss.Attributes["userPrincipalName"]
	manager := func() []any {
		read, err := c.GetAccount(t.Context(), ada.NativeID)
		require.NoError(t, err)
		return []any{read.Attributes["manager"], read.Attributes["manager.id"]}
	}
	for _, wish := range []map[string]any{{"manager": name}, {"manager.id": boss.NativeID}, {"manager": strings.ToUpper(name.(string)), "jobTitle": "Clerk"}} {
		for range 2 {
			require.NoError(t, c.UpdateAccount(t.Context(), ada.NativeID, wish))
			require.Equal(t, []any{name, boss.NativeID}, manager())
		}
		for _, none := range []map[string]any{{"manager": nil}, {"manager.id": nil}, {"manager": ""}} {
			require.NoError(t, c.UpdateAccount(t.Context(), ada.NativeID, none))
			require.Equal(t, []any{nil, nil}, manager())
		}
	}
	for _, request := range asked() {
		if strings.HasPrefix(request, "PUT") || strings.HasPrefix(request, "DELETE") {
			require.Regexp(t, `/manager/\$ref$`, request)
		}
	}
	require.Zero(t, b.Stats().Deletions)

	requireKind(t, connectors.KindNotFound, c.UpdateAccount(t.Context(), ada.NativeID, map[string]any{"manager": "nobody@contoso.onmicrosoft.com"}))
	requireKind(t, connectors.KindNotFound, c.UpdateAccount(t.Context(), ada.NativeID, map[string]any{"manager.id": clientID}))
	requireKind(t, connectors.KindNotFound, c.UpdateAccount(t.Context(), clientID, map[string]any{"manager": nil}))
	requireKind(t, connectors.KindNotFound, c.UpdateAccount(t.Context(), clientID, map[string]any{"manager": name}))
	for _, bad := range []map[string]any{
		{"manager": boss.NativeID}, {"manager": 7}, {"manager.id": "a/b"}, {"manager": name, "manager.id": boss.NativeID}, {"manager.department": "x"},
	} {
		requireKind(t, connectors.KindInvalid, c.UpdateAccount(t.Context(), ada.NativeID, bad))
	}
	_, err := c.FindAccounts(t.Context(), "manager", name.(string))
	requireKind(t, connectors.KindInvalid, err)
}

// To expand costs a unit (graph/throttling-limits), and shows all of the manager, since a $select in it is not supported
// (developer.microsoft.com/graph/known-issues).
func TestTheManagerIsReadOnlyWhereItIsMapped(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	for want, settings := range map[string]connectors.Settings{"": {}, "manager": withManager} {
		var expanded, selected []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			expanded = append(expanded, r.URL.Query().Get("$expand"))
			selected = append(selected, r.URL.Query().Get("$select"))
			answer(w, http.StatusOK, `{"value": [], "id": "u1", "accountEnabled": true}`)
		}))
		t.Cleanup(server.Close)
		c := b.connect(t, connectors.Settings{"graphUrl": server.URL + "/v1.0", "attributes": settings["attributes"]})
		_, err := c.GetAccount(t.Context(), "u1")
		require.NoError(t, err)
		_, err = c.FindAccounts(t.Context(), "employeeId", "7")
		require.NoError(t, err)
		_, err = c.ListAccounts(t.Context(), connectors.Page{})
		require.NoError(t, err)
		require.Equal(t, []string{want, want, want}, expanded)
		require.NotContains(t, strings.Join(selected, ","), "manager")
	}
	c, asked := b.recorded(t, nil)
	for _, wish := range []map[string]any{{"manager": "boss@contoso.com"}, {"manager.id": clientID}, {"manager": nil}} {
		require.Contains(t, refusedWith(t, connectors.KindInvalid, c.UpdateAccount(t.Context(), clientID, wish)).Detail, "setting attributes")
	}
	require.Empty(t, asked(), "what could not be read back is not written")
}

func TestAnAccountIsMadeWithItsManager(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c := b.connect(t, withManager)
	boss := account(t, c, "boss")
	wish := func(name, manager string) connectors.Account {
		return connectors.Account{Enabled: true, Attributes: map[string]any{
			"userPrincipalName": name + "@contoso.onmicrosoft.com", "displayName": name, "manager": manager, "jobTitle": nil, "givenName": "", "otherMails": []any{},
			"onPremisesExtensionAttributes.extensionAttribute1": nil,
		}}
	}
	ada, err := c.CreateAccount(t.Context(), wish("ada", boss.Attributes["userPrincipalName"].(string)))
	require.NoError(t, err)
	read, err := c.GetAccount(t.Context(), ada.NativeID)
	require.NoError(t, err)
	require.Equal(t, read, ada)
	require.Equal(t, boss.NativeID, b.user(ada.NativeID).Manager)

	// Both join on the same day, and the manager is later: that keeps nobody from having an account.
	bob, err := c.CreateAccount(t.Context(), wish("bob", "late@contoso.onmicrosoft.com"))
	require.NoError(t, err)
	require.NotContains(t, bob.Attributes, "manager", "so that the caller sees what is left to do")
}

// What goes wrong after a user was made must not hide that there is one: nobody would take its access back.
func TestAnAccountThatExistsIsAnsweredBesideTheError(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	proxy := connectortest.Start(t, b.graph+"/v1.0")
	c := b.connect(t, connectors.Settings{"graphUrl": proxy.URL, "attributes": []any{"manager"}})
	boss := account(t, c, "boss")
	for name, wish := range map[string]map[string]any{
		"member": {"userPrincipalName": "%s@contoso.onmicrosoft.com", "displayName": "Ada", "manager": boss.Attributes["userPrincipalName"]},
		"guest":  {"userType": "Guest", "mail": "%s@partner.example.com", "displayName": "Pat", "department": "Audit"},
	} {
		for status, kind := range map[int]connectors.Kind{
			http.StatusServiceUnavailable: connectors.KindUnavailable, http.StatusTooManyRequests: connectors.KindThrottled,
			http.StatusForbidden: connectors.KindUnauthorized, http.StatusGatewayTimeout: connectors.KindAmbiguous,
		} {
			attributes := map[string]any{}
			for attribute, value := range wish {
				attributes[attribute] = strings.ReplaceAll(value.(string), "%s", strconv.Itoa(status))
			}
			proxy.SetRules(connectortest.Rule{Writes: true, Nth: 2, Fault: connectortest.Status(status, 0)})
			created, err := c.CreateAccount(t.Context(), connectors.Account{Enabled: true, Attributes: attributes})
			requireKind(t, kind, err)
			require.NotEmpty(t, b.user(created.NativeID).UserPrincipalName, "%s after %d: %q", name, status, created.NativeID)
		}
	}
	proxy.SetRules()
}

// An invitation makes an enabled guest (graph/api/invitation-post). While it is not shown, nothing can disable it: the caller
// has to know whom to disable.
func TestAGuestWhoIsNotShownYetIsNotLost(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{ReadLag: 5 * time.Second})
	c := b.connect(t, nil)
	pat, err := c.CreateAccount(t.Context(), connectors.Account{Enabled: false, Attributes: map[string]any{
		"userType": "Guest", "mail": "pat@partner.example.com", "displayName": "Pat",
	}})
	requireKind(t, connectors.KindNotFound, err)
	require.True(t, b.user(pat.NativeID).Enabled)
	b.clock.advance(6 * time.Second)
	require.NoError(t, c.SetEnabled(t.Context(), pat.NativeID, false))
	require.False(t, b.user(pat.NativeID).Enabled)
}

func TestANewAccountNeedsItsNames(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c, asked := b.recorded(t, nil)
	for missing, attributes := range map[string]map[string]any{
		"userPrincipalName": {"displayName": "Ada"}, "displayName": {"userPrincipalName": "ada@contoso.onmicrosoft.com", "displayName": ""},
		"passwordProfile": {"passwordProfile.password": "x"}, "accountEnabled": {"accountEnabled": true}, "id": {"id": "x"},
		"favouriteColour": {"favouriteColour": "red"}, "a.b.c": {"a.b.c": "x"}, "employeeOrgData": {"employeeOrgData": map[string]any{}, "employeeOrgData.division": "x"},
		"mail": {"userType": "Guest"},
	} {
		_, err := c.CreateAccount(t.Context(), connectors.Account{Attributes: attributes})
		require.Contains(t, refusedWith(t, connectors.KindInvalid, err).Detail, missing)
	}
	require.Empty(t, asked())
	created, err := c.CreateAccount(t.Context(), connectors.Account{Attributes: map[string]any{
		"userPrincipalName": "zoe.o'hara@contoso.onmicrosoft.com", "displayName": "Zoë",
	}})
	require.NoError(t, err)
	require.Equal(t, "zoe.o'hara", created.Attributes["mailNickname"], "required, and made from the name when policy does not map it")
	require.Equal(t, "Member", created.Attributes["userType"])
}

// The password is nobody's: two accounts have different ones, and neither stands in what a caller gets.
func TestTheInitialPasswordIsNotTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	var passwords []string
	c := b.against(t, func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			PasswordProfile struct {
				Password                      string
				ForceChangePasswordNextSignIn bool
			}
		}
		if decode(r, &body) && body.PasswordProfile.ForceChangePasswordNextSignIn {
			passwords = append(passwords, body.PasswordProfile.Password)
		}
		if r.Method == http.MethodPatch {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answer(w, http.StatusCreated, `{"id": "u1", "displayName": "Ada", "userPrincipalName": "ada@contoso.onmicrosoft.com"}`)
	})
	created := account(t, c, "ada")
	require.NotContains(t, created.Attributes, "passwordProfile")
	require.NoError(t, c.ResetPassword(t.Context(), "u1"))
	require.NoError(t, c.ResetPassword(t.Context(), "u1"))
	require.Len(t, passwords, 3)
	for i, p := range passwords {
		require.GreaterOrEqual(t, len(p), 30)
		require.Regexp(t, `[a-z]`, p)
		require.Regexp(t, `[A-Z]`, p)
		require.Regexp(t, `[0-9]`, p)
		require.Regexp(t, `[^0-9A-Za-z]`, p)
		require.NotContains(t, passwords[:i], p)
	}
}

// A guest who is invited again is the same guest, so that an attempt that broke off in between converges.
func TestGuestsAreInvited(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c, asked := b.recorded(t, connectors.Settings{"sendInvitationMessage": true, "inviteRedirectUrl": "https://intranet.example.com"})
	wish := connectors.Account{Enabled: false, Attributes: map[string]any{
		"userType": "Guest", "mail": "pat@partner.example.com", "displayName": "Pat", "department": "Audit", "companyName": "Partner",
	}}
	pat, err := c.CreateAccount(t.Context(), wish)
	require.NoError(t, err)
	require.Equal(t, []string{"POST /invitations", "PATCH /users/" + pat.NativeID}, asked())
	read, err := c.GetAccount(t.Context(), pat.NativeID)
	require.NoError(t, err)
	require.False(t, read.Enabled)
	for name, value := range wish.Attributes {
		require.Equal(t, value, read.Attributes[name], name)
		require.Equal(t, value, pat.Attributes[name], name)
	}
	again, err := c.CreateAccount(t.Context(), wish)
	require.NoError(t, err)
	require.Equal(t, pat.NativeID, again.NativeID)
	require.Len(t, b.Users(), 1)
}

// Graph answers 404 for a while (graph/api/user-post-users is not read-after-write): the account is told from what was
// answered and wished, and a read says KindNotFound, as for any other that is not there.
func TestAFreshAccountIsNotShownYet(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{ReadLag: 5 * time.Second})
	c := b.connect(t, nil)
	ada := account(t, c, "ada")
	require.NotEmpty(t, ada.NativeID)
	_, err := c.GetAccount(t.Context(), ada.NativeID)
	requireKind(t, connectors.KindNotFound, err)
	found, err := c.FindAccounts(t.Context(), "userPrincipalName", principalName("ada"))
	require.NoError(t, err)
	require.Empty(t, found)
	_, err = c.CreateAccount(t.Context(), connectors.Account{Attributes: map[string]any{"userPrincipalName": principalName("ada"), "displayName": "ada"}})
	requireKind(t, connectors.KindConflict, err)
	b.clock.advance(6 * time.Second)
	read, err := c.GetAccount(t.Context(), ada.NativeID)
	require.NoError(t, err)
	require.Equal(t, ada, read)
}

// Rename: the native id is the key, whatever the userPrincipalName.
func TestARenamedUserIsTheSame(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c := b.connect(t, nil)
	ada := account(t, c, "ada")
	require.NoError(t, c.UpdateAccount(t.Context(), ada.NativeID, map[string]any{"userPrincipalName": principalName("lovelace")}))
	read, err := c.GetAccount(t.Context(), ada.NativeID)
	require.NoError(t, err)
	require.Equal(t, principalName("lovelace"), read.Attributes["userPrincipalName"])
	require.Len(t, b.Users(), 1)
}

// Graph may ignore a filter without a word (graph/aad-advanced-queries, "error handling").
func TestALookUpDoesNotTrustTheFilter(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c := b.against(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, `{"value": [{"id": "u1", "accountEnabled": true, "employeeId": "7"}, {"id": "u2", "accountEnabled": true, "employeeId": "8"}]}`)
	})
	found, err := c.FindAccounts(t.Context(), "employeeId", "7")
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "u1", found[0].NativeID)
	_, err = c.FindAccounts(t.Context(), "mail", "7")
	requireKind(t, connectors.KindUnsupported, err)
	for _, attribute := range []string{"manager", "manager.id", "otherMails", "companyName", "employeeOrgData.division", "id", "a b", "", "displayName eq 'x' or id"} {
		_, err := c.FindAccounts(t.Context(), attribute, "7")
		requireKind(t, connectors.KindInvalid, err)
	}
}

// A target that answers is there, wherever its list would go on: else people would wait for it who could leave.
func TestTheProbeDoesNotGoOn(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	body := `{"value": [{"id": "u1"}], "@odata.nextLink": "https://graph.elsewhere.example/v1.0/users?$skiptoken=x"}`
	c := b.against(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, body) })
	require.NoError(t, c.Probe(t.Context()))
	_, err := c.ListAccounts(t.Context(), connectors.Page{})
	requireKind(t, connectors.KindUnavailable, err)
	body = `<html>maintenance</html>`
	requireKind(t, connectors.KindUnavailable, c.Probe(t.Context()))
}

// Every read of a user selects what it needs: it costs less (graph/throttling-limits) and shows accountEnabled at all.
func TestReadsSelect(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	var queries []string
	c := b.against(t, func(w http.ResponseWriter, r *http.Request) {
		queries = append(queries, r.URL.Query().Get("$select"))
		answer(w, http.StatusOK, `{"value": [], "@odata.deltaLink": "http://`+r.Host+`/v1.0/users/delta?$deltatoken=x"}`)
	})
	_, _ = c.GetAccount(t.Context(), "u1")
	_, _ = c.FindAccounts(t.Context(), "employeeId", "7")
	_, _ = c.FindDeleted(t.Context(), "employeeId", "7")
	_, _ = c.ListAccounts(t.Context(), connectors.Page{})
	_, _ = c.Changes(t.Context(), "")
	for _, q := range queries {
		require.Contains(t, q, "id,accountEnabled,userPrincipalName,")
	}
	_ = c.Probe(t.Context())
	_, _ = c.GrantsOf(t.Context(), "u1")
	_, _, _ = c.SessionsEnded(t.Context(), "u1", time.Now())
	_, _ = c.FindEntitlement(t.Context(), "group", "G")
	require.Len(t, queries, 9)
	require.NotContains(t, queries, "")
}
