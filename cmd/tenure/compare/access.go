package compare

import (
	"github.com/tenurehq/tenure/internal/identity"
)

// State is what an account may be in a target.
type State string

// The states of an account. Where a target tells no more than enabled and disabled, Disabled stands for all but the first.
const (
	Enabled     State = "enabled"
	Disabled    State = "disabled"
	Staged      State = "staged"      // of somebody who is yet to come
	Suspended   State = "suspended"   // of somebody who is on leave
	Deactivated State = "deactivated" // of somebody who has left
)

// stateOf is the state of an account that a person in this state has.
func stateOf(s identity.State) State {
	switch s {
	case identity.StateStaged:
		return Staged
	case identity.StateSuspended:
		return Suspended
	case identity.StateLeaving, identity.StateLeft:
		return Deactivated
	default:
		return Enabled
	}
}

// Access is what an identity provider knows of a person's ways in.
type Access struct {
	Sessions int // those that still work, refresh tokens included
	Factors  int // those beside the password
	// Password is whether the password works that the person had chosen.
	Password bool
}

func (c *comparison) state(person Person, account Held, should State) {
	switch {
	case account.State == should:
	case account.State == Disabled && should != Enabled:
	case account.State == Staged && should == Suspended && !person.SignedIn[c.target]: // made during the leave
	default:
		c.differs(person.ID, account.NativeID, "is %s and should be %s", account.State, should)
	}
}

// access compares the ways in. Who has left has none, whether they have come back since or not: that begins anew. Who is on
// leave has no session and keeps the rest, and who stays keeps all: a move signs nobody out.
func (c *comparison) access(person Person, account Held) {
	has := account.Access
	if has == nil {
		return
	}
	gone := person.Subject.State.Gone() || person.Left
	if (gone || account.State != Enabled || person.Away) && has.Sessions > 0 {
		c.differs(person.ID, account.NativeID, "has %d sessions, which should have ended", has.Sessions)
	}
	switch {
	case gone && has.Factors > 0:
		c.differs(person.ID, account.NativeID, "has %d factors, which a leaver should not have", has.Factors)
	case gone && has.Password:
		c.differs(person.ID, account.NativeID, "has the password of before, which a leaver should not have")
	case gone || !person.SignedIn[c.target]:
	case has.Factors == 0 || !has.Password:
		c.differs(person.ID, account.NativeID, "has lost the password or the factors without having left")
	case account.State == Enabled && !person.Away && has.Sessions == 0:
		c.differs(person.ID, account.NativeID, "was signed out without having been away")
	}
}
