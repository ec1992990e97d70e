package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/tenurehq/tenure/workflows"
)

// runsOf are the runs of a workflow type that Temporal still remembers.
type runsOf struct {
	Type         string `json:"type"`
	Runs         int    `json:"runs"`
	Closed       int    `json:"closed"`
	MedianEvents int64  `json:"medianEvents"` // of the history of a closed run
	MaxEvents    int64  `json:"maxEvents"`
}

// runsPage is how many runs are read at once.
const runsPage = 1000

// readRuns counts an organization's runs by type, from Temporal's visibility.
func readRuns(ctx context.Context, options client.Options, org string) ([]runsOf, error) {
	c, err := client.NewLazyClient(options)
	if err != nil {
		return nil, fmt.Errorf("reach Temporal on %s: %w", options.HostPort, err)
	}
	defer c.Close()
	runs := map[string]int{}
	lengths := map[string][]int64{}
	request := &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: runsPage, Query: fmt.Sprintf("%s = '%s'", workflows.AttributeOrg.GetName(), org),
	}
	for {
		page, err := c.ListWorkflow(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("list the runs in namespace %q on %s: %w", options.Namespace, options.HostPort, err)
		}
		for _, run := range page.GetExecutions() {
			kind := run.GetType().GetName()
			runs[kind]++
			if run.GetCloseTime() != nil { // visibility learns a history's length when the run closes
				lengths[kind] = append(lengths[kind], run.GetHistoryLength())
			}
		}
		if len(page.GetNextPageToken()) == 0 {
			break
		}
		request.NextPageToken = page.GetNextPageToken()
	}
	var result []runsOf
	for kind, n := range runs {
		r := runsOf{Type: kind, Runs: n, Closed: len(lengths[kind])}
		if r.Closed > 0 {
			slices.Sort(lengths[kind])
			r.MedianEvents, r.MaxEvents = lengths[kind][r.Closed/2], lengths[kind][r.Closed-1]
		}
		result = append(result, r)
	}
	slices.SortFunc(result, func(a, b runsOf) int { return cmp.Compare(a.Type, b.Type) })
	return result, nil
}
