package scim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// ErrorSchema is the URN of an error's body (RFC 7644, section 3.12).
const ErrorSchema = "urn:ietf:params:scim:api:messages:2.0:Error"

// The scimTypes of RFC 7644, section 3.12, table 9, and of RFC 9865, section 2.1.
const (
	InvalidFilter = "invalidFilter" // the filter's syntax, attribute or operator is not possible
	TooMany       = "tooMany"       // the filter yields, or costs, more than the server is willing to calculate
	Uniqueness    = "uniqueness"    // a value is in use
	Mutability    = "mutability"    // the change does not agree with the attribute's mutability
	InvalidSyntax = "invalidSyntax" // the body is not JSON, or not of the form that the request wants
	InvalidPath   = "invalidPath"   // the path of a PATCH is malformed or leads to no attribute
	NoTarget      = "noTarget"      // the path selects nothing that could be changed
	InvalidValue  = "invalidValue"  // a value is missing, or not of the attribute's type
	InvalidVers   = "invalidVers"   // the protocol's version is not supported
	Sensitive     = "sensitive"     // the request would put personal data into a URI
	InvalidCursor = "invalidCursor" // RFC 9865
	ExpiredCursor = "expiredCursor" // RFC 9865
	InvalidCount  = "invalidCount"  // RFC 9865
)

// Error is a refusal as the client gets it. Its text names attributes and positions and never repeats a value, so that it
// may be logged.
type Error struct {
	Status int    // the HTTP status, 4xx
	Type   string // the scimType; empty when none fits
	Detail string // what is wrong and what to do about it
}

func (e *Error) Error() string {
	if e.Type == "" {
		return e.Detail
	}
	return e.Type + ": " + e.Detail
}

// MarshalJSON is the body of RFC 7644, section 3.12, in which the status is a string.
func (e *Error) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Schemas []string `json:"schemas"`
		Status  string   `json:"status"`
		Type    string   `json:"scimType,omitempty"`
		Detail  string   `json:"detail,omitempty"`
	}{[]string{ErrorSchema}, strconv.Itoa(e.Status), e.Type, e.Detail})
}

// Errorf makes an Error. scimType is empty when none of RFC 7644 fits.
func Errorf(status int, scimType, format string, args ...any) *Error {
	return &Error{Status: status, Type: scimType, Detail: fmt.Sprintf(format, args...)}
}

// badRequest makes an Error of status 400.
func badRequest(scimType, format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, scimType, format, args...)
}

// tooLarge makes an Error of status 413. No scimType fits it.
func tooLarge(format string, args ...any) *Error {
	return Errorf(http.StatusRequestEntityTooLarge, "", format, args...)
}
