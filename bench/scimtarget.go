package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/tenurehq/tenure/connectors/scim/simulator"
)

// scimTarget is a SCIM application without lag.
type scimTarget struct {
	*server
	called  string
	sim     *simulator.Simulator
	wire    *wire
	groupID string
}

func startScim(ctx context.Context, name string) (*scimTarget, error) {
	sim, err := simulator.New(simulator.Options{Token: targetToken, Groups: []string{group}})
	if err != nil {
		return nil, err
	}
	s, err := serve(ctx, name, sim, "")
	if err != nil {
		return nil, err
	}
	return &scimTarget{server: s, called: name, sim: sim, wire: newWire(name, s.url, "Bearer "+targetToken, "application/scim+json")}, nil
}

func (t *scimTarget) name() string { return t.called }

func (t *scimTarget) stop() {
	_ = t.http.Close()
	_ = t.sim.Close()
}

func (t *scimTarget) policy(title string) string {
	return fmt.Sprintf(`  - name: %s
    connector: scim
    settings: {baseUrl: "%s", token: "env:%s"}
    correlate: externalId
    attributes:
      externalId: person.employeeId
      userName: userName
      displayName: person.displayName
      title: %s
    entitlements: [{name: %s}]
`, t.called, t.url, tokenVariable, title, group)
}

func (t *scimTarget) accounts() (int, error) {
	users := t.sim.Snapshot().Users
	for _, u := range users {
		if !u.Enabled || len(u.Groups) != 1 {
			return 0, errAccount
		}
	}
	return len(users), nil
}

// equals is a filter; the values need no escapes.
func equals(attribute, value string) string { return attribute + ` eq "` + value + `"` }

func (t *scimTarget) prepare(ctx context.Context) error {
	var list struct {
		Resources []struct {
			ID string `json:"id"`
		} `json:"Resources"` //nolint:tagliatelle // RFC 7644 §3.4.2 spells it so
	}
	err := t.wire.read(ctx, http.MethodGet, "/Groups?"+url.Values{"filter": {equals("displayName", group)}}.Encode(), nil, &list)
	if err != nil {
		return err
	}
	if len(list.Resources) != 1 {
		return fmt.Errorf("target %s: no single group %s", t.called, group)
	}
	t.groupID = list.Resources[0].ID
	return nil
}

func (t *scimTarget) create(ctx context.Context, number int64) (string, error) {
	filter := url.Values{"filter": {equals("externalId", employeeID(number))}, "startIndex": {"1"}, "count": {"100"}}
	if err := t.wire.call(ctx, http.MethodGet, "/Users?"+filter.Encode(), nil); err != nil {
		return "", err
	}
	var created object
	err := t.wire.read(ctx, http.MethodPost, "/Users", map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"},
		"active": true, "externalId": employeeID(number), "userName": userName(number),
		"displayName": displayName(number), "title": "Clerk"}, &created)
	return created.ID, err
}

func (t *scimTarget) enterAndRead(ctx context.Context, nativeID string) error {
	err := t.wire.call(ctx, http.MethodPatch, "/Groups/"+t.groupID, map[string]any{
		"schemas":    []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
		"Operations": []any{map[string]any{"op": "add", "path": "members", "value": []any{map[string]any{"value": nativeID}}}}})
	if err != nil {
		return err
	}
	if err := t.wire.call(ctx, http.MethodGet, "/Users/"+nativeID, nil); err != nil {
		return err
	}
	filter := url.Values{"filter": {equals("members.value", nativeID)}, "excludedAttributes": {"members"},
		"startIndex": {"1"}, "count": {"100"}}
	return t.wire.call(ctx, http.MethodGet, "/Groups?"+filter.Encode(), nil)
}

// object is what counts of a resource that a target answers.
type object struct {
	ID string `json:"id"`
}
