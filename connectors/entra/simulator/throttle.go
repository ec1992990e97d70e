package simulator

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Quota is when requests are throttled (graph/throttling-limits, "Identity and access service limits").
type Quota struct {
	// ResourceUnits per 10 s: SmallTenant and the like, or any other number. 0 is SmallTenant; negative is no limit.
	ResourceUnits int
	// Writes per 2 minutes and 30 seconds. 0 is 3,000; negative is no limit.
	Writes int
	// RetryAfterSometimes leaves Retry-After out of every other 429; otherwise all have it.
	RetryAfterSometimes bool
}

// The published limits of an application by the size of the tenant, in resource units per 10 s.
const (
	SmallTenant  = 3500 // under 50 users
	MediumTenant = 5000 // 50 to 500 users
	LargeTenant  = 8000 // above 500 users
)

// The limit that does not depend on the size, and the times that the limits are for.
const (
	unitsPeriod      = 10 * time.Second
	allTenantsWrites = 3000
	writesPeriod     = 150 * time.Second
)

// bucket is a token bucket.
type bucket struct {
	size   float64 // 0 is no limit
	period time.Duration
	level  float64
	at     time.Time
}

func newBucket(wish, published int, period time.Duration, now time.Time) bucket {
	switch {
	case wish < 0:
		return bucket{}
	case wish == 0:
		wish = published
	}
	return bucket{size: float64(wish), period: period, level: float64(wish), at: now}
}

// take fills up, then takes the cost, or all that there is: a request that is throttled is logged as use too, so that
// trying again at once makes it last (graph/throttling).
func (b *bucket) take(cost int, now time.Time) (wait time.Duration, taken bool) {
	if b.size == 0 {
		return 0, true
	}
	perSecond := b.size / b.period.Seconds()
	b.level = min(b.size, b.level+perSecond*max(0, now.Sub(b.at).Seconds()))
	b.at = now
	if b.level >= float64(cost) {
		b.level -= float64(cost)
		return 0, true
	}
	b.level = 0
	return time.Duration(float64(cost) / perSecond * float64(time.Second)), false
}

// used is the share of the limit that is used up.
func (b *bucket) used() float64 {
	if b.size == 0 {
		return 0
	}
	return 1 - b.level/b.size
}

type throttle struct {
	mu        sync.Mutex
	now       func() time.Time
	units     bucket
	writes    bucket
	sometimes bool
	refused   int
}

func newThrottle(q Quota, now func() time.Time) *throttle {
	return &throttle{
		now: now, sometimes: q.RetryAfterSometimes,
		units:  newBucket(q.ResourceUnits, SmallTenant, unitsPeriod, now()),
		writes: newBucket(q.Writes, allTenantsWrites, writesPeriod, now()),
	}
}

// cost applies the factors of graph/throttling-limits to the base cost; it is never below 1.
func cost(r route, q query) int {
	units := max(1, r.units)
	if q.selected != nil {
		units--
	}
	if q.expand != "" {
		units++
	}
	if q.top > 0 && q.top < 20 {
		units--
	}
	return max(1, units)
}

// charge takes a request's cost from the limits, or refuses it with 429.
func (s *Simulator) charge(w http.ResponseWriter, r *http.Request, found route, q query) error {
	units := cost(found, q)
	l := s.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	reason, limit := "ResourceUnitLimitExceeded", "ReadWrite"
	wait, taken := l.units.take(units, now)
	if taken && r.Method != http.MethodGet {
		if wait, taken = l.writes.take(1, now); !taken {
			reason, limit = "WriteLimitExceeded", "Write"
		}
	}
	if taken {
		w.Header().Set("X-Ms-Resource-Unit", strconv.Itoa(units))
		if used := max(l.units.used(), l.writes.used()); used > 0.8 {
			w.Header().Set("X-Ms-Throttle-Limit-Percentage", strconv.FormatFloat(used, 'f', 2, 64))
		}
		return nil
	}
	s.countThrottled()
	l.refused++
	e := refuse(http.StatusTooManyRequests, "TooManyRequests", "Too many requests.")
	e.header = map[string]string{
		"X-Ms-Throttle-Information": reason,
		"X-Ms-Throttle-Scope":       fmt.Sprintf("Tenant_Application/%s/%s/%s", limit, s.options.ClientID, s.options.TenantID),
	}
	if !l.sometimes || l.refused%2 == 1 {
		e.header["Retry-After"] = strconv.Itoa(int(math.Ceil(max(1, wait.Seconds()))))
	}
	return e
}
