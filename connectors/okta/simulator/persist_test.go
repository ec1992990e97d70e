package simulator_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors/okta/simulator"
)

func TestReopenKeepsAll(t *testing.T) {
	t.Parallel()
	options := simulator.Options{
		Token: token, Folder: t.TempDir(), ActivationLag: time.Minute, SearchLag: time.Minute, RevocationLag: time.Minute,
		Groups: []simulator.Group{{Name: "Sales"}}, Apps: []simulator.App{{Name: "crm", Label: "CRM"}},
	}
	first := newOrg(t, options)
	id := first.must(http.MethodPost, "/api/v1/users", withPassword(profile("ada"))).body["id"].(string)
	first.clock.pass(time.Minute)
	first.must(http.MethodPut, "/api/v1/groups/"+first.group("Sales")+"/users/"+id, nil)
	app := first.must(http.MethodGet, "/api/v1/apps", nil).list[0]["id"].(string)
	first.must(http.MethodPost, "/api/v1/apps/"+app+"/users", map[string]any{"id": id})
	_, err := first.sim.EnrollFactor(id, "sms")
	require.NoError(t, err)
	session, err := first.sim.SignIn("ada@example.com", password)
	require.NoError(t, err)
	first.must(http.MethodDelete, "/api/v1/users/"+id+"/sessions", nil)
	gone := first.staged("gone")
	first.must(http.MethodDelete, "/api/v1/users/"+gone, nil)
	first.must(http.MethodDelete, "/api/v1/users/"+gone, nil)
	bob := first.staged("bob")
	first.lifecycle(bob, "activate")
	before, read := first.sim.Users(), first.user(id)
	require.NoError(t, first.sim.Close())
	require.Equal(t, 500, first.do(http.MethodPost, "/api/v1/users", map[string]any{"profile": profile("eve")}).status, "closed")

	again := newOrg(t, options)
	again.clock.pass(time.Minute)
	require.Equal(t, before, again.sim.Users())
	require.Equal(t, read, again.user(id))
	require.Len(t, again.query("/api/v1/users", "search", `profile.login eq "ada@example.com"`), 1, "the search has caught up")
	require.True(t, again.sim.SessionAlive(session.ID), "revoked, but not yet")
	require.Equal(t, "STAGED", again.status(bob), "activated, but not yet")
	again.refused(400, "E0000001", http.MethodPost, "/api/v1/users", map[string]any{"profile": profile("ADA")})
	again.clock.pass(time.Minute)
	require.False(t, again.sim.SessionAlive(session.ID))
	require.True(t, again.sim.SessionAlive(session.Token))
	require.Equal(t, "PROVISIONED", again.status(bob))
	cleo := again.staged("cleo")
	require.Equal(t, [][]string{{id}, {bob}, {cleo}}, again.pages("/api/v1/users?limit=1"), "numbers go on where they were")
	again.must(http.MethodPut, "/api/v1/groups/"+again.group("Sales")+"/users/"+cleo, nil)
	require.Equal(t, []string{id, cleo}, ids(again.must(http.MethodGet, "/api/v1/groups/"+again.group("Sales")+"/users", nil).list))
	require.Len(t, again.must(http.MethodGet, "/api/v1/groups", nil).list, 2, "no group twice")
}

// TestKilledProcessLosesNothingAnswered runs itself as a process that creates users, tells the id of each that was
// answered, and is killed in the middle.
func TestKilledProcessLosesNothingAnswered(t *testing.T) {
	t.Parallel()
	const variable = "OKTA_SIMULATOR_TEST_FOLDER"
	if folder := os.Getenv(variable); folder != "" {
		o := newOrg(t, simulator.Options{Folder: folder})
		g := o.group("Sales")
		for i := 0; ; i++ {
			id := o.active(fmt.Sprintf("user.%d", i))
			o.must(http.MethodPut, "/api/v1/groups/"+g+"/users/"+id, nil)
			_, _ = fmt.Fprintf(os.Stdout, "answered %s\n", id)
		}
	}
	folder := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledProcessLosesNothingAnswered$")
	cmd.Env = append(os.Environ(), variable+"="+folder)
	var out bytes.Buffer
	reached := make(chan struct{})
	cmd.Stdout = writerFunc(func(b []byte) (int, error) {
		before := bytes.Count(out.Bytes(), []byte("\n"))
		n, err := out.Write(b)
		if after := bytes.Count(out.Bytes(), []byte("\n")); before < 200 && after >= 200 {
			close(reached)
		}
		return n, err
	})
	require.NoError(t, cmd.Start())
	<-reached
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	found := map[string][]string{}
	for _, u := range newOrg(t, simulator.Options{Folder: folder}).sim.Users() {
		require.Equal(t, "ACTIVE", u.Status)
		found[u.ID] = u.Groups
	}
	for line := range bytes.Lines(out.Bytes()) {
		var id string
		if n, _ := fmt.Sscanf(string(line), "answered %s\n", &id); n == 1 && len(id) == 20 {
			require.Equal(t, []string{"Sales"}, found[id])
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func BenchmarkJoin(b *testing.B) {
	o := newOrg(b, simulator.Options{Folder: b.TempDir()})
	g := o.group("Sales")
	for i := range b.N {
		id := o.active(fmt.Sprintf("user.%d", i))
		o.must(http.MethodPut, "/api/v1/groups/"+g+"/users/"+id, nil)
		require.Len(b, o.query("/api/v1/users", "search", fmt.Sprintf(`profile.login eq "user.%d@example.com"`, i)), 1)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "joiners/s")
}
