package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/tenurehq/tenure/deploy/sample"
	"github.com/tenurehq/tenure/internal/config"
)

// measure reads what Tenure and Temporal recorded of the play.
func (p *player) measure(ctx context.Context, targets []*simulatedTarget, result *played) (err error) {
	if err := p.client.Get(ctx, "/v1/reports/lifecycle", nil, &result.Report); err != nil {
		return fmt.Errorf("read the report: %w", err)
	}
	settings, err := config.LoadClient(p.app.getenv, config.ScopeAdmin)
	if err != nil {
		return err
	}
	result.Addresses = map[string]string{"the API, described": settings.URL + "/openapi.json"}
	result.Usage = map[string]usage{}
	for _, t := range targets {
		result.Addresses["target "+t.name] = t.address
		if result.Usage[t.name], err = t.usage(ctx); err != nil {
			return err
		}
	}
	options, ok, err := p.app.temporalOptions()
	if err != nil || !ok {
		return err
	}
	if ui := p.app.getenv("TENURE_UI_URL"); ui != "" {
		result.Addresses["the runs, in Temporal's UI"] = ui + "/namespaces/" + options.Namespace + "/workflows"
	}
	if result.Runs, err = readRuns(ctx, options, sample.Organization); err != nil { // the play has succeeded without
		fmt.Fprintf(p.errOut, "the runs are not counted: %v\n", err)
	}
	return nil
}

func (p *player) print(result played) {
	out := p.out
	fmt.Fprintf(out, "\nThe sample organization %s, played for %s\n\n", sample.Organization, result.Day)
	events := newTable("effect", "events")
	total := 0
	for _, effect := range slices.Sorted(maps.Keys(result.Effects)) {
		events.row(effect, result.Effects[effect])
		total += result.Effects[effect]
	}
	events.row("all", total)
	events.print(out, "")

	accounts := newTable("target", "accounts created", "changed", "enabled", "disabled", "calls", "429s")
	for _, t := range result.Report.Targets {
		used := result.Usage[t.Target]
		accounts.row(t.Target, t.Created, t.Updated, t.Enabled, t.Disabled, used.Calls, used.Throttled)
	}
	fmt.Fprintln(out)
	accounts.print(out, "no account")
	fmt.Fprintln(out, "\nCalls and 429s are those since the simulators were started.")
	fmt.Fprintln(out)
	printSpeed(out, result.Report)

	if len(result.Runs) > 0 {
		runs := newTable("workflow", "runs", "ended", "events of a run (median)", "most")
		for _, r := range result.Runs {
			runs.row(r.Type, r.Runs, r.Closed, r.MedianEvents, r.MaxEvents)
		}
		fmt.Fprintln(out)
		runs.print(out, "")
	}

	fmt.Fprintln(out)
	differences := newTable("target", "employee", "account", "difference")
	for _, d := range result.Differences {
		differences.row(d.Target, d.Employee, d.NativeID, d.What)
	}
	differences.print(out, "Every account of every target, and all that it holds, is as policy says: no differences.")

	fmt.Fprintln(out)
	addresses := newTable()
	for _, name := range slices.Sorted(maps.Keys(result.Addresses)) {
		addresses.row(name, result.Addresses[name])
	}
	addresses.print(out, "")
}
