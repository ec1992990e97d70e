package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/testkit"
)

// front is a world whose people come from a directory, by SCIM, through an API that is a process of its own.
type front struct {
	*deployment

	token  string
	client *http.Client
}

// newFront makes the directory of a world that nothing works for. run and begin start the processes.
func newFront(t *testing.T, w *world, temporalAddress string) *front {
	t.Helper()
	w.applyPolicy(w.policyText(settings{}) + "provisioning: {mode: scim}\n")
	f := &front{deployment: &deployment{world: w, binary: buildTenure(t), listen: freeAddress(t)}}
	f.env = append(os.Environ(), "DATABASE_URL="+w.db.Serve, "TEMPORAL_ADDRESS="+temporalAddress, "TEMPORAL_NAMESPACE="+testkit.TemporalNamespace,
		"TENURE_LISTEN="+f.listen, "TENURE_SWEEP_INTERVAL=1s", "TENURE_TASK_QUEUE="+w.queue, "TENURE_LOG_LEVEL=warn")
	f.token = f.newToken("scim")
	f.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	return f
}

// said is what a request was answered.
type said struct {
	status int
	body   []byte
	took   time.Duration
	header http.Header
}

func (s said) String() string { return fmt.Sprintf("%d %s", s.status, s.body) }

func (s said) ok() bool { return s.status >= 200 && s.status < 300 }

// get is an attribute of the body.
func (s said) get(name string) string {
	var body map[string]any
	_ = json.Unmarshal(s.body, &body)
	text, _ := body[name].(string)
	return text
}

// try sends a request below /scim/v2, once. An error means that nobody answered; it wraps ECONNREFUSED when nobody can have
// had the request.
func (f *front) try(method, path, body string) (said, error) {
	began := time.Now()
	request, err := http.NewRequestWithContext(context.Background(), method, "http://"+f.listen+"/scim/v2"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return said{}, err
	}
	request.Header.Set("Authorization", "Bearer "+f.token)
	request.Header.Set("Content-Type", "application/scim+json")
	response, err := f.client.Do(request)
	if err != nil {
		return said{}, err
	}
	defer func() { _ = response.Body.Close() }()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(response.Body); err != nil {
		return said{}, err
	}
	return said{response.StatusCode, answer.Bytes(), time.Since(began), response.Header}, nil
}

// say is try with an API that is there: that nobody answers is a failure.
func (f *front) say(method, path, body string) said {
	answer, err := f.try(method, path, body)
	if err != nil {
		f.t.Errorf("%s %s: %v", method, path, err)
	}
	return answer
}

// patch sends one operation, and reports one that is not accepted.
func (f *front) patch(path, operation string) said {
	answer := f.say(http.MethodPatch, path, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+operation+`]}`)
	if !answer.ok() {
		f.t.Errorf("PATCH %s %s: %s", path, operation, answer)
	}
	return answer
}

// create posts a resource and answers its id.
func (f *front) create(path, body string) string {
	answer := f.say(http.MethodPost, path, body)
	if answer.status != http.StatusCreated {
		f.t.Errorf("POST %s %s: %s", path, body, answer)
	}
	return answer.get("id")
}

// read gets a resource.
func (f *front) read(path string, into any) {
	f.t.Helper()
	answer := f.say(http.MethodGet, path, "")
	require.Equal(f.t, http.StatusOK, answer.status, answer)
	require.NoError(f.t, json.Unmarshal(answer.body, into))
}

// absent says that nobody had the request.
func absent(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// employee is the employee number of the n-th person, by which the targets know them.
func employee(n int) string { return fmt.Sprintf("E%04d", n) }

// directoryUser is the n-th person as a directory sends them.
func directoryUser(n int, title string) string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
		"userName":"canary%04[1]d@acme.example","externalId":"x%[1]d","active":true,"title":%[2]q,"displayName":"Given Canary%04[1]d",
		"name":{"givenName":"Given","familyName":"Canary%04[1]d"},
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":%[3]q,"department":"Sales"}}`, n, title, employee(n))
}

func titled(n int) string { return fmt.Sprintf("Title %d", n) }

// number reads what titled wrote.
func number(t testing.TB, title any) int {
	t.Helper()
	var n int
	_, err := fmt.Sscanf(fmt.Sprint(title), "Title %d", &n)
	require.NoError(t, err, title)
	return n
}

const (
	leaves  = `{"op":"Replace","path":"active","value":"False"}`
	returns = `{"op":"Replace","path":"active","value":"True"}`
)

func retitled(n int) string {
	return fmt.Sprintf(`{"op":"Replace","path":"title","value":%q}`, titled(n))
}

// deadlocks is how many the world's database has met. It counts what ended connections have reported.
func (w *world) deadlocks() (n int) {
	w.t.Helper()
	conn := w.admin()
	defer func() { _ = conn.Close(context.WithoutCancel(w.t.Context())) }()
	require.NoError(w.t, conn.QueryRow(w.t.Context(), `select deadlocks from pg_stat_database where datname = current_database()`).Scan(&n))
	return n
}
