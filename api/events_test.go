package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestEventsHaveTheirEffect(t *testing.T) {
	t.Parallel()
	acme := start(t).org("acme").apply()
	for _, step := range []struct {
		kind, data, effect string
	}{
		{"joined", `"employeeId":"1","givenName":"Ada","familyName":"Lovelace","startDate":"2026-01-02"`, "join"},
		{"changed", `"employeeId":"1","department":"Research"`, "move"},
		{"changed", `"employeeId":"1","department":"Research"`, "none"},
		{"changed", `"employeeId":"1","department":"Sales","effectiveDate":"2199-01-01"`, "scheduled"},
		{"leave_started", `"employeeId":"1"`, "suspend"},
		{"leave_ended", `"employeeId":"1"`, "resume"},
		{"changed", `"employeeId":"1","lastDay":"2026-06-01"`, "leave"},
		{"rehired", `"employeeId":"1","startDate":"2026-07-01","lastDay":null`, "rehire"},
	} {
		id := uuid.NewString()
		answer := acme.send(cloudEventAt(id, step.kind, step.data)).is(http.StatusAccepted)
		require.Equal(t, step.effect, answer.text("effect"), "%s %s", step.kind, step.data)
		require.Equal(t, id, answer.text("eventId"))
		require.Equal(t, "identity/acme/"+answer.text("identityId"), answer.text("workflowId"))
	}
}

var eventClock struct {
	mu     sync.Mutex
	second int
}

// cloudEventAt is an event a second later than the one before it.
func cloudEventAt(id, kind, data string) string {
	eventClock.mu.Lock()
	defer eventClock.mu.Unlock()
	eventClock.second++
	return strings.Replace(cloudEvent(id, kind, data), "2026-01-02T03:04:05Z", fmt.Sprintf("2026-08-02T03:%02d:%02dZ", eventClock.second/60, eventClock.second%60), 1)
}

func TestBadEventsNameTheField(t *testing.T) {
	t.Parallel()
	acme := start(t).org("acme").apply()
	const data = `"data":{"employeeId":"1"}`
	const rest = `"specversion":"1.0","type":"worker.joined","time":"2026-01-02T03:04:05Z",` + data
	long := strings.Repeat("x", 257)
	for name, test := range map[string]struct {
		event string
		field string // "": the event as a whole
	}{
		"no JSON":              {`{`, ""},
		"a list":               {`[]`, ""},
		"null":                 {`null`, ""},
		"no specversion":       {`{"id":"a","source":"urn:hr","type":"worker.joined","time":"2026-01-02T03:04:05Z",` + data + `}`, "specversion"},
		"old specversion":      {`{"specversion":"0.3","id":"a","source":"urn:hr","type":"worker.joined","time":"2026-01-02T03:04:05Z",` + data + `}`, "specversion"},
		"unknown specversion":  {`{"specversion":"2.0","id":"a","source":"urn:hr",` + data + `}`, "specversion"},
		"no id":                {`{"source":"urn:hr",` + rest + `}`, "id"},
		"empty id":             {`{"id":"","source":"urn:hr",` + rest + `}`, "id"},
		"numeric id":           {`{"id":5,"source":"urn:hr",` + rest + `}`, "id"},
		"long id":              {`{"id":"` + long + `","source":"urn:hr",` + rest + `}`, "id"},
		"id with NUL":          {`{"id":"a\u0000","source":"urn:hr",` + rest + `}`, "id"},
		"no source":            {`{"id":"a",` + rest + `}`, "source"},
		"long source":          {`{"id":"a","source":"urn:` + long + `",` + rest + `}`, "source"},
		"source is no URI":     {`{"id":"a","source":"%zz",` + rest + `}`, "source"},
		"unknown source":       {`{"id":"a","source":"urn:elsewhere",` + rest + `}`, "source"},
		"no time":              {`{"specversion":"1.0","id":"a","source":"urn:hr","type":"worker.joined",` + data + `}`, "time"},
		"null time":            {`{"specversion":"1.0","id":"a","source":"urn:hr","type":"worker.joined","time":null,` + data + `}`, "time"},
		"time without zone":    {`{"specversion":"1.0","id":"a","source":"urn:hr","type":"worker.joined","time":"2026-01-02T03:04:05",` + data + `}`, "time"},
		"time out of range":    {`{"specversion":"1.0","id":"a","source":"urn:hr","type":"worker.joined","time":"1026-01-02T03:04:05Z",` + data + `}`, "time"},
		"no type":              {`{"specversion":"1.0","id":"a","source":"urn:hr","time":"2026-01-02T03:04:05Z",` + data + `}`, "type"},
		"unknown type":         {strings.Replace(cloudEvent("a", "joined", `"employeeId":"1"`), "joined", "promoted", 1), "type"},
		"no data":              {`{"specversion":"1.0","id":"a","source":"urn:hr","type":"worker.joined","time":"2026-01-02T03:04:05Z"}`, "data"},
		"data is a list":       {`{"specversion":"1.0","id":"a","source":"urn:hr","type":"worker.joined","time":"2026-01-02T03:04:05Z","data":[]}`, "data"},
		"data is XML":          {`{"id":"a","source":"urn:hr","datacontenttype":"application/xml","specversion":"1.0","type":"worker.joined","time":"2026-01-02T03:04:05Z","data":"<a/>"}`, "datacontenttype"},
		"base64 is a number":   {`{"data_base64":1,"id":"a","source":"urn:hr","specversion":"1.0","type":"worker.joined","time":"2026-01-02T03:04:05Z"}`, "data_base64"},
		"base64 is none":       {`{"data_base64":"*","id":"a","source":"urn:hr","specversion":"1.0","type":"worker.joined","time":"2026-01-02T03:04:05Z"}`, "data_base64"},
		"no employeeId":        {cloudEvent("a", "joined", `"givenName":"A"`), "data.employeeId"},
		"bad date":             {cloudEvent("a", "left", `"employeeId":"1","lastDay":"tomorrow"`), "data.lastDay"},
		"unknown field":        {cloudEvent("a", "joined", `"employeeId":"1","shoeSize":"43"`), "data.shoeSize"},
		"NUL in a field":       {cloudEvent("a", "joined", `"employeeId":"1","givenName":"A\u0000"`), "data.givenName"},
		"no rescinds":          {cloudEvent("a", "rescinded", `"employeeId":"1"`), "data.rescinds"},
		"sequence is a list":   {`{"id":"a","source":"urn:hr","sequence":[1],` + rest + `}`, "sequence"},
		"sequence is no whole": {`{"id":"a","source":"urn:hr","sequence":"one","sequencetype":"Integer",` + rest + `}`, "sequence"},
		"sequence is 1e3":      {`{"id":"a","source":"urn:hr","sequence":1e3,` + rest + `}`, "sequence"},
		"sequence is 1.5":      {`{"id":"a","source":"urn:hr","sequence":1.5,` + rest + `}`, "sequence"},
		"sequence is true":     {`{"id":"a","source":"urn:hr","sequence":true,` + rest + `}`, "sequence"},
		"number beyond all":    {cloudEvent("a", "joined", `"employeeId":"1","custom":{"a":1e999}`), "data.custom"},
		"text beyond all":      {cloudEvent("a", "joined", `"employeeId":1e999`), "data.employeeId"},
		"object as attribute":  {`{"id":"a","source":"urn:hr","trace":{"a":1},` + rest + `}`, "trace"},
		"list as attribute":    {`{"id":"a","source":"urn:hr","trace":[],` + rest + `}`, "trace"},
		"long number":          {`{"id":"a","source":"urn:hr","trace":1e999,` + rest + `}`, "trace"},
		"attribute's name":     {`{"id":"a","source":"urn:hr","trace-id":"x",` + rest + `}`, "trace-id"},
		"subject is a number":  {`{"id":"a","source":"urn:hr","subject":1,` + rest + `}`, "subject"},
		"two types":            {`{"id":"a","source":"urn:hr","type":"worker.left",` + rest + `}`, "type"},
		"two ids":              {`{"id":"a","id":"b","source":"urn:hr",` + rest + `}`, "id"},
		"two of data":          {`{"id":"a","source":"urn:hr","data":{"employeeId":"2"},` + rest + `}`, "data"},
		"two of one field":     {cloudEvent("a", "joined", `"employeeId":"1","custom":{"a":1,"a":2}`), "data.custom.a"},
		"two ways of data":     {`{"id":"a","source":"urn:hr","data_base64":"eyJlbXBsb3llZUlkIjoiOCJ9",` + rest + `}`, "data_base64"},
		"other sequencetype":   {`{"id":"a","source":"urn:hr","sequence":"1","sequencetype":"Lamport",` + rest + `}`, "sequencetype"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := acme.on(t).send(test.event).is(http.StatusBadRequest)
			require.Equal(t, "invalid", answer.text("code"))
			require.NotEmpty(t, answer.text("detail"))
			if test.field == "" {
				require.Nil(t, answer.get("errors"))
				return
			}
			require.Equal(t, test.field, answer.text("errors.0.field"), string(answer.body))
			require.Equal(t, "#/"+strings.ReplaceAll(test.field, ".", "/"), answer.text("errors.0.pointer"))
		})
	}
}

// A null attribute is one that is not there (CloudEvents 1.0, JSON Event Format, section 2.2).
func TestNullAttributesAreUnset(t *testing.T) {
	t.Parallel()
	acme := start(t).org("acme").apply()
	whole := map[string]string{"specversion": `"1.0"`, "id": `"n"`, "source": `"urn:hr"`, "type": `"worker.joined"`, "time": `"2026-01-02T03:04:05Z"`,
		"data": `{"employeeId":"1","title":null}`}
	event := func(name, value string) string {
		members := maps.Clone(whole)
		members[name] = value
		var parts []string
		for name, value := range members {
			parts = append(parts, fmt.Sprintf("%q:%s", name, value))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	for _, name := range []string{"sequence", "sequencetype", "datacontenttype", "data_base64", "subject", "dataschema", "trace"} {
		require.Equal(t, "join", acme.send(event(name, "null")).is(http.StatusAccepted).text("effect"), name)
	}
	for name := range whole {
		answer := acme.send(event(name, "null")).is(http.StatusBadRequest)
		require.Equal(t, name, answer.text("errors.0.field"))
		require.Contains(t, answer.text("errors.0.detail"), "required", name)
	}
	acme.send(strings.Replace(event("data", "null"), "}", `,"data_base64":"eyJlbXBsb3llZUlkIjoiMSJ9"}`, 1)).is(http.StatusAccepted)
}

func TestAllWrongFieldsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	acme := start(t).org("acme").apply()
	answer := acme.send(cloudEvent("a", "joined", `"employeeId":"1","startDate":"soon","timeZone":"Mars"`)).is(http.StatusBadRequest)
	require.Equal(t, "data.startDate", answer.text("errors.0.field"))
	require.Equal(t, "data.timeZone", answer.text("errors.1.field"))
	require.NotContains(t, string(answer.body), "Mars", "no value is repeated")
}

func TestEventModes(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	binary := func(contentType, specversion, employeeID string) *http.Request {
		r := h.request(http.MethodPost, "/v1/events", acme.hr, contentType, fmt.Sprintf(`{"employeeId":%q}`, employeeID))
		for k, v := range map[string]string{"Ce-Id": "b" + employeeID, "Ce-Source": "urn:hr", "Ce-Type": "worker.joined",
			"Ce-Time": "2026-01-02T03:04:05Z", "Ce-Specversion": specversion, "Ce-Sequence": "7", "Ce-Sequencetype": "Integer"} {
			r.Header.Set(k, v)
		}
		return r
	}
	for name, test := range map[string]struct {
		request *http.Request
		status  int
		field   string
	}{
		"structured":              {h.request(http.MethodPost, "/v1/events", acme.hr, structured+"; charset=utf-8", joined("1", "A", "A")), 202, ""},
		"structured, plain JSON":  {h.request(http.MethodPost, "/v1/events", acme.hr, "application/json", joined("2", "B", "B")), 202, ""},
		"binary":                  {binary("application/json", "1.0", "3"), 202, ""},
		"binary, not JSON":        {binary("text/xml", "1.0", "4"), 400, "datacontenttype"},
		"binary, old specversion": {binary("application/json", "0.3", "5"), 400, "specversion"},
		"not CloudEvents":         {h.request(http.MethodPost, "/v1/events", acme.hr, "text/csv", "a,b"), 415, "Content-Type"},
		"no content type":         {h.request(http.MethodPost, "/v1/events", acme.hr, "", joined("6", "C", "C")), 415, "Content-Type"},
		"batch that is none":      {h.request(http.MethodPost, "/v1/events", acme.hr, batched, joined("7", "D", "D")), 400, ""},
		"batch that is null":      {h.request(http.MethodPost, "/v1/events", acme.hr, batched, "null"), 400, ""},
		"empty batch":             {h.request(http.MethodPost, "/v1/events", acme.hr, batched, "[]"), 202, ""},
		"base64 data": {h.request(http.MethodPost, "/v1/events", acme.hr, structured,
			`{"specversion":"1.0","id":"64","source":"urn:hr","type":"worker.joined","time":"2026-01-02T03:04:05Z","data_base64":"eyJlbXBsb3llZUlkIjoiOCJ9"}`), 202, ""},
		"number as sequence": {h.request(http.MethodPost, "/v1/events", acme.hr, structured,
			`{"sequence":12,"specversion":"1.0","id":"s","source":"urn:hr","type":"worker.joined","time":"2026-01-02T03:04:05Z","data":{"employeeId":"9"}}`), 202, ""},
		"long number as sequence": {h.request(http.MethodPost, "/v1/events", acme.hr, structured,
			`{"sequence":-20260102030405000001,"sequencetype":"Integer","specversion":"1.0","id":"ls","source":"urn:hr","type":"worker.joined",`+
				`"time":"2026-01-02T03:04:05Z","data":{"employeeId":"10"}}`), 202, ""},
	} {
		answer := h.do(test.request)
		require.Equal(t, test.status, answer.status, "%s: %s", name, answer.body)
		if test.field != "" {
			require.Equal(t, test.field, answer.text("errors.0.field"), name)
		}
	}
	require.Equal(t, "7", h.get("/v1/identities/3", acme.read).is(200).text("timeline.0.sequence"))
	require.Equal(t, "12", h.get("/v1/identities/9", acme.read).is(200).text("timeline.0.sequence"))
	require.Equal(t, "8", h.get("/v1/identities/8", acme.read).is(200).text("attributes.employeeId"))
}

func TestBatchTakesTheGoodAndReportsTheBad(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	answer := acme.sendBatch(
		joined("1", "Ada", "Lovelace"),
		cloudEvent("bad-date", "left", `"employeeId":"2","lastDay":"soon"`),
		`17`,
		cloudEvent("move-1", "changed", `"employeeId":"1","department":"Research"`),
		joined("1", "Ada", "Lovelace"), // again
		cloudEventFrom("urn:elsewhere", "other", "joined", `"employeeId":"3"`),
		joined("4", "Grace", "Hopper"),
	).is(http.StatusAccepted)
	results := answer.items("results")
	require.Len(t, results, 7)
	for i, want := range []struct{ id, effect, field string }{
		{"join-1", "join", ""}, {"bad-date", "", "data.lastDay"}, {"", "", "-"}, {"move-1", "move", ""}, {"join-1", "join", ""},
		{"other", "", "source"}, {"join-4", "join", ""},
	} {
		at := func(path string) any { return answer.get(fmt.Sprintf("results.%d.%s", i, path)) }
		require.Equal(t, want.id, at("eventId"))
		if want.field == "" {
			require.Equal(t, want.effect, at("effect"))
			require.Nil(t, at("error"))
			continue
		}
		require.Nil(t, at("effect"))
		require.InDelta(t, http.StatusBadRequest, at("error.status"), 0)
		if want.field != "-" {
			require.Equal(t, want.field, at("error.errors.0.field"))
		}
	}
	require.Equal(t, answer.text("results.0.identityId"), answer.text("results.3.identityId"))
	require.Equal(t, answer.text("results.0.identityId"), answer.text("results.4.identityId"))
	require.Equal(t, "Research", h.get("/v1/identities/1", acme.read).is(200).text("attributes.department"))
}

func TestEventLimits(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	big := cloudEvent("big", "joined", `"employeeId":"1","custom":{"a":"`+strings.Repeat("x", 64<<10)+`"}`)
	require.Contains(t, acme.send(big).is(http.StatusRequestEntityTooLarge).text("detail"), "65536")

	mixed := acme.sendBatch(big, joined("2", "A", "B")).is(http.StatusAccepted)
	require.InDelta(t, http.StatusRequestEntityTooLarge, mixed.get("results.0.error.status"), 0)
	require.Equal(t, "join", mixed.text("results.1.effect"))

	many := make([]string, 1001)
	for i := range many {
		many[i] = "{}"
	}
	require.Contains(t, acme.sendBatch(many...).is(http.StatusRequestEntityTooLarge).text("detail"), "1000")
	require.Len(t, acme.sendBatch(many[:1000]...).is(http.StatusAccepted).items("results"), 1000)

	full := h.do(h.request(http.MethodPost, "/v1/events", acme.hr, batched, "[]"+strings.Repeat(" ", 4<<20-2)))
	full.is(http.StatusAccepted)
	full = h.do(h.request(http.MethodPost, "/v1/events", acme.hr, batched, "[]"+strings.Repeat(" ", 4<<20-1)))
	require.Equal(t, "too_large", full.is(http.StatusRequestEntityTooLarge).text("code"))
}

func TestParallelPostsForOnePersonMakeOneIdentity(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	ids := make([]string, 64)
	var group sync.WaitGroup
	for i := range ids {
		group.Go(func() {
			event := joined("1", "Ada", "Lovelace") // the even ones are one event repeated
			if i%2 == 1 {
				event = cloudEvent(fmt.Sprintf("change-%d", i), "changed", fmt.Sprintf(`"employeeId":"1","title":"Title %d"`, i))
			}
			r, err := caller.Do(h.request(http.MethodPost, "/v1/events", acme.hr, structured, event))
			if err != nil {
				ids[i] = err.Error()
				return
			}
			defer func() { _ = r.Body.Close() }()
			var answer struct {
				IdentityID string `json:"identityId"`
			}
			if err := decode(r, &answer); err != nil {
				ids[i] = err.Error()
				return
			}
			ids[i] = answer.IdentityID
		})
	}
	group.Wait()
	for _, id := range ids {
		require.NoError(t, uuid.Validate(id))
		require.Equal(t, ids[0], id)
	}
	require.Len(t, h.get("/v1/identities", acme.read).is(200).items("items"), 1)
	detail := h.get("/v1/identities/1", acme.read).is(200)
	require.Len(t, detail.items("timeline"), 33)

	// A repetition is answered as it was then, and changes nothing.
	version := detail.get("version")
	require.Equal(t, ids[0], acme.send(joined("1", "Ada", "Lovelace")).is(http.StatusAccepted).text("identityId"))
	require.Equal(t, version, h.get("/v1/identities/1", acme.read).is(200).get("version"))
}

func TestEventWaitsForACase(t *testing.T) {
	t.Parallel()
	h := start(t)
	acme := h.org("acme").apply()
	first := acme.join("1", "Ada", "Lovelace")
	// The source itself tells its people apart, whatever they are called; another source's person may be one of them.
	require.Equal(t, "join", acme.send(cloudEvent("n1", "joined", `"employeeId":"9","familyName":"Lovelace"`)).is(http.StatusAccepted).text("effect"))
	waiting := acme.send(cloudEventFrom("urn:other", "w1", "joined", `"employeeId":"2","givenName":"A.","familyName":"Lovelace"`)).is(http.StatusAccepted)
	require.Empty(t, waiting.text("identityId"))
	require.Empty(t, waiting.text("workflowId"))
	require.Equal(t, "none", waiting.text("effect"))
	caseID := waiting.text("caseId")

	require.Equal(t, caseID, h.get("/v1/cases", acme.read).is(200).text("items.0.id"))
	detail := h.get("/v1/cases/"+caseID, acme.read).is(200)
	require.Equal(t, "A.", detail.text("person.givenName"))
	require.Len(t, detail.items("matching"), 2)
	require.Contains(t, fmt.Sprint(detail.get("matching")), first)
	require.Equal(t, "w1", detail.text("timeline.0.eventId"))
}
