package main

import (
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/internal/apiclient"
)

func newReportCommand(a *app) *cobra.Command {
	return newGroupCommand("report", "Measure what was done, and what is left", newReportLifecycleCommand(a), newReportSLACommand(a),
		newReportTerminationCommand(a), newReportProgressCommand(a))
}

func newReportProgressCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "progress",
		Short: "How much is left to do, as after an import or a new policy",
		RunE: func(c *cobra.Command, _ []string) error {
			return get(a, c, "/v1/progress", nil, func(p apiclient.Progress) error {
				if p == (apiclient.Progress{}) {
					fmt.Fprintln(c.OutOrStdout(), "all is quiet: nothing is left to do for anybody")
					return nil
				}
				fmt.Fprintf(c.OutOrStdout(), "%s unsettled: something is left to do for them, or to wait for\n%d pokes wait to be handed to Temporal\n",
					people(p.Unsettled, "is", "are"), p.Outbox)
				return nil
			})
		},
	}
}

func newReportLifecycleCommand(a *app) *cobra.Command {
	var since string
	c := &cobra.Command{
		Use:   "lifecycle",
		Short: "How fast access came and went, and what was done in each target",
		Example: `  tenure report lifecycle --since 30d
  tenure report lifecycle --since 2026-01-01`,
		RunE: func(c *cobra.Command, _ []string) error {
			from, err := parseMoment("since", since, time.Now())
			if err != nil {
				return err
			}
			return get(a, c, "/v1/reports/lifecycle", url.Values{"since": {from}}, func(r apiclient.Report) error {
				printReport(c.OutOrStdout(), r)
				return nil
			})
		},
	}
	c.Flags().StringVar(&since, "since", "",
		"only what came in from then on: a day (2026-01-31, on this machine's clock), an instant, or how long ago (12h, 30d); default: ever")
	return c
}

// parseMoment answers a past moment that a flag names, as RFC 3339 writes it; empty for none.
func parseMoment(flag, text string, now time.Time) (string, error) {
	if text == "" {
		return "", nil
	}
	at, err := time.ParseInLocation(time.DateOnly, text, time.Local) // the day of whoever asks
	if err != nil {
		at, err = time.Parse(time.RFC3339, text)
	}
	if err != nil {
		var ago time.Duration
		ago, err = time.ParseDuration(text)
		if days, isDays := strings.CutSuffix(text, "d"); isDays {
			var n int
			n, err = strconv.Atoi(days)
			ago = time.Duration(min(n, 100_000)) * 24 * time.Hour
		}
		at = now.Add(-ago)
	}
	if err != nil || at.After(now) {
		return "", usagef("--%s is %q: it must be a day such as 2026-01-31, an instant such as 2026-01-31T12:00:00Z, or how long ago, such as 12h or 30d",
			flag, text)
	}
	return at.UTC().Format(time.RFC3339), nil
}

func printReport(out io.Writer, r apiclient.Report) {
	printSpeed(out, r)
	t := newTable("target", "created", "changed", "enabled", "disabled")
	for _, target := range r.Targets {
		t.row(target.Target, target.Created, target.Updated, target.Enabled, target.Disabled)
	}
	section(out, "Accounts", t)
	open := newTable("status", "operations")
	for _, status := range slices.Sorted(maps.Keys(r.OpenOperations)) {
		if n := r.OpenOperations[status]; n > 0 {
			open.row(status, n)
		}
	}
	section(out, "Open operations", open)
}

func printSpeed(out io.Writer, r apiclient.Report) {
	t := newTable("time to", "p50", "p99", "max", "people", "not done")
	for _, line := range []struct {
		name string
		took apiclient.Durations
	}{{"provision", r.TimeToProvision}, {"deprovision", r.TimeToDeprovision}} {
		if line.took.Count == 0 {
			t.row(line.name, "", "", "", 0, line.took.Open)
			continue
		}
		t.row(line.name, seconds(line.took.P50), seconds(line.took.P99), seconds(line.took.Max), line.took.Count, line.took.Open)
	}
	t.print(out, "")
}

func seconds(s float64) string {
	switch d := time.Duration(s * float64(time.Second)); {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", s)
	default:
		return d.Round(time.Second).String()
	}
}
