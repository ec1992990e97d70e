package workflows

import "go.temporal.io/sdk/workflow"

// Mover makes the accounts of a person who changed agree with what policy says of them now: it revokes what only the
// old role gave, grants what only the new one gives, keeps the rest. It serves rehires and leaves of absence as well.
func Mover(ctx workflow.Context, in Input) error { return newLifecycle(ctx, StageMover, in).run(ctx) }
