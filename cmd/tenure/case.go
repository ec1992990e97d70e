package main

import (
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/internal/apiclient"
)

func newCaseCommand(a *app) *cobra.Command {
	return newGroupCommand("case", "People of a source who could be somebody known: decide who they are",
		newCaseListCommand(a), newCaseShowCommand(a), newCaseResolveCommand(a))
}

func newCaseListCommand(a *app) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the open cases",
		RunE: func(c *cobra.Command, _ []string) error {
			query := url.Values{}
			if all {
				query.Set("all", strconv.FormatBool(all))
			}
			return list[apiclient.Case]{
				path: "/v1/cases", query: query,
				columns: []string{"id", "source", "employee", "rule", "candidates", "opened", "resolution"},
				row: func(k apiclient.Case) []any {
					return []any{k.ID, k.Source, k.EmployeeID, k.Rule, len(k.Candidates), localTime(k.OpenedAt), k.Resolution}
				},
				empty: "no open case",
			}.print(a, c)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "those that are resolved as well")
	return c
}

func newCaseShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show a case with those who it could be",
		Args:  arguments("ID, as `tenure case list` shows it"),
		RunE: func(c *cobra.Command, args []string) error {
			return get(a, c, "/v1/cases/"+url.PathEscape(args[0]), nil, func(k apiclient.CaseDetail) error {
				printCase(c.OutOrStdout(), k)
				return nil
			})
		},
	}
}

func printCase(out io.Writer, k apiclient.CaseDetail) {
	fmt.Fprintf(out, "case %s, opened %s\n\n", k.ID, localTime(k.OpenedAt))
	fmt.Fprintf(out, "Rule %q takes somebody whom the source %s reports for somebody known:\n\n", k.Rule, k.Source)
	t := newTable("identity", "employee", "name", "mail", "user name", "department", "state")
	t.row("(source)", k.EmployeeID, k.Person.DisplayName, k.Person.Email, k.Person.UserName, k.Person.Department, "")
	for _, i := range k.Matching {
		t.row(i.ID, i.EmployeeID, i.DisplayName, i.Mail, i.UserName, i.Department, i.State)
	}
	t.print(out, "")
	if k.ResolvedAt != nil {
		fmt.Fprintf(out, "\nresolved %s by %s: %s\n", localTime(*k.ResolvedAt), k.ResolvedBy, k.Resolution)
		return
	}
	fmt.Fprintf(out, "\nIt is one of them:   tenure case resolve %[1]s --link IDENTITY\nIt is somebody else: tenure case resolve %[1]s --keep-apart\n", k.ID)
}

func newCaseResolveCommand(a *app) *cobra.Command {
	var link string
	var keepApart bool
	c := &cobra.Command{
		Use:   "resolve ID",
		Short: "Say who the person of a case is; what the source reported then takes effect",
		Example: `  tenure case resolve 5f0c… --link 91b2…
  tenure case resolve 5f0c… --keep-apart`,
		Args: arguments("ID, as `tenure case list` shows it"),
		RunE: func(c *cobra.Command, args []string) error {
			if (link != "") == keepApart {
				return usagef("%s needs either --link IDENTITY or --keep-apart", c.CommandPath())
			}
			request := apiclient.Resolution{Resolution: "keep_apart"}
			if link != "" {
				request = apiclient.Resolution{Resolution: "link", IdentityID: link}
			}
			return post(a, c, "/v1/cases/"+url.PathEscape(args[0])+"/resolve", request, func(any) error {
				fmt.Fprintf(c.OutOrStdout(), "case %s is resolved\n", args[0])
				return nil
			})
		},
	}
	c.Flags().StringVar(&link, "link", "", "the identity, one of the candidates, that the person is")
	c.Flags().BoolVar(&keepApart, "keep-apart", false, "the person is none of the candidates")
	return c
}
