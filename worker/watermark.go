package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/workflows"
)

// watermark notices that Tenure's database or Temporal's was set back to a backup. A number is raised with every sweep,
// first in our database and then in the note of a paused Schedule in Temporal. Whoever was set back is behind the other.
type watermark struct {
	client    client.Client
	service   *lifecycle.Service
	taskQueue string
	log       *slog.Logger
}

// noteFormat is the Schedule's note. People see it in the Temporal UI.
const noteFormat = "Tenure reads this to notice a database that was set back to a backup. Leave it alone. Mark %d"

// check compares the two sides, does what follows when one was set back, and raises the mark.
func (w *watermark) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	db := w.service.Store()
	before, err := db.Watermark(ctx)
	if err != nil {
		return err
	}
	handle := w.client.ScheduleClient().GetHandle(ctx, "watermark/"+before.Installation.String())
	remembered, known, err := w.read(ctx, handle)
	if err != nil {
		return err
	}
	// Read once more: another process may have raised both meanwhile. What was seen only grows, and what Temporal has was
	// raised here before: so reading in this order makes no false alarm.
	after, err := db.Watermark(ctx)
	if err != nil {
		return err
	}
	if remembered > after.Raised {
		held, err := w.service.HoldAll(ctx, remembered, after.Raised)
		if err != nil {
			return err
		}
		w.log.ErrorContext(ctx, "the database was set back behind Temporal: nothing is granted or enabled until `tenure recover` and its release",
			"remembered", remembered, "raised", after.Raised, "held", held)
	}
	if remembered < before.Seen {
		poked, err := db.DistrustRuns(ctx)
		if err != nil {
			return err
		}
		w.log.WarnContext(ctx, "Temporal was set back: runs that are open are not trusted", "remembered", remembered, "seen", before.Seen, "unsettled", poked)
	}
	raised, err := db.RaiseWatermark(ctx, remembered)
	if err != nil {
		return err
	}
	if known {
		return handle.Pause(ctx, client.SchedulePauseOptions{Note: fmt.Sprintf(noteFormat, raised)})
	}
	return w.create(ctx, handle.GetID(), raised)
}

// read answers the mark that Temporal has; 0 and false when it has none.
func (w *watermark) read(ctx context.Context, handle client.ScheduleHandle) (mark int64, known bool, err error) {
	description, err := handle.Describe(ctx)
	if _, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	note := description.Schedule.State.Note
	if n, _ := fmt.Sscanf(note, noteFormat, &mark); n == 0 {
		// It counts as a Temporal that was set back, which does no harm.
		w.log.WarnContext(ctx, "somebody changed the note of the Schedule that keeps the watermark", "schedule", handle.GetID())
	}
	return mark, true, nil
}

// create makes the Schedule. It is paused and has no times: it never starts anything.
func (w *watermark) create(ctx context.Context, id string, raised int64) error {
	_, err := w.client.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID:     id,
		Paused: true,
		Note:   fmt.Sprintf(noteFormat, raised),
		Action: &client.ScheduleWorkflowAction{ID: id, Workflow: workflows.ProbeTarget, TaskQueue: w.taskQueue,
			Args: []any{workflows.ProbeRequest{}}},
	})
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return nil // another process was faster
	}
	return err
}
