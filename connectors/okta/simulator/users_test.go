package simulator_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

// TestCreateStatus: Users API, User creation scenarios.
func TestCreateStatus(t *testing.T) {
	t.Parallel()
	bare := map[string]any{"profile": profile("ada")}
	federated := map[string]any{"profile": profile("ada"), "credentials": map[string]any{"provider": map[string]any{"type": "FEDERATION", "name": "FEDERATION"}}}
	for name, c := range map[string]struct {
		query, want string
		body        map[string]any
		password    bool
	}{
		"no password, not activated":         {"?activate=false", "STAGED", bare, false},
		"no password, activated":             {"?activate=true", "PROVISIONED", bare, false},
		"activated by default":               {"", "PROVISIONED", bare, false},
		"password, not activated":            {"?activate=false", "STAGED", withPassword(profile("ada")), true},
		"password, activated":                {"", "ACTIVE", withPassword(profile("ada")), true},
		"federated, activated":               {"?provider=true", "ACTIVE", federated, false},
		"federated, not activated":           {"?provider=true&activate=false", "STAGED", federated, false},
		"password to change at the next one": {"?nextLogin=changePassword", "PASSWORD_EXPIRED", withPassword(profile("ada")), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrg(t, simulator.Options{})
			r := o.do(http.MethodPost, "/api/v1/users"+c.query, c.body)
			require.Equal(t, http.StatusOK, r.status, r.text)
			require.Equal(t, c.want, r.body["status"])
			require.NotContains(t, r.body, "transitioningToStatus")
			_, has := r.body["credentials"].(map[string]any)["password"]
			require.Equal(t, c.password, has, "a password credential shows as an empty object")
			require.NotContains(t, r.text, password)
			require.Equal(t, c.password, r.body["passwordChanged"] != nil)
			require.Equal(t, r.body, o.user(r.body["id"].(string)))
		})
	}
}

// TestCreateRefuses: Users API, Default Profile properties, Okta login, Default Password Policy, User creation scenarios;
// reference/error-codes; Core Okta API, Errors.
func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{Attributes: []string{"badge"}})
	o.staged("isaac.brock")
	with := func(more ...any) map[string]any { return map[string]any{"profile": profile("new.user", more...)} }
	secret := func(value string) map[string]any {
		b := withPassword(profile("new.user"))
		b["credentials"] = map[string]any{"password": map[string]any{"value": value}}
		return b
	}
	for name, c := range map[string]struct {
		query string
		body  map[string]any
		code  string
		cause string
	}{
		"a login in use":                        {"", with("login", "isaac.brock@example.com"), "E0000001", "login: An object with this field already exists in the current organization"},
		"the same login in another case":        {"", with("login", "Isaac.Brock@Example.com"), "E0000001", "login: An object with this field already exists in the current organization"},
		"the same login with diacritical marks": {"", with("login", "isáàc.bröck@example.com"), "E0000001", "login: An object with this field already exists in the current organization"},
		"no login":                              {"", with("login", nil), "E0000001", "login: The field cannot be left blank"},
		"no first name":                         {"", with("firstName", ""), "E0000001", "firstName: The field cannot be left blank"},
		"a login that is no address":            {"", with("login", "isaac"), "E0000001", "login: Username must be in the form of an email address"},
		"a login too long":                      {"", with("login", strings.Repeat("x", 100)+"@example.com"), "E0000001", "login: The field must be 5 to 100 characters long"},
		"an email that is none":                 {"", with("email", "nobody"), "E0000001", "email: Does not match required pattern"},
		"an attribute that the schema lacks":    {"", with("shoeSize", "42"), "E0000001", "Property 'shoeSize' not found"},
		"an attribute of the wrong type":        {"", with("department", 7), "E0000001", "department: The value must be of type string"},
		"a password too short":                  {"", secret("Ab1"), "E0000001", ""},
		"a password without a digit":            {"", secret("Abcdefghij"), "E0000001", ""},
		"a password with a part of the login":   {"", secret("Example99x"), "E0000001", ""},
		"a password of 73 characters":           {"", secret("A1" + strings.Repeat("x", 71)), "E0000001", ""},
		"21 groups":                             {"", map[string]any{"profile": profile("new.user"), "groupIds": make([]string, 21)}, "E0000001", ""},
		"a group that is not there":             {"", map[string]any{"profile": profile("new.user"), "groupIds": []string{"00g0"}}, "E0000007", ""},
		"expired at once without a password":    {"?nextLogin=changePassword", with(), "E0000124", ""},
		"expired at once without an activation": {"?nextLogin=changePassword&activate=false", secret(password), "E0000125", ""},
		"activate neither true nor false":       {"?activate=perhaps", with(), "E0000001", ""},
		"a password for a federated user":       {"?provider=true", map[string]any{"profile": profile("new.user"), "credentials": map[string]any{"provider": map[string]any{"type": "FEDERATION"}, "password": map[string]any{"value": password}}}, "E0000041", ""},
		"a login without a domain":              {"", with("login", "isaac.brock@"), "E0000001", "login: Username must be in the form of an email address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := o.do(http.MethodPost, "/api/v1/users"+c.query, c.body)
			require.Equal(t, c.code, r.body["errorCode"], r.text)
			require.Equal(t, c.code, r.body["errorLink"])
			require.NotEmpty(t, r.body["errorId"])
			want := http.StatusBadRequest
			if c.code == "E0000007" {
				want = http.StatusNotFound
			}
			require.Equal(t, want, r.status)
			if c.cause != "" {
				require.Contains(t, causes(r), c.cause)
			}
		})
	}
	t.Cleanup(func() { require.Len(t, o.sim.Users(), 1, "nothing was made") })
	require.Equal(t, "Api validation failed: login",
		o.refused(400, "E0000001", http.MethodPost, "/api/v1/users", with("login", "isaac.brock@example.com")).body["errorSummary"])
}

// TestCreateInGroups: Users API, Create user in group.
func TestCreateInGroups(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{Groups: []simulator.Group{{Name: "AD", Type: simulator.GroupApp}}})
	sales, eng := o.group("Sales"), o.group("Eng")
	r := o.must(http.MethodPost, "/api/v1/users?activate=false", map[string]any{"profile": profile("ada"), "groupIds": []string{sales, eng, sales}})
	require.Equal(t, []string{"Eng", "Sales"}, o.seen(r.body["id"].(string)).Groups)
	ad, err := o.sim.AddGroup(simulator.Group{Name: "AD", Type: simulator.GroupApp})
	require.NoError(t, err)
	o.refused(403, "E0000006", http.MethodPost, "/api/v1/users", map[string]any{"profile": profile("bob"), "groupIds": []string{ad}})
	require.Len(t, o.sim.Users(), 1)
}

// TestRetrieve: Users API, Retrieve a user; Individual users versus collection of users; Okta login.
func TestRetrieve(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	ada, gone := o.active("Ada.Byron"), o.in("DEPROVISIONED", "gone")
	for _, key := range []string{ada, "ada.byron@example.com", "ADA.BYRON@EXAMPLE.COM", "ada.byron", "ada.byron%40example.com"} {
		require.Equal(t, ada, o.user(key)["id"], key)
	}
	require.Equal(t, gone, o.user("gone@example.com")["id"], "okta/okta-sdk-nodejs#222: a deactivated user is found by login")
	u := o.user(ada)
	require.Contains(t, u["_links"], "deactivate")
	require.Contains(t, u["_links"], "suspend")
	require.NotContains(t, u["_links"], "activate", "Core Okta API, Hypermedia: only permitted operations")
	require.Nil(t, u["profile"].(map[string]any)["mobilePhone"])
	require.Contains(t, u["profile"], "mobilePhone")
	require.Regexp(t, `^2026-03-01T09:30:15\.000Z$`, u["created"], "Core Okta API, Media types")
	listed := o.must(http.MethodGet, "/api/v1/users", nil).list[0]
	require.Len(t, listed["_links"], 1)
	r := o.refused(404, "E0000007", http.MethodGet, "/api/v1/users/nobody@example.com", nil)
	require.Equal(t, "Not found: Resource not found: nobody@example.com (User)", r.body["errorSummary"])
	o.must(http.MethodPost, "/api/v1/users", map[string]any{"profile": profile("x", "login", "ada.byron@other.example")})
	o.refused(404, "E0000007", http.MethodGet, "/api/v1/users/ada.byron", nil) // the short name is ambiguous now
}

// TestUpdate: Users API, Update a user (partial) and Replace a user (full).
func TestUpdate(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{Attributes: []string{"badge", "tags"}})
	boss, id := o.staged("boss"), o.staged("ada")
	o.staged("taken")
	o.clock.pass(time.Hour)
	path := "/api/v1/users/" + id
	p := o.must(http.MethodPost, path, map[string]any{"profile": map[string]any{"department": "Eng", "badge": 7, "tags": []string{"a"}, "managerId": boss, "manager": "The Boss"}}).body
	require.Equal(t, "2026-03-01T10:30:15.000Z", p["lastUpdated"])
	require.Equal(t, map[string]any{
		"login": "ada@example.com", "email": "ada@example.com", "firstName": "F-ada", "lastName": "L-ada", "department": "Eng", "badge": 7.0,
		"tags": []any{"a"}, "managerId": boss, "manager": "The Boss", "mobilePhone": nil, "secondEmail": nil,
	}, p["profile"])

	o.must(http.MethodPost, path, map[string]any{"profile": map[string]any{"department": nil}})
	require.NotContains(t, o.user(id)["profile"], "department", "null removes")
	require.Contains(t, o.user(id)["profile"], "badge", "what is not named stays")

	o.must(http.MethodPut, path, map[string]any{"profile": profile("lovelace", "title", "Countess")})
	require.NotContains(t, o.user(id)["profile"], "badge", "what is not named goes")
	require.Equal(t, id, o.user("lovelace@example.com")["id"], "a rename keeps the id")
	o.refused(404, "E0000007", http.MethodGet, "/api/v1/users/ada@example.com", nil)

	o.refused(400, "E0000001", http.MethodPut, path, map[string]any{"profile": map[string]any{"login": "lovelace@example.com"}})
	o.refused(400, "E0000001", http.MethodPost, path, map[string]any{"profile": map[string]any{"login": "taken@example.com"}})
	o.refused(400, "E0000001", http.MethodPost, path, map[string]any{"profile": map[string]any{"lastName": nil}})
	o.refused(404, "E0000007", http.MethodPost, "/api/v1/users/00u0", map[string]any{"profile": map[string]any{"title": "x"}})
	o.must(http.MethodPost, path, map[string]any{"profile": map[string]any{"login": "LOVELACE@example.com"}})
	require.Equal(t, "Countess", o.user(id)["profile"].(map[string]any)["title"])
}

// TestUpdateInactive: Users API, Update a user (deactivated profiles are not edited by default), as 404 by
// okta/okta-sdk-java#721; reference/error-codes, E0000112.
func TestUpdateInactive(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{ActivationLag: time.Minute})
	id := o.staged("ada")
	change := map[string]any{"profile": map[string]any{"title": "x"}}
	o.lifecycle(id, "activate")
	for _, path := range []string{"", "/lifecycle/activate", "/lifecycle/suspend", "/lifecycle/deactivate", "/lifecycle/reset_password?sendEmail=false"} {
		o.refused(409, "E0000112", http.MethodPost, "/api/v1/users/"+id+path, change)
	}
	o.refused(409, "E0000112", http.MethodDelete, "/api/v1/users/"+id, nil)
	o.clock.pass(time.Minute)
	o.must(http.MethodPost, "/api/v1/users/"+id, change)
	o.lifecycle(id, "deactivate")
	o.refused(404, "E0000007", http.MethodPost, "/api/v1/users/"+id, change)
	o.refused(404, "E0000007", http.MethodPut, "/api/v1/users/"+id, map[string]any{"profile": profile("ada")})
}

// TestSetPassword: Users API, Update a user (a password without the old one), User properties (passwordChanged), User
// status (Set Password leads from PROVISIONED to ACTIVE).
func TestSetPassword(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	const other = "Batt3ry-staple"
	set := map[string]any{"credentials": map[string]any{"password": map[string]any{"value": other}}}
	for status, want := range map[string]string{
		"STAGED": "STAGED", "PROVISIONED": "ACTIVE", "ACTIVE": "ACTIVE", "SUSPENDED": "SUSPENDED", "LOCKED_OUT": "LOCKED_OUT",
	} {
		name := "user." + strings.ToLower(status)
		id := o.in(status, name)
		before := o.user(id)["passwordChanged"]
		o.clock.pass(2 * time.Second)
		r := o.must(http.MethodPost, "/api/v1/users/"+id, set)
		require.Equal(t, want, r.body["status"], status)
		require.NotEqual(t, before, r.body["passwordChanged"])
		require.Equal(t, o.clock.now().Truncate(time.Second), o.seen(id).PasswordChanged)
		_, err := o.sim.SignIn(name+"@example.com", password)
		require.ErrorIs(t, err, simulator.ErrSignIn, "the old password")
		if want == "ACTIVE" {
			_, err = o.sim.SignIn(name+"@example.com", other)
			require.NoError(t, err)
		}
	}
	id := o.active("weak")
	o.refused(400, "E0000001", http.MethodPost, "/api/v1/users/"+id, map[string]any{"credentials": map[string]any{"password": map[string]any{"value": "weak"}}})
	o.must(http.MethodPut, "/api/v1/users/"+id, o.user(id)) // what was read can be sent back: the empty password changes nothing
	_, err := o.sim.SignIn("weak@example.com", password)
	require.NoError(t, err)
}

// TestDeleteTwice: Users API, Delete a user.
func TestDeleteTwice(t *testing.T) {
	t.Parallel()
	o := newOrg(t, simulator.Options{})
	sales := o.group("Sales")
	for i, status := range []string{"STAGED", "PROVISIONED", "ACTIVE", "SUSPENDED", "LOCKED_OUT", "RECOVERY", "PASSWORD_EXPIRED"} {
		id := o.in(status, fmt.Sprintf("user.%d", i))
		o.must(http.MethodPut, "/api/v1/groups/"+sales+"/users/"+id, nil)
		require.Equal(t, 204, o.do(http.MethodDelete, "/api/v1/users/"+id, nil).status)
		require.Equal(t, "DEPROVISIONED", o.status(id), status)
		require.Len(t, o.must(http.MethodGet, "/api/v1/groups/"+sales+"/users", nil).list, 1, "help.okta.com: groups stay until the deletion")
		require.Equal(t, 204, o.do(http.MethodDelete, "/api/v1/users/"+id, nil).status)
		o.refused(404, "E0000007", http.MethodGet, "/api/v1/users/"+id, nil)
		o.refused(404, "E0000007", http.MethodDelete, "/api/v1/users/"+id, nil)
		require.Empty(t, o.must(http.MethodGet, "/api/v1/groups/"+sales+"/users", nil).list)
		o.staged(fmt.Sprintf("user.%d", i)) // support.okta.com, How do I deactivate and delete a user: the login may be used again
	}
}
