package scim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tenurehq/tenure/connectors"
)

// Bounds of an answer's body. A list may hold maxPageSize resources.
const (
	maxResource = 4 << 20
	maxList     = 64 << 20
	maxRefusal  = 64 << 10
)

const mediaType = "application/scim+json"

// call is one request and what is said of it when it fails.
type call struct {
	action  string // "create account"
	object  string // the native id that the request speaks of, "" for a listing or a create
	method  string
	path    string // escaped, from the base URL on
	query   url.Values
	body    any
	ifMatch string
	accept  []int // the statuses that are a success
	limit   int64 // of the body, in bytes; 0 means maxResource
}

func (c call) writes() bool { return c.method != http.MethodGet }

// fail is an error of this call. Err must not name the URL, whose query may name a person.
func (c call) fail(kind connectors.Kind, err error) *connectors.Error {
	e := &connectors.Error{Kind: kind, Action: c.action, Object: c.object, Err: err}
	if err != nil {
		e.Detail = err.Error()
	}
	return e
}

// rubbish is an answer with a good status that cannot be what it should be. Of a write it proves nothing.
func (c call) rubbish(status int, err error) *connectors.Error {
	kind := connectors.KindUnavailable
	if c.writes() {
		kind = connectors.KindAmbiguous
	}
	e := c.fail(kind, err)
	e.Status = status
	return e
}

// answer is a successful response, its body read.
type answer struct {
	status int
	etag   string
	body   []byte
}

// client makes requests: each call is one, never repeated here.
type client struct {
	base  string
	token string
	http  *http.Client
}

func newClient(s settings) *client {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // net/http makes it one, and nothing in Tenure replaces it
	transport.MaxIdleConnsPerHost = 32
	return &client{base: s.baseURL, token: s.token, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// do makes one request. It returns the answer when its status is one that the call accepts, else a *connectors.Error.
func (cl *client) do(ctx context.Context, c call) (answer, error) {
	ticket, err := connectors.Take(ctx, connectors.Charge{Requests: 1})
	if err != nil {
		return answer{}, connectors.NotSent(err, c.action, c.object)
	}
	defer ticket.Close()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	req, err := cl.request(ctx, c)
	if err != nil {
		return answer{}, err
	}
	resp, err := cl.http.Do(req)
	if err != nil {
		return answer{}, c.transportError(err, sent.Load())
	}
	defer func() { _ = resp.Body.Close() }()
	ticket.Answered(told(resp))
	if !slices.Contains(c.accept, resp.StatusCode) {
		return answer{}, cl.refused(c, resp)
	}
	limit := c.limit
	if limit == 0 {
		limit = maxResource
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return answer{}, c.rubbish(resp.StatusCode, fmt.Errorf("the answer broke off: %w", err))
	}
	if int64(len(body)) > limit {
		return answer{}, c.rubbish(resp.StatusCode, fmt.Errorf("the answer is longer than %d bytes", limit))
	}
	return answer{status: resp.StatusCode, etag: resp.Header.Get("ETag"), body: body}, nil
}

func (cl *client) request(ctx context.Context, c call) (*http.Request, error) {
	address := cl.base + c.path
	if len(c.query) > 0 {
		address += "?" + c.query.Encode()
	}
	var body io.Reader
	if c.body != nil {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(c.body); err != nil {
			return nil, c.fail(connectors.KindInvalid, fmt.Errorf("the wish cannot be written as JSON: %w", err))
		}
		body = &buf
	}
	req, err := http.NewRequestWithContext(ctx, c.method, address, body)
	if err != nil {
		return nil, c.fail(connectors.KindInvalid, errors.New("no request can be made from the native id"))
	}
	req.Header.Set("Authorization", "Bearer "+cl.token)
	req.Header.Set("Accept", mediaType+", application/json;q=0.9")
	req.Header.Set("User-Agent", "tenure")
	if c.body != nil {
		req.Header.Set("Content-Type", mediaType)
	}
	if c.ifMatch != "" {
		req.Header.Set("If-Match", c.ifMatch)
	}
	return req, nil
}

// transportError is the failure of a request that got no answer. Before its head was written nothing can have been
// done (refused or failed dial, TLS, name look-up, a deadline that passed in the queue); after that a write is ambiguous.
func (c call) transportError(err error, sent bool) *connectors.Error {
	// url.Error's text holds the URL with the query.
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if sent && c.writes() {
		return c.fail(connectors.KindAmbiguous, err)
	}
	return c.fail(connectors.KindUnavailable, err)
}

func (cl *client) refused(c call, resp *http.Response) *connectors.Error {
	if resp.StatusCode < 300 {
		return c.rubbish(resp.StatusCode, errors.New("the status does not belong to this request"))
	}
	// A body that breaks off still leaves the status, which is what counts.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	r := readRefusal(body)
	e := &connectors.Error{
		Kind: kindOf(resp.StatusCode, r, c), Action: c.action, Object: c.object, Status: resp.StatusCode,
		Detail: detail(body, cl.token), RetryAfter: retryAfter(resp.Header, time.Now()),
	}
	if r.ScimType != "" {
		e.Err = scimTypeError(r.ScimType)
	}
	return e
}

// scimTypeError is the keyword of a refusal (RFC 7644 §3.12), kept as the cause so that the connector can tell refusals of
// one status apart.
type scimTypeError string

func (s scimTypeError) Error() string { return "scimType " + string(s) }

const errNoTarget = scimTypeError("noTarget")
