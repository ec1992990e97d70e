package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/connectors/scim/simulator"
)

// newSimulateCommand serves stand-ins of target systems, for the sample and for trying things out.
func newSimulateCommand(a *app) *cobra.Command {
	return newGroupCommand("simulate", "Serve a simulated target system, for trying things out",
		newSimulateSCIMCommand(a), newSimulateEntraCommand(a), newSimulateOktaCommand(a))
}

func newSimulateSCIMCommand(a *app) *cobra.Command {
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
			token, err := a.secretOfSimulator(tokenVariable, "the bearer token that callers must show")
			if err != nil {
				return err
			}
			options := simulator.Options{Token: token, Folder: data}
			if groups != "" {
				options.Groups = strings.Split(groups, ",")
			}
			handler, err := simulator.New(options)
			if err != nil {
				return fmt.Errorf("open the data of %s: %w", name, err)
			}
			return serveSimulator(cmd.Context(), listen, nil, handler, func(address string) {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: a simulated SCIM application at http://%s\n", name, address)
			})
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

// secretOfSimulator reads a credential from the environment: on a command line everybody on the machine could see it.
func (a *app) secretOfSimulator(variable, what string) (string, error) {
	secret := a.getenv(variable)
	if secret == "" {
		return "", fmt.Errorf("the variable %s is not set: it holds %s", variable, what)
	}
	return secret, nil
}

// simulated is a simulator; closing it makes what it was told last.
type simulated interface {
	http.Handler
	io.Closer
}

// serveSimulator serves until the context ends, and closes the simulator in any case. A nil certificate is plain HTTP.
func serveSimulator(ctx context.Context, listen string, certificate *tls.Certificate, handler simulated, ready func(address string)) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return errors.Join(fmt.Errorf("listen on %s: %w: choose another address with --listen", listen, err), handler.Close())
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	serve := func() error { return server.Serve(listener) }
	if certificate != nil {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12}
		serve = func() error { return server.ServeTLS(listener, "", "") }
	}
	ready(listener.Addr().String())
	failed := make(chan error, 1)
	go func() { failed <- serve() }()
	select {
	case err = <-failed:
	case <-ctx.Done():
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = server.Shutdown(bounded)
	}
	return errors.Join(err, handler.Close())
}
