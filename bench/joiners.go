package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/client"

	"github.com/tenurehq/tenure/workflows"
)

// joinerResults are the rates of all rounds, in joiners a second.
type joinerResults struct {
	size                   int // joiners a round
	bare, honest, product  []float64
	histories              map[string]history
	productCall, honestCal float64 // HTTP calls a joiner
}

// history is the median length and size of runs' histories.
type history struct{ events, bytes int64 }

// contender is one of the three that are compared.
type contender struct {
	name  string
	round func(ctx context.Context, n int) (time.Duration, error)
	rates *[]float64
}

// measureJoiners lets the three take turns: every round has each of them once, and each round another begins.
// The honest baseline has targets of its own, like the product's.
func measureJoiners(ctx context.Context, o options, s *servers, p *product, like func(context.Context) (targets, error)) (*joinerResults, error) {
	b, err := startBare(s)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	on, err := like(ctx)
	if err != nil {
		return nil, err
	}
	h, err := startHonest(ctx, s, on)
	if err != nil {
		on.stop()
		return nil, err
	}
	defer h.stopAll()
	var profile io.Writer
	if o.profile != "" {
		file, err := os.Create(o.profile)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		profile = file
	}
	r := &joinerResults{size: o.joiners}
	product := func(ctx context.Context, n int) (took time.Duration, err error) {
		to := profile
		if len(r.product) != o.rounds-1 { // one round is enough, and a profile cannot be continued
			to = nil
		}
		err = profiled(to, func() error { took, err = p.round(ctx, n); return err })
		return took, err
	}
	contenders := []contender{{"bare", b.round, &r.bare}, {"honest", h.round, &r.honest}, {"product", product, &r.product}}
	err = takeTurns(o.rounds, len(contenders), func(round, i int) error {
		size := o.joiners
		if round == 0 { // warms up
			size = max(size/3, 1)
		}
		c := contenders[i]
		rate, err := once(ctx, c, size)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		step("round %d: %-7s %6.1f joiners/s", round, c.name, rate)
		if round > 0 {
			*c.rates = append(*c.rates, rate)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, errors.Join(p.check(), h.check(), r.look(ctx, s, b, h, p))
}

func once(ctx context.Context, c contender, n int) (float64, error) {
	took, err := c.round(ctx, n)
	return float64(n) / took.Seconds(), err
}

// look reads the runs' histories, and holds the honest baseline's calls against the product's: an honest one makes as
// many.
func (r *joinerResults) look(ctx context.Context, s *servers, b *bare, h *honest, p *product) error {
	r.productCall = float64(p.targets.requests()) / float64(p.people.Load())
	r.honestCal = float64(h.targets.requests()) / float64(h.people.Load())
	if difference := r.productCall - r.honestCal; difference > 0.5 || difference < -0.5 {
		return fmt.Errorf("the honest baseline makes %.1f HTTP calls a joiner and the product %.1f: make them equal",
			r.honestCal, r.productCall)
	}
	found, err := p.db.admin.Query(ctx, `select id from identities where org = $1 order by created_at desc limit $2`, p.org, r.size)
	if err != nil {
		return err
	}
	newest, err := pgx.CollectRows(found, pgx.RowTo[uuid.UUID])
	if err != nil {
		return err
	}
	r.histories = map[string]history{}
	for _, of := range []struct {
		name, org string
		ids       []uuid.UUID
	}{{"bare", baselineOrg, b.newest}, {"honest", baselineOrg, h.newest}, {"product", p.org, newest}} {
		if r.histories[of.name], err = historyOf(ctx, s.temporal, of.org, of.ids); err != nil {
			return err
		}
	}
	return nil
}

// historyOf is the median of a few dozen runs.
func historyOf(ctx context.Context, c client.Client, org string, ids []uuid.UUID) (history, error) {
	var events, bytes []int64
	for i := 0; i < len(ids); i += max(len(ids)/50, 1) {
		d, err := c.DescribeWorkflowExecution(ctx, workflows.IdentityWorkflowID(org, ids[i].String()), "")
		if err != nil {
			return history{}, err
		}
		events = append(events, d.GetWorkflowExecutionInfo().GetHistoryLength())
		bytes = append(bytes, d.GetWorkflowExecutionInfo().GetHistorySizeBytes())
	}
	slices.Sort(events)
	slices.Sort(bytes)
	return history{events[len(events)/2], bytes[len(bytes)/2]}, nil
}
