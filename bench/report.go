package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is what was measured; a section that did not run is nil.
type report struct {
	about   []string
	joiners *joinerResults
	kill    *killResults
	intake  *intakeResults
	preview *previewResults
	scim    *scimResults
	vendors *vendorResults
}

// about says when, on what and how it was measured.
func about(ctx context.Context, o options) []string {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	lines := []string{
		"date " + time.Now().UTC().Format("2006-01-02 15:04 MST"),
		fmt.Sprintf("%d CPUs, with Postgres, Temporal, the targets and Tenure all on them", runtime.NumCPU()),
		runtime.GOOS + " " + strings.TrimSpace(string(kernel)),
		runtime.Version(),
		"commit " + commit(ctx),
		"command `" + o.command + "`",
	}
	return lines
}

// commit names what was measured; `go run` leaves no stamp in the binary.
func commit(ctx context.Context) string {
	head, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain").Output()
	if err != nil || len(changed) > 0 {
		return strings.TrimSpace(string(head)) + " with changes"
	}
	return strings.TrimSpace(string(head))
}

func (r report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n", strings.Join(r.about, "; "))
	if r.joiners != nil {
		r.joiners.markdown(&b, "Joiners, 3 targets")
	}
	if r.kill != nil {
		r.kill.markdown(&b, "Kill latency")
	}
	if r.intake != nil {
		r.intake.markdown(&b)
	}
	if r.preview != nil {
		r.preview.markdown(&b)
	}
	if r.scim != nil {
		r.scim.markdown(&b)
	}
	if r.vendors != nil {
		r.vendors.markdown(&b)
	}
	return b.String()
}

func (r *joinerResults) markdown(b *strings.Builder, title string) {
	fmt.Fprintf(b, "\n### %s\n\n%d rounds of %d joiners each, in turn; median (least – most).\n\n", title, len(r.product), r.size)
	fmt.Fprintf(b, "| | joiners a second | accounts a second | history events | history bytes | HTTP calls |\n|---|---|---|---|---|---|\n")
	for _, of := range []struct {
		name  string
		rates []float64
		calls float64
	}{{"bare", r.bare, 0}, {"honest", r.honest, r.honestCal}, {"product", r.product, r.productCall}} {
		fmt.Fprintf(b, "| %s | %s | %.0f | %d | %d | %.1f |\n", of.name, spread(of.rates, "%.1f"), 3*median(of.rates),
			r.histories[of.name].events, r.histories[of.name].bytes, of.calls)
	}
	fmt.Fprintf(b, "\n| | measured | goal | |\n|---|---|---|---|\n")
	toHonest, toBare := ratios(r.product, r.honest), ratios(r.product, r.bare)
	fmt.Fprintf(b, "| product / honest, round by round | %s | ≥ 0.85 | %s |\n", spread(toHonest, "%.2f"), met(median(toHonest) >= 0.85))
	fmt.Fprintf(b, "| product / bare, round by round | %s | ≥ 0.6 | %s |\n", spread(toBare, "%.2f"), met(median(toBare) >= 0.6))
	fmt.Fprintf(b, "| history events of a joiner | %d | ≤ 28 | %s |\n", r.histories["product"].events, met(r.histories["product"].events <= 28))
}

func (r *killResults) markdown(b *strings.Builder, title string) {
	all := slices.Sorted(slices.Values(slices.Concat(r.fresh, r.queued)))
	fmt.Fprintf(b, "\n### %s\n\nFrom the sending of the leave to tier 1 read back in 3 targets", title)
	if len(r.queued) > 0 {
		fmt.Fprintf(b, ", with at least %d joiners queued. Of the %d queued joiners who were killed %d had accounts begun; the others had nothing to take away",
			r.leastQueued, len(r.queued), r.withAccounts)
	}
	fmt.Fprintf(b, ".\n\n| killed | number | p50 | p99 | max | goal | |\n|---|---|---|---|---|---|---|\n")
	for _, of := range []struct {
		name  string
		times []time.Duration
	}{{"settled people", r.fresh}, {"queued joiners", r.queued}, {"all", all}} {
		if len(r.queued) == 0 && of.name != "settled people" {
			continue
		}
		p99 := percentile(of.times, 99)
		goal := "p99 < 2 s | " + met(p99 < 2*time.Second)
		if r.lag > 0 {
			goal = "none | "
		}
		fmt.Fprintf(b, "| %s | %d | %.2f s | %.2f s | %.2f s | %s |\n", of.name, len(of.times), percentile(of.times, 50).Seconds(),
			p99.Seconds(), of.times[len(of.times)-1].Seconds(), goal)
	}
	fmt.Fprintf(b, "\nWhere the time of those who had accounts went:\n\n| | p50 | p99 | max |\n|---|---|---|---|\n")
	for i, name := range legNames {
		times := r.legs[i]
		fmt.Fprintf(b, "| %s | %.2f s | %.2f s | %.2f s |\n", name, percentile(times, 50).Seconds(), percentile(times, 99).Seconds(),
			times[len(times)-1].Seconds())
	}
}

func (r *intakeResults) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### Intake of HR events\n\nNo worker running; %d senders, batches of %d by %d senders; median (least – most).\n\n",
		writers, batchSize, batchesOnce)
	fmt.Fprintf(b, "| | events a second | of the bare transaction |\n|---|---|---|\n")
	for _, of := range []struct {
		name  string
		rates []float64
	}{{"bare transaction (identity, outbox, audit)", r.bare}, {"the service", r.service}, {"API, one event a request", r.single}, {"API, batches", r.batch}} {
		fmt.Fprintf(b, "| %s | %s | %s |\n", of.name, spread(of.rates, "%.0f"), spread(ratios(of.rates, r.bare), "%.2f"))
	}
}

func (r *previewResults) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### Policy preview\n\n| people | seconds | goal | |\n|---|---|---|---|\n| %d | %s | < 5 s for 10,000 | %s |\n",
		r.people, spread(r.took, "%.2f"), met(median(r.took) < 5))
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "**missed**"
}

// median of values that need not be sorted; the mean of the middle two when their number is even.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// spread is "median (least – most)".
func spread(values []float64, format string) string {
	return fmt.Sprintf(format+" ("+format+" – "+format+")", median(values), slices.Min(values), slices.Max(values))
}

// ratios divides round by round: what the machine did to a round it did to both.
func ratios(of, by []float64) []float64 {
	out := make([]float64, len(of))
	for i := range of {
		out[i] = of[i] / by[i]
	}
	return out
}

// percentile is the smallest of the sorted times that p of a hundred do not exceed.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[max((len(sorted)*p+99)/100, 1)-1]
}

const (
	resultsFile = "docs/results.md"
	beginMark   = "<!-- bench: begin -->"
	endMark     = "<!-- bench: end -->"
)

// writeResults replaces what stands between the marks.
func writeResults(file, text string) error {
	old, err := os.ReadFile(file) //nolint:gosec // the documentation, or a test's
	if err != nil {
		return err
	}
	replaced, err := between(string(old), text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(replaced), 0o644) //nolint:gosec // documentation
}

func between(document, text string) (string, error) {
	head, rest, begun := strings.Cut(document, beginMark)
	_, tail, ended := strings.Cut(rest, endMark)
	if !begun || !ended {
		return "", errors.New("has no place for the results: it needs the lines " + beginMark + " and " + endMark)
	}
	return head + beginMark + "\n\n" + text + "\n" + endMark + tail, nil
}
