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
	pace      *pace
	turns     turns
	metrics   *metrics
	// wakeUrgent and wakeOther each hold at most one wake.
	wakeUrgent, wakeOther chan struct{}
}

const (
	relayLease = 15 * time.Second // a delivery takes at most 10
	relayPoll  = time.Second
	// relaySettle and relaySettleWait bound how many delivered pokes are deleted together, and how long the first waits.
	relaySettle     = 64
	relaySettleWait = 20 * time.Millisecond
	// relayPollBusy is the pause after something was delivered: more may have come into reach, of an organization whose
	// share was in flight.
	relayPollBusy = 50 * time.Millisecond
	// relayParallel is how many pokes are delivered at once: enough to keep Temporal busy, too few to flood it.
	relayParallel = 16
)

func (r *relay) woken() {
	signalTo(r.wakeUrgent)
	signalTo(r.wakeOther)
}

func signalTo(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default: // a wake is waiting already, and will see this too
	}
}

// run delivers until ctx ends. Leaves have a loop and places of their own: whatever else is being delivered, theirs go at
// once.
func (r *relay) run(ctx context.Context) error {
	go r.listen(ctx)
	delivered := make(chan store.Poke, relaySettle)
	var loops, settling sync.WaitGroup
	loops.Go(func() { r.loop(ctx, r.wakeUrgent, r.store.ClaimUrgent, delivered) })
	loops.Go(func() { r.loop(ctx, r.wakeOther, r.claimInTurn, delivered) })
	settling.Go(func() { r.settle(ctx, delivered) })
	loops.Wait()
	close(delivered)
	settling.Wait()
	return nil
}

// settle deletes what was delivered from the outbox, several rows in one transaction.
func (r *relay) settle(ctx context.Context, delivered <-chan store.Poke) {
	for p := range delivered {
		batch := []store.Poke{p}
		full := time.After(relaySettleWait)
	gather:
		for len(batch) < relaySettle {
			select {
			case next, ok := <-delivered:
				if !ok {
					break gather
				}
				batch = append(batch, next)
			case <-full:
				break gather
			}
		}
		// Also when the process stops: what was delivered need not be delivered again.
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		if err := r.store.Delivered(bounded, r.now(), batch); err != nil {
			r.log.WarnContext(ctx, "settle delivered pokes", "count", len(batch), "error", store.Loggable(err))
		}
		cancel()
		r.turns.ended(batch...)
	}
}

// claim leases up to limit pokes.
type claim func(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]store.Poke, error)

// claimInTurn claims what is not urgent, as much as the engine has room for.
func (r *relay) claimInTurn(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]store.Poke, error) {
	people, full := r.pace.room(r.turns.inEngine())
	room := r.turns.divide(full)
	room.Pokes, room.Engine = limit, people
	pokes, err := r.store.Claim(ctx, now, lease, room)
	r.turns.claimed(pokes)
	return pokes, err
}

// loop claims as places come free, so that one slow delivery holds up no other.
func (r *relay) loop(ctx context.Context, wake <-chan struct{}, claim claim, delivered chan<- store.Poke) {
	places := make(chan struct{}, relayParallel)
	var deliveries sync.WaitGroup
	defer deliveries.Wait()
	var busy time.Time // when something was last delivered
	for ctx.Err() == nil {
		free := r.freePlaces(ctx, places)
		pokes, err := claim(ctx, r.now(), relayLease, free)
		if err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "relay", "error", store.Loggable(err))
		}
		for range free - len(pokes) {
			<-places
		}
		for _, p := range pokes {
			deliveries.Go(func() {
				defer func() { <-places }()
				if err := r.deliver(ctx, p); err != nil {
					r.postpone(ctx, p, err)
					return
				}
				r.metrics.deliveries.WithLabelValues(classNames[p.Class]).Inc()
				delivered <- p
			})
		}
		if len(pokes) > 0 {
			busy = time.Now()
			continue
		}
		pause := relayPoll
		if time.Since(busy) < 5*time.Second {
			pause = relayPollBusy
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-time.After(pause):
		}
	}
}

// freePlaces takes every free place, and waits for one when there is none; it answers how many it took.
func (r *relay) freePlaces(ctx context.Context, places chan struct{}) int {
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	for n := 1; ; n++ {
		select {
		case places <- struct{}{}:
		default:
			return n
		}
	}
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

// postpone gives a poke back after a failure, to be tried after a while that grows.
func (r *relay) postpone(ctx context.Context, p store.Poke, cause error) {
	if ctx.Err() != nil {
		return // the lease runs out by itself
	}
	r.metrics.deliveryFailures.WithLabelValues(classNames[p.Class]).Inc()
	delay := min(time.Second<<min(p.Attempts, 5), 20*time.Second)
	if p.Class == identity.ClassLeave {
		delay = min(delay, 2*time.Second)
	}
	r.log.WarnContext(ctx, "deliver poke", "organization", p.Org, "identity", p.Identity, "attempts", p.Attempts, "error", store.Loggable(cause))
	r.turns.ended(p)
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
	if p.Class == identity.ClassLeave { // of one whose last day is over, the row says so only once that is planned
		stage = workflows.StageLeaver
	}
	changed := workflows.Changed{Seq: p.Version, Urgent: p.Class == identity.ClassLeave, Request: p.Request}
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
		Memo:                  memo(p),
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
	if _, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		return nil // it has ended already, which only a settled leave does
	}
	return err
}

// memo names the request that a run begins for, if it was one.
func memo(p store.Poke) map[string]any {
	if p.Request == "" {
		return nil
	}
	return map[string]any{workflows.MemoRequest: p.Request}
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
