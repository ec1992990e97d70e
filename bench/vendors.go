package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// vendorResults are what was measured with Entra ID, Okta and a SCIM application as targets.
type vendorResults struct {
	joiners *joinerResults
	kill    *killResults
	slow    *killResults // with revocations that take slowRevocation to show
	limited *limitResults
}

// slowRevocation is how long a vendor may take to show that sessions have ended.
const slowRevocation = 30 * time.Second

// measureVendors measures three products in turn: on vendors that take anything at once, on vendors that obey their
// published limits, and on vendors whose revocations take a while.
func measureVendors(ctx context.Context, o options, s *servers) (*vendorResults, error) {
	o = o.vendors()
	binary, remove, err := buildTenure(ctx)
	if err != nil {
		return nil, err
	}
	defer remove()
	r := &vendorResults{}
	without := func(ctx context.Context) (targets, error) { return startVendors(ctx, nature{}) }
	for _, each := range []struct {
		org     string
		nature  nature
		measure func(p *product) error
	}{
		{"vendors", nature{}, func(p *product) (err error) {
			if r.joiners, err = measureJoiners(ctx, o, s, p, without); err != nil {
				return err
			}
			r.kill, err = measureKills(ctx, o, p)
			return err
		}},
		{"limited", nature{limited: true}, func(p *product) (err error) { r.limited, err = measureLimits(ctx, o, p); return err }},
		{"slow", nature{revocation: slowRevocation}, func(p *product) (err error) {
			if r.slow, err = measureKills(ctx, o.slow(), p); err == nil {
				r.slow.lag = slowRevocation
			}
			return err
		}},
	} {
		on, err := startVendors(ctx, each.nature)
		if err != nil {
			return nil, err
		}
		p, err := startProduct(ctx, s, form{org: each.org, binary: binary}, on)
		if err != nil {
			return nil, err
		}
		if err := p.stopAfter(func() error { return each.measure(p) }); err != nil {
			return nil, fmt.Errorf("%s: %w", each.org, err)
		}
	}
	return r, nil
}

// vendors are smaller sizes: what is asked here is how the vendors compare, not how the product does.
func (o options) vendors() options {
	o.rounds, o.kills = min(o.rounds, 3), max(o.kills/3, 2)
	return o
}

// slow are sizes for kills that take long: fewer still, all of settled people, with nobody queued.
func (o options) slow() options {
	o.kills, o.queued = max(o.kills/2, 2), 0
	return o
}

// limitResults are what a storm of joiners comes to at the vendors' published limits.
type limitResults struct {
	joiners   int
	took      time.Duration
	calls     map[string]float64 // a joiner, by target
	throttled map[string]int     // requests refused, by target
}

// limiter is a target that obeys limits.
type limiter interface{ throttled() int }

// stormLimit is for the whole storm: Okta takes 200 joiners a minute.
const stormLimit = 30 * time.Minute

// measureLimits hands all joiners in at once. The group is looked up by one before.
func measureLimits(ctx context.Context, o options, p *product) (*limitResults, error) {
	if _, err := p.round(ctx, 1); err != nil {
		return nil, err
	}
	r := &limitResults{joiners: o.limited, calls: map[string]float64{}, throttled: map[string]int{}}
	before := map[string]int{}
	for name, t := range p.targets {
		before[name] = t.requests()
	}
	step("bringing %d joiners in at the published limits", o.limited)
	var err error
	if r.took, err = p.roundWithin(ctx, o.limited, stormLimit); err != nil {
		return nil, err
	}
	for name, t := range p.targets {
		r.calls[name] = float64(t.requests()-before[name]) / float64(o.limited)
		if l, ok := t.(limiter); ok {
			r.throttled[name] = l.throttled()
		}
	}
	return r, p.check()
}

func (r *vendorResults) markdown(b *strings.Builder) {
	r.joiners.markdown(b, "Joiners in Entra ID, Okta and a SCIM application")
	r.limited.markdown(b)
	r.kill.markdown(b, "Kill latency in Entra ID, Okta and a SCIM application")
	r.slow.markdown(b, fmt.Sprintf("Kill latency when revocations show after %s", slowRevocation))
}

func (r *limitResults) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### Joiners at the vendors' published limits\n\n%d joiners at once: %.1f a second. One worker process, no `rate` in the policy.\n\n",
		r.joiners, float64(r.joiners)/r.took.Seconds())
	fmt.Fprintf(b, "| target | HTTP calls a joiner | goal | | 429s | 429s per 1,000 joiners |\n|---|---|---|---|---|---|\n")
	for _, name := range sortedKeys(r.calls) {
		n, limited := r.throttled[name]
		if !limited {
			fmt.Fprintf(b, "| %s | %.2f | | | no limit | |\n", name, r.calls[name])
			continue
		}
		fmt.Fprintf(b, "| %s | %.2f | ≤ 3 | %s | %d | %.1f |\n", name, r.calls[name], met(r.calls[name] < 3.05), n, float64(n)*1000/float64(r.joiners))
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
