package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tenurehq/tenure/deploy/local/stack"
)

// detachedVariable is set for a supervisor in the background; it says that descriptor 3 waits for the word.
const detachedVariable = "TENURE_LOCAL_DETACHED"

// supervisorFile holds the pid of the process that runs the stack in dir.
func supervisorFile(dir string) string { return filepath.Join(dir, "supervisor.pid") }

// detach starts this program again in the background and returns when that one has called ready, showing meanwhile what
// it writes to its log.
func detach(ctx context.Context, config Config, command, logFile string) error {
	if err := makeRunDir(config); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_TRUNC|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	supervisor := exec.Command(self, command)
	supervisor.Env = append(os.Environ(), detachedVariable+"=1")
	supervisor.Dir, supervisor.Stdout, supervisor.Stderr = config.Root, log, log
	supervisor.ExtraFiles = []*os.File{writer}
	supervisor.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = supervisor.Start()
	writer.Close()
	if err != nil {
		return err
	}
	return follow(ctx, supervisor, reader, log)
}

// follow copies the log to standard error until the supervisor is ready or has ended.
func follow(ctx context.Context, supervisor *exec.Cmd, word, log *os.File) error {
	answer := make(chan bool, 1)
	go func() {
		n, _ := word.Read(make([]byte, 1)) // ends, too, when the supervisor does
		answer <- n > 0
	}()
	shown := io.NewSectionReader(log, 0, 1<<62)
	for {
		select {
		case ok := <-answer:
			_, _ = io.Copy(os.Stderr, shown)
			if !ok {
				return errors.Join(errors.New("the stack did not start"), supervisor.Wait())
			}
			return supervisor.Process.Release()
		case <-ctx.Done():
			_ = supervisor.Process.Signal(syscall.SIGTERM)
			return errors.Join(errors.New("interrupted"), supervisor.Wait())
		case <-time.After(50 * time.Millisecond):
			_, _ = io.Copy(os.Stderr, shown)
		}
	}
}

// keepWord keeps the descriptor that waits for the word from the children, who would hold it open.
func keepWord() {
	if os.Getenv(detachedVariable) != "" {
		syscall.CloseOnExec(3)
	}
}

// ready tells the process that detached this one that the stack can be used.
func ready() {
	if os.Getenv(detachedVariable) == "" {
		return
	}
	word := os.NewFile(3, "ready")
	fmt.Fprintln(word, "ready")
	word.Close()
}

// endSupervisor ends the stack in dir and reports whether one ran.
func endSupervisor(dir string) (bool, error) {
	return stack.Terminate(supervisorFile(dir), 2*time.Minute)
}
