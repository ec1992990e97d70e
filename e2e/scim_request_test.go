package e2e

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/testkit"
	"github.com/tenurehq/tenure/workflows"
)

// From a request's id in its answer the person is found in the record, from the person the run, and from the run the
// request: the one that began it in the memo, each other one in its signal.
func TestARequestAndItsRunAreFoundFromEachOther(t *testing.T) {
	t.Parallel()
	f := newFront(t, newWorld(t, settings{}), testkit.Temporal(t))
	f.api = f.run("api")
	f.awaitAPI()
	joined := f.say(http.MethodPost, "/Users", directoryUser(1, titled(1)))
	require.Equal(t, http.StatusCreated, joined.status, joined)
	person := f.requireFound(joined)
	f.awaitEnd(person)
	moved := f.patch("/Users/"+person, retitled(2))
	require.Equal(t, person, f.requireFound(moved))
	f.awaitEnd(person)
	left := f.patch("/Users/"+person, leaves)
	require.Equal(t, person, f.requireFound(left))
}

// awaitEnd waits until the person's run has ended, so that the next request begins another.
func (f *front) awaitEnd(person string) {
	f.t.Helper()
	f.quiet()
	f.eventually("the run has ended", func() bool { return !f.open(lifecycle.Receipt{Identity: uuid.MustParse(person)}) })
}

// requireFound goes from an answer to the person, to the newest run, and back to the request.
func (f *front) requireFound(answer said) (person string) {
	f.t.Helper()
	request := answer.header.Get("Tenure-Request-Id")
	_, err := uuid.Parse(request)
	require.NoError(f.t, err, request)
	person = one[string](f.world, `select identity_id::text from audit where request_id = $1`, request)
	id := workflows.IdentityWorkflowID(f.org, person)
	f.eventually("the newest run's memo has the request", func() bool {
		run, err := f.temporal.DescribeWorkflowExecution(f.t.Context(), id, "")
		if err != nil {
			return false // it has not begun
		}
		payload := run.GetWorkflowExecutionInfo().GetMemo().GetFields()[workflows.MemoRequest]
		return text(f.t, payload) == request
	})
	for _, event := range historyOf(f.t, f.temporal, id, "").GetEvents() {
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED {
			require.Contains(f.t, event.GetWorkflowExecutionSignaledEventAttributes().GetInput().String(), request)
		}
	}
	return person
}
