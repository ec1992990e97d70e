package testkit

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tenurehq/tenure/deploy/local/stack"
	"github.com/tenurehq/tenure/internal/testkit/namespace"
)

// PrivatePostgres is a Postgres server of one test alone, which may kill it.
type PrivatePostgres struct {
	// Database is the connection strings to the database `tenure`, empty at first. They stay the same over restarts.
	Database

	server *stack.Postgres
	folder string
}

// PrivateTemporal is a Temporal server of one test alone, which may kill it.
type PrivateTemporal struct {
	server *stack.Temporal
}

// StartPostgres starts a private Postgres server on a free port, which it keeps. It ends with the test. It takes about a
// second.
func StartPostgres(t testing.TB) *PrivatePostgres {
	t.Helper()
	p, err := startPostgres(t)
	if err != nil {
		t.Fatalf("start a Postgres server: %v", err)
	}
	return p
}

func startPostgres(t testing.TB) (*PrivatePostgres, error) {
	t.Helper()
	user, err := stack.PostgresUser()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "tenure-") //nolint:usetesting // t.TempDir lies in a folder that is closed to the user postgres
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o711); err != nil { //nolint:gosec // for the user postgres; its contents are closed
		return nil, err
	}
	if !stack.Reachable(folder, user) {
		return nil, errors.New("the user postgres cannot reach the folder for temporary files: set TMPDIR to another")
	}
	ports, err := stack.FreePorts(1)
	if err != nil {
		return nil, err
	}
	secret, err := stack.Secret(filepath.Join(folder, "secret"))
	if err != nil {
		return nil, err
	}
	server, err := stack.NewPostgres(t.Context(), stack.PostgresConfig{
		Dir: filepath.Join(folder, "postgres"), StateDir: folder, Port: ports[0], Secret: secret})
	if err != nil {
		return nil, err
	}
	p := &PrivatePostgres{server: server, folder: folder}
	t.Cleanup(server.Stop)
	if err := server.Start(t.Context()); err != nil {
		return nil, err
	}
	p.Owner, p.Serve, err = server.PrepareTenure(t.Context(), "tenure", stack.ServeRole)
	p.Admin = stack.LoginURL(server.AdminURL(), "", "", "tenure")
	return p, err
}

// Kill ends the server and all its processes with SIGKILL, and returns when they are gone.
func (p *PrivatePostgres) Kill() { p.server.Kill() }

// Start starts the server again, after Kill, and waits until it takes connections.
func (p *PrivatePostgres) Start(ctx context.Context) error { return p.server.Start(ctx) }

// StartTemporal starts a private Temporal server on a private Postgres, with TemporalNamespace prepared, on free ports
// that it keeps. It ends with the test, before the Postgres. It takes about three seconds.
func StartTemporal(t testing.TB, postgres *PrivatePostgres) *PrivateTemporal {
	t.Helper()
	s, err := startTemporal(t, postgres)
	if err != nil {
		t.Fatalf("start a Temporal server: %v", err)
	}
	return s
}

func startTemporal(t testing.TB, postgres *PrivatePostgres) (*PrivateTemporal, error) {
	t.Helper()
	ports, err := stack.FreePorts(1)
	if err != nil {
		return nil, err
	}
	server, err := stack.NewTemporal(t.Context(), stack.TemporalConfig{
		Bin: setting(t, BinVariable), Dir: postgres.folder, Port: ports[0], Postgres: postgres.server})
	if err != nil {
		return nil, err
	}
	t.Cleanup(server.Stop)
	if err := server.Start(t.Context()); err != nil {
		return nil, err
	}
	return &PrivateTemporal{server: server},
		stack.PrepareNamespace(t.Context(), server.Address(), namespace.Name, namespace.SearchAttributes())
}

// Address is host:port; it stays the same over restarts.
func (s *PrivateTemporal) Address() string { return s.server.Address() }

// Kill ends the server with SIGKILL and returns when it is gone.
func (s *PrivateTemporal) Kill() { s.server.Kill() }

// Await waits until all services answer again after the Postgres server was away.
func (s *PrivateTemporal) Await(ctx context.Context) error { return s.server.Await(ctx) }

// Start starts the server again, after Kill, and waits until all its services answer.
func (s *PrivateTemporal) Start(ctx context.Context) error { return s.server.Start(ctx) }
