package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tenurehq/tenure/internal/scim"
)

const (
	// scimReadLimit is how many resources a list may read one by one. A filter, or the attribute to sort by, that indexes do
	// not answer is evaluated for each resource that the indexed part of the filter leaves; when these are more, the list is
	// refused with tooMany. So "userName co x" works in an organization of 10,000 users and is refused in one of 10,001,
	// where "userName co x and emails.value eq y" still works.
	//
	// Indexes answer: eq, sw, gt, ge, lt and le of userName, externalId, displayName, id, meta.created, meta.lastModified and
	// emails.value; eq of active, groups.value and members.value; pr of all these; and what and, or and value paths make of
	// them. They sort by userName, externalId, displayName, active, id, meta.created and meta.lastModified.
	scimReadLimit = 10_000

	// scimPageMembers bounds the members in a page of groups: it ends before the group with which there would be more, but
	// has one group at least.
	scimPageMembers = 30_000
)

// ScimQuery asks for a page of a list (RFC 7644, section 3.4.2; RFC 9865).
type ScimQuery struct {
	Filter     scim.Filter // nil: all
	SortBy     scim.Path   // of scim.ParseSortBy; zero: by creation
	Descending bool
	StartIndex int     // from 1, and 1 when it is less; with a cursor it means nothing
	Count      int     // at most so many resources; 0 or less: none, only their number
	Cursor     *string // nil: pages by StartIndex; empty: the first page
	// Related reads the groups of users, or the members of groups, too.
	Related bool
	// BaseURL is that of the server, without a slash at the end: of filters on meta.location and $ref.
	BaseURL string
}

// ScimPage is a page of a list. The order is that of SortBy, then of the ids; resources without the attribute come last,
// or first when it is descending (RFC 7644, section 3.4.2.3).
type ScimPage[T any] struct {
	// Total is how many resources the filter yields. It is nil on the pages after the first of a cursor: counting again would
	// cost more than the page.
	Total     *int
	Resources []T
	// Keys are what the resources are sorted by, as texts that sort alike unless they are numbers; nil for those without. Only
	// pages by cursor have them.
	Keys []*string
	// NextCursor is that of the next page; empty at the end, or without a cursor in the query.
	NextCursor string
}

// ScimUsers lists users, in one statement and one round trip; a cursor costs a second round trip. What is not deleted
// while pages are read by cursor, and keeps what it is sorted by, is in exactly one of them. The errors of a client are
// *scim.Error: tooMany (see scimReadLimit) and invalidCursor.
func (s *Store) ScimUsers(ctx context.Context, org string, q ScimQuery) (ScimPage[ScimUser], error) {
	return listScim(ctx, s, org, q, scimUsers, func(u *ScimUser) scimTargets {
		var groups scimGroupNames
		return scimTargets{u.scan(), groups.scan(), func() uuid.UUID { u.Groups = groups.list(); return u.ID }}
	})
}

// ScimGroups lists groups as ScimUsers lists users.
func (s *Store) ScimGroups(ctx context.Context, org string, q ScimQuery) (ScimPage[ScimGroup], error) {
	return listScim(ctx, s, org, q, scimGroups, func(g *ScimGroup) scimTargets {
		var members scimMemberArrays
		return scimTargets{g.scan(), members.scan(), func() uuid.UUID { g.Members = members.list(); return g.ID }}
	})
}

// scimTargets are where a row of a list goes.
type scimTargets struct {
	fields, related []any            // of scimKind's fields and related
	finish          func() uuid.UUID // when they have been read; it answers the resource's id
}

// listScim reads a page.
func listScim[T any](ctx context.Context, s *Store, org string, q ScimQuery, kind scimKind, targets func(*T) scimTargets) (ScimPage[T], error) {
	var page ScimPage[T]
	after, err := s.openScimCursor(ctx, org, q, kind)
	if err != nil {
		return page, err
	}
	statement, args := newScimList(org, q, kind).statement(after)
	// All rows are read into the same places, and copied from there.
	var frame scimFrame
	var one T
	var last scimPosition
	to := targets(&one)
	all := append(frame.scan(), to.fields...)
	if q.Related {
		all = append(all, to.related...)
	}
	read := func(rows pgx.Rows) error {
		nobody := rows.RawValues()[len(frame.scan())] == nil // of a page without resources there is the frame only
		if nobody {
			clear(all[len(frame.scan()):])
		}
		if err := rows.Scan(all...); err != nil || nobody {
			return err
		}
		clear(all[:scimFrameOnce])
		if len(page.Resources) >= q.Count { // it is the one that tells of another page
			return nil
		}
		last = scimPosition{frame.key, to.finish()}
		page.Resources = append(page.Resources, one)
		if q.Cursor != nil {
			page.Keys = append(page.Keys, frame.key)
		}
		return nil
	}
	err = s.one(ctx, org, false, func(batch *pgx.Batch) { batch.Queue(statement, args...) }, func(results pgx.BatchResults) error {
		rows, err := results.Query()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := read(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err != nil {
		return page, fmt.Errorf("list SCIM %ss: %w", kind.name, err)
	}
	if frame.toRead > scimReadLimit {
		return page, scim.Errorf(400, scim.TooMany, "The filter or sortBy would have to be evaluated for more than %d resources one by one. "+
			"Add a comparison by eq or sw with an indexed attribute, such as userName or externalId.", scimReadLimit)
	}
	page.Total = frame.total
	if q.Cursor != nil && len(page.Resources) > 0 && frame.found > len(page.Resources) {
		page.NextCursor, err = sealCursor(frame.cursorKey, q.identity(org, kind), last)
	}
	return page, err
}

// scimFrame is what each row of a list begins with.
type scimFrame struct {
	total     *int
	toRead    int // how many resources would have to be read one by one, up to one more than the limit
	found     int // how many there were for the page; one more than asked for tells of another page
	cursorKey []byte
	key       *string // the value that was sorted by
}

// scimFrameOnce is how many of the frame's columns, the first ones, are the same in all rows.
const scimFrameOnce = 4

func (f *scimFrame) scan() []any { return []any{&f.total, &f.toRead, &f.found, &f.cursorKey, &f.key} }

// identity names a list, so that its cursors are good for no other.
func (q ScimQuery) identity(org string, kind scimKind) string {
	var filter, sortBy string
	if q.Filter != nil {
		filter = q.Filter.String()
	}
	if q.SortBy.Attribute != nil {
		sortBy = q.SortBy.String()
	}
	return fmt.Sprintf("%s\n%s\n%s\n%t\n%s", org, kind.name, sortBy, q.Descending, filter)
}

// openScimCursor is where the page begins; nil at the list's beginning.
func (s *Store) openScimCursor(ctx context.Context, org string, q ScimQuery, kind scimKind) (*scimPosition, error) {
	if q.Cursor == nil || *q.Cursor == "" {
		return nil, nil
	}
	var key []byte
	err := s.one(ctx, org, false, func(batch *pgx.Batch) {
		batch.Queue(`select cursor_key from organizations where id = $1`, org)
	}, func(results pgx.BatchResults) error { return results.QueryRow().Scan(&key) })
	if err != nil {
		return nil, fmt.Errorf("read key of the organization's cursors: %w", err)
	}
	at, err := openCursor(key, q.identity(org, kind), *q.Cursor)
	return &at, err
}
