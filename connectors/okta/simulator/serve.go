package simulator

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// maxBody bounds a request's body, in bytes.
const maxBody = 1 << 20

// request is a request with its body read, before the lock is taken.
type request struct {
	*http.Request
	query url.Values
	body  []byte
	base  string // the org's URL as the client knows it
}

// answer is what a handler has to say.
type answer struct {
	status int // 0 is 200
	body   any // nil is no body
	next   string
}

// noContent is the answer of most deletions and of memberships.
var noContent = answer{status: http.StatusNoContent}

// empty is the answer of lifecycle operations that have nothing to tell.
var empty = answer{body: struct{}{}}

// route is one operation of the API.
type route struct {
	pattern string // as of http.ServeMux; it is also the operation's name in Stats
	bucket  Bucket
	scope   string // what an access token needs; "" is nothing
	handle  func(*request) (answer, error)
}

const (
	usersRead, usersManage   = "okta.users.read", "okta.users.manage"
	groupsRead, groupsManage = "okta.groups.read", "okta.groups.manage"
	appsRead, appsManage     = "okta.apps.read", "okta.apps.manage"
)

func (s *Simulator) userRoutes() []route {
	return []route{
		{"GET /api/v1/users", BucketUsers, usersRead, s.listUsers},
		{"POST /api/v1/users", BucketUsers, usersManage, s.createUser},
		{"GET /api/v1/users/{id}", BucketGetUser, usersRead, s.getUser},
		{"POST /api/v1/users/{id}", BucketUser, usersManage, s.updateUser},
		{"PUT /api/v1/users/{id}", BucketUser, usersManage, s.replaceUser},
		{"DELETE /api/v1/users/{id}", BucketUser, usersManage, s.deleteUser},
		{"GET /api/v1/users/{id}/groups", BucketUsers, usersRead, s.listUserGroups},
		{"DELETE /api/v1/users/{id}/sessions", BucketUsers, usersManage, s.revokeSessions},
		{"GET /api/v1/users/{id}/clients", BucketUsers, usersRead, s.listUserClients},
		{"GET /api/v1/users/{id}/clients/{clientId}/tokens", BucketUsers, usersRead, s.listRefreshTokens},
		{"GET /api/v1/users/{id}/factors", BucketUsers, usersRead, s.listFactors},
		{"DELETE /api/v1/users/{id}/factors/{factorId}", BucketUsers, usersManage, s.unenrollFactor},

		{"POST /api/v1/users/{id}/lifecycle/activate", BucketUsers, usersManage, s.activateUser},
		{"POST /api/v1/users/{id}/lifecycle/reactivate", BucketUsers, usersManage, s.reactivateUser},
		{"POST /api/v1/users/{id}/lifecycle/deactivate", BucketUsers, usersManage, s.deactivateUser},
		{"POST /api/v1/users/{id}/lifecycle/suspend", BucketUsers, usersManage, s.suspendUser},
		{"POST /api/v1/users/{id}/lifecycle/unsuspend", BucketUsers, usersManage, s.unsuspendUser},
		{"POST /api/v1/users/{id}/lifecycle/unlock", BucketUsers, usersManage, s.unlockUser},
		{"POST /api/v1/users/{id}/lifecycle/reset_factors", BucketUsers, usersManage, s.resetFactors},
		{"POST /api/v1/users/{id}/lifecycle/expire_password", BucketUsers, usersManage, s.expirePassword},
		{"POST /api/v1/users/{id}/lifecycle/reset_password", BucketUsers, usersManage, s.resetPassword},
	}
}

func (s *Simulator) otherRoutes() []route {
	return []route{
		{"POST /oauth2/v1/token", BucketOAuth, "", s.issueToken},
		{"GET /api/v1/org", BucketOther, "okta.orgs.read", s.getOrg},

		{"GET /api/v1/groups", BucketGroups, groupsRead, s.listGroups},
		{"POST /api/v1/groups", BucketGroups, groupsManage, s.createGroup},
		{"GET /api/v1/groups/{id}", BucketGroup, groupsRead, s.getGroup},
		{"PUT /api/v1/groups/{id}", BucketGroup, groupsManage, s.replaceGroup},
		{"DELETE /api/v1/groups/{id}", BucketGroup, groupsManage, s.deleteGroup},
		{"GET /api/v1/groups/{id}/users", BucketGroups, groupsRead, s.listGroupUsers},
		{"PUT /api/v1/groups/{id}/users/{userId}", BucketGroups, groupsManage, s.assignToGroup},
		{"DELETE /api/v1/groups/{id}/users/{userId}", BucketGroups, groupsManage, s.unassignFromGroup},

		{"GET /api/v1/apps", BucketApps, appsRead, s.listApps},
		{"GET /api/v1/apps/{id}", BucketApp, appsRead, s.getApp},
		{"GET /api/v1/apps/{id}/users", BucketApps, appsRead, s.listAppUsers},
		{"POST /api/v1/apps/{id}/users", BucketApps, appsManage, s.assignToApp},
		{"GET /api/v1/apps/{id}/users/{userId}", BucketApps, appsRead, s.getAppUser},
		{"POST /api/v1/apps/{id}/users/{userId}", BucketApps, appsManage, s.updateAppUser},
		{"DELETE /api/v1/apps/{id}/users/{userId}", BucketApps, appsManage, s.unassignFromApp},
	}
}

// routes tells a method that a path does not have (405) from a path that is not there (404).
func (s *Simulator) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, rt := range append(s.userRoutes(), s.otherRoutes()...) {
		mux.Handle(rt.pattern, s.serve(rt))
	}
	mux.Handle("/", s.serve(route{"other", BucketOther, "", func(r *request) (answer, error) {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			other := r.Clone(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != "/" {
				return answer{}, errMethod
			}
		}
		return answer{}, errNoPath
	}}))
	return mux
}

// serve puts what all operations share around one: limits, headers, authentication, the lock and the encoding.
func (s *Simulator) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, raw *http.Request) {
		now := s.now()
		h := w.Header()
		h.Set("Date", now.UTC().Format(http.TimeFormat))
		h.Set("X-Okta-Request-Id", newID("req"))
		h.Set("Cache-Control", "no-cache, no-store")
		s.count(rt.pattern)
		verdict, leave := s.limits.enter(rt.bucket, now)
		defer leave()
		h.Set("X-Rate-Limit-Limit", strconv.Itoa(verdict.limit))
		h.Set("X-Rate-Limit-Remaining", strconv.Itoa(verdict.remaining))
		h.Set("X-Rate-Limit-Reset", strconv.FormatInt(verdict.reset.Unix(), 10))
		if verdict.refused != "" {
			s.hold(verdict.refused)
			writeJSON(w, errRateLimit.status, errRateLimit.body())
			return
		}
		r, status := read(w, raw)
		if status != 0 {
			// Answered by the web server in front of the API, so without Okta's error body.
			w.WriteHeader(status)
			return
		}
		out, err := s.respond(r, rt, h)
		if err != nil {
			writeError(w, err)
			return
		}
		if out.next != "" {
			h.Add("Link", "<"+r.base+r.URL.RequestURI()+`>; rel="self"`)
			if out.next != lastPage {
				h.Add("Link", "<"+r.base+out.next+`>; rel="next"`)
			}
		}
		if out.body == nil {
			w.WriteHeader(max(out.status, http.StatusOK))
			return
		}
		writeJSON(w, max(out.status, http.StatusOK), out.body)
	})
}

// respond authenticates and handles a request as one step.
func (s *Simulator) respond(r *request, rt route, h http.Header) (answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rt.bucket != BucketOAuth {
		if err := s.authenticate(r, rt.scope, h); err != nil {
			return answer{}, err
		}
	}
	if err := s.store.settle(s.now()); err != nil {
		return answer{}, err
	}
	return rt.handle(r)
}

// read reads the body and refuses what never reaches the API. Core Okta API, HTTP verbs: a PUT or POST request without a
// body is answered 411 unless it has the header Content-Length: 0, which one that is sent in chunks cannot have.
func read(w http.ResponseWriter, raw *http.Request) (*request, int) {
	writes := raw.Method == http.MethodPost || raw.Method == http.MethodPut
	if writes && raw.Header.Get("Content-Length") == "" && raw.ContentLength == 0 {
		return nil, http.StatusLengthRequired
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, raw.Body, maxBody))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, http.StatusRequestEntityTooLarge
		}
		return nil, http.StatusBadRequest
	}
	if writes && raw.ContentLength < 0 && len(body) == 0 { // sent in chunks, of which there was none
		return nil, http.StatusLengthRequired
	}
	scheme := "http"
	if raw.TLS != nil {
		scheme = "https"
	}
	return &request{Request: raw, query: raw.URL.Query(), body: body, base: scheme + "://" + raw.Host}, 0
}

// decode reads the JSON body (Core Okta API, Media types: JSON only).
func (r *request) decode(v any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return errMediaType
	}
	if err := json.Unmarshal(r.body, v); err != nil {
		return errBody
	}
	return nil
}

// flag is a Boolean parameter.
func (r *request) flag(name string, otherwise bool) (bool, error) {
	if !r.query.Has(name) {
		return otherwise, nil
	}
	v, err := strconv.ParseBool(r.query.Get(name))
	if err != nil {
		return false, invalid(name, name+": must be true or false")
	}
	return v, nil
}

func writeError(w http.ResponseWriter, err error) {
	if e, ok := errors.AsType[*oauthError](err); ok {
		writeJSON(w, e.status, e.body())
		return
	}
	e, ok := errors.AsType[*apiError](err)
	if !ok {
		e = errInternal
	}
	writeJSON(w, e.status, e.body())
}

// getOrg answers the little of the org's settings that tells that the token works (OrgSettingGeneral: Retrieve the Org
// general settings).
func (s *Simulator) getOrg(*request) (answer, error) {
	return answer{body: map[string]any{"id": "00o1n8sbwArJ7OQRw406", "companyName": "Simulated", "subdomain": "simulated", "status": "ACTIVE"}}, nil
}

// iso is a time as the API writes it (Core Okta API, Media types), and null for none.
func iso(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
