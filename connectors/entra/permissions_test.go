package entra_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/entra"
	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

// documentedPermissions are those of the table in docs/connectors/entra.md: what an administrator is told to grant.
func documentedPermissions(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/connectors/entra.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "\n## Permissions\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	var permissions []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z.-]+)` \\|").FindAllStringSubmatch(section, -1) {
		permissions = append(permissions, row[1])
	}
	return permissions
}

// life is everything that Tenure does to people of a tenant, step by step; the steps go on from each other.
type life struct {
	*entra.Connector
	boss, ada, pat string
	held           []connectors.Entitlement
}

var lifeSteps = []struct {
	name string
	step func(t *testing.T, l *life) error
}{
	{"probe", func(t *testing.T, l *life) error { return l.Probe(t.Context()) }},
	{"list", func(t *testing.T, l *life) error {
		_, err := l.ListAccounts(t.Context(), connectors.Page{})
		return err
	}},
	{"joiner", func(t *testing.T, l *life) error {
		if _, _, err := l.FindAnyAccounts(t.Context(), "userPrincipalName", principalName("ada")); err != nil {
			return err
		}
		for name, id := range map[string]*string{"boss": &l.boss, "ada": &l.ada} {
			created, err := l.CreateAccount(t.Context(), connectors.Account{Enabled: true, Attributes: map[string]any{
				"userPrincipalName": principalName(name), "displayName": name, "usageLocation": "NZ",
			}})
			if err != nil {
				return err
			}
			*id = created.NativeID
		}
		return l.UpdateAccount(t.Context(), l.ada, map[string]any{"manager": principalName("boss"), "jobTitle": "Clerk"})
	}},
	{"group", grantOne("group", "Sales")},
	{"licence", grantOne("licence", "SKU_0")},
	{"role", grantOne("appRole", `App '0' "ü" & more/Reader`)},
	{"reading back", func(t *testing.T, l *life) error {
		sight, err := l.GetAccountWithGrants(t.Context(), l.ada)
		if err == nil {
			require.ElementsMatch(t, l.held, sight.Grants)
		}
		return err
	}},
	{"many members", func(t *testing.T, l *life) error {
		return l.AddMembers(t.Context(), l.held[0].NativeID, []string{l.boss})
	}},
	{"nested groups", func(t *testing.T, l *life) error {
		_, err := l.TransitiveGroups(t.Context(), l.ada)
		return err
	}},
	{"mover", func(t *testing.T, l *life) error {
		if err := l.UpdateAccount(t.Context(), l.ada, map[string]any{"manager": nil, "department": "Sales"}); err != nil {
			return err
		}
		if _, err := l.GrantAll(t.Context(), l.ada, l.held); err != nil {
			return err
		}
		return l.Revoke(t.Context(), l.ada, l.held[0])
	}},
	{"leaver: access", func(t *testing.T, l *life) error { return l.SetEnabled(t.Context(), l.ada, false) }},
	{"leaver: sessions", func(t *testing.T, l *life) error { return l.EndSessions(t.Context(), l.ada) }},
	{"leaver: password", func(t *testing.T, l *life) error { return l.ResetPassword(t.Context(), l.ada) }},
	{"leaver: factors", func(t *testing.T, l *life) error { return l.ResetFactors(t.Context(), l.ada) }},
	{"leaver: grants", func(t *testing.T, l *life) error {
		for _, e := range l.held {
			if err := l.Revoke(t.Context(), l.ada, e); err != nil {
				return err
			}
		}
		return nil
	}},
	{"leaver: proofs", func(t *testing.T, l *life) error {
		for what, ask := range map[string]func() (bool, connectors.Evidence, error){
			"sessions": func() (bool, connectors.Evidence, error) { return l.SessionsEnded(t.Context(), l.ada, time.Time{}) },
			"password": func() (bool, connectors.Evidence, error) { return l.PasswordReset(t.Context(), l.ada, time.Time{}) },
			"factors":  func() (bool, connectors.Evidence, error) { return l.FactorsReset(t.Context(), l.ada) },
		} {
			if done, _, err := ask(); err != nil || !done {
				return fmt.Errorf("%s: %t: %w", what, done, err)
			}
		}
		return nil
	}},
	{"restore", func(t *testing.T, l *life) error {
		if err := l.DeleteAccount(t.Context(), l.ada); err != nil {
			return err
		}
		if _, err := l.FindDeleted(t.Context(), "userPrincipalName", principalName("ada")); err != nil {
			return err
		}
		_, err := l.RestoreAccount(t.Context(), l.ada)
		return err
	}},
	{"guest", func(t *testing.T, l *life) error {
		pat, err := l.CreateAccount(t.Context(), connectors.Account{Attributes: map[string]any{
			"userType": "Guest", "mail": "pat@partner.example.com", "displayName": "Pat", "department": "Audit",
		}})
		l.pat = pat.NativeID
		return err
	}},
	{"changes", func(t *testing.T, l *life) error {
		_, err := l.Changes(t.Context(), "")
		return err
	}},
}

func grantOne(kind, name string) func(t *testing.T, l *life) error {
	return func(t *testing.T, l *life) error {
		found, err := l.FindEntitlement(t.Context(), kind, name)
		if err != nil {
			return err
		}
		l.held = append(l.held, found)
		return l.Grant(t.Context(), l.ada, found)
	}
}

// live goes through the life with the permissions, and answers the first step that they do not suffice for; "" for none.
func live(t *testing.T, permissions []string) string {
	t.Helper()
	options := simulator.Options{Permissions: permissions, Groups: []simulator.Group{{DisplayName: "Sales"}}}
	options.Licences, options.AppRoles = products(1)
	b := newBench(t, options)
	l := &life{Connector: b.connect(t, connectors.Settings{"entitlements": []any{"group", "licence", "appRole"}, "attributes": []any{"manager"}})}
	for _, s := range lifeSteps {
		if l.ada != "" && s.name == "leaver: factors" {
			_, err := b.AddMethod(l.ada, simulator.Method{Kind: simulator.FIDO2Method})
			require.NoError(t, err)
		}
		err := s.step(t, l)
		if connectors.KindOf(err) == connectors.KindUnauthorized {
			return s.name
		}
		require.NoError(t, err, s.name)
	}
	return ""
}

// The permissions that the document asks for are enough for all that Tenure does, by the tables of the operations' pages
// as the simulator has them; and none of them can be left out, but those of which the document says so.
func TestTheDocumentedPermissionsSuffice(t *testing.T) {
	t.Parallel()
	documented := documentedPermissions(t)
	require.Len(t, documented, 8)
	require.Empty(t, live(t, documented))
	for missing, fails := range map[string]string{
		"User.ReadWrite.All":                     "probe",
		"User-PasswordProfile.ReadWrite.All":     "leaver: password",
		"UserAuthenticationMethod.ReadWrite.All": "leaver: factors",
		"GroupMember.ReadWrite.All":              "group",
		"Organization.Read.All":                  "licence",
		"Application.Read.All":                   "role",
		"AppRoleAssignment.ReadWrite.All":        "role",
		// The page lists it beside User.ReadWrite.All, which comes with it in some tenants and not in others.
		"User.RevokeSessions.All": "",
	} {
		t.Run("without "+missing, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, documented, missing)
			without := slices.DeleteFunc(slices.Clone(documented), func(p string) bool { return p == missing })
			require.Equal(t, fails, live(t, without))
		})
	}
}
