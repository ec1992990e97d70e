package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // goose runs on database/sql
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/tenurehq/tenure/internal/identity"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schemaVersion is the newest migration of this binary, whatever it does: one that only makes an index counts as well, since a
// database without it works, but too slowly for the load that a release is sized by.
const schemaVersion = 8

// Migrate brings the database at ownerURL to the schema of this binary, and lets the login serveRole act as the
// application and the engine. Running it twice, or twice at once, is harmless.
func Migrate(ctx context.Context, ownerURL, serveRole string) error {
	db, err := sql.Open("pgx", ownerURL)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer func() { _ = db.Close() }()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := publishVersion(ctx, db, provider); err != nil {
		return fmt.Errorf("publish the schema's version: %w", err)
	}
	if serveRole == "" {
		return nil
	}
	for _, role := range []string{roleApp, roleEngine} {
		if _, err := db.ExecContext(ctx, "grant "+role+" to "+pgx.Identifier{serveRole}.Sanitize()); err != nil {
			return fmt.Errorf("grant %s to login %q: %w", role, serveRole, err)
		}
	}
	return nil
}

// publishVersion writes the database's newest migration, which may be a later release's, to where checkSchema finds it: the
// application's role has no right to goose's own table.
func publishVersion(ctx context.Context, db *sql.DB, provider *goose.Provider) error {
	version, err := provider.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf("comment on table organizations is '%d'", version)) // which takes no parameter
	return err
}

// checkSchema refuses to run on a schema that another version of the binary made. The table's presence and the version are
// read from the catalogue; see publishVersion.
func checkSchema(ctx context.Context, pool *pgxpool.Pool) error {
	var version *int64
	err := pool.QueryRow(ctx, `select obj_description(c.oid)::bigint from pg_class c
		where c.relname = 'organizations' and c.relnamespace = 'public'::regnamespace`).Scan(&version)
	if Unreachable(err) {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if err != nil || version == nil {
		return identity.Errorf(identity.Unavailable, "the database has no Tenure schema: run `tenure migrate` first")
	}
	if *version != schemaVersion {
		return identity.Errorf(identity.Unavailable,
			"the database has schema %d and this binary needs %d: run `tenure migrate` of the same release", *version, schemaVersion)
	}
	return nil
}
