package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/deploy/local/stack"
)

// aptGet makes an apt-get that writes down what it is asked to do, and then runs the script. It is the only program in PATH.
// The answer reads what was written down.
func aptGet(t *testing.T, script string) (calls func() string) {
	t.Helper()
	path, log := t.TempDir(), filepath.Join(t.TempDir(), "calls")
	require.NoError(t, os.WriteFile(filepath.Join(path, "apt-get"),
		[]byte("#!/bin/sh\necho \"$DEBIAN_FRONTEND: $*\" >>'"+log+"'\n"+script+"\n"), 0o755))
	t.Setenv("PATH", path)
	return func() string {
		text, err := os.ReadFile(log)
		if errors.Is(err, os.ErrNotExist) {
			return ""
		}
		require.NoError(t, err)
		return string(text)
	}
}

// finds answers the errors in turn.
func finds(answers ...error) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		answer := answers[0]
		answers = answers[1:]
		return "", answer
	}
}

const installed = "noninteractive: update\nnoninteractive: install -y --no-install-recommends postgresql\n"

func TestPostgresIsInstalledByRootOnly(t *testing.T) {
	calls := aptGet(t, "")
	tooOld := errors.New("PostgreSQL is too old")
	err := installPostgres(t.Context(), report{out: io.Discard}, finds(stack.ErrNoPostgres, tooOld))
	if os.Geteuid() == 0 {
		require.ErrorIs(t, err, tooOld, "what an old Debian has is of no use")
		require.Equal(t, installed, calls())
	} else {
		require.ErrorIs(t, err, stack.ErrNoPostgres)
		require.Empty(t, calls())
	}
}

func TestPostgresIsInstalledOnlyWhenThereIsNone(t *testing.T) {
	calls := aptGet(t, "")
	tooOld := errors.New("PostgreSQL is too old")
	require.NoError(t, installPostgres(t.Context(), report{out: io.Discard}, finds(nil)))
	require.ErrorIs(t, installPostgres(t.Context(), report{out: io.Discard}, finds(tooOld)), tooOld)
	require.Empty(t, calls())
}

func TestWithoutAptTheMissingPostgresIsSaid(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := installPostgres(t.Context(), report{out: io.Discard}, finds(stack.ErrNoPostgres))
	require.ErrorIs(t, err, stack.ErrNoPostgres)
}

func TestWhatAptSaysIsInTheError(t *testing.T) {
	calls := aptGet(t, "")
	require.NoError(t, installDebians(t.Context(), "apt-get"))
	require.Equal(t, installed, calls())

	calls = aptGet(t, `[ "$1" = update ] || { echo "E: no space"; exit 100; }`)
	require.EqualError(t, installDebians(t.Context(), "apt-get"), "apt-get install: exit status 100\nE: no space\n")
	require.Equal(t, installed, calls())
}

// A checkout that is deleted leaves Postgres's data outside of itself, and takes the password along.
func TestDataOfADeletedCheckoutIsSetAside(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "tenure-1")
	data, silent := filepath.Join(folder, "data"), report{out: io.Discard}
	require.NoError(t, setAside(folder, silent), "there is none")
	for _, round := range []string{"first", "second"} {
		require.NoError(t, os.MkdirAll(data, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte(round), 0o600))
		require.NoError(t, setAside(folder, silent))
		require.NoDirExists(t, folder)
		kept, err := os.ReadFile(filepath.Join(folder+".before", "data", "PG_VERSION"))
		require.NoError(t, err)
		require.Equal(t, round, string(kept))
	}

	require.NoError(t, os.MkdirAll(data, 0o755))
	server := exec.CommandContext(t.Context(), "sleep", "60")
	server.Dir = data
	require.NoError(t, server.Start())
	pid := strconv.Itoa(server.Process.Pid)
	require.NoError(t, os.WriteFile(filepath.Join(data, "postmaster.pid"), []byte(pid+"\n"+data+"\n"), 0o600))
	require.ErrorContains(t, setAside(folder, silent), "still runs on "+folder+": end it first (kill "+pid+")")
	require.DirExists(t, data)
	require.NoError(t, server.Process.Kill())
	_ = server.Wait()
	require.NoError(t, setAside(folder, silent), "it has ended, and its pid file is stale")
}
