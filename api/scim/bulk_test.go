package scim

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestReferences(t *testing.T) {
	t.Parallel()
	known := map[string]string{"ada": "1", `q"b`: "2", "späť": "3"}
	defined := func(id string) bool { _, ok := known[id]; return ok }
	for _, test := range []struct {
		data, want string
		refers     []string
	}{
		{`{"value":"bulkId:ada"}`, `{"value":"1"}`, []string{"ada"}},
		{`{ "b":["bulkId:ada" , "bulkId:ada"], "a": 1}`, `{ "b":["1" , "1"], "a": 1}`, []string{"ada", "ada"}},
		{`{"value":"bulkId:q\"b"}`, `{"value":"2"}`, []string{`q"b`}},
		{`{"value":"bulkId:sp\u00e4\u0165"}`, `{"value":"3"}`, []string{"späť"}},
		{`{"path":"members[value eq \"bulkId:ada\"]"}`, `{"path":"members[value eq \"1\"]"}`, []string{"ada"}},
		{`{"path":"members[value eq \"bulkId:ada\" or value eq \"bulkId:eve\"]"}`, `{"path":"members[value eq \"1\" or value eq \"bulkId:eve\"]"}`, []string{"ada"}},
		{`{"value":"bulkId:eve"}`, `{"value":"bulkId:eve"}`, nil},
		{`{"value":"see bulkId:ada"}`, `{"value":"see bulkId:ada"}`, nil},
		{`{"value":"bulkId:adam"}`, `{"value":"bulkId:adam"}`, nil},
		{`{"value":"\\"} "bulkId:ada`, `{"value":"\\"} "bulkId:ada`, nil},
		{`"\"bulkId:ada\""`, `"\"1\""`, []string{"ada"}},
		{`bulkId:ada`, `bulkId:ada`, nil},
		{``, ``, nil},
	} {
		require.Equal(t, test.refers, references([]byte(test.data), defined), test.data)
		require.Equal(t, test.want, string(resolve([]byte(test.data), known)), test.data)
	}
}

// However a reference is written, it is found, and the rest stays as it was.
func TestReferencesInAnyText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringN(1, 20, 60).Filter(func(s string) bool { return !strings.ContainsRune(s, '\ufffd') }).Draw(t, "id")
		other := rapid.String().Filter(func(s string) bool { return !strings.Contains(s, referencePrefix) }).Draw(t, "other")
		data, err := json.Marshal(map[string]any{"a": other, "b": referencePrefix + id, other + "x": []string{other, referencePrefix + id}})
		require.NoError(t, err)
		require.Equal(t, []string{id, id}, references(data, func(found string) bool { return found == id }))
		want := strings.ReplaceAll(string(data), string(quoted(referencePrefix+id)), `"7"`)
		require.Equal(t, want, string(resolve(data, map[string]string{id: "7"})))
		require.Empty(t, references(data, func(string) bool { return false }))
	})
}

// FuzzBulk: whatever comes, it is refused or it is within the limits, and its references can be resolved to JSON again.
func FuzzBulk(f *testing.F) {
	for _, seed := range []string{
		`"failOnErrors":1,"Operations":[{"method":"POST","path":"/Users","bulkId":"a","data":{"userName":"x","manager":"bulkId:a"}}]}`,
		`"Operations":[{"method":"PATCH","path":"/Groups/bulkId:a","version":"W/\"1\"","data":{"path":"members[value eq \"bulkId:a\"]"}}],"x":[[{}]]}`,
		`"Operations":[{"method":"PATCH","path":"/Users/1","data":[{"op":"remove","path":"nickName"}]},{"method":"DELETE","path":"/Users/bulkId:b"}]}`,
		`"operations":[{"METHOD":"post","path":"/Groups","bulkId":"\u0061","data":{"members":["bulkId:a"]}},{"method":"put","path":"Users/1","data":null}]}`,
		`"Operations":[]}`, `"Operations":[{}]} {}`, `"Operations":[{}]}]`, `"Operations":[{"data":"\ud800bulkId:a"}]}`,
	} {
		seed = `{"schemas":["` + bulkRequestSchema + `"],` + seed
		f.Add([]byte(seed))
		f.Add([]byte("\ufeff" + seed))
	}
	for _, seed := range []string{`[]`, `{"Operations":[{}]}`, `{"schemas":"` + bulkRequestSchema + `"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		request, err := readBulk(body)
		if err != nil {
			refused := refusalOf(err)
			require.Contains(t, []int{400, 413}, refused.Status)
			return
		}
		require.True(t, json.Valid(bytes.TrimPrefix(body, []byte("\ufeff"))))
		require.NotEmpty(t, request.operations)
		require.LessOrEqual(t, len(request.operations), maxBulkOperations)
		require.GreaterOrEqual(t, request.failOnErrors, 0)
		b := newBulk(call{server: &server{}}, request)
		for i := range b.jobs {
			j := &b.jobs[i]
			if len(j.data) == 0 {
				continue
			}
			known := map[string]string{}
			for _, id := range references(j.data, func(string) bool { return true }) {
				known[id] = "7"
			}
			require.True(t, json.Valid(resolve(j.data, known)))
		}
	})
}

func TestConditions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []string
		want   bool
	}{
		{nil, false}, {[]string{"*"}, true}, {[]string{`W/"3"`}, true}, {[]string{`"3"`}, true}, {[]string{"3"}, true}, {[]string{`W/"2", W/"3"`}, true},
		{[]string{`W/"2"`, `"3"`}, true}, {[]string{`W/"33"`}, false}, {[]string{`W/"2"`}, false}, {[]string{""}, false}, {[]string{"rubbish"}, false},
	} {
		require.Equal(t, test.want, names(tags(test.values), 3), test.values)
	}
}

func TestHasKey(t *testing.T) {
	t.Parallel()
	const urn = "urn:x"
	for stored, want := range map[string]bool{
		`{"urn:x": {"a": 1}}`: true, `{"urn:x":{"a":1}}`: true, `{"a": "urn:x"}`: false, `{"a": "urn:x\": 1"}`: false, `{"a": "\"urn:x\":"}`: false,
		`{"a": ["urn:x", "urn:x"], "urn:x": {}}`: true, `{}`: false, `{"urn:xy": {}}`: false,
	} {
		require.Equal(t, want, hasKey([]byte(stored), urn), stored)
	}
}

// What is not begun before the time is over is not done, and is told so; a client that goes away ends it at once, and the end
// of another request's time does not.
func TestBulkTakesItsTime(t *testing.T) {
	t.Parallel()
	body := `{"schemas":["` + bulkRequestSchema + `"],"Operations":[
		{"method":"POST","path":"/Users","bulkId":"a","data":{"userName":"x","nickName":"bulkId:a"}},{"method":"DELETE","path":"/Users/bulkId:a"},{"method":"GET"}]}`
	request, err := readBulk([]byte(body))
	require.NoError(t, err)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	b := newBulk(call{server: &server{}}, request)
	b.all(over)
	results := b.results()
	require.Len(t, results, 3)
	require.Equal(t, "503", results[0].Status)
	require.Contains(t, results[0].Response.Detail, "was not done")
	require.Equal(t, "503", results[1].Status)
	require.Equal(t, "400", results[2].Status)

	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	own, done := longer(short, time.Minute)
	defer done()
	<-short.Done()
	require.NoError(t, own.Err())
	client, leave := context.WithCancel(t.Context())
	own, done = longer(client, time.Minute)
	defer done()
	leave()
	<-own.Done()
}
