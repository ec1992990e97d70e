// Package testkit gives tests the real Postgres and the real Temporal server: shared ones that `make test` starts (each
// test has a database of its own, which costs milliseconds), and private ones that a test may kill -9.
//
// A test that needs a stack fails without one; it is never skipped.
package testkit

import (
	"os"
	"testing"
)

// The variables that `go run ./deploy/local test` sets.
const (
	// DatabaseVariable is the connection string of a superuser of the shared Postgres.
	DatabaseVariable = "TENURE_TEST_DATABASE_URL"
	// TemporalVariable is host:port of the shared Temporal server.
	TemporalVariable = "TENURE_TEST_TEMPORAL_ADDRESS"
	// BinVariable is the folder of Temporal's programs, for private servers.
	BinVariable = "TENURE_TEST_BIN"
)

// setting is a variable's value. Without it the test fails.
func setting(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatal("needs a stack: run `make test`")
	}
	return value
}
