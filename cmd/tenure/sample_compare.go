package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenurehq/tenure/cmd/tenure/compare"
	"github.com/tenurehq/tenure/connectors"
	"github.com/tenurehq/tenure/internal/apiclient"
	"github.com/tenurehq/tenure/internal/policy"
)

// targetVariable is where the sample's policy has a target's URL or TOKEN from.
func targetVariable(target, suffix string) string {
	return "TENURE_SAMPLE_" + strings.ToUpper(target) + "_" + suffix
}

// connect makes a connector to each target, not through Tenure: what they hold is read from them.
func (p *player) connect() (map[string]connectors.Connector, error) {
	targets := map[string]connectors.Connector{}
	for _, t := range p.policy.Targets() {
		settings := connectors.Settings{}
		for setting, suffix := range map[string]string{"baseUrl": "URL", "token": "TOKEN"} {
			variable := targetVariable(t.Name, suffix)
			value := p.app.getenv(variable)
			if value == "" {
				return nil, fmt.Errorf("%s is not set: the sample needs the address and the token of its target %s; `make run` sets them", variable, t.Name)
			}
			settings[setting] = value
		}
		connector, err := registry().New(t.Connector, settings)
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", t.Name, err)
		}
		targets[t.Name] = connector
	}
	return targets, nil
}

// difference is one thing in a target that is not as policy says.
type difference struct {
	compare.Difference
	Employee string `json:"employeeId,omitempty"`
}

func (p *player) compare(ctx context.Context, targets map[string]connectors.Connector) ([]difference, error) {
	details, err := readPeople(ctx, p.client)
	if err != nil {
		return nil, err
	}
	contents := map[string][]compare.Held{}
	for name, target := range targets {
		if contents[name], err = compare.Read(ctx, target); err != nil {
			return nil, fmt.Errorf("read target %s: %w", name, err)
		}
	}
	found, err := compare.Targets(p.policy, subjects(details, time.Now()), contents)
	if err != nil {
		return nil, err
	}
	employees := map[string]string{}
	for _, d := range details {
		employees[d.ID] = d.EmployeeID
	}
	differences := []difference{}
	for _, d := range found {
		differences = append(differences, difference{Difference: d, Employee: employees[d.Identity]})
	}
	return differences, nil
}

// readers is how many people are read at once.
const readers = 8

// readPeople reads everybody with everything.
func readPeople(ctx context.Context, client *apiclient.Client) ([]apiclient.IdentityDetail, error) {
	items, _, err := client.Pages(ctx, "/v1/identities", url.Values{}, 0)
	if err != nil {
		return nil, fmt.Errorf("read the people: %w", err)
	}
	details := make([]apiclient.IdentityDetail, len(items))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, raw := range items {
		var item apiclient.Identity
		if err := json.Unmarshal(raw, &item); err != nil {
			return nil, fmt.Errorf("read the people: %w", err)
		}
		group.Go(func() error {
			if err := client.Get(ctx, "/v1/identities/"+item.ID, nil, &details[i]); err != nil {
				return fmt.Errorf("read identity %s: %w", item.ID, err)
			}
			return nil
		})
	}
	return details, group.Wait()
}

// subjects are the people as policy is asked about them.
func subjects(details []apiclient.IdentityDetail, asOf time.Time) []compare.Person {
	byID := map[string]*apiclient.IdentityDetail{}
	for i := range details {
		byID[details[i].ID] = &details[i]
	}
	people := make([]compare.Person, len(details))
	for i, d := range details {
		subject := policy.Subject{Attributes: d.Attributes, UserName: d.UserName, Mail: d.Mail, State: d.State, AsOf: asOf}
		if manager, ok := byID[d.ManagerID]; ok {
			subject.Manager = &manager.Attributes
		}
		if d.StartsAt != nil {
			subject.StartsAt = *d.StartsAt
		}
		if d.EndsAt != nil {
			subject.EndsAt = *d.EndsAt
		}
		people[i] = compare.Person{ID: d.ID, Subject: subject, Accounts: map[string]string{}}
		for _, account := range d.Accounts {
			people[i].Accounts[account.Target] = account.NativeID
		}
	}
	return people
}
