package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
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
