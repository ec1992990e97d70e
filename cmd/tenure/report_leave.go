package main

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/internal/apiclient"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/report"
)

func newReportTerminationCommand(a *app) *cobra.Command {
	var html string
	c := &cobra.Command{
		Use:   "termination PERSON",
		Short: "What was done for a leave, by when, what proves it, who asked, and what is open",
		Example: `  tenure report termination E1042
  tenure report termination E1042 --html E1042.html    a page that prints`,
		Args: arguments(personArgument),
		RunE: func(c *cobra.Command, args []string) error {
			if html != "" && a.json {
				return usagef("%s takes either --html or --json", c.CommandPath())
			}
			return get(a, c, "/v1/identities/"+url.PathEscape(args[0])+"/termination", nil, func(t lifecycle.Termination) error {
				if html == "" {
					printTermination(c.OutOrStdout(), t)
					return nil
				}
				return writePage(c.OutOrStdout(), html, t)
			})
		},
	}
	c.Flags().StringVar(&html, "html", "", "write a page to this file instead; - is standard output")
	return c
}

// writePage writes a report that may name reasons for a dismissal: the file is for its owner alone.
func writePage(out io.Writer, file string, t lifecycle.Termination) error {
	var page bytes.Buffer
	if err := report.Termination(&page, t); err != nil {
		return err
	}
	if file == "-" {
		_, err := page.WriteTo(out)
		return err
	}
	if err := os.WriteFile(file, page.Bytes(), 0o600); err != nil {
		return err
	}
	fmt.Fprintln(out, "written:", file)
	return nil
}

func printTermination(out io.Writer, t lifecycle.Termination) {
	facts := newTable()
	for _, fact := range [][2]string{
		{"name", t.DisplayName}, {"employee", t.EmployeeID}, {"user name", t.UserName}, {"manager", t.Manager}, {"state", string(t.State)},
		{"left", localTime(t.LeftAt)}, {"ends", optionalTime(t.EndedAt)}, {"at once", yesNo(t.Immediate)}, {"reason", t.Reason}, {"identity", t.Identity.String()},
	} {
		if fact[1] != "" {
			facts.row(fact[0], fact[1])
		}
	}
	facts.print(out, "")
	causes := newTable("received", "what", "source", "by", "event")
	for _, cause := range t.Causes {
		causes.row(localTime(cause.ReceivedAt), cause.Type, cause.Source, cause.Actor, cause.EventID)
	}
	section(out, "Who asked", causes)
	actions := newTable("tier", "target", "action", "status", "deadline", "verified", "after", "confirmed", "why")
	for _, action := range t.Actions {
		after, late := "", ""
		if action.VerifiedAt != nil {
			after = seconds(action.VerifiedAt.Sub(t.LeftAt).Seconds())
		}
		if action.Late {
			late = " LATE"
		}
		actions.row(action.Tier, action.Target, action.Action, action.Status+late, localTime(action.DeadlineAt), optionalTime(action.VerifiedAt), after,
			optionalTime(action.ConfirmedAt), action.Why)
	}
	section(out, "What was done", actions)
	fmt.Fprintf(out, "\n%d actions, %d not verified, %d past their deadline\n", len(t.Actions), t.Open, t.Late)
}

func newReportSLACommand(a *app) *cobra.Command {
	var since, until string
	c := &cobra.Command{
		Use:   "sla",
		Short: "How fast access went in each tier of the leaves of a period, and which deadlines were missed",
		Example: `  tenure report sla --since 30d
  tenure report sla --since 2026-01-01 --until 2026-04-01 --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			from, err := parseMoment("since", since, time.Now())
			if err != nil {
				return err
			}
			to, err := parseMoment("until", until, time.Now())
			if err != nil {
				return err
			}
			return get(a, c, "/v1/reports/deprovisioning", url.Values{"since": {from}, "until": {to}}, func(r apiclient.Deprovisioning) error {
				printSLA(c.OutOrStdout(), r)
				return nil
			})
		},
	}
	const forms = "a day (2026-01-31, on this machine's clock), an instant, or how long ago (12h, 30d)"
	c.Flags().StringVar(&since, "since", "", "only leaves that took effect from then on: "+forms+"; default: ever")
	c.Flags().StringVar(&until, "until", "", "and before then; default: now")
	return c
}

func printSLA(out io.Writer, r apiclient.Deprovisioning) {
	tiers := newTable("tier", "people", "p50", "p99", "max", "actions", "in time", "late", "open", "overdue")
	for _, t := range r.Tiers {
		took := t.TimeToDeprovision
		tiers.row(t.Tier, took.Count, seconds(took.P50), seconds(took.P99), seconds(took.Max), t.Actions, t.InTime, t.Late, t.Open, t.Overdue)
	}
	tiers.print(out, "nobody left")
	if len(r.Breaches) == 0 {
		return
	}
	breaches := newTable("identity", "tier", "target", "action", "deadline", "verified", "late by", "status")
	for _, b := range r.Breaches {
		by := ""
		if b.VerifiedAt != nil {
			by = seconds(b.VerifiedAt.Sub(b.DeadlineAt).Seconds())
		}
		breaches.row(b.IdentityID, b.Tier, b.Target, b.Action, localTime(b.DeadlineAt), optionalTime(b.VerifiedAt), by, strings.Trim(b.Status+" "+b.ErrorCode, " "))
	}
	section(out, "Missed deadlines", breaches)
}
