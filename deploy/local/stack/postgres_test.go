package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// pgCtl puts a pg_ctl into a folder that says it is of a version, and answers the folder.
func pgCtl(t *testing.T, dir, version string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	script := fmt.Sprintf("#!/bin/sh\n[ \"$*\" = --version ] && echo 'pg_ctl (PostgreSQL) %s'\n", version)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pg_ctl"), []byte(script), 0o755))
	return dir
}

func TestPostgresIsTheNewestOfDebiansElseThatInPath(t *testing.T) {
	debian, path := t.TempDir(), t.TempDir()
	t.Setenv("PATH", path)
	find := func() string {
		t.Helper()
		bin, err := postgresBin(t.Context(), debian)
		require.NoError(t, err)
		return bin
	}
	linked := pgCtl(t, filepath.Join(t.TempDir(), "pgsql", "bin"), "17beta1")
	require.NoError(t, os.Symlink(filepath.Join(linked, "pg_ctl"), filepath.Join(path, "pg_ctl")))
	require.Equal(t, linked, find(), "where initdb and postgres are too")

	pgCtl(t, filepath.Join(debian, "9.6", "bin"), "9.6.24 (Debian 9.6.24-0+deb9u1)")
	pgCtl(t, filepath.Join(debian, "13", "bin"), "13.22 (Debian 13.22-0+deb11u1)")
	require.Equal(t, linked, find(), "Debian's are too old")

	fifteen := pgCtl(t, filepath.Join(debian, "15", "bin"), "15.14 (Debian 15.14-0+deb12u1)")
	require.Equal(t, fifteen, find())
	require.Equal(t, pgCtl(t, filepath.Join(debian, "16", "bin"), "16.10"), find())
}

func TestNoPostgresIsOneLineThatSaysHowToGetOne(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := postgresBin(t.Context(), t.TempDir())
	require.ErrorIs(t, err, ErrNoPostgres)
	for _, needed := range []string{"PostgreSQL 15 or newer", "apt-get install postgresql", "DATABASE_URL", "TEMPORAL_ADDRESS"} {
		require.ErrorContains(t, err, needed)
	}
	require.NotContains(t, err.Error(), "\n")
}

func TestAnOldPostgresIsOneLineThatSaysHowToGetANewerOne(t *testing.T) {
	debian, path := t.TempDir(), t.TempDir()
	t.Setenv("PATH", pgCtl(t, path, "14.1"))
	thirteen := pgCtl(t, filepath.Join(debian, "13", "bin"), "13.22 (Debian 13.22-0+deb11u1)")
	_, err := postgresBin(t.Context(), debian)
	require.NotErrorIs(t, err, ErrNoPostgres, "else one would be installed beside it")
	require.ErrorContains(t, err, fmt.Sprintf("PostgreSQL is too old (13 in %s, 14 in %s): install 15 or newer (https://www.postgresql.org/download)",
		thirteen, path))
	require.NotContains(t, err.Error(), "\n")
}

func TestABrokenPostgresIsNoPostgresOfVersionZero(t *testing.T) {
	debian := t.TempDir()
	t.Setenv("PATH", t.TempDir())
	pgCtl(t, filepath.Join(debian, "15", "bin"), "")
	_, err := postgresBin(t.Context(), debian)
	require.ErrorContains(t, err, "15/bin/pg_ctl --version answers")

	require.NoError(t, os.WriteFile(filepath.Join(debian, "15", "bin", "pg_ctl"), []byte("#!/bin/sh\necho no libpq\nexit 1\n"), 0o755))
	_, err = postgresBin(t.Context(), debian)
	require.ErrorContains(t, err, "exit status 1\nno libpq")
}

func TestABuildWithoutGoSaysHowToGetIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := Build(t.Context(), t.TempDir(), "./x", filepath.Join(t.TempDir(), "x"))
	require.ErrorContains(t, err, "go is not in PATH: install Go 1.")
	require.NotContains(t, err.Error(), "\n")
}
