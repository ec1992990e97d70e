package simulator

import (
	"net/http"
	"net/url"
	"slices"
	"time"
)

// deltaLifetime is how long the tokens for directory objects are valid, and deltaPage how many objects a page has:
// $top is not supported (graph/delta-query-overview).
const (
	deltaLifetime = 7 * 24 * time.Hour
	deltaPage     = 100
)

// deltaState is what a token encodes, the query parameters of the first request included.
type deltaState struct {
	Full   bool     `json:"f,omitempty"` // reading all that exists
	After  uint64   `json:"a"`           // how far this round has come: Seq when Full, else Change
	Upto   uint64   `json:"u"`           // where this round ends
	Select []string `json:"s,omitempty"`
	IDs    []string `json:"i,omitempty"`
	Issued int64    `json:"t"`
	Empty  bool     `json:"e,omitempty"` // an empty page has been answered already
}

// userDelta is graph/api/user-delta.
func (s *Simulator) userDelta(c *call) (*reply, error) {
	unlock, err := s.lockExpired()
	defer unlock()
	if err != nil {
		return nil, err
	}
	state, err := s.deltaState(c)
	if err != nil {
		return nil, err
	}
	body := object{"@odata.context": c.context("users", query{selected: state.Select}, false)}
	var values []any
	var more bool
	switch {
	case state.Full:
		values, more = s.deltaAll(&state)
	case state.After < state.Upto && !state.Empty && s.alternate():
		state.Empty, more = true, true // a page may be empty, with more to come
	default:
		values, more = s.deltaChanges(&state)
	}
	if values == nil {
		values = []any{}
	}
	body["value"] = values
	if more {
		body["@odata.nextLink"] = c.deltaLink("$skiptoken", state)
		return ok(body), nil
	}
	body["@odata.deltaLink"] = c.deltaLink("$deltatoken", deltaState{
		After: state.Upto, Select: state.Select, IDs: state.IDs, Issued: s.now().Unix(),
	})
	return ok(body), nil
}

// deltaState reads the token, or begins with all that exists.
func (s *Simulator) deltaState(c *call) (deltaState, error) {
	token := c.query.skipToken
	if c.query.deltaToken != nil {
		token = *c.query.deltaToken
	}
	var state deltaState
	if token == "" || token == "latest" {
		return s.firstDelta(c, token == "latest")
	}
	if err := openToken(token, &state); err != nil {
		return state, badRequest("Badly formed token.")
	}
	if s.now().Sub(time.Unix(state.Issued, 0)) > deltaLifetime {
		e := refuse(http.StatusGone, "syncStateNotFound", "The sync state is not found or has expired. Full synchronization is required.")
		e.header = map[string]string{"Location": c.base + "/users/delta?$deltatoken="}
		return state, e
	}
	if c.query.skipToken == "" { // a new round
		state.Upto, state.Empty = s.visibleUpto(state.After), false
	}
	state.Issued = s.now().Unix()
	return state, nil
}

func (s *Simulator) firstDelta(c *call, latest bool) (deltaState, error) {
	q := c.query
	if q.expand != "" || q.orderBy != "" || q.top != 0 || q.search != "" {
		return deltaState{}, unsupported("$expand, $orderby, $search and $top are not supported.")
	}
	if _, err := selection(userProperties, "user", query{selected: without(q.selected, "manager")}, true); err != nil {
		return deltaState{}, err
	}
	state := deltaState{Full: !latest, Select: q.selected, Issued: s.now().Unix(), Upto: s.visibleUpto(0)}
	filter, err := parseFilter(q.filter, userResource, false)
	if err != nil {
		return state, err
	}
	if filter != nil && !filter.onlyIDs(&state.IDs) || len(state.IDs) > 50 {
		return state, unsupported("Unsupported query: changes can be filtered by up to 50 object ids only.")
	}
	if latest {
		state.After = state.Upto
	}
	return state, nil
}

func without(list []string, word string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == word })
}

// onlyIDs collects the ids of `id eq '…' or id eq '…'`.
func (e *expression) onlyIDs(into *[]string) bool {
	if e.op == "or" {
		return e.children[0].onlyIDs(into) && e.children[1].onlyIDs(into)
	}
	id, isText := "", false
	if e.op == "eq" && e.path == "id" {
		id, isText = e.values[0].(string)
	}
	*into = append(*into, id)
	return isText
}

// visibleUpto is the last change that may be told: one of an object that does not show yet, and all after it, wait.
func (s *Simulator) visibleUpto(after uint64) uint64 {
	upto := after
	for _, entry := range s.store.changesAfter(after) {
		if s.now().Before(s.store.users[entry.id].Visible) {
			return upto
		}
		upto = entry.seq // which is on the disk, as the last number given may not be
	}
	return upto
}

func (s *store) changesAfter(after uint64) []changeEntry {
	i, _ := slices.BinarySearchFunc(s.log, after+1, func(e changeEntry, seq uint64) int {
		switch {
		case e.seq < seq:
			return -1
		case e.seq > seq:
			return 1
		}
		return 0
	})
	return s.log[i:]
}

// deltaAll is a page of what exists. The last page of it is empty when it fits the pages exactly.
func (s *Simulator) deltaAll(state *deltaState) (values []any, more bool) {
	for _, id := range s.store.userOrder.after(state.After) {
		u := s.store.users[id]
		if s.now().Before(u.Visible) || !state.wants(id) {
			continue
		}
		if len(values) == deltaPage {
			return values, true
		}
		values = append(values, s.deltaShow(u, state))
		state.After = u.Seq
	}
	return values, len(values) == deltaPage
}

// deltaChanges is a page of changes in their order. A user that changed several times may come several times.
func (s *Simulator) deltaChanges(state *deltaState) (values []any, more bool) {
	for _, entry := range s.store.changesAfter(state.After) {
		if entry.seq > state.Upto {
			break
		}
		if len(values) == deltaPage {
			return values, true
		}
		state.After = entry.seq
		if state.wants(entry.id) && entry.touches(state.Select) {
			values = append(values, s.deltaShow(s.store.users[entry.id], state))
		}
	}
	return values, false
}

func (d *deltaState) wants(id string) bool { return len(d.IDs) == 0 || slices.Contains(d.IDs, id) }

// touches reports whether a selected property changed; without a selection, whether any did.
func (e changeEntry) touches(selected []string) bool {
	if e.properties == nil || selected == nil {
		return true
	}
	return slices.ContainsFunc(selected, func(name string) bool { return e.properties[name] })
}

// deltaShow leaves out what has no value, and tells of a deleted user only that: "changed" while it can be restored.
func (s *Simulator) deltaShow(u *user, state *deltaState) object {
	switch {
	case u.Purged:
		return object{"id": u.ID, "@removed": object{"reason": "deleted"}}
	case u.Deleted != nil:
		return object{"id": u.ID, "@removed": object{"reason": "changed"}}
	}
	q := query{selected: without(state.Select, "manager")}
	if state.Select == nil {
		q.selected = nil
	}
	shown := s.store.renderUser(u, q.shared(userProperties))
	for name, value := range shown {
		if value == nil {
			delete(shown, name)
		}
	}
	shown["id"] = u.ID // always returned
	if slices.Contains(state.Select, "manager") && u.Manager != "" {
		shown["manager@delta"] = []any{object{"@odata.type": "#microsoft.graph.user", "id": u.Manager}}
	}
	return shown
}

// deltaLink has nothing but the token, which encodes all else.
func (c *call) deltaLink(name string, state deltaState) string {
	return c.link("/v1.0/users/delta", url.Values{}, name, sealToken(state))
}
