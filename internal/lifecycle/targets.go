package lifecycle

import (
	"context"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

// wave is how many waiting people are poked at once when a target is back.
const wave = 200

// SetHealth records a target's health. When it comes back from being down, the people who wait for it are poked in
// waves, those who have left first, for what they are now.
func (s *Service) SetHealth(ctx context.Context, org, target, health, reason string) error {
	err := s.store.InOrg(ctx, org, func(tx *store.Tx) error {
		before, _, err := tx.TargetHealth(ctx, target)
		if err != nil {
			return err
		}
		if before == "paused" {
			return nil // only a person ends what a person began
		}
		if before == "down" && reason == reasonAttempts {
			return nil // only a probe says that it is back
		}
		changed, err := tx.SetTargetHealth(ctx, target, health, reason, s.now())
		if err != nil || !changed {
			return err
		}
		return tx.Audit(ctx, store.AuditEntry{Actor: "system:health", Action: "target." + health, ObjectType: "target", ObjectID: target,
			Detail: map[string]any{"from": before, "reason": reason}})
	})
	if err != nil || health != "up" {
		return err
	}
	return s.PokeBlocked(ctx, org, target)
}

// reasonAttempts is the reason for a health that was judged by how attempts ended.
const reasonAttempts = "attempts"

// PokeBlocked pokes whoever waits for a target that is up.
func (s *Service) PokeBlocked(ctx context.Context, org, target string) error {
	for {
		n := 0
		err := s.store.InOrg(ctx, org, func(tx *store.Tx) error {
			health, _, err := tx.TargetHealth(ctx, target)
			if err != nil || health == "down" || health == "paused" {
				return err
			}
			ids, err := tx.BlockedOn(ctx, target, wave)
			if err != nil || len(ids) == 0 {
				return err
			}
			n = len(ids)
			return tx.RaiseVersions(ctx, ids, identity.ClassReconcile)
		})
		if err != nil {
			return err
		}
		if n > 0 {
			s.woken()
		}
		if n < wave {
			return nil
		}
	}
}

// Pause keeps Tenure from calling a target until it is resumed: a person's decision. Repeating either changes nothing.
func (s *Service) Pause(ctx context.Context, org string, caller Caller, target string, paused bool) error {
	to := "up"
	if paused {
		to = "paused"
	}
	err := s.store.InOrg(ctx, org, func(tx *store.Tx) error {
		before, _, err := tx.TargetHealth(ctx, target)
		if err != nil {
			return err
		}
		if paused == (before == "paused") {
			return nil
		}
		if _, err := tx.SetTargetHealth(ctx, target, to, "person", s.now()); err != nil {
			return err
		}
		return tx.Audit(ctx, store.AuditEntry{Actor: caller.Actor, RequestID: caller.RequestID, Action: "target." + to, ObjectType: "target",
			ObjectID: target, Detail: map[string]any{"from": before}})
	})
	if err != nil || paused {
		return err
	}
	return s.PokeBlocked(ctx, org, target)
}

// NoteProbe remembers that a target was probed and is still down.
func (s *Service) NoteProbe(ctx context.Context, org, target string) error {
	return s.store.InOrg(ctx, org, func(tx *store.Tx) error { return tx.NoteProbe(ctx, target, s.now()) })
}
