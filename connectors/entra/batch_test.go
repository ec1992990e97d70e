package entra_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/entra"
	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

// Issue: a joiner takes at most three requests, memberships and reading back included.
func TestAJoinerTakesThreeRequests(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c, asked := b.recorded(t, nil)
	entitlements := newGroups(t, b, 18)
	before := b.Stats()

	found, deleted, err := c.FindAnyAccounts(t.Context(), "userPrincipalName", principalName("ada"))
	require.NoError(t, err)
	require.Empty(t, found)
	require.Empty(t, deleted)
	ada := account(t, c, "ada")
	sight := grantAll(t, c, ada.NativeID, entitlements)
	require.NotNil(t, sight)
	require.Equal(t, ada.NativeID, sight.Account.NativeID)
	require.Equal(t, principalName("ada"), sight.Account.Attributes["userPrincipalName"])
	require.True(t, sight.Account.Enabled)
	require.ElementsMatch(t, entitlements, sight.Grants)
	require.Equal(t, []string{"POST /$batch", "POST /users", "POST /$batch"}, asked())
	require.Len(t, b.user(ada.NativeID).Groups, 18)

	calls := b.Stats().Calls
	for call, n := range map[string]int{
		"GET /users": 1, "GET /directory/deletedItems/microsoft.graph.user": 1, "POST /users": 1, "POST /groups/{id}/members/$ref": 18,
		"GET /users/{id}": 1, "GET /users/{id}/memberOf": 1, "POST /$batch": 2,
	} {
		require.Equal(t, n, calls[call]-before.Calls[call], call)
	}

	read, err := c.GetAccountWithGrants(t.Context(), ada.NativeID)
	require.NoError(t, err)
	require.Equal(t, *sight, read)
	require.Equal(t, []string{"POST /$batch"}, asked())
}

// grantAll gives the account the entitlements.
func grantAll(t testing.TB, c *entra.Connector, nativeID string, entitlements []connectors.Entitlement) *connectors.Sight {
	t.Helper()
	sight, err := c.GrantAll(t.Context(), nativeID, entitlements)
	require.NoError(t, err)
	return sight
}

// Of a batch in turn, what comes after a failure is not tried: it is sent once more.
func TestWhatIsHeldKeepsNothingElseFromBeingGranted(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c, asked := b.recorded(t, nil)
	ada, groups := account(t, c, "ada"), newGroups(t, b, 4)
	require.NotNil(t, grantAll(t, c, ada.NativeID, groups[1:2]))
	asked()
	require.Nil(t, grantAll(t, c, ada.NativeID, groups), "nothing was read after the failure")
	require.Equal(t, []string{"POST /$batch", "POST /$batch"}, asked())
	require.Len(t, b.user(ada.NativeID).Groups, 4)
	require.Nil(t, grantAll(t, c, ada.NativeID, nil))
	require.Empty(t, asked())

	missing := connectors.Entitlement{Kind: "group", NativeID: "00000000-0000-4000-8000-000000000000", Name: "G"}
	bob := account(t, c, "bob")
	_, err := c.GrantAll(t.Context(), bob.NativeID, append([]connectors.Entitlement{missing}, groups...))
	requireKind(t, connectors.KindNotFound, err)
	require.Len(t, b.user(bob.NativeID).Groups, 4, "what can be granted is")
}

// Where there are licences and roles besides, the account is read by requests of its own.
func TestOtherKindsAreReadByThemselves(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{Licences: []simulator.Licence{{SkuPartNumber: "E3", SkuID: sku, Seats: 1}}})
	for _, kinds := range [][]any{{"group", "licence"}, {"licence"}} {
		c, asked := b.recorded(t, connectors.Settings{"entitlements": kinds})
		groups, e3 := newGroups(t, b, 2), connectors.Entitlement{NativeID: sku, Kind: "licence", Name: "E3"}
		ada := account(t, c, fmt.Sprintf("ada%d", len(kinds)))
		wanted := []connectors.Entitlement{e3}
		if len(kinds) > 1 {
			wanted = append(wanted, groups...)
		}
		asked()
		require.Nil(t, grantAll(t, c, ada.NativeID, wanted))
		require.Len(t, asked(), 1)
		sight, err := c.GetAccountWithGrants(t.Context(), ada.NativeID)
		require.NoError(t, err)
		require.Equal(t, ada.NativeID, sight.Account.NativeID)
		require.ElementsMatch(t, wanted, sight.Grants)
		require.NoError(t, c.Revoke(t.Context(), ada.NativeID, e3), "for the other round")
	}
}

// A fresh account hides, and so do its groups: then nothing was shown.
func TestWhatIsNotShownWithTheGrantsIsNotTaken(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c, asked := b.recorded(t, nil)
	ada, groups := account(t, c, "ada"), newGroups(t, b, 1)
	asked()
	for name, broken := range map[string]func(step map[string]any){
		"not there":       func(step map[string]any) { step["status"] = 404 },
		"no answer":       func(step map[string]any) { step["id"] = "9" },
		"no list or user": func(step map[string]any) { step["body"] = map[string]any{} },
		"somebody else":   func(step map[string]any) { step["body"].(map[string]any)["id"] = "u2" },
		"an odd group": func(step map[string]any) {
			step["body"].(map[string]any)["value"] = []any{map[string]any{"@odata.type": "#microsoft.graph.group"}}
		},
		"another page yet": func(step map[string]any) {
			step["body"].(map[string]any)["@odata.nextLink"] = b.graph + "/v1.0/users?x"
		},
	} {
		for _, at := range []string{"2", "3"} {
			if at == "2" && (name == "an odd group" || name == "another page yet") || at == "3" && name == "somebody else" {
				continue
			}
			against := b.against(t, func(w http.ResponseWriter, _ *http.Request) {
				user := map[string]any{"id": ada.NativeID, "userPrincipalName": principalName("ada"), "accountEnabled": true}
				steps := []map[string]any{
					{"id": "1", "status": 204}, {"id": "2", "status": 200, "body": user}, {"id": "3", "status": 200, "body": map[string]any{"value": []any{}}},
				}
				for _, step := range steps {
					if step["id"] == at {
						broken(step)
					}
				}
				all, _ := json.Marshal(map[string]any{"responses": steps})
				answer(w, http.StatusOK, string(all))
			})
			sight, err := against.GrantAll(t.Context(), ada.NativeID, groups)
			require.NoError(t, err, "%s: %s", at, name)
			require.Nil(t, sight, "%s: %s", at, name)
		}
	}
}

func TestMoreThanTwentyTakeSeveralBatches(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c, asked := b.recorded(t, nil)
	ada, groups := account(t, c, "ada"), newGroups(t, b, 41)
	asked()
	require.Nil(t, grantAll(t, c, ada.NativeID, groups))
	require.Equal(t, []string{"POST /$batch", "POST /$batch", "POST /groups/" + groups[40].NativeID + "/members/$ref"}, asked())
	require.Len(t, b.user(ada.NativeID).Groups, 41)
}

// A batch answers 200 whatever became of its steps, and each is throttled by itself (graph/throttling, "Throttling and batching").
func TestAStepThatIsThrottledIsAnError(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{Quota: simulator.Quota{ResourceUnits: -1, Writes: 3}})
	c := b.connect(t, nil)
	ada, groups := account(t, c, "ada"), newGroups(t, b, 5)
	_, err := c.GrantAll(t.Context(), ada.NativeID, groups)
	e := refusedWith(t, connectors.KindThrottled, err)
	require.Positive(t, e.RetryAfter)
	require.Equal(t, http.StatusTooManyRequests, e.Status)
	require.Len(t, b.user(ada.NativeID).Groups, 2, "what could be granted is")
	b.clock.advance(10 * time.Minute)
	require.Nil(t, grantAll(t, c, ada.NativeID, groups[:3]))
	require.Len(t, b.user(ada.NativeID).Groups, 3)
}

func TestStepsOfABatch(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	const (
		done      = `{"id": "%s", "status": 204}`
		throttled = `{"id": "%s", "status": 429, "headers": {"retry-after": "7"}, "body": {"error": {"code": "TooManyRequests", "message": "Kanari Vogel"}}}`
		silent    = `{"id": "%s", "status": 429, "headers": {}, "body": {"error": {"code": "TooManyRequests", "message": ""}}}`
		longer    = `{"id": "%s", "status": 429, "headers": {"Retry-After": "30"}, "body": null}`
		missing   = `{"id": "%s", "status": 404, "body": {"error": {"code": "Request_ResourceNotFound", "message": "Kanari Vogel"}}}`
		denied    = `{"id": "%s", "status": 403, "body": {"error": {"code": "Authorization_RequestDenied", "message": "no"}}}`
		failed    = `{"id": "%s", "status": 503, "body": ""}`
		dependent = `{"id": "%s", "status": 424, "body": {"error": {"code": "FailedDependency", "message": ""}}}`
		gateway   = `{"id": "%s", "status": 504}`
		page      = `{"id": "%s", "status": 200, "body": "PGh0bWw+"}`
		held      = `{"id": "%s", "status": 400, "body": {"error": {"code": "Request_BadRequest", "message": "One or more added object references already exist for the following modified properties: 'members'."}}}`
		lost      = `{"id": "other%s", "status": 204}`
	)
	for name, test := range map[string]struct {
		steps      []string
		kind       connectors.Kind
		retryAfter time.Duration
	}{
		"all done":                         {[]string{done, done, done}, "", 0},
		"held already":                     {[]string{held, done, held}, "", 0},
		"throttled":                        {[]string{done, throttled, done}, connectors.KindThrottled, 7 * time.Second},
		"throttled without a time":         {[]string{silent, done, done}, connectors.KindThrottled, 10 * time.Second},
		"the longest time counts":          {[]string{throttled, longer, silent}, connectors.KindThrottled, 30 * time.Second},
		"a refusal does not hide the rest": {[]string{denied, throttled, missing}, connectors.KindThrottled, 7 * time.Second},
		"throttled beside a gateway":       {[]string{gateway, throttled, failed}, connectors.KindThrottled, 7 * time.Second},
		"missing":                          {[]string{done, missing, done}, connectors.KindNotFound, 0},
		"denied":                           {[]string{done, done, denied}, connectors.KindUnauthorized, 0},
		"failed":                           {[]string{denied, failed, done}, connectors.KindUnavailable, 0},
		"a dependency":                     {[]string{dependent, done, done}, connectors.KindUnavailable, 0},
		"a gateway":                        {[]string{done, gateway, missing}, connectors.KindAmbiguous, 0},
		"another success":                  {[]string{page, done, done}, connectors.KindAmbiguous, 0},
		"no answer":                        {[]string{done, done}, connectors.KindAmbiguous, 0},
		"somebody else's answer":           {[]string{done, lost, done}, connectors.KindAmbiguous, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := b.doubleWith(t, []any{"group", "licence"}, func(w http.ResponseWriter, r *http.Request) {
				var batch struct {
					Requests []struct{ ID, Method, URL string }
				}
				if json.NewDecoder(r.Body).Decode(&batch) != nil || len(batch.Requests) != 3 || batch.Requests[0].URL != "/groups/g0/members/$ref" {
					answer(w, http.StatusTeapot, "")
					return
				}
				var answers []string
				for i, step := range test.steps {
					answers = append(answers, fmt.Sprintf(step, batch.Requests[i].ID))
				}
				slices.Reverse(answers) // they come in any order
				all, _ := json.Marshal(rawMessages(answers))
				answer(w, http.StatusOK, `{"responses": `+string(all)+`}`)
			})
			var groups []connectors.Entitlement
			for i := range 3 {
				groups = append(groups, connectors.Entitlement{NativeID: fmt.Sprintf("g%d", i), Kind: "group", Name: "G"})
			}
			_, err := c.GrantAll(t.Context(), "u1", groups)
			if test.kind == "" {
				require.NoError(t, err)
				return
			}
			e := refusedWith(t, test.kind, err)
			require.Equal(t, test.retryAfter, e.RetryAfter)
			require.NotContains(t, err.Error(), "Kanari")
			require.Contains(t, err.Error(), "add account to group g")
		})
	}
}

// Whatever a step says goes into the operation's row; the token must not.
func TestAStepThatRepeatsTheToken(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	token := ""
	c := b.doubleWith(t, []any{"group", "licence"}, func(w http.ResponseWriter, r *http.Request) {
		token = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		step := `{"id": "%d", "status": 400, "body": {"error": {"code": "Request_BadRequest", "message": "Bearer ` + token + ` is no good"}}}`
		answer(w, http.StatusOK, fmt.Sprintf(`{"responses": [`+step+`, `+step+`]}`, 1, 2))
	})
	group := connectors.Entitlement{NativeID: "g1", Kind: "group", Name: "G"}
	_, granting := c.GrantAll(t.Context(), "u1", []connectors.Entitlement{group, {NativeID: "g2", Kind: "group", Name: "H"}})
	_, _, finding := c.FindAnyAccounts(t.Context(), "employeeId", "7")
	_, reading := c.GetAccountWithGrants(t.Context(), "u1")
	for _, err := range []error{granting, finding, reading} {
		e := refusedWith(t, connectors.KindInvalid, err)
		require.NotEmpty(t, token)
		require.Contains(t, e.Detail, "[secret] is no good")
		require.NotContains(t, e.Detail+e.Error(), token)
	}
}

func rawMessages(texts []string) []json.RawMessage {
	out := make([]json.RawMessage, len(texts))
	for i, s := range texts {
		out[i] = json.RawMessage(s)
	}
	return out
}

func TestABatchWithAGrantThatIsNoneIsNotSent(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c, asked := b.recorded(t, nil)
	groups := newGroups(t, b, 2)
	for _, bad := range []connectors.Entitlement{{NativeID: "", Kind: "group"}, {NativeID: "a/b", Kind: "group"}} {
		_, err := c.GrantAll(t.Context(), "u1", append(groups[:2:2], bad))
		requireKind(t, connectors.KindInvalid, err)
	}
	_, err := c.GrantAll(t.Context(), "", groups)
	requireKind(t, connectors.KindInvalid, err)
	_, err = c.GrantAll(t.Context(), "u1", []connectors.Entitlement{{NativeID: sku, Kind: "licence"}})
	requireKind(t, connectors.KindUnsupported, err)
	require.Empty(t, asked())
}
