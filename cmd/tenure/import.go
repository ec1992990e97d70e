package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tenurehq/tenure/internal/apiclient"
	"github.com/tenurehq/tenure/internal/config"
	"github.com/tenurehq/tenure/internal/hrimport"
)

const (
	defaultImportSource = "urn:tenure:import"
	defaultImportBatch  = 500
)

func newImportCommand(a *app) *cobra.Command {
	var source string
	var dryRun bool
	var batch int
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Send a file of workers, CSV or JSON lines, as events",
		Long: `Sends each row of a file as an event. A CSV file names the fields of the record in its first row (employeeId,
givenName, department, startDate, …, custom.<key>); a file of JSON lines has a record or a CloudEvent a line. A row is a
worker.changed unless its column "type" says otherwise: it makes unknown people known and changes known ones. Of several
rows about one person the last one counts, unless they give a time or a sequence.

Sending a file again changes nothing, so an import that was interrupted is simply run again. Rows that are refused are
reported by line, the others are taken; the exit code is then 1.`,
		Example: `  tenure import workers.csv --source urn:acme:hr --dry-run
  tenure import workers.csv --source urn:acme:hr`,
		Args: arguments("FILE, of CSV or JSON lines"),
		RunE: func(c *cobra.Command, args []string) error {
			if batch < 1 || batch > apiclient.MaxBatch {
				return usagef("--batch is %d: it must be from 1 to %d", batch, apiclient.MaxBatch)
			}
			i := importing{file: args[0], out: c.OutOrStdout(), errOut: c.ErrOrStderr(), json: a.json}
			if err := i.read(source); err != nil {
				return err
			}
			if dryRun {
				return i.dryRun()
			}
			client, err := a.client(config.ScopeHR)
			if err != nil {
				return err
			}
			return i.send(c.Context(), client, batch)
		},
	}
	c.Flags().StringVar(&source, "source", defaultImportSource, "the events' CloudEvents source, which must be one that the policy names under sources")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "read and check the file, and send nothing")
	c.Flags().IntVar(&batch, "batch", defaultImportBatch, "how many rows are sent in one request")
	return c
}

// importing is one file on its way to the API.
type importing struct {
	file   string
	out    io.Writer
	errOut io.Writer
	json   bool

	events  []apiclient.Outgoing
	lines   []int // parallel to events
	types   map[string]int
	effects map[string]int
	cases   int          // events that wait until somebody says who the person is
	refused []refusedRow // by line, once all are known
}

// refusedRow is a row that was not taken.
type refusedRow struct {
	Line  int    `json:"line"`
	Error string `json:"error"`
}

// read reads the whole file. The time at which it was written is the events' own, and so part of their ids.
func (i *importing) read(source string) error {
	file, err := os.Open(i.file)
	if err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file: save the rows in one, since the time at which it was written tells whether they are new", i.file)
	}
	i.types = map[string]int{}
	for row := range hrimport.Read(file, hrimport.Options{Source: source, Observed: info.ModTime()}) {
		if row.Err != nil {
			i.refused = append(i.refused, refusedRow{Line: row.Line, Error: oneLine(row.Err)})
			continue
		}
		var event struct {
			Type string `json:"type"`
			Data struct {
				EmployeeID string `json:"employeeId"`
			} `json:"data"`
		}
		if err := json.Unmarshal(row.Event, &event); err != nil {
			return fmt.Errorf("line %d: read the event: %w", row.Line, err)
		}
		i.types[event.Type]++
		i.events = append(i.events, apiclient.Outgoing{Person: event.Data.EmployeeID, JSON: row.Event})
		i.lines = append(i.lines, row.Line)
	}
	return nil
}

// oneLine is an error with several parts in one line.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// shownEvents is how many events a dry run shows to people.
const shownEvents = 3

func (i *importing) dryRun() error {
	if i.json {
		events := make([]json.RawMessage, len(i.events))
		for n, e := range i.events {
			events[n] = e.JSON
		}
		if err := printJSON(i.out, map[string]any{"events": events, "refused": emptyNotNull(i.refused)}); err != nil {
			return err
		}
		return i.refusal()
	}
	fmt.Fprintf(i.out, "%d rows would be sent%s\n", len(i.events), counts(i.types))
	for _, e := range i.events[:min(shownEvents, len(i.events))] {
		fmt.Fprintf(i.out, "  %s\n", e.JSON)
	}
	if more := len(i.events) - shownEvents; more > 0 {
		fmt.Fprintf(i.out, "  and %d more\n", more)
	}
	i.printRefused()
	return i.refusal()
}

func (i *importing) send(ctx context.Context, client *apiclient.Client, batch int) error {
	i.effects = map[string]int{}
	bar := newProgress(i.errOut, "rows sent", len(i.events))
	answered := 0
	err := client.SendEvents(ctx, i.events, batch, func(indexes []int, results []apiclient.Result) {
		answered += len(indexes)
		bar.add(len(indexes))
		for n, index := range indexes {
			i.note(i.lines[index], results[n])
		}
	})
	// The answers came batch by batch, after what the file itself got wrong.
	slices.SortFunc(i.refused, func(a, b refusedRow) int { return cmp.Compare(a.Line, b.Line) })
	if err != nil {
		bar.clear()
		i.printRefused()
		return fmt.Errorf("send the rows: %w; %d of %d were answered: run the command again, what was taken is not taken twice", err, answered, len(i.events))
	}
	if i.json {
		err = printJSON(i.out, map[string]any{"rows": len(i.events), "effects": i.effects, "cases": i.cases, "refused": emptyNotNull(i.refused)})
		return errors.Join(err, i.refusal())
	}
	taken := 0
	for _, n := range i.effects {
		taken += n
	}
	fmt.Fprintf(i.out, "%d rows taken%s\n", taken, counts(i.effects))
	if i.cases > 0 {
		fmt.Fprintf(i.out, "%d of them wait until you say who the person is: `tenure case list`\n", i.cases)
	}
	i.printRefused()
	return i.refusal()
}

// note counts what became of a row.
func (i *importing) note(line int, r apiclient.Result) {
	if r.Error != nil {
		i.refused = append(i.refused, refusedRow{Line: line, Error: oneLine(r.Error)})
		return
	}
	i.effects[r.Effect]++
	if r.CaseID != "" {
		i.cases++
	}
}

// shownRefused is how many refused rows are listed to people; --json lists all.
const shownRefused = 100

func (i *importing) printRefused() {
	if i.json {
		return
	}
	for _, row := range i.refused[:min(shownRefused, len(i.refused))] {
		fmt.Fprintf(i.errOut, "%s:%d: %s\n", i.file, row.Line, row.Error)
	}
	if more := len(i.refused) - shownRefused; more > 0 {
		fmt.Fprintf(i.errOut, "and %d more: --json lists them all\n", more)
	}
}

// refusal is the error of an import in which not every row was taken.
func (i *importing) refusal() error {
	if len(i.refused) == 0 {
		return nil
	}
	return fmt.Errorf("%d rows of %s were refused: mend them and import the file again", len(i.refused), i.file)
}

// counts lists how many there are of each, the most first: " (join 12, move 3)".
func counts(of map[string]int) string {
	names := slices.SortedFunc(maps.Keys(of), func(a, b string) int { return cmp.Or(cmp.Compare(of[b], of[a]), cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, of[name])
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

func emptyNotNull[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
