package api_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/store"
)

func TestSCIMOneOfManyEqualCreatesWins(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	for name, bodies := range map[string][]string{
		"identical":      {userOf("ada", `"externalId":"1"`)},
		"same userName":  {userOf("bob", `"externalId":"b1"`), userOf("BOB", `"externalId":"b2"`)},
		"no external id": {userOf("joe")},
		// Of these nobody knows whether they are one person: the second is made, and is the subject of a case.
		"same externalId": {userOf("eve1", `"externalId":"e"`), userOf("eve2", `"externalId":"e"`)},
	} {
		statuses := d.atOnce(100, func(i int) scimAnswer { return d.post("/Users", bodies[i%len(bodies)]) })
		made := len(bodies)
		if name == "same userName" {
			made = 1
		}
		require.Equal(t, map[int]int{201: made, 409: 100 - made}, statuses, name)
	}
	require.Len(t, d.get("/Users").ids(), 5)
	require.Equal(t, 4, d.count("identities"))
	require.Equal(t, 5, d.count("scim_users"))
	require.Equal(t, 1, d.count("cases"))
}

// atOnce does the same n times side by side, and answers how often each status came.
func (d directory) atOnce(n int, do func(i int) scimAnswer) map[int]int {
	d.h.t.Helper()
	var mu sync.Mutex
	statuses := map[int]int{}
	var clients sync.WaitGroup
	for i := range n {
		clients.Go(func() {
			answer := do(i)
			mu.Lock()
			defer mu.Unlock()
			statuses[answer.status]++
			if answer.status == http.StatusConflict && answer.get("scimType") != "uniqueness" {
				statuses[-1]++
			}
		})
	}
	clients.Wait()
	return statuses
}

// count counts an organization's rows.
func (d directory) count(table string) int {
	d.h.t.Helper()
	var n int
	require.NoError(d.h.t, d.h.store.InOrg(d.h.t.Context(), d.org, func(tx *store.Tx) error {
		return tx.QueryRow(d.h.t.Context(), `select count(*) from `+table+` where org = $1`, d.org).Scan(&n)
	}))
	return n
}

// Sixteen clients change the members of one group and the attributes of one user, each its own part: nothing of it is lost.
func TestSCIMConcurrentPatches(t *testing.T) {
	t.Parallel()
	const clients, members = 16, 4
	d := start(t).directory("acme", "")
	group, user := d.group("All"), d.user("all")
	ids := make([][]string, clients)
	for i := range ids {
		for j := range members {
			ids[i] = append(ids[i], d.user(fmt.Sprintf("user%d-%d", i, j)))
		}
	}
	fields := []string{"nickName", "title", "userType", "displayName", "profileUrl", "preferredLanguage", "name.givenName", "name.familyName", "name.middleName",
		"name.honorificPrefix", "name.honorificSuffix", "name.formatted", enterpriseURN + ":department", enterpriseURN + ":costCenter", enterpriseURN + ":division", enterpriseURN + ":organization"}
	end := time.Now().Add(2 * time.Second)
	var wait sync.WaitGroup
	held := make([]map[string]bool, clients)
	last := make([]string, clients)
	var changes atomic.Int64
	for i := range clients {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(4, uint64(i)))
			held[i] = map[string]bool{}
			for n := 0; time.Now().Before(end); n++ {
				id := ids[i][random.IntN(members)]
				operation := `{"op":"add","path":"members","value":[` + membersOf(id) + `]}`
				if held[i][id] {
					operation = `{"op":"remove","path":"members[value eq \"` + id + `\"]"}`
				}
				if !d.went(d.patch("/Groups/"+group+"?attributes=id", operation)) {
					return
				}
				held[i][id] = !held[i][id]
				value := fmt.Sprintf("v%d", n)
				if !d.went(d.patch("/Users/"+user, fmt.Sprintf(`{"op":"replace","path":%q,"value":%q}`, fields[i], value))) {
					return
				}
				last[i] = value
				changes.Add(2)
			}
		})
	}
	wait.Wait()
	require.False(t, t.Failed())
	var want []string
	for i := range held {
		for id, is := range held[i] {
			if is {
				want = append(want, id)
			}
		}
	}
	require.ElementsMatch(t, want, d.members(group))
	t.Logf("%d changes", changes.Load())
	answer := d.get("/Users/" + user)
	for i, field := range fields {
		var got any
		if name, ok := strings.CutPrefix(field, enterpriseURN+":"); ok {
			extension, _ := answer.whole()[enterpriseURN].(map[string]any)
			got = extension[name]
		} else {
			got = answer.get(field)
		}
		require.Equal(t, last[i], got, field)
	}
}

// went reports a change that was not made.
func (d directory) went(a scimAnswer) bool {
	if a.status != http.StatusOK {
		d.h.t.Errorf("%d: %s%s", a.status, a.body, a.log())
	}
	return a.status == http.StatusOK
}
