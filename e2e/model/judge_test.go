package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/workflows"
)

type identityEvent = identity.Event

// accepted notes what the domain took over: the model's only knowledge.
func (w *world) accepted(event identity.Event, receipt lifecycle.Receipt) {
	p := w.people[slices.IndexFunc(w.people, func(p *person) bool { return p.employee == event.EmployeeID })]
	p.id = receipt.Identity
	known := slices.ContainsFunc(p.entries, func(e identity.Entry) bool { return e.ID == event.ID })
	if !known {
		p.entries = append(p.entries, identity.Entry{Event: event, ReceivedAt: w.clock.now})
	}
	patch, err := json.Marshal(event.Patch)
	w.must(err, "log event")
	w.logf("%s %s at %s effective %s %s%s: %s", event.ID, event.Type, stamp(event.Time), event.Effective, patch, event.Rescinds, receipt.Effect)
}

// situation is what the sources say of a person at a moment.
func (w *world) situation(p *person, at time.Time) identity.Situation {
	record := identity.Fold("hr", p.entries, at, w.policy.Zone())
	return identity.Combine([]identity.Record{record}, w.policy.Precedence())
}

// desired is what the person should have at a moment.
func (w *world) desired(p *person, at time.Time) policy.Desired {
	s := w.situation(p, at)
	subject := policy.Subject{Attributes: s.Attributes, State: s.State, StartsAt: s.StartsAt, EndsAt: s.EndsAt, AsOf: at}
	for _, manager := range w.people {
		if manager.employee == s.Attributes.ManagerEmployeeID && len(manager.entries) > 0 {
			attributes := w.situation(manager, at).Attributes
			subject.Manager = &attributes
		}
	}
	desired, err := w.policy.Desired(subject)
	w.must(err, "desired")
	return desired
}

// afterEffect is called when something changed in a target: it must not give access to somebody whose leave is proven.
func (w *world) afterEffect(s *system, c *call) {
	i := slices.IndexFunc(w.people, func(p *person) bool { return p.employee == c.employee })
	p := w.people[i]
	if p.proven && w.situation(p, w.clock.now).State.Gone() && s.access(p.employee) {
		w.failf("%s gave %s access after the leave was confirmed: %s", c.what, p.employee, s.holds(p.employee))
	}
	if n := len(s.of(p.employee)); n > 1 {
		w.failf("%s has %d accounts in %s", p.employee, n, s.name)
	}
}

// afterStep looks at an attempt that has just gone on.
func (w *world) afterStep(at *attempt) {
	w.hasten(at)
	if at.ended {
		w.logf("attempt %d at %s ends: %s %v", at.number, at.activity, at.outcome, at.err)
		if at.outcome == workflows.OutcomeApplied && at.activity.step.Kind == workflows.StepConfirm {
			w.checkProven(at.activity.person)
		}
	}
}

// afterPlan holds a plan's rows against what is known.
func (w *world) afterPlan(r *run, before identity.State) {
	after, version := w.stateOf(r.person)
	r.person.told = max(r.person.told, version) // time may have changed the person, and the run knows
	if before.Gone() && !after.Gone() && w.situation(r.person, w.clock.now).State.Gone() {
		w.failf("a plan as of %s brought %s back, who has left", stamp(r.task.next.request.AsOf), r.person.employee)
	}
	w.checkProven(r.person)
}

func (w *world) stateOf(p *person) (state identity.State, version int64) {
	w.must(w.admin.QueryRow(w.ctx, `select state, version from identities where org = $1 and id = $2`, w.org, p.id).Scan(&state, &version), "read state")
	return state, version
}

// checkProven notes whether the rows say that the person has left and all is confirmed; if so nothing may be left.
func (w *world) checkProven(p *person) {
	w.must(w.admin.QueryRow(w.ctx, `select i.state = 'left' and not exists (select from accounts a where a.org = i.org and a.identity_id = i.id
			and a.confirmed_at is null
			and (a.state <> 'deleted' or a.confirm_due_at is not null or a.outcome <> 'applied')) from identities i where i.org = $1 and i.id = $2`, w.org, p.id).Scan(&p.proven), "read confirmations")
	if !p.proven || !w.situation(p, w.clock.now).State.Gone() {
		return
	}
	for _, s := range w.systems {
		if s.access(p.employee) {
			w.failf("the leave of %s is confirmed, and in %s there is %s", p.employee, s.name, s.holds(p.employee))
		}
	}
}

// checkPokes holds that no poke is deleted which the engine was not told of.
func (w *world) checkPokes() {
	for _, p := range w.people {
		if len(p.entries) == 0 {
			continue
		}
		var version int64
		var lost bool
		w.must(w.admin.QueryRow(w.ctx, `select version, settled_version < version and not exists (select from outbox o where o.org = i.org and o.identity_id = i.id)
			from identities i where org = $1 and id = $2`, w.org, p.id).Scan(&version, &lost), "read pokes")
		if lost && p.told < version {
			w.failf("the poke of %s for %d is gone and was never delivered", p.employee, version)
		}
	}
}

// judge compares everything with the model, when nothing moves any more.
func (w *world) judge() {
	for _, p := range w.people {
		if len(p.entries) == 0 {
			continue
		}
		if p.run != nil {
			w.failf("the run of %s is still open", p.employee)
		}
		w.judgeRows(p)
		desired := w.desired(p, w.clock.now)
		for _, s := range w.systems {
			wish, wanted := desired.Accounts[s.name]
			w.judgeAccount(p, s, wish, wanted)
		}
	}
}

func (w *world) judgeAccount(p *person, s *system, wish policy.DesiredAccount, wanted bool) {
	found := s.of(p.employee)
	switch {
	case len(found) > 1:
		w.failf("%s has %d accounts in %s", p.employee, len(found), s.name)
		return
	case !wanted && s.access(p.employee):
		w.failf("%s should have nothing in %s and has %s", p.employee, s.name, s.holds(p.employee))
		return
	case !wanted:
		return
	case len(found) == 0:
		w.failf("%s has no account in %s", p.employee, s.name)
		return
	}
	has := found[0]
	var groups []string
	for _, g := range wish.Grants {
		groups = append(groups, g.Name)
	}
	if has.enabled != wish.Enabled || !slices.Equal(groups, has.groups) {
		w.failf("%s should have in %s: enabled=%t %v, and has %s", p.employee, s.name, wish.Enabled, groups, s.holds(p.employee))
	}
	attributes := maps.Clone(wish.Attributes)
	maps.DeleteFunc(attributes, func(_ string, value any) bool { return value == nil || value == "" })
	actual := maps.Clone(has.attrs)
	maps.DeleteFunc(actual, func(_ string, value any) bool { return value == "" })
	if !reflect.DeepEqual(attributes, actual) {
		w.failf("%s should have in %s the attributes %v, and has %v", p.employee, s.name, attributes, actual)
	}
}

// judgeRows holds that the rows know what is so, and why.
func (w *world) judgeRows(p *person) {
	var settled, poked bool
	var failed, unreasoned int
	w.must(w.admin.QueryRow(w.ctx, `select i.settled_version = i.version and i.settled_policy = (select policy_version from organizations where id = i.org),
			exists (select from outbox o where o.org = i.org and o.identity_id = i.id),
			(select count(*) from accounts a where a.org = i.org and a.identity_id = i.id and a.outcome not in ('applied', '')),
			(select count(*) from grants g join accounts a on a.org = g.org and a.id = g.account_id where a.org = i.org and a.identity_id = i.id
				and g.state = 'active' and jsonb_array_length(g.reasons) = 0)
		from identities i where i.org = $1 and i.id = $2`, w.org, p.id).Scan(&settled, &poked, &failed, &unreasoned), "read rows")
	if !settled || poked || failed > 0 || unreasoned > 0 {
		w.failf("%s: settled %t, poke left %t, accounts failed or blocked %d, grants without reason %d", p.employee, settled, poked, failed, unreasoned)
	}
	w.must(w.store.InOrg(w.ctx, w.org, func(tx *store.Tx) error {
		accounts, err := tx.Accounts(w.ctx, p.id)
		if err != nil {
			return err
		}
		for _, a := range accounts {
			w.judgeRow(tx, p, a)
		}
		return nil
	}), "read accounts")
}

// judgeRow compares what is recorded of an account with the account.
func (w *world) judgeRow(tx *store.Tx, p *person, a store.Account) {
	s := w.system(a.Target)
	enabled := slices.ContainsFunc(s.of(p.employee), func(e *entry) bool { return e.enabled })
	if enabled != (a.State == identity.AccountActive) {
		w.failf("the account of %s in %s is recorded as %s, and there is %s", p.employee, a.Target, a.State, s.holds(p.employee))
	}
	if w.situation(p, w.clock.now).State.Gone() && a.State != identity.AccountDeleted && a.ConfirmedAt == nil {
		w.failf("%s has left, all is settled, and %s is not confirmed", p.employee, a.Target)
	}
	grants, err := tx.GrantsOf(w.ctx, p.id)
	w.must(err, "read grants")
	for _, g := range grants {
		held := slices.ContainsFunc(s.of(p.employee), func(e *entry) bool { return slices.Contains(e.groups, g.Name) })
		if g.Account == a.ID && held != (g.State == "active") {
			w.failf("the grant of %s in %s to %s is recorded as %s, and there is %s", g.Name, a.Target, p.employee, g.State, s.holds(p.employee))
		}
	}
}

// dump is what the rows and the targets say.
func (w *world) dump() string {
	text := ""
	for _, p := range w.people {
		if len(p.entries) == 0 {
			continue
		}
		var row string
		_ = w.admin.QueryRow(w.ctx, `select row_to_json(x)::text from (select version, state, settled_version, next_due_at, poked_at, left_at,
			(select json_agg(row_to_json(a)) from (select target, native_id, state, epoch, plan_id, encode(substring(plan_digest for 3), 'hex') as plan_digest,
				encode(substring(applied_digest for 3), 'hex') as applied_digest, outcome, outcome_version, attempts, in_flight_until, verified_at, confirmed_at, confirm_due_at, retry_at
				from accounts where org = i.org and identity_id = i.id order by target) a) as accounts,
			(select json_agg(action || ' ' || status || ' ' || error_code || ' ' || error_detail) from operations o where o.org = i.org and o.identity_id = i.id
				and status in ('requested', 'running', 'failed', 'blocked')) as open
			from identities i where org = $1 and id = $2) x`, w.org, p.id).Scan(&row)
		text += fmt.Sprintf("%s: %s\n", p.employee, row)
		for _, s := range w.systems {
			text += fmt.Sprintf("  %s: %s\n", s.name, s.holds(p.employee))
		}
	}
	return text + "the beginning is " + base.Format(time.RFC3339) + "\n"
}
