package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

const (
	recoverMeans = `Every grant and every enablement of this organization stops now, and every identity is looked at again: what takes
access away is done, what gives it waits. Then send again what the sources reported since the backup, and end the
hold with "tenure recover --release".`
	releaseMeans = `The hold ends: every identity is looked at again, and access is given that was held back. Do this once the sources
have sent again what they reported since the backup; a leave that is missing would give access to somebody who left.`
)

func newRecoverCommand(a *app) *cobra.Command {
	var release, yes bool
	c := &cobra.Command{
		Use:   "recover",
		Short: "After Tenure's database was set back to a backup: hold what gives access, then release it",
		Long: `Tenure's database was restored from a backup while Temporal ran on: leaves may be lost with what the database forgot.

` + recoverMeans,
		RunE: func(c *cobra.Command, _ []string) error {
			means, path := recoverMeans, "/v1/recovery"
			if release {
				means, path = releaseMeans, "/v1/recovery/release"
			}
			if !yes {
				fmt.Fprintln(c.ErrOrStderr(), means)
				if err := a.confirm(c, "Go on?", "--yes"); err != nil {
					return err
				}
			}
			return post(a, c, path, nil, func(answer struct {
				Identities int `json:"identities"`
			}) error {
				out := c.OutOrStdout()
				if release {
					fmt.Fprintln(out, "released: every identity is looked at again, in waves")
					return nil
				}
				fmt.Fprintf(out, "held: %s looked at again, and nobody is given access until `tenure recover --release`\n", people(answer.Identities, "is", "are"))
				return nil
			})
		},
	}
	c.Flags().BoolVar(&release, "release", false, "end the hold")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}
