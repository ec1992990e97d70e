package lifecycle

import (
	"context"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

// hold stops every grant and enablement of an organization: a run was poked for a version that the database does not
// have, so the database was set back, and leaves may be lost with what it forgot.
func (s *Service) hold(ctx context.Context, org string, id uuid.UUID, seq int64) error {
	return s.store.InOrg(ctx, org, func(tx *store.Tx) error {
		fresh, err := tx.Hold(ctx, s.now())
		if err != nil || !fresh {
			return err
		}
		return tx.Audit(ctx, store.AuditEntry{Actor: "system:plan", Action: "recovery.needed", ObjectType: "organization", ObjectID: org,
			Identity: id, Detail: map[string]any{"seq": seq}})
	})
}

// HoldAll stops every grant and enablement of all organizations: Temporal remembers more than the database, so the
// database was set back. It answers how many organizations were not held before.
func (s *Service) HoldAll(ctx context.Context, remembered, raised int64) (held int, err error) {
	orgs, err := s.store.OrganizationIDs(ctx)
	if err != nil {
		return 0, err
	}
	for _, org := range orgs {
		err := s.store.InOrg(ctx, org, func(tx *store.Tx) error {
			fresh, err := tx.Hold(ctx, s.now())
			if err != nil || !fresh {
				return err
			}
			held++
			return tx.Audit(ctx, store.AuditEntry{Actor: "system:watermark", Action: "recovery.needed", ObjectType: "organization", ObjectID: org,
				Detail: map[string]any{"remembered": remembered, "raised": raised}})
		})
		if err != nil {
			return held, err
		}
	}
	return held, nil
}

// Recover raises every version and epoch of the organization above anything that may still run in Temporal, begins a new
// epoch of the record, and holds every grant and enablement until Release. All identities are then planned anew: what
// takes access away is done at once.
func (s *Service) Recover(ctx context.Context, org string, caller Caller) (identities int, err error) {
	err = s.store.InOrg(ctx, org, func(tx *store.Tx) error {
		if _, err := tx.Hold(ctx, s.now()); err != nil {
			return err
		}
		if identities, err = tx.RaiseAboveEverything(ctx); err != nil {
			return err
		}
		return tx.Audit(ctx, store.AuditEntry{Actor: caller.Actor, RequestID: caller.RequestID, Action: "recovery.begun",
			ObjectType: "organization", ObjectID: org, Detail: map[string]any{"identities": identities}})
	})
	return identities, err
}

// Release ends the hold, once the sources have been replayed, and has every identity planned anew.
func (s *Service) Release(ctx context.Context, org string, caller Caller) error {
	return s.store.InOrg(ctx, org, func(tx *store.Tx) error {
		released, err := tx.Release(ctx)
		if err != nil {
			return err
		}
		if !released {
			return identity.Errorf(identity.Conflict, "nothing is held in organization %q", org)
		}
		return tx.Audit(ctx, store.AuditEntry{Actor: caller.Actor, RequestID: caller.RequestID, Action: "recovery.released",
			ObjectType: "organization", ObjectID: org})
	})
}
