package main

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/scim"
)

func TestContendersTakeTurns(t *testing.T) {
	t.Parallel()
	var turns [][2]int
	require.NoError(t, takeTurns(2, 3, func(round, i int) error { turns = append(turns, [2]int{round, i}); return nil }))
	require.Equal(t, [][2]int{{0, 0}, {0, 1}, {0, 2}, {1, 1}, {1, 2}, {1, 0}, {2, 2}, {2, 0}, {2, 1}}, turns)
}

func TestScimOfAReport(t *testing.T) {
	t.Parallel()
	bare := &scimRate{name: "bare", rates: []float64{100, 200}, p50: []float64{1, 1}, p99: []float64{2, 2}}
	r := &scimResults{
		users: 1000,
		rates: []*scimRate{bare, {name: "GET", baseline: bare, rates: []float64{30, 80}, p50: []float64{3, 3}, p99: []float64{4, 4}},
			{name: "POST", baseline: bare, rates: []float64{10, 20}, p50: []float64{3, 3}, p99: []float64{4, 4}}},
		lookups: []*scimLookup{{name: "userName eq", p50: []float64{1}, p99: []float64{5}}},
		pages:   scimPages{first: []float64{4}, last: []float64{4}, all: []float64{9}, heap: [3][]float64{{10}, {11}, {20}}},
		groups:  scimGroups{small: 10, large: 100, add: [2][]float64{{1, 1}, {2, 2}}, read: [2][]float64{{1, 1}, {2, 2}}, put: []float64{1, 1.5}},
	}
	var b strings.Builder
	r.markdown(&b)
	for _, line := range []string{
		"| bare | 150 (100 – 200) | 1.0 (1.0 – 1.0) | 2.0 (2.0 – 2.0) | | | |\n",
		"| GET | 55 (30 – 80) | 3.0 (3.0 – 3.0) | 4.0 (4.0 – 4.0) | 0.35 (0.30 – 0.40) | ≥ 0.3 | met |\n",
		"| 0.10 (0.10 – 0.10) | ≥ 0.3 | **missed** |\n",
		"| userName eq | 1.00 (1.00 – 1.00) | 5.00 (5.00 – 5.00) | p99 < 5 ms | **missed** |\n",
		"| last / first, round by round | 1.00 (1.00 – 1.00) | as fast: ≤ 1.25 | met |\n",
		"| heap in the last third / in the first, round by round | 2.00 (2.00 – 2.00) | constant: ≤ 1.25 | **missed** |\n",
		"| add one member by PATCH | 1.00 (1.00 – 1.00) | 2.00 (2.00 – 2.00) | 2.00 (2.00 – 2.00) | < 3.00 | met |\n",
		"| PUT with 100 members, all others than before | 1.25 (1.00 – 1.50) | < 2 s for 10,000 | met |\n",
	} {
		require.Contains(t, b.String(), line)
	}
}

// What the client writes is HTTP as a server reads it, and what it reads is the answer.
func TestAConnectionOfTheScimClient(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := bufio.NewReader(r.Body).ReadString('}')
		if r.URL.Query().Get("filter") != scimUserFilter(7) || r.Header.Get("Authorization") != "Bearer secret" || err != nil || body != "{}" {
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = w.Write([]byte(`{"id":"one","nested":{"id":"two"}}`))
	}))
	t.Cleanup(server.Close)
	c, err := newScimClient(server.URL, "secret")
	require.NoError(t, err)
	t.Cleanup(c.close)
	for range 2 * writers {
		require.NoError(t, c.with(func(on *connection) error {
			answer, err := on.call(http.MethodPost, scimSearch(scimUserFilter(7)), "{}", http.StatusOK, "nested")
			require.Equal(t, "one", field(answer, "id"))
			return err
		}))
	}
	require.Len(t, c.times(), 2*writers)
	require.Empty(t, c.times(), "each is taken once")
	_, err = c.all[0].call(http.MethodGet, "/", "", http.StatusOK, "")
	require.ErrorIs(t, err, errAnswer)
	_, err = c.all[0].call(http.MethodPost, scimSearch(scimUserFilter(7)), "{}", http.StatusOK, "other")
	require.ErrorIs(t, err, errAnswer)
}

// Otherwise the product would measure how it refuses.
func TestWhatTheScimClientSendsIsValid(t *testing.T) {
	t.Parallel()
	in, err := scim.Decode(scim.UserType(), []byte(scimUser(1)), scim.Options{RejectUnknown: true})
	require.NoError(t, err)
	require.Equal(t, scimUserName(1), in.Resource.Text("userName"))
	members, err := scim.Decode(scim.GroupType(), []byte(groupBody("Sized", []uuid.UUID{uuid.New(), uuid.New()})), scim.Options{RejectUnknown: true})
	require.NoError(t, err)
	require.Len(t, members.Members, 2)
	_, err = scim.DecodePatch(scim.GroupType(), []byte(patchBody(addMember(uuid.New()))), scim.Options{RejectUnknown: true})
	require.NoError(t, err)
	for _, filter := range lookups() {
		_, err := scim.ParseFilter(scim.UserType(), filter.filter(1))
		require.NoError(t, err, filter.name)
	}
}
