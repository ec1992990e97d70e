package connectortest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/connectortest"
)

// target counts the requests that reach it and repeats their bodies.
type target struct {
	seen atomic.Int64
	url  string
}

func startTarget(t *testing.T) *target {
	t.Helper()
	tg := &target{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tg.seen.Add(1)
		_, _ = io.Copy(w, r.Body)
	}))
	t.Cleanup(server.Close)
	tg.url = server.URL + "/base"
	return tg
}

// client is not http.DefaultClient, whose connections every httptest.Server of the tests beside this one closes when it ends.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func post(ctx context.Context, url, body string) (int, string, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer), resp.Header, err
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestProxyPassesOnWithoutRules(t *testing.T) {
	t.Parallel()
	tg := startTarget(t)
	p := connectortest.Start(t, tg.url)
	status, body, _, err := post(t.Context(), p.URL+"/Users/1", "hello")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "hello", body)
	require.Equal(t, map[string]int{"POST Users": 1}, p.Counts())
	require.Equal(t, "/base/Users/1", p.Requests()[0].Path)
}

// A target gives links in the name that it is called by: they must not lead around the proxy.
func TestProxyKeepsTheHost(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) }))
	t.Cleanup(server.Close)
	p := connectortest.Start(t, server.URL)
	_, host, _, err := post(t.Context(), p.URL, "")
	require.NoError(t, err)
	require.Equal(t, p.URL, "http://"+host)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault   connectortest.Fault
		reached int64
		check   func(t *testing.T, status int, body string, header http.Header, err error)
	}{
		"latency": {connectortest.Latency(time.Millisecond), 1, func(t *testing.T, status int, body string, _ http.Header, err error) {
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
			require.Equal(t, "x", body)
		}},
		"throttled": {connectortest.Status(http.StatusTooManyRequests, 7*time.Second), 0, func(t *testing.T, status int, _ string, header http.Header, err error) {
			require.NoError(t, err)
			require.Equal(t, http.StatusTooManyRequests, status)
			require.Equal(t, "7", header.Get("Retry-After"))
		}},
		"drop before": {connectortest.DropBefore(), 0, func(t *testing.T, _ int, _ string, _ http.Header, err error) {
			require.ErrorIs(t, err, io.EOF)
		}},
		"drop after": {connectortest.DropAfter(), 1, func(t *testing.T, _ int, _ string, _ http.Header, err error) {
			require.ErrorIs(t, err, io.EOF)
		}},
		"rubbish": {connectortest.Rubbish("<html>"), 0, func(t *testing.T, status int, body string, _ http.Header, err error) {
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
			require.Equal(t, "<html>", body)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tg := startTarget(t)
			p := connectortest.Start(t, tg.url)
			p.SetRules(connectortest.Rule{Fault: test.fault})
			status, body, header, err := post(deadline(t), p.URL+"/Users", "x")
			test.check(t, status, body, header, err)
			require.Equal(t, test.reached, tg.seen.Load())
			require.NotEmpty(t, p.Requests()[0].Fault)
		})
	}
}

func TestHangEndsByReleaseOrWhenTheClientGoes(t *testing.T) {
	t.Parallel()
	tg := startTarget(t)
	p := connectortest.Start(t, tg.url)
	p.SetRules(connectortest.Rule{Fault: connectortest.Hang()})
	ctx, cancel := context.WithCancel(deadline(t))
	gone := make(chan error, 1)
	go func() { _, _, _, err := post(ctx, p.URL+"/a", ""); gone <- err }()
	require.NoError(t, p.Wait(deadline(t), func(s connectortest.State) bool { return s.Held == 1 }))
	cancel()
	require.ErrorIs(t, <-gone, context.Canceled)
	require.NoError(t, p.Wait(deadline(t), func(s connectortest.State) bool { return s.Held == 0 }))
	require.Zero(t, tg.seen.Load())

	answered := make(chan error, 1)
	go func() { _, _, _, err := post(deadline(t), p.URL+"/b", ""); answered <- err }()
	require.NoError(t, p.Wait(deadline(t), func(s connectortest.State) bool { return s.Held == 1 }))
	p.Release()
	require.NoError(t, <-answered)
	require.Equal(t, int64(1), tg.seen.Load())
}

func TestDelayedEffectLandsLater(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{"at release": 0, "by itself": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tg := startTarget(t)
			p := connectortest.Start(t, tg.url)
			p.SetRules(connectortest.Rule{Method: http.MethodPost, Fault: connectortest.DelayedEffect(after)})
			status, _, _, err := post(deadline(t), p.URL+"/Users", "x")
			require.NoError(t, err)
			require.Equal(t, http.StatusGatewayTimeout, status)
			if after == 0 {
				require.Zero(t, tg.seen.Load())
				p.Release()
			}
			require.NoError(t, p.Wait(deadline(t), func(s connectortest.State) bool { return s.Landed == 1 && s.Held == 0 }))
			require.Equal(t, int64(1), tg.seen.Load())
		})
	}
}

func TestLateEffectIsNeverAnswered(t *testing.T) {
	t.Parallel()
	tg := startTarget(t)
	p := connectortest.Start(t, tg.url)
	p.SetRules(connectortest.Rule{Method: http.MethodPost, Fault: connectortest.LateEffect(0)})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { _, _, _, err := post(ctx, p.URL+"/Users", "x"); gone <- err }()
	require.NoError(t, p.Wait(deadline(t), func(s connectortest.State) bool { return s.Held == 1 }))
	cancel()
	require.ErrorIs(t, <-gone, context.Canceled)
	require.Zero(t, tg.seen.Load())
	p.Release()
	require.NoError(t, p.Wait(deadline(t), func(s connectortest.State) bool { return s.Landed == 1 && s.Held == 0 }))
	require.Equal(t, int64(1), tg.seen.Load(), "it lands though its client is long gone")
}

func TestRulesChoose(t *testing.T) {
	t.Parallel()
	tg := startTarget(t)
	p := connectortest.Start(t, tg.url)
	statuses := func(n int, path string) []int {
		var out []int
		for range n {
			status, _, _, err := post(deadline(t), p.URL+path, "")
			require.NoError(t, err)
			out = append(out, status)
		}
		return out
	}
	p.SetRules(
		connectortest.Rule{Path: `/Users$`, Nth: 2, Fault: connectortest.Status(500, 0)},
		connectortest.Rule{Method: http.MethodPost, Path: `/Groups/`, Times: 1, Fault: connectortest.Status(503, 0)},
		connectortest.Rule{Method: http.MethodGet, Fault: connectortest.Status(501, 0)},
		connectortest.Rule{Writes: true, Path: `/w$`, Fault: connectortest.Status(502, 0)},
	)
	require.Equal(t, []int{200, 500, 200}, statuses(3, "/Users"))
	require.Equal(t, []int{503, 200}, statuses(2, "/Groups/1"))
	require.Equal(t, []int{502}, statuses(1, "/w"))

	p.SetRules(connectortest.Rule{Probability: 0.5, Fault: connectortest.Status(500, 0)})
	p.SetSeed(42)
	first := statuses(40, "/")
	p.SetSeed(42)
	require.Equal(t, first, statuses(40, "/"))
	require.Contains(t, first, 200)
	require.Contains(t, first, 500)
}

func TestSetDownCountsAndDrops(t *testing.T) {
	t.Parallel()
	tg := startTarget(t)
	p := connectortest.Start(t, tg.url)
	p.SetDown(true)
	_, _, _, err := post(deadline(t), p.URL+"/Users", "")
	require.Error(t, err)
	require.Equal(t, "down", p.Requests()[0].Fault)
	require.Zero(t, tg.seen.Load())
	p.SetDown(false)
	p.Reset()
	_, _, _, err = post(deadline(t), p.URL+"/Users", "")
	require.NoError(t, err)
	require.Equal(t, map[string]int{"POST Users": 1}, p.Counts())
}
