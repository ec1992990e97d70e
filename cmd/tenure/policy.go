package main

import (
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/internal/apiclient"
)

func newPolicyCommand(a *app) *cobra.Command {
	return newGroupCommand("policy", "The policy in force", newPolicyShowCommand(a))
}

func newPolicyShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Print the policy in force, with defaults filled in",
		RunE: func(c *cobra.Command, _ []string) error {
			return get(a, c, "/v1/policy", nil, func(p apiclient.Policy) error {
				out := c.OutOrStdout()
				if p.Version == 0 {
					fmt.Fprintln(out, "no policy yet: `tenure apply` applies one")
					return nil
				}
				document, err := yaml.JSONToYAML(p.Document)
				if err != nil {
					return fmt.Errorf("read the policy: %w", err)
				}
				fmt.Fprintf(out, "# version %d, applied %s by %s\n# hash %s\n%s", p.Version, optionalTime(p.AppliedAt), p.AppliedBy, p.Hash, document)
				return nil
			})
		},
	}
}
