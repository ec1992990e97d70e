package workflows_test

import (
	"time"

	"github.com/tenurehq/tenure/workflows"
)

// step is a plan's work on an account; the epoch tells one plan's step from another's.
func step(target string, epoch int64) workflows.Step {
	return workflows.Step{Target: target, Account: "account-" + target, Kind: workflows.StepApply, Plan: "p", Epoch: epoch, Version: epoch,
		Policy: 1, Timeout: workflows.Duration(10 * time.Second), Limit: 8}
}

// revocation is a leave's work on an account.
func revocation(target string, epoch int64) workflows.Step {
	s := step(target, epoch)
	s.Kind, s.Urgent = workflows.StepRevoke, true
	return s
}

func working(stage workflows.Stage, steps ...workflows.Step) workflows.Plan {
	return workflows.Plan{Stage: stage, Label: stage, Steps: steps}
}

func settled(stage workflows.Stage) workflows.Plan {
	return workflows.Plan{Stage: stage, Label: stage, Settled: true}
}

// waitingUntil is a Leaver's plan that has nothing to do before a time.
func waitingUntil(due time.Time, why string) workflows.Plan {
	return workflows.Plan{Stage: workflows.StageLeaver, Label: workflows.StageLeaver, NextDue: due, DueFor: why}
}

// inOrder answers each call of Plan with the next plan, and the last one again and again.
func inOrder(plans ...workflows.Plan) func(int, workflows.PlanRequest) (workflows.Plan, error) {
	return func(n int, _ workflows.PlanRequest) (workflows.Plan, error) { return plans[min(n, len(plans))-1], nil }
}
