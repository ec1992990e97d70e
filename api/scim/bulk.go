package scim

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/scim"
)

// bulk does many operations by one request (RFC 7644, section 3.7). Each is a transaction of its own, and is done in the
// order of the request but for those that others refer to, which are done before them.
func (s *server) bulk(c call, w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := longer(r.Context(), bulkTime)
	defer cancel()
	body, done, err := c.body(w, r, maxBulkBody)
	defer done()
	if err != nil {
		return err
	}
	request, err := readBulk(body)
	if err != nil {
		return err
	}
	rules, err := c.service.DirectoryRules(ctx, c.org)
	if err != nil {
		return err
	}
	if rules.Mode != policy.ModeSCIM { // no operation would be accepted
		return scim.Errorf(http.StatusForbidden, "", "The organization's provisioning mode is %q: SCIM writes are accepted in mode %q.", rules.Mode, policy.ModeSCIM)
	}
	b := newBulk(c, request)
	b.all(ctx)
	return showDocument(w, struct {
		Schemas    []string     `json:"schemas"`
		Operations []bulkResult `json:"Operations"`
	}{[]string{bulkResponseSchema}, b.results()})
}

// bulkTime is how long a Bulk request may take in all: more than any other, since it is many, and less than the server gives
// itself to answer (api.NewServer).
const bulkTime = 100 * time.Second

// longer is a context that ends when the client goes away, or after its own time, and not with the time of other requests.
func longer(request context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(request), limit)
	stop := context.AfterFunc(request, func() {
		if errors.Is(request.Err(), context.Canceled) {
			cancel()
		}
	})
	return ctx, func() { stop(); cancel() }
}

// bulk is a Bulk request at work.
type bulk struct {
	call

	jobs         []bulkJob
	failOnErrors int
	errors       int
	defines      map[string]int    // the job that a bulkId names
	ids          map[string]string // the resources that bulkIds stand for, once they are there
	open         []int             // jobs whose resources still lack what they refer to
}

// bulkJob is one operation and what came of it.
type bulkJob struct {
	bulkOperation

	kind   kind
	target string // the id in the path, empty for a POST
	refers []string
	state  jobState
	made   result
	err    *scim.Error
	// sent is what the resource was made with when that lacked what it refers to, because that refers to the resource.
	sent []byte
}

type jobState int

const (
	waiting jobState = iota
	begun            // and waits for what it refers to
	ended
)

// bulkResult is what the response says of an operation (RFC 7644, section 3.7.3).
type bulkResult struct {
	Location string      `json:"location,omitempty"`
	Method   string      `json:"method"`
	BulkID   string      `json:"bulkId,omitempty"`
	Version  string      `json:"version,omitempty"`
	Status   string      `json:"status"`
	Response *scim.Error `json:"response,omitempty"`
}

func newBulk(c call, request bulkRequest) *bulk {
	b := &bulk{call: c, jobs: make([]bulkJob, len(request.operations)), failOnErrors: request.failOnErrors,
		defines: map[string]int{}, ids: map[string]string{}}
	for i, op := range request.operations {
		b.jobs[i].bulkOperation = op
		b.jobs[i].method = strings.ToUpper(op.method)
	}
	for i := range b.jobs {
		if j := &b.jobs[i]; j.method == http.MethodPost && j.id != "" {
			if _, twice := b.defines[j.id]; twice {
				j.err = scim.Errorf(http.StatusBadRequest, scim.InvalidValue, "The bulkId is that of another operation, too.")
				continue
			}
			b.defines[j.id] = i
		}
	}
	for i := range b.jobs {
		b.jobs[i].read(func(id string) bool { _, ok := b.defines[id]; return ok })
	}
	return b
}

// read finds out what an operation is for.
func (j *bulkJob) read(defined func(id string) bool) {
	path := strings.Split(strings.TrimPrefix(j.path, "/"), "/")
	for _, k := range []kind{users{}, groups{}} {
		if "/"+path[0] == k.path() {
			j.kind = k
		}
	}
	hasTarget := len(path) == 2 && path[1] != ""
	switch {
	case j.err != nil:
	case !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, j.method):
		j.err = badOperation("method must be POST, PUT, PATCH or DELETE.")
	case j.kind == nil || len(path) > 2 || hasTarget == (j.method == http.MethodPost):
		j.err = badOperation("path must be /Users or /Groups for POST, and else that of one of their resources.")
	case j.method == http.MethodPost && j.id == "":
		j.err = badOperation("bulkId is required for POST.")
	case j.method != http.MethodDelete && len(j.data) == 0:
		j.err = badOperation("data is required.")
	}
	if j.err != nil {
		return
	}
	if hasTarget {
		j.target = path[1]
	}
	if j.method == http.MethodPatch && j.data[0] == '[' {
		j.data = slices.Concat([]byte(`{"Operations":`), j.data, []byte("}")) // as in the example of RFC 7644, section 3.7.3
	}
	j.refers = references(j.data, defined)
	if id, ok := strings.CutPrefix(j.target, referencePrefix); ok && defined(id) {
		j.refers = append(j.refers, id)
	}
}

func badOperation(detail string) *scim.Error {
	return scim.Errorf(http.StatusBadRequest, scim.InvalidValue, "%s", detail)
}

// all does the operations.
func (b *bulk) all(ctx context.Context) {
	for i := range b.jobs {
		if b.stopped() {
			break
		}
		b.do(ctx, i)
	}
	for _, i := range b.open { // others failed so often that these were not reached
		b.fail(&b.jobs[i], badOperation("It refers to the operation of a bulkId that was not done: the resource was made without it."))
	}
}

// fail ends an operation with an error.
func (b *bulk) fail(j *bulkJob, err *scim.Error) {
	j.err = err
	b.errors++
}

func (b *bulk) stopped() bool { return b.failOnErrors > 0 && b.errors >= b.failOnErrors }

// do ends one operation, those that it refers to before it.
func (b *bulk) do(ctx context.Context, i int) {
	j := &b.jobs[i]
	if j.state != waiting {
		return
	}
	j.state = begun
	for _, id := range j.refers {
		if b.stopped() {
			j.state = waiting
			return
		}
		b.do(ctx, b.defines[id])
	}
	if b.stopped() {
		j.state = waiting
		return
	}
	if j.err == nil {
		b.run(ctx, j)
	}
	j.state = ended
	switch {
	case j.err != nil:
		b.errors++
	case j.method == http.MethodPost:
		b.ids[j.id] = j.made.id.String()
		if j.sent != nil {
			b.open = append(b.open, i)
		}
	}
	b.complete(ctx)
}

// run does an operation whose references are resolved, as far as they can be.
func (b *bulk) run(ctx context.Context, j *bulkJob) {
	if ctx.Err() != nil {
		j.err = scim.Errorf(http.StatusServiceUnavailable, "", "The time for the request was over before this operation: it was not done. Send it again.")
		return
	}
	known, failed := b.referred(j)
	if failed {
		j.err = badOperation("It refers to the operation of a bulkId that failed.")
		return
	}
	data := resolve(j.data, b.ids)
	c := b.call
	if c.partial = !known; c.partial {
		j.sent = data
	}
	made, err := b.perform(ctx, c, j, data)
	if err != nil {
		j.err = b.refused(ctx, err)
		return
	}
	j.made = made
}

// refused is the error of an operation. One that the end of the time cut off may have been done all the same.
func (b *bulk) refused(ctx context.Context, err error) *scim.Error {
	if ctx.Err() != nil {
		return scim.Errorf(http.StatusServiceUnavailable, "",
			"The time for the request was over during this operation: it may or may not have been done. Send it again.")
	}
	return b.refusal(ctx, err)
}

// referred says whether all that an operation refers to is there, and whether some of it never will be.
func (b *bulk) referred(j *bulkJob) (known, failed bool) {
	known = true
	for _, id := range j.refers {
		of := &b.jobs[b.defines[id]]
		known = known && of.state == ended
		failed = failed || of.state == ended && b.ids[id] == ""
	}
	return known, failed
}

// perform does an operation with these data.
func (b *bulk) perform(ctx context.Context, c call, j *bulkJob, data []byte) (result, error) {
	hidden := view{none: true}
	if j.method == http.MethodPost {
		return j.kind.create(ctx, c, data, hidden)
	}
	target := j.target
	if id, ok := strings.CutPrefix(target, referencePrefix); ok {
		target = b.ids[id]
	}
	id, err := parseID(target)
	if err != nil {
		return result{}, err
	}
	var when condition
	if j.version != "" {
		when.match = tags([]string{j.version})
	}
	in := edit{id, data, when, hidden}
	switch j.method {
	case http.MethodPut:
		return j.kind.replace(ctx, c, in)
	case http.MethodPatch:
		return j.kind.patch(ctx, c, in)
	default:
		return result{id: id, status: http.StatusNoContent}, j.kind.remove(ctx, c, id, when)
	}
}

// complete gives resources that refer to each other what they were made without (RFC 7644, section 3.7.1), as soon as it is
// there: later operations of the request come after it.
func (b *bulk) complete(ctx context.Context) {
	b.open = slices.DeleteFunc(b.open, func(i int) bool {
		j := &b.jobs[i]
		known, failed := b.referred(j)
		switch {
		case !known:
			return false
		case failed:
			b.fail(j, badOperation("It refers to the operation of a bulkId that failed: the resource was made without it."))
			return true
		}
		made, err := j.kind.complete(ctx, b.call, edit{id: j.made.id, body: resolve(j.data, b.ids), view: view{none: true}}, j.sent)
		switch {
		case identity.ErrorCode(err) == identity.NotFound: // somebody deleted it meanwhile
		case err != nil:
			b.fail(j, b.refused(ctx, err))
		default:
			j.made.version = made.version
		}
		return true
	})
}

// results are those of the operations that were done.
func (b *bulk) results() []bulkResult {
	results := []bulkResult{}
	for i := range b.jobs {
		j := &b.jobs[i]
		if j.state != ended {
			continue
		}
		r := bulkResult{Method: j.method, BulkID: j.id, Status: strconv.Itoa(j.made.status), Response: j.err}
		if j.err != nil {
			r.Status = strconv.Itoa(j.err.Status)
		}
		if id := j.made.id; id != uuid.Nil {
			r.Location = b.location(j.kind, id)
		} else if j.target != "" && j.kind != nil {
			r.Location = b.base + j.kind.path() + "/" + j.target
		}
		if j.err == nil && j.made.version > 0 {
			r.Version = etag(j.made.version)
		}
		results = append(results, r)
	}
	return results
}
