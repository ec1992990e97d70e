package simulator

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Bucket is a set of operations that share one count of requests a minute (developer.okta.com/docs/reference/rate-limits).
type Bucket string

// The buckets. Which operation counts where is as in Okta's own Terraform provider (rate_limit_lines.go): all that
// belongs to one user counts as BucketUsers, and all that belongs to a group or an application as BucketGroups and
// BucketApps, memberships and assignments included.
const (
	BucketUsers   Bucket = "/api/v1/users"
	BucketGetUser Bucket = "GET /api/v1/users/{id}"
	BucketUser    Bucket = "/api/v1/users/{id}"
	BucketGroups  Bucket = "/api/v1/groups"
	BucketGroup   Bucket = "/api/v1/groups/{id}"
	BucketApps    Bucket = "/api/v1/apps"
	BucketApp     Bucket = "/api/v1/apps/{id}"
	BucketOAuth   Bucket = "/oauth2/v1"
	BucketOther   Bucket = "/api/v1"

	// AllBuckets stands in Options.Limits for every bucket that is not named there.
	AllBuckets Bucket = "*"
)

// DefaultLimits are the published limits of a Workforce Identity org in requests a minute (developer.okta.com,
// reference/rl-global-mgmt as of May 2025; since then the figures stand in the Admin Console only).
func DefaultLimits() map[Bucket]int {
	return map[Bucket]int{
		BucketUsers: 600, BucketGetUser: 2000, BucketUser: 600, BucketGroups: 500, BucketGroup: 1000,
		BucketApps: 100, BucketApp: 500, BucketOAuth: 2000, BucketOther: 1200,
	}
}

const (
	// window is how long a bucket counts (rate-limits, How rate limiting works).
	window = time.Minute
	// defaultConcurrency is that of Workforce Identity (rl2-concurrency).
	defaultConcurrency = 75
	// unlimited is what headers tell where there is no limit.
	unlimited = 1 << 30
)

// limiter counts requests by bucket and those under way.
type limiter struct {
	limits      map[Bucket]int
	concurrency int

	mu      sync.Mutex
	windows map[Bucket]*counter
	inside  int
}

type counter struct {
	reset time.Time
	used  int
}

// verdict is what the headers tell, and which limit refused the request: "", a bucket or "concurrency".
type verdict struct {
	limit, remaining int
	reset            time.Time
	refused          string
}

func newLimiter(wanted map[Bucket]int, concurrency int) (*limiter, error) {
	l := &limiter{limits: DefaultLimits(), concurrency: concurrency, windows: make(map[Bucket]*counter)}
	for bucket := range wanted {
		if _, known := l.limits[bucket]; !known && bucket != AllBuckets {
			return nil, fmt.Errorf("no rate limit bucket %q", bucket)
		}
	}
	for bucket := range l.limits {
		n := wanted[bucket]
		if n == 0 {
			n = wanted[AllBuckets]
		}
		switch {
		case n > 0:
			l.limits[bucket] = n
		case n < 0:
			l.limits[bucket] = unlimited
		}
	}
	switch {
	case concurrency == 0:
		l.concurrency = defaultConcurrency
	case concurrency < 0:
		l.concurrency = unlimited
	}
	return l, nil
}

// enter counts a request in. A window starts with the first request after the one before has ended, so it is not in step
// with the clock's minutes (rate-limits); it ends on a whole second, which is what the header can tell. When too many are
// under way, limit and remaining are 0 and the reset is a guess (rl2-monitor).
func (l *limiter) enter(bucket Bucket, now time.Time) (verdict, func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inside >= l.concurrency {
		return verdict{reset: now.Add(time.Second), refused: Concurrency}, func() {}
	}
	c := l.windows[bucket]
	if c == nil || !now.Before(c.reset) {
		c = &counter{reset: now.Truncate(time.Second).Add(window)}
		l.windows[bucket] = c
	}
	v := verdict{limit: l.limits[bucket], reset: c.reset}
	if c.used >= v.limit {
		v.refused = string(bucket)
		return v, func() {}
	}
	c.used++
	l.inside++
	v.remaining = v.limit - c.used
	return v, l.leave
}

func (l *limiter) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inside--
}

// Concurrency is the key in Stats.Throttled of requests refused because too many were under way.
const Concurrency = "concurrency"

// Stats are the requests received since the simulator was opened.
type Stats struct {
	// Calls counts all requests, refused ones included, by method and route, as "PUT /api/v1/groups/{id}/users/{userId}";
	// those to no known route are "other".
	Calls map[string]int `json:"calls"`
	// Throttled counts those answered 429 by Bucket, or Concurrency.
	Throttled map[string]int `json:"throttled"`
}

func (s *Simulator) count(pattern string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[pattern]++
}

func (s *Simulator) hold(limit string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[limit]++
}

var _ http.Handler = (*Simulator)(nil)
