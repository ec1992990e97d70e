package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"

	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/connectors/entra"
	"github.com/tenurehq/tenure/connectors/okta"
	"github.com/tenurehq/tenure/connectors/scim"
	process "github.com/tenurehq/tenure/internal/app"
	"github.com/tenurehq/tenure/internal/config"
)

// registry has the connectors of this binary: a new one is one line here.
func registry() connectors.Registry {
	return connectors.Registry{
		"entra": entra.Definition(),
		"okta":  okta.Definition(),
		"scim":  scim.Definition(),
	}
}

// newServeCommand runs the API and the worker in one process.
func newServeCommand() *cobra.Command {
	return newAppCommand("serve", "Run the API and the worker in one process",
		func(a *process.App) { a.Work = true })
}

// newAPICommand runs the API alone.
func newAPICommand() *cobra.Command {
	return newAppCommand("api", "Run the HTTP API alone", func(*process.App) {})
}

// newWorkerCommand runs the worker alone. It never listens where the API does: both run with the same environment.
func newWorkerCommand() *cobra.Command {
	return newAppCommand("worker", "Run the worker, the relay and the sweeper alone",
		func(a *process.App) { a.Work, a.Listen = true, "" })
}

func newAppCommand(use, short string, shape func(*process.App)) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Long: short + `.

Its settings come from the environment: DATABASE_URL, TENURE_LISTEN (of the API) or TENURE_WORKER_LISTEN (of the worker
alone), the TEMPORAL_* variables of Temporal's own tools, and those listed in docs/operations.md. It stops cleanly on
SIGINT and SIGTERM.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := newApp(cmd)
			if err != nil {
				return err
			}
			shape(a)
			return a.Run(cmd.Context())
		},
	}
}

// newApp makes an App from the environment.
func newApp(cmd *cobra.Command) (*process.App, error) {
	settings, err := config.LoadServe()
	if err != nil {
		return nil, err
	}
	logger := newLogger(settings)
	temporal, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return nil, fmt.Errorf("read Temporal's settings: %w", err)
	}
	temporal.Logger = log.NewStructuredLogger(logger.With("part", "temporal"))
	if temporal.Namespace == "" {
		temporal.Namespace = client.DefaultNamespace
	}
	return &process.App{
		DatabaseURL:   settings.DatabaseURL,
		Listen:        settings.Listen,
		WorkerListen:  settings.WorkerListen,
		Temporal:      temporal,
		TaskQueue:     settings.TaskQueue,
		Registry:      registry(),
		SweepInterval: settings.SweepInterval,
		Log:           logger,
		Ready: func(a process.App) {
			if a.Address != "" {
				logger.InfoContext(cmd.Context(), "ready", "address", a.Address)
			}
		},
	}, nil
}

// newLogger writes the log to standard error.
func newLogger(settings config.Serve) *slog.Logger {
	options := &slog.HandlerOptions{Level: settings.LogLevel}
	if settings.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}
