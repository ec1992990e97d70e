// Package simulator is an Entra ID tenant to try connectors and the product against: the token endpoint of the Microsoft
// identity platform and the part of Microsoft Graph REST v1.0 that a joiner, mover and leaver need. It obeys what the
// vendor documents (the page stands beside each behaviour, as its path under learn.microsoft.com) and refuses what the
// vendor refuses. It is simulated: nothing here proves how the vendor's service behaves on the day.
//
// It knows nothing of Tenure.
package simulator

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options are how a simulator is made.
type Options struct {
	// TenantID and ClientID are those of the only tenant and its only registered application; required.
	TenantID, ClientID string
	// ClientSecret is the application's secret; required, and also what access tokens are signed with.
	ClientSecret string
	// ClientCertificates may sign client assertions instead of the secret. Their keys must be RSA keys.
	ClientCertificates []*x509.Certificate
	// Permissions are the application permissions that were granted, "User.ReadWrite.All" and the like; nil is all. An
	// operation without one that it needs answers 403.
	Permissions []string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Folder is where the contents are kept, created when missing; empty keeps them in memory.
	Folder string
	// Groups, Licences and AppRoles are created when no object has their name, SKU or application yet.
	Groups   []Group
	Licences []Licence
	AppRoles []Application
	// ReadLag is how long a new user or group answers 404 and is missing from lists, filters and changes.
	ReadLag time.Duration
	// RevocationLag is how long revokeSignInSessions takes to show and to end refresh tokens.
	RevocationLag time.Duration
	// SearchLag is how far the index that serves ConsistencyLevel: eventual is behind.
	SearchLag time.Duration
	// Quota is when requests are throttled.
	Quota Quota
}

// Group is a security group.
type Group struct {
	DisplayName string
	// Rule makes the group dynamic: `user.<property> -eq "<value>"` for a property that is text. Membership of a dynamic
	// group cannot be written.
	Rule string
}

// Licence is a subscription to a product (subscribedSku).
type Licence struct {
	SkuPartNumber string
	SkuID         string // a GUID
	Seats         int    // prepaidUnits.enabled
}

// Application is an enterprise application (service principal) with its app roles.
type Application struct {
	ID          string // the service principal's object id, a GUID
	DisplayName string
	Roles       []AppRole
}

// AppRole is what an application lets users be.
type AppRole struct {
	ID    string // a GUID
	Value string
}

// Simulator is the server, an http.Handler with the token endpoint at /{tenant}/oauth2/v2.0/token and Graph at /v1.0.
// It is safe for concurrent use.
type Simulator struct {
	options Options
	now     func() time.Time
	store   *store
	limits  *throttle

	mu    sync.Mutex
	stats Stats
	round int // of answers that alternate: see delta and batch
}

// New opens or creates a simulator. With a folder, whatever was answered survives the end of the process, kill -9
// included: each write is handed to the operating system before its answer. It does not wait for the disk, so a crash
// of the machine may lose or spoil the contents. Access tokens survive too; what was counted does not.
func New(o Options) (*Simulator, error) {
	if o.TenantID == "" || o.ClientID == "" || o.ClientSecret == "" {
		return nil, errors.New("simulator: a tenant id, a client id and a client secret are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	now := func() time.Time { return o.Now().UTC() }
	st, err := openStore(o.Folder, o, now)
	if err != nil {
		return nil, fmt.Errorf("simulator: open folder: %w", err)
	}
	s := &Simulator{options: o, now: now, store: st, limits: newThrottle(o.Quota, now), stats: Stats{Calls: map[string]int{}}}
	for _, g := range o.Groups {
		if _, err := s.AddGroup(g); err != nil {
			return nil, errors.Join(fmt.Errorf("simulator: group %q: %w", g.DisplayName, err), st.close())
		}
	}
	return s, nil
}

// Close ends a simulator; writes after it are answered 500.
func (s *Simulator) Close() error { return s.store.close() }

// ServeHTTP serves the identity platform, Graph, and without a token GET /_simulator/stats, GET /_simulator/users and what
// people do (person.go); these count nowhere.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case path == "/_simulator/stats":
		writeJSON(w, http.StatusOK, s.Stats())
	case path == "/_simulator/users":
		writeJSON(w, http.StatusOK, s.Users())
	case strings.HasPrefix(path, "/_simulator/users/"):
		s.person(w, r)
	case path == "/v1.0" || strings.HasPrefix(path, "/v1.0/"):
		s.graph(w, r)
	default:
		s.identityPlatform(w, r)
	}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller has gone
}

// alternate counts up; every other answer of some kinds differs, so that a client meets both forms.
func (s *Simulator) alternate() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.round++
	return s.round%2 == 1
}
