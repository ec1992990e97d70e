package hrimport_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/hrimport"
	"github.com/tenurehq/tenure/internal/identity"
)

var options = hrimport.Options{Source: "urn:file", Observed: time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)}

// event is what the tests look at in an event.
type event struct {
	SpecVersion, ID, Source, Type, Time, Sequence, DataContentType string

	Data map[string]any
}

func read(t testing.TB, file string) []hrimport.Row {
	t.Helper()
	var rows []hrimport.Row
	for row := range hrimport.Read(iotest.HalfReader(strings.NewReader(file)), options) {
		require.Equal(t, row.Err == nil, row.Event != nil)
		rows = append(rows, row)
	}
	return rows
}

func decode(t testing.TB, row hrimport.Row) event {
	t.Helper()
	require.NoError(t, row.Err)
	raw, err := json.Marshal(row.Event)
	require.NoError(t, err)
	var e event
	require.NoError(t, json.Unmarshal(raw, &e))
	require.Equal(t, row.ID, e.ID)
	return e
}

// summary writes rows as "line: data" or "line: field: message".
func summary(t testing.TB, rows []hrimport.Row) []string {
	t.Helper()
	var lines []string
	for _, row := range rows {
		if row.Err != nil {
			lines = append(lines, fmt.Sprintf("%d: %v", row.Line, row.Err))
			continue
		}
		data, err := json.Marshal(decode(t, row).Data)
		require.NoError(t, err)
		lines = append(lines, fmt.Sprintf("%d: %s", row.Line, data))
	}
	return lines
}

func TestEventsOfRows(t *testing.T) {
	t.Parallel()
	rows := read(t, "type,id,time,sequence,employeeId,lastDay\n,,,,1,\nleft,a,2026-06-01T10:00:00+02:00,7,2,2026-06-30\nworker.joined,,,,3,\n")
	require.Len(t, rows, 3)
	first := decode(t, rows[0])
	require.NotEmpty(t, first.ID)
	require.Equal(t, event{SpecVersion: "1.0", ID: first.ID, Source: "urn:file", Type: "worker.changed", Time: "2026-06-30T12:00:00Z",
		DataContentType: "application/json", Data: map[string]any{"employeeId": "1"}}, first)
	require.Equal(t, event{SpecVersion: "1.0", ID: "a", Source: "urn:file", Type: "worker.left", Time: "2026-06-01T08:00:00Z", Sequence: "7",
		DataContentType: "application/json", Data: map[string]any{"employeeId": "2", "lastDay": "2026-06-30"}}, decode(t, rows[1]))
	require.Equal(t, "worker.joined", decode(t, rows[2]).Type)
}

// The time says which of a person's facts was said last, so rows that take the file's own take it in their order.
func TestTimesOfAPersonsRows(t *testing.T) {
	t.Parallel()
	times := func(file string) []string {
		var times []string
		for _, row := range read(t, file) {
			if row.Err == nil {
				times = append(times, decode(t, row).Time)
			}
		}
		return times
	}
	const first, second, third = "2026-06-30T12:00:00Z", "2026-06-30T12:00:00.000001Z", "2026-06-30T12:00:00.000002Z"
	require.Equal(t, []string{first, second, first, third}, times("employeeId,title\n7,a\n7,b\n8,a\n7,a\n"), "others do not matter")
	require.Equal(t, []string{first, "2026-01-01T00:00:00Z", second}, times("employeeId,time\n7,\n7,2026-01-01T00:00:00Z\n7,\n"), "nor do rows with a time")
	require.Equal(t, []string{first, third}, times("employeeId,email\n7,\n7,nobody\n7,\n"), "a row that is refused keeps its place")
	require.Equal(t, []string{first, second, third}, times(`{"employeeId":"é"}`+"\n"+`{"employeeId":" é"}`+"\n"+`{"employeeId":"e\u0301"}`), "one id, three spellings")
}

func TestCSV(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file string
		want []string
	}{
		"comma, CRLF and a byte order mark": {
			"\ufeffemployeeId,givenName\r\n1,Ada\r\n2,Bob\r\n", []string{`2: {"employeeId":"1","givenName":"Ada"}`, `3: {"employeeId":"2","givenName":"Bob"}`},
		},
		"semicolon, no line end at the end": {"employeeId;title\n1;\"a;b\"", []string{`2: {"employeeId":"1","title":"a;b"}`}},
		"tab":                               {"employeeId\ttitle\n1\ta, b; c\n", []string{`2: {"employeeId":"1","title":"a, b; c"}`}},
		"a first column without a name":     {" \n\temployeeId\n\t1\n", []string{`3: {"employeeId":"1"}`}},
		"columns in any case":               {"EMPLOYEEID,lastday,Custom.CostCenter\n1,2026-01-31,7\n", []string{`2: {"custom":{"CostCenter":"7"},"employeeId":"1","lastDay":"2026-01-31"}`}},
		"quoted line breaks": {
			"employeeId,title\r\n1,\"a\r\n\"\"b\"\"\"\r\n2,c\r\n", []string{`2: {"employeeId":"1","title":"a \"b\""}`, `4: {"employeeId":"2","title":"c"}`},
		},
		"empty says nothing, \\N clears": {
			"employeeId,title,lastDay,custom.a,custom.b\n1,,\\N,\\N,x\n", []string{`2: {"custom":{"a":null,"b":"x"},"employeeId":"1","lastDay":null}`},
		},
		"immediate": {"type,employeeId,immediate\nleft,1,TRUE\nleft,2,yes\n", []string{
			`2: {"employeeId":"1","immediate":true}`, `3: immediate: must be true, false or null`,
		}},
		"blank lines and empty rows": {"\n\nemployeeId,title\n\n1,a\n , \n2,b\n", []string{`5: {"employeeId":"1","title":"a"}`, `7: {"employeeId":"2","title":"b"}`}},
		"columns without a name": {"employeeId,title,,\n1,a,,\n2,b,,x\n3,c,,,,\n", []string{
			`2: {"employeeId":"1","title":"a"}`, `3: cell 4 is in a column without a name`, `4: {"employeeId":"3","title":"c"}`,
		}},
		"bad rows do not stop the rest": {
			"employeeId,title,email,time\n,a,,\n1,a\n2,5\" pipe,x,\n3,,nobody,noon\n4,\xff,,\n5,ok,,\n", []string{
				"2: employeeId: required",
				"3: has 2 cells where the first row has 4",
				`4: a quote in the middle of a cell: put the whole cell in quotes, and double those within ("5"" pipe")`,
				"5: time: not an instant: write it as 2006-01-02T15:04:05+02:00\nemail: not an email address",
				"6: not UTF-8 text: save the file as CSV UTF-8",
				`7: {"employeeId":"5","title":"ok"}`,
			},
		},
		"a quote that is never closed": {"employeeId,title\n1,\"a\n2,b\n3,c\n", []string{
			"2: a quoted cell is never closed, or the row is longer than 1048576 bytes or 1000 lines",
			`3: {"employeeId":"2","title":"b"}`, `4: {"employeeId":"3","title":"c"}`,
		}},
		"an unknown type":        {"employeeId,type\n1,fired\n", []string{"2: type: unknown event type; the types are worker.joined, worker.changed, worker.left, worker.rehired, worker.leave_started, worker.leave_ended, worker.rescinded"}},
		"a rescission":           {"employeeId,type,rescinds\n1,rescinded,a\n", []string{`2: {"employeeId":"1","rescinds":"a"}`}},
		"no header":              {"1001,Ada,Lovelace\n", []string{"1: the first row has to name the columns, employeeId among them"}},
		"an unknown column":      {"employeeId,shoe\n1,42\n", []string{"1: shoe: unknown column (number 2): remove it, or call it custom.shoe"}},
		"custom as a column":     {"employeeId,custom\n1,{}\n", []string{"1: custom: give each key of custom a column of its own, such as custom.costCenter"}},
		"a column twice":         {"employeeId,title,Title\n1,a,b\n", []string{"1: Title: two columns have this name"}},
		"nobody":                 {"title\na\n", []string{"1: employeeId: the column is missing"}},
		"an empty file":          {"\n \n", []string{"1: the file is empty"}},
		"a spreadsheet's binary": {"\xff\xfee\x00m\x00", []string{"1: the file is not UTF-8 text: save it as CSV UTF-8"}},
		"only a header":          {"employeeId\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, summary(t, read(t, test.file)))
		})
	}
}

func TestJSONLines(t *testing.T) {
	t.Parallel()
	const cloudEvent = `{"specversion":"1.0","id":"a","source":"urn:hr","type":"worker.left","time":"2026-01-01T00:00:00Z","sequence":7,"data":{"employeeId":"1"}}`
	for name, test := range map[string]struct {
		file string
		want []string
	}{
		"records and events": {
			"\n" + `{"employeeId":"1","lastDay":null,"custom":{"a":1}}` + "\r\n\n" + cloudEvent + "\n",
			[]string{`2: {"custom":{"a":1},"employeeId":"1","lastDay":null}`, `4: {"employeeId":"1"}`},
		},
		"bad lines do not stop the rest": {
			strings.Join([]string{
				`{"employeeId":"1"`, `7`, `{"employeeId":1}`, `{"employeeId":"1","employeeId":"2"}`, `{"employeeId":"1","shoe":2}`,
				`{"employeeId":"1","type":7,"id":[]}`, `{"specversion":"1.0","type":"worker.left","time":"noon","data":{"employeeId":"1"}}`,
				`{"specversion":"1.0","id":"a","source":"urn:hr","type":"worker.left","time":"2026-01-01T00:00:00Z","data":{"lastDay":"x"}}`,
				`{"specversion":"1.0"}`, "{\"employeeId\":\"\xff\"}", `{"employeeId":"2"}`,
			}, "\n"),
			[]string{
				"1: not one JSON object", "2: not one JSON object", "3: employeeId: must be a text, in quotes, or null", "4: employeeId: given twice in one object",
				"5: shoe: unknown field: put attributes of your own into custom",
				"6: type: must be a text, in quotes\nid: must be a text, in quotes",
				"7: id: required in a CloudEvent\nsource: required in a CloudEvent\ntime: not an instant: write it as 2006-01-02T15:04:05+02:00",
				"8: data.lastDay: not a calendar date: write it as 2006-01-02\ndata.employeeId: required",
				"9: id: required in a CloudEvent\nsource: required in a CloudEvent\ntype: required in a CloudEvent\ntime: required in a CloudEvent",
				"10: not UTF-8 text", `11: {"employeeId":"2"}`,
			},
		},
		"an array": {`[{"employeeId":"1"}]`, []string{"1: the file is one JSON array: write one object a line, without brackets around them and commas between them"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows := read(t, test.file)
			got := rows[:0:0]
			for _, row := range rows {
				// A CloudEvent's sequence may be a number, which this test's struct does not take.
				row.Event = json.RawMessage(strings.Replace(string(row.Event), `"sequence":7`, `"sequence":"7"`, 1))
				got = append(got, row)
			}
			require.Equal(t, test.want, summary(t, got))
		})
	}
	require.JSONEq(t, cloudEvent, string(read(t, cloudEvent)[0].Event), "a CloudEvent stays as it is")
	require.Equal(t, "a", read(t, `{"employeeId":"1","id":"a"}`)[0].ID)
}

func TestLongRows(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", hrimport.MaxRow+1)
	const tooLong, neverClosed = "longer than 1048576 bytes", "a quoted cell is never closed, or the row is longer than 1048576 bytes or 1000 lines"
	require.Equal(t, []string{"2: " + tooLong, `3: {"employeeId":"2"}`}, summary(t, read(t, "employeeId,title\n1,"+long+"\n2,\n")))
	require.Equal(t, []string{"1: not one JSON object", "2: " + tooLong, `3: {"employeeId":"2"}`}, summary(t, read(t, "{\n"+long+"\n"+`{"employeeId":"2"}`)))
	require.Equal(t, []string{"2: " + neverClosed, "3: " + tooLong, `4: {"employeeId":"2"}`}, summary(t, read(t, "employeeId,title\n1,\"\n"+long+"\n2,\n")))
	many := strings.Repeat("\n", 2000)
	require.Equal(t, []string{"2: " + neverClosed, `2003: {"employeeId":"2"}`}, summary(t, read(t, "employeeId,title\n1,\""+many+"\n2,\n")))
	fits := strings.Repeat("x", hrimport.MaxRow-len(`{"employeeId":"1","title":""}`))
	require.Equal(t, []string{"1: title: longer than 1,024 bytes"}, summary(t, read(t, `{"employeeId":"1","title":"`+fits+`"}`+"\r\n")))
}

func TestAFailingFileIsReported(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	for _, head := range []string{"", "employeeId\n1\n", `{"employeeId":"1"}` + "\n"} {
		var last hrimport.Row
		for row := range hrimport.Read(io.MultiReader(strings.NewReader(head), iotest.ErrReader(broken)), options) {
			last = row
		}
		require.ErrorIs(t, last.Err, broken)
		require.Equal(t, identity.Unavailable, identity.ErrorCode(last.Err))
	}
}

func TestReadingStopsWhenAsked(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"employeeId\n1\n2\n3\n", `{"employeeId":"1"}` + "\n" + `{"employeeId":"2"}`, "employeeId\n \"\n1\n"} {
		n := 0
		for range hrimport.Read(strings.NewReader(file), options) {
			n++
			break
		}
		require.Equal(t, 1, n)
	}
}

// Rows come one by one: a file far greater than what is held at a time.
func TestManyRows(t *testing.T) {
	t.Parallel()
	const rows = 50_000
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, "employeeId,givenName,familyName,email,department,custom.costCenter\n")
		for i := range rows {
			_, _ = fmt.Fprintf(w, "%d,Ada,\"Love\nlace\",ada%d@example.com,Research,%d\n", i, i, i%7)
		}
		_ = w.Close()
	}()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, ids := 0, map[string]bool{}
	for row := range hrimport.Read(r, options) {
		require.NoError(t, row.Err)
		require.Equal(t, 2+2*n, row.Line)
		ids[row.ID] = true
		n++
	}
	require.Equal(t, rows, n)
	require.Len(t, ids, rows)
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(32<<20))
}

func FuzzRead(f *testing.F) {
	f.Add("employeeId,title\n1,\"a\nb\"\n2,\"c\n")
	f.Add("{\"employeeId\":\"1\"}\n{\"specversion\":\"1.0\"}")
	f.Add("\ufeffemployeeId;custom.a\r\n1;\\N\r\n")
	f.Fuzz(func(t *testing.T, file string) {
		last := 0
		for row := range hrimport.Read(strings.NewReader(file), options) {
			require.Greater(t, row.Line, last, "each line begins one row at most")
			last = row.Line
			require.Equal(t, row.Err == nil, json.Valid(row.Event))
		}
		require.LessOrEqual(t, last, strings.Count(file, "\n")+1)
	})
}

func BenchmarkRead10000(b *testing.B) {
	var file strings.Builder
	file.WriteString("employeeId,givenName,familyName,email,department,timeZone,startDate,custom.costCenter\n")
	for i := range 10_000 {
		fmt.Fprintf(&file, "%d,Ada,Lovelace,ada%d@example.com,Research,Europe/London,2026-01-01,%d\n", i, i, i%7)
	}
	for b.Loop() {
		for row := range hrimport.Read(strings.NewReader(file.String()), options) {
			if row.Err != nil {
				b.Fatal(row.Err)
			}
		}
	}
}
