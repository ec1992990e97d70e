package e2e

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/tenurehq/tenure/internal/apiclient"
	"github.com/tenurehq/tenure/internal/lifecycle"
	"github.com/tenurehq/tenure/internal/store"
	"github.com/tenurehq/tenure/internal/testkit"
)

// deployment is Tenure as production runs it: the API and the worker, each a process of its own, for one organization.
type deployment struct {
	*world
	binary      string
	listen      string
	env         []string
	hr          *apiclient.Client
	api, worker *program
}

// newDeployment makes the organization, with the environment of its processes. begin starts them.
func newDeployment(t *testing.T, db testkit.Database, temporalAddress, org string) *deployment {
	t.Helper()
	d := &deployment{binary: buildTenure(t), listen: freeAddress(t),
		world: &world{t: t, org: org, db: db, systems: map[string]system{}, queue: "q-" + uuid.NewString()}}
	var err error
	d.store, err = store.Open(t.Context(), store.Options{URL: db.Serve})
	require.NoError(t, err)
	t.Cleanup(d.store.Close)
	d.service = lifecycle.New(d.store, lifecycle.Options{Woken: func() {}})
	d.temporal, err = client.Dial(client.Options{HostPort: temporalAddress, Namespace: testkit.TemporalNamespace, Logger: quietly()})
	require.NoError(t, err)
	t.Cleanup(d.temporal.Close)
	require.NoError(t, d.store.CreateOrganization(t.Context(), org, org))
	d.env = append(os.Environ(), "DATABASE_URL="+db.Serve, "TEMPORAL_ADDRESS="+temporalAddress, "TEMPORAL_NAMESPACE="+testkit.TemporalNamespace,
		"TENURE_LISTEN="+d.listen, "TENURE_URL=http://"+d.listen, "TENURE_SWEEP_INTERVAL=1s", "TENURE_TASK_QUEUE="+d.queue, "TENURE_RUN_DIR="+t.TempDir(),
		"TENURE_ADMIN_TOKEN="+d.newToken("admin"), "TENURE_HR_TOKEN="+d.newToken("hr"))
	d.hr = apiclient.New("http://"+d.listen, d.newToken("hr"))
	return d
}

func (d *deployment) newToken(scope string) string {
	d.t.Helper()
	token, _, err := d.store.CreateToken(d.t.Context(), d.org, "test", []string{scope}, time.Now().Add(time.Hour))
	require.NoError(d.t, err)
	return token
}

// begin starts the processes and waits for the API.
func (d *deployment) begin() {
	d.t.Helper()
	d.api, d.worker = d.run("api"), d.run("worker")
	d.awaitAPI()
}

// awaitAPI returns when the API listens.
func (d *deployment) awaitAPI() {
	d.t.Helper()
	d.eventually("the API listens", func() bool {
		connection, err := net.Dial("tcp", d.listen)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	})
}

// run starts one of Tenure's processes, until the end of the test.
func (d *deployment) run(command string) *program {
	d.t.Helper()
	log, err := os.Create(filepath.Join(d.t.TempDir(), command))
	require.NoError(d.t, err)
	p := &program{t: d.t, binary: d.binary, command: command, env: d.env, log: log}
	p.start()
	d.t.Cleanup(func() {
		p.kill()
		if text, err := os.ReadFile(log.Name()); err == nil && d.t.Failed() {
			d.t.Logf("log of %s:\n%s", command, text[max(0, len(text)-4000):])
		}
	})
	return p
}

// freeAddress is an address of the loopback that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
