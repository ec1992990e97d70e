package store

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tenurehq/tenure/internal/identity"
)

// View is an identity as the API shows it.
type View struct {
	Identity
	// Live is Identity.State, but leaving instead of left while an account is neither confirmed nor deleted, or no plan
	// has settled the leave yet.
	Live identity.State
	// Settled is true when nothing is left to do at this version and the policy in force, until NextDueAt.
	Settled bool
}

// selectView reads Views of the identities that a query in its place answers; the query begins with selectIdentity. Its
// first parameter is the organization.
func selectView(identities, rest string) string {
	//nolint:unqueryvet // the columns are those of selectIdentity
	return `select i.*, case when i.state <> 'left' then i.state
			when i.settled_version < i.version or exists (select from accounts a where a.org = $1 and a.identity_id = i.id
				and a.confirmed_at is null and a.state <> 'deleted') then 'leaving'
			else 'left' end as live,
		i.settled_version >= i.version and i.settled_policy >= (select policy_version from organizations where id = $1) as settled
		from (` + identities + `) i ` + rest
}

func scanView(row pgx.CollectableRow) (View, error) {
	var v View
	var err error
	v.Identity, err = scanIdentity(withMore{row, []any{&v.Live, &v.Settled}})
	return v, err
}

// withMore is a row with columns after those that a scan function knows.
type withMore struct {
	pgx.CollectableRow
	more []any
}

func (r withMore) Scan(dest ...any) error { return r.CollectableRow.Scan(append(dest, r.more...)...) }

// IdentityFilter chooses identities. Empty fields choose nothing away; text is compared without regard to case, but for
// EmployeeID.
type IdentityFilter struct {
	State      identity.State // as View.Live
	Department string
	WorkerType string
	UserName   string
	EmployeeID string
	Target     string     // has, or may have, an account there
	Manager    *uuid.UUID // the manager's identity
	Prefix     string     // of the display, given or family name, a mail address or the user name
	After      uuid.UUID  // the last id of the page before; zero: the first page
	Limit      int
}

// Identities lists identities by id. An identity that exists while the pages are read is in exactly one of them,
// whatever else is inserted meanwhile.
func (tx *Tx) Identities(ctx context.Context, f IdentityFilter) ([]View, error) {
	q := conditions{args: []any{tx.Org, f.After}}
	q.equal(`lower(attributes->>'department') = lower(%s)`, f.Department)
	q.equal(`lower(attributes->>'workerType') = lower(%s)`, f.WorkerType)
	q.equal(`user_name_key = lower(%s)`, f.UserName)
	q.equal(`employee_key = lower(%[1]s) and attributes->>'employeeId' = %[1]s`, f.EmployeeID)
	q.equal(`exists (select from accounts t where t.org = $1 and t.identity_id = identities.id and t.state <> 'deleted' and t.target = %s)`, f.Target)
	if f.Manager != nil {
		q.add(`manager_id = %s`, *f.Manager)
	}
	if f.Prefix != "" {
		q.add(`(lower(attributes->>'displayName') like %[1]s or lower(attributes->>'givenName') like %[1]s
			or lower(attributes->>'familyName') like %[1]s or lower(attributes->>'email') like %[1]s
			or lower(user_name) like %[1]s or lower(mail) like %[1]s)`, likePrefix(f.Prefix))
	}
	state := conditions{args: q.args}
	state.equal(`v.live = %s`, string(f.State))
	args := slices.Concat(state.args, []any{f.Limit})
	//nolint:unqueryvet // the columns are those of selectView
	query := `select * from (` + selectView(selectIdentity+`where org = $1 and id > $2`+q.text.String(), "") + `) v
		where true` + state.text.String() + fmt.Sprintf(` order by v.id limit $%d`, len(args))
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list identities: %w", err)
	}
	return pgx.CollectRows(rows, scanView)
}

// likePrefix is the pattern, in lower case, of what begins with the text.
func likePrefix(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(text)) + "%"
}

// conditions collects the conditions of a query with their parameters.
type conditions struct {
	text strings.Builder
	args []any
}

// add adds a condition, in which %s stands for the parameter.
func (c *conditions) add(condition string, value any) {
	c.args = append(c.args, value)
	fmt.Fprintf(&c.text, " and "+condition, fmt.Sprintf("$%d", len(c.args)))
}

func (c *conditions) equal(condition, value string) {
	if value != "" {
		c.add(condition, value)
	}
}

// ViewOf reads one identity; NotFound when the organization has none of that id.
func (tx *Tx) ViewOf(ctx context.Context, id uuid.UUID) (View, error) {
	rows, err := tx.Query(ctx, selectView(selectIdentity+`where org = $1 and id = $2`, ""), tx.Org, id)
	if err != nil {
		return View{}, fmt.Errorf("read identity: %w", err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, scanView)
	if errors.Is(err, pgx.ErrNoRows) {
		return v, identity.Errorf(identity.NotFound, "no identity %s in organization %q", id, tx.Org)
	}
	if err != nil {
		return v, fmt.Errorf("read identity: %w", err)
	}
	return v, nil
}

// canonicalUUID is the one spelling in which an id of ours is recognized.
var canonicalUUID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// FindIdentity finds the identity that a person means: by its id, else by an employee id of any source or by the user
// name. NotFound when there is none, Conflict when several could be meant. The errors do not repeat the reference, which
// may name a person.
func (tx *Tx) FindIdentity(ctx context.Context, reference string) (uuid.UUID, error) {
	ids, err := tx.candidates(ctx, reference)
	if err != nil {
		return uuid.Nil, err
	}
	switch len(ids) {
	case 0:
		return uuid.Nil, identity.Errorf(identity.NotFound, "no identity of organization %q has this id, employee id or user name", tx.Org)
	case 1:
		return ids[0], nil
	default:
		return uuid.Nil, identity.Errorf(identity.Conflict, "%d identities have this employee id or user name: ask for one by its id", len(ids))
	}
}

func (tx *Tx) candidates(ctx context.Context, reference string) ([]uuid.UUID, error) {
	if canonicalUUID.MatchString(reference) {
		rows, err := tx.Query(ctx, `select id from identities where org = $1 and id = $2`, tx.Org, reference)
		if err != nil {
			return nil, fmt.Errorf("find identity: %w", err)
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil || len(ids) == 1 {
			return ids, err
		}
	}
	if !utf8.ValidString(reference) || strings.ContainsRune(reference, 0) {
		return nil, nil // what Postgres does not take as text is nobody's name
	}
	rows, err := tx.Query(ctx, `
		select id from identities where org = $1 and employee_key = lower($2) and attributes->>'employeeId' = $2
		union select id from identities where org = $1 and user_name_key = lower($2) and $2 <> ''
		union select identity_id from source_links where org = $1 and employee_id = $2 and identity_id is not null
		limit 1000`, tx.Org, reference)
	if err != nil {
		return nil, fmt.Errorf("find identity: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// CaseOfEvent finds the open case that an event waits for; nil when there is none.
func (tx *Tx) CaseOfEvent(ctx context.Context, origin, eventID string) (*uuid.UUID, error) {
	var id *uuid.UUID
	err := tx.QueryRow(ctx, `select c.id from source_records r join cases c on c.org = r.org and c.source = r.source and c.employee_id = r.employee_id
		where r.org = $1 and r.origin = $2 and r.event_id = $3 and c.resolved_at is null`, tx.Org, origin, eventID).Scan(&id)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("find event's case: %w", err)
	}
	return id, nil
}

// Case reads one case; NotFound when the organization has none of that id.
func (tx *Tx) Case(ctx context.Context, id uuid.UUID) (Case, error) {
	rows, err := tx.Query(ctx, selectCases+`where org = $1 and id = $2`, tx.Org, id)
	if err != nil {
		return Case{}, fmt.Errorf("read case: %w", err)
	}
	c, err := pgx.CollectExactlyOneRow(rows, scanCase)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, identity.Errorf(identity.NotFound, "no case %s in organization %q", id, tx.Org)
	}
	if err != nil {
		return c, fmt.Errorf("read case: %w", err)
	}
	return c, nil
}

// PolicySummaries reads when versions of the policy were applied and by whom, without the documents.
func (tx *Tx) PolicySummaries(ctx context.Context, versions []int64) (map[int64]PolicyRow, error) {
	rows, err := tx.Query(ctx, `select version, hash, applied_by, applied_at from policies where org = $1 and version = any($2)`, tx.Org, versions)
	if err != nil {
		return nil, fmt.Errorf("read policies: %w", err)
	}
	summaries := map[int64]PolicyRow{}
	var p PolicyRow
	_, err = pgx.ForEachRow(rows, []any{&p.Version, &p.Hash, &p.AppliedBy, &p.AppliedAt}, func() error {
		summaries[p.Version] = p
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read policies: %w", err)
	}
	return summaries, nil
}

// Progress is how much of an organization's work lies ahead.
type Progress struct {
	Unsettled int // identities for which something is left to do or to wait for now
	Outbox    int // pokes not yet handed to Temporal
}

// Progress counts what lies ahead.
func (tx *Tx) Progress(ctx context.Context, now time.Time) (Progress, error) {
	var p Progress
	err := tx.QueryRow(ctx, `select
		(select count(*) from identities i join organizations g on g.id = i.org where i.org = $1
			and (i.settled_version < i.version or i.settled_policy < g.policy_version or i.next_due_at <= $2)),
		(select count(*) from outbox where org = $1)`, tx.Org, now).Scan(&p.Unsettled, &p.Outbox)
	if err != nil {
		return p, fmt.Errorf("count what is unsettled: %w", err)
	}
	return p, nil
}

// UnsettledCount counts the unsettled identities of all organizations; for the metrics.
func (s *Store) UnsettledCount(ctx context.Context) (int, error) {
	var n int
	err := s.engine.QueryRow(ctx, `select count(*) from identities where settled_version < version`).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count unsettled identities: %w", err)
	}
	return n, nil
}

// CheckSchema answers when the database does, and has the schema of this binary.
func (s *Store) CheckSchema(ctx context.Context) error {
	if err := s.Ping(ctx); err != nil {
		return err
	}
	return checkSchema(ctx, s.app)
}
