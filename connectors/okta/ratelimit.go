package okta

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// rateLimit is what an answer's headers say (docs/reference/rl2-monitor).
type rateLimit struct {
	limit, remaining int
	reset            time.Duration // from the answer's Date on
}

// concurrency reports whether the headers speak of too many requests at once, not of a window.
func (l rateLimit) concurrency() bool { return l.limit == 0 && l.remaining == 0 }

func readLimit(h http.Header) (rateLimit, bool) {
	number := func(name string) (int64, bool) {
		n, err := strconv.ParseInt(strings.TrimSpace(h.Get(name)), 10, 64)
		return n, err == nil && n >= 0
	}
	limit, okLimit := number("X-Rate-Limit-Limit")
	remaining, okRemaining := number("X-Rate-Limit-Remaining")
	reset, okReset := number("X-Rate-Limit-Reset")
	date, err := http.ParseTime(h.Get("Date"))
	if !okLimit || !okRemaining || !okReset || err != nil {
		return rateLimit{}, false
	}
	return rateLimit{int(limit), int(remaining), max(0, time.Unix(reset, 0).Sub(date))}, true
}

// limits keeps the newest rate limit that an answer told.
type limits struct {
	mu    sync.Mutex
	seen  bool
	limit rateLimit
	at    time.Time // when it was told, by our clock: only the time since then is used
}

func (l *limits) note(h http.Header) {
	told, ok := readLimit(h)
	if !ok || told.concurrency() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen, l.limit, l.at = true, told, time.Now()
}

func (l *limits) last() (limit, remaining int, reset time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.seen {
		return 0, 0, 0, false
	}
	return l.limit.limit, l.limit.remaining, max(0, l.limit.reset-time.Since(l.at)), true
}
