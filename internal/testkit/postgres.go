package testkit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tenurehq/tenure/deploy/local/stack"
)

// Database is one test's database, as connection strings. It is dropped when the test ends.
type Database struct {
	Owner string // owns the database, may create roles, migrates
	Serve string // what tenure serve logs in as: bound by row level security
	Admin string // a superuser: for a test's own look behind the scenes, never for the product
}

// Postgres makes an empty database.
func Postgres(t testing.TB) Database {
	t.Helper()
	return newDatabase(t, "template1")
}

// PostgresFrom makes a database that template has prepared: it runs once in a test binary, on an empty database that is
// then copied for every test. template must be a plain function, not a closure, since it is told from others by its
// code; it must close its connections. What is not kept within a database is not copied: roles are shared by the whole
// server, and settings made by ALTER DATABASE are lost.
func PostgresFrom(t testing.TB, template func(ctx context.Context, ownerURL string) error) Database {
	t.Helper()
	name, err := templates.get(t, template)
	if err != nil {
		t.Fatalf("prepare the template database: %v", err)
	}
	return newDatabase(t, name)
}

func newDatabase(t testing.TB, template string) Database {
	t.Helper()
	s, err := connect(setting(t, DatabaseVariable))
	if err != nil {
		t.Fatal(err)
	}
	name := s.newName()
	if err := s.create(t.Context(), name, template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // t.Context is over
		defer cancel()
		if err := s.drop(ctx, name); err != nil {
			t.Error(err)
		}
	})
	return s.database(name)
}

// server is the shared Postgres, as seen by this test binary.
type server struct {
	pool     *pgxpool.Pool
	adminURL string
	secret   string
	// id is in the name of every database of this test binary, which holds an advisory lock on it while it lives: the
	// databases of an id that nobody holds belong to a binary that was killed.
	id       uint32
	presence *pgx.Conn
	count    atomic.Int64
}

const (
	databasePrefix = "tenure_test_"
	// serverLock serializes what touches the whole server: Postgres has no CREATE ROLE IF NOT EXISTS.
	serverLock = 7_363_873_001
)

var connectOnce sync.Mutex
var connected *server

// connect is the one server of this binary.
func connect(adminURL string) (*server, error) {
	connectOnce.Lock()
	defer connectOnce.Unlock()
	if connected != nil {
		return connected, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := newServer(ctx, adminURL)
	if err != nil {
		return nil, fmt.Errorf("the Postgres of %s: %w", DatabaseVariable, err)
	}
	connected = s
	return s, nil
}

func newServer(ctx context.Context, adminURL string) (*server, error) {
	secret, err := stack.SecretOf(adminURL)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.New(ctx, adminURL)
	if err != nil {
		return nil, err
	}
	s := &server{pool: pool, adminURL: adminURL, secret: secret, id: rand.Uint32()} //nolint:gosec // tells databases apart, protects nothing
	if s.presence, err = pgx.Connect(ctx, adminURL); err != nil {
		return nil, err
	}
	if _, err := s.presence.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(s.id)); err != nil {
		return nil, err
	}
	return s, s.exclusively(ctx, func(conn *pgx.Conn) error {
		return errors.Join(stack.EnsureRoles(ctx, conn, stack.ServeRole, secret), s.sweep(ctx, conn))
	})
}

// exclusively runs do while no other test binary runs its own.
func (s *server) exclusively(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, s.adminURL) // the lock ends with the connection
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(serverLock)); err != nil {
		return err
	}
	return do(conn)
}

// sweep drops the databases of test binaries that were killed.
func (s *server) sweep(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", databasePrefix)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		var id uint32
		if _, err := fmt.Sscanf(strings.TrimPrefix(name, databasePrefix), "%08x_", &id); err != nil || id == s.id {
			continue
		}
		var abandoned bool
		if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(id)).Scan(&abandoned); err != nil {
			return err
		}
		if !abandoned {
			continue
		}
		if err := s.drop(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) newName() string {
	return fmt.Sprintf("%s%08x_%d", databasePrefix, s.id, s.count.Add(1))
}

func (s *server) create(ctx context.Context, name, template string) error {
	_, err := s.pool.Exec(ctx, fmt.Sprintf("CREATE DATABASE %s OWNER %s TEMPLATE %s", pgx.Identifier{name}.Sanitize(),
		pgx.Identifier{stack.OwnerRole}.Sanitize(), pgx.Identifier{template}.Sanitize()))
	if err != nil {
		return fmt.Errorf("create database %s from %s: %w", name, template, err)
	}
	return nil
}

func (s *server) drop(ctx context.Context, name string) error {
	_, err := s.pool.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
	if err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

func (s *server) database(name string) Database {
	return Database{
		Owner: stack.LoginURL(s.adminURL, stack.OwnerRole, stack.Password(s.secret, stack.OwnerRole), name),
		Serve: stack.LoginURL(s.adminURL, stack.ServeRole, stack.Password(s.secret, stack.ServeRole), name),
		Admin: stack.LoginURL(s.adminURL, "", "", name),
	}
}

// templateSet keeps the name of each template function's database.
type templateSet struct {
	mu   sync.Mutex
	made map[uintptr]*templateDatabase
}

type templateDatabase struct {
	once sync.Once
	name string
	err  error
}

var templates = templateSet{made: map[uintptr]*templateDatabase{}}

func (set *templateSet) get(t testing.TB, prepare func(context.Context, string) error) (string, error) {
	t.Helper()
	s, err := connect(setting(t, DatabaseVariable))
	if err != nil {
		return "", err
	}
	set.mu.Lock()
	code := reflect.ValueOf(prepare).Pointer()
	if set.made[code] == nil {
		set.made[code] = &templateDatabase{}
	}
	made := set.made[code]
	set.mu.Unlock()
	made.once.Do(func() { made.name, made.err = s.prepareTemplate(prepare) })
	return made.name, made.err
}

// prepareTemplate does not use a test's context: the database serves the tests that follow, too.
func (s *server) prepareTemplate(prepare func(context.Context, string) error) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	name := s.newName()
	return name, s.exclusively(ctx, func(*pgx.Conn) error { // migrations make roles
		if err := s.create(ctx, name, "template1"); err != nil {
			return err
		}
		if err := prepare(ctx, s.database(name).Owner); err != nil {
			return err
		}
		_, err := s.pool.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, name)
		return err
	})
}
