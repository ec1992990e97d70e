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

	"github.com/tenurehq/tenure/deploy/local/stack"
	"github.com/tenurehq/tenure/internal/testkit/namespace"
)

// superviseTest is the hidden command of the process that keeps a test stack.
const superviseTest = "supervise-test"

// testStack is Postgres and Temporal for tests, on free ports, with a state of its own that starts empty.
type testStack struct {
	engine   *engine
	children *children
	unlock   func()
}

// testFolder is the n-th folder for test stacks; the first is the one that --keep uses.
func testFolder(config Config, n int) string {
	if n == 1 {
		return filepath.Join(config.RunDir, "test")
	}
	return filepath.Join(config.RunDir, fmt.Sprintf("test-%d", n))
}

// lockTestFolder takes the first folder that no other stack uses.
func lockTestFolder(config Config, most int) (dir string, unlock func(), err error) {
	if err := makeRunDir(config); err != nil {
		return "", nil, err
	}
	for n := 1; n <= most; n++ {
		dir = testFolder(config, n)
		if unlock, err = stack.Lock(dir+".lock", false); err != nil || unlock != nil {
			return dir, unlock, err
		}
	}
	return "", nil, fmt.Errorf("%d test stacks run in %s already: wait for one to end", most, config.RunDir)
}

func startTestStack(ctx context.Context, config Config, most int, r report) (*testStack, error) {
	dir, unlock, err := lockTestFolder(config, most)
	if err != nil {
		return nil, err
	}
	s := &testStack{children: newChildren(), unlock: unlock}
	if err := s.start(ctx, config, dir, r); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *testStack) start(ctx context.Context, config Config, dir string, r report) error {
	if _, err := stack.Reap(filepath.Join(dir, "services")); err != nil {
		return err
	}
	if err := removeState(dir); err != nil {
		return err
	}
	var err error
	if s.engine, err = newEngine(dir, r); err != nil {
		return err
	}
	if err := installPostgres(ctx, r, stack.PostgresBin); err != nil {
		return err
	}
	if err := buildTools(ctx, config, r); err != nil {
		return err
	}
	ports, err := stack.FreePorts(2)
	if err != nil {
		return err
	}
	if err := s.engine.startPostgres(ctx, r, s.children, ports[0], config.Volatile); err != nil {
		return err
	}
	if err := s.engine.startTemporal(ctx, r, s.children, config.Bin, ports[1]); err != nil {
		return err
	}
	return r.step("namespace "+namespace.Name, func() error {
		return stack.PrepareNamespace(ctx, s.engine.temporal.Address(), namespace.Name, namespace.SearchAttributes())
	})
}

// environment is what internal/testkit reads.
func (s *testStack) environment(config Config) []envPair {
	return []envPair{
		{"TENURE_TEST_DATABASE_URL", s.engine.postgres.AdminURL()},
		{"TENURE_TEST_TEMPORAL_ADDRESS", s.engine.temporal.Address()},
		{"TENURE_TEST_BIN", config.Bin},
	}
}

func (s *testStack) stop() {
	s.children.stop()
	if s.engine != nil {
		_ = removeState(s.engine.dir) // else the next start does
	}
	s.unlock()
}

// testCommand runs a command beside a test stack.
func testCommand(ctx context.Context, config Config, args []string) error {
	r := newReport()
	s, err := startTestStack(ctx, config, 16, r)
	if err != nil {
		return err
	}
	defer s.stop()
	run := exec.CommandContext(ctx, args[0], args[1:]...)
	run.Stdout, run.Stderr = os.Stdout, os.Stderr
	run.Env = os.Environ()
	for _, pair := range s.environment(config) {
		run.Env = append(run.Env, pair.name+"="+pair.value)
	}
	// A group of its own: go test's children end with it.
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	run.Cancel = func() error { return syscall.Kill(-run.Process.Pid, syscall.SIGINT) }
	run.WaitDelay = 10 * time.Second
	go func() {
		select {
		case <-ctx.Done():
		case p := <-s.children.ended:
			r.linef("%v", p.Exited())
		}
	}()
	err = run.Run()
	if run.Process != nil {
		_ = syscall.Kill(-run.Process.Pid, syscall.SIGKILL)
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}

// keepTest leaves a test stack running in the background and prints how to use it.
func keepTest(ctx context.Context, config Config) error {
	dir := testFolder(config, 1)
	file := filepath.Join(dir, "env")
	if stack.Alive(supervisorFile(dir)) == 0 {
		if err := detach(ctx, config, superviseTest, dir+".log"); err != nil {
			return err
		}
	}
	fmt.Printf(". %s\n", file)
	return nil
}

// superviseTestStack is the background process of keepTest.
func superviseTestStack(ctx context.Context, config Config) error {
	s, err := startTestStack(ctx, config, 1, newReport())
	if err != nil {
		return err
	}
	defer s.stop()
	if err := stack.RecordSelf(supervisorFile(s.engine.dir)); err != nil {
		return err
	}
	file := filepath.Join(s.engine.dir, "env")
	if err := writeEnv(file, "export ", s.environment(config)); err != nil {
		return err
	}
	ready()
	select {
	case <-ctx.Done():
		return nil
	case p := <-s.children.ended:
		return p.Exited()
	}
}

func stopTest(config Config) error {
	_, err := stack.Terminate(supervisorFile(testFolder(config, 1)), time.Minute)
	return err
}
