package model

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tenurehq/tenure/connectors"
)

// system is a target in memory. Every call that reaches it is a step of its own; the effect of a call whose answer got
// lost may come later, but not past the end of the attempt's time and the target's lag.
type system struct {
	w        *world
	name     string
	accounts []*entry
	made     int
	late     []*lateEffect
	down     bool
	// strict refuses a second account with the same externalId. A system that is not strict has no delayed creations: a
	// second account would then be nobody's fault.
	strict bool
}

// entry is an account in a system.
type entry struct {
	id      string
	enabled bool
	attrs   map[string]any
	groups  []string // sorted
}

// lateEffect is a request that was accepted and takes effect later.
type lateEffect struct {
	call  *call
	limit time.Time
}

// call is one request of an attempt.
type call struct {
	attempt  *attempt
	system   *system
	what     string
	changes  bool
	creates  bool
	employee string
	effect   func() (any, error)
	answer   any
	err      error
}

func (s *system) byID(id string) *entry {
	i := slices.IndexFunc(s.accounts, func(e *entry) bool { return e.id == id })
	if i < 0 {
		return nil
	}
	return s.accounts[i]
}

func (s *system) of(employee string) []*entry {
	var found []*entry
	for _, e := range s.accounts {
		if e.attrs["externalId"] == employee {
			found = append(found, e)
		}
	}
	return found
}

// holds says in a few words what a person has in the system.
func (s *system) holds(employee string) string {
	text := ""
	for _, e := range s.of(employee) {
		text += " " + e.id + " enabled=" + strconv.FormatBool(e.enabled)
		for _, g := range e.groups {
			text += " " + g
		}
	}
	if text == "" {
		return "nothing"
	}
	return text[1:]
}

// access reports whether the person can do anything in the system.
func (s *system) access(employee string) bool {
	return slices.ContainsFunc(s.of(employee), func(e *entry) bool { return e.enabled || len(e.groups) > 0 })
}

// take lets a call have its effect.
func (s *system) take(c *call) (any, error) {
	answer, err := c.effect()
	if c.changes && err == nil {
		s.w.afterEffect(s, c)
	}
	return answer, err
}

func notFound(id string) error {
	return &connectors.Error{Kind: connectors.KindNotFound, Action: "call", Object: id, Status: 404}
}

// connector is how an attempt reaches a system: every call waits until the scheduler lets it go on.
type connector struct{ s *system }

type attemptKey struct{}

// done answers a request that has nothing to say.
type done struct{}

func (c connector) call(ctx context.Context, request *call) (any, error) {
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok { // a probe
		if c.s.down {
			return nil, &connectors.Error{Kind: connectors.KindUnavailable, Action: "probe"}
		}
		return request.effect()
	}
	request.attempt, request.system, request.employee = a, c.s, a.activity.person.employee
	return a.ask(ctx, request)
}

func (c connector) Probe(ctx context.Context) error {
	_, err := c.call(ctx, &call{what: "probe", effect: func() (any, error) { return done{}, nil }})
	return err
}

func (e *entry) account() connectors.Account {
	return connectors.Account{NativeID: e.id, Enabled: e.enabled, Attributes: maps.Clone(e.attrs)}
}

func (c connector) GetAccount(ctx context.Context, nativeID string) (connectors.Account, error) {
	answer, err := c.call(ctx, &call{what: "get", effect: func() (any, error) {
		e := c.s.byID(nativeID)
		if e == nil {
			return connectors.Account{}, notFound(nativeID)
		}
		return e.account(), nil
	}})
	account, _ := answer.(connectors.Account)
	return account, err
}

func (c connector) FindAccounts(ctx context.Context, attribute, value string) ([]connectors.Account, error) {
	answer, err := c.call(ctx, &call{what: "find", effect: func() (any, error) {
		var found []connectors.Account
		for _, e := range c.s.accounts {
			if e.attrs[attribute] == value && !c.s.w.variant.blind {
				found = append(found, e.account())
			}
		}
		return found, nil
	}})
	found, _ := answer.([]connectors.Account)
	return found, err
}

func (c connector) ListAccounts(context.Context, connectors.Page) (connectors.Accounts, error) {
	return connectors.Accounts{}, nil
}

func (c connector) CreateAccount(ctx context.Context, account connectors.Account) (connectors.Account, error) {
	answer, err := c.call(ctx, &call{what: "create enabled=" + strconv.FormatBool(account.Enabled), changes: true, creates: true, effect: func() (any, error) {
		employee, _ := account.Attributes["externalId"].(string)
		if c.s.strict && len(c.s.of(employee)) > 0 {
			return connectors.Account{}, &connectors.Error{Kind: connectors.KindConflict, Action: "create account", Status: 409}
		}
		c.s.made++
		e := &entry{id: c.s.name + "-" + strconv.Itoa(c.s.made), enabled: account.Enabled, attrs: maps.Clone(account.Attributes)}
		c.s.accounts = append(c.s.accounts, e)
		return e.account(), nil
	}})
	created, _ := answer.(connectors.Account)
	return created, err
}

// change is a call that changes an account which exists.
func (c connector) change(ctx context.Context, what, nativeID string, do func(*entry)) error {
	_, err := c.call(ctx, &call{what: what, changes: true, effect: func() (any, error) {
		e := c.s.byID(nativeID)
		if e == nil {
			return nil, notFound(nativeID)
		}
		do(e)
		return done{}, nil
	}})
	return err
}

func (c connector) UpdateAccount(ctx context.Context, nativeID string, changes map[string]any) error {
	return c.change(ctx, "update", nativeID, func(e *entry) {
		for name, value := range changes {
			if value == nil {
				delete(e.attrs, name)
			} else {
				e.attrs[name] = value
			}
		}
	})
}

func (c connector) SetEnabled(ctx context.Context, nativeID string, enabled bool) error {
	what := "disable"
	if enabled {
		what = "enable"
	}
	return c.change(ctx, what, nativeID, func(e *entry) { e.enabled = enabled })
}

func (c connector) DeleteAccount(ctx context.Context, nativeID string) error {
	_, err := c.call(ctx, &call{what: "delete", changes: true, effect: func() (any, error) {
		c.s.accounts = slices.DeleteFunc(c.s.accounts, func(e *entry) bool { return e.id == nativeID })
		return done{}, nil
	}})
	return err
}

// FindEntitlement answers at once: what a group is called does not change here.
func (c connector) FindEntitlement(_ context.Context, kind, name string) (connectors.Entitlement, error) {
	return connectors.Entitlement{NativeID: name, Kind: kind, Name: name}, nil
}

func (c connector) GrantsOf(ctx context.Context, nativeID string) ([]connectors.Entitlement, error) {
	answer, err := c.call(ctx, &call{what: "grants", effect: func() (any, error) {
		e := c.s.byID(nativeID)
		if e == nil {
			return nil, notFound(nativeID)
		}
		var held []connectors.Entitlement
		for _, g := range e.groups {
			held = append(held, connectors.Entitlement{NativeID: g, Kind: "group", Name: g})
		}
		return held, nil
	}})
	held, _ := answer.([]connectors.Entitlement)
	return held, err
}

func (c connector) Grant(ctx context.Context, nativeID string, e connectors.Entitlement) error {
	return c.change(ctx, "grant "+e.Name, nativeID, func(account *entry) {
		if i, held := slices.BinarySearch(account.groups, e.Name); !held {
			account.groups = slices.Insert(account.groups, i, e.Name)
		}
	})
}

func (c connector) Revoke(ctx context.Context, nativeID string, e connectors.Entitlement) error {
	return c.change(ctx, "revoke "+e.Name, nativeID, func(account *entry) {
		account.groups = slices.DeleteFunc(account.groups, func(g string) bool { return g == e.Name })
	})
}
