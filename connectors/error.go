package connectors

import (
	"errors"
	"fmt"
	"time"
)

// Kind classifies a target's refusal by what the caller should do about it.
type Kind string

// The kinds of error.
const (
	KindNotFound     Kind = "not_found"    // no such object
	KindConflict     Kind = "conflict"     // it exists already, or another holds the unique value
	KindInvalid      Kind = "invalid"      // the target refuses the data: permanent until the data changes
	KindUnauthorized Kind = "unauthorized" // credentials missing, wrong or without the right: permanent until mended
	KindThrottled    Kind = "throttled"    // try again after RetryAfter
	KindUnavailable  Kind = "unavailable"  // the target is down or failed before doing anything: try again
	KindAmbiguous    Kind = "ambiguous"    // no answer: it may have taken effect; read before writing again
	KindUnsupported  Kind = "unsupported"  // the target cannot do this
)

// Error is what every connector method returns when it fails. Its text names the action, the object by its native id
// and the target's status; the vendor's own words stand in Detail, which may name people and so goes to the operation's
// row and nowhere else.
type Error struct {
	Kind       Kind
	Action     string        // what was being done: "create account"
	Object     string        // the native id or "" ; never a personal name
	Status     int           // the HTTP or protocol status, 0 when there was no answer
	Detail     string        // the target's own words, at most 4 KiB
	RetryAfter time.Duration // how long the target asks to wait; 0 when it did not say
	Err        error
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %s", e.Action, e.Kind)
	if e.Object != "" {
		s = fmt.Sprintf("%s %s: %s", e.Action, e.Object, e.Kind)
	}
	if e.Status != 0 {
		s += fmt.Sprintf(" (status %d)", e.Status)
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of the first Error in err's chain; KindAmbiguous for any other error, since nothing is known of
// what it left behind; "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindAmbiguous
}

// Permanent reports whether trying again without a change of data, policy or credentials is pointless.
func (k Kind) Permanent() bool {
	return k == KindInvalid || k == KindUnauthorized || k == KindUnsupported
}
