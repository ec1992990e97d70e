package identity

import (
	"errors"
	"fmt"
)

// Code classifies an error for the caller. One place in the API turns codes into HTTP statuses.
type Code string

// The codes.
const (
	Invalid      Code = "invalid"      // the input is wrong; Field says where
	NotFound     Code = "not_found"    // no such object in this organization
	Conflict     Code = "conflict"     // the object's present state forbids it
	Unauthorized Code = "unauthorized" // no valid token
	Forbidden    Code = "forbidden"    // the token lacks the scope
	TooLarge     Code = "too_large"    // over a stated limit
	Unavailable  Code = "unavailable"  // try again: something we depend on is down
	Internal     Code = "internal"     // a fault of ours
)

// Error is the one error type that crosses a package's boundary with a meaning. Message is for the person who reads
// it: what was being done, to which object, and what to do next. It never quotes a secret.
type Error struct {
	Code    Code
	Field   string // the input field at fault, as the caller spelled it; empty when none
	Message string
	Err     error // the cause, for the log; never shown to the caller
}

// Errorf makes an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// InvalidField makes an Error of code Invalid for one input field.
func InvalidField(field, format string, args ...any) *Error {
	return &Error{Code: Invalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	s := e.Message
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// ErrorCode is the code of the first Error in err's chain, Internal when there is none, "" for nil.
func ErrorCode(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}
