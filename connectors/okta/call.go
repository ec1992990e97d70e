package okta

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/tenurehq/tenure/connectors"
)

// shape is what a successful answer must be.
type shape int

const (
	aList     shape = iota // 200 with a JSON array
	anObject               // 200 with a JSON object
	emptyOK                // 200 with an empty object or nothing, which lifecycle operations answer
	noContent              // 204
)

// call is one action against the API and what is said of it when it fails; the transport finds it in the request's
// context. An action of several requests uses one call for one after the other.
type call struct {
	action string // "create account"
	object string // the native id that the request speaks of, "" for a listing or a create
	secret string // what the request's body holds that no detail may show

	// Set by the transport, request by request.
	want   shape
	writes bool
	next   string    // the target of the answer's link to the next page
	date   time.Time // the answer's Date
}

type callKey struct{}

// do runs one request of the SDK's, whose success must have the shape. The error is the transport's, or says that a
// success cannot be understood.
func (c *call) do(ctx context.Context, want shape, request func(context.Context) error) error {
	c.want, c.next, c.date = want, "", time.Time{}
	err := request(context.WithValue(ctx, callKey{}, c))
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*connectors.Error](err); ok {
		return e
	}
	return c.rubbish(http.StatusOK, errors.New("the answer is not what the API documents"))
}

// fail is an error of this call. Err must not name the URL, whose query may name a person.
func (c *call) fail(kind connectors.Kind, err error) *connectors.Error {
	return &connectors.Error{Kind: kind, Action: c.action, Object: c.object, Detail: err.Error(), Err: err}
}

// rubbish is an answer with a good status that cannot be what it should be. Of a write it proves nothing.
func (c *call) rubbish(status int, err error) *connectors.Error {
	kind := connectors.KindUnavailable
	if c.writes {
		kind = connectors.KindAmbiguous
	}
	e := c.fail(kind, err)
	e.Status = status
	return e
}

// idPattern is what an id may be made of: the SDK puts ids into paths as they are.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// checkID refuses ids that would make the path another one, and "me", which is whoever owns the token (Users API:
// Retrieve a user).
func checkID(c *call, ids ...string) error {
	for _, id := range ids {
		if !idPattern.MatchString(id) || strings.EqualFold(id, "me") {
			return c.fail(connectors.KindInvalid, errors.New("the native id is empty or no id at all"))
		}
	}
	return nil
}

// refusedBecause reports whether Okta refused with one of the codes.
func refusedBecause(err error, codes ...string) bool {
	code, ok := errors.AsType[codeError](err)
	for _, c := range codes {
		if ok && string(code) == c {
			return true
		}
	}
	return false
}
