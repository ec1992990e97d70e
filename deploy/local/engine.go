package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tenurehq/tenure/deploy/local/stack"
)

// engine is Postgres and Temporal, in one folder.
type engine struct {
	dir      string // data, secret; services/ holds logs, pid files and configuration
	secret   string
	postgres *stack.Postgres
	temporal *stack.Temporal
}

func (e *engine) services() string { return filepath.Join(e.dir, "services") }

// newEngine makes the folder, and ends what a killed supervisor left running in it.
func newEngine(dir string, r report) (*engine, error) {
	e := &engine{dir: dir}
	if err := os.MkdirAll(e.services(), 0o755); err != nil {
		return nil, err
	}
	left, err := stack.Reap(e.services())
	if len(left) > 0 {
		r.linef("ended what an earlier run left behind: %s", strings.Join(left, ", "))
	}
	if err != nil {
		return nil, err
	}
	e.secret, err = stack.Secret(filepath.Join(dir, "secret"))
	return e, err
}

func (e *engine) startPostgres(ctx context.Context, r report, c *children, port int, volatile bool) error {
	data, err := dataFolder(e.dir, r)
	if err != nil {
		return err
	}
	return r.step(fmt.Sprintf("Postgres on %s:%d", stack.Loopback, port), func() (err error) {
		e.postgres, err = stack.NewPostgres(ctx, stack.PostgresConfig{
			Dir: data, StateDir: e.services(), Port: port, Secret: e.secret, Volatile: volatile})
		if err != nil {
			return err
		}
		err = e.postgres.Start(ctx)
		if e.postgres.Process() != nil {
			c.add(e.postgres.Process())
		}
		return err
	})
}

func (e *engine) startTemporal(ctx context.Context, r report, c *children, bin string, port int) error {
	return r.step(fmt.Sprintf("Temporal on %s:%d", stack.Loopback, port), func() (err error) {
		e.temporal, err = stack.NewTemporal(ctx, stack.TemporalConfig{
			Bin: bin, Dir: e.services(), Port: port, Postgres: e.postgres})
		if err != nil {
			return err
		}
		err = e.temporal.Start(ctx)
		if e.temporal.Process() != nil {
			c.add(e.temporal.Process())
		}
		return err
	})
}

func buildTools(ctx context.Context, config Config, r report) error {
	var built []string
	return r.step("Temporal's programs in "+config.Bin, func() error {
		return stack.Tools(ctx, config.Root, config.Bin, func(program string) {
			if len(built) == 0 {
				r.linef("building Temporal's programs; the first build takes several minutes")
			}
			built = append(built, program)
			r.linef("building %s (%d of 3 at most)", program, len(built))
		})
	})
}

// installPostgres installs Debian's package when there is no Postgres and this user may; find is stack.PostgresBin. One that is
// too old is left alone: somebody put it there, and what Debian would install beside it may be no newer.
func installPostgres(ctx context.Context, r report, find func(context.Context) (string, error)) error {
	_, err := find(ctx)
	if !errors.Is(err, stack.ErrNoPostgres) {
		return err
	}
	apt, lookErr := exec.LookPath("apt-get")
	if os.Geteuid() != 0 || lookErr != nil {
		return err
	}
	return r.step("installing PostgreSQL with apt-get", func() error {
		if err := installDebians(ctx, apt); err != nil {
			return err
		}
		_, err := find(ctx) // an old Debian's is an old one
		return err
	})
}

func installDebians(ctx context.Context, apt string) error {
	for _, args := range [][]string{{"update"}, {"install", "-y", "--no-install-recommends", "postgresql"}} {
		run := exec.CommandContext(ctx, apt, args...)
		run.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if output, err := run.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, output)
		}
	}
	return nil
}

// dataFolder is where Postgres keeps its data: within dir, or outside when its user cannot reach that. The place is
// remembered, for `clean` and for a later start under other circumstances.
func dataFolder(dir string, r report) (string, error) {
	memory := filepath.Join(dir, "postgres-folder")
	if text, err := os.ReadFile(memory); err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	user, err := stack.PostgresUser()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(dir, "postgres")
	if !stack.Reachable(dir, user) {
		folder = outside(dir)
		r.linef("the user postgres cannot reach %s: its data goes to %s", dir, folder)
		if err := setAside(folder, r); err != nil {
			return "", err
		}
	}
	return folder, stack.WriteFile(memory, []byte(folder+"\n"), 0o644)
}

// setAside moves away what a checkout that was deleted, at the same place, left outside of itself: its password was deleted
// with it. What was moved away before is deleted.
func setAside(folder string, r report) error {
	data := filepath.Join(folder, "data")
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	text, _ := os.ReadFile(filepath.Join(data, "postmaster.pid")) // without one, nothing runs
	pid, _, _ := strings.Cut(string(text), "\n")
	if at, err := os.Readlink("/proc/" + pid + "/cwd"); pid != "" && err == nil && at == data {
		return fmt.Errorf("the Postgres of an earlier checkout at this place still runs on %s: end it first (kill %s)", folder, pid)
	}
	before := folder + ".before"
	if err := os.RemoveAll(before); err != nil {
		return err
	}
	r.linef("what an earlier checkout at this place left there is now in %s: delete it if you like", before)
	return os.Rename(folder, before)
}

// removeState deletes an engine's folder and its data outside, if any.
func removeState(dir string) error {
	if text, err := os.ReadFile(filepath.Join(dir, "postgres-folder")); err == nil {
		if folder := strings.TrimSpace(string(text)); folder == outside(dir) {
			if err := errors.Join(os.RemoveAll(folder), os.RemoveAll(folder+".before")); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(dir)
}
