package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/tenurehq/tenure/deploy/local/stack"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/internal/testkit"
	"github.com/tenurehq/tenure/internal/testkit/namespace"
)

// servers are the Postgres and the Temporal that everything is measured on.
type servers struct {
	adminURL string
	secret   string
	admin    *pgx.Conn
	options  client.Options
	temporal client.Client // of the baselines and of the bench's own looks; the product has its own
	made     []string      // databases to drop
}

func openServers(ctx context.Context) (*servers, error) {
	s := &servers{adminURL: os.Getenv(testkit.DatabaseVariable)}
	address := os.Getenv(testkit.TemporalVariable)
	if s.adminURL == "" || address == "" {
		return nil, errors.New("needs a stack: run `make bench`")
	}
	s.options = client.Options{HostPort: address, Namespace: namespace.Name, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))}
	var err error
	if s.secret, err = stack.SecretOf(s.adminURL); err != nil {
		return nil, err
	}
	if s.admin, err = pgx.Connect(ctx, s.adminURL); err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	if err := stack.EnsureRoles(ctx, s.admin, stack.ServeRole, s.secret); err != nil {
		return nil, err
	}
	if err := stack.PrepareNamespace(ctx, address, namespace.Name, namespace.SearchAttributes()); err != nil {
		return nil, err
	}
	if s.temporal, err = client.DialContext(ctx, s.options); err != nil {
		return nil, fmt.Errorf("connect to Temporal: %w", err)
	}
	return s, nil
}

// close drops what was made; ctx must outlive an interrupt.
func (s *servers) close(ctx context.Context) {
	for _, name := range s.made {
		if _, err := s.admin.Exec(ctx, "drop database if exists "+pgx.Identifier{name}.Sanitize()+" with (force)"); err != nil {
			fmt.Fprintln(os.Stderr, "bench: drop database:", err)
		}
	}
	_ = s.admin.Close(ctx)
	s.temporal.Close()
}

// database is one database with Tenure's schema.
type database struct {
	serve string        // what the product logs in as
	admin *pgxpool.Pool // for the bench's own looks: bound by no row level security
}

// newDatabase makes a database with the product's schema: its tables, indexes and row level security.
func (s *servers) newDatabase(ctx context.Context) (database, error) {
	name := "tenure_bench_" + uuid.NewString()[:8]
	if _, err := s.admin.Exec(ctx, "create database "+pgx.Identifier{name}.Sanitize()+" owner "+stack.OwnerRole); err != nil {
		return database{}, fmt.Errorf("create database: %w", err)
	}
	s.made = append(s.made, name)
	owner := stack.LoginURL(s.adminURL, stack.OwnerRole, stack.Password(s.secret, stack.OwnerRole), name)
	if err := store.Migrate(ctx, owner, stack.ServeRole); err != nil {
		return database{}, err
	}
	admin, err := pgxpool.New(ctx, stack.LoginURL(s.adminURL, "", "", name))
	return database{serve: stack.LoginURL(s.adminURL, stack.ServeRole, stack.Password(s.secret, stack.ServeRole), name), admin: admin}, err
}
