package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenurehq/tenure/cmd/tenure/compare"
	"github.com/tenurehq/tenure/internal/apiclient"
	"github.com/tenurehq/tenure/internal/policy"
)

// difference is one thing in a target that is not as policy says.
type difference struct {
	compare.Difference
	Employee string `json:"employeeId,omitempty"`
}

// compare reads every target and holds it against policy. signedIn has by target the accounts whose people had signed in.
func (p *player) compare(ctx context.Context, targets []*simulatedTarget, signedIn map[string]map[string]bool) ([]difference, error) {
	details, err := readPeople(ctx, p.client)
	if err != nil {
		return nil, err
	}
	contents := map[string][]compare.Held{}
	for _, target := range targets {
		if contents[target.name], err = target.contents(ctx); err != nil {
			return nil, fmt.Errorf("read target %s: %w", target.name, err)
		}
	}
	people := subjects(details, time.Now())
	for i := range people {
		for target, nativeID := range people[i].Accounts {
			people[i].SignedIn[target] = signedIn[target][nativeID]
		}
	}
	found, err := compare.Targets(p.policy, people, contents)
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
		people[i] = compare.Person{ID: d.ID, Subject: subject, Accounts: map[string]string{}, SignedIn: map[string]bool{}}
		people[i].Left, people[i].Away = history(d)
		for _, account := range d.Accounts {
			people[i].Accounts[account.Target] = account.NativeID
		}
	}
	return people
}

// history reports whether the person has ever left, and ever been on leave.
func history(d apiclient.IdentityDetail) (left, away bool) {
	for _, entry := range d.Timeline {
		switch entry.Effect {
		case "leave", "rehire":
			left = true
		case "suspend", "resume":
			away = true
		}
	}
	return left, away
}
