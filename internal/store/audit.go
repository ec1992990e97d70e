package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
)

// AuditEntry is one row of the record. Detail holds codes, ids and names of attributes, never a person's data.
type AuditEntry struct {
	Actor      string // "token:<id>", "run:<id>", "system:<part>"
	Action     string // "event.accepted", "plan.made", "operation.verified", …
	ObjectType string
	ObjectID   string
	Identity   uuid.UUID // zero: none
	RequestID  string
	Detail     map[string]any
}

// Audit appends entries to the record, in the caller's transaction.
func (tx *Tx) Audit(ctx context.Context, entries ...AuditEntry) error {
	n := len(entries)
	if n == 0 {
		return nil
	}
	actors, actions, types, objects := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	identities, requests, details := make([]*uuid.UUID, n), make([]string, n), make([][]byte, n)
	for i, e := range entries {
		actors[i], actions[i], types[i], objects[i], requests[i] = e.Actor, e.Action, e.ObjectType, e.ObjectID, e.RequestID
		if e.Identity != uuid.Nil {
			identities[i] = &entries[i].Identity
		}
		if e.Detail == nil {
			e.Detail = map[string]any{}
		}
		detail, err := json.Marshal(e.Detail)
		if err != nil {
			return fmt.Errorf("audit %s: %w", e.Action, err)
		}
		details[i] = detail
	}
	tx.write("audit", `
		insert into audit (org, epoch, actor, action, object_type, object_id, identity_id, request_id, detail)
		select $1, o.audit_epoch, a.actor, a.action, a.type, a.object, a.identity, a.request, a.detail
		from organizations o,
			unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::jsonb[])
				with ordinality as a(actor, action, type, object, identity, request, detail, n)
		where o.id = $1 order by a.n`,
		tx.Org, actors, actions, types, objects, identities, requests, details)
	return nil
}
