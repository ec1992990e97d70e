package scim_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/scim"
)

const (
	listSchema  = `"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"]`
	errorSchema = `"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"]`
)

// scripted is a target that answers what the test says and counts the requests.
type scripted struct {
	connectors.Connector
	mu    sync.Mutex
	asked int
}

func script(t *testing.T, extra connectors.Settings, answer func(r *http.Request) (int, string)) *scripted {
	t.Helper()
	s := &scripted{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked++
		status, body := answer(r)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	settings := connectors.Settings{"baseUrl": server.URL, "token": token}
	maps.Copy(settings, extra)
	c, err := scim.New(settings)
	require.NoError(t, err)
	s.Connector = c
	return s
}

func (s *scripted) granter() connectors.EntitlementGranter {
	return s.Connector.(connectors.EntitlementGranter)
}

func (s *scripted) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func aUser(id string) string {
	return fmt.Sprintf(`{"id":%q,"userName":"u%s","externalId":"x"}`, id, id)
}

func aList(total, start int, items ...string) string {
	return fmt.Sprintf(`{%s,"totalResults":%d,"startIndex":%d,"itemsPerPage":%d,"Resources":[%s]}`, listSchema, total, start, len(items), strings.Join(items, ","))
}

// A list that cannot be whole must never look like one.
func TestListsThatAreCutShort(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"fewer than announced":        fmt.Sprintf(`{%s,"totalResults":3,"startIndex":1,"itemsPerPage":2,"Resources":[%s]}`, listSchema, aUser("1")),
		"none of several":             aList(3, 1),
		"more than there are":         aList(1, 1, aUser("1"), aUser("2")),
		"no total":                    `{` + listSchema + `,"Resources":[]}`,
		"a negative total":            aList(-1, 1),
		"no schema":                   `{"totalResults":0}`,
		"another page":                aList(9, 4, aUser("1")),
		"a user without an id":        aList(1, 1, `{"userName":"u"}`),
		"a user without a name":       aList(1, 1, `{"id":"1","externalId":"x"}`),
		"a user that is no object":    aList(1, 1, `"u"`),
		"two documents":               aList(0, 1) + aList(0, 1),
		"cut off in the middle":       aList(1, 1, aUser("1"))[:60],
		"a resource instead":          aUser("1"),
		"an error with a good status": `{` + errorSchema + `,"status":"500"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := script(t, nil, func(*http.Request) (int, string) { return 200, body })
			_, err := s.ListAccounts(t.Context(), connectors.Page{})
			require.Equal(t, connectors.KindUnavailable, connectors.KindOf(err), "%v", err)
			_, err = s.FindAccounts(t.Context(), "externalId", "x")
			require.Equal(t, connectors.KindUnavailable, connectors.KindOf(err), "%v", err)
			require.Equal(t, 2, s.calls())
		})
	}
}

func TestListsThatAreWhole(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"itemsPerPage repeats the count": fmt.Sprintf(`{%s,"totalResults":1,"startIndex":1,"itemsPerPage":100,"Resources":[%s]}`, listSchema, aUser("1")),
		"only what is required":          fmt.Sprintf(`{%s,"totalResults":1,"Resources":[%s]}`, listSchema, aUser("1")),
		"names in another case":          fmt.Sprintf(`{%s,"TotalResults":1,"resources":[%s]}`, listSchema, aUser("1")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := script(t, nil, func(*http.Request) (int, string) { return 200, body })
			page, err := s.ListAccounts(t.Context(), connectors.Page{})
			require.NoError(t, err)
			require.Len(t, page.Items, 1)
			require.Empty(t, page.Next)
		})
	}
}

func TestAPageThatRepeatsOrAListThatShrinksIsAnError(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]string{
		"repeats": fmt.Sprintf(`{%s,"totalResults":4,"Resources":[%s,%s]}`, listSchema, aUser("1"), aUser("2")),
		"shrinks": aList(3, 3, aUser("3")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := script(t, nil, func(r *http.Request) (int, string) {
				if r.URL.Query().Get("startIndex") == "1" {
					return 200, aList(4, 1, aUser("1"), aUser("2"))
				}
				return 200, second
			})
			page, err := s.ListAccounts(t.Context(), connectors.Page{Limit: 2})
			require.NoError(t, err)
			_, err = s.ListAccounts(t.Context(), connectors.Page{Cursor: page.Next, Limit: 2})
			require.Equal(t, connectors.KindUnavailable, connectors.KindOf(err))
			_, err = s.FindAccounts(t.Context(), "externalId", "x")
			require.Equal(t, connectors.KindUnavailable, connectors.KindOf(err))
		})
	}
}

func TestFindAccountsChecksTheAnswer(t *testing.T) {
	t.Parallel()
	user := func(fields string) string { return `{"id":"1",` + fields + `}` }
	for name, test := range map[string]struct {
		attribute, value, user string
		found                  int
		kind                   connectors.Kind
	}{
		"the same":                     {"externalId", "x", user(`"userName":"u","externalId":"x"`), 1, ""},
		"externalId in another case":   {"externalId", "x", user(`"userName":"u","externalId":"X"`), 0, ""},
		"userName in another case":     {"userName", "u", user(`"userName":"U"`), 1, ""},
		"found by an alias":            {"userName", "alias", user(`"userName":"u"`), 0, ""},
		"the attribute does not show":  {"externalId", "x", user(`"userName":"u"`), 0, connectors.KindUnsupported},
		"the second of two work mails": {`emails[type eq "work"].value`, "b", user(`"userName":"u","emails":[{"type":"work","value":"a"},{"type":"work","value":"B"}]`), 1, ""},
		"a mail of another type":       {`emails[type eq "work"].value`, "b", user(`"userName":"u","emails":[{"type":"work","value":"a"},{"type":"home","value":"b"}]`), 0, ""},
		"any mail":                     {"emails.value", "b", user(`"userName":"u","emails":[{"value":"a"},{"value":"b"}]`), 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := script(t, nil, func(*http.Request) (int, string) { return 200, aList(1, 1, test.user) })
			found, err := s.FindAccounts(t.Context(), test.attribute, test.value)
			require.Equal(t, test.kind, connectors.KindOf(err))
			require.Len(t, found, test.found)
		})
	}
}

func TestGetAccountRefusesAnotherUser(t *testing.T) {
	t.Parallel()
	s := script(t, nil, func(*http.Request) (int, string) { return 200, aUser("2") })
	_, err := s.GetAccount(t.Context(), "1")
	require.Equal(t, connectors.KindUnavailable, connectors.KindOf(err))
}

func TestNativeIDsAreEscaped(t *testing.T) {
	t.Parallel()
	var path string
	s := script(t, nil, func(r *http.Request) (int, string) { path = r.URL.EscapedPath(); return 500, "" })
	_, err := s.GetAccount(t.Context(), `../Groups/1?x=y`)
	require.Error(t, err)
	require.Equal(t, "/Users/..%2FGroups%2F1%3Fx=y", path)
	for _, id := range []string{"", ".", ".."} {
		require.Equal(t, connectors.KindInvalid, connectors.KindOf(s.Connector.(connectors.AccountWriter).DeleteAccount(t.Context(), id)))
	}
	require.Equal(t, 1, s.calls())
}

// GrantsOf must find a way that the target supports, and must not take "cannot say" for "none".
func TestGrantsOfFallsBack(t *testing.T) {
	t.Parallel()
	const groups = `"groups":[{"value":"g1","display":"One"},{"value":"g2","display":"Two","type":"indirect"}]`
	refuse := func(status int) func(string) (int, string) {
		return func(string) (int, string) { return status, `{` + errorSchema + `,"scimType":"invalidFilter"}` }
	}
	ignore := func(string) (int, string) {
		return 200, aList(2, 1, `{"id":"g1","displayName":"One"}`, `{"id":"g9","displayName":"Nine"}`)
	}
	for name, test := range map[string]struct {
		filter func(filter string) (int, string)
		user   string
		want   []connectors.Entitlement
		kind   connectors.Kind
	}{
		"filters": {func(filter string) (int, string) {
			if strings.Contains(filter, `"1"`) {
				return 200, aList(1, 1, `{"id":"g1","displayName":"One"}`)
			}
			return 200, aList(0, 1)
		}, ``, []connectors.Entitlement{{NativeID: "g1", Kind: "group", Name: "One"}}, ""},
		"refuses the filter":           {refuse(400), groups, []connectors.Entitlement{{NativeID: "g1", Kind: "group", Name: "One"}}, ""},
		"knows no filters":             {refuse(501), groups, []connectors.Entitlement{{NativeID: "g1", Kind: "group", Name: "One"}}, ""},
		"ignores the filter":           {ignore, groups, []connectors.Entitlement{{NativeID: "g1", Kind: "group", Name: "One"}}, ""},
		"an empty list of groups":      {refuse(400), `"groups":[]`, []connectors.Entitlement{}, ""},
		"neither filter nor groups":    {refuse(400), `"title":"t"`, nil, connectors.KindUnsupported},
		"is down for a moment":         {refuse(503), groups, nil, connectors.KindUnavailable},
		"a group that cannot be named": {refuse(400), `"groups":[{"display":"One"}]`, nil, connectors.KindUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := script(t, nil, func(r *http.Request) (int, string) {
				if r.URL.Path == "/Groups" {
					if r.URL.Query().Get("excludedAttributes") != "members" {
						return 500, ""
					}
					return test.filter(r.URL.Query().Get("filter"))
				}
				return 200, `{"id":"1","userName":"u",` + test.user + `}`
			})
			for range 2 {
				got, err := s.granter().GrantsOf(t.Context(), "1")
				require.Equal(t, test.kind, connectors.KindOf(err), "%v", err)
				require.Equal(t, test.want, got)
			}
		})
	}
}

func TestMembershipTheTargetHasAlready(t *testing.T) {
	t.Parallel()
	e := connectors.Entitlement{NativeID: "g1", Kind: "group"}
	held := ""
	s := script(t, nil, func(r *http.Request) (int, string) {
		switch {
		case r.Method == http.MethodPatch && held == "no target":
			return 400, `{` + errorSchema + `,"scimType":"noTarget"}`
		case r.Method == http.MethodPatch:
			return 409, `{` + errorSchema + `}`
		case held != "" && strings.Contains(r.URL.Query().Get("filter"), `"1"`):
			return 200, aList(1, 1, `{"id":"g1","displayName":"One"}`)
		}
		return 200, aList(0, 1)
	})
	require.Equal(t, connectors.KindConflict, connectors.KindOf(s.granter().Grant(t.Context(), "1", e)))
	held = "yes"
	require.NoError(t, s.granter().Grant(t.Context(), "1", e))
	require.Equal(t, connectors.KindConflict, connectors.KindOf(s.granter().Revoke(t.Context(), "1", e)))
	held = "no target"
	require.NoError(t, s.granter().Revoke(t.Context(), "1", e))
}

func TestFindEntitlementPrefersTheExactName(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		groups []string
		want   string
		kind   connectors.Kind
	}{
		"exact among others": {[]string{"SALES", "Sales", "Sales EU"}, "g1", ""},
		"another case":       {[]string{"SALES"}, "g0", ""},
		"two of that name":   {[]string{"Sales", "Sales"}, "", connectors.KindConflict},
		"two other cases":    {[]string{"SALES", "sales"}, "", connectors.KindConflict},
		"only similar":       {[]string{"Sales EU"}, "", connectors.KindNotFound},
		"none":               {nil, "", connectors.KindNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			items := []string{}
			for i, g := range test.groups {
				items = append(items, fmt.Sprintf(`{"id":"g%d","displayName":%q}`, i, g))
			}
			s := script(t, nil, func(*http.Request) (int, string) { return 200, aList(len(items), 1, items...) })
			got, err := s.granter().FindEntitlement(t.Context(), "group", "Sales")
			require.Equal(t, test.kind, connectors.KindOf(err), "%v", err)
			require.Equal(t, test.want, got.NativeID)
		})
	}
}

// The update by PUT must not undo what somebody else changed between its read and its write.
func TestPutIsConditional(t *testing.T) {
	t.Parallel()
	var condition string
	s := script(t, connectors.Settings{"update": "put"}, func(r *http.Request) (int, string) {
		if r.Method == http.MethodPut {
			condition = r.Header.Get("If-Match")
			return 412, ""
		}
		return 200, `{"id":"1","userName":"u","meta":{"version":"W/\"7\""}}`
	})
	err := s.Connector.(connectors.AccountWriter).SetEnabled(t.Context(), "1", false)
	require.Equal(t, connectors.KindUnavailable, connectors.KindOf(err))
	require.Equal(t, `W/"7"`, condition)
}

func TestASuccessThatIsNoneIsAmbiguous(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"accepted, not done": {202, ""}, "another resource": {200, aUser("2")}, "reset": {205, ""}, "a list": {200, aList(0, 1)},
	} {
		s := script(t, nil, func(*http.Request) (int, string) { return answer.status, answer.body })
		err := s.Connector.(connectors.AccountWriter).SetEnabled(t.Context(), "1", false)
		require.Equal(t, connectors.KindAmbiguous, connectors.KindOf(err), name)
	}
}

func TestAnAnswerThatIsTooLongIsAnError(t *testing.T) {
	t.Parallel()
	s := script(t, nil, func(*http.Request) (int, string) {
		return 200, `{"id":"1","userName":"u","title":"` + strings.Repeat("x", 5<<20) + `"}`
	})
	_, err := s.GetAccount(t.Context(), "1")
	require.Equal(t, connectors.KindUnavailable, connectors.KindOf(err))
}
