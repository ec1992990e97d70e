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
	Org string
	tx  pgx.Tx
	// later are the writes whose results nobody needs. They go together, before the next statement or the commit: each
	// round trip costs both sides about as much as a small statement.
	later pgx.Batch
	doing []string // what each of them does, for its error
}

// write leaves a write to go with others. Its error is that of the next statement, or of the commit.
func (tx *Tx) write(doing, sql string, args ...any) {
	tx.later.Queue(sql, args...)
	tx.doing = append(tx.doing, doing)
}

// flush sends the writes that were left.
func (tx *Tx) flush(ctx context.Context) error {
	if len(tx.doing) == 0 {
		return nil
	}
	batch, doing := tx.later, tx.doing
	tx.later, tx.doing = pgx.Batch{}, nil
	results := tx.tx.SendBatch(ctx, &batch)
	defer func() { _ = results.Close() }() // an error of a write has been answered by then
	for _, what := range doing {
		if _, err := results.Exec(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return results.Close()
}

// Exec does what was left, and the statement.
func (tx *Tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := tx.flush(ctx); err != nil {
		return pgconn.CommandTag{}, err
	}
	return tx.tx.Exec(ctx, sql, args...)
}

// Query does what was left, and the query.
func (tx *Tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	return tx.tx.Query(ctx, sql, args...)
}

// QueryRow does what was left, and the query.
func (tx *Tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := tx.flush(ctx); err != nil {
		return failedRow{err}
	}
	return tx.tx.QueryRow(ctx, sql, args...)
}

// failedRow answers for a query that was not made.
type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

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
	in := &Tx{Org: org, tx: tx}
	if err := fn(in); err != nil {
		return err
	}
	if err := in.flush(ctx); err != nil {
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
