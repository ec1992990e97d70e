package lifecycle

import (
	"context"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

// Retry asks for one more attempt at an operation that failed or is blocked: the identity is planned anew under a new
// version, a leave as a leave. It answers the operation as it was. Conflict when the operation is in any other status;
// asking twice makes one more plan and no second effect.
func (s *Service) Retry(ctx context.Context, org string, caller Caller, id uuid.UUID) (store.Operation, error) {
	var operation store.Operation
	err := s.store.InOrg(ctx, org, func(tx *store.Tx) error {
		tx.Request = caller.RequestID
		var err error
		if operation, err = tx.Operation(ctx, id); err != nil {
			return err
		}
		// Under the identity's lock no plan can change the operation between the look and the poke.
		if _, err := tx.IdentityForUpdate(ctx, operation.Identity); err != nil {
			return err
		}
		if operation, err = tx.Operation(ctx, id); err != nil {
			return err
		}
		if operation.Status != outcomeFailed && operation.Status != outcomeBlocked {
			return identity.Errorf(identity.Conflict, "operation %s is %s: only one that failed or is blocked can be tried again", id, operation.Status)
		}
		if err := tx.RaiseVersions(ctx, []uuid.UUID{operation.Identity}, identity.ClassChange); err != nil {
			return err
		}
		return tx.Audit(ctx, store.AuditEntry{Actor: caller.Actor, RequestID: caller.RequestID, Action: "operation.retried", ObjectType: "operation",
			ObjectID: id.String(), Identity: operation.Identity, Detail: map[string]any{"target": operation.Target, "action": operation.Action,
				"was": operation.Status}})
	})
	if err == nil {
		s.woken()
	}
	return operation, err
}
