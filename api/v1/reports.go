package v1

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenurehq/tenure/api/access"
	"github.com/tenurehq/tenure/internal/identity"
	"github.com/tenurehq/tenure/internal/store"
)

type reportInput struct {
	Since time.Time `query:"since" doc:"what came in, or was done, from then on; absent: ever"`
}

// LifecycleReport says how fast access came and went.
type LifecycleReport struct {
	Since           *time.Time          `json:"since,omitempty"`
	TimeToProvision store.Durations     `json:"timeToProvision" doc:"joins and rehires: from the event's receipt to the last account and grant verified"`
	TimeToRemove    store.Durations     `json:"timeToDeprovision" doc:"leaves: from the moment known and in force to the last operation of tier 1 verified"`
	Targets         []store.TargetCount `json:"targets" nullable:"false" doc:"accounts worked on"`
	Open            map[string]int      `json:"openOperations" doc:"by status; stuck are those past a deadline, counted under their own status too"`
}

// Progress is how much work lies ahead.
type Progress struct {
	Unsettled int `json:"unsettled" doc:"people for whom something is left to do or to wait for now"`
	Outbox    int `json:"outbox" doc:"pokes not yet handed to Temporal"`
}

type deprovisioningInput struct {
	Since time.Time `query:"since" doc:"leaves that took effect from then on; absent: ever"`
	Until time.Time `query:"until" doc:"and before then; absent: now"`
}

// DeprovisioningReport says how fast access went, and which deadlines were missed.
type DeprovisioningReport struct {
	Since    *time.Time     `json:"since,omitempty"`
	Until    *time.Time     `json:"until,omitempty"`
	Tiers    []TierReport   `json:"tiers" nullable:"false"`
	Breaches []store.Breach `json:"breaches" nullable:"false" doc:"those that are open first, then the newest; at most 1,000"`
}

// TierReport is a tier of the leaves of a period.
type TierReport struct {
	store.Punctuality
	TimeToDeprovision store.Durations `json:"timeToDeprovision" doc:"from the moment the leave was known and in force to the last operation of the tier verified"`
}

// maxBreaches is how many breaches a report lists.
const maxBreaches = 1000

func (a *routes) registerReports() {
	add(a, access.ScopeRead, huma.Operation{OperationID: "report-deprovisioning", Method: http.MethodGet, Path: "/v1/reports/deprovisioning",
		Summary: "Measure the leaves of a period against their deadlines, by tier"}, a.reportDeprovisioning)
	add(a, access.ScopeRead, huma.Operation{OperationID: "report-lifecycle", Method: http.MethodGet, Path: "/v1/reports/lifecycle",
		Summary: "Measure times to provision and to deprovision"}, a.reportLifecycle)
	add(a, access.ScopeRead, huma.Operation{OperationID: "get-progress", Method: http.MethodGet, Path: "/v1/progress",
		Summary: "Count what is unsettled: both are 0 when all is quiet"}, a.getProgress)
}

func (a *routes) reportLifecycle(ctx context.Context, in *reportInput) (LifecycleReport, error) {
	var report LifecycleReport
	if !in.Since.IsZero() {
		report.Since = &in.Since
	}
	err := a.in(ctx, func(tx *store.Tx) (err error) {
		if report.TimeToProvision, err = tx.TimeToProvision(ctx, store.Period{Since: in.Since}); err != nil {
			return err
		}
		if report.TimeToRemove, err = tx.TimeToDeprovision(ctx, store.Period{Since: in.Since}, 1); err != nil {
			return err
		}
		if report.Targets, err = tx.TargetCounts(ctx, in.Since); err != nil {
			return err
		}
		report.Open, err = tx.OpenOperations(ctx, a.service.Now())
		return err
	})
	return report, err
}

func (a *routes) getProgress(ctx context.Context, _ *struct{}) (Progress, error) {
	var p store.Progress
	err := a.in(ctx, func(tx *store.Tx) (err error) {
		p, err = tx.Progress(ctx, a.service.Now())
		return err
	})
	return Progress(p), err
}

func (a *routes) reportDeprovisioning(ctx context.Context, in *deprovisioningInput) (DeprovisioningReport, error) {
	report := DeprovisioningReport{Tiers: []TierReport{}}
	if !in.Since.IsZero() {
		report.Since = &in.Since
	}
	if !in.Until.IsZero() {
		report.Until = &in.Until
		if !in.Until.After(in.Since) {
			return report, identity.InvalidField("until", "is not after since")
		}
	}
	period, now := store.Period{Since: in.Since, Until: in.Until}, a.service.Now()
	err := a.in(ctx, func(tx *store.Tx) error {
		tiers, err := tx.Punctuality(ctx, period, now)
		if err != nil {
			return err
		}
		for _, tier := range tiers {
			took, err := tx.TimeToDeprovision(ctx, period, tier.Tier)
			if err != nil {
				return err
			}
			report.Tiers = append(report.Tiers, TierReport{Punctuality: tier, TimeToDeprovision: took})
		}
		report.Breaches, err = tx.Breaches(ctx, period, now, maxBreaches)
		return err
	})
	return report, err
}
