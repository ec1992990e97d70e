package entra_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/entra"
	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

func TestChanges(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c := b.connect(t, withManager)
	// all reads to the last page, and counts each user's changes.
	all := func(token string) (map[string]entra.Removal, string) {
		seen := map[string]entra.Removal{}
		for {
			page, err := c.Changes(t.Context(), token)
			require.NoError(t, err)
			for _, change := range page.Items {
				seen[change.NativeID] = change.Removed
			}
			if token = page.Token; !page.More {
				return seen, token
			}
		}
	}
	ids := map[string]entra.Removal{}
	for i := range 150 {
		ids[account(t, c, strings.Repeat("x", i+1)).NativeID] = entra.NotRemoved
	}
	seen, token := all("")
	require.Equal(t, ids, seen)
	seen, token = all(token)
	require.Empty(t, seen)

	ada, bob, zoe := account(t, c, "ada"), account(t, c, "bob"), account(t, c, "zoe")
	_, token = all(token)
	require.NoError(t, c.SetEnabled(t.Context(), ada.NativeID, false))
	require.NoError(t, c.DeleteAccount(t.Context(), bob.NativeID))
	seen, next := all(token)
	require.Equal(t, map[string]entra.Removal{ada.NativeID: entra.NotRemoved, bob.NativeID: entra.RemovedRestorable}, seen)
	b.purge(t)
	require.NoError(t, c.UpdateAccount(t.Context(), zoe.NativeID, map[string]any{"manager.id": ada.NativeID}))
	seen, _ = all(next)
	require.Equal(t, map[string]entra.Removal{bob.NativeID: entra.RemovedForGood, zoe.NativeID: entra.NotRemoved}, seen)

	_, err := c.Changes(t.Context(), "https://graph.example.com/v1.0/users/delta?$deltatoken=x")
	requireKind(t, connectors.KindInvalid, err)
}

// A token is good for seven days (graph/delta-query-overview, "Token duration"); after that 410 means to read everything anew.
func TestAnExpiredTokenReadsEveryoneAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	c := b.connect(t, nil)
	for i := range 120 {
		account(t, c, strings.Repeat("x", i+1))
	}
	// round reads to the last page, and answers what each page said it was.
	round := func(token string) (ids map[string]bool, full, anew []bool, next string) {
		ids = map[string]bool{}
		for more := true; more; {
			page, err := c.Changes(t.Context(), token)
			require.NoError(t, err)
			for _, change := range page.Items {
				ids[change.NativeID] = true
			}
			full, anew = append(full, page.Full), append(anew, page.Anew)
			token, more = page.Token, page.More
		}
		return ids, full, anew, token
	}
	ids, full, anew, token := round("")
	require.Len(t, ids, 120)
	require.Equal(t, []bool{true, true}, full)
	require.Equal(t, []bool{true, false}, anew)

	ada := account(t, c, "ada")
	ids, full, _, token = round(token)
	require.Equal(t, map[string]bool{ada.NativeID: true}, ids)
	require.NotContains(t, full, true)

	require.NoError(t, c.SetEnabled(t.Context(), ada.NativeID, false))
	b.clock.advance(8 * 24 * time.Hour)
	c = b.connect(t, nil) // whose token of access is as old
	before := b.Stats().Calls["GET /users/delta"]
	ids, full, anew, token = round(token)
	require.Len(t, ids, 121, "and not only the one who changed")
	require.Equal(t, []bool{true, true}, full)
	require.Equal(t, []bool{true, false}, anew)
	require.Equal(t, 3, b.Stats().Calls["GET /users/delta"]-before, "the refusal and two pages")
	ids, full, _, _ = round(token)
	require.Empty(t, ids)
	require.NotContains(t, full, true)
}

// A reading of everyone that is interrupted for so long that its own token ends begins once more, and says so.
func TestATokenThatExpiresWithinAReading(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	page := map[string]string{
		"":  `{"value": [{"id": "u1"}, {"id": "u1"}], "@odata.nextLink": "http://HOST/v1.0/users/delta?$skiptoken=gone%20by"}`,
		"2": `{"value": [], "@odata.nextLink": "http://HOST/v1.0/users/delta?$skiptoken=3"}`,
		"3": `{"value": [{"id": "u2", "@removed": {"reason": "changed"}}, {"id": "u3", "@removed": {"reason": "deleted"}}], "@odata.deltaLink": "http://HOST/v1.0/users/delta?$deltatoken=d"}`,
	}
	var asked []string
	c := b.against(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		body, ok := page[r.URL.Query().Get("$skiptoken")]
		if !ok {
			answer(w, http.StatusGone, `{"error": {"code": "syncStateNotFound", "message": ""}}`)
			return
		}
		answer(w, http.StatusOK, strings.ReplaceAll(body, "HOST", r.Host))
	})
	first, err := c.Changes(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, first.Items, 2, "duplicates are the caller's to take")
	page[""] = strings.Replace(page[""], "gone%20by", "2", 1)
	again, err := c.Changes(t.Context(), first.Token)
	require.NoError(t, err)
	require.True(t, again.Full && again.Anew && again.More)
	require.Equal(t, "$skiptoken=gone%20by", asked[1], "the address is used as it was given")
	empty, err := c.Changes(t.Context(), again.Token)
	require.NoError(t, err)
	require.True(t, empty.Full && !empty.Anew && empty.More)
	require.Empty(t, empty.Items)
	last, err := c.Changes(t.Context(), empty.Token)
	require.NoError(t, err)
	require.True(t, last.Full && !last.Anew && !last.More)
	require.Equal(t, []entra.Change{{NativeID: "u2", Removed: entra.RemovedRestorable}, {NativeID: "u3", Removed: entra.RemovedForGood}}, last.Items)
	require.Len(t, asked, 5)
}

func TestPagesOfChangesThatProveNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, simulator.Options{})
	status, body, asked := http.StatusGone, "<html>", 0
	c := b.against(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		answer(w, status, strings.ReplaceAll(body, "HOST", r.Host))
	})
	link := strings.TrimSuffix(b.graph, "/")
	_, err := c.Changes(t.Context(), "")
	requireKind(t, connectors.KindUnavailable, err) // a gateway's 410 says nothing of the token
	body = `{"error": {"code": "syncStateNotFound", "message": ""}}`
	_, err = c.Changes(t.Context(), "")
	requireKind(t, connectors.KindInvalid, err)
	require.Equal(t, 2, asked, "there is no token that could have expired")
	_, err = c.Changes(t.Context(), "full "+link+".example.com/v1.0/users/delta")
	requireKind(t, connectors.KindInvalid, err)
	require.Equal(t, 2, asked, "the token went nowhere")
	status = http.StatusOK
	for _, body = range []string{
		`{"value": []}`, `{"value": [], "@odata.deltaLink": "https://graph.example.com/v1.0/users/delta"}`,
		`{"value": [{"displayName": "x"}], "@odata.deltaLink": "http://HOST/v1.0/users/delta?x"}`,
		`{"value": [{"id": "u1", "@removed": {"reason": "moved"}}], "@odata.deltaLink": "http://HOST/v1.0/users/delta?x"}`,
	} {
		_, err := c.Changes(t.Context(), "")
		requireKind(t, connectors.KindUnavailable, err)
	}
}
