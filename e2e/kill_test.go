package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/internal/testkit"
)

// killsVariable says how many processes the tests of kills kill; `make soak` sets 100.
const killsVariable = "TENURE_KILLS"

func killsOr(otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(killsVariable)); err == nil {
		return n
	}
	return otherwise
}

// victim is what can be killed and comes back.
type victim struct {
	name string
	kill func()
}

// victims are the whole of a deployment.
func victims(t *testing.T, api, worker *program, temporal *testkit.PrivateTemporal, pg *testkit.PrivatePostgres) []victim {
	t.Helper()
	return []victim{
		{"api", api.restart},
		{"worker", worker.restart},
		{"temporal", func() { temporal.Kill(); require.NoError(t, temporal.Start(t.Context())) }},
		{"postgres", func() { pg.Kill(); require.NoError(t, pg.Start(t.Context())) }},
	}
}

// drawn are so many victims in random order, each of them once at least if there is room.
func drawn(random *rand.Rand, from []victim, n int) []victim {
	order := make([]victim, 0, n)
	for len(order) < n {
		for _, i := range random.Perm(len(from)) {
			order = append(order, from[i])
		}
	}
	order = order[:n]
	random.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

// program is one of Tenure's processes, as production runs it.
type program struct {
	t       testing.TB
	binary  string
	command string
	env     []string
	mu      sync.Mutex
	running *exec.Cmd
	log     *os.File
}

func (p *program) start() {
	p.t.Helper()
	cmd := exec.Command(p.binary, p.command)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, p.log, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(p.t, cmd.Start())
	p.mu.Lock()
	p.running = cmd
	p.mu.Unlock()
}

// kill ends the process as kill -9 does, at whatever it is doing.
func (p *program) kill() {
	p.mu.Lock()
	cmd := p.running
	p.mu.Unlock()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// restart kills the process and starts another.
func (p *program) restart() {
	p.kill()
	p.start()
}

// buildTenure builds the binary, once for all tests.
func buildTenure(t *testing.T) string {
	t.Helper()
	binary, err := tenure()
	require.NoError(t, err)
	return binary
}

// tenure is the binary; TestMain removes its folder.
var tenure = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(binaries, "tenure")
	if output, err := exec.Command("go", "build", "-o", binary, "../cmd/tenure").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build tenure: %w\n%s", err, output)
	}
	return binary, nil
})
