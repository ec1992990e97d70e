package main

import (
	"fmt"
	"strings"
)

const (
	scimShare  = 0.3  // of a baseline's rate, at least
	lookupMost = 5.0  // ms
	addMost    = 3.0  // times as long as in a Group of ten
	putMost    = 2.0  // seconds
	asFast     = 1.25 // times as long counts as "as fast": pages differ in what is on them
	constant   = 1.25 // times as much counts as "constant": it depends on when garbage is collected
)

func (r *scimResults) markdown(b *strings.Builder) {
	r.markdownRates(b)
	r.markdownLookups(b)
	r.pages.markdown(b)
	r.groups.markdown(b)
}

func (r *scimResults) markdownRates(b *strings.Builder) {
	fmt.Fprintf(b, "\n### SCIM requests among %d Users\n\n%d connections, over HTTP on the loopback; no worker running; median (least – most) of %d rounds. "+
		"A bare query is one select of the same rows by the same index under no row level security; the bare transaction is that of the intake.\n\n",
		r.users, writers, len(r.rates[0].rates))
	fmt.Fprintf(b, "| | a second | p50, ms | p99, ms | of the bare one, round by round | goal | |\n|---|---|---|---|---|---|---|\n")
	for _, c := range r.rates {
		fmt.Fprintf(b, "| %s | %s | %s | %s |", c.name, spread(c.rates, "%.0f"), spread(c.p50, "%.1f"), spread(c.p99, "%.1f"))
		if c.baseline == nil {
			fmt.Fprintf(b, " | | |\n")
			continue
		}
		share := ratios(c.rates, c.baseline.rates)
		fmt.Fprintf(b, " %s | ≥ %.1f | %s |\n", spread(share, "%.2f"), scimShare, met(median(share) >= scimShare))
	}
}

func (r *scimResults) markdownLookups(b *strings.Builder) {
	fmt.Fprintf(b, "\n### One User among %d, at the database\n\n", r.users)
	b.WriteString("The store's query, one at a time, from its sending to the row read; median (least – most) of the rounds.\n\n")
	fmt.Fprintf(b, "| filter | p50, ms | p99, ms | goal | |\n|---|---|---|---|---|\n")
	for _, l := range r.lookups {
		fmt.Fprintf(b, "| %s | %s | %s | p99 < %.0f ms | %s |\n", l.name, spread(l.p50, "%.2f"), spread(l.p99, "%.2f"), lookupMost, met(median(l.p99) < lookupMost))
	}
}

func (r *scimPages) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### Listing all by cursor\n\nPages of %d, one connection. The heap is that of the process: the server's and the client's.\n\n", pageSize)
	fmt.Fprintf(b, "| | measured | goal | |\n|---|---|---|---|\n")
	fmt.Fprintf(b, "| all, seconds | %s | | |\n", spread(r.all, "%.1f"))
	fmt.Fprintf(b, "| first page, ms (median of %d) | %s | | |\n", samplePages, spread(r.first, "%.1f"))
	fmt.Fprintf(b, "| last pages, ms (median of %d) | %s | | |\n", samplePages, spread(r.last, "%.1f"))
	deep, grown := ratios(r.last, r.first), ratios(r.heap[2], r.heap[0])
	fmt.Fprintf(b, "| last / first, round by round | %s | as fast: ≤ %.2f | %s |\n", spread(deep, "%.2f"), asFast, met(median(deep) <= asFast))
	for i, third := range []string{"first", "second", "last"} {
		fmt.Fprintf(b, "| heap in the %s third of the pages, MiB at most | %s | | |\n", third, spread(r.heap[i], "%.0f"))
	}
	fmt.Fprintf(b, "| heap in the last third / in the first, round by round | %s | constant: ≤ %.2f | %s |\n", spread(grown, "%.2f"), constant,
		met(median(grown) <= constant))
}

func (r *scimGroups) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### A Group of %d beside one of %d\n\nOne connection, in turn, %d of each a round; median (least – most) of the rounds.\n\n",
		r.large, r.small, repeats)
	fmt.Fprintf(b, "| | group of %d, ms | group of %d, ms | large / small, round by round | goal | |\n|---|---|---|---|---|---|\n", r.small, r.large)
	for _, of := range []struct {
		name  string
		times [2][]float64
		goal  string
		most  float64
	}{{"add one member by PATCH", r.add, "<", addMost}, {"read with `excludedAttributes=members`", r.read, "as fast: ≤", asFast}} {
		share := ratios(of.times[1], of.times[0])
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s %.2f | %s |\n", of.name, spread(of.times[0], "%.2f"), spread(of.times[1], "%.2f"), spread(share, "%.2f"),
			of.goal, of.most, met(median(share) < of.most))
	}
	fmt.Fprintf(b, "\n| | seconds | goal | |\n|---|---|---|---|\n| PUT with %d members, all others than before | %s | < %.0f s for 10,000 | %s |\n",
		r.large, spread(r.put, "%.2f"), putMost, met(median(r.put) < putMost))
}
