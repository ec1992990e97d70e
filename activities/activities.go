// Package activities is the only code that workflows call out to: Plan asks the domain what differs, ApplyAccount makes
// one account in one target agree, ProbeTarget looks whether a target is back. They translate between Temporal (retries,
// heartbeats, cancellation), internal/lifecycle (rows, fences, records) and connectors (targets), and decide nothing
// that policy decides.
package activities

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

// Activities implements the activities of the workflows' contract.
type Activities struct {
	lifecycle *lifecycle.Service
	targets   *targets
	probes    Probes
	log       *slog.Logger
}

// Probes starts and ends the Schedules that probe targets which are down.
type Probes interface {
	Start(ctx context.Context, org, target string) error
	Stop(ctx context.Context, org, target string) error
}

// New makes the activities. registry has the connectors of this binary.
func New(service *lifecycle.Service, registry connectors.Registry, probes Probes, log *slog.Logger) *Activities {
	return &Activities{lifecycle: service, targets: newTargets(registry), probes: probes, log: log}
}

// Plan is the local activity that asks what differs.
func (a *Activities) Plan(ctx context.Context, request workflows.PlanRequest) (_ workflows.Plan, err error) {
	defer a.survive(ctx, request.Identity, &err)
	plan, err := a.lifecycle.Plan(ctx, request)
	if err != nil {
		a.log.WarnContext(ctx, "plan failed", "organization", request.Org, "identity", request.Identity, "error", store.Loggable(err))
		// The database's words may quote values: a history gets the code only.
		return plan, temporal.NewApplicationError("plan failed: "+string(identity.ErrorCode(err)), "PlanFailed")
	}
	return plan, nil
}

// heartbeatEvery is how often a running attempt tells the engine that it lives and hears whether it is cancelled.
const heartbeatEvery = 500 * time.Millisecond

// heartbeat beats until the returned function is called.
func heartbeat(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	go func() {
		ticker := time.NewTicker(heartbeatEvery)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-ticker.C:
				activity.RecordHeartbeat(ctx)
			}
		}
	}()
	return func() { close(done) }
}

// again asks the engine to try the activity again; after 0 means by its own backoff. The message holds codes only.
func again(code string, operation string, after time.Duration) error {
	return temporal.NewApplicationErrorWithOptions("account not applied: "+code, code, temporal.ApplicationErrorOptions{
		NextRetryDelay: after,
		Details:        []any{operation},
	})
}

// survive turns a panic into an error to be tried again. The engine would write the panic's value into the history, and
// it may be a person's data: only its type is told.
func (a *Activities) survive(ctx context.Context, object string, err *error) {
	if r := recover(); r != nil {
		a.log.ErrorContext(ctx, "an activity panicked", "object", object, "type", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
		*err = again("panic", object, 0)
	}
}

// recording gives the commits that end an attempt a time of their own: they must happen when the attempt's is over.
func recording(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}

var errSuperseded = errors.New("a newer plan came between")
