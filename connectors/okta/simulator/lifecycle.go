package simulator

import "time"

// begin starts a change of status that may take a while (Users API: transitioningToStatus).
func (s *Simulator) begin(u *user, status string, lag time.Duration) {
	if lag <= 0 {
		u.arrive(status, s.stamp(), s.now().Add(s.store.revoke))
		return
	}
	until := s.now().Add(lag)
	u.Next, u.Until, u.LastUpdated = status, &until, s.stamp()
}

// activationTarget is where an activation leads: with a password, or a provider that needs none, to ACTIVE, else to
// PROVISIONED (Users API: User creation scenarios).
func (u *user) activationTarget() string {
	if u.Password != "" || !u.takesPassword() {
		return StatusActive
	}
	return StatusProvisioned
}

// lifecycle changes a user and answers. The vendor calls these operations non-idempotent.
func (s *Simulator) lifecycle(r *request, change func(*user) (any, error)) (answer, error) {
	u, err := s.store.findUser(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if u.Next != "" {
		return answer{}, errActivating
	}
	u = u.clone()
	body, err := change(u)
	if err != nil {
		return answer{}, err
	}
	if err := s.store.saveUser(u, s.now()); err != nil {
		return answer{}, err
	}
	return answer{body: body}, nil
}

// activateUser (User Lifecycle API: Activate a user): from STAGED and DEPROVISIONED only, and asynchronous.
func (s *Simulator) activateUser(r *request) (answer, error) {
	sendEmail, err := r.flag("sendEmail", true)
	if err != nil {
		return answer{}, err
	}
	return s.lifecycle(r, func(u *user) (any, error) {
		switch u.Status {
		case StatusStaged, StatusDeprovisioned:
			s.begin(u, u.activationTarget(), s.activate)
			return activation(r, sendEmail), nil
		case StatusActive, StatusProvisioned:
			return nil, errAlreadyActive
		default:
			return nil, errStatus
		}
	})
}

// reactivateUser (User Lifecycle API: Reactivate a user): sends the activation again to PROVISIONED and RECOVERY.
func (s *Simulator) reactivateUser(r *request) (answer, error) {
	sendEmail, err := r.flag("sendEmail", false)
	if err != nil {
		return answer{}, err
	}
	return s.lifecycle(r, func(u *user) (any, error) {
		if u.Status != StatusProvisioned && u.Status != StatusRecovery {
			return nil, errStatus
		}
		return activation(r, sendEmail), nil
	})
}

func activation(r *request, emailed bool) any {
	if emailed {
		return struct{}{}
	}
	token := newID("")
	return map[string]string{"activationUrl": r.base + "/welcome/" + token, "activationToken": token}
}

// deactivateUser (User Lifecycle API: Deactivate a user). A user that is deactivated already is not found
// (okta/okta-sdk-java#721, learn.azuqua.com connector-reference okta/deactivateuser).
func (s *Simulator) deactivateUser(r *request) (answer, error) {
	u, err := s.writable(r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	return empty, s.deprovision(u, r.Header.Get("Prefer"))
}

// deprovision deactivates, with "Prefer: respond-async" in the background.
func (s *Simulator) deprovision(u *user, prefer string) error {
	lag := time.Duration(0)
	if prefer == "respond-async" {
		lag = s.activate
	}
	s.begin(u, StatusDeprovisioned, lag)
	return s.store.saveUser(u, s.now())
}

// suspendUser (User Lifecycle API: Suspend a user): from ACTIVE only, else 400 E0000001. Sessions stop (help.okta.com,
// Deactivate and delete user accounts); groups, applications and factors stay.
func (s *Simulator) suspendUser(r *request) (answer, error) {
	return s.lifecycle(r, func(u *user) (any, error) {
		if u.Status != StatusActive {
			return nil, invalid("suspendUser", "Cannot suspend a user that is not active")
		}
		u.become(StatusSuspended, s.stamp())
		u.stopSessions(s.now().Add(s.store.revoke))
		return struct{}{}, nil
	})
}

// unsuspendUser (User Lifecycle API: Unsuspend a user): from SUSPENDED only, else 400 E0000001.
func (s *Simulator) unsuspendUser(r *request) (answer, error) {
	return s.lifecycle(r, func(u *user) (any, error) {
		if u.Status != StatusSuspended {
			return nil, invalid("suspendUser", "Cannot unsuspend a user that is not suspended")
		}
		u.become(StatusActive, s.stamp())
		return struct{}{}, nil
	})
}

// unlockUser (User Lifecycle API: Unlock a user).
func (s *Simulator) unlockUser(r *request) (answer, error) {
	return s.lifecycle(r, func(u *user) (any, error) {
		if u.Status != StatusLockedOut {
			return nil, errUnlock
		}
		u.Failures = 0
		u.become(StatusActive, s.stamp())
		return struct{}{}, nil
	})
}

// resetFactors (User Lifecycle API: Reset the factors). Not after deactivation.
func (s *Simulator) resetFactors(r *request) (answer, error) {
	return s.lifecycle(r, func(u *user) (any, error) {
		if u.Status == StatusDeprovisioned {
			return nil, errStatus
		}
		u.Factors = nil
		return struct{}{}, nil
	})
}

// expirePassword (User Credentials API: Expire the password) answers the user.
func (s *Simulator) expirePassword(r *request) (answer, error) {
	if err := notSimulated(r, "tempPassword"); err != nil {
		return answer{}, err
	}
	var after *user
	out, err := s.lifecycle(r, func(u *user) (any, error) {
		if u.Status != StatusActive {
			return nil, errStatus
		}
		u.become(StatusPasswordExpired, s.stamp())
		after = u
		return struct{}{}, nil
	})
	if err == nil {
		out.body = after.render(r.base, false)
	}
	return out, err
}

// resetPassword (User Credentials API: Reset a password): to RECOVERY, with revokeSessions the sessions end as well.
// sendEmail is required.
func (s *Simulator) resetPassword(r *request) (answer, error) {
	if err := notSimulated(r, "provider"); err != nil {
		return answer{}, err
	}
	if !r.query.Has("sendEmail") {
		return answer{}, errParameter
	}
	sendEmail, err := r.flag("sendEmail", true)
	if err != nil {
		return answer{}, err
	}
	revoke, err := r.flag("revokeSessions", false)
	if err != nil {
		return answer{}, err
	}
	return s.lifecycle(r, func(u *user) (any, error) {
		switch u.Status {
		case StatusStaged, StatusSuspended, StatusDeprovisioned:
			return nil, errPasswordReset
		}
		u.become(StatusRecovery, s.stamp())
		if revoke {
			u.stopSessions(s.now().Add(s.store.revoke))
		}
		if sendEmail {
			return struct{}{}, nil
		}
		return map[string]string{"resetPasswordUrl": r.base + "/reset_password/" + newID("")}, nil
	})
}
