package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// maxBody bounds a request's body, in bytes: 4 MB as for the requests that the vendor gives a limit for
// (graph/large-file-upload names it as what a single call takes).
const maxBody = 4 << 20

const contentType = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

// call is one request, a step of a batch included.
type call struct {
	r     *http.Request
	id    map[string]string // by the names in the route's template
	query query
	body  []byte
	// base is the address of Graph as the client called it: "https://host/v1.0".
	base string
}

// reply is an answer that is not an error. A nil body is no content.
type reply struct {
	status int
	body   any
	header map[string]string
}

func ok(body any) *reply { return &reply{status: http.StatusOK, body: body} }

func noContent() *reply { return &reply{status: http.StatusNoContent} }

// graph serves one request and also each step of a batch.
func (s *Simulator) graph(w http.ResponseWriter, r *http.Request) {
	requestID := uuid.NewString()
	w.Header().Set("Request-Id", requestID)
	clientID := r.Header.Get("Client-Request-Id")
	if clientID == "" {
		clientID = requestID
	}
	w.Header().Set("Client-Request-Id", clientID)
	w.Header().Set("OData-Version", "4.0")
	w.Header().Set("Cache-Control", "no-cache")
	answer, err := s.answer(w, r)
	if err != nil {
		s.writeError(w, err, requestID, clientID)
		return
	}
	for name, value := range answer.header {
		w.Header().Set(name, value)
	}
	if text, isText := answer.body.(string); isText { // a bare count
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(answer.status)
		_, _ = io.WriteString(w, text)
		return
	}
	if answer.body == nil {
		w.WriteHeader(answer.status)
		return
	}
	w.Header().Set("Content-Type", contentType)
	writeJSON(w, answer.status, answer.body)
}

func (s *Simulator) answer(w http.ResponseWriter, r *http.Request) (*reply, error) {
	found, id, routeError := match(r.Method, r.URL.EscapedPath())
	s.count(r.Method, found.template)
	if err := s.authorize(r); err != nil {
		return nil, err
	}
	if routeError != nil {
		return nil, routeError
	}
	if !s.permits(found.needs) {
		return nil, denied()
	}
	q, err := parseQuery(r)
	if err != nil {
		return nil, err
	}
	if found.template != "/$batch" { // its steps are charged one by one
		if err := s.charge(w, r, found, q); err != nil {
			return nil, err
		}
	}
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	return found.handle(s, &call{r: r, id: id, query: q, body: body, base: baseURL(r)})
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, refuse(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request size exceeds the maximum limit.")
	}
	if err != nil {
		return nil, badRequest("Unable to read the request.")
	}
	if len(body) == 0 || r.Method == http.MethodGet || r.Method == http.MethodDelete {
		return body, nil
	}
	if r.Header.Get("Content-Encoding") != "" || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		if r.Header.Get("Content-Type") == "" {
			return nil, refuse(http.StatusBadRequest, "BadRequest", "Write requests (excluding DELETE) must contain the Content-Type header declaration.")
		}
		return nil, refuse(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "The content type of the request is not supported.")
	}
	return body, nil
}

// decode reads the body as a JSON object into v.
func (c *call) decode(v any) error {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return badRequest("An unexpected 'EndOfInput' node was found when reading from the JSON reader. A 'StartObject' node was expected.")
	}
	if err := json.Unmarshal(c.body, v); err != nil {
		return refuse(http.StatusBadRequest, "BadRequest",
			"Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
	}
	return nil
}

// reference is the object id in a body like {"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/{id}"}.
func (c *call) reference() (string, error) {
	var body struct {
		ID string `json:"@odata.id"`
	}
	if err := c.decode(&body); err != nil {
		return "", err
	}
	return referenced(body.ID)
}

// referenced is the last segment of a link to an object. The host is not looked at, as Graph does not.
func referenced(link string) (string, error) {
	kind, id, found := cutLast(link)
	switch {
	case !found || id == "":
		return "", badRequest("Invalid URL format specified in @odata.id or @odata.bind.")
	case strings.HasSuffix(kind, "/directoryObjects"), strings.HasSuffix(kind, "/users"), strings.HasSuffix(kind, "/groups"):
		return id, nil
	}
	return "", badRequest("Unsupported resource type in reference.")
}

func cutLast(link string) (before, after string, found bool) {
	i := strings.LastIndexByte(link, '/')
	if i < 0 {
		return "", "", false
	}
	return link[:i], link[i+1:], true
}

func baseURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + "/v1.0"
}

// writeError writes the body of graph/errors.
func (s *Simulator) writeError(w http.ResponseWriter, err error, requestID, clientID string) {
	e, known := errors.AsType[*graphError](err)
	if !known {
		e = refuse(http.StatusInternalServerError, "Service_InternalServerError", "Encountered an internal server error.")
	}
	for name, value := range e.header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Type", "application/json")
	body := map[string]any{
		"code": e.code, "message": e.message,
		"innerError": map[string]any{
			"date": s.now().Format("2006-01-02T15:04:05"), "request-id": requestID, "client-request-id": clientID,
		},
	}
	if e.details != nil {
		body["details"] = e.details
	}
	writeJSON(w, e.status, map[string]any{"error": body})
}

// dateTime is how Graph writes a moment: in UTC, without fractions of a second.
func dateTime(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05Z") }
