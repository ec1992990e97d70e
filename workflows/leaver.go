package workflows

import "go.temporal.io/sdk/workflow"

// Leaver takes everything away from a person who has left. In each target, in parallel and before any other work: the
// account is disabled, its sessions are ended, its memberships are removed, and each is read back. When no request of
// an earlier attempt can be in flight any longer, everything is read back once more. It never gives up and never fails:
// while a target is down it stays, and says so.
func Leaver(ctx workflow.Context, in Input) error { return newLifecycle(ctx, StageLeaver, in).run(ctx) }
