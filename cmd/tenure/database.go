package main

import (
	"context"

	"github.com/tenurehq/tenure/internal/config"
	"github.com/tenurehq/tenure/internal/store"
)

// withStore runs fn on the database that DATABASE_URL names.
func (a *app) withStore(ctx context.Context, fn func(s *store.Store) error) error {
	url, err := config.Database(a.getenv)
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, store.Options{URL: url, MaxConns: 2, UrgentConns: 1, Actor: cliActor()})
	if err != nil {
		return err
	}
	defer s.Close()
	return fn(s)
}
