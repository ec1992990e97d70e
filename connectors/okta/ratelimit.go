package okta

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tenurehq/tenure/connectors"
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

// class names the operations that Okta counts together, finer where in doubt: two names for what is counted as one learn
// of each other by what is left. They are those of Okta's own Terraform provider (rate_limit_lines.go): what belongs to one
// user counts with the list of users.
func class(req *http.Request) string {
	parts := strings.Split(strings.TrimPrefix(req.URL.Path, "/api/v1/"), "/")
	switch {
	case parts[0] == "users" && len(parts) == 2 && req.Method == http.MethodGet:
		return "GET users/{id}"
	case len(parts) == 2:
		return parts[0] + "/{id}"
	default:
		return parts[0]
	}
}

// told is what an answer says of Okta's limits. Where a 429 is not about a window of requests, it goes for all: too many at
// once, or a gateway's.
func told(resp *http.Response) connectors.Told {
	var t connectors.Told
	l, ok := readLimit(resp.Header)
	if ok && !l.concurrency() {
		t.Limit, t.Remaining, t.Reset = l.limit, l.remaining, l.reset
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		t.Stop = retryAfter(resp.Header)
		t.Everywhere = t.Limit == 0 || resp.Header.Get("Retry-After") != ""
		if t.Stop == 0 {
			t.Ease = shortWait
		}
	}
	return t
}
