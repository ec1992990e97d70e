package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/policy"
)

// intakeResults are rates in events a second, by round.
type intakeResults struct{ bare, service, single, batch []float64 }

const (
	batchSize   = 100 // events in one request
	batchesOnce = 4   // requests at once
)

// measureIntake compares the acceptance of events with the smallest transaction that would keep them. No worker runs:
// what is accepted waits in the outbox.
func measureIntake(ctx context.Context, o options, p *product) (*intakeResults, error) {
	token, _, err := p.service.Store().CreateToken(ctx, p.org, "bench", []string{"hr"}, time.Now().Add(time.Hour))
	if err != nil {
		return nil, err
	}
	sender := &sender{url: p.url + "/v1/events", token: token, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: writers}}}
	if err := p.service.Store().CreateOrganization(ctx, bareOrg, bareOrg); err != nil {
		return nil, err
	}
	pool, err := openBare(ctx, p.db)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	r := &intakeResults{}
	contenders := []struct {
		name  string
		width int
		each  func(ctx context.Context) (int, error)
		rates *[]float64
	}{
		{"bare transaction", writers, func(ctx context.Context) (int, error) { return 1, bareIntake(ctx, pool) }, &r.bare},
		{"lifecycle.Accept", writers, func(ctx context.Context) (int, error) { return 1, p.acceptOne(ctx) }, &r.service},
		{"API, single", writers, func(ctx context.Context) (int, error) { return 1, p.send(ctx, sender, 1) }, &r.single},
		{"API, batch", batchesOnce, func(ctx context.Context) (int, error) { return batchSize, p.send(ctx, sender, batchSize) }, &r.batch},
	}
	return r, takeTurns(o.rounds, len(contenders), func(round, i int) error {
		c := contenders[i]
		rate, err := rateOf(ctx, o.intake, c.width, c.each)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		step("round %d: %-16s %7.0f events/s", round, c.name, rate)
		if round > 0 {
			*c.rates = append(*c.rates, rate)
		}
		return nil
	})
}

// rateOf calls each again and again, width at once, and answers how many events a second that made.
func rateOf(ctx context.Context, during time.Duration, width int, each func(ctx context.Context) (int, error)) (float64, error) {
	var events atomic.Int64
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for range width {
		group.Go(func() error {
			for time.Since(began) < during {
				n, err := each(ctx)
				if err != nil {
					return err
				}
				events.Add(int64(n))
			}
			return nil
		})
	}
	err := group.Wait()
	return float64(events.Load()) / time.Since(began).Seconds(), err
}

func (p *product) acceptOne(ctx context.Context) error {
	e, err := p.joiner()
	if err != nil {
		return err
	}
	_, err = p.service.Accept(ctx, p.org, lifecycle.Caller{Actor: "bench"}, e)
	return err
}

// bareOrg is where the bare transactions write.
const bareOrg = "bare"

// openBare opens connections that are bound by row level security as the product's are.
func openBare(ctx context.Context, db database) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(db.serve)
	if err != nil {
		return nil, err
	}
	config.MaxConns = writers
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "set role tenure_app")
		return err
	}
	return pgxpool.NewWithConfig(ctx, config)
}

// bareIntake is one transaction in one round trip: identity, outbox, audit.
func bareIntake(ctx context.Context, pool *pgxpool.Pool) error {
	id := uuid.New()
	batch := &pgx.Batch{}
	batch.Queue(`select set_config('tenure.org', $1, true)`, bareOrg)
	batch.Queue(`insert into identities (org, id, version, state, attributes) values ($1, $2, 1, 'active',
		'{"employeeId": "E1", "givenName": "Given", "familyName": "Family", "department": "Sales", "title": "Clerk"}')`, bareOrg, id)
	batch.Queue(`insert into outbox (org, identity_id, version, class) values ($1, $2, 1, 3)`, bareOrg, id)
	batch.Queue(`insert into audit (org, epoch, actor, action, object_type, object_id, identity_id)
		values ($1, 1, 'bench', 'event.accepted', 'event', $3, $2)`, bareOrg, id, id.String())
	return pool.SendBatch(ctx, batch).Close()
}

// sender posts CloudEvents.
type sender struct {
	url, token string
	http       *http.Client
}

// send posts n joiners in one request: one event, or a batch.
func (p *product) send(ctx context.Context, s *sender, n int) error {
	events := make([]map[string]any, n)
	for i := range events {
		number := p.people.Add(1)
		events[i] = map[string]any{"specversion": "1.0", "id": uuid.NewString(), "source": "hr", "type": "worker.joined",
			"time": time.Now().Format(time.RFC3339Nano), "data": map[string]any{"employeeId": employeeID(number), "givenName": "Given",
				"familyName": fmt.Sprintf("Family%06d", number), "displayName": fmt.Sprintf("Given Family%06d", number),
				"workerType": "employee", "department": "Sales", "title": "Clerk", "startDate": "2020-01-01"}}
	}
	var content any = events[0]
	media := "application/cloudevents+json"
	if n > 1 {
		content, media = events, "application/cloudevents-batch+json"
	}
	raw, err := json.Marshal(content)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", media)
	request.Header.Set("Authorization", "Bearer "+s.token)
	response, err := s.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusAccepted || bytes.Contains(answer, []byte(`"error":{`)) {
		return fmt.Errorf("the API answered %s: %s", response.Status, answer[:min(len(answer), 500)])
	}
	return nil
}

// previewResults are the times of one preview each.
type previewResults struct {
	people int
	took   []float64 // seconds
}

const previewOrg = "preview"

// measurePreview previews a policy that changes one attribute for everybody, in an organization of its own.
func measurePreview(ctx context.Context, o options, p *product) (*previewResults, error) {
	if err := p.addOrganization(ctx, previewOrg); err != nil {
		return nil, err
	}
	step("bringing %d people in", o.people)
	if err := p.accept(ctx, previewOrg, o.people); err != nil {
		return nil, err
	}
	next, err := policy.Parse(policy.File{Name: "next.yaml", Data: []byte(p.targets.policyText(previewOrg, "person.department"))})
	if err != nil {
		return nil, err
	}
	r := &previewResults{people: o.people}
	for round := range o.rounds + 1 {
		began := time.Now()
		preview, err := p.service.PreviewPolicy(ctx, previewOrg, next)
		took := time.Since(began).Seconds()
		if err != nil {
			return nil, err
		}
		if preview.Affected != o.people {
			return nil, fmt.Errorf("the preview found %d people affected and there are %d", preview.Affected, o.people)
		}
		step("round %d: preview of %d people %.2f s", round, o.people, took)
		if round > 0 {
			r.took = append(r.took, took)
		}
	}
	return r, nil
}
