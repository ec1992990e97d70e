package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tenurehq/tenure/internal/identity"
)

// Organization is one tenant.
type Organization struct {
	ID            string
	Name          string
	CreatedAt     time.Time
	PolicyVersion int64
	HeldSince     *time.Time // set while nothing may be granted or enabled: see Recover
}

// CreateOrganization makes an organization; Conflict when the id is taken.
func (s *Store) CreateOrganization(ctx context.Context, id, name string) error {
	if !orgID.MatchString(id) {
		return identity.InvalidField("id", "%q is not an organization id: at most 31 of a-z, 0-9 and -, beginning with a letter or digit", id)
	}
	return s.InOrg(ctx, id, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `insert into organizations (id, name) values ($1, $2)`, id, name)
		if isUnique(err) {
			return identity.Errorf(identity.Conflict, "organization %q exists already", id)
		}
		if err != nil {
			return fmt.Errorf("create organization: %w", err)
		}
		return tx.Audit(ctx, AuditEntry{Actor: s.actor, Action: "organization.created", ObjectType: "organization", ObjectID: id})
	})
}

// Organization reads the transaction's own organization.
func (tx *Tx) Organization(ctx context.Context) (Organization, error) {
	var o Organization
	err := tx.QueryRow(ctx, `select id, name, created_at, policy_version, held_since from organizations where id = $1`, tx.Org).
		Scan(&o.ID, &o.Name, &o.CreatedAt, &o.PolicyVersion, &o.HeldSince)
	if errors.Is(err, pgx.ErrNoRows) {
		return o, identity.Errorf(identity.NotFound, "no organization %q", tx.Org)
	}
	if err != nil {
		return o, fmt.Errorf("read organization: %w", err)
	}
	return o, nil
}

// OrganizationIDs lists the organizations, in order. For the engine and the operator's command line.
func (s *Store) OrganizationIDs(ctx context.Context) ([]string, error) {
	rows, err := s.engine.Query(ctx, `select id from organizations order by id`)
	if err != nil {
		return nil, fmt.Errorf("list organizations: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func isUnique(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505"
}
