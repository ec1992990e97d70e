package simulator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
)

// maxSteps is how many requests a batch has (graph/json-batching).
const maxSteps = 20

// step is one request of a batch.
type step struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []string          `json:"dependsOn"`
}

// stepAnswer is the answer to one.
type stepAnswer struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body,omitempty"`
}

// batch is graph/json-batching: 200 around the answers of the steps, which come in another order than they were asked.
func (s *Simulator) batch(c *call) (*reply, error) {
	var body struct {
		Requests []step `json:"requests"`
	}
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if err := checkSteps(body.Requests); err != nil {
		return nil, err
	}
	answers := make([]stepAnswer, 0, len(body.Requests))
	status := map[string]int{}
	for _, st := range body.Requests {
		answer := s.perform(c, st, status)
		status[fold(st.ID)] = answer.Status
		answers = append(answers, answer)
	}
	slices.Reverse(answers)
	return ok(object{"responses": answers}), nil
}

func checkSteps(steps []step) error {
	if len(steps) == 0 {
		return refuse(http.StatusBadRequest, "BadRequest", "The batch has no requests.")
	}
	if len(steps) > maxSteps {
		return refuse(http.StatusBadRequest, "BadRequest", "Number of batch request steps exceeds the maximum value of %d.", maxSteps)
	}
	ids := map[string]bool{}
	for _, st := range steps {
		if st.ID == "" || ids[fold(st.ID)] { // ids do not regard case
			return refuse(http.StatusBadRequest, "BadRequest", "The id of a request is missing or occurs twice.")
		}
		ids[fold(st.ID)] = true
	}
	sequential := slices.ContainsFunc(steps, func(st step) bool { return len(st.DependsOn) > 0 })
	var before []string
	for _, st := range steps {
		// microsoftgraph/microsoft-graph-docs#16280
		if sequential && !slices.EqualFunc(st.DependsOn, before, strings.EqualFold) {
			return refuse(http.StatusBadRequest, "BadRequest", "Batch should be either fully sequential or fully parallel.")
		}
		if st.Method == "" || st.URL == "" || strings.HasPrefix(st.URL, "http") {
			return refuse(http.StatusBadRequest, "BadRequest", "Request '%s' needs a method and a relative url.", st.ID)
		}
		before = []string{st.ID}
	}
	return nil
}

// perform runs one step as a request of its own, or refuses it with 424 after a failure of what it depends on.
func (s *Simulator) perform(c *call, st step, status map[string]int) stepAnswer {
	if slices.ContainsFunc(st.DependsOn, func(id string) bool { return status[fold(id)] >= http.StatusBadRequest }) {
		return failedStep(st.ID, http.StatusFailedDependency, "FailedDependency", "A request that this one depends on failed.")
	}
	address := c.base + "/" + strings.TrimPrefix(st.URL, "/")
	r, err := http.NewRequestWithContext(c.r.Context(), st.Method, strings.ReplaceAll(address, " ", "%20"), bytes.NewReader(st.Body))
	if err != nil || strings.HasPrefix(strings.TrimPrefix(st.URL, "/"), "$batch") {
		return failedStep(st.ID, http.StatusBadRequest, "BadRequest", "Invalid batch request.")
	}
	for name, value := range st.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Authorization", c.r.Header.Get("Authorization"))
	r.TLS = c.r.TLS
	w := httptest.NewRecorder()
	s.graph(w, r)
	answer := stepAnswer{ID: st.ID, Status: w.Code, Headers: map[string]string{}, Body: bytes.TrimSpace(w.Body.Bytes())}
	if !json.Valid(answer.Body) {
		answer.Body = nil
	}
	for name := range w.Header() {
		answer.Headers[name] = w.Header().Get(name)
	}
	return answer
}

func failedStep(id string, status int, code, message string) stepAnswer {
	body, err := json.Marshal(object{"error": object{"code": code, "message": message}})
	if err != nil {
		panic(err) // plain text
	}
	return stepAnswer{ID: id, Status: status, Headers: map[string]string{"Content-Type": "application/json"}, Body: body}
}
