package entra

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tenurehq/tenure/connectors"
)

// batchSize is how many requests a $batch takes (graph/json-batching).
const batchSize = 20

// batchStep is one request of a $batch.
type batchStep struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers,omitempty"`
	Body      any               `json:"body,omitempty"`
	DependsOn []string          `json:"dependsOn,omitempty"`
}

// batchAnswer is the answer to one of them. They come in any order.
type batchAnswer struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
	// token is what the batch was sent with, so that it can be taken out of the vendor's words.
	token string
}

// answer is the answer as if the step had been sent alone.
func (a batchAnswer) answer() answer { return answer{status: a.Status, body: a.Body} }

// The orders of a $batch: all at once, or each after the one before it, and only if that succeeded. "Batch should be either
// fully sequential or fully parallel" (graph/json-batching).
const (
	atOnce = false
	inTurn = true
)

// GrantAll gives the account several entitlements in as few HTTP requests as Graph allows: one for every twenty. Each counts
// against Graph's limits as if it had been sent alone. They do not depend on each other: what can be granted is, and the
// error is that of the others. Among several it is one that is worth another attempt, with the longest wait that was asked for,
// so that a refusal for good does not hide that others are still to come.
//
// Where groups are the only kind of entitlement, the same request reads the account and its groups after the last grant.
func (c *Connector) GrantAll(ctx context.Context, nativeID string, entitlements []connectors.Entitlement) (*connectors.Sight, error) {
	calls, err := c.grantCalls(nativeID, entitlements)
	if err != nil {
		return nil, err
	}
	var failures []error
	if reads := c.readings(nativeID); len(calls) > 0 && len(calls)+len(reads) <= batchSize && c.onlyGroups() {
		answers, err := c.client.batch(ctx, append(slices.Clone(calls), reads...), inTurn)
		if err != nil {
			return nil, err
		}
		var left []call
		for i, req := range calls {
			if answers[i].Status == http.StatusFailedDependency {
				left = append(left, req) // it was not tried, since one before it failed
				continue
			}
			failures = append(failures, c.client.stepError(req, answers[i]))
		}
		if sight, ok := c.shown(reads, answers[len(calls):]); ok {
			return &sight, nil
		}
		calls = left
	}
	for chunk := range slices.Chunk(calls, batchSize) {
		failed, err := c.client.writeAll(ctx, chunk)
		if err != nil {
			return nil, err
		}
		failures = append(failures, failed...)
	}
	err = worst(slices.DeleteFunc(failures, func(err error) bool { return err == nil || errors.Is(err, errHeldAlready) }))
	return nil, c.explained(ctx, err)
}

// grantCalls are the requests that grant the entitlements: one each, but one for all licences.
func (c *Connector) grantCalls(nativeID string, entitlements []connectors.Entitlement) ([]call, error) {
	var calls []call
	var licences []string
	for _, e := range entitlements {
		req, err := c.grantCall(nativeID, e)
		switch {
		case err != nil:
			return nil, err
		case e.Kind == kindLicence:
			licences = append(licences, e.NativeID)
		default:
			calls = append(calls, req)
		}
	}
	if len(licences) == 0 {
		return calls, nil
	}
	req, err := addLicences(nativeID, licences...)
	return append(calls, req), err
}

// worst chooses the error to report; nil when there is none.
func worst(failures []error) error {
	var worst *connectors.Error
	for _, err := range failures {
		var e *connectors.Error
		if !errors.As(err, &e) {
			return err
		}
		if worst == nil || urgency(e.Kind) > urgency(worst.Kind) || e.Kind == worst.Kind && e.RetryAfter > worst.RetryAfter {
			worst = e
		}
	}
	if worst == nil {
		return nil
	}
	return worst
}

func urgency(kind connectors.Kind) int {
	switch {
	case kind == connectors.KindThrottled:
		return 3
	case kind == connectors.KindAmbiguous:
		return 2
	case kind.Permanent(), kind == connectors.KindConflict:
		return 0
	default:
		return 1
	}
}

// writeAll makes calls that do not depend on each other, at most as many as a batch takes, and answers the error of each. Its
// own error is that of the request as a whole.
func (cl *client) writeAll(ctx context.Context, calls []call) ([]error, error) {
	if len(calls) == 1 {
		return []error{cl.write(ctx, calls[0])}, nil
	}
	answers, err := cl.batch(ctx, calls, atOnce)
	if err != nil {
		return nil, err
	}
	failures := make([]error, len(calls))
	for i, c := range calls {
		failures[i] = cl.stepError(c, answers[i])
	}
	return failures, nil
}

// batch sends calls as one $batch and answers the answer to each, in their order. Its own error is that of the $batch as a
// whole.
func (cl *client) batch(ctx context.Context, calls []call, sequential bool) ([]batchAnswer, error) {
	req := call{action: calls[0].action, method: http.MethodPost, template: "/$batch", accept: []int{http.StatusOK}, limit: maxList, steps: calls}
	steps := make([]batchStep, len(calls))
	for i, c := range calls {
		address, err := cl.relative(c)
		if err != nil {
			return nil, err
		}
		steps[i] = batchStep{ID: strconv.Itoa(i + 1), Method: c.method, URL: address, Headers: map[string]string{}, Body: c.body}
		if c.body != nil {
			steps[i].Headers["Content-Type"] = "application/json"
		}
		if c.eventual {
			steps[i].Headers["ConsistencyLevel"] = "eventual"
		}
		if sequential && i > 0 {
			steps[i].DependsOn = []string{steps[i-1].ID}
		}
	}
	req.body = map[string]any{"requests": steps}
	ans, err := cl.do(ctx, req)
	if err != nil {
		return nil, err
	}
	var all struct {
		Responses []batchAnswer `json:"responses"`
	}
	if json.Unmarshal(ans.body, &all) != nil {
		return nil, req.rubbish(ans.status, errors.New("the answer is not that of a batch"))
	}
	byID := map[string]batchAnswer{}
	for _, a := range all.Responses {
		byID[a.ID] = a
	}
	answers := make([]batchAnswer, len(calls))
	for i, c := range calls {
		answers[i] = byID[steps[i].ID]
		answers[i].token = ans.token
		connectors.Tell(ctx, c.told(answers[i].Status, answers[i].header()))
	}
	return answers, nil
}

func (a batchAnswer) header() http.Header {
	header := http.Header{}
	for name, value := range a.Headers {
		header.Set(name, value)
	}
	return header
}

// stepError reads one answer of a batch as if the step had been sent alone. Of one without an answer nothing is known.
func (cl *client) stepError(c call, a batchAnswer) error {
	switch {
	case a.Status == 0 && !c.writes():
		return c.fail(connectors.KindUnavailable, errSilent)
	case a.Status == 0:
		return c.fail(connectors.KindAmbiguous, errSilent)
	case slices.Contains(c.accept, a.Status) && !c.writes():
		return nil
	case slices.Contains(c.accept, a.Status):
		return c.written(a.Status, a.Body)
	case a.Status < 300:
		return c.rubbish(a.Status, errors.New("the status does not belong to this request"))
	}
	return cl.refused(c, a.Status, a.header(), a.Body, a.token)
}

var errSilent = errors.New("the batch's answer says nothing of this step")

// relative is the address of a call as a step of a batch has it.
func (cl *client) relative(c call) (string, error) {
	info, err := cl.information(c)
	if err != nil {
		return "", err
	}
	address, err := info.GetUri()
	if err != nil {
		return "", c.fail(connectors.KindInvalid, errors.New("no request can be made from the native id"))
	}
	return strings.TrimPrefix(address.String(), cl.adapter.GetBaseUrl()), nil
}
