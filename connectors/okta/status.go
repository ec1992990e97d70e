package okta

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tenurehq/tenure/connectors"
)

// maxDetail bounds what is kept of Okta's own words.
const maxDetail = 4 << 10

// Error codes that mean something else than their status (developer.okta.com/docs/reference/error-codes).
const (
	codeValidation  = "E0000001" // also a lifecycle operation that the status does not allow (User Lifecycle API: Suspend a user)
	codeForbidden   = "E0000006" // no permission, and also members of a group that an application manages
	codeNotFound    = "E0000007" // no such object; also a write to a user who is deactivated
	codeActive      = "E0000016" // the user is already active
	codeStatus      = "E0000038" // not allowed in the user's current status
	codeCredentials = "E0000041" // the user signs in elsewhere
	codeUnsupported = "E0000060" // also members of a built-in group
	codeAssigned    = "E0000062" // already assigned to the application
	codeActivating  = "E0000112" // still being activated: try again
)

// forbiddenData are the codes that come with 403 and speak of the data or the user's status, not of the right to ask.
var forbiddenData = map[string]bool{
	codeActive: true, codeStatus: true,
	"E0000017": true, // password reset failed
	"E0000080": true, // the password policy
	"E0000107": true, // not in the expected state
	"E0000117": true, // an inactive user cannot be assigned
}

// uniqueness is how Okta words the cause of a refusal for a value that another has (Core Okta API: Errors).
const uniqueness = "already exists in the current organization"

// refusal is the body of an error (Core Okta API: Errors).
type refusal struct {
	Code   string `json:"errorCode"`
	Causes []struct {
		Summary string `json:"errorSummary"`
	} `json:"errorCauses"`
}

func readRefusal(body []byte) refusal {
	var r refusal
	if json.Unmarshal(body, &r) != nil {
		return refusal{}
	}
	return r
}

func (r refusal) taken() bool {
	for _, cause := range r.Causes {
		if strings.Contains(cause.Summary, uniqueness) {
			return true
		}
	}
	return false
}

// codeError is the code of a refusal, kept as the cause so that refusals of one status can be told apart.
type codeError string

func (c codeError) Error() string { return "errorCode " + string(c) }

// kindOf classifies a refusal. A write that a gateway gave up on (502, 504 and the non-standard 52x) may have reached
// Okta, so it is ambiguous; 500 and 503 come from a server that says it failed. A 404 means "no such object" only with
// Okta's code for that: that of a gateway must never be taken for an account that is gone.
func kindOf(status int, r refusal, writes bool) connectors.Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return connectors.KindThrottled
	case r.Code == codeActivating:
		return connectors.KindUnavailable
	case status == http.StatusForbidden && forbiddenData[r.Code]:
		return connectors.KindInvalid
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return connectors.KindUnauthorized
	case status == http.StatusNotFound, status == http.StatusGone:
		if r.Code == codeNotFound {
			return connectors.KindNotFound
		}
		return connectors.KindUnavailable
	case status == http.StatusConflict, status == http.StatusBadRequest && r.taken():
		return connectors.KindConflict
	case status == http.StatusMethodNotAllowed, status == http.StatusNotImplemented:
		return connectors.KindUnsupported
	case status == http.StatusRequestTimeout, status == http.StatusPreconditionFailed, status == http.StatusLocked, status == http.StatusTooEarly:
		return connectors.KindUnavailable
	case status >= 400 && status < 500:
		return connectors.KindInvalid
	case status == http.StatusInternalServerError, status == http.StatusServiceUnavailable, status < 400, !writes:
		// Below 400 is a redirect: it is never followed, since it would carry the token elsewhere.
		return connectors.KindUnavailable
	default:
		return connectors.KindAmbiguous
	}
}

// A throttled request's shortest wait, which is also that for too many requests at once: the reset is then "only a
// suggested value", and the next one that ends makes room (docs/reference/rl2-monitor).
const shortWait = time.Second

// retryAfter is how long to wait after a 429. Okta's X-Rate-Limit-Reset is the second since 1970, UTC, at which the window
// ends; it is taken relative to the answer's own Date, so that a clock of ours that is off does no harm. Limit and
// remaining are both 0 when too many requests were under way at once (docs/reference/rl2-monitor). Retry-After is what
// a gateway in between sends. 0 when the answer says nothing that can be understood.
func retryAfter(h http.Header) time.Duration {
	if seconds, err := strconv.ParseInt(strings.TrimSpace(h.Get("Retry-After")), 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	l, ok := readLimit(h)
	switch {
	case !ok:
		return 0
	case l.concurrency():
		return shortWait
	default:
		return max(shortWait, l.reset)
	}
}

// detail makes Okta's words fit to be stored: bounded, valid UTF-8 without NUL, and without secrets should they be
// repeated.
func detail(body []byte, secrets ...string) string {
	s := strings.ToValidUTF8(string(body), "\uFFFD")
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "[secret]")
		}
	}
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
