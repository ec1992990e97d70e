package okta_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/okta"
	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

const token = "00s3cr3tT0k3n"

// clock is the simulator's time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a simulated org with its address and what it was asked.
type world struct {
	*simulator.Simulator
	clock *clock
	url   string

	mu    sync.Mutex
	asked []string
}

// newWorld starts an org in which nothing but what the options say is limited or late.
func newWorld(t testing.TB, o simulator.Options) *world {
	t.Helper()
	// Far from the real time, so that nothing may rely on it, and not on a whole second, to which stamps are cut.
	w := &world{clock: &clock{now: time.Date(2031, 3, 1, 12, 0, 0, 600_000_000, time.UTC)}}
	o.Now = w.clock.Now
	if o.Client == nil {
		o.Token = token
	}
	o.Attributes = []string{"teams", "badge", "remote"}
	if o.Limits == nil {
		o.Limits, o.Concurrency = map[simulator.Bucket]int{simulator.AllBuckets: -1}, -1
	}
	var err error
	w.Simulator, err = simulator.New(o)
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.asked = append(w.asked, r.Method+" "+r.URL.RequestURI())
		w.mu.Unlock()
		w.ServeHTTP(rw, r)
	}))
	w.url = server.URL
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, w.Close())
	})
	return w
}

// requests are what was asked since the last call, with ids as ID.
func (w *world) requests(ids ...string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked = nil
	for i := range asked {
		for _, id := range ids {
			asked[i] = strings.ReplaceAll(asked[i], id, "ID")
		}
	}
	return asked
}

// connect makes a connector to the org at the address.
func connect(t testing.TB, url string) *okta.Connector {
	t.Helper()
	c, err := okta.New(connectors.Settings{"orgUrl": url, "token": token, "entitlements": []any{"group", "application"}})
	require.NoError(t, err)
	return c.(*okta.Connector)
}

// create makes an account by the connector.
func (w *world) create(t testing.TB, c *okta.Connector, name string) connectors.Account {
	t.Helper()
	a, err := c.CreateAccount(t.Context(), account(name))
	require.NoError(t, err)
	return a
}

// user is a user as the simulator shows it.
func (w *world) user(t testing.TB, id string) simulator.User {
	t.Helper()
	for _, u := range w.Users() {
		if u.ID == id {
			return u
		}
	}
	require.Fail(t, "no such user", id)
	return simulator.User{}
}

// administrator is not http.DefaultClient, whose connections every httptest.Server of the tests beside this one closes when
// it ends.
var administrator = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// post asks the org to do something, as an administrator does.
func (w *world) post(t testing.TB, path, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "SSWS "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := administrator.Do(req)
	require.NoError(t, err)
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Less(t, resp.StatusCode, 300, "%s", answer)
}

// scripted is an org that answers what the test says, always with the header that marks Okta's answers.
func scripted(t testing.TB, answer http.HandlerFunc) *okta.Connector {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Okta-Request-Id", "req1")
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return connect(t, server.URL)
}

// requireKind answers the error as a value, for a closer look.
func requireKind(t testing.TB, kind connectors.Kind, err error) connectors.Error {
	t.Helper()
	var e *connectors.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, kind, e.Kind, "%v: %s", err, e.Detail)
	return *e
}

// answers gives every request the same answer.
func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if status == http.StatusNoContent {
			w.WriteHeader(status)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// byMethod answers reads and writes apart.
func byMethod(read, write http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			read(w, r)
			return
		}
		write(w, r)
	}
}
