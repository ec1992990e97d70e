package lifecycle

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

// The answers to a case.
const (
	ResolveLink      = "link"       // the source's person is the given candidate
	ResolveKeepApart = "keep_apart" // the source's person is somebody new
)

// ResolveCase answers who a source's person is. The facts that waited with the case then take effect.
func (s *Service) ResolveCase(ctx context.Context, org string, caller Caller, id uuid.UUID, resolution string, candidate uuid.UUID) (uuid.UUID, error) {
	var who uuid.UUID
	err := s.store.InOrg(ctx, org, func(tx *store.Tx) error {
		tx.Request = caller.RequestID
		c, err := tx.CaseForUpdate(ctx, id)
		if err != nil {
			return err
		}
		if c.ResolvedAt != nil {
			return identity.Errorf(identity.Conflict, "case %s was resolved already: %s", id, *c.Resolution)
		}
		if who, err = chosen(c, resolution, candidate); err != nil {
			return err
		}
		if err := s.settleCase(ctx, tx, c, who); err != nil {
			return err
		}
		if err := tx.CloseCase(ctx, id, resolution, caller.Actor, who, s.now()); err != nil {
			return err
		}
		return tx.Audit(ctx, store.AuditEntry{Actor: caller.Actor, RequestID: caller.RequestID, Action: "case.resolved", ObjectType: "case",
			ObjectID: id.String(), Identity: who, Detail: map[string]any{"resolution": resolution}})
	})
	if err == nil {
		s.woken()
	}
	return who, err
}

// chosen is the identity that an answer means.
func chosen(c store.Case, resolution string, candidate uuid.UUID) (uuid.UUID, error) {
	switch resolution {
	case ResolveKeepApart:
		return uuid.New(), nil
	case ResolveLink:
		if slices.Contains(c.Candidates, candidate) {
			return candidate, nil
		}
		return uuid.Nil, identity.InvalidField("identityId", "%s is not a candidate of case %s", candidate, c.ID)
	default:
		return uuid.Nil, identity.InvalidField("resolution", "must be %s or %s", ResolveLink, ResolveKeepApart)
	}
}

// settleCase links the source's person and lets the waiting facts change the identity.
func (s *Service) settleCase(ctx context.Context, tx *store.Tx, c store.Case, who uuid.UUID) error {
	if err := tx.LockPersons(ctx, []string{c.EmployeeID}, nil); err != nil {
		return err
	}
	o, err := tx.Organization(ctx)
	if err != nil {
		return err
	}
	p, err := s.policyIn(ctx, tx, o.PolicyVersion)
	if err != nil {
		return err
	}
	row, entries, err := tx.IdentityAndEntriesForUpdate(ctx, who)
	if err != nil && identity.ErrorCode(err) != identity.NotFound { // who is kept apart is new
		return err
	}
	waiting, err := tx.PersonEntries(ctx, c.Source, c.EmployeeID)
	if err != nil {
		return err
	}
	now := s.now()
	is := newTimeline(append(entries, waiting...), p).at(now)
	row.ID = who
	if _, err := s.saveSituation(ctx, tx, p, row, is, now); err != nil {
		return err
	}
	if err := tx.SaveLink(ctx, c.Source, c.EmployeeID, &who); err != nil {
		return err
	}
	if err := tx.AdoptRecords(ctx, c.Source, c.EmployeeID, who); err != nil {
		return err
	}
	if err := tx.AdoptScimUser(ctx, c.EmployeeID, who); err != nil {
		return err
	}
	return s.adoptReports(ctx, tx, p, c.EmployeeID, who)
}
