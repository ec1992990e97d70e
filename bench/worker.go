package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// buildTenure builds the program into a folder of its own, and answers how to remove that.
func buildTenure(ctx context.Context) (binary string, remove func(), err error) {
	folder, err := os.MkdirTemp("", "tenure-bench-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(folder) }
	binary = filepath.Join(folder, "tenure")
	step("building tenure")
	command := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/tenure") //nolint:gosec // a folder that was just made
	if output, err := command.CombinedOutput(); err != nil {
		remove()
		return "", nil, fmt.Errorf("build tenure: %w: %s", err, output)
	}
	return binary, remove, nil
}

// workerProcess is `tenure worker`.
type workerProcess struct {
	command *exec.Cmd
	log     *os.File
	ended   chan error
}

// startWorker starts the worker of a product whose API is in this process.
func startWorker(binary string, s *servers, db database, queue string) (*workerProcess, error) {
	log, err := os.Create(binary + "." + queue + ".log") //nolint:gosec // in the folder of the program
	if err != nil {
		return nil, err
	}
	w := &workerProcess{command: exec.Command(binary, "worker"), log: log, ended: make(chan error, 1)} //nolint:noctx // it is asked to stop, not killed
	w.command.Env = append(os.Environ(), "DATABASE_URL="+db.serve, "TEMPORAL_ADDRESS="+s.options.HostPort, "TEMPORAL_NAMESPACE="+s.options.Namespace,
		"TENURE_TASK_QUEUE="+queue, "TENURE_LOG_LEVEL=warn", "TENURE_WORKER_LISTEN=")
	w.command.Stderr = log
	w.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := w.command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start worker: %w", err), log.Close())
	}
	go func() { w.ended <- w.command.Wait() }()
	return w, nil
}

// workerEnd is how long a worker may take to finish what it has begun.
const workerEnd = time.Minute

// lastWords is how much of its log a worker that failed is quoted with.
const lastWords = 4 << 10

// stop asks the worker to stop and waits until it has.
func (w *workerProcess) stop() error {
	err := w.end()
	if err != nil {
		text, _ := os.ReadFile(w.log.Name())
		err = fmt.Errorf("%w: %s", err, text[max(0, len(text)-lastWords):])
	}
	return errors.Join(err, w.log.Close())
}

func (w *workerProcess) end() error {
	if err := w.command.Process.Signal(syscall.SIGTERM); err != nil {
		return errors.Join(fmt.Errorf("stop worker: %w", err), <-w.ended)
	}
	select {
	case err := <-w.ended:
		return err
	case <-time.After(workerEnd):
		return errors.Join(fmt.Errorf("the worker did not stop within %s", workerEnd), w.command.Process.Kill(), <-w.ended)
	}
}
