package apiclient

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"

	"golang.org/x/sync/errgroup"
)

// lanes is how many batches of events are under way at once.
const lanes = 4

// MaxBatch is how many events the API takes in one request.
const MaxBatch = 1000

// maxBatchBytes keeps a batch of large events below the greatest body that the API takes, 4 MiB.
const maxBatchBytes = 3 << 20

// contentTypeBatch is that of a batch of CloudEvents (CloudEvents 1.0, JSON Event Format, section 4).
const contentTypeBatch = "application/cloudevents-batch+json"

// Outgoing is an event to send: JSON is a CloudEvent in structured mode, Person whom it is about.
type Outgoing struct {
	Person string
	JSON   json.RawMessage
}

// Result is what became of one event.
type Result struct {
	EventID    string        `json:"eventId"`
	IdentityID string        `json:"identityId"`
	WorkflowID string        `json:"workflowId"`
	Effect     string        `json:"effect"`
	CaseID     string        `json:"caseId"` // set while it is open who the person is
	Error      *ProblemError `json:"error"`
}

// SendEvents sends events in batches of at most size, several batches at once, and reports each batch that is answered:
// the events' indexes with their results. The events of a person are sent one after the other, in the order given. A batch that Tenure cannot
// take at the moment is sent again: an event that comes twice counts once. report is not called concurrently, nor after
// SendEvents has returned; an error means that the events not reported were not accepted, as far as is known.
func (c *Client) SendEvents(ctx context.Context, events []Outgoing, size int, report func(indexes []int, results []Result)) error {
	var byLane [lanes][]int
	for i, e := range events {
		hash := fnv.New32a()
		_, _ = hash.Write([]byte(e.Person))
		lane := hash.Sum32() % lanes
		byLane[lane] = append(byLane[lane], i)
	}
	type answered struct {
		indexes []int
		results []Result
	}
	batches := make(chan answered)
	group, ctx := errgroup.WithContext(ctx)
	for _, indexes := range byLane {
		group.Go(func() error {
			for len(indexes) > 0 {
				n := fitting(events, indexes, size)
				results, err := c.sendBatch(ctx, events, indexes[:n])
				if err != nil {
					return err
				}
				batches <- answered{indexes[:n], results}
				indexes = indexes[n:]
			}
			return nil
		})
	}
	failed := make(chan error, 1)
	go func() {
		failed <- group.Wait()
		close(batches)
	}()
	for b := range batches {
		report(b.indexes, b.results)
	}
	return <-failed
}

// fitting is how many of the events, from the first on, go into one batch: at least one.
func fitting(events []Outgoing, indexes []int, size int) int {
	total := 0
	for n, index := range indexes[:min(size, len(indexes))] {
		total += len(events[index].JSON)
		if n > 0 && total > maxBatchBytes {
			return n
		}
	}
	return min(size, len(indexes))
}

// sendBatch answers a result for each of the events chosen.
func (c *Client) sendBatch(ctx context.Context, events []Outgoing, indexes []int) ([]Result, error) {
	results := make([]Result, len(indexes))
	waiting := make([]int, len(indexes)) // positions in indexes of those without a result
	for i := range waiting {
		waiting[i] = i
	}
	var answered bool
	err := again(ctx, func(ctx context.Context) error {
		batch := make([]json.RawMessage, len(waiting))
		for i, position := range waiting {
			batch[i] = events[indexes[position]].JSON
		}
		answers, err := c.postBatch(ctx, batch)
		if answered = err == nil; !answered {
			return err
		}
		var later []int
		for i, answer := range answers {
			results[waiting[i]] = answer
			if answer.Error != nil && (answer.Error.passing() || answer.Error.Status == http.StatusConflict) {
				later = append(later, waiting[i])
			}
		}
		waiting = later
		if len(waiting) > 0 {
			return &passingError{results[waiting[0]].Error}
		}
		return nil
	})
	if answered && (len(waiting) < len(indexes) || !results[0].Error.passing()) {
		return results, nil // the events say themselves what is wrong with them
	}
	return results, err
}

func (c *Client) postBatch(ctx context.Context, batch []json.RawMessage) ([]Result, error) {
	body, err := json.Marshal(batch)
	if err != nil {
		return nil, fmt.Errorf("write a batch of events: %w", err)
	}
	var answer struct {
		Results []Result `json:"results"`
	}
	if err := c.do(ctx, http.MethodPost, "/v1/events", body, contentTypeBatch, &answer); err != nil {
		return nil, err
	}
	if len(answer.Results) != len(batch) {
		return nil, fmt.Errorf("%d results came back for %d events: this command and Tenure are of different releases", len(answer.Results), len(batch))
	}
	return answer.Results, nil
}
