package main

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/internal/apiclient"
)

func newOperationCommand(a *app) *cobra.Command {
	return newGroupCommand("operation", "What was done in the targets, and what did not work",
		newOperationListCommand(a), newOperationRetryCommand(a))
}

// operationStatuses are those that the API filters by.
var operationStatuses = []string{"requested", "running", "done", "verified", "confirmed", "failed", "blocked", "superseded", "unsupported", "held", "stuck"}

func newOperationListCommand(a *app) *cobra.Command {
	var status string
	var limit int
	c := &cobra.Command{
		Use:   "list",
		Short: "List operations",
		Long: `Lists operations. The status failed is of those that the target refuses or did not manage, blocked of those that
wait for a target, stuck of those of a leave that are open past their deadline.`,
		Example: "  tenure operation list --status failed",
		RunE: func(c *cobra.Command, _ []string) error {
			if status != "" && !slices.Contains(operationStatuses, status) {
				return usagef("--status is %q: it must be one of %s", status, strings.Join(operationStatuses, ", "))
			}
			return list[apiclient.Operation]{
				path: "/v1/operations", query: url.Values{"status": {status}}, paged: true, limit: limit,
				columns: []string{"id", "identity", "target", "action", "status", "tier", "deadline", "tries", "why"},
				row: func(o apiclient.Operation) []any {
					return []any{o.ID, o.IdentityID, o.Target, o.Action, o.Status, optionalNumber(o.Tier), optionalTime(o.DeadlineAt), o.Attempts, o.Why()}
				},
				empty: "no such operation",
			}.print(a, c)
		},
	}
	limitFlag(c, &limit)
	c.Flags().StringVar(&status, "status", "", "only those of a status: "+strings.Join(operationStatuses, ", "))
	return c
}

func newOperationRetryCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "retry ID",
		Short: "Try a failed operation again",
		Args:  arguments("ID, as `tenure operation list --status failed` shows it"),
		RunE: func(c *cobra.Command, args []string) error {
			return post(a, c, "/v1/operations/"+url.PathEscape(args[0])+"/retry", nil, func(any) error {
				fmt.Fprintf(c.OutOrStdout(), "operation %s will be tried again now\n", args[0])
				return nil
			})
		},
	}
}

func optionalNumber(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}
