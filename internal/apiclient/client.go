// Package apiclient speaks Tenure's HTTP API, /v1, for the command line. It knows requests, answers and problems, and
// nothing of what is done with them.
package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sethvargo/go-retry"
)

// Client calls the API of one Tenure with one token. It is safe for concurrent use.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// requestTimeout bounds one request. The slowest is a policy's preview over every identity.
const requestTimeout = 2 * time.Minute

// maxAnswer bounds an answer in bytes.
const maxAnswer = 64 << 20

// New makes a client of the API at base, an address without a slash at the end.
func New(base, token string) *Client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: lanes, IdleConnTimeout: time.Minute}
	return &Client{base: base, token: token, http: &http.Client{
		Timeout: requestTimeout, Transport: transport,
		// A redirect would carry the token to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Get reads path, with the query's parameters that are not empty, into answer; a *json.RawMessage takes it as it came.
// A read that fails for the moment is tried again for some seconds.
func (c *Client) Get(ctx context.Context, path string, query url.Values, answer any) error {
	for name, values := range query {
		if len(values) == 0 || values[0] == "" {
			delete(query, name)
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return again(ctx, func(ctx context.Context) error { return c.do(ctx, http.MethodGet, path, nil, "", answer) })
}

// Post sends body, unless that is nil, as JSON and reads the answer, as Get does. It is sent once.
func (c *Client) Post(ctx context.Context, path string, body, answer any) error {
	if body == nil {
		return c.do(ctx, http.MethodPost, path, nil, "", answer)
	}
	payload, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("write the request: %w", err)
	}
	return c.do(ctx, http.MethodPost, path, payload, "application/json", answer)
}

// patience is how long a request that may be repeated is tried again while Tenure cannot be reached or is busy.
const patience = 15 * time.Second

// again repeats what failed for the moment.
func again(ctx context.Context, once func(context.Context) error) error {
	backoff := retry.WithMaxDuration(patience, retry.WithCappedDuration(2*time.Second, retry.NewExponential(200*time.Millisecond)))
	return retry.Do(ctx, backoff, func(ctx context.Context) error {
		err := once(ctx)
		if passing := new(passingError); errors.As(err, &passing) {
			return retry.RetryableError(err)
		}
		return err
	})
}

// passingError is a failure that may be over the next moment.
type passingError struct{ err error }

func (e *passingError) Error() string { return e.err.Error() }
func (e *passingError) Unwrap() error { return e.err }

func (c *Client) do(ctx context.Context, method, path string, body []byte, contentType string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return c.unreachable(ctx, err)
	}
	if len(text) > maxAnswer {
		return fmt.Errorf("the answer of %s is larger than %d MiB: ask for less at once", c.base, maxAnswer>>20)
	}
	if response.StatusCode >= 300 {
		return c.problem(response, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("the answer of %s is not of Tenure's API: check TENURE_URL (%w)", c.base, err)
	}
	return nil
}

func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // without the URL and its query
	}
	return &passingError{fmt.Errorf("reach Tenure on %s: %w: check that it runs, and that TENURE_URL is its address", c.base, err)}
}

// ProblemError is what the API says went wrong (RFC 9457).
type ProblemError struct {
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail"`
	Errors []FieldError `json:"errors"`
}

// FieldError is one thing wrong in the request.
type FieldError struct {
	Field  string `json:"field"`
	File   string `json:"file"` // of a policy
	Line   int    `json:"line"`
	Detail string `json:"detail"`
}

func (f FieldError) String() string {
	text := f.Detail
	if f.Field != "" {
		text = f.Field + ": " + text
	}
	switch {
	case f.File != "" && f.Line > 0:
		text = fmt.Sprintf("%s:%d: %s", f.File, f.Line, text)
	case f.File != "":
		text = f.File + ": " + text
	}
	return text
}

// Error is one line for each thing that is wrong.
func (p *ProblemError) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	for _, field := range p.Errors {
		if line := field.String(); line != text {
			text += "\n  " + line
		}
	}
	return text
}

// passing reports whether the same request may succeed in a moment.
func (p *ProblemError) passing() bool {
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

func (c *Client) problem(response *http.Response, text []byte) error {
	p := &ProblemError{}
	if err := json.Unmarshal(text, p); err != nil || p.Title+p.Detail == "" {
		p = &ProblemError{Title: fmt.Sprintf("%s answered %s, which is not of Tenure's API: check TENURE_URL", c.base, response.Status)}
	}
	p.Status = response.StatusCode
	if p.Status == http.StatusUnauthorized {
		p.Detail = "Tenure does not accept the token: it may have expired or been revoked, or be another Tenure's; `tenure token create` makes a new one"
	}
	if p.passing() {
		return &passingError{p}
	}
	return p
}

// All reads the items of a list that comes whole.
func (c *Client) All(ctx context.Context, path string, query url.Values) ([]json.RawMessage, error) {
	p := page{Items: []json.RawMessage{}}
	err := c.Get(ctx, path, query, &p)
	return p.Items, err
}

// page is a list, or a part of one.
type page struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next"`
}

// pageSize is how many items are asked for at once: as many as the API gives.
const pageSize = 200

// Pages reads the items of a list that comes in pages, until there are limit of them or no more; limit 0 means all. more is
// true when there are others.
func (c *Client) Pages(ctx context.Context, path string, query url.Values, limit int) (items []json.RawMessage, more bool, err error) {
	items = []json.RawMessage{}
	for {
		size := pageSize
		if limit > 0 {
			size = min(size, limit-len(items))
		}
		query.Set("limit", strconv.Itoa(size))
		var p page
		if err := c.Get(ctx, path, query, &p); err != nil {
			return nil, false, err
		}
		items = append(items, p.Items...)
		if p.Next == "" || len(p.Items) == 0 {
			return items, false, nil
		}
		if limit > 0 && len(items) >= limit {
			return items, true, nil
		}
		query.Set("after", p.Next)
	}
}
