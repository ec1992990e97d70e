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

	"github.com/tenurehq/tenure/connectors/entra/simulator"
)

func TestReopenKeepsAll(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	in := func(o *simulator.Options) { o.Folder = folder }
	c := newClient(t, in)
	ada, bob, cyd := c.create(with(person("ada"), "usageLocation", "NO")), c.create(person("bob")), c.create(person("cyd"))
	sales := c.group("Sales")
	c.join(sales, ada)
	c.join(c.group("Eng"), sales)
	c.addMethod(ada, simulator.Method{Kind: simulator.PhoneMethod, PhoneType: "mobile"})
	c.want(c.do(http.MethodPost, "/users/"+ada+"/assignLicense", map[string]any{"addLicenses": []any{map[string]any{"skuId": e3}}, "removeLicenses": []any{}}), http.StatusOK)
	c.want(c.do(http.MethodPut, "/users/"+ada+"/manager/$ref", c.ref(bob)), http.StatusNoContent)
	session, err := c.sim.SignIn(ada, password)
	require.NoError(t, err)
	c.want(c.do(http.MethodDelete, "/users/"+bob, nil), http.StatusNoContent)
	c.want(c.do(http.MethodDelete, "/users/"+cyd, nil), http.StatusNoContent)
	c.want(c.do(http.MethodDelete, "/directory/deletedItems/"+cyd, nil), http.StatusNoContent)
	delta := c.get("/users/delta").text("@odata.deltaLink")
	before, deletions := c.sim.Users(), c.sim.Deletions()
	require.NoError(t, c.sim.Close())
	c.want(c.do(http.MethodPost, "/users", person("eve")), http.StatusInternalServerError)

	again := newClient(t, in)
	again.token = c.token // of before
	require.Equal(t, before, again.sim.Users())
	require.Equal(t, deletions, again.sim.Deletions())
	require.True(t, again.sim.Refresh(session))
	require.Equal(t, sales, again.group("Sales"))
	require.Equal(t, []string{"Sales", "Eng"}, again.get("/users/"+ada+"/transitiveMemberOf").column("displayName"))
	require.InDelta(t, 1, again.get("/subscribedSkus").values()[0]["consumedUnits"], 0)
	again.want(again.get("/directory/deletedItems/"+bob), http.StatusOK)
	again.want(again.get("/directory/deletedItems/"+cyd), http.StatusNotFound)
	require.Equal(t, bob, func() string {
		again.want(again.do(http.MethodPost, "/directory/deletedItems/"+bob+"/restore", nil), http.StatusOK)
		return again.get("/users/" + ada + "/manager").text("id")
	}())
	out := again.get(delta)
	if next := out.text("@odata.nextLink"); next != "" {
		out = again.get(next)
	}
	require.Equal(t, []string{bob}, out.column("id"), "only what changed since")
	again.want(again.do(http.MethodPost, "/users", person("ada")), http.StatusBadRequest)
}

// TestKilledProcessLosesNothingAnswered runs itself as a process that creates users, tells of each that was answered,
// and is killed in the middle.
func TestKilledProcessLosesNothingAnswered(t *testing.T) {
	t.Parallel()
	const variable = "ENTRA_SIMULATOR_TEST_FOLDER"
	in := func(folder string) func(*simulator.Options) { return func(o *simulator.Options) { o.Folder = folder } }
	if folder := os.Getenv(variable); folder != "" {
		c := newClient(t, in(folder))
		for i := 0; ; i++ {
			c.join(c.group("Sales"), c.create(person(fmt.Sprintf("u%d", i))))
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
	members := 0
	for _, u := range newClient(t, in(folder)).sim.Users() {
		members += len(u.Groups)
	}
	require.GreaterOrEqual(t, members, answered)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func BenchmarkJoin(b *testing.B) {
	c := newClient(b, func(o *simulator.Options) { o.Folder = b.TempDir() })
	sales := c.group("Sales")
	for i := range 10_000 {
		c.join(sales, c.create(person(fmt.Sprintf("u%d", i))))
	}
	b.ResetTimer()
	for i := range b.N {
		c.join(sales, c.create(person(fmt.Sprintf("v%d", i))))
	}
	b.ReportMetric(float64(2*b.N)/b.Elapsed().Seconds(), "writes/s")
}
