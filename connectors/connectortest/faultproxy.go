package connectortest

import (
	"bytes"
	"context"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FaultProxy is an HTTP reverse proxy before a target, that passes requests on unless a rule says otherwise. All its
// methods may be called while requests are under way.
type FaultProxy struct {
	// URL is where the proxy listens; it stands for the target's URL, whose path is kept.
	URL string

	t       testing.TB
	server  *httptest.Server
	forward *httputil.ReverseProxy
	// life ends when the proxy is closed: whatever still hangs or is held is given up then.
	life  context.Context
	end   context.CancelFunc
	tasks sync.WaitGroup

	mu       sync.Mutex
	random   *rand.Rand
	rules    []*activeRule
	down     bool
	requests []Request
	held     int
	landed   int
	release  chan struct{} // closed by Release, then made anew
	changed  chan struct{} // closed at every change of state, then made anew
}

// Rule says which requests meet which fault. The first rule that fires is the only one that counts for a request.
type Rule struct {
	// Method matches exactly; "" matches every method.
	Method string
	// Writes matches every method but GET and HEAD.
	Writes bool
	// Path is a regular expression over the path without the query; "" matches every path.
	Path string
	// Nth fires for that match only, counted from 1; 0 fires for every match.
	Nth int
	// Times is how often the rule fires at most; 0 is without limit.
	Times int
	// Probability is how likely a match fires, above 0 up to 1; 0 stands for always.
	Probability float64
	Fault       Fault
}

type activeRule struct {
	Rule
	path    *regexp.Regexp
	matches int
	fired   int
}

// Request is one request that the proxy received.
type Request struct {
	Method string
	Path   string
	At     time.Time
	// Fault names what befell it: "" when it was passed on, "down", or the fault's name.
	Fault string
}

// State is what Wait looks at.
type State struct {
	// Requests is how many came in since the last Reset.
	Requests int
	// Held is how many hang or wait to be passed on later.
	Held int
	// Landed is how many delayed requests the target has answered since the last Reset.
	Landed int
}

// Start starts a proxy before the target and closes it when the test ends. Probabilities are drawn with seed 1 until
// SetSeed says otherwise.
func Start(t testing.TB, targetURL string) *FaultProxy {
	t.Helper()
	target, err := url.Parse(targetURL)
	require.NoError(t, err)
	life, end := context.WithCancel(context.Background())
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	p := &FaultProxy{
		t: t, life: life, end: end, random: rand.New(rand.NewPCG(1, 1)),
		release: make(chan struct{}), changed: make(chan struct{}),
		forward: &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
				r.Out.Host = r.In.Host // so that links which the target gives lead to the proxy
			},
			Transport: transport,
			// A target that is away is what tests do on purpose: the client gets 502.
			ErrorLog: log.New(io.Discard, "", 0),
		},
	}
	p.server = httptest.NewServer(p)
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.URL = p.server.URL + target.Path
	t.Cleanup(func() {
		p.end()
		p.server.CloseClientConnections()
		p.server.Close()
		p.tasks.Wait()
		transport.CloseIdleConnections()
	})
	return p
}

// SetRules replaces all rules; without any, the proxy only passes on and counts.
func (p *FaultProxy) SetRules(rules ...Rule) {
	p.t.Helper()
	active := make([]*activeRule, 0, len(rules))
	for _, r := range rules {
		path, err := regexp.Compile(r.Path)
		require.NoError(p.t, err)
		active = append(active, &activeRule{Rule: r, path: path})
	}
	p.update(func() { p.rules = active })
}

// SetSeed makes the draws of the rules' probabilities repeatable from here on. Requests that come in concurrently still
// draw in the order of their arrival.
func (p *FaultProxy) SetSeed(seed uint64) {
	p.update(func() { p.random = rand.New(rand.NewPCG(seed, seed)) })
}

// SetDown makes the target seem down: each request is counted, and its connection closed without an answer.
func (p *FaultProxy) SetDown(down bool) { p.update(func() { p.down = down }) }

// Release lets go of every request that hangs or is held now: they are passed on. Wait for Landed to know that those
// that were delayed have had their effect.
func (p *FaultProxy) Release() {
	p.update(func() {
		close(p.release)
		p.release = make(chan struct{})
	})
}

// Requests are the requests since the last Reset, in order of arrival.
func (p *FaultProxy) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Counts are the requests since the last Reset by method and first part of the path below the target's: "GET Users".
func (p *FaultProxy) Counts() map[string]int {
	base := strings.TrimPrefix(p.URL, p.server.URL)
	counts := make(map[string]int)
	for _, r := range p.Requests() {
		kind, _, _ := strings.Cut(strings.Trim(strings.TrimPrefix(r.Path, base), "/"), "/")
		counts[r.Method+" "+kind]++
	}
	return counts
}

// Reset forgets the requests counted so far.
func (p *FaultProxy) Reset() { p.update(func() { p.requests, p.landed = nil, 0 }) }

// Wait returns when the condition holds, or with the context's error.
func (p *FaultProxy) Wait(ctx context.Context, condition func(State) bool) error {
	for {
		p.mu.Lock()
		state, changed := State{Requests: len(p.requests), Held: p.held, Landed: p.landed}, p.changed
		p.mu.Unlock()
		if condition(state) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// update changes the state and wakes those who wait for it.
func (p *FaultProxy) update(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.changed)
	p.changed = make(chan struct{})
}

// ServeHTTP is the proxy's handler.
func (p *FaultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The whole body first: only then does the server notice a client that has gone, and the request can be sent later.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	fault := p.admit(r)
	if fault == nil {
		p.forward.ServeHTTP(w, r)
		return
	}
	fault.meet(p, w, r, body)
}

// admit counts the request and chooses its fault.
func (p *FaultProxy) admit(r *http.Request) (fault *Fault) {
	p.update(func() {
		fault = p.choose(r)
		entry := Request{Method: r.Method, Path: r.URL.Path, At: time.Now()}
		if fault != nil {
			entry.Fault = fault.name
		}
		p.requests = append(p.requests, entry)
	})
	return fault
}

func (p *FaultProxy) choose(r *http.Request) *Fault {
	if p.down {
		return &Fault{name: "down", meet: drop}
	}
	for _, rule := range p.rules {
		if !rule.matchesRequest(r) {
			continue
		}
		rule.matches++
		switch {
		case rule.Nth > 0 && rule.matches != rule.Nth:
		case rule.Times > 0 && rule.fired >= rule.Times:
		case rule.Probability > 0 && p.random.Float64() >= rule.Probability:
		default:
			rule.fired++
			fault := rule.Fault
			return &fault
		}
	}
	return nil
}

func (r *activeRule) matchesRequest(req *http.Request) bool {
	reads := req.Method == http.MethodGet || req.Method == http.MethodHead
	return (r.Method == "" || r.Method == req.Method) && (!r.Writes || !reads) && r.path.MatchString(req.URL.Path)
}

// hold waits until Release, until after has passed when it is above 0, or until the client has gone or the proxy is
// closed, which makes it false.
func (p *FaultProxy) hold(client context.Context, after time.Duration) bool {
	return p.enter()(client, after)
}

// enter counts a request as held, and returns how to wait for its turn.
func (p *FaultProxy) enter() func(client context.Context, after time.Duration) bool {
	var release chan struct{}
	p.update(func() { p.held++; release = p.release })
	return func(client context.Context, after time.Duration) bool {
		defer p.update(func() { p.held-- })
		var timer <-chan time.Time
		if after > 0 {
			t := time.NewTimer(after)
			defer t.Stop()
			timer = t.C
		}
		select {
		case <-release:
			return true
		case <-timer:
			return true
		case <-client.Done():
			return false
		case <-p.life.Done():
			return false
		}
	}
}
