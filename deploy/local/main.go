// Command local runs the whole of Tenure on this machine: Postgres, Temporal with its UI, tenure itself, and the
// sample's three target systems, all on the loopback and as child processes.
//
//	go run ./deploy/local run              everything, until Ctrl-C
//	go run ./deploy/local up | down        the same in the background
//	go run ./deploy/local status | clean   what runs; stop and delete the state
//	go run ./deploy/local test -- <cmd…>   Postgres and Temporal alone, for one command; with --volatile before the -- they do
//	                                       not write to the disk what is gone at its end: for what measures nothing
//	go run ./deploy/local test --keep      the same, left running; prints the file to source
//	go run ./deploy/local test --stop      ends that one
//
// The environment configures it: see config.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

func main() {
	keepWord()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends this process at once, and the kernel its children
	err := command(withParent(ctx), os.Args[1:])
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		os.Exit(exit.ExitCode())
	default:
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

const usage = "usage: go run ./deploy/local run | up | down | status | clean | test [--volatile] -- <command…> | test --keep | test --stop"

func command(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	config, err := readConfig(os.Getenv)
	if err != nil {
		return err
	}
	name, rest := args[0], args[1:]
	if simple := map[string]func() error{
		"run":         func() error { return run(ctx, config) },
		superviseRun:  func() error { return run(ctx, config) },
		"up":          func() error { return up(ctx, config) },
		"down":        func() error { return down(config) },
		"clean":       func() error { return clean(config) },
		"status":      func() error { return status(config) },
		superviseTest: func() error { return superviseTestStack(ctx, config) },
	}[name]; simple != nil && len(rest) == 0 {
		return simple()
	}
	switch {
	case name != "test":
		return errors.New(usage)
	case len(rest) > 1 && rest[0] == "--":
		return testCommand(ctx, config, rest[1:])
	case len(rest) > 2 && rest[0] == "--volatile" && rest[1] == "--":
		config.Volatile = true
		return testCommand(ctx, config, rest[2:])
	case slices.Equal(rest, []string{"--keep"}):
		return keepTest(ctx, config)
	case slices.Equal(rest, []string{"--stop"}):
		return stopTest(config)
	default:
		return errors.New(usage)
	}
}

// withParent ends the context when the parent process goes away: `go run` dies of SIGTERM without passing it on.
func withParent(ctx context.Context) context.Context {
	parent := os.Getppid()
	if parent == 1 || os.Getenv(detachedVariable) != "" {
		return ctx
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		for ; os.Getppid() == parent; time.Sleep(200 * time.Millisecond) {
			if ctx.Err() != nil {
				return
			}
		}
		cancel(errors.New("the parent process ended"))
	}()
	return ctx
}
