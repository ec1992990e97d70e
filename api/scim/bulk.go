package scim

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/scim"
)

// bulk does many operations by one request (RFC 7644, section 3.7). Each is a transaction of its own, and is done in the
// order of the request but for those that others refer to, which are done before them.
func (s *server) bulk(c call, w http.ResponseWriter, r *http.Request) error {
	body, done, err := c.body(w, r, maxBulkBody)
	defer done()
	if err != nil {
		return err
	}
	request, err := readBulk(body)
	if err != nil {
		return err
	}
	rules, err := c.service.DirectoryRules(r.Context(), c.org)
	if err != nil {
		return err
	}
	if rules.Mode != policy.ModeSCIM { // no operation would be accepted
		return scim.Errorf(http.StatusForbidden, "", "The organization's provisioning mode is %q: SCIM writes are accepted in mode %q.", rules.Mode, policy.ModeSCIM)
	}
	b := newBulk(c, request)
	for i := range b.jobs {
		if b.stopped() {
			break
		}
		b.do(r.Context(), i)
	}
	b.complete(r.Context())
	return showDocument(w, struct {
		Schemas    []string     `json:"schemas"`
		Operations []bulkResult `json:"Operations"`
	}{[]string{bulkResponseSchema}, b.results()})
}

// bulk is a Bulk request at work.
type bulk struct {
	call

	jobs         []bulkJob
	failOnErrors int
	errors       int
	defines      map[string]int    // the job that a bulkId names
	ids          map[string]string // the resources that bulkIds stand for, once they are there
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
	// open says that the resource was made without what it refers to, because that refers to the resource.
	open bool
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
	j.refers = references(j.data, defined)
	if id, ok := strings.CutPrefix(j.target, referencePrefix); ok && defined(id) {
		j.refers = append(j.refers, id)
	}
}

func badOperation(detail string) *scim.Error {
	return scim.Errorf(http.StatusBadRequest, scim.InvalidValue, "%s", detail)
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
	if j.err != nil {
		b.errors++
		return
	}
	if j.method == http.MethodPost {
		b.ids[j.id] = j.made.id.String()
	}
}

// run does an operation whose references are resolved, as far as they can be.
func (b *bulk) run(ctx context.Context, j *bulkJob) {
	for _, id := range j.refers {
		of := &b.jobs[b.defines[id]]
		if of.state == ended && of.err != nil {
			j.err = scim.Errorf(http.StatusBadRequest, scim.InvalidValue, "It refers to the operation of a bulkId that failed.")
			return
		}
		j.open = j.open || of.state != ended
	}
	c := b.call
	c.partial = j.open
	made, err := b.perform(ctx, c, j)
	if err != nil {
		j.err = b.refusal(ctx, err)
		return
	}
	j.made = made
}

// perform does an operation with the references that are known by now.
func (b *bulk) perform(ctx context.Context, c call, j *bulkJob) (result, error) {
	data, hidden := resolve(j.data, b.ids), view{none: true}
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

// complete gives resources that refer to each other what they were made without (RFC 7644, section 3.7.1).
func (b *bulk) complete(ctx context.Context) {
	for i := range b.jobs {
		j := &b.jobs[i]
		if !j.open || j.err != nil {
			continue
		}
		made, err := j.kind.replace(ctx, b.call, edit{id: j.made.id, body: resolve(j.data, b.ids), view: view{none: true}})
		if err != nil {
			j.err = b.refusal(ctx, err)
			continue
		}
		j.made.version = made.version
	}
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

// known leaves out the members that are not there yet.
func (c call) known(members []scim.Member) []scim.Member {
	if !c.partial {
		return members
	}
	return slices.DeleteFunc(slices.Clone(members), func(m scim.Member) bool { return strings.HasPrefix(m.Value, referencePrefix) })
}

// knownManager leaves out the manager who is not there yet.
func (c call) knownManager(r scim.Resource) scim.Resource {
	enterprise := r.Extension(scim.EnterpriseSchema)
	manager, _ := enterprise["manager"].(map[string]any)
	if id, _ := manager["value"].(string); !c.partial || !strings.HasPrefix(id, referencePrefix) {
		return r
	}
	r = maps.Clone(r)
	rest := maps.Clone(enterprise)
	delete(rest, "manager")
	if len(rest) == 0 {
		delete(r, scim.EnterpriseSchema)
	} else {
		r[scim.EnterpriseSchema] = rest
	}
	return r
}
