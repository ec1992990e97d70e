package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/testkit"
)

// TestWorkerListensAtItsOwnAddress runs `tenure worker` with the environment of an API that listens already. It cannot run
// in parallel: these commands read the environment of the process.
func TestWorkerListensAtItsOwnAddress(t *testing.T) {
	api, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = api.Close() }()
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())
	for name, value := range map[string]string{"DATABASE_URL": migrated(t)["DATABASE_URL"], "TENURE_LISTEN": api.Addr().String(),
		"TENURE_WORKER_LISTEN": address, "TENURE_TASK_QUEUE": "cmd-" + address, "TENURE_LOG_LEVEL": "error",
		"TEMPORAL_ADDRESS": testkit.Temporal(t), "TEMPORAL_NAMESPACE": testkit.TemporalNamespace} {
		t.Setenv(name, value)
	}
	root := newRootCommand(&app{env: environ{}})
	root.SetArgs([]string{"worker"})
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- execute(ctx, root) }()
	get := func(path string) (int, string) {
		response, err := http.Get("http://" + address + path)
		if err != nil {
			return 0, ""
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(body)
	}
	require.Eventually(t, func() bool { status, _ := get("/readyz"); return status == http.StatusOK }, 20*time.Second, 50*time.Millisecond)
	status, text := get("/metrics")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "tenure_relay_room ")
	interrupt()
	require.NoError(t, <-ended)
}

func TestServeRefusesBadAddresses(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://tenure@127.0.0.1:1/tenure")
	t.Setenv("TENURE_WORKER_LISTEN", "8081")
	for _, command := range []string{"serve", "api", "worker"} {
		r := tenure(t, environ{}, command)
		require.Equal(t, 1, r.code)
		require.Contains(t, r.errOut, `TENURE_WORKER_LISTEN is "8081": write it as host:port`)
	}
}
