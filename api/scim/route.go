package scim

import (
	"context"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/internal/scim"
)

// enter is what every request passes, also one that no route matches: it finds out what the path means, who asks, and
// whether they ask too often. Nothing is answered before that but the ServiceProviderConfig and a request for a token.
func (s *server) enter(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			body := &unread{ReadCloser: r.Body}
			r.Body = body
			defer body.drain(w, r)
		}
		at := chi.RouteContext(r.Context())
		path, readable := plainPath(r.URL.Path)
		at.RoutePath = path
		if err := s.admit(w, r, path); err != nil {
			s.fail(w, r, err)
			return
		}
		if !readable {
			s.fail(w, r, scim.Errorf(http.StatusBadRequest, scim.InvalidSyntax, "The path is not UTF-8 text without U+0000."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// plainPath is the path below Root with its escapes resolved, so that "/%55sers" is "/Users" (RFC 3986, section 6.2.2.2),
// and without one slash at its end: clients ask for "/Users/?filter=…".
func plainPath(path string) (string, bool) {
	path = strings.TrimPrefix(path, Root)
	if len(path) > 1 && strings.HasSuffix(path, "/") {
		path = path[:len(path)-1]
	}
	if path == "" {
		path = "/"
	}
	return path, utf8.ValidString(path) && strings.IndexByte(path, 0) < 0
}

// admit authenticates a request. RFC 7643, section 5: how to authenticate should be found out without doing it; who does
// must do it right.
func (s *server) admit(w http.ResponseWriter, r *http.Request, path string) error {
	authorization := r.Header.Get("Authorization")
	if authorization == "" && path == configPath || path == tokenPath {
		return nil
	}
	if err := s.tokens.Authenticate(r.Context(), authorization, access.ScopeSCIM); err != nil {
		return err
	}
	if wait := s.pace.wait(access.From(r.Context()).Token.ID); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(wait))
		return scim.Errorf(http.StatusTooManyRequests, "", "The token sends too many requests. Retry-After says how many seconds to wait.")
	}
	return nil
}

// pace holds each token to the limit.
type pace struct {
	limit Limit

	mu      sync.Mutex
	byToken map[uuid.UUID]*rate.Limiter
}

func newPace(limit Limit) *pace {
	if limit.PerSecond == 0 {
		limit.PerSecond = defaultLimit
	}
	if limit.Burst == 0 {
		limit.Burst = defaultLimit
	}
	return &pace{limit: limit, byToken: map[uuid.UUID]*rate.Limiter{}}
}

// wait takes a request into account and answers how many seconds are to be waited before it; 0 lets it in.
func (p *pace) wait(token uuid.UUID) int {
	p.mu.Lock()
	limiter := p.byToken[token]
	if limiter == nil {
		limiter = rate.NewLimiter(p.limit.PerSecond, p.limit.Burst)
		p.byToken[token] = limiter
	}
	p.mu.Unlock()
	now := time.Now()
	reservation := limiter.ReserveN(now, 1)
	delay := reservation.DelayFrom(now)
	if delay <= 0 {
		return 0
	}
	reservation.CancelAt(now)
	return int(math.Ceil(delay.Seconds()))
}

// route adds a path with its methods; others are answered 405 with those in Allow (RFC 9110, section 15.5.6). What has GET
// has HEAD (section 9.1): net/http leaves out the content.
func (s *server) route(r chi.Router, pattern string, by methods) {
	if get, ok := by[http.MethodGet]; ok {
		by[http.MethodHead] = get
	}
	allow := strings.Join(slices.Sorted(maps.Keys(by)), ", ")
	r.HandleFunc(pattern, s.handle(func(c call, w http.ResponseWriter, r *http.Request) error {
		if h, ok := by[r.Method]; ok {
			return h(c, w, r)
		}
		w.Header().Set("Allow", allow)
		return scim.Errorf(http.StatusMethodNotAllowed, "", "This endpoint has no method %s; it has %s.", r.Method, allow)
	}))
}

// handle tells a handler who asks, and answers its error.
func (s *server) handle(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := call{server: s, org: access.Org(r.Context()), base: baseOf(r)}
		if token := access.From(r.Context()).Token; token != nil {
			c.dialect = access.DialectOf(token.Scopes)
		}
		if err := h(c, w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// baseOf is the URL of Root as the client reached it. A proxy that ends TLS says so; what it says shows in the answer to this
// request only.
func baseOf(r *http.Request) string {
	forwarded, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	if r.TLS != nil || strings.EqualFold(forwarded, "https") {
		return "https://" + r.Host + Root
	}
	return "http://" + r.Host + Root
}

// idOf is the id in a path. Ids are compared exactly (RFC 7643, section 3.1).
func idOf(r *http.Request) (uuid.UUID, error) { return parseID(chi.URLParam(r, "id")) }

func parseID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil || id.String() != text {
		return id, scim.Errorf(http.StatusNotFound, "", "There is no resource of this id.")
	}
	return id, nil
}

// queryOf reads the query. Some clients leave the semicolon as it is.
func queryOf(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, ";", "%3B"))
	if err != nil {
		return nil, scim.Errorf(http.StatusBadRequest, scim.InvalidSyntax, "The query is malformed: a %% must be followed by two hexadecimal digits.")
	}
	for _, values := range query {
		for _, v := range values {
			if !utf8.ValidString(v) || strings.IndexByte(v, 0) >= 0 {
				return nil, scim.Errorf(http.StatusBadRequest, scim.InvalidValue, "A parameter is not UTF-8 text without U+0000.")
			}
		}
	}
	return query, nil
}

// answer writes a whole answer.
func answer(w http.ResponseWriter, status int, body []byte) error {
	w.Header().Set("Content-Type", ContentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone away
	return nil
}

// logs says whether an error is to be told to the operator.
func logs(ctx context.Context, status int) bool {
	return status >= http.StatusInternalServerError && status != http.StatusNotImplemented && ctx.Err() == nil
}
