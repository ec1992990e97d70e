package workflows_test

import (
	"errors"
	"slices"
	"time"

	"github.com/tenurehq/tenure/workflows"
)

// person is a small model of what Plan and ApplyAccount do with the rows of one identity: each account has a state that
// policy wants (a number that changes raise) and one that it was verified to have.
type person struct {
	version  int64
	stage    workflows.Stage
	accounts map[string]*account
	down     []bool // whether the nth call of Plan fails
	long     bool   // a leave has a far tier to wait for in the end
}

type account struct {
	wants, has, asked int64
	epoch             int64
	outcome           workflows.Outcome // blocked, failed, or ""
	at                int64             // the version of outcome
	retry             time.Time
}

var errNoDatabase = errors.New("no database")

// change is what happens to a person at a moment.
type change struct {
	at      time.Duration
	stage   workflows.Stage
	targets []string
	pokes   []time.Duration // after the change: late, and more than once
}

func (p *person) happen(c change) {
	p.version++
	p.stage = c.stage
	for _, target := range c.targets {
		p.accounts[target].wants = p.version
	}
}

// plan is Plan: the steps for what differs, under a new epoch for what is asked for the first time.
func (p *person) plan(n int, request workflows.PlanRequest) (workflows.Plan, error) {
	if n <= len(p.down) && p.down[n-1] {
		return workflows.Plan{}, errNoDatabase
	}
	if request.Seq > p.version {
		return workflows.Plan{Recover: true}, nil
	}
	plan := workflows.Plan{Stage: p.stage, Label: p.stage}
	leave := p.stage == workflows.StageLeaver
	for _, name := range p.names() {
		a := p.accounts[name]
		switch {
		case a.has == a.wants:
			continue
		case leave && a.asked == a.wants && a.outcome != "" && a.retry.After(request.AsOf):
			if plan.NextDue.IsZero() || a.retry.Before(plan.NextDue) {
				plan.NextDue, plan.DueFor = a.retry, "retry "+name
			}
			continue
		case !leave && a.asked == a.wants && a.outcome != "" && a.at == p.version:
			if a.outcome == workflows.OutcomeFailed {
				plan.Failed++
			}
			plan.Waiting = append(plan.Waiting, workflows.Waiting{Target: name, Since: request.AsOf, Code: string(a.outcome)})
			continue
		}
		if a.asked != a.wants {
			a.asked, a.epoch = a.wants, a.epoch+1
		}
		a.outcome = ""
		s := step(name, a.epoch)
		s.Version = p.version
		if leave {
			s.Kind, s.Urgent = workflows.StepRevoke, true
		}
		plan.Steps = append(plan.Steps, s)
	}
	if leave && p.long && len(plan.Steps) == 0 && plan.NextDue.IsZero() {
		plan.NextDue, plan.DueFor = start.Add(30*24*time.Hour), "tier 4"
	}
	plan.Settled = len(plan.Steps) == 0 && plan.NextDue.IsZero()
	return plan, nil
}

// commit is the end of ApplyAccount: under the fence, what was asked is so, or was not possible.
func (p *person) commit(s workflows.Step, outcome workflows.Outcome, now time.Time) workflows.Outcome {
	a := p.accounts[s.Target]
	if a.epoch != s.Epoch {
		return workflows.OutcomeSuperseded
	}
	if outcome == workflows.OutcomeApplied {
		a.has, a.outcome = a.asked, ""
		return outcome
	}
	a.outcome, a.at, a.retry = outcome, s.Version, now.Add(30*time.Second)
	return outcome
}

// agrees reports whether nothing is left to do at the person's version.
func (p *person) agrees() bool {
	for _, a := range p.accounts {
		gaveUp := p.stage != workflows.StageLeaver && a.asked == a.wants && a.outcome != "" && a.at == p.version
		if a.has != a.wants && !gaveUp {
			return false
		}
	}
	return true
}

func (p *person) failed() bool {
	for _, a := range p.accounts {
		if a.has != a.wants && a.outcome == workflows.OutcomeFailed {
			return p.stage != workflows.StageLeaver
		}
	}
	return false
}

func (p *person) names() []string {
	var names []string
	for name := range p.accounts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
