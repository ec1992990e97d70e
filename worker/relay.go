package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

// relay hands the outbox to Temporal: it claims pokes by a lease, signals or starts each identity's run outside any
// transaction, and deletes what it claimed if nothing was merged into it meanwhile.
type relay struct {
	client    client.Client
	namespace string
	store     *store.Store
	taskQueue string
	log       *slog.Logger
	now       func() time.Time
	wake      chan struct{}
}

const (
	relayBatch = 64
	relayLease = 15 * time.Second // a delivery takes at most 10
	relayPoll  = time.Second
	// relayParallel is how many pokes are delivered at once: enough to keep Temporal busy, too few to flood it.
	relayParallel = 16
)

func (r *relay) woken() {
	select {
	case r.wake <- struct{}{}:
	default: // a wake is waiting already, and will see this too
	}
}

func (r *relay) run(ctx context.Context) error {
	go r.listen(ctx)
	for ctx.Err() == nil {
		n, err := r.round(ctx)
		if err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "relay", "error", store.Loggable(err))
		}
		if n > 0 && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-time.After(relayPoll):
		}
	}
	return nil
}

// listen wakes the relay for what other processes wrote; polling covers for it while the connection is lost.
func (r *relay) listen(ctx context.Context) {
	for ctx.Err() == nil {
		if err := r.store.Listen(ctx, r.woken); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "listen for pokes", "error", store.Loggable(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(relayPoll):
		}
	}
}

// round claims a batch and delivers it; it answers how many were claimed.
func (r *relay) round(ctx context.Context) (int, error) {
	pokes, err := r.store.Claim(ctx, r.now(), relayLease, relayBatch)
	if err != nil || len(pokes) == 0 {
		return 0, err
	}
	var mu sync.Mutex
	var done []store.Poke
	var wait sync.WaitGroup
	places := make(chan struct{}, relayParallel)
	for _, p := range pokes {
		places <- struct{}{}
		wait.Go(func() {
			defer func() { <-places }()
			if err := r.deliver(ctx, p); err != nil {
				r.postpone(ctx, p, err)
				return
			}
			mu.Lock()
			done = append(done, p)
			mu.Unlock()
		})
	}
	wait.Wait()
	return len(pokes), r.store.Delivered(ctx, r.now(), done)
}

// postpone gives a poke back after a failure, to be tried after a while that grows.
func (r *relay) postpone(ctx context.Context, p store.Poke, cause error) {
	if ctx.Err() != nil {
		return // the lease runs out by itself
	}
	delay := min(time.Second<<min(p.Attempts, 5), 20*time.Second)
	if p.Class == identity.ClassLeave {
		delay = min(delay, 2*time.Second)
	}
	r.log.WarnContext(ctx, "deliver poke", "organization", p.Org, "identity", p.Identity, "attempts", p.Attempts, "error", store.Loggable(cause))
	if err := r.store.Postpone(ctx, p, r.now().Add(delay)); err != nil {
		r.log.WarnContext(ctx, "postpone poke", "organization", p.Org, "identity", p.Identity, "error", store.Loggable(err))
	}
}

// deliver signals the identity's run, starting one when none is running. A leave also raises the priority of a run that
// is waiting in a queue.
func (r *relay) deliver(ctx context.Context, p store.Poke) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	stage := lifecycle.StageOf(p.State, p.Fresh)
	changed := workflows.Changed{Seq: p.Version, Urgent: p.Class == identity.ClassLeave}
	if p.Due != nil {
		changed.Due = *p.Due
	}
	id := workflows.IdentityWorkflowID(p.Org, p.Identity.String())
	_, err := r.client.SignalWithStartWorkflow(ctx, id, workflows.SignalChanged, changed, client.StartWorkflowOptions{
		ID:                    id,
		TaskQueue:             r.taskQueue,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		Priority:              workflows.PriorityOf(p.Class, p.Org),
		StaticSummary:         summary(stage),
		TypedSearchAttributes: temporal.NewSearchAttributes(
			workflows.AttributeOrg.ValueSet(p.Org),
			workflows.AttributeIdentity.ValueSet(p.Identity.String()),
			workflows.AttributeStage.ValueSet(string(stage)),
		),
	}, stage.WorkflowType(), workflows.Input{Org: p.Org, Identity: p.Identity.String()})
	if err != nil {
		return err
	}
	if p.Class == identity.ClassLeave {
		return r.raise(ctx, id)
	}
	return nil
}

// raise gives a run the priority of a leave, whatever it was started with. The mask names the key alone: the whole
// priority would wipe the fairness key.
func (r *relay) raise(ctx context.Context, id string) error {
	_, err := r.client.WorkflowService().UpdateWorkflowExecutionOptions(ctx, &workflowservice.UpdateWorkflowExecutionOptionsRequest{
		Namespace:         r.namespace,
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id},
		WorkflowExecutionOptions: &workflowpb.WorkflowExecutionOptions{
			Priority: &commonpb.Priority{PriorityKey: int32(identity.ClassLeave)},
		},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"priority.priority_key"}},
	})
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) {
		return nil // it has ended already, which only a settled leave does
	}
	return err
}

func summary(stage workflows.Stage) string {
	switch stage {
	case workflows.StageJoiner:
		return "joiner: bring accounts and access into being"
	case workflows.StageLeaver:
		return "leaver: take everything away, and prove it"
	default:
		return "mover: make accounts and access agree with the change"
	}
}
