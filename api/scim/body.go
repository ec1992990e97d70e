package scim

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/tenurehq/tenure/internal/scim"
)

const (
	// smallBody is what a body may have in bytes without waiting for its turn.
	smallBody = 64 << 10
	// largeBodies bounds the bytes of the larger bodies that are worked on at once, so that clients together cost no more
	// memory than a few of them.
	largeBodies = 48 << 20
	// largeBodiesOfOne is an organization's share: two of the largest Bulk requests, which take long, and leave room for others.
	largeBodiesOfOne = 2 * maxBulkBody
	// bodyTimeout is how long a client may take to send a body.
	bodyTimeout = 30 * time.Second
)

// bodyTurns has larger bodies wait for their turn.
type bodyTurns struct {
	all *semaphore.Weighted

	mu    sync.Mutex
	byOrg map[string]*semaphore.Weighted
}

func newBodyTurns() *bodyTurns {
	return &bodyTurns{all: semaphore.NewWeighted(largeBodies), byOrg: map[string]*semaphore.Weighted{}}
}

func (t *bodyTurns) of(org string) *semaphore.Weighted {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byOrg[org] == nil {
		t.byOrg[org] = semaphore.NewWeighted(largeBodiesOfOne)
	}
	return t.byOrg[org]
}

// wait waits until a body of an organization, of so many bytes, has its turn. The organization's own limit comes first: what
// waits for it is in nobody else's way. Call done at its end.
func (t *bodyTurns) wait(ctx context.Context, org string, size int64) (done func(), err error) {
	own := t.of(org)
	if err := own.Acquire(ctx, size); err != nil {
		return func() {}, err
	}
	if err := t.all.Acquire(ctx, size); err != nil {
		own.Release(size)
		return func() {}, err
	}
	return func() {
		t.all.Release(size)
		own.Release(size)
	}, nil
}

// body reads a request's body of at most limit bytes. Call done when the body is no longer needed.
func (c call) body(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, done func(), err error) {
	done = func() {}
	if err := checkType(r.Header); err != nil {
		return nil, done, err
	}
	if r.ContentLength > limit {
		return nil, done, tooLarge(limit)
	}
	allow(w, time.Now().Add(bodyTimeout))
	defer allow(w, time.Time{}) // net/http would take the end of the time, while we work, for the client's going away
	reader := http.MaxBytesReader(w, r.Body, limit)
	body, err = io.ReadAll(io.LimitReader(reader, smallBody))
	if err == nil && len(body) == smallBody {
		size := limit
		if r.ContentLength >= 0 {
			size = r.ContentLength
		}
		if done, err = c.bodies.wait(r.Context(), c.org, size); err != nil {
			return nil, done, err
		}
		allow(w, time.Now().Add(bodyTimeout))
		var rest []byte
		rest, err = io.ReadAll(reader)
		body = append(body, rest...)
	}
	if err == nil {
		return body, done, nil
	}
	done()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, func() {}, tooLarge(limit)
	}
	return nil, func() {}, scim.Errorf(http.StatusBadRequest, scim.InvalidSyntax, "The body could not be read to its end.")
}

// allow says until when a client may send. A connection that has no such time, as in HTTP/2, has limits of its own.
func allow(w http.ResponseWriter, until time.Time) {
	_ = http.NewResponseController(w).SetReadDeadline(until)
}

// maxUnread is how much is read, in bytes, of a body that the answer does not depend on.
const maxUnread = 32 << 20

// unread is a request's body of which something may be left when the answer is known. Many clients send all of it before they
// read, and get a reset connection in the place of the answer when we close ours before (RFC 9112, section 9.6).
type unread struct {
	io.ReadCloser

	begun, failed bool
}

func (u *unread) Read(p []byte) (int, error) {
	u.begun = true
	n, err := u.ReadCloser.Read(p)
	u.failed = u.failed || err != nil && !errors.Is(err, io.EOF)
	return n, err
}

// drain takes what is left and keeps none of it. A client that still waits to be asked for the body reads our answer instead.
func (u *unread) drain(w http.ResponseWriter, r *http.Request) {
	if u.failed || r.ContentLength > maxUnread || !u.begun && r.Header.Get("Expect") != "" {
		return
	}
	allow(w, time.Now().Add(bodyTimeout))
	_, _ = io.CopyN(io.Discard, u.ReadCloser, maxUnread)
	allow(w, time.Time{})
}

func tooLarge(limit int64) error {
	return scim.Errorf(http.StatusRequestEntityTooLarge, "", "The body is larger than %d bytes. Send it in parts.", limit)
}

// checkType takes the types of JSON that clients send (RFC 7644, sections 3.1 and 8.1), and a body without a type, which is
// ours to guess (RFC 9110, section 8.3).
func checkType(header http.Header) error {
	if encoding := header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return scim.Errorf(http.StatusUnsupportedMediaType, "", "The body has a Content-Encoding: send it as it is.")
	}
	text := header.Get("Content-Type")
	if text == "" {
		return nil
	}
	kind, parameters, err := mime.ParseMediaType(text)
	charset := parameters["charset"]
	if err != nil || kind != ContentType && kind != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return scim.Errorf(http.StatusUnsupportedMediaType, "", "The body must be %s or application/json, in UTF-8.", ContentType)
	}
	return nil
}
