package entra_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/connectortest"
	"github.com/tenurehq/tenure/connectors/entra"
	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

const (
	tenantID     = "6e1f4a52-3a0b-4b52-9c4b-0a8f6a1d0001"
	clientID     = "6e1f4a52-3a0b-4b52-9c4b-0a8f6a1d0002"
	clientSecret = "s3cr3t~0f.th3-application"
)

// clock is the simulator's.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// bench is a simulator and how to reach it: Graph in the clear, so that a proxy can be put in front of it, and the authority
// with a certificate, as azidentity wants it.
type bench struct {
	*simulator.Simulator
	clock     *clock
	graph     string // without the version
	authority string
	caFile    string
	passwords *sync.Map
}

// newBench starts a simulator; its limits are off unless the options have some.
func newBench(t testing.TB, options simulator.Options) bench {
	t.Helper()
	b := bench{clock: &clock{at: time.Now()}, passwords: &sync.Map{}}
	options.TenantID, options.ClientID, options.ClientSecret, options.Now = tenantID, clientID, clientSecret, b.clock.now
	if options.Quota == (simulator.Quota{}) {
		options.Quota = simulator.Quota{ResourceUnits: -1, Writes: -1}
	}
	var err error
	b.Simulator, err = simulator.New(options)
	require.NoError(t, err)
	graph, authority := httptest.NewServer(b.Simulator), httptest.NewTLSServer(b.Simulator)
	t.Cleanup(func() {
		graph.Close()
		authority.Close()
		require.NoError(t, b.Close())
	})
	b.graph, b.authority, b.caFile = graph.URL, authority.URL, certificateFile(t, authority)
	return b
}

// certificateFile writes the server's certificate to a file.
func certificateFile(t testing.TB, server *httptest.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(file, block, 0o600))
	return file
}

// settings are those of a connector to the bench, with others put over them; a nil takes one away.
func (b bench) settings(over connectors.Settings) connectors.Settings {
	s := connectors.Settings{
		"tenantId": tenantID, "clientId": clientID, "clientSecret": clientSecret,
		"authority": b.authority, "graphUrl": b.graph + "/v1.0", "caFile": b.caFile,
	}
	for name, value := range over {
		if s[name] = value; value == nil {
			delete(s, name)
		}
	}
	return s
}

func (b bench) connect(t testing.TB, over connectors.Settings) *entra.Connector {
	t.Helper()
	c, err := entra.New(b.settings(over))
	require.NoError(t, err)
	return c.(*entra.Connector)
}

// user is a live user as the simulator has it.
func (b bench) user(id string) simulator.User {
	for _, u := range b.Users() {
		if u.ID == id {
			return u
		}
	}
	return simulator.User{}
}

// password gives the user a password that is known here, once.
func (b bench) password(t testing.TB, id string) string {
	t.Helper()
	if known, ok := b.passwords.Load(id); ok {
		return known.(string)
	}
	password := "Known-to-the-test-1"
	b.call(t, http.MethodPatch, "/users/"+id, map[string]any{"passwordProfile": map[string]any{"password": password, "forceChangePasswordNextSignIn": false}})
	b.passwords.Store(id, password)
	return password
}

// purge ends the time of all deleted users.
func (b bench) purge(t testing.TB) {
	t.Helper()
	deleted := b.call(t, http.MethodGet, "/directory/deletedItems/microsoft.graph.user", nil)
	for _, item := range deleted["value"].([]any) {
		b.call(t, http.MethodDelete, "/directory/deletedItems/"+item.(map[string]any)["id"].(string), nil)
	}
}

// administrator is not http.DefaultClient, whose connections every httptest.Server of the tests beside this one closes when it
// ends.
var administrator = &http.Client{Transport: &http.Transport{}}

// call asks Graph as an administrator would.
func (b bench) call(t testing.TB, method, path string, body any) map[string]any {
	t.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {clientSecret}, "scope": {"https://graph.microsoft.com/.default"},
	}
	resp, err := administrator.PostForm(b.graph+"/"+tenantID+"/oauth2/v2.0/token", form)
	require.NoError(t, err)
	var token struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&token))
	require.NoError(t, resp.Body.Close())
	encoded, err := json.Marshal(body)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), method, b.graph+"/v1.0"+path, bytes.NewReader(encoded))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err = administrator.Do(req)
	require.NoError(t, err)
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Less(t, resp.StatusCode, 300, "%s", answer)
	var object map[string]any
	if len(answer) > 0 {
		require.NoError(t, json.Unmarshal(answer, &object))
	}
	return object
}

// against connects to a Graph that is the handler alone; the token comes from the bench.
func (b bench) against(t testing.TB, handler http.HandlerFunc) *entra.Connector {
	t.Helper()
	return b.doubleWith(t, []any{"group"}, handler)
}

// doubleWith is against with other kinds of entitlement.
func (b bench) doubleWith(t testing.TB, kinds []any, handler http.HandlerFunc) *entra.Connector {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return b.connect(t, connectors.Settings{"graphUrl": server.URL + "/v1.0", "entitlements": kinds})
}

// recorded connects through a proxy that writes down what is asked: method and path, the version left out.
func (b bench) recorded(t testing.TB, over connectors.Settings) (*entra.Connector, func() []string) {
	t.Helper()
	proxy := connectortest.Start(t, b.graph+"/v1.0")
	settings := connectors.Settings{"graphUrl": proxy.URL}
	maps.Copy(settings, over)
	return b.connect(t, settings), func() []string {
		asked := []string{}
		for _, r := range proxy.Requests() {
			asked = append(asked, r.Method+" "+strings.TrimPrefix(r.Path, "/v1.0"))
		}
		proxy.Reset()
		return asked
	}
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// account makes an account of the name.
func account(t testing.TB, c connectors.AccountWriter, name string) connectors.Account {
	t.Helper()
	created, err := c.CreateAccount(t.Context(), connectors.Account{Enabled: true, Attributes: map[string]any{
		"userPrincipalName": principalName(name), "displayName": name, "usageLocation": "NZ",
	}})
	require.NoError(t, err)
	return created
}

func requireKind(t testing.TB, kind connectors.Kind, err error) {
	t.Helper()
	_ = refusedWith(t, kind, err)
}

// refusedWith is requireKind that answers the error.
func refusedWith(t testing.TB, kind connectors.Kind, err error) *connectors.Error {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, kind, connectors.KindOf(err), "%v", err)
	var e *connectors.Error
	require.ErrorAs(t, err, &e)
	return e
}
