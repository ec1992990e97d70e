package identity

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// DecisionSource is the source under which the decisions of an organization's own people stand in a person's timeline. No
// source that a policy declares can have its name; entries are told by their types, which no feed can send.
const DecisionSource = "tenure"

// The types of decisions. They come by no feed.
const (
	// IdentityKilled ends everything at once, whatever any source says, until it is lifted: see Override.
	IdentityKilled EventType = "identity.killed"
	// IdentityReinstated lifts it: what the sources say counts again.
	IdentityReinstated EventType = "identity.reinstated"
)

// KillInForce finds the decision by which a person is killed at asOf, of a person's decisions in whatever order and what
// the sources say of them. The last decision counts; a kill is lifted besides by a worker.rehired that is in effect and
// whose event's time is later: it supposes an end, and says that somebody is taken back. That a source goes on saying
// that the person works here, or a directory's User is active again, lifts nothing: it may not have heard.
func KillInForce(decisions []Entry, records []Record, asOf time.Time) (kill Entry, killed bool) {
	for _, decision := range decisions {
		if !decision.Time.After(asOf) && (kill.ID == "" || compareDecisions(decision, kill) > 0) {
			kill = decision
		}
	}
	rehired := func(r Record) bool { return r.RehiredAt.After(kill.Time) }
	return kill, kill.Type == IdentityKilled && !slices.ContainsFunc(records, rehired)
}

func compareDecisions(a, b Entry) int {
	return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.ID, b.ID))
}

// Override lays a kill that is in force over what the sources say: the person has left, at once. The moment is the kill's,
// unless they had left before. What they are called and when a known fact takes effect stay as the sources have it.
func Override(is Situation, kill Entry) Situation {
	if is.State != StateLeft || is.EndsAt.After(kill.Time) {
		is.EndsAt = kill.Time
	}
	is.State, is.Immediate, is.Reason = StateLeft, true, kill.Patch.Text(fieldReason)
	return is
}
