package apiclient_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/apiclient"
)

func serve(t *testing.T, handler http.HandlerFunc) *apiclient.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return apiclient.New(server.URL, "token")
}

func TestGetSendsTokenAndQuery(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "Bearer token", r.Header.Get("Authorization"))
		assert.Equal(t, "/v1/x?a=1", r.URL.String(), "empty parameters are left out")
		fmt.Fprint(w, `{"n":7}`)
	})
	var answer struct{ N int }
	require.NoError(t, client.Get(t.Context(), "/v1/x", url.Values{"a": {"1"}, "b": {""}}, &answer))
	require.Equal(t, 7, answer.N)
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		status int
		body   string
		want   []string
	}{
		{"detail", 404, `{"title":"Not Found","status":404,"detail":"no identity of organization \"acme\" has this id"}`,
			[]string{`no identity of organization "acme" has this id`}},
		{"fields", 400, `{"title":"Bad Request","detail":"a: wrong","errors":[{"field":"a","detail":"wrong"},{"field":"b","detail":"missing"}]}`,
			[]string{"a: wrong\n  b: missing"}},
		{"policy", 422, `{"title":"Unprocessable Entity","detail":"the policy has 2 problems","errors":[
			{"field":"targets[crm].x","file":"p.yaml","line":7,"detail":"unknown"},{"file":"q.yaml","detail":"empty"}]}`,
			[]string{"the policy has 2 problems\n  p.yaml:7: targets[crm].x: unknown\n  q.yaml: empty"}},
		{"token", 401, `{"title":"Unauthorized","detail":"the bearer token is not valid"}`, []string{"does not accept the token", "tenure token create"}},
		{"another server", 404, `<html>nothing here</html>`, []string{"404 Not Found", "is not of Tenure's API: check TENURE_URL"}},
		{"a redirect is not followed", 302, "", []string{"302 Found", "check TENURE_URL"}},
		{"no JSON", 200, `<html>`, []string{"is not of Tenure's API: check TENURE_URL"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.body)
			})
			var answer any
			err := client.Get(t.Context(), "/v1/x", nil, &answer)
			for _, part := range test.want {
				require.ErrorContains(t, err, part)
			}
			require.NotContains(t, err.Error(), "Bearer token")
		})
	}
}

func TestReadsAreRepeatedAndWritesAreNot(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"title":"Service Unavailable","detail":"the database does not answer"}`)
			return
		}
		fmt.Fprint(w, `{}`)
	})
	var answer any
	require.NoError(t, client.Get(t.Context(), "/v1/x", nil, &answer))
	require.EqualValues(t, 2, calls.Load())

	calls.Store(0)
	require.ErrorContains(t, client.Post(t.Context(), "/v1/x", nil, &answer), "the database does not answer")
	require.EqualValues(t, 1, calls.Load())
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	err := apiclient.New(server.URL, "token").Post(t.Context(), "/v1/x", nil, new(any))
	require.ErrorContains(t, err, "reach Tenure on "+server.URL)
	require.ErrorContains(t, err, "check that it runs")
}

func TestPages(t *testing.T) {
	t.Parallel()
	const total = 450
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
		assert.NoError(t, err)
		assert.LessOrEqual(t, limit, 200, "the API gives no larger pages")
		from, _ := strconv.Atoi(r.URL.Query().Get("after"))
		answer := map[string]any{}
		var items []int
		for i := from; i < min(from+limit, total); i++ {
			items = append(items, i)
		}
		answer["items"] = items
		if from+limit < total {
			answer["next"] = strconv.Itoa(from + limit)
		}
		assert.NoError(t, json.NewEncoder(w).Encode(answer))
	})
	for _, test := range []struct {
		limit, want int
		more        bool
	}{{0, total, false}, {1, 1, true}, {200, 200, true}, {201, 201, true}, {total, total, false}, {1000, total, false}} {
		items, more, err := client.Pages(t.Context(), "/v1/x", url.Values{}, test.limit)
		require.NoError(t, err)
		require.Len(t, items, test.want)
		require.Equal(t, test.more, more, "limit %d", test.limit)
		for i, item := range items {
			require.Equal(t, strconv.Itoa(i), string(item))
		}
	}
}

// received is what a fake API was sent.
type received struct {
	mu       sync.Mutex
	byPerson map[string][]string // the event ids
	largest  int
}

type sentEvent struct {
	ID     string `json:"id"`
	Person string `json:"person"`
}

func (r *received) take(t *testing.T, request *http.Request) []sentEvent {
	t.Helper()
	assert.Equal(t, "application/cloudevents-batch+json", request.Header.Get("Content-Type"))
	var events []sentEvent
	if err := json.NewDecoder(request.Body).Decode(&events); err != nil {
		t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.largest = max(r.largest, len(events))
	for _, e := range events {
		r.byPerson[e.Person] = append(r.byPerson[e.Person], e.ID)
	}
	return events
}

func (r *received) times(person string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.byPerson[person])
}

func outgoing(n, people int) []apiclient.Outgoing {
	events := make([]apiclient.Outgoing, n)
	for i := range events {
		person := fmt.Sprintf("P%d", i%people)
		events[i] = apiclient.Outgoing{Person: person, JSON: json.RawMessage(fmt.Sprintf(`{"id":"%06d","person":%q}`, i, person))}
	}
	return events
}

// each reports every event of a batch.
func each(report func(int, apiclient.Result)) func([]int, []apiclient.Result) {
	return func(indexes []int, results []apiclient.Result) {
		for i, index := range indexes {
			report(index, results[i])
		}
	}
}

func TestSendEventsKeepsEachPersonsOrder(t *testing.T) {
	t.Parallel()
	all := &received{byPerson: map[string][]string{}}
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		answer := map[string][]apiclient.Result{}
		for _, e := range all.take(t, r) {
			answer["results"] = append(answer["results"], apiclient.Result{EventID: e.ID, Effect: "join"})
		}
		w.WriteHeader(http.StatusAccepted)
		assert.NoError(t, json.NewEncoder(w).Encode(answer))
	})
	events := outgoing(1000, 37)
	results := map[int]string{}
	require.NoError(t, client.SendEvents(t.Context(), events, 20, each(func(index int, r apiclient.Result) { results[index] = r.EventID })))
	require.Len(t, results, len(events))
	for index, id := range results {
		require.Equal(t, fmt.Sprintf("%06d", index), id, "each event has its own result")
	}
	require.Equal(t, 20, all.largest)
	require.Len(t, all.byPerson, 37)
	for person, ids := range all.byPerson {
		require.IsIncreasing(t, ids, person)
	}
}

func TestSendEventsRepeatsWhatFailedForTheMoment(t *testing.T) {
	t.Parallel()
	all := &received{byPerson: map[string][]string{}}
	var calls atomic.Int32
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		var results []string
		for _, e := range all.take(t, r) {
			switch {
			case e.ID == "000003":
				results = append(results, `{"eventId":"000003","error":{"title":"Bad Request","status":400,"detail":"data.lastDay: not a date"}}`)
			case all.times(e.Person) == 1 && e.ID < "000003":
				results = append(results, `{"error":{"status":503,"detail":"the database does not answer"}}`)
			default:
				results = append(results, fmt.Sprintf(`{"eventId":%q,"effect":"move"}`, e.ID))
			}
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(results, ","))
	})
	results := make([]apiclient.Result, 6)
	require.NoError(t, client.SendEvents(t.Context(), outgoing(6, 6), 100, each(func(index int, r apiclient.Result) { results[index] = r })))
	for i, r := range results {
		if i == 3 {
			require.EqualError(t, r.Error, "data.lastDay: not a date")
			continue
		}
		require.Nil(t, r.Error, i)
		require.Equal(t, "move", r.Effect)
	}
	for i := range 3 {
		require.Len(t, all.byPerson[fmt.Sprintf("P%d", i)], 2, "sent again until it was taken")
	}
	require.Len(t, all.byPerson["P3"], 1, "what is wrong is not sent again")
	require.Len(t, all.byPerson["P4"], 1, "what was taken is not sent again")
}

func TestSendEventsCutsBatchesOfLargeEvents(t *testing.T) {
	t.Parallel()
	var largest atomic.Int64
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		largest.Store(max(largest.Load(), r.ContentLength))
		var events []json.RawMessage
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&events))
		assert.NoError(t, json.NewEncoder(w).Encode(map[string]any{"results": make([]apiclient.Result, len(events))}))
	})
	padding := make([]byte, 60<<10)
	for i := range padding {
		padding[i] = 'x'
	}
	events := make([]apiclient.Outgoing, 200)
	for i := range events {
		events[i] = apiclient.Outgoing{Person: "one", JSON: json.RawMessage(fmt.Sprintf(`{"id":"%d","data":%q}`, i, padding))}
	}
	n := 0
	require.NoError(t, client.SendEvents(t.Context(), events, apiclient.MaxBatch, each(func(int, apiclient.Result) { n++ })))
	require.Equal(t, len(events), n)
	require.Less(t, largest.Load(), int64(4<<20))
	require.Greater(t, largest.Load(), int64(2<<20))
}

func TestSendEventsStopsAtAnError(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"title":"Forbidden","detail":"the token lacks the scope hr"}`)
	})
	err := client.SendEvents(t.Context(), outgoing(100, 10), 5, func([]int, []apiclient.Result) { t.Error("nothing was taken") })
	require.ErrorContains(t, err, "the token lacks the scope hr")
}
