// Command tenure is the one binary: the service (serve, api, worker), what an operator runs on the machine (migrate,
// org, token), and a client of the API for people and scripts. Only this package knows which connectors exist.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/contrib/envconfig"
)

// The exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// After the first signal, a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	root := newRootCommand(&app{env: envconfig.EnvLookupOS, interactive: isTerminal})
	return exitCode(ctx, execute(ctx, root), root.ErrOrStderr())
}

func execute(ctx context.Context, root *cobra.Command) error {
	command, err := root.ExecuteContextC(ctx)
	if usage := new(usageError); errors.As(err, &usage) {
		usage.help = command.CommandPath() + " --help"
	}
	return err
}

// exitCode prints an error, once, and says how the process ends.
func exitCode(ctx context.Context, err error, errOut io.Writer) int {
	usage := new(usageError)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(errOut, "tenure: %v\nSee: %s\n", err, usage.help)
		return exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintf(errOut, "tenure: interrupted: %v\n", err)
		return exitFailed
	default:
		fmt.Fprintf(errOut, "tenure: %v\n", err)
		return exitFailed
	}
}

// usageError is a command line that cannot be understood.
type usageError struct {
	message string
	help    string // the command that explains
}

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}
