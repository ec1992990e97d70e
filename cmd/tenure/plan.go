package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/internal/apiclient"
	"github.com/tenurehq/tenure/internal/policy"
)

func newPlanCommand(a *app) *cobra.Command {
	return a.policyCommand(&cobra.Command{
		Use:   "plan",
		Short: "Preview a policy and apply nothing",
		Long: `Reads policy files and prints how many people would gain, lose or change an account in each target, as "tenure apply"
does before it asks. Nothing is applied.`,
		Example: `  tenure plan -f policy/
  tenure plan -f policy/ --json | jq '.targets[] | select(.lose > 0)'`,
	}, a.runPlan)
}

func (a *app) runPlan(c *cobra.Command, client *apiclient.Client, files []policy.File) error {
	preview, raw, err := previewPolicy(c.Context(), client, files)
	if err != nil {
		return err
	}
	return a.answer(c, raw, func() error {
		out := c.OutOrStdout()
		if preview.Unchanged {
			printUnchanged(out, preview)
			return nil
		}
		printPreview(out, preview)
		fmt.Fprintln(out, "nothing is applied: `tenure apply` does it")
		return nil
	})
}
