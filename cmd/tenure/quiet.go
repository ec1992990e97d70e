package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sethvargo/go-retry"

	"github.com/tenurehq/tenure/internal/apiclient"
)

// patience bounds waiting: how often to look, and how long nothing may move.
type patience struct {
	look, still time.Duration
}

// A leave is confirmed a minute or two after its last read-back, and until then its people count as unsettled.
var usualPatience = patience{look: 250 * time.Millisecond, still: 5 * time.Minute}

// waitForQuiet waits until nothing is left to do for anybody, for as long as it goes on.
func waitForQuiet(ctx context.Context, client *apiclient.Client, out io.Writer, what string, p patience) error {
	var bar *progress
	var last apiclient.Progress
	moved := time.Now()
	return retry.Do(ctx, retry.NewConstant(p.look), func(ctx context.Context) error {
		var now apiclient.Progress
		if err := client.Get(ctx, "/v1/progress", nil, &now); err != nil {
			return fmt.Errorf("look whether %s: %w", what, err)
		}
		if bar == nil {
			bar = newProgress(out, what, now.Unsettled)
		}
		if now.Unsettled < bar.total-bar.done {
			bar.add(bar.total - bar.done - now.Unsettled)
		}
		if now == (apiclient.Progress{}) {
			return nil
		}
		if now != last {
			last, moved = now, time.Now()
		}
		if time.Since(moved) > p.still {
			bar.clear()
			return fmt.Errorf("nothing moved for %s while waiting until %s: %s unsettled and %d pokes wait to be handed to Temporal; "+
				"`tenure operation list --status stuck`, `tenure operation list --status failed` and `tenure target list` say more",
				p.still, what, people(now.Unsettled, "is", "are"), now.Outbox)
		}
		return retry.RetryableError(errNotQuiet)
	})
}

var errNotQuiet = errors.New("not all is settled yet")
