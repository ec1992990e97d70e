package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tenurehq/tenure/internal/identity"
)

// Classify gives an error of the database the meaning that it has for a caller, when it has one: Unavailable when the
// database cannot be reached or is shutting down, Conflict when another write came first, Invalid for text that
// Postgres cannot hold. Other errors are answered as they are.
func Classify(err error) error {
	if err == nil || identity.ErrorCode(err) != identity.Internal {
		return err
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		if Unreachable(err) {
			return unavailable(err)
		}
		return err
	}
	switch {
	case pg.Code == "22P05" || pg.Code == "22021":
		return &identity.Error{Code: identity.Invalid, Message: "the text holds a character that cannot be stored, such as U+0000", Err: err}
	case pg.Code == "23505" || retryable(err):
		return &identity.Error{Code: identity.Conflict, Message: "another write to the same object came first: send the request again", Err: err}
	case Unreachable(err):
		return unavailable(err)
	}
	return err
}

// Unreachable reports whether an error says that the database cannot be reached, has no room, or is starting or shutting down:
// what passes by itself.
func Unreachable(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "53") || strings.HasPrefix(pg.Code, "57")
	}
	return err != nil && lostConnection(err)
}

func unavailable(err error) error {
	return &identity.Error{Code: identity.Unavailable, Message: "the database does not answer: send the request again", Err: err}
}

// lostConnection reports whether there was no connection, or it broke, or the answer took too long.
func lostConnection(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// Loggable is an error's text without the words of Postgres, which can quote what somebody sent: the SQLSTATE stands for
// them.
func Loggable(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err.Error()
	}
	return strings.ReplaceAll(err.Error(), pg.Error(), "SQLSTATE "+pg.Code)
}

// LoggableKind says no more of an error than its kind: Postgres's code, or the type of the innermost cause. It is for
// errors of code that may have put a person's data into its words.
func LoggableKind(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return "SQLSTATE " + pg.Code
	}
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return fmt.Sprintf("%T", err)
		}
		err = next
	}
}
