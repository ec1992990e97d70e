package simulator_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/scim/simulator"
)

func TestReopenKeepsAll(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	sim, err := simulator.New(simulator.Options{Token: token, Folder: folder, Groups: []string{"Sales", "Eng"}})
	require.NoError(t, err)
	c := client{t, sim}
	ada := c.create(map[string]any{"userName": "ada", "externalId": "1", "emails": []any{map[string]any{"type": "work", "value": "a@b"}}})
	c.patch("/Groups/"+c.group("Sales"), add(ada))
	c.do(http.MethodDelete, "/Users/"+c.create(user("bob")), nil)
	before, audit := sim.Snapshot(), sim.Audit()
	require.NoError(t, sim.Close())
	require.Equal(t, http.StatusInternalServerError, c.do(http.MethodPost, "/Users", user("eve")).status, "closed")

	again := newClient(t, folder, "sales", "Ops")
	after := again.sim.Snapshot()
	require.Equal(t, before.Users, after.Users)
	require.Equal(t, map[string]int{"Sales": 1, "Eng": 0, "Ops": 0}, after.Groups)
	require.Equal(t, audit, again.sim.Audit()[:len(audit)])
	require.Equal(t, []string{ada}, again.list("Users", `externalId eq "1"`))
	require.Equal(t, 409, again.do(http.MethodPost, "/Users", user("ADA")).status)
}

// TestKilledProcessLosesNothingAnswered runs itself as a process that creates users, tells the name of each that was
// answered, and is killed in the middle.
func TestKilledProcessLosesNothingAnswered(t *testing.T) {
	t.Parallel()
	const variable = "SIMULATOR_TEST_FOLDER"
	if folder := os.Getenv(variable); folder != "" {
		c := newClient(t, folder, "Sales")
		for i := 0; ; i++ {
			c.patch("/Groups/"+c.group("Sales"), add(c.create(user(fmt.Sprintf("u%d", i)))))
			_, _ = fmt.Fprintf(os.Stdout, "answered u%d\n", i)
		}
	}
	folder := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledProcessLosesNothingAnswered$")
	cmd.Env = append(os.Environ(), variable+"="+folder)
	var out bytes.Buffer
	reached := make(chan struct{})
	cmd.Stdout = writerFunc(func(b []byte) (int, error) {
		before := bytes.Count(out.Bytes(), []byte("answered"))
		n, err := out.Write(b)
		if after := bytes.Count(out.Bytes(), []byte("answered")); before < 200 && after >= 200 {
			close(reached)
		}
		return n, err
	})
	require.NoError(t, cmd.Start())
	<-reached
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	answered := strings.Count(out.String(), "answered u")
	snapshot := newClient(t, folder).sim.Snapshot()
	require.GreaterOrEqual(t, len(snapshot.Users), answered)
	require.GreaterOrEqual(t, snapshot.Groups["Sales"], answered)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("add to a group of %d", size), func(b *testing.B) {
			c := newClient(b, b.TempDir(), "Sales")
			g := c.group("Sales")
			ids := make([]any, size)
			for i := range ids {
				ids[i] = map[string]any{"value": c.create(user(fmt.Sprintf("u%d", i)))}
			}
			c.patch("/Groups/"+g, map[string]any{"op": "add", "path": "members", "value": ids})
			extra := c.create(user("extra"))
			b.ResetTimer()
			for range b.N {
				c.patch("/Groups/"+g, add(extra))
				c.patch("/Groups/"+g, remove(extra))
			}
			b.ReportMetric(float64(2*b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}

func BenchmarkCreate(b *testing.B) {
	c := newClient(b, b.TempDir())
	for i := range b.N {
		c.create(map[string]any{"userName": fmt.Sprintf("u%d", i), "externalId": fmt.Sprint(i), "name": map[string]any{"givenName": "G"}})
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}
