package entra

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	kiota "github.com/microsoft/kiota-abstractions-go"
	azauth "github.com/microsoft/kiota-authentication-azure-go"
	graphcore "github.com/microsoftgraph/msgraph-sdk-go-core"

	"github.com/tenurehq/tenure/connectors"
)

// Bounds of an answer's body. A list may hold maxPageSize objects.
const (
	maxObject  = 4 << 20
	maxList    = 64 << 20
	maxRefusal = 64 << 10
)

// Query options (graph/query-parameters) are named without the dollar.
const queryTemplate = "{?%24count,%24expand,%24filter,%24select,%24top}"

// call is one request and what is said of it when it fails.
type call struct {
	action string // "create account"
	object string // the native id that the request speaks of, "" for a listing or a create
	method string
	// template is the path from the version on, with names in braces for ids: "/users/{user}/memberOf".
	template string
	ids      map[string]string
	query    map[string]string
	// link is an address that Graph gave to go on with; it is used as it is, instead of the template.
	link string
	body any
	// eventual asks the search index instead of the directory (graph/aad-advanced-queries).
	eventual bool
	steps    []call // of a batch
	accept   []int  // the statuses that are a success
	limit    int64  // of the body, in bytes; 0 means maxObject
}

func (c call) writes() bool { return c.method != http.MethodGet }

// fail is an error of this call. Err must not name the URL, whose query may name a person.
func (c call) fail(kind connectors.Kind, err error) *connectors.Error {
	e := &connectors.Error{Kind: kind, Action: c.action, Object: c.subject(), Err: err}
	if err != nil {
		e.Detail = err.Error()
	}
	return e
}

// subject is the object as an error may name it: an id that is none might be a person's name.
func (c call) subject() string {
	if checkID(c.object) != nil {
		return ""
	}
	return c.object
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
	body   []byte
	token  string // that the request was sent with
}

// client makes requests: each call is one, never repeated here. The SDK builds the request and signs it with a token;
// sending and reading stay here, because the SDK's own sending keeps neither the words of a refusal that is not JSON nor
// whether the request left at all, answers a claims challenge by sending again, and writes what a vendor says of a person
// into traces.
type client struct {
	adapter *graphcore.GraphRequestAdapterBase
	http    *http.Client
	base    *url.URL
	secrets []string
}

func newClient(s settings, credential azcore.TokenCredential, httpClient *http.Client) (*client, error) {
	base, err := url.Parse(s.graph)
	if err != nil {
		return nil, &connectors.SettingError{Setting: "graphUrl", Err: errors.New("must be a URL")}
	}
	// Without continuous access evaluation: its tokens live for a day, and ask for a second request when they are refused.
	provider, err := azauth.NewAzureIdentityAuthenticationProviderWithScopesAndValidHostsAndObservabilityOptionsAndIsCaeEnabled(
		credential, []string{s.scope}, []string{base.Hostname()}, azauth.ObservabilityOptions{}, false)
	if err != nil {
		return nil, fmt.Errorf("make authentication provider: %w", err)
	}
	adapter, err := graphcore.NewGraphRequestAdapterBaseWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		provider, graphcore.GraphClientOptions{}, nil, nil, httpClient)
	if err != nil {
		return nil, fmt.Errorf("make request adapter: %w", err)
	}
	adapter.SetBaseUrl(s.graph)
	return &client{adapter: adapter, http: httpClient, base: base, secrets: []string{s.clientSecret, s.certificatePassword}}, nil
}

// do makes one request. It returns the answer when its status is one that the call accepts, else a *connectors.Error.
func (cl *client) do(ctx context.Context, c call) (answer, error) {
	ticket, err := connectors.Take(ctx, c.charge())
	if err != nil {
		return answer{}, connectors.NotSent(err, c.action, c.subject())
	}
	defer ticket.Close()
	req, err := cl.request(ctx, c)
	if e, ok := errors.AsType[*connectors.Error](err); ok && e.Kind == connectors.KindThrottled { // by the authority
		ticket.Answered(connectors.Told{Stop: e.RetryAfter, Everywhere: true})
	}
	if err != nil {
		return answer{}, err
	}
	var sent atomic.Bool
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}))
	resp, err := cl.http.Do(req)
	if err != nil {
		return answer{}, c.transportError(err, sent.Load())
	}
	defer func() { _ = resp.Body.Close() }()
	ticket.Answered(c.told(resp.StatusCode, resp.Header))
	if !slices.Contains(c.accept, resp.StatusCode) {
		if resp.StatusCode < 300 {
			return answer{}, c.rubbish(resp.StatusCode, errors.New("the status does not belong to this request"))
		}
		// A body that breaks off still leaves the status, which is what counts.
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		return answer{}, cl.refused(c, resp.StatusCode, resp.Header, body, bearer(req))
	}
	limit := c.limit
	if limit == 0 {
		limit = maxObject
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return answer{}, c.rubbish(resp.StatusCode, fmt.Errorf("the answer broke off: %w", err))
	}
	if int64(len(body)) > limit {
		return answer{}, c.rubbish(resp.StatusCode, fmt.Errorf("the answer is longer than %d bytes", limit))
	}
	return answer{status: resp.StatusCode, body: body, token: bearer(req)}, nil
}

// write makes a request whose answer says no more than that it was done: nothing, or the object that was written. Anything
// else, such as a page that a gateway put in the way, proves nothing.
func (cl *client) write(ctx context.Context, c call) error {
	ans, err := cl.do(ctx, c)
	if err != nil {
		return err
	}
	return c.written(ans.status, ans.body)
}

func (c call) written(status int, body []byte) error {
	if status == http.StatusNoContent {
		return nil
	}
	o, err := c.read(answer{status: status, body: body})
	if err == nil && o.text("id") == "" && o.text("@odata.context") == "" {
		err = c.rubbish(status, errors.New("the answer is not an object of the directory"))
	}
	return err
}

// request has the SDK build the request and put the token into it.
func (cl *client) request(ctx context.Context, c call) (*http.Request, error) {
	info, err := cl.information(c)
	if err != nil {
		return nil, err
	}
	native, err := cl.adapter.ConvertToNativeRequest(ctx, info)
	if err != nil {
		return nil, cl.withoutToken(ctx, c, err)
	}
	req, ok := native.(*http.Request)
	if !ok || bearer(req) == "" {
		return nil, c.fail(connectors.KindUnauthorized, errors.New("the SDK made a request without a token"))
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "tenure")
	if info.Content != nil {
		// With its length: the SDK would leave it to be sent in chunks.
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(info.Content)), int64(len(info.Content))
	}
	return req, nil
}

func bearer(req *http.Request) string {
	return strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
}

var methods = map[string]kiota.HttpMethod{
	http.MethodGet: kiota.GET, http.MethodPost: kiota.POST, http.MethodPatch: kiota.PATCH, http.MethodPut: kiota.PUT, http.MethodDelete: kiota.DELETE,
}

// information describes the call to the SDK, which expands the address from the template as its own builders do.
func (cl *client) information(c call) (*kiota.RequestInformation, error) {
	info := kiota.NewRequestInformation()
	info.Method = methods[c.method]
	info.PathParameters["baseurl"] = cl.adapter.GetBaseUrl()
	if c.link != "" {
		if err := cl.ours(c.link); err != nil {
			return nil, c.fail(connectors.KindInvalid, err)
		}
		info.PathParameters["request-raw-url"] = c.link
	}
	info.UrlTemplate = "{+baseurl}" + c.template + queryTemplate
	for _, id := range c.ids {
		if err := checkID(id); err != nil {
			return nil, c.fail(connectors.KindInvalid, err)
		}
	}
	maps.Copy(info.PathParameters, c.ids)
	for name, value := range c.query {
		info.QueryParameters["%24"+name] = value
	}
	if c.eventual {
		info.Headers.Add("ConsistencyLevel", "eventual")
	}
	if c.body == nil {
		return info, nil
	}
	body, err := encode(c.body)
	if err != nil {
		return nil, c.fail(connectors.KindInvalid, fmt.Errorf("the wish cannot be written as JSON: %w", err))
	}
	info.SetStreamContentAndContentType(body, "application/json")
	return info, nil
}

func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(buf.Bytes()), err
}

// idPattern takes the ids of directory objects, which are GUIDs, and those of authentication methods and app role
// assignments, which are base64url. Nothing that could make a path another one is among them.
var idPattern = regexp.MustCompile(`^[0-9A-Za-z_=-]{1,128}$`)

func checkID(id string) error {
	if !idPattern.MatchString(id) {
		return errors.New("the native id is empty or no id at all")
	}
	return nil
}

// ours refuses an address that Graph cannot have given for going on: the token must go nowhere else.
func (cl *client) ours(link string) error {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != cl.base.Scheme || u.Host != cl.base.Host || u.User != nil || u.Fragment != "" ||
		!strings.HasPrefix(u.EscapedPath(), cl.base.EscapedPath()+"/") || slices.Contains(strings.Split(u.Path, "/"), "..") {
		return errors.New("the address to go on with is not one of this target's")
	}
	return nil
}

// reference names an object as the body of a $ref request does.
func (cl *client) reference(id string) map[string]string {
	return map[string]string{"@odata.id": cl.address(id)}
}

// address is how a body names an object.
func (cl *client) address(id string) string {
	return cl.adapter.GetBaseUrl() + "/directoryObjects/" + id
}
