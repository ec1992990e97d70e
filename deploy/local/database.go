package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tenurehq/tenure/deploy/local/stack"
)

// databaseName is Tenure's database in the local Postgres.
const databaseName = "tenure"

// database is the two connection strings that Tenure needs.
type database struct{ owner, serve string }

// localDatabase prepares Tenure's database in the engine's Postgres.
func localDatabase(ctx context.Context, config Config, e *engine) (d database, err error) {
	d.owner, d.serve, err = e.postgres.PrepareTenure(ctx, databaseName, config.ServeRole)
	return d, err
}

// externalDatabase checks the owner's login that DATABASE_URL names, and makes the serving login when it is missing.
func externalDatabase(ctx context.Context, config Config, secret string) (database, error) {
	target, err := url.Parse(config.DatabaseURL)
	if err != nil || target.Host == "" {
		return database{}, errors.New("DATABASE_URL is not of the form postgres://user:password@host:port/database")
	}
	conn, err := pgx.Connect(ctx, config.DatabaseURL)
	if err != nil {
		return database{}, fmt.Errorf("DATABASE_URL: %s; unset it to use a local Postgres", oneLine(err))
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := checkOwner(ctx, conn); err != nil {
		return database{}, err
	}
	password := stack.Password(secret, config.ServeRole)
	d := database{
		owner: config.DatabaseURL,
		serve: stack.LoginURL(config.DatabaseURL, config.ServeRole, password, conn.Config().Database),
	}
	if err := stack.EnsureRole(ctx, conn, config.ServeRole, stack.ServeAttributes, secret); err != nil {
		return database{}, err
	}
	serve, err := pgx.Connect(ctx, d.serve)
	if err != nil {
		return database{}, fmt.Errorf("the login %s exists, with a password that is not this stack's: "+
			"set TENURE_SERVE_ROLE to the name of a new one (%s)", config.ServeRole, oneLine(err))
	}
	return d, serve.Close(ctx)
}

// oneLine is an error's text without line breaks: pgx lists every address and mode that it tried on one of its own.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

const ownerSQL = "CREATE ROLE tenure_owner LOGIN CREATEROLE PASSWORD '…'; CREATE DATABASE tenure OWNER tenure_owner;"

// checkOwner refuses a login that could do too much, or too little, to own Tenure's tables.
func checkOwner(ctx context.Context, conn *pgx.Conn) error {
	var user, database string
	var super, createRole, owner bool
	var version int
	err := conn.QueryRow(ctx, `
		SELECT current_user, current_database(), rolsuper OR rolbypassrls, rolcreaterole, datdba = r.oid,
			current_setting('server_version_num')::int / 10000
		FROM pg_roles r, pg_database WHERE rolname = current_user AND datname = current_database()`).
		Scan(&user, &database, &super, &createRole, &owner, &version)
	switch {
	case err != nil:
		return fmt.Errorf("look at the login of DATABASE_URL: %w", err)
	case version < stack.OldestPostgres:
		return fmt.Errorf("the Postgres of DATABASE_URL is version %d: Tenure needs %d or newer; name another, or unset it to "+
			"use a local one", version, stack.OldestPostgres)
	case super:
		return fmt.Errorf("DATABASE_URL logs in as %s, whom row level security does not bind; make a login for it: %s",
			user, ownerSQL)
	case !createRole || !owner:
		return fmt.Errorf("DATABASE_URL logs in as %s, who must own the database %s and be allowed to create roles: %s",
			user, database, ownerSQL)
	}
	return nil
}
