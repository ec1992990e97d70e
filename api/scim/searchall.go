package scim

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/tenurehq/tenure/internal/policy"
	"github.com/tenurehq/tenure/internal/scim"
	"github.com/tenurehq/tenure/internal/store"
)

// searchAllByQuery and searchAllByBody list all resources, whatever their type (RFC 7644, section 3.4.2.1).
func (s *server) searchAllByQuery(c call, w http.ResponseWriter, r *http.Request) error {
	return byQuery(searchAll)(c, w, r)
}

func (s *server) searchAllByBody(c call, w http.ResponseWriter, r *http.Request) error {
	return byBody(searchAll)(c, w, r)
}

// searchAll lists the Users and the Groups. They are one after the other when no order is asked for, and also when only one of
// the types has the attribute to sort by: what has no value comes last, or first when it is descending (RFC 7644, section
// 3.4.2.3).
func searchAll(ctx context.Context, c call, q query) (page, error) {
	q.root = true
	rules, err := c.rules.of(ctx, c.org)
	if err != nil {
		return page{}, err
	}
	order := [2]kind{users{}, groups{}}
	if q.sortBy != "" {
		_, notOfUsers := scim.ParseSortBy(rules.Users, q.sortBy)
		_, notOfGroups := scim.ParseSortBy(scim.GroupType(), q.sortBy)
		switch {
		case notOfUsers != nil && notOfGroups != nil:
			return page{}, notOfUsers
		case notOfUsers == nil && notOfGroups == nil:
			return searchMerged(ctx, c, q, rules)
		case (notOfUsers != nil) != q.descending:
			order = [2]kind{groups{}, users{}}
		}
	}
	if q.cursor != nil {
		return searchAllByCursor(ctx, c, q, order)
	}
	all, err := order[0].list(ctx, c, q)
	if err != nil {
		return page{}, err
	}
	before := *all.total
	q.startIndex = max(1, q.startIndex-before)
	q.count -= len(all.resources)
	rest, err := order[1].list(ctx, c, q)
	if err != nil {
		return page{}, err
	}
	total := before + *rest.total
	return page{total: &total, resources: append(all.resources, rest.resources...)}, nil
}

// secondCursor begins the cursors of the second part of such a list.
const secondCursor = "g."

// searchAllByCursor has the resources of one type in the first pages and those of the other in the later ones.
func searchAllByCursor(ctx context.Context, c call, q query, order [2]kind) (page, error) {
	at, inSecond := strings.CutPrefix(*q.cursor, secondCursor)
	q.cursor = &at
	if !inSecond {
		p, err := order[0].list(ctx, c, q)
		p.total = nil // that of one type alone
		if p.nextCursor == "" {
			p.nextCursor = secondCursor
		}
		return p, err
	}
	p, err := order[1].list(ctx, c, q)
	p.total = nil
	if p.nextCursor != "" {
		p.nextCursor = secondCursor + p.nextCursor
	}
	return p, err
}

// maxMerged is how far into a list that is merged from both types a page may reach: what comes before it is read, too.
const maxMerged = 10_000

// searchMerged lists both types in one order: first it finds out which resources of each are on the page, by their keys alone.
func searchMerged(ctx context.Context, c call, q query, rules policy.Provisioning) (page, error) {
	if q.cursor != nil {
		return page{}, scim.Errorf(http.StatusBadRequest, scim.InvalidValue,
			"A list of all resource types that is sorted by what they have in common has no cursors: use startIndex.")
	}
	walks, err := newWalks(c, q, rules)
	if err != nil {
		return page{}, err
	}
	var order []int // the type of each resource on the page
	passed := [2]int{}
	for n := 1; n < q.startIndex+q.count; n++ {
		which, err := next(ctx, walks, q.descending)
		if err != nil {
			return page{}, err
		}
		if which < 0 {
			break
		}
		if n > maxMerged {
			return page{}, scim.Errorf(http.StatusBadRequest, scim.TooMany,
				"A list of all resource types that is sorted by what they have in common ends after %d resources. Ask for one type.", maxMerged)
		}
		if n < q.startIndex {
			passed[which]++
		} else {
			order = append(order, which)
		}
	}
	return pageOfBoth(ctx, c, q, passed, order)
}

// pageOfBoth reads a page of which it is known how many of each type come before it, and in which order they are on it.
func pageOfBoth(ctx context.Context, c call, q query, passed [2]int, order []int) (page, error) {
	all, total := page{}, 0
	var lists [2]page
	for i, k := range []kind{users{}, groups{}} {
		q.startIndex, q.count = passed[i]+1, len(order)
		for _, which := range order {
			if which != i {
				q.count--
			}
		}
		var err error
		if lists[i], err = k.list(ctx, c, q); err != nil {
			return page{}, err
		}
		total += *lists[i].total
	}
	for _, which := range order {
		if list := &lists[which]; len(list.resources) > 0 { // else it was deleted meanwhile
			all.resources = append(all.resources, list.resources[0])
			list.resources = list.resources[1:]
		}
	}
	all.total = &total
	return all, nil
}

// walk goes through a sorted list by its keys.
type walk struct {
	read   func(ctx context.Context, cursor string) (keys []*string, ids []uuid.UUID, next string, err error)
	keys   []*string
	ids    []uuid.UUID
	cursor string
	ended  bool
}

// newWalks are those through Users and Groups, none of whose groups and members are read.
func newWalks(c call, q query, rules policy.Provisioning) ([2]*walk, error) {
	q.count = maxPage
	ofUsers, err := q.of(rules.Users, c.base)
	if err != nil {
		return [2]*walk{}, err
	}
	ofGroups, err := q.of(scim.GroupType(), c.base)
	return [2]*walk{{read: func(ctx context.Context, cursor string) ([]*string, []uuid.UUID, string, error) {
		ofUsers.Cursor = &cursor
		found, err := c.service.Store().ScimUsers(ctx, c.org, ofUsers)
		return found.Keys, idsOf(found.Resources, func(u *store.ScimUser) uuid.UUID { return u.ID }), found.NextCursor, err
	}}, {read: func(ctx context.Context, cursor string) ([]*string, []uuid.UUID, string, error) {
		ofGroups.Cursor = &cursor
		found, err := c.service.Store().ScimGroups(ctx, c.org, ofGroups)
		return found.Keys, idsOf(found.Resources, func(g *store.ScimGroup) uuid.UUID { return g.ID }), found.NextCursor, err
	}}}, err
}

func idsOf[T any](list []T, id func(*T) uuid.UUID) []uuid.UUID {
	ids := make([]uuid.UUID, len(list))
	for i := range list {
		ids[i] = id(&list[i])
	}
	return ids
}

// ready says whether there is another resource, and reads on where it is not known.
func (w *walk) ready(ctx context.Context) (bool, error) {
	for len(w.keys) == 0 && !w.ended {
		var err error
		if w.keys, w.ids, w.cursor, err = w.read(ctx, w.cursor); err != nil {
			return false, err
		}
		w.ended = w.cursor == ""
	}
	return len(w.keys) > 0, nil
}

// next takes the resource that comes first and answers its type; less than 0 at the end.
func next(ctx context.Context, walks [2]*walk, descending bool) (int, error) {
	first := -1
	var chosen *walk
	for i, w := range walks {
		ready, err := w.ready(ctx)
		if err != nil {
			return 0, err
		}
		if ready && (chosen == nil || (compareKeys(w, chosen) < 0) != descending) {
			first, chosen = i, w
		}
	}
	if chosen != nil {
		chosen.keys, chosen.ids = chosen.keys[1:], chosen.ids[1:]
	}
	return first, nil
}

// compareKeys compares what two lists go on with: those without a key come last, and equal ones are in the order of their ids.
func compareKeys(a, b *walk) int {
	x, y := a.keys[0], b.keys[0]
	switch {
	case x == nil && y == nil:
	case x == nil:
		return 1
	case y == nil:
		return -1
	case *x != *y:
		return cmp.Compare(*x, *y)
	}
	return slices.Compare(a.ids[0][:], b.ids[0][:])
}
