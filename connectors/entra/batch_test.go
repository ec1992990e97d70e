package entra_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

// Issue: a joiner takes at most three requests, memberships included.
func TestAJoinerTakesThreeRequests(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{Licences: []simulator.Licence{{SkuPartNumber: "E3", SkuID: sku, Seats: 1}}})
	c, asked := b.recorded(t, connectors.Settings{"entitlements": []any{"group", "licence"}})
	entitlements := newGroups(t, b, 19)
	entitlements = append(entitlements, connectors.Entitlement{NativeID: sku, Kind: "licence", Name: "E3"})

	found, err := c.FindAccounts(t.Context(), "userPrincipalName", principalName("ada"))
	require.NoError(t, err)
	require.Empty(t, found)
	ada := account(t, c, "ada")
	require.NoError(t, c.GrantAll(t.Context(), ada.NativeID, entitlements))
	require.Equal(t, []string{"GET /users", "POST /users", "POST /$batch"}, asked())
	require.Len(t, b.user(ada.NativeID).Groups, 19)
	require.Equal(t, []string{"E3"}, b.user(ada.NativeID).Licences)

	require.NoError(t, c.GrantAll(t.Context(), ada.NativeID, entitlements), "what is held already is no error")
	require.NoError(t, c.GrantAll(t.Context(), ada.NativeID, nil))
	require.Equal(t, []string{"POST /$batch"}, asked())
	require.NoError(t, c.GrantAll(t.Context(), ada.NativeID, entitlements[:1]))
	require.Equal(t, []string{"POST /groups/" + entitlements[0].NativeID + "/members/$ref"}, asked(), "one needs no batch")
}

func TestMoreThanTwentyTakeSeveralBatches(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c, asked := b.recorded(t, nil)
	ada, groups := account(t, c, "ada"), newGroups(t, b, 41)
	asked()
	require.NoError(t, c.GrantAll(t.Context(), ada.NativeID, groups))
	require.Equal(t, []string{"POST /$batch", "POST /$batch", "POST /groups/" + groups[40].NativeID + "/members/$ref"}, asked())
	require.Len(t, b.user(ada.NativeID).Groups, 41)
}

// A batch answers 200 whatever became of its steps, and each is throttled by itself (graph/throttling, "Throttling and batching").
func TestAStepThatIsThrottledIsAnError(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{Quota: simulator.Quota{ResourceUnits: -1, Writes: 3}})
	c := b.connect(t, nil)
	ada, groups := account(t, c, "ada"), newGroups(t, b, 5)
	e := refusedWith(t, connectors.KindThrottled, c.GrantAll(t.Context(), ada.NativeID, groups))
	require.Positive(t, e.RetryAfter)
	require.Equal(t, http.StatusTooManyRequests, e.Status)
	require.Len(t, b.user(ada.NativeID).Groups, 2, "what could be granted is")
	b.clock.advance(10 * time.Minute)
	require.NoError(t, c.GrantAll(t.Context(), ada.NativeID, groups[:3]))
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
			c := b.against(t, func(w http.ResponseWriter, r *http.Request) {
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
			err := c.GrantAll(t.Context(), "u1", groups)
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
		requireKind(t, connectors.KindInvalid, c.GrantAll(t.Context(), "u1", append(groups[:2:2], bad)))
	}
	requireKind(t, connectors.KindInvalid, c.GrantAll(t.Context(), "", groups))
	requireKind(t, connectors.KindUnsupported, c.GrantAll(t.Context(), "u1", []connectors.Entitlement{{NativeID: sku, Kind: "licence"}}))
	require.Empty(t, asked())
}
