package connectortest

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"
)

// Fault is what befalls a request. Latency, Hang, Status, DropBefore, DropAfter, DelayedEffect, LateEffect and
// Rubbish make one.
type Fault struct {
	name string
	meet func(p *FaultProxy, w http.ResponseWriter, r *http.Request, body []byte)
}

// Latency passes the request on after the given time.
func Latency(d time.Duration) Fault {
	return Fault{"latency", func(p *FaultProxy, w http.ResponseWriter, r *http.Request, _ []byte) {
		if !p.hold(r.Context(), d) {
			panic(http.ErrAbortHandler)
		}
		p.forward.ServeHTTP(w, r)
	}}
}

// Hang gives no answer until Release, which passes the request on, or until the client has gone, which makes that it
// never reached the target.
func Hang() Fault { return Latency(0).named("hang") }

// Status answers with the status instead of the target. RetryAfter goes into the header in whole seconds when above 0.
func Status(status int, retryAfter time.Duration) Fault {
	return Fault{"status " + strconv.Itoa(status), func(_ *FaultProxy, w http.ResponseWriter, _ *http.Request, _ []byte) {
		if retryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
		}
		w.WriteHeader(status)
	}}
}

// Answer answers with the status, headers and body instead of the target.
func Answer(status int, header http.Header, body string) Fault {
	return Fault{"answer " + strconv.Itoa(status), func(_ *FaultProxy, w http.ResponseWriter, _ *http.Request, _ []byte) {
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}}
}

// Rubbish answers 200 with the body instead of the target.
func Rubbish(body string) Fault { return Answer(http.StatusOK, nil, body).named("rubbish") }

// DropBefore closes the connection without an answer; the target never sees the request.
func DropBefore() Fault { return Fault{"drop before", drop} }

// DropAfter passes the request on, waits for the target's answer and closes the connection instead of handing it over:
// the request took effect and the client cannot know.
func DropAfter() Fault {
	return Fault{"drop after", func(p *FaultProxy, w http.ResponseWriter, r *http.Request, body []byte) {
		p.deliver(r, body)
		panic(http.ErrAbortHandler)
	}}
}

// DelayedEffect answers 504 at once and passes the request on later, after the given time, or at Release when it is 0:
// the write that a time-out left in flight. What is still held when the proxy closes never reaches the target.
func DelayedEffect(after time.Duration) Fault {
	return Fault{"delayed effect", func(p *FaultProxy, w http.ResponseWriter, r *http.Request, body []byte) {
		p.deliverLater(r, body, after)
		w.WriteHeader(http.StatusGatewayTimeout)
	}}
}

// LateEffect is DelayedEffect for a client that waits until its own time is over: it gets no answer at all.
func LateEffect(after time.Duration) Fault {
	return Fault{"late effect", func(p *FaultProxy, _ http.ResponseWriter, r *http.Request, body []byte) {
		p.deliverLater(r, body, after)
		select {
		case <-r.Context().Done():
		case <-p.life.Done():
		}
		panic(http.ErrAbortHandler)
	}}
}

func (f Fault) named(name string) Fault { f.name = name; return f }

func drop(*FaultProxy, http.ResponseWriter, *http.Request, []byte) { panic(http.ErrAbortHandler) }

// deliverLater delivers the request after the given time, or at Release when it is 0. The request is held when
// deliverLater returns, before the client hears of it, so that a Release that follows finds it.
func (p *FaultProxy) deliverLater(r *http.Request, body []byte, after time.Duration) {
	wait, later := p.enter(), r.Clone(p.life)
	p.tasks.Go(func() {
		if wait(p.life, after) {
			p.deliver(later, body)
			p.update(func() { p.landed++ })
		}
	})
}

// deliver passes the request on whatever becomes of its client, and throws the answer away.
func (p *FaultProxy) deliver(r *http.Request, body []byte) {
	out := r.Clone(p.life)
	out.Body = io.NopCloser(bytes.NewReader(body))
	p.forward.ServeHTTP(httptest.NewRecorder(), out)
}
