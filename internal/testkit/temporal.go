package testkit

import (
	"context"
	"sync"
	"testing"

	"github.com/tenurehq/tenure/deploy/local/stack"
	"github.com/tenurehq/tenure/internal/testkit/namespace"
)

// TemporalNamespace is the namespace that Temporal prepares. All tests share it: a test keeps to itself by the names of
// its task queues and the ids of its workflows.
const TemporalNamespace = namespace.Name

var prepareNamespace sync.Mutex
var preparedNamespace bool

// Temporal is the address of the shared Temporal server, with TemporalNamespace and the search attributes TenureOrg,
// TenureIdentity, TenureStage and TenureDue ready for use.
func Temporal(t testing.TB) string {
	t.Helper()
	address := setting(t, TemporalVariable)
	prepareNamespace.Lock()
	defer prepareNamespace.Unlock()
	if !preparedNamespace {
		// Not the test's context: the namespace serves the tests that follow, too.
		err := stack.PrepareNamespace(context.Background(), address, namespace.Name, namespace.SearchAttributes())
		if err != nil {
			t.Fatal(err)
		}
		preparedNamespace = true
	}
	return address
}
