package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/internal/config"
	"github.com/tenurehq/tenure/internal/store"
)

// defaultServeRole is the login that serves when nobody names one and it exists.
const defaultServeRole = "tenure"

func newMigrateCommand(a *app) *cobra.Command {
	var skipTemporal bool
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Prepare the database, and Temporal's namespace, for this version",
		Long: `Brings the database to the schema of this version and lets the serving login use it. Run it with the owner's login
(TENURE_OWNER_DATABASE_URL, or DATABASE_URL) before each new version is started; repeating it is harmless.
TENURE_SERVE_ROLE names the login that serves: by default "tenure" when there is one, else the owner's own.

When Temporal is configured (TEMPORAL_ADDRESS, or Temporal's own configuration file), its namespace and the search
attributes of Tenure's runs are registered too, and waited for.`,
		Args: arguments(),
		RunE: func(c *cobra.Command, _ []string) error {
			settings, err := config.LoadMigrate(a.getenv)
			if err != nil {
				return err
			}
			role, err := migrateDatabase(c.Context(), settings)
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			if a.json {
				out = io.Discard // the answer comes at the end
			}
			fmt.Fprintf(out, "database: the schema is of this version; the login %q may serve\n", role)
			answer := migration{ServeRole: role}
			if !skipTemporal {
				if answer.Temporal, err = a.migrateTemporal(c.Context(), out); err != nil {
					return err
				}
			}
			if a.json {
				return printJSON(c.OutOrStdout(), answer)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&skipTemporal, "skip-temporal", false, "leave Temporal's namespace and search attributes alone")
	return c
}

// migration is what was prepared, as --json prints it.
type migration struct {
	ServeRole string             `json:"serveRole"`
	Temporal  *preparedNamespace `json:"temporal"` // null: left alone
}

type preparedNamespace struct {
	Address   string `json:"address"`
	Namespace string `json:"namespace"`
}

// migrateDatabase answers the login that may serve.
func migrateDatabase(ctx context.Context, settings config.Migrate) (string, error) {
	if settings.ServeRole != "" {
		return settings.ServeRole, explainMigration(store.Migrate(ctx, settings.OwnerURL, settings.ServeRole), settings.ServeRole)
	}
	err := store.Migrate(ctx, settings.OwnerURL, defaultServeRole)
	if !isState(err, undefinedObject) {
		return defaultServeRole, explainMigration(err, defaultServeRole)
	}
	parsed, err := pgx.ParseConfig(settings.OwnerURL)
	if err != nil {
		return "", errors.New("the database's address is neither a postgres:// URL nor a keyword string")
	}
	return parsed.User, explainMigration(store.Migrate(ctx, settings.OwnerURL, parsed.User), parsed.User)
}

// SQLSTATE codes (PostgreSQL documentation, appendix A).
const (
	undefinedObject       = "42704"
	insufficientPrivilege = "42501"
)

func isState(err error, state string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == state
}

// explainMigration adds what to do about what goes wrong most often.
func explainMigration(err error, role string) error {
	switch {
	case err == nil:
		return nil
	case isState(err, undefinedObject):
		return fmt.Errorf("%w: make the login first (CREATE ROLE %s LOGIN PASSWORD '…'), or set TENURE_SERVE_ROLE to one that exists",
			err, pgx.Identifier{role}.Sanitize())
	case isState(err, insufficientPrivilege):
		return fmt.Errorf("%w: the login that migrates must own the database and may create roles "+
			"(CREATE ROLE tenure_owner LOGIN CREATEROLE PASSWORD '…'; CREATE DATABASE tenure OWNER tenure_owner)", err)
	default:
		return err
	}
}

// migrateTemporal answers the namespace that is ready; nil when Temporal is not configured.
func (a *app) migrateTemporal(ctx context.Context, out io.Writer) (*preparedNamespace, error) {
	options, ok, err := a.temporalOptions()
	if err != nil {
		return nil, err
	}
	if !ok {
		fmt.Fprintln(out, "temporal: not configured (TEMPORAL_ADDRESS is not set), left alone")
		return nil, nil
	}
	fmt.Fprintf(out, "temporal: preparing namespace %q on %s\n", options.Namespace, options.HostPort)
	if err := prepareNamespace(ctx, options); err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "temporal: namespace %q on %s is ready\n", options.Namespace, options.HostPort)
	return &preparedNamespace{options.HostPort, options.Namespace}, nil
}
