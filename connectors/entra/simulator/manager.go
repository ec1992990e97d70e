package simulator

import (
	"net/http"
	"strconv"
	"strings"
)

// expansion is $expand=manager (graph/api/user-list-manager).
type expansion struct {
	levels int // 0 expands nothing
	names  []string
}

// parseExpand understands manager, and of its options $levels and $select.
func parseExpand(q query) (expansion, error) {
	if q.expand == "" {
		return expansion{}, nil
	}
	name, options, _ := strings.Cut(strings.TrimSuffix(q.expand, ")"), "(")
	if name != "manager" {
		return expansion{}, badRequest("Parsing OData Select and Expand failed: Could not expand '%s'.", name)
	}
	e := expansion{levels: 1}
	var given query
	for option := range strings.SplitSeq(options, ";") {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "":
		case "$levels":
			n, err := strconv.Atoi(value)
			if value == "max" {
				n, err = 1000, nil
			}
			if err != nil || n < 1 || n > 1000 {
				return e, badRequest("Invalid $levels.")
			}
			e.levels = n
		case "$select":
			given.selected = splitList(value)
		default:
			return e, badRequest("Parsing OData Select and Expand failed: option '%s'.", key)
		}
	}
	if given.selected != nil && !strings.Contains(options, "$levels") {
		return e, badRequest("The $levels parameter is required with $select in $expand=manager.")
	}
	var err error
	e.names, err = selection(userProperties, "user", given, false)
	return e, err
}

func (e expansion) apply(s *store, u *user, out object) object {
	if e.levels == 0 {
		return out
	}
	manager := s.users[u.Manager]
	if manager == nil || !manager.live() {
		return out // without a manager the property is left out
	}
	shown := s.renderUser(manager, e.names)
	shown["@odata.type"] = "#microsoft.graph.user"
	shown["id"] = manager.ID
	out["manager"] = expansion{levels: e.levels - 1, names: e.names}.apply(s, manager, shown)
	return out
}

// manager finds whom the user reports to.
func (s *store) managerOf(key string) (*user, error) {
	u, err := s.findUser(key)
	if err != nil {
		return nil, err
	}
	manager := s.users[u.Manager]
	if manager == nil || !manager.live() {
		return nil, notFound("manager")
	}
	return manager, nil
}

// getManager is graph/api/user-list-manager.
func (s *Simulator) getManager(c *call) (*reply, error) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	manager, err := s.store.managerOf(c.id["id"])
	if err != nil {
		return nil, err
	}
	names, err := selection(userProperties, "user", c.query, false)
	if err != nil {
		return nil, err
	}
	body := s.store.renderUser(manager, names)
	body["@odata.type"] = "#microsoft.graph.user"
	body["@odata.context"] = c.context("directoryObjects", c.query, true)
	return ok(body), nil
}

func (s *Simulator) getManagerRef(c *call) (*reply, error) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	manager, err := s.store.managerOf(c.id["id"])
	if err != nil {
		return nil, err
	}
	return ok(object{"@odata.context": c.base + "/$metadata#$ref", "@odata.id": c.base + "/directoryObjects/" + manager.ID}), nil
}

// putManager is graph/api/user-post-manager.
func (s *Simulator) putManager(c *call) (*reply, error) {
	id, err := c.reference()
	if err != nil {
		return nil, err
	}
	err = s.store.update(c.id["id"], func(u *user) error {
		manager, err := s.store.findUser(id)
		if err != nil {
			return err
		}
		u.Manager = manager.ID
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &reply{status: http.StatusNoContent}, nil
}

// deleteManager is graph/api/user-delete-manager.
func (s *Simulator) deleteManager(c *call) (*reply, error) {
	err := s.store.update(c.id["id"], func(u *user) error {
		if u.Manager == "" {
			return notFound("manager")
		}
		u.Manager = ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	return noContent(), nil
}
