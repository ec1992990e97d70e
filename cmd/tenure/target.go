package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/internal/apiclient"
)

func newTargetCommand(a *app) *cobra.Command {
	return newGroupCommand("target", "The health of the targets; pause and resume one",
		newTargetListCommand(a),
		newTargetSwitchCommand(a, "pause", "Stop calling a target until it is resumed; people wait for it, blocked",
			"is paused: `tenure target resume %s` ends that"),
		newTargetSwitchCommand(a, "resume", "Call a paused target again; whoever waited for it is looked at again", "is in use again"))
}

func newTargetListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the targets with their health, and how many people each holds up",
		RunE: func(c *cobra.Command, _ []string) error {
			return list[apiclient.Target]{
				path:    "/v1/targets",
				columns: []string{"target", "connector", "health", "since", "why", "last probe", "people blocked"},
				row: func(t apiclient.Target) []any {
					return []any{t.Name, t.Connector, t.Health, localTime(t.Since), t.Reason, optionalTime(t.ProbedAt), t.Blocked}
				},
				empty: "no target: `tenure apply` gives the organization a policy that names some",
			}.print(a, c)
		},
	}
}

func newTargetSwitchCommand(a *app, action, short, done string) *cobra.Command {
	return &cobra.Command{
		Use:   action + " TARGET",
		Short: short,
		Args:  arguments("TARGET, as `tenure target list` shows it"),
		RunE: func(c *cobra.Command, args []string) error {
			return post(a, c, "/v1/targets/"+url.PathEscape(args[0])+"/"+action, nil, func(any) error {
				text := done
				if action == "pause" {
					text = fmt.Sprintf(done, args[0])
				}
				fmt.Fprintf(c.OutOrStdout(), "target %s %s\n", args[0], text)
				return nil
			})
		},
	}
}
