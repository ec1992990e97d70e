package scim

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/scim"
)

// kind is a kind of resource: users or groups. Each of its functions is one operation, the same for a request of its own
// and for one inside a Bulk request.
type kind interface {
	path() string // below Root, such as "/Users"
	typeOf(rules policy.Provisioning) scim.ResourceType

	get(ctx context.Context, c call, id uuid.UUID, v view) (result, error)
	create(ctx context.Context, c call, body []byte, v view) (result, error)
	replace(ctx context.Context, c call, in edit) (result, error)
	patch(ctx context.Context, c call, in edit) (result, error)
	// complete gives a resource what a Bulk request made it without: was is the body that it was made with.
	complete(ctx context.Context, c call, in edit, was []byte) (result, error)
	remove(ctx context.Context, c call, id uuid.UUID, when condition) error
	list(ctx context.Context, c call, q query) (page, error)
}

// edit is a change of a resource that is there.
type edit struct {
	id   uuid.UUID
	body []byte
	when condition
	view view
}

// change is one of kind's ways to change a resource.
type change func(ctx context.Context, c call, in edit) (result, error)

// result is what came of an operation.
type result struct {
	id      uuid.UUID
	version int64
	status  int
	body    []byte // the representation; nil when there is none to be shown
}

// view is how a client wants to see a resource.
type view struct {
	attributes, excluded []string
	none                 bool // not at all, as in a Bulk request
}

func viewOf(query url.Values) view {
	return view{attributes: query["attributes"], excluded: query["excludedAttributes"]}
}

// asked says whether the client said what it wants to see; then it must be shown (RFC 7644, section 3.5.2).
func (v view) asked() bool { return len(v.attributes)+len(v.excluded) > 0 }

func (v view) of(t scim.ResourceType) (scim.Projection, error) {
	return scim.ParseProjection(t, v.attributes, v.excluded)
}

// condition is what If-Match and If-None-Match ask of a resource's version (RFC 7644, section 3.14; RFC 9110, section 13.1).
// Versions are weak, and If-Match compares them weakly, as the examples of RFC 7644 do.
type condition struct{ match, noneMatch []string }

func conditionOf(header http.Header) condition {
	return condition{match: tags(header.Values("If-Match")), noneMatch: tags(header.Values("If-None-Match"))}
}

// tags splits the values of a header that lists entity tags. Ours have no commas.
func tags(values []string) []string {
	var list []string
	for _, value := range values {
		for tag := range strings.SplitSeq(value, ",") {
			list = append(list, strings.TrimSpace(tag))
		}
	}
	return list
}

// names says whether a tag of the list is that of the version. Clients send it back without W/ or without quotes.
func names(list []string, version int64) bool {
	number := strconv.FormatInt(version, 10)
	for _, tag := range list {
		if tag == "*" || strings.Trim(strings.TrimPrefix(tag, "W/"), `"`) == number {
			return true
		}
	}
	return false
}

// allows refuses with 412 what the condition does not let happen to this version.
func (c condition) allows(version int64) error {
	if len(c.match) > 0 && !names(c.match, version) || len(c.noneMatch) > 0 && names(c.noneMatch, version) {
		return scim.Errorf(http.StatusPreconditionFailed, "", "The resource has another version: read it again.")
	}
	return nil
}

func etag(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }

func (s *server) get(k kind) handler {
	return func(c call, w http.ResponseWriter, r *http.Request) error {
		id, err := idOf(r)
		if err != nil {
			return err
		}
		query, err := queryOf(r)
		if err != nil {
			return err
		}
		found, err := k.get(r.Context(), c, id, viewOf(query))
		if err != nil {
			return err
		}
		when := conditionOf(r.Header)
		w.Header().Set("ETag", etag(found.version))
		if err := (condition{match: when.match}).allows(found.version); err != nil { // goes before the other (RFC 9110, section 13.2.2)
			return err
		}
		if names(when.noneMatch, found.version) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		return c.show(w, k, found)
	}
}

func (s *server) create(k kind) handler {
	return func(c call, w http.ResponseWriter, r *http.Request) error {
		return c.write(w, r, k, func(ctx context.Context, body []byte, v view) (result, error) {
			return k.create(ctx, c, body, v)
		})
	}
}

func (s *server) change(k kind, do change) handler {
	return func(c call, w http.ResponseWriter, r *http.Request) error {
		id, err := idOf(r)
		if err != nil {
			return err
		}
		return c.write(w, r, k, func(ctx context.Context, body []byte, v view) (result, error) {
			return do(ctx, c, edit{id, body, conditionOf(r.Header), v})
		})
	}
}

func (s *server) remove(k kind) handler {
	return func(c call, w http.ResponseWriter, r *http.Request) error {
		id, err := idOf(r)
		if err != nil {
			return err
		}
		if err := k.remove(r.Context(), c, id, conditionOf(r.Header)); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// write reads a body, does what it says, and shows what came of it.
func (c call) write(w http.ResponseWriter, r *http.Request, k kind, do func(ctx context.Context, body []byte, v view) (result, error)) error {
	query, err := queryOf(r)
	if err != nil {
		return err
	}
	body, done, err := c.body(w, r, scim.MaxBody)
	defer done()
	if err != nil {
		return err
	}
	made, err := do(r.Context(), body, viewOf(query))
	if err != nil {
		return err
	}
	w.Header().Set("ETag", etag(made.version))
	return c.show(w, k, made)
}

// show answers with a resource, and where it is (RFC 7644, sections 3.3 and 3.4.1; RFC 7643, section 3.1, of meta.location).
func (c call) show(w http.ResponseWriter, k kind, made result) error {
	at := c.location(k, made.id)
	w.Header().Set("Location", at)
	if made.status == http.StatusNoContent {
		w.WriteHeader(made.status)
		return nil
	}
	w.Header().Set("Content-Location", at)
	return answer(w, made.status, made.body)
}

func (c call) location(k kind, id uuid.UUID) string { return c.base + k.path() + "/" + id.String() }
