package entra

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	kiotajson "github.com/microsoft/kiota-serialization-json-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"

	"github.com/tenurehq/tenure/connectors"
)

// maxDetail bounds what is kept of the vendor's own words.
const maxDetail = 4 << 10

// defaultRetryAfter stands in for a Retry-After that a 429 sometimes lacks (graph/throttling). The directory counts in
// windows of ten seconds (graph/throttling-limits, "Identity and access service limits").
const defaultRetryAfter = 10 * time.Second

// refusal is what a Graph error says (graph/errors). The zero value is a body that is none, such as a gateway's page.
type refusal struct {
	code    string
	message string
	details []string // codes
}

// codePattern is what a code looks like. What does not might be anything, so that it is not kept.
var codePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]{0,63}$`)

func readRefusal(body []byte) (r refusal) {
	node, err := kiotajson.NewJsonParseNode(body)
	if err != nil {
		return refusal{}
	}
	parsed, err := node.GetObjectValue(odataerrors.CreateODataErrorFromDiscriminatorValue)
	if err != nil {
		return refusal{}
	}
	odata, ok := parsed.(*odataerrors.ODataError)
	if !ok || odata == nil || odata.GetErrorEscaped() == nil {
		return refusal{}
	}
	e := odata.GetErrorEscaped()
	if code := e.GetCode(); code != nil && codePattern.MatchString(*code) {
		r.code = *code
	}
	if message := e.GetMessage(); message != nil {
		r.message = *message
	}
	for _, d := range e.GetDetails() {
		if d != nil && d.GetCode() != nil {
			r.details = append(r.details, *d.GetCode())
		}
	}
	return r
}

// codeError is the vendor's code, kept as the cause.
type codeError string

func (c codeError) Error() string { return string(c) }

// explanation is the cause of a refusal in our words: they stand before the vendor's in the detail.
type explanation string

func (e explanation) Error() string { return string(e) }

// The refusals that are told apart. The vendor has one code for all of them (Request_BadRequest), so that they are told
// by words of the message.
const (
	errHeldAlready  = explanation("the account has it already")
	errNotHeld      = explanation("the account does not have it")
	errNoSeat       = explanation("no seat of the licence is left: buy one or free one, then retry")
	errNoLocation   = explanation("a licence needs the account's usageLocation, which it does not have (yet): map it, then retry")
	errInherited    = explanation("the licence comes from a group: take the account out of the group")
	errUnique       = explanation("another object has this value")
	errSynchronized = explanation("the object is kept by a directory on the premises: change it there")
	errMailGroup    = explanation("mail-enabled security groups and distribution lists are kept by Exchange: change it there")
	errExpired      = explanation("the token has expired: read everything anew")
)

// sayings are words of messages, in lower case, and what they mean.
var sayings = []struct {
	words string
	kind  connectors.Kind
	cause error
}{
	{"added object references already exist", connectors.KindConflict, errHeldAlready},    // graph/api/group-post-members
	{"permission being assigned already exists", connectors.KindConflict, errHeldAlready}, // graph/api/user-post-approleassignments
	{"does not have a corresponding license", connectors.KindInvalid, errNotHeld},         // graph/api/user-assignlicense
	{"does not have any available licenses", connectors.KindInvalid, errNoSeat},           // the same
	// Not for good: a usageLocation that was just written may not have come to where licences are assigned
	// (answers/questions/5984903). A caller tries again for a while, as with an account that is not shown yet.
	{"invalid usage location", connectors.KindNotFound, errNoLocation},                         // entra/identity/users/licensing-groups-resolve-problems
	{"license is inherited from a group", connectors.KindInvalid, errInherited},                // the same
	{"with the same value for property", connectors.KindConflict, errUnique},                   // graph/api/user-post-users
	{"on-premises mastered directory sync objects", connectors.KindInvalid, errSynchronized},   // graph/api/user-update
	{"originated within an external service", connectors.KindInvalid, errSynchronized},         // graph/api/group-post-members
	{"mail-enabled security groups and or distribution", connectors.KindInvalid, errMailGroup}, // graph/api/group-post-members
}

// kindOf classifies a refusal. A write that a gateway gave up on (502, 504) may have reached the directory, so it is
// ambiguous; 500 and 503 come from a server that says it failed. A 404 means "no such object" only when it speaks of one
// object and is a Graph error: that of a gateway must never be taken for an account that is gone.
func kindOf(status int, r refusal, c call) (connectors.Kind, error) {
	message := strings.ToLower(r.message)
	for _, s := range sayings {
		if status == http.StatusBadRequest && r.code != "" && strings.Contains(message, s.words) {
			return s.kind, s.cause
		}
	}
	var cause error
	if r.code != "" {
		cause = codeError(r.code)
	}
	switch {
	case slices.Contains(r.details, "ObjectConflict"):
		return connectors.KindConflict, errUnique
	case status == http.StatusGone && r.code != "", r.code == "resyncRequired", r.code == "syncStateNotFound":
		return connectors.KindInvalid, errExpired
	case r.code == "Directory_QuotaExceeded":
		return connectors.KindInvalid, cause
	}
	return kindOfStatus(status, r, c), cause
}

func kindOfStatus(status int, r refusal, c call) connectors.Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return connectors.KindThrottled
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return connectors.KindUnauthorized
	case status == http.StatusNotFound, status == http.StatusGone:
		if c.object != "" && r.code != "" {
			return connectors.KindNotFound
		}
		return connectors.KindUnavailable
	case status == http.StatusConflict:
		return connectors.KindConflict
	case status == http.StatusMethodNotAllowed, status == http.StatusNotImplemented:
		return connectors.KindUnsupported
	case status == http.StatusRequestTimeout, status == http.StatusPreconditionFailed, status == http.StatusTooEarly,
		status == http.StatusLocked, status == http.StatusFailedDependency:
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

// refused makes the error of a refusal, that of a batch's step included.
func (cl *client) refused(c call, status int, header http.Header, body []byte, token string) *connectors.Error {
	kind, cause := kindOf(status, readRefusal(body), c)
	e := &connectors.Error{
		Kind: kind, Action: c.action, Object: c.subject(), Status: status, Err: cause,
		Detail: detail(body, slices.Concat(cl.secrets, []string{token})), RetryAfter: retryAfter(header, time.Now()),
	}
	if why, ok := errors.AsType[explanation](cause); ok {
		e.Detail = detail([]byte(string(why)+". "+e.Detail), nil)
	}
	if kind == connectors.KindThrottled && e.RetryAfter == 0 {
		e.RetryAfter = defaultRetryAfter
	}
	return e
}

// transportError is the failure of a request that got no answer. Before its head was written nothing can have been
// done (refused or failed dial, TLS, name look-up, a deadline that passed in the queue); after that a write is ambiguous.
func (c call) transportError(err error, sent bool) *connectors.Error {
	// url.Error's text holds the URL with the query.
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if sent && c.writes() {
		return c.fail(connectors.KindAmbiguous, err)
	}
	return c.fail(connectors.KindUnavailable, err)
}

// withoutToken is a request that was not made, because the authority gave no token. Nothing has been done.
func (cl *client) withoutToken(ctx context.Context, c call, err error) *connectors.Error {
	if ctx.Err() != nil {
		return c.fail(connectors.KindUnavailable, ctx.Err())
	}
	e := c.fail(connectors.KindUnavailable, errNoToken)
	e.Detail = detail([]byte(err.Error()), cl.secrets)
	failed, ok := errors.AsType[*azidentity.AuthenticationFailedError](err)
	if !ok || failed.RawResponse == nil {
		return e
	}
	e.Status = failed.RawResponse.StatusCode
	switch {
	case e.Status == http.StatusTooManyRequests:
		e.Kind = connectors.KindThrottled
		if e.RetryAfter = retryAfter(failed.RawResponse.Header, time.Now()); e.RetryAfter == 0 {
			e.RetryAfter = defaultRetryAfter
		}
	case e.Status >= 400 && e.Status < 500 && e.Status != http.StatusNotFound && e.Status != http.StatusRequestTimeout:
		// entra/identity-platform/reference-error-codes: a wrong secret is 401, a wrong tenant or application is 400.
		e.Kind = connectors.KindUnauthorized
	}
	return e
}

var errNoToken = errors.New("the authority gave no token")

// retryAfter reads Retry-After as seconds, of which Graph gives fractions too (graph/throttling, "Sample response"), or as a
// date (RFC 9110 §10.2.3). A date is taken relative to the answer's own
// Date, so that a clock that is off does no harm. 0 when absent, in the past or unreadable.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		if !(seconds > 0 && seconds < math.MaxInt32) {
			return 0
		}
		return time.Duration(seconds * float64(time.Second))
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

// detail makes the vendor's words fit to be stored: bounded, valid UTF-8 without NUL, and without a secret or token
// should the vendor repeat it.
func detail(body []byte, secrets []string) string {
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
