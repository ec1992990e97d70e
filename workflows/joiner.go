package workflows

import "go.temporal.io/sdk/workflow"

// Joiner brings a new person's accounts and birthright access into being, in every target that policy names: created
// disabled before the start, enabled on the day. It ends when every target agrees, or when those that are down have had
// their time; what is due later wakes a new run.
func Joiner(ctx workflow.Context, in Input) error { return newLifecycle(ctx, StageJoiner, in).run(ctx) }
