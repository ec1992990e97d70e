// Package store is the one place with SQL: Postgres through pgx, one function an operation, set-based. It owns the
// schema (goose migrations), the roles and the row level security that keep organizations apart. It knows nothing of
// HTTP, Temporal or connectors, and holds no rule of the domain beyond what a transaction must hold together.
package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tenurehq/tenure/internal/identity"
)

// The database roles; see docs/protocol.md, "Roles".
const (
	roleApp    = "tenure_app"
	roleEngine = "tenure_engine"
)

// Options say how a Store connects.
type Options struct {
	// URL logs in as a member of tenure_app and tenure_engine that is neither superuser nor BYPASSRLS.
	URL string
	// MaxConns bounds the connections of the ordinary pool; 0 means 20.
	MaxConns int32
	// UrgentConns is the size of the pool that only leaves use, so that a burst of other work never makes one wait; 0
	// means 6.
	UrgentConns int32
}

// Store holds the connection pools. Its methods may be called from many goroutines.
type Store struct {
	app    *pgxpool.Pool
	urgent *pgxpool.Pool
	engine *pgxpool.Pool
}

// Open connects and checks that the login is safe to run with and that the schema is the one of this binary.
func Open(ctx context.Context, options Options) (*Store, error) {
	if options.MaxConns == 0 {
		options.MaxConns = 20
	}
	if options.UrgentConns == 0 {
		options.UrgentConns = 6
	}
	s := &Store{}
	var err error
	for _, p := range []struct {
		pool **pgxpool.Pool
		role string
		max  int32
	}{{&s.app, roleApp, options.MaxConns}, {&s.urgent, roleApp, options.UrgentConns}, {&s.engine, roleEngine, 12}} {
		if *p.pool, err = open(ctx, options.URL, p.role, p.max); err != nil {
			s.Close()
			return nil, err
		}
	}
	if err := s.checkLogin(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func open(ctx context.Context, url, role string, maxConns int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse DATABASE_URL: %w", errors.New("not a postgres:// URL or keyword string"))
	}
	config.MaxConns = maxConns
	config.MaxConnIdleTime = 5 * time.Minute
	config.ConnConfig.RuntimeParams["application_name"] = role
	config.ConnConfig.RuntimeParams["statement_timeout"] = "30s"
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "30s"
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "set role "+role)
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	return pool, nil
}

// checkLogin refuses a login that row level security would not bind.
func (s *Store) checkLogin(ctx context.Context) error {
	var name string
	var super, bypass bool
	err := s.app.QueryRow(ctx, `select rolname, rolsuper, rolbypassrls from pg_roles where rolname = session_user`).
		Scan(&name, &super, &bypass)
	if err != nil {
		var pg *pgconn.PgError
		if errors.As(err, &pg) && (pg.Code == "22023" || pg.Code == "42501") {
			return identity.Errorf(identity.Unavailable,
				"the database login may not act as %s: run `tenure migrate` with the owner's login first, with TENURE_SERVE_ROLE naming this one (%s)", roleApp, pg.Message)
		}
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	if super || bypass {
		return identity.Errorf(identity.Forbidden,
			"the database login %q is a superuser or has BYPASSRLS, which would let one organization read another: use a login without either", name)
	}
	return checkSchema(ctx, s.app)
}

// Close closes the pools; it waits for connections in use.
func (s *Store) Close() {
	for _, p := range []*pgxpool.Pool{s.app, s.urgent, s.engine} {
		if p != nil {
			p.Close()
		}
	}
}

// Ping answers when the database does.
func (s *Store) Ping(ctx context.Context) error { return s.app.Ping(ctx) }

// Tx is one transaction inside one organization. Its methods are the queries.
type Tx struct {
	pgx.Tx
	Org string
}

// InOrg runs fn in a transaction that sees and writes the given organization only. A serialization failure or a
// deadlock is tried again, so fn must have no effect but through tx.
func (s *Store) InOrg(ctx context.Context, org string, fn func(tx *Tx) error) error {
	return inOrg(ctx, s.app, org, fn)
}

// InOrgUrgent is InOrg on the connections kept free for leaves.
func (s *Store) InOrgUrgent(ctx context.Context, org string, fn func(tx *Tx) error) error {
	return inOrg(ctx, s.urgent, org, fn)
}

func inOrg(ctx context.Context, pool *pgxpool.Pool, org string, fn func(tx *Tx) error) error {
	return retrying(ctx, func() error { return inOrgOnce(ctx, pool, org, fn) })
}

// retrying runs fn again after a serialization failure or a deadlock, a few times.
func retrying(ctx context.Context, fn func() error) error {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		err := fn()
		if err == nil || attempt == attempts || !retryable(err) {
			return err
		}
		// A deadlock's victims would meet again in step without some chance in when they come back.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(1+rand.IntN(10*attempt)) * time.Millisecond): //nolint:gosec // chance, not a secret
		}
	}
}

func inOrgOnce(ctx context.Context, pool *pgxpool.Pool, org string, fn func(tx *Tx) error) error {
	// The setting travels with the begin, in one round trip, which takes no parameters: hence the check of its form.
	if !orgID.MatchString(org) {
		return identity.Errorf(identity.NotFound, "no organization %q", org)
	}
	options := pgx.TxOptions{BeginQuery: "begin; select set_config('tenure.org', '" + org + "', true)"}
	tx, err := pool.BeginTx(ctx, options)
	if err != nil {
		return fmt.Errorf("%w: %w", errBegin, err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // after a commit this does nothing
	if err := fn(&Tx{Tx: tx, Org: org}); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// orgID is what an organization's id looks like; the table has the same check.
var orgID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,30}$`)

// errBegin: the transaction was not begun, so that nothing was done.
var errBegin = errors.New("begin")

// retryable: a serialization failure, a deadlock, or a pooled connection that the server had closed (57P01).
func retryable(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	return pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "57P01" && errors.Is(err, errBegin)
}
