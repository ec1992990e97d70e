package entra

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/tenurehq/tenure/connectors"
)

// maxMatches is how many results a look-up by value may have. More means that the filter was ignored, which Graph may do
// without a word (graph/aad-advanced-queries, "error handling").
const maxMatches = 1000

// object is one object of the directory as Graph writes it.
type object map[string]any

func (o object) text(name string) string {
	s, _ := o[name].(string)
	return s
}

// flag is false for null too, which is how Graph says no to onPremisesSyncEnabled.
func (o object) flag(name string) bool {
	b, _ := o[name].(bool)
	return b
}

func (o object) texts(name string) []string {
	list, _ := o[name].([]any)
	out := make([]string, 0, len(list))
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func (o object) objects(name string) []object {
	list, _ := o[name].([]any)
	out := make([]object, 0, len(list))
	for _, item := range list {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// read decodes an answer that must be an object.
func (c call) read(ans answer) (object, error) {
	var o object
	if json.Unmarshal(ans.body, &o) != nil || o == nil {
		return nil, c.rubbish(ans.status, errors.New("the body is not an object"))
	}
	return o, nil
}

// get reads one object; it must be the one asked for.
func (cl *client) get(ctx context.Context, c call) (object, error) {
	c.method, c.accept = http.MethodGet, []int{http.StatusOK}
	ans, err := cl.do(ctx, c)
	if err != nil {
		return nil, err
	}
	return c.readObject(ans)
}

// readObject reads the object that the call speaks of.
func (c call) readObject(ans answer) (object, error) {
	o, err := c.read(ans)
	if err != nil {
		return nil, err
	}
	if o.text("id") != c.object {
		return nil, c.rubbish(ans.status, errors.New("the answer is another object than the one asked for"))
	}
	return o, nil
}

// page is one page of a listing: an object's next is empty on the last page, delta is set on the last of a delta query.
type page struct {
	Value *[]object `json:"value"`
	Next  string    `json:"@odata.nextLink"`
	Delta string    `json:"@odata.deltaLink"`
}

// page reads one page. An answer without the list itself is an error: it must never look as if nothing were there.
func (cl *client) page(ctx context.Context, c call) (page, error) {
	c, ans, err := cl.list(ctx, c)
	if err != nil {
		return page{}, err
	}
	return cl.readPage(c, ans)
}

// list makes the request of a listing.
func (cl *client) list(ctx context.Context, c call) (call, answer, error) {
	c.method, c.accept, c.limit = http.MethodGet, []int{http.StatusOK}, maxList
	ans, err := cl.do(ctx, c)
	return c, ans, err
}

// readPage reads a page that is gone on from, if it says where.
func (cl *client) readPage(c call, ans answer) (page, error) {
	p, err := c.readList(ans)
	if err != nil {
		return page{}, err
	}
	if p.Next != "" && (p.Next == c.link || cl.ours(p.Next) != nil) {
		return page{}, c.rubbish(ans.status, errors.New("the list goes on at an address that is not the target's, or at the same one"))
	}
	return p, nil
}

func (c call) readList(ans answer) (page, error) {
	var p page
	if json.Unmarshal(ans.body, &p) != nil || p.Value == nil {
		return page{}, c.rubbish(ans.status, errors.New("the body is not a list"))
	}
	return p, nil
}

// all reads every page of a listing that is expected to be short.
func (cl *client) all(ctx context.Context, c call, limit int) ([]object, error) {
	p, err := cl.page(ctx, c)
	if err != nil {
		return nil, err
	}
	return cl.rest(ctx, c, p, limit)
}

// rest reads the pages after the one given, and answers all.
func (cl *client) rest(ctx context.Context, c call, p page, limit int) ([]object, error) {
	var found []object
	for {
		if found = append(found, *p.Value...); len(found) > limit {
			return nil, c.fail(connectors.KindUnsupported, tooMany(c, limit))
		}
		if p.Next == "" {
			return found, nil
		}
		c.link = p.Next
		var err error
		if p, err = cl.page(ctx, c); err != nil {
			return nil, err
		}
	}
}

func tooMany(c call, limit int) error {
	why := "that is more than is read"
	if c.query["filter"] != "" {
		why = "the filter seems to be ignored"
	}
	return errors.New("more than " + strconv.Itoa(limit) + " results: " + why)
}

// quote writes a text as a literal of a filter (graph/filter-query-parameter).
func quote(s string) string {
	out := make([]byte, 0, len(s)+2)
	out = append(out, '\'')
	for i := range len(s) {
		if s[i] == '\'' {
			out = append(out, '\'')
		}
		out = append(out, s[i])
	}
	return string(append(out, '\''))
}
