package scim

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tenurehq/tenure/connectors"
)

// maxDetail bounds what is kept of a target's own words.
const maxDetail = 4 << 10

// refusal is the body of an error (RFC 7644 §3.12).
type refusal struct {
	Schemas  []string `json:"schemas"`
	ScimType string   `json:"scimType"`
}

// scim reports whether the body is a SCIM error at all, and not the page of a proxy in front of the target.
func (r refusal) scim() bool {
	for _, s := range r.Schemas {
		if strings.EqualFold(s, messageError) {
			return true
		}
	}
	return false
}

// kindOf classifies a refusal. A write that a gateway gave up on (502, 504 and the non-standard 52x) may have reached
// the target, so it is ambiguous; 500 and 503 come from a server that says it failed. A 404 means "no such object"
// only when it speaks of one object and is a SCIM error: that of a gateway whose target is restarting must never be
// taken for an account that is gone.
func kindOf(status int, r refusal, c call) connectors.Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return connectors.KindThrottled
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return connectors.KindUnauthorized
	case status == http.StatusNotFound, status == http.StatusGone:
		if c.object != "" && r.scim() {
			return connectors.KindNotFound
		}
		return connectors.KindUnavailable
	case status == http.StatusConflict, r.ScimType == "uniqueness":
		return connectors.KindConflict
	case status == http.StatusMethodNotAllowed, status == http.StatusNotImplemented:
		return connectors.KindUnsupported
	case status == http.StatusRequestTimeout, status == http.StatusPreconditionFailed, status == http.StatusTooEarly:
		return connectors.KindUnavailable
	case status >= 400 && status < 500:
		return connectors.KindInvalid
	case status == http.StatusInternalServerError, status == http.StatusServiceUnavailable, status < 400, !c.writes():
		// Below 400 is a redirect: it is never followed, since it would carry the token elsewhere.
		return connectors.KindUnavailable
	default:
		return connectors.KindAmbiguous
	}
}

// shortWait is how long joiners and movers leave a target alone that refuses for their number and does not say for how long:
// Retry-After is optional (RFC 6585 §4).
const shortWait = time.Second

// told is what an answer says of the target's limits.
func told(resp *http.Response) connectors.Told {
	if resp.StatusCode != http.StatusTooManyRequests {
		return connectors.Told{}
	}
	return connectors.Told{Everywhere: true, Stop: retryAfter(resp.Header, time.Now()), Ease: shortWait}
}

// retryAfter reads Retry-After as seconds or as a date (RFC 9110 §10.2.3). A date is taken relative to the answer's own
// Date, so that a clock that is off does no harm. 0 when absent, in the past or unreadable.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(0, at.Sub(now))
}

// detail makes the target's words fit to be stored: bounded, valid UTF-8 without NUL, and without the token should the
// target repeat it.
func detail(body []byte, token string) string {
	s := strings.ToValidUTF8(string(body), "\uFFFD")
	s = strings.ReplaceAll(s, token, "[token]")
	s = strings.ReplaceAll(s, "\x00", "")
	if len(s) <= maxDetail {
		return s
	}
	end := maxDetail
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

func readRefusal(body []byte) refusal {
	var r refusal
	if json.Unmarshal(body, &r) != nil {
		return refusal{}
	}
	return r
}
