package stack

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
)

// The roles that can log in. The migration makes the roles without a login (tenure_app, tenure_engine) and grants them.
const (
	OwnerRole    = "tenure_owner" // owns the database and migrates
	ServeRole    = "tenure"       // what tenure serve logs in as, unless told otherwise
	TemporalRole = "temporal"
)

// ServeAttributes are the rights of the login that serves: none beyond those granted to it.
const ServeAttributes = "NOCREATEROLE NOSUPERUSER NOBYPASSRLS"

// EnsureRoles makes Tenure's two logins on a server, with passwords derived from the secret.
func EnsureRoles(ctx context.Context, admin *pgx.Conn, serveRole, secret string) error {
	if err := EnsureRole(ctx, admin, OwnerRole, "CREATEROLE NOSUPERUSER NOBYPASSRLS", secret); err != nil {
		return err
	}
	return EnsureRole(ctx, admin, serveRole, ServeAttributes, secret)
}

// EnsureRole makes a role that can log in, with a password derived from the secret, when it is missing. An existing one
// is left alone. It is not for concurrent callers: Postgres has no CREATE ROLE IF NOT EXISTS.
func EnsureRole(ctx context.Context, admin *pgx.Conn, role, attributes, secret string) error {
	var exists bool
	err := admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role).Scan(&exists)
	if err != nil {
		return fmt.Errorf("look for role %s: %w", role, err)
	}
	if exists {
		return nil
	}
	// Neither part can be a parameter; a derived password is hexadecimal.
	statement := fmt.Sprintf("CREATE ROLE %s LOGIN %s PASSWORD '%s'", pgx.Identifier{role}.Sanitize(), attributes,
		Password(secret, role))
	if _, err := admin.Exec(ctx, statement); err != nil {
		return fmt.Errorf("create role %s: %w", role, err)
	}
	return nil
}

func ensureDatabase(ctx context.Context, admin *pgx.Conn, name, owner string) error {
	var exists bool
	err := admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists)
	if err != nil {
		return fmt.Errorf("look for database %s: %w", name, err)
	}
	if exists {
		return nil
	}
	_, err = admin.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" OWNER "+pgx.Identifier{owner}.Sanitize())
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// PrepareTenure makes Tenure's logins and an empty database, when they are missing, and returns the connection strings
// of the owner and of the serving login.
func (p *Postgres) PrepareTenure(ctx context.Context, database, serveRole string) (owner, serve string, err error) {
	err = p.asAdmin(ctx, func(admin *pgx.Conn) error {
		if err := EnsureRoles(ctx, admin, serveRole, p.config.Secret); err != nil {
			return err
		}
		return ensureDatabase(ctx, admin, database, OwnerRole)
	})
	return p.RoleURL(OwnerRole, database), p.RoleURL(serveRole, database), err
}

// prepareTemporal makes Temporal's login and its two empty databases, and forgets the members of earlier runs: a
// server that starts tries to join those whose last heartbeat is younger than 20 s, and waits for each that is dead.
func (p *Postgres) prepareTemporal(ctx context.Context) error {
	err := p.asAdmin(ctx, func(admin *pgx.Conn) error {
		if err := EnsureRole(ctx, admin, TemporalRole, "NOCREATEROLE NOSUPERUSER", p.config.Secret); err != nil {
			return err
		}
		if err := ensureDatabase(ctx, admin, temporalDB, TemporalRole); err != nil {
			return err
		}
		return ensureDatabase(ctx, admin, visibilityDB, TemporalRole)
	})
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, p.RoleURL(TemporalRole, temporalDB))
	if err != nil {
		return fmt.Errorf("connect to Temporal's database: %w", err)
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `DO $$ BEGIN
		IF to_regclass('cluster_membership') IS NOT NULL THEN DELETE FROM cluster_membership; END IF;
	END $$`)
	if err != nil {
		return fmt.Errorf("forget Temporal's old members: %w", err)
	}
	return nil
}

func (p *Postgres) hasTable(ctx context.Context, database, table string) (exists bool, err error) {
	conn, err := pgx.Connect(ctx, p.RoleURL(TemporalRole, database))
	if err != nil {
		return false, fmt.Errorf("connect to database %s: %w", database, err)
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", table).Scan(&exists)
	return exists, err
}

func (p *Postgres) asAdmin(ctx context.Context, do func(*pgx.Conn) error) error {
	admin, err := pgx.Connect(ctx, p.AdminURL())
	if err != nil {
		return fmt.Errorf("connect to Postgres on %s: %w", p.Address(), err)
	}
	defer admin.Close(ctx)
	return do(admin)
}

// SecretOf is the password in an administrator's connection string: what the roles' passwords derive from.
func SecretOf(adminURL string) (string, error) {
	u, err := url.Parse(adminURL)
	if err != nil {
		return "", errors.New("the administrator's connection string is not a URL") // the cause would quote the password
	}
	secret, _ := u.User.Password()
	return secret, nil
}

// LoginURL is a connection string to the same server, as another role and to another database. An empty role keeps the
// administrator's login.
func LoginURL(adminURL, role, password, database string) string {
	u, err := url.Parse(adminURL)
	if err != nil {
		return ""
	}
	if role != "" {
		u.User = url.UserPassword(role, password)
	}
	u.Path = "/" + database
	return u.String()
}
