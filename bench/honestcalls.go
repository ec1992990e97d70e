package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// findGroup looks the group up, once: the product keeps what it has found.
func (h *honest) findGroup(ctx context.Context, target string) (string, error) {
	body, err := h.call(ctx, target, http.MethodGet, "/Groups?"+url.Values{"filter": {equals("displayName", group)}}.Encode(), nil)
	if err != nil {
		return "", err
	}
	var list struct {
		Resources []struct {
			ID string `json:"id"`
		} `json:"Resources"` //nolint:tagliatelle // RFC 7644 §3.4.2 spells it so
	}
	if err := json.Unmarshal(body, &list); err != nil || len(list.Resources) != 1 {
		return "", fmt.Errorf("target %s: no single group %s (%w)", target, group, err)
	}
	return list.Resources[0].ID, nil
}

// equals is a filter; the values need no escapes.
func equals(attribute, value string) string { return attribute + ` eq "` + value + `"` }

// create looks for the account and, since there is none, makes it.
func (h *honest) create(ctx context.Context, target string, number int64) (nativeID string, err error) {
	filter := url.Values{"filter": {equals("externalId", employeeID(number))}, "startIndex": {"1"}, "count": {"100"}}
	if _, err := h.call(ctx, target, http.MethodGet, "/Users?"+filter.Encode(), nil); err != nil {
		return "", err
	}
	body, err := h.call(ctx, target, http.MethodPost, "/Users", map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"},
		"active": true, "externalId": employeeID(number), "userName": fmt.Sprintf("given.family%06d", number),
		"displayName": fmt.Sprintf("Given Family%06d", number), "title": "Clerk"})
	if err != nil {
		return "", err
	}
	var created struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(body, &created); err != nil {
		return "", err
	}
	return created.ID, nil
}

// enterAndRead puts the account into the group and reads both back.
func (h *honest) enterAndRead(ctx context.Context, target, nativeID string) error {
	_, err := h.call(ctx, target, http.MethodPatch, "/Groups/"+h.groups[target], map[string]any{
		"schemas":    []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
		"Operations": []any{map[string]any{"op": "add", "path": "members", "value": []any{map[string]any{"value": nativeID}}}}})
	if err != nil {
		return err
	}
	if _, err := h.call(ctx, target, http.MethodGet, "/Users/"+nativeID, nil); err != nil {
		return err
	}
	filter := url.Values{"filter": {equals("members.value", nativeID)}, "excludedAttributes": {"members"},
		"startIndex": {"1"}, "count": {"100"}}
	_, err = h.call(ctx, target, http.MethodGet, "/Groups?"+filter.Encode(), nil)
	return err
}

func (h *honest) call(ctx context.Context, target, method, path string, body any) ([]byte, error) {
	var sent io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(ctx, method, h.systems[target].url+path, sent)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+targetToken)
	request.Header.Set("Content-Type", "application/scim+json")
	response, err := h.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s of target %s: %s", method, target, response.Status)
	}
	return answer, err
}
