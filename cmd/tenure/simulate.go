package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/connectors/scim/simulator"
)

// newSimulateCommand serves stand-ins of target systems, for the sample and for trying things out.
func newSimulateCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "simulate",
		Short: "Serve a simulated target system, for trying things out",
	}
	command.AddCommand(newSimulateSCIMCommand())
	return command
}

func newSimulateSCIMCommand() *cobra.Command {
	var listen, data, name, tokenVariable, groups string
	command := &cobra.Command{
		Use:   "scim",
		Short: "Serve a SCIM 2.0 application that keeps its users and groups in a folder",
		Long: `Serve a SCIM 2.0 application that keeps its users and groups in a folder.

It stands for a real application in the sample and in trials. It checks the bearer token that the variable named by
--token-env holds. GET /_simulator/stats counts the calls it has answered.`,
		Example: `  TENURE_SAMPLE_CRM_TOKEN=secret tenure simulate scim --name crm --listen 127.0.0.1:8090 --data .run/crm --token-env TENURE_SAMPLE_CRM_TOKEN`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			token := os.Getenv(tokenVariable)
			if token == "" {
				return fmt.Errorf("the variable %s is not set: it holds the bearer token that callers must show", tokenVariable)
			}
			options := simulator.Options{Token: token, Folder: data}
			if groups != "" {
				options.Groups = strings.Split(groups, ",")
			}
			return simulateSCIM(cmd.Context(), listen, name, options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&listen, "listen", "127.0.0.1:8090", "address to listen on")
	flags.StringVar(&data, "data", "", "folder for its data; empty: in memory")
	flags.StringVar(&name, "name", "scim", "what it calls itself in its messages")
	flags.StringVar(&tokenVariable, "token-env", "TENURE_SIMULATOR_TOKEN", "environment variable with the bearer token")
	flags.StringVar(&groups, "groups", "", "groups to create when they are missing, separated by commas")
	return command
}

func simulateSCIM(ctx context.Context, listen, name string, options simulator.Options) error {
	handler, err := simulator.New(options)
	if err != nil {
		return fmt.Errorf("open the data of %s: %w", name, err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return errors.Join(fmt.Errorf("listen on %s: %w: choose another address with --listen", listen, err), handler.Close())
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	fmt.Printf("%s: a simulated SCIM application at http://%s\n", name, listener.Addr())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = server.Shutdown(bounded)
	}
	return errors.Join(err, handler.Close())
}
