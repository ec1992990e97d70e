// Package problem is the one place that turns errors into HTTP answers: problem details as RFC 9457 defines them. It
// owns which code has which status and what of an error a caller may see; it knows no route and no rule of the domain.
package problem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
)

// ContentType is the media type of every error's body (RFC 9457, section 3).
const ContentType = "application/problem+json"

// Problem is an error as the caller sees it.
type Problem struct { //nolint:errname // the name is RFC 9457's
	Title  string        `json:"title" doc:"the status in words"`
	Status int           `json:"status" doc:"the HTTP status"`
	Detail string        `json:"detail,omitempty" doc:"what was wrong with this request, and what to do"`
	Code   identity.Code `json:"code" enum:"invalid,not_found,conflict,unauthorized,forbidden,too_large,unavailable,internal"`
	Errors []Field       `json:"errors,omitempty" doc:"one entry for each field that is wrong"`
}

// Field is one thing wrong in the input.
type Field struct {
	Field   string `json:"field,omitempty" doc:"the field or parameter, such as data.lastDay"`
	Pointer string `json:"pointer,omitempty" doc:"the same as a JSON pointer into the body, such as #/data/lastDay"`
	File    string `json:"file,omitempty" doc:"of a policy"`
	Line    int    `json:"line,omitempty" doc:"in the file, from 1"`
	Detail  string `json:"detail"`
}

// Error is the problem's detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus tells huma the status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType tells huma the media type.
func (p *Problem) ContentType(string) string { return ContentType }

// GetHeaders tells huma the headers that go with the status.
func (p *Problem) GetHeaders() http.Header {
	headers := http.Header{}
	p.setHeaders(headers)
	return headers
}

func (p *Problem) setHeaders(headers http.Header) {
	if p.Code == identity.Unauthorized {
		headers.Set("WWW-Authenticate", "Bearer") // RFC 9110, section 11.6.1; RFC 6750, section 3
	}
	if p.Code == identity.Unavailable {
		headers.Set("Retry-After", strconv.Itoa(retryAfter))
	}
}

// retryAfter is how many seconds a caller should wait when something that we depend on is down.
const retryAfter = 2

var statuses = map[identity.Code]int{
	identity.Invalid:      http.StatusBadRequest,
	identity.NotFound:     http.StatusNotFound,
	identity.Conflict:     http.StatusConflict,
	identity.Unauthorized: http.StatusUnauthorized,
	identity.Forbidden:    http.StatusForbidden,
	identity.TooLarge:     http.StatusRequestEntityTooLarge,
	identity.Unavailable:  http.StatusServiceUnavailable,
	identity.Internal:     http.StatusInternalServerError,
}

// Status is the HTTP status of a code.
func Status(code identity.Code) int { return statuses[code] }

// New makes a problem of a code.
func New(code identity.Code, detail string) *Problem {
	return &Problem{Title: http.StatusText(statuses[code]), Status: statuses[code], Detail: detail, Code: code}
}

// From turns an error into a problem. What is a fault of ours is told as nothing more than that; the caller of From logs
// the error.
func From(err error) *Problem {
	if already, ok := errors.AsType[*Problem](err); ok {
		return already
	}
	if problems, ok := errors.AsType[policy.Problems](err); ok {
		return ofPolicy(problems)
	}
	err = store.Classify(err)
	found := leaves(err)
	if len(found) == 0 {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return New(identity.Unavailable, "the request was not answered in time: send it again")
		}
		return New(identity.Internal, "a fault of ours; the log has it under this request's id")
	}
	p := New(found[0].Code, found[0].Message)
	for _, e := range found {
		if e.Field != "" {
			p.Errors = append(p.Errors, Field{Field: e.Field, Pointer: pointer(e.Field), Detail: e.Message})
		}
	}
	if len(p.Errors) > 0 {
		p.Detail = p.Errors[0].Field + ": " + p.Errors[0].Detail
	}
	return p
}

// leaves are the identity.Errors in err's tree: several when an input has several things wrong.
func leaves(err error) []*identity.Error {
	//nolint:errorlint // this walks the tree itself
	switch e := err.(type) {
	case nil:
		return nil
	case *identity.Error:
		return []*identity.Error{e}
	case interface{ Unwrap() []error }:
		var all []*identity.Error
		for _, inner := range e.Unwrap() {
			all = append(all, leaves(inner)...)
		}
		return all
	default:
		return leaves(errors.Unwrap(err))
	}
}

// ofPolicy tells what is wrong in a policy's files: they could be read, and cannot be meant.
func ofPolicy(problems policy.Problems) *Problem {
	p := &Problem{Title: http.StatusText(http.StatusUnprocessableEntity), Status: http.StatusUnprocessableEntity, Code: identity.Invalid,
		Detail: "the policy has " + strconv.Itoa(len(problems)) + " problems: errors has one entry for each"}
	if len(problems) == 1 {
		p.Detail = problems[0].String()
	}
	for _, problem := range problems {
		p.Errors = append(p.Errors, Field{Field: problem.Path, File: problem.File, Line: problem.Line, Detail: problem.Message})
	}
	return p
}

// pointer is the JSON pointer (RFC 6901, as a URI fragment) of a field spelled data.lastDay or files[0].name.
func pointer(field string) string {
	path := strings.NewReplacer("[", ".", "]", "").Replace(field)
	var b strings.Builder
	b.WriteString("#")
	for part := range strings.SplitSeq(path, ".") {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", " ", "%20").Replace(part))
	}
	return b.String()
}

// Write answers a request with a problem.
func Write(w http.ResponseWriter, p *Problem) {
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // a Problem is all text and numbers
	}
	p.setHeaders(w.Header())
	w.Header().Set("Content-Type", ContentType)
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // the caller has gone away
}

// huma makes the errors of its own (a parameter out of range, a body that is no JSON) through this variable, which is
// its way to replace the type.
func init() { huma.NewError = ofHuma } //nolint:gochecknoinits // a variable of the library, which is read from the first registration on

func ofHuma(status int, message string, errs ...error) huma.StatusError {
	if status == http.StatusUnprocessableEntity {
		status = http.StatusBadRequest // huma means a wrong request by it; we keep it for policies
	}
	p := &Problem{Title: http.StatusText(status), Status: status, Detail: message, Code: codeOf(status)}
	for _, err := range errs {
		var detailer huma.ErrorDetailer
		if !errors.As(err, &detailer) {
			continue // the text of an unknown error is not for the caller
		}
		p.Errors = append(p.Errors, fieldOf(detailer.ErrorDetail()))
	}
	if len(p.Errors) > 0 {
		p.Detail = p.Errors[0].Detail
		if p.Errors[0].Field != "" {
			p.Detail = p.Errors[0].Field + ": " + p.Detail
		}
	}
	return p
}

// fieldOf names the field that one of huma's errors is about. Its Value is what the caller sent: it need not be told.
func fieldOf(d *huma.ErrorDetail) Field {
	f := Field{Detail: d.Message}
	where, name, _ := strings.Cut(d.Location, ".")
	// huma places a missing property at the object that lacks it.
	var missing string
	if _, err := fmt.Sscanf(d.Message, validation.MsgExpectedRequiredProperty, &missing); err == nil {
		name = strings.TrimPrefix(name+"."+missing, ".")
		f.Detail = "required"
	}
	f.Field = name
	if where == "body" && name != "" {
		f.Pointer = pointer(name)
	}
	return f
}

func codeOf(status int) identity.Code {
	for code, s := range statuses {
		if s == status {
			return code
		}
	}
	if status >= http.StatusInternalServerError {
		return identity.Internal
	}
	return identity.Invalid
}
