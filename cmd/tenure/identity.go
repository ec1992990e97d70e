package main

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/internal/apiclient"
)

func newIdentityCommand(a *app) *cobra.Command {
	return newGroupCommand("identity", "The people whom Tenure knows, and what they have",
		newIdentityListCommand(a), newIdentityShowCommand(a))
}

var identityStates = []string{"staged", "active", "suspended", "leaving", "left"}

func newIdentityListCommand(a *app) *cobra.Command {
	var state, department, workerType, userName, employeeID, manager, target, search string
	var limit int
	c := &cobra.Command{
		Use:   "list",
		Short: "List people",
		Example: `  tenure identity list --department Sales --state active
  tenure identity list --search müller
  tenure identity list --target crm --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			if state != "" && !slices.Contains(identityStates, state) {
				return usagef("--state is %q: it must be one of %s", state, strings.Join(identityStates, ", "))
			}
			if manager != "" && uuid.Validate(manager) != nil {
				return usagef("--manager is %q: it must be an identity's id, as `tenure identity list` shows it", manager)
			}
			return list[apiclient.Identity]{
				path: "/v1/identities", paged: true, limit: limit,
				query: url.Values{"state": {state}, "department": {department}, "workerType": {workerType}, "userName": {userName},
					"employeeId": {employeeID}, "manager": {manager}, "target": {target}, "q": {search}},
				columns: []string{"employee", "name", "user name", "department", "kind", "state", "settled", "id"},
				row: func(i apiclient.Identity) []any {
					return []any{i.EmployeeID, i.DisplayName, i.UserName, i.Department, i.WorkerType, i.State, yesNo(i.Settled), i.ID}
				},
				empty: "nobody",
			}.print(a, c)
		},
	}
	limitFlag(c, &limit)
	flags := c.Flags()
	flags.StringVar(&state, "state", "", "only those in a state: "+strings.Join(identityStates, ", "))
	flags.StringVar(&department, "department", "", "only those of a department")
	flags.StringVar(&workerType, "worker-type", "", "only those of a kind, such as contractor")
	flags.StringVar(&userName, "user-name", "", "only the one with this user name")
	flags.StringVar(&employeeID, "employee-id", "", "only those with this employee id")
	flags.StringVar(&manager, "manager", "", "only those who report to the person whose identity has this id")
	flags.StringVar(&target, "target", "", "only those with an account in a target")
	flags.StringVar(&search, "search", "", "only those whose name, mail address or user name begins so")
	return c
}

const personArgument = "PERSON: an identity's id, an employee id or a user name"

func newIdentityShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show PERSON",
		Short:   "Show a person with accounts, grants, operations and timeline",
		Example: "  tenure identity show E1042",
		Args:    arguments(personArgument),
		RunE: func(c *cobra.Command, args []string) error {
			return get(a, c, "/v1/identities/"+url.PathEscape(args[0]), nil, func(i apiclient.IdentityDetail) error {
				printIdentity(c.OutOrStdout(), i)
				return nil
			})
		},
	}
}

// shownOperations is how many of a person's newest operations are printed.
const shownOperations = 20

func printIdentity(out io.Writer, i apiclient.IdentityDetail) {
	facts := newTable()
	for _, fact := range [][2]string{
		{"name", i.DisplayName}, {"employee", i.EmployeeID}, {"state", string(i.State)}, {"user name", i.UserName}, {"mail", i.Mail},
		{"department", i.Department}, {"title", i.Title}, {"kind", i.WorkerType}, {"manager", i.ManagerID},
		{"starts", optionalTime(i.StartsAt)}, {"ends", optionalTime(i.EndsAt)}, {"left", optionalTime(i.LeftAt)}, {"reason", i.Reason},
		{"settled", yesNo(i.Settled)}, {"next change", optionalTime(i.NextDueAt)}, {"identity", i.ID}, {"workflow", i.WorkflowID},
	} {
		if fact[1] != "" {
			facts.row(fact[0], fact[1])
		}
	}
	facts.print(out, "")

	accounts := newTable("target", "state", "outcome", "verified", "confirmed", "native id")
	for _, account := range i.Accounts {
		accounts.row(account.Target, account.State, account.Outcome, optionalTime(account.VerifiedAt), optionalTime(account.ConfirmedAt), account.NativeID)
	}
	section(out, "Accounts", accounts)

	grants := newTable("target", "kind", "entitlement", "state", "granted", "revoked")
	for _, grant := range i.Grants {
		grants.row(grant.Target, grant.Kind, grant.Name, grant.State, optionalTime(grant.GrantedAt), optionalTime(grant.RevokedAt))
	}
	section(out, "Grants", grants)

	operations := newTable("requested", "target", "action", "status", "tier", "verified", "why")
	for _, o := range i.Operations[:min(shownOperations, len(i.Operations))] {
		operations.row(localTime(o.RequestedAt), o.Target, o.Action, o.Status, optionalNumber(o.Tier), optionalTime(o.VerifiedAt), o.Why())
	}
	section(out, fmt.Sprintf("Operations (the newest %d of %d)", operations.rows, len(i.Operations)), operations)

	timeline := newTable("observed", "source", "event", "effective", "effect", "speaks of", "id")
	for _, e := range i.Timeline {
		what := strings.Join(e.Fields, " ")
		if e.Rescinds != "" {
			what = "takes back " + e.Rescinds
		}
		timeline.row(localTime(e.ObservedAt), e.Source, e.Type, e.Effective, e.Effect, what, e.EventID)
	}
	section(out, "Timeline", timeline)
}

func section(out io.Writer, title string, t *listing) {
	fmt.Fprintf(out, "\n%s\n", title)
	t.print(out, "none")
}

func newExplainCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "explain PERSON",
		Short:   "Why somebody has each account and grant",
		Example: "  tenure explain E1042",
		Args:    arguments(personArgument),
		RunE: func(c *cobra.Command, args []string) error {
			return get(a, c, "/v1/identities/"+url.PathEscape(args[0])+"/explain", nil, func(e apiclient.Explanation) error {
				fmt.Fprintln(c.OutOrStdout(), strings.TrimRight(e.Text, "\n"))
				return nil
			})
		},
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
