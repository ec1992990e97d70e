package okta

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/okta/okta-sdk-golang/v2/okta"

	"github.com/tenurehq/tenure/connectors"
)

// Bounds of an answer's body, in bytes. A list may hold 200 users.
const (
	maxAnswer  = 64 << 20
	maxRefusal = 64 << 10
)

// newClient makes the SDK's client with every setting that it would otherwise take from a file in the home folder or from
// the environment.
func newClient(s settings) (*okta.Client, error) {
	base := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // net/http makes it one, and nothing in Tenure replaces it
	base.MaxIdleConnsPerHost = 32
	base.TLSClientConfig = s.tls
	t := &transport{base: base, secrets: []string{s.token}}
	mode, token := "SSWS", s.token
	if s.key != nil {
		t.app = newServiceApp(s, base)
		mode, token = "Bearer", "the transport sets it"
	}
	_, client, err := okta.NewClient(
		context.Background(), okta.WithOrgUrl(s.orgURL), okta.WithAuthorizationMode(mode), okta.WithToken(token),
		okta.WithHttpClientPtr(&http.Client{Transport: t}), okta.WithCache(false), okta.WithRateLimitMaxRetries(0), okta.WithRequestTimeout(0),
		okta.WithTestingDisableHttpsCheck(strings.HasPrefix(s.orgURL, "http://")), okta.WithUserAgentExtra("tenure"),
	)
	return client, err
}

// transport stands between the SDK and the network, since the SDK keeps to itself what a caller must know: it throws away
// the body and the headers of a 429, repeats a request without end when a connection is closed (WithRateLimitMaxRetries
// does not count there), asks for access tokens without the caller's context, decodes what is no JSON as nothing, and
// panics over a Link that is no URL. So every answer that is not the expected one becomes an error here, which the SDK
// hands on, and only a success that was checked is left to it.
type transport struct {
	base    http.RoundTripper
	app     *serviceApp // nil with an API token
	secrets []string
}

// RoundTrip makes one request.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	c, ok := req.Context().Value(callKey{}).(*call)
	if !ok {
		return nil, errors.New("okta: a request outside of a call")
	}
	c.writes = req.Method != http.MethodGet
	ticket, err := connectors.Take(req.Context(), connectors.Charge{Class: class(req), Requests: 1})
	if err != nil {
		closeBody(req)
		return nil, connectors.NotSent(err, c.action, c.object)
	}
	defer ticket.Close()
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	out := req.Clone(httptrace.WithClientTrace(req.Context(), trace))
	secrets := append([]string{c.secret}, t.secrets...)
	if t.app != nil {
		token, err := t.app.token(req.Context(), c)
		if err != nil {
			closeBody(req)
			return nil, err
		}
		out.Header.Set("Authorization", "Bearer "+token)
		secrets = append(secrets, token)
	}
	resp, err := t.base.RoundTrip(out)
	if err != nil {
		return nil, c.transportError(err, sent.Load())
	}
	defer func() { _ = resp.Body.Close() }()
	ticket.Answered(told(resp))
	if resp.StatusCode == http.StatusUnauthorized && t.app != nil {
		t.app.forget()
	}
	body, err := c.receive(resp, secrets)
	if err != nil {
		return nil, err
	}
	return c.handOver(resp, body), nil
}

// closeBody is what a RoundTripper owes to a request that it does not send.
func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// transportError is the failure of a request that got no answer. Before its head was written nothing can have been
// done (refused or failed dial, TLS, name look-up, a deadline that passed in the queue); after that a write is ambiguous.
func (c *call) transportError(err error, sent bool) *connectors.Error {
	if errors.Is(err, io.EOF) {
		// The SDK would repeat the request if it saw this one.
		err = errors.New("the connection was closed without an answer")
	}
	if sent && c.writes {
		return c.fail(connectors.KindAmbiguous, err)
	}
	return c.fail(connectors.KindUnavailable, err)
}

// accepted is the status of a success.
func (c *call) accepted() int {
	if c.want == noContent {
		return http.StatusNoContent
	}
	return http.StatusOK
}

// receive reads the body of an answer that is the expected success.
func (c *call) receive(resp *http.Response, secrets []string) ([]byte, error) {
	if resp.StatusCode != c.accepted() {
		return nil, c.refused(resp, secrets)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, c.rubbish(resp.StatusCode, fmt.Errorf("the answer broke off: %w", err))
	case len(body) > maxAnswer:
		return nil, c.rubbish(resp.StatusCode, fmt.Errorf("the answer is longer than %d bytes", maxAnswer))
	case resp.Header.Get("X-Okta-Request-Id") == "":
		// "Always present in every API response" (Core Okta API: Request debugging): without it, somebody else answered, and
		// an empty list of theirs would look as if nobody existed.
		return nil, c.rubbish(resp.StatusCode, errors.New("the answer is not Okta's: it has no X-Okta-Request-Id"))
	case !c.shapely(body):
		return nil, c.rubbish(resp.StatusCode, errors.New("the answer is not what the API documents"))
	}
	return body, nil
}

func (c *call) shapely(body []byte) bool {
	body = bytes.TrimSpace(body)
	switch c.want {
	case aList:
		return len(body) > 0 && body[0] == '[' && json.Valid(body)
	case anObject:
		return len(body) > 0 && body[0] == '{' && json.Valid(body)
	case emptyOK:
		return len(body) == 0 || string(body) == "{}"
	default:
		return true
	}
}

// nextLink is a link to the next page (RFC 8288), however many links a header's line holds.
var nextLink = regexp.MustCompile(`<([^>]*)>[^,<]*;\s*rel="?next"?`)

// handOver makes the answer that the SDK decodes.
func (c *call) handOver(resp *http.Response, body []byte) *http.Response {
	for _, line := range resp.Header.Values("Link") {
		if m := nextLink.FindStringSubmatch(line); m != nil {
			c.next = m[1]
		}
	}
	c.date, _ = http.ParseTime(resp.Header.Get("Date"))
	if c.want == emptyOK || c.want == noContent {
		body = nil
	}
	clean := *resp
	clean.Header = http.Header{"Content-Type": {"application/json"}}
	clean.Body, clean.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return &clean
}

func (c *call) refused(resp *http.Response, secrets []string) *connectors.Error {
	if resp.StatusCode < 300 {
		return c.rubbish(resp.StatusCode, errors.New("the status does not belong to this request"))
	}
	// A body that breaks off still leaves the status, which is what counts.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	r := readRefusal(body)
	e := &connectors.Error{
		Kind: kindOf(resp.StatusCode, r, c.writes), Action: c.action, Object: c.object, Status: resp.StatusCode, Detail: detail(body, secrets...),
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		e.RetryAfter = retryAfter(resp.Header)
	}
	if r.Code != "" {
		e.Err = codeError(r.Code)
	}
	return e
}
