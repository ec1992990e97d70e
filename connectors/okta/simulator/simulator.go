// Package simulator is an HTTP server that behaves like the parts of Okta's management API (/api/v1) that automation of
// joiners, movers and leavers needs, to try connectors and the product against. It knows nothing of Tenure, and it is
// simulated, not verified against the vendor: it follows Okta's published documentation (developer.okta.com and
// help.okta.com, named beside each behaviour) and, where that is silent, what public issue threads report.
//
// Where neither says anything, the simulator is strict: a caller that survives it survives the real thing. So a repeated
// assignment to an application is a conflict, and no write reaches a user whose activation is under way.
//
// Not simulated, and refused with 501 rather than ignored: sortBy, expand (but of an application's user), fields, strict,
// temporary passwords. Not known at all (404): the user "me", group rules, roles, linked objects, events and logs.
package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// The types of group (Groups API: List all groups).
const (
	GroupOkta    = "OKTA_GROUP" // made and filled by administrators and through the API
	GroupApp     = "APP_GROUP"  // filled by an application's import, such as Active Directory's
	GroupBuiltIn = "BUILT_IN"   // filled by Okta itself: Everyone
)

// Everyone is the name of the built-in group that holds every user.
const Everyone = "Everyone"

// Options are how a simulator is made. The zero value of each but the credentials will do.
type Options struct {
	// Token is the API token, sent as "Authorization: SSWS <token>". It or Client is required.
	Token string
	// Client is the service application that may ask for access tokens.
	Client *Client
	// Now is the time; nil is the system's. Stamps are cut to whole seconds, as all in the vendor's examples are.
	Now func() time.Time
	// AuthNow is the time by which assertions and access tokens are judged, where the one who signs does not live by Now;
	// nil is Now.
	AuthNow func() time.Time
	// Folder is where the contents are kept, created when missing; empty keeps them in memory.
	Folder string
	// Groups and Apps are created when they are not there.
	Groups []Group
	Apps   []App
	// Attributes are custom attributes of the user's profile, which take any value. Profile attributes that are neither
	// these nor Okta's own are refused.
	Attributes []string
	// ActivationLag is how long an activation, and a deactivation asked for with "Prefer: respond-async", takes.
	ActivationLag time.Duration
	// SearchLag is how long the search parameter keeps seeing what was before a change.
	SearchLag time.Duration
	// RevocationLag is how long sessions and tokens go on working after they were revoked.
	RevocationLag time.Duration
	// Limits are requests a minute by Bucket, or by AllBuckets for those that are not named. 0 is the published default,
	// a negative number no limit.
	Limits map[Bucket]int
	// Concurrency is how many requests may be under way at once: 0 is the published default of 75, negative no limit.
	Concurrency int
}

// Group is a group to create. An empty Type is GroupOkta.
type Group struct{ Name, Type string }

// App is an application to create.
type App struct {
	Name  string // the application's kind, such as "salesforce"
	Label string // what people call this instance; unique
}

// Simulator is the server, an http.Handler with the org's URL at its root. It is safe for concurrent use.
type Simulator struct {
	token    []byte
	client   *Client
	now      func() time.Time
	authNow  func() time.Time
	activate time.Duration
	custom   map[string]bool
	limits   *limiter
	mux      *http.ServeMux

	mu    sync.Mutex // guards everything below
	store *store
	calls map[string]int
	held  map[string]int
}

// New opens or creates a simulator. With a folder, whatever was answered survives the end of the process, kill -9
// included: each write is handed to the operating system before its answer. It does not wait for the disk, so a crash
// of the machine may lose or spoil the contents. The search index starts out caught up, whatever the SearchLag.
func New(o Options) (*Simulator, error) {
	if o.Token == "" && o.Client == nil {
		return nil, errors.New("simulator: a token or a client is required")
	}
	if o.Client != nil && (o.Client.ID == "" || o.Client.Key == nil) {
		return nil, errors.New("simulator: a client needs an ID and a key")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.AuthNow == nil {
		o.AuthNow = o.Now
	}
	limits, err := newLimiter(o.Limits, o.Concurrency)
	if err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	s := &Simulator{
		token: []byte(o.Token), client: o.Client, now: o.Now, authNow: o.AuthNow, activate: o.ActivationLag,
		custom: make(map[string]bool), limits: limits, calls: make(map[string]int), held: make(map[string]int),
	}
	for _, name := range o.Attributes {
		s.custom[name] = true
	}
	if s.store, err = openStore(o.Folder, o.SearchLag, o.RevocationLag); err != nil {
		return nil, fmt.Errorf("simulator: open folder: %w", err)
	}
	if err := s.ensure(o); err != nil {
		return nil, errors.Join(fmt.Errorf("simulator: %w", err), s.store.disk.close())
	}
	s.mux = s.routes()
	return s, nil
}

// Close ends a simulator; writes after it are answered 500.
func (s *Simulator) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.store.disk.close()
}

// ServeHTTP serves the API, and what tests want to know at GET /_simulator/stats (Stats) and GET /_simulator/users (a list
// of User), and what people do (person.go), which need no token and count nowhere.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/_simulator/stats":
		writeJSON(w, http.StatusOK, s.Stats())
	case path == "/_simulator/users":
		writeJSON(w, http.StatusOK, s.Users())
	case strings.HasPrefix(path, "/_simulator/users/"):
		s.person(w, r)
	default:
		s.mux.ServeHTTP(w, r)
	}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// stamp is the time as records keep it.
func (s *Simulator) stamp() time.Time { return s.now().UTC().Truncate(time.Second) }

// ensure makes the groups and applications that are not there yet.
func (s *Simulator) ensure(o Options) error {
	groups := append([]Group{{Name: Everyone, Type: GroupBuiltIn}}, o.Groups...)
	for _, g := range groups {
		if _, err := s.addGroup(g); err != nil {
			return fmt.Errorf("create group %q: %w", g.Name, err)
		}
	}
	for _, a := range o.Apps {
		if _, err := s.addApp(a); err != nil {
			return fmt.Errorf("create application %q: %w", a.Label, err)
		}
	}
	return nil
}
