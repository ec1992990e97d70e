package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// Watermark is what this database remembers of the mark that is raised again and again, here first and then in Temporal.
// After a restore the one that was set back is behind the other.
type Watermark struct {
	Installation uuid.UUID // tells this database from another one that uses the same Temporal namespace
	Raised       int64     // the last that was given out
	Seen         int64     // the greatest that was read from Temporal
}

// Watermark reads the mark.
func (s *Store) Watermark(ctx context.Context) (Watermark, error) {
	var w Watermark
	err := s.engine.QueryRow(ctx, `select installation, raised, seen from watermark`).Scan(&w.Installation, &w.Raised, &w.Seen)
	if err != nil {
		return w, fmt.Errorf("read watermark: %w", err)
	}
	return w, nil
}

// RaiseWatermark gives out the next mark, above everything that was read from Temporal, and notes what was read.
func (s *Store) RaiseWatermark(ctx context.Context, seen int64) (int64, error) {
	var raised int64
	err := s.engine.QueryRow(ctx, `update watermark set raised = greatest(raised, $1) + 1, seen = $1 returning raised`, seen).Scan(&raised)
	if err != nil {
		return 0, fmt.Errorf("raise watermark: %w", err)
	}
	return raised, nil
}

// DistrustRuns forgets when the unsettled identities were poked, so that the next sweep pokes them whatever run is open
// for them; it answers how many they are.
func (s *Store) DistrustRuns(ctx context.Context) (int, error) {
	var n int
	err := retrying(ctx, func() error {
		tag, err := s.engine.Exec(ctx, `
			with locked as (
				select org, id from identities where settled_version < version order by id for no key update
			)
			update identities i set poked_at = null, swept_at = null from locked l where i.org = l.org and i.id = l.id`)
		n = int(tag.RowsAffected())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("distrust runs: %w", err)
	}
	return n, nil
}
