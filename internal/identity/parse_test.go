package identity_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/identity"
)

// problems lists the fields at fault, with their messages.
func problems(t testing.TB, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var one *identity.Error
	list := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		list = joined.Unwrap()
	}
	var lines []string
	for _, err := range list {
		require.ErrorAs(t, err, &one, "%v", err)
		require.Equal(t, identity.Invalid, one.Code)
		lines = append(lines, one.Field+": "+one.Message)
	}
	return lines
}

func TestParseEventData(t *testing.T) {
	t.Parallel()
	event, err := identity.ParseEventData(identity.WorkerChanged, []byte(`{
		"employeeId": " 1001 ", "relationshipId": "r1", "effectiveDate": "2026-06-30T12:00:00+02:00",
		"givenName": "Zoe\u0308", "familyName": "", "title": null, "email": "zoe@bücher.example", "timeZone": "Pacific/Apia",
		"lastDay": "2026-12-31", "endDate": null, "immediate": false, "managerEmployeeId": "7",
		"custom": {"shoe": 42, "badge": null, "e\u0301": ["a", {"b": true}]}
	}`))
	require.NoError(t, err)
	require.Equal(t, identity.Event{
		Type: identity.WorkerChanged, EmployeeID: "1001", RelationshipID: "r1",
		Effective: identity.At(time.Date(2026, 6, 30, 10, 0, 0, 0, time.UTC)),
		Patch: identity.Patch{
			"givenName": json.RawMessage(`"Zoë"`), "familyName": json.RawMessage(`null`), "title": json.RawMessage(`null`),
			"email": json.RawMessage(`"zoe@bücher.example"`), "timeZone": json.RawMessage(`"Pacific/Apia"`),
			"lastDay": json.RawMessage(`"2026-12-31"`), "endDate": json.RawMessage(`null`), "immediate": json.RawMessage(`false`),
			"managerEmployeeId": json.RawMessage(`"7"`),
			"custom":            json.RawMessage(`{"badge":null,"shoe":42,"é":["a",{"b":true}]}`),
		},
	}, event)

	raw, err := json.Marshal(event.Patch)
	require.NoError(t, err)
	var back identity.Patch
	require.NoError(t, json.Unmarshal(raw, &back))
	require.Equal(t, event.Patch, back, "a patch survives the database: absent, null and values")

	event, err = identity.ParseEventData(identity.WorkerRescinded, []byte(`{"employeeId":"1","rescinds":" a ","reason":"typo"}`))
	require.NoError(t, err)
	require.Equal(t, " a ", event.Rescinds, "an id is kept as it is")
}

func TestParseEventDataRefuses(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("x", n) }
	keys := make([]string, 101)
	for i := range keys {
		keys[i] = fmt.Sprintf(`"k%d":1`, i)
	}
	for name, test := range map[string]struct {
		kind identity.EventType
		data string
		want []string // beginnings of the problems
	}{
		"no JSON":               {changed, `{`, []string{"data: not a JSON object"}},
		"no object":             {changed, `[]`, []string{"data: not a JSON object"}},
		"null":                  {changed, `null`, []string{"data: not a JSON object"}},
		"bad UTF-8":             {changed, "{\"employeeId\":\"\xff\"}", []string{"data: not valid UTF-8"}},
		"half a surrogate":      {changed, `{"employeeId":"\ud800"}`, []string{"data.employeeId: contains U+FFFD"}},
		"unknown type":          {"worker.moved", `{"employeeId":"1"}`, []string{"type: unknown event type"}},
		"nobody":                {changed, `{}`, []string{"data.employeeId: required"}},
		"null for nobody":       {changed, `{"employeeId":null}`, []string{"data.employeeId: required"}},
		"blank for nobody":      {changed, `{"employeeId":"  "}`, []string{"data.employeeId: required"}},
		"a number for somebody": {changed, `{"employeeId":1001}`, []string{"data.employeeId: must be a text"}},
		"a long id":             {changed, `{"employeeId":"` + long(129) + `"}`, []string{"data.employeeId: longer than 128"}},
		"all problems at once": {
			changed, `{"employeeId":"1","lastDay":"2026-02-30","department":7,"email":"x"}`,
			[]string{"data.department: must be a text", "data.email: not an email", "data.lastDay: not a calendar date"},
		},
		"unknown field":            {changed, `{"employeeId":"1","shoe":1}`, []string{"data.shoe: unknown field"}},
		"misspelled field":         {changed, `{"employeeId":"1","lastday":"2026-01-01"}`, []string{"data.lastday: unknown field: it is spelled lastDay"}},
		"unspeakable field":        {changed, `{"employeeId":"1","a\u0000":"2026-01-01"}`, []string{"data: a field's name"}},
		"given twice":              {changed, `{"employeeId":"1","title":"a","title":"b"}`, []string{"data.title: given twice"}},
		"given twice by an escape": {changed, `{"employeeId":"1","title":"a","titl\u0065":"b"}`, []string{"data.title: given twice"}},
		"given twice in custom":    {changed, `{"employeeId":"1","custom":{"a":[{"b":1,"b":2}]}}`, []string{"data.custom.a.b: given twice"}},
		"a text too long":          {changed, `{"employeeId":"1","title":"` + long(1025) + `"}`, []string{"data.title: longer than"}},
		"a NUL":                    {changed, `{"employeeId":"1","title":"a\u0000b"}`, []string{"data.title: contains a control"}},
		"a line break":             {changed, `{"employeeId":"1","title":"a\nb"}`, []string{"data.title: contains a control"}},
		"Local":                    {changed, `{"employeeId":"1","timeZone":"Local"}`, []string{"data.timeZone: not a time zone"}},
		"no zone":                  {changed, `{"employeeId":"1","timeZone":"CEST+2"}`, []string{"data.timeZone: not a time zone"}},
		"an empty date":            {changed, `{"employeeId":"1","lastDay":""}`, []string{"data.lastDay: not a calendar date"}},
		"an instant for a date":    {changed, `{"employeeId":"1","endDate":"2026-01-01T00:00:00Z"}`, []string{"data.endDate: not a calendar date"}},
		"the end of time":          {changed, `{"employeeId":"1","endDate":"9999-12-31"}`, []string{"data.endDate: the year must lie"}},
		"a bad effective date":     {changed, `{"employeeId":"1","effectiveDate":"tomorrow"}`, []string{"data.effectiveDate: not a calendar"}},
		"an empty effective date":  {changed, `{"employeeId":"1","effectiveDate":""}`, []string{"data.effectiveDate: empty"}},
		"immediate as a text":      {left, `{"employeeId":"1","immediate":"true"}`, []string{"data.immediate: must be true"}},
		"immediate joining":        {joined, `{"employeeId":"1","immediate":true}`, []string{"data.immediate: cannot be true"}},
		"custom as a text":         {changed, `{"employeeId":"1","custom":"x"}`, []string{"data.custom: must be an object"}},
		"custom too large":         {changed, `{"employeeId":"1","custom":{"a":"` + long(16<<10) + `"}}`, []string{"data.custom: larger"}},
		"custom with many keys":    {changed, `{"employeeId":"1","custom":{` + strings.Join(keys, ",") + `}}`, []string{"data.custom: more than 100"}},
		"custom too deep":          {changed, `{"employeeId":"1","custom":{"a":{"a":{"a":{"a":[1]}}}}}`, nil},
		"custom too deep by one":   {changed, `{"employeeId":"1","custom":{"a":{"a":{"a":{"a":[[]]}}}}}`, []string{"data.custom: nested deeper"}},
		"custom with a huge number": {
			changed, `{"employeeId":"1","custom":{"a":9007199254740993}}`, []string{"data.custom: contains a number"},
		},
		"custom with no number": {changed, `{"employeeId":"1","custom":{"a":1e999}}`, []string{"data.custom: must be an object"}},
		"custom with one key in two forms": {
			changed, `{"employeeId":"1","custom":{"é":1,"e\u0301":2}}`, []string{"data.custom: contains two keys"},
		},
		"custom with an empty key":    {changed, `{"employeeId":"1","custom":{"":1}}`, []string{"data.custom: contains an empty key"}},
		"rescission of nothing":       {rescinded, `{"employeeId":"1"}`, []string{"data.rescinds: required"}},
		"rescission with a record":    {rescinded, `{"employeeId":"1","rescinds":"a","title":"x"}`, []string{"data.title: has no meaning"}},
		"rescission with a date":      {rescinded, `{"employeeId":"1","rescinds":"a","effectiveDate":"2026-01-01"}`, []string{"data.effectiveDate: has no meaning"}},
		"rescinds in another event":   {left, `{"employeeId":"1","rescinds":"a"}`, []string{"data.rescinds: belongs to"}},
		"rescinds that is not a text": {rescinded, `{"employeeId":"1","rescinds":7}`, []string{"data.rescinds: must be a text"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := identity.ParseEventData(test.kind, []byte(test.data))
			got := problems(t, err)
			require.Len(t, got, len(test.want), "%q", got)
			for i, want := range test.want {
				require.True(t, strings.HasPrefix(got[i], want), "%q does not begin with %q", got[i], want)
			}
		})
	}
}

func TestEmails(t *testing.T) {
	t.Parallel()
	for email, good := range map[string]bool{
		"ada@example.com": true, "a.b+c@sub.example.co": true, "ada@localhost": true, "用户@例子.广告": true, "o'neil@example.com": true,
		"ada": false, "@example.com": false, "ada@": false, "ada@example..com": false, ".ada@example.com": false, "a b@example.com": false,
		"Ada <ada@example.com>": false, "a@example.com,b@example.com": false, "a@b@example.com": false, "ada@example.com.": false,
		strings.Repeat("a", 65) + "@example.com": false, "a@" + strings.Repeat("b.", 130) + "com": false,
	} {
		data, err := json.Marshal(map[string]string{"employeeId": "1", "email": email})
		require.NoError(t, err)
		_, err = identity.ParseEventData(identity.WorkerChanged, data)
		require.Equal(t, good, err == nil, email)
	}
}

func FuzzParseEventData(f *testing.F) {
	for _, seed := range []string{
		`{"employeeId":"1","givenName":"Zoe\u0308","lastDay":"2026-12-31","endDate":null,"custom":{"a":{"b":[1e3,null]}}}`,
		`{"employeeId":"1","rescinds":"a"}`, `{"employeeId":"1","effectiveDate":"2026-06-30T12:00:00+02:00","immediate":true}`,
		`{"a":{"a":{"a":{"a":{"a":{"a":{"a":1,"a":2}}}}}}}`, `{"employeeId":"1","timeZone":"Pacific/Apia","email":"a@b"}`,
	} {
		f.Add(uint8(1), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		types := identity.EventTypes()
		event, err := identity.ParseEventData(types[int(kind)%len(types)], data)
		if err != nil {
			require.NotEmpty(t, problems(t, err))
			return
		}
		require.NotEmpty(t, event.EmployeeID)
		// What was accepted can be stored, read back and folded, and is accepted again as it was stored.
		raw, err := json.Marshal(event.Patch)
		require.NoError(t, err)
		var back identity.Patch
		require.NoError(t, json.Unmarshal(raw, &back))
		require.Equal(t, event.Patch, back)
		record := identity.Fold("hr", []identity.Entry{{Event: event}}, time.Now(), time.UTC)
		require.NotEmpty(t, record.Situation.State)
		fields := map[string]any{"employeeId": event.EmployeeID}
		for name, value := range event.Patch {
			fields[name] = value
		}
		if event.Rescinds != "" {
			fields["rescinds"] = event.Rescinds
		}
		again, err := json.Marshal(fields)
		require.NoError(t, err)
		twice, err := identity.ParseEventData(event.Type, again)
		require.NoError(t, err)
		require.Equal(t, event.Patch, twice.Patch)
		require.Equal(t, event.EmployeeID, twice.EmployeeID)
	})
}

func BenchmarkFold(b *testing.B) {
	entries := []identity.Entry{said(b, "0", joined, "2026-01-01T00:00:00Z", `"givenName":"Ada","familyName":"L","email":"ada@example.com","department":"a","title":"x","location":"l","timeZone":"Pacific/Auckland","startDate":"2026-01-10","managerEmployeeId":"7"`)}
	for i := range 8 {
		entries = append(entries, sequenced(said(b, fmt.Sprint(i+1), changed, fmt.Sprintf("2026-02-%02dT00:00:00Z", i+1), `"department":"b","title":"y"`), fmt.Sprint(i)))
	}
	entries = append(entries, said(b, "9", left, "2026-03-01T00:00:00Z", `"lastDay":"2026-06-30"`))
	asOf := at(b, "2026-04-01T00:00:00Z")
	for b.Loop() {
		identity.Fold("hr", entries, asOf, time.UTC)
	}
}
