// Package store is the one place with SQL: Postgres through pgx, one function an operation, set-based. It owns the
// schema (goose migrations), the roles and the row level security that keep organizations apart. It knows nothing of
// HTTP, Temporal or connectors, and holds no rule of the domain beyond what a transaction must hold together.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
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
	// Actor is who makes organizations and tokens, as the audit rows say; empty means cli.
	Actor string
}

// Store holds the connection pools. Its methods may be called from many goroutines.
type Store struct {
	app    *pgxpool.Pool
	urgent *pgxpool.Pool
	engine *pgxpool.Pool
	actor  string // of what is made outside the API
}

// Open connects and checks that the login is safe to run with and that the schema is the one of this binary.
func Open(ctx context.Context, options Options) (*Store, error) {
	if options.MaxConns == 0 {
		options.MaxConns = 20
	}
	if options.UrgentConns == 0 {
		options.UrgentConns = 6
	}
	s := &Store{actor: cmp.Or(options.Actor, "cli")}
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
	// Request is the id of the request that the transaction serves, if any: it goes with the pokes to the runs.
	Request string
	conn    *pgxpool.Conn
	begun   bool  // the database knows of the transaction
	failed  error // of a statement that was left: whatever else is done, nothing is committed
	// later are the statements whose results can wait, the begin first of all. They go together with the next statement, or
	// with the commit: each round trip costs both sides about as much as a small statement.
	later  pgx.Batch
	queued []queued // what each of them is
}

// queued is a statement that waits in a batch.
type queued struct {
	doing string              // for its error
	row   func(pgx.Row) error // takes its row; nil: it has none that anybody needs
	check bool                // row may refuse, which has to be known before the commit
}

// write leaves a write to go with others. Its error is that of the next statement, or of the commit.
func (tx *Tx) write(doing, sql string, args ...any) {
	tx.queue(queued{doing: doing}, sql, args...)
}

func (tx *Tx) queue(q queued, sql string, args ...any) {
	tx.later.Queue(sql, args...)
	tx.queued = append(tx.queued, q)
}

// send sends what was left, and the statement behind it, whose result is the next of the results. The caller closes them.
func (tx *Tx) send(ctx context.Context, sql string, args ...any) (pgx.BatchResults, error) {
	batch, all := tx.later, tx.queued
	tx.later, tx.queued = pgx.Batch{}, nil
	batch.Queue(sql, args...)
	results := tx.conn.SendBatch(ctx, &batch)
	for _, q := range all {
		if err := q.take(results); err != nil {
			_ = results.Close() // it has the same error, or none
			if !tx.begun {
				return nil, fmt.Errorf("%w: %w", errBegin, err)
			}
			tx.failed = cmp.Or(tx.failed, err)
			return nil, err
		}
		tx.begun = true
	}
	return results, nil
}

// take takes the statement's result, which is the next one.
func (q queued) take(results pgx.BatchResults) error {
	var err error
	if q.row != nil {
		err = q.row(results.QueryRow())
	} else {
		_, err = results.Exec()
	}
	if err != nil && q.doing != "" {
		return fmt.Errorf("%s: %w", q.doing, err)
	}
	return err
}

// Exec does what was left, and the statement.
func (tx *Tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if len(tx.queued) == 0 {
		return tx.conn.Exec(ctx, sql, args...)
	}
	results, err := tx.send(ctx, sql, args...)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	return tag, closing(results, err)
}

// closing closes the results of a batch. The error is the statement's, if it had one.
func closing(results pgx.BatchResults, of error) error {
	err := results.Close()
	if of != nil {
		return of
	}
	return err
}

// Query does what was left, and the query.
func (tx *Tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if len(tx.queued) == 0 {
		return tx.conn.Query(ctx, sql, args...)
	}
	results, err := tx.send(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		return nil, closing(results, err)
	}
	return lastRows{rows, results}, nil
}

// lastRows are the rows of the last statement of a batch.
type lastRows struct {
	pgx.Rows
	results pgx.BatchResults
}

// Next closes the rows behind the last of them, as those of a query alone do.
func (r lastRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r lastRows) Close() {
	r.Rows.Close()
	_ = r.results.Close() // an error of the query is that of its rows
}

// QueryRow does what was left, and the query.
func (tx *Tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if len(tx.queued) == 0 {
		return tx.conn.QueryRow(ctx, sql, args...)
	}
	results, err := tx.send(ctx, sql, args...)
	if err != nil {
		return failedRow{err}
	}
	return lastRow{results}
}

// lastRow is the row of the last statement of a batch.
type lastRow struct{ results pgx.BatchResults }

func (r lastRow) Scan(dest ...any) error {
	return closing(r.results, r.results.QueryRow().Scan(dest...))
}

// failedRow answers for a query that was not made.
type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

// commit does what was left, and the commit.
func (tx *Tx) commit(ctx context.Context) error {
	if slices.ContainsFunc(tx.queued, func(q queued) bool { return q.check }) {
		if _, err := tx.Exec(ctx, "select"); err != nil {
			return err
		}
	}
	if tx.failed != nil {
		return tx.failed
	}
	results, err := tx.send(ctx, "commit")
	if err != nil {
		return err
	}
	tag, err := results.Exec()
	if err = closing(results, err); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if tag.String() == "ROLLBACK" { // a statement had failed, and fn did not mind
		return fmt.Errorf("commit: %w", pgx.ErrTxCommitRollback)
	}
	tx.begun = false
	return nil
}

// end rolls back, unless the transaction was committed, and gives the connection back. One on which that fails is closed.
func (tx *Tx) end(ctx context.Context) {
	if tx.begun {
		_, _ = tx.conn.Exec(context.WithoutCancel(ctx), "rollback")
	}
	tx.conn.Release()
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
	if !orgID.MatchString(org) { // nor could the database compare it with anything, were it no text
		return identity.Errorf(identity.NotFound, "no organization %q", org)
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errBegin, err)
	}
	in := &Tx{Org: org, conn: conn}
	defer in.end(ctx)
	in.write("begin", "begin")
	in.write("choose organization", `select set_config('tenure.org', $1, true)`, org)
	if err := fn(in); err != nil {
		return err
	}
	return in.commit(ctx)
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
