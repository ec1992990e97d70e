// Package simulator is a SCIM 2.0 server to try connectors and the product against. The protocol is that of
// github.com/elimity-com/scim; the storage, the PATCH semantics, filters, uniqueness, entity-tags and the bearer token are
// this package's. It knows nothing of Tenure, and it is simulated: nothing here proves how a vendor behaves.
//
// What differs from the library, since the library leaves it to its user or strays from the RFCs:
//   - filters are evaluated here: the library leaves escapes in text literals, cannot compare a sub-attribute of a
//     multi-valued attribute (members.value), and refuses id and externalId;
//   - read-only attributes are refused in PATCH too (RFC 7644 §3.5.2), and ServiceProviderConfig tells of entity-tags;
//   - a create answers with a Location (RFC 7644 §3.3).
//
// What is kept of the library's: itemsPerPage repeats the count asked for, booleans as text are refused, a PATCH of a
// group answers 204.
package simulator

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"

	"github.com/elimity-com/scim"
	"github.com/elimity-com/scim/optional"
	"github.com/elimity-com/scim/schema"
)

// maxBody bounds a request's body, in bytes.
const maxBody = 4 << 20

// pageLimit is the most resources a page holds.
const pageLimit = 200

// Options are how a simulator is made.
type Options struct {
	// Token is the bearer token that every SCIM request must carry; required.
	Token string
	// Folder is where the contents are kept, created when missing; empty keeps them in memory.
	Folder string
	// Groups are the display names of groups to create when they are not there.
	Groups []string
}

// Simulator is the server, an http.Handler with the SCIM base URL at its root (and at /v2). It is safe for concurrent use.
type Simulator struct {
	token []byte
	scim  scim.Server
	store *store

	mu       sync.Mutex
	requests map[string]map[string]int
}

// New opens or creates a simulator. With a folder, whatever was answered survives the end of the process, kill -9
// included: each write is handed to the operating system before its answer. It does not wait for the disk, so a crash
// of the machine may lose or spoil the contents.
func New(o Options) (*Simulator, error) {
	if o.Token == "" {
		return nil, errors.New("simulator: a token is required")
	}
	st, err := openStore(o.Folder)
	if err != nil {
		return nil, fmt.Errorf("simulator: open folder: %w", err)
	}
	s := &Simulator{token: []byte("Bearer " + o.Token), store: st, requests: make(map[string]map[string]int)}
	users, groups := userSchema(), groupSchema()
	s.scim, err = scim.NewServer(&scim.ServerArgs{
		ServiceProviderConfig: &scim.ServiceProviderConfig{
			AuthenticationSchemes: []scim.AuthenticationScheme{{Type: scim.AuthenticationTypeOauthBearerToken, Name: "Bearer token"}},
			MaxResults:            pageLimit, SupportFiltering: true, SupportPatch: true,
		},
		ResourceTypes: []scim.ResourceType{
			{
				ID: optional.NewString("User"), Name: "User", Endpoint: "/Users", Schema: users,
				SchemaExtensions: []scim.SchemaExtension{{Schema: schema.ExtensionEnterpriseUser()}},
				Handler:          userHandler{store: st, patcher: patcher{core: users, extensions: []schema.Schema{schema.ExtensionEnterpriseUser()}}},
			},
			{
				ID: optional.NewString("Group"), Name: "Group", Endpoint: "/Groups", Schema: groups,
				Handler: groupHandler{store: st, patcher: patcher{core: groups}},
			},
		},
	})
	if err == nil {
		err = st.ensureGroups(o.Groups)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("simulator: %w", err), st.close())
	}
	return s, nil
}

// Close ends a simulator; requests after it are answered 500.
func (s *Simulator) Close() error { return s.store.close() }

// ServeHTTP serves SCIM, and the counters at GET /_simulator/stats, which need no token.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/_simulator/stats" {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.Stats())
		return
	}
	s.count(r)
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), s.token) != 1 {
		w.Header().Set("WWW-Authenticate", "Bearer")
		writeError(w, http.StatusUnauthorized, "A valid bearer token is required.")
		return
	}
	if strings.TrimPrefix(r.URL.Path, "/v2") == "/ServiceProviderConfig" {
		s.serviceProviderConfig(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	out := &response{ResponseWriter: w}
	s.scim.ServeHTTP(out, r.WithContext(withResponse(r.Context(), out)))
}

// Stats are the requests received since the simulator was opened, refused ones included.
type Stats struct {
	// Requests counts by method, then by kind of resource: "Users", "Groups", or "other".
	Requests map[string]map[string]int `json:"requests"`
}

// Stats reads the counters.
func (s *Simulator) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Stats{Requests: make(map[string]map[string]int, len(s.requests))}
	for method, kinds := range s.requests {
		out.Requests[method] = make(map[string]int, len(kinds))
		maps.Copy(out.Requests[method], kinds)
	}
	return out
}

func (s *Simulator) count(r *http.Request) {
	first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/v2"), "/"), "/")
	if first != "Users" && first != "Groups" {
		first = "other"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requests[r.Method] == nil {
		s.requests[r.Method] = make(map[string]int)
	}
	s.requests[r.Method][first]++
}
