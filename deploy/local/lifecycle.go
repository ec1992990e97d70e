package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tenurehq/tenure/deploy/local/stack"
)

// superviseRun is the hidden command of the process that keeps the stack in the background.
const superviseRun = "supervise"

// readyFile is there while the stack in dir can be used.
func readyFile(dir string) string { return filepath.Join(dir, "ready") }

// makeRunDir makes the folder of the state, with a mark that lets `clean` delete it. It refuses a folder that holds
// something else.
func makeRunDir(config Config) error {
	if err := os.MkdirAll(config.RunDir, 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(mark(config)); err == nil {
		return nil
	}
	entries, err := os.ReadDir(config.RunDir)
	if err != nil {
		return err
	}
	if len(entries) > 0 && config.RunDir != filepath.Join(config.Root, ".run") {
		return fmt.Errorf("TENURE_RUN_DIR %s holds other files: name a new folder or an empty one", config.RunDir)
	}
	return os.WriteFile(mark(config), []byte("State of a local Tenure stack. `make clean` deletes this folder.\n"), 0o644)
}

func mark(config Config) string { return filepath.Join(config.RunDir, "README") }

// up starts the stack in the background, unless it runs, and returns when it is ready.
func up(ctx context.Context, config Config) error {
	if stack.Alive(supervisorFile(config.RunDir)) == 0 {
		return detach(ctx, config, superviseRun, filepath.Join(config.RunDir, "run.log"))
	}
	for { // it runs, or another is starting it
		if _, err := os.Stat(readyFile(config.RunDir)); err == nil {
			fmt.Println("running already")
			return nil
		}
		if stack.Alive(supervisorFile(config.RunDir)) == 0 {
			return fmt.Errorf("the stack did not start: see %s", filepath.Join(config.RunDir, "run.log"))
		}
		select {
		case <-ctx.Done():
			return errors.New("interrupted")
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// down ends the stack, and what a killed supervisor left of it.
func down(config Config) error {
	ran, err := endSupervisor(config.RunDir)
	if err != nil {
		return err
	}
	left, err := stack.Reap(filepath.Join(config.RunDir, "services"))
	if err != nil {
		return err
	}
	_ = os.Remove(readyFile(config.RunDir))
	switch {
	case len(left) > 0:
		fmt.Println("ended", strings.Join(left, ", "))
	case ran:
		fmt.Println("stopped")
	default:
		fmt.Println("not running")
	}
	return nil
}

// clean ends everything of this folder and deletes it.
func clean(config Config) error {
	if err := errors.Join(down(config), stopTest(config)); err != nil {
		return err
	}
	if _, err := os.Stat(mark(config)); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil // never used, or not ours
		}
		return err
	}
	locks, err := filepath.Glob(filepath.Join(config.RunDir, "test*.lock"))
	if err != nil {
		return err
	}
	for _, lock := range locks {
		if err := cleanTest(strings.TrimSuffix(lock, ".lock")); err != nil {
			return err
		}
	}
	return removeState(config.RunDir)
}

// cleanTest deletes a test stack's folder, unless one runs in it.
func cleanTest(dir string) error {
	unlock, err := stack.Lock(dir+".lock", false)
	if err != nil {
		return err
	}
	if unlock == nil {
		return fmt.Errorf("tests run in %s: wait for them to end", dir)
	}
	defer unlock()
	return removeState(dir)
}

// status prints what runs. Its error says that nothing does.
func status(config Config) error {
	pid := stack.Alive(supervisorFile(config.RunDir))
	if pid == 0 {
		return errors.New("not running: `make up` or `make run` starts the stack")
	}
	state := "ready"
	if _, err := os.Stat(readyFile(config.RunDir)); err != nil {
		state = "starting or stopping"
	}
	fmt.Printf("%-16s %7d  %s\n", "supervisor", pid, state)
	files, err := filepath.Glob(filepath.Join(config.RunDir, "services", "*.pid"))
	if err != nil {
		return err
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".pid")
		if pid := stack.Alive(file); pid != 0 {
			fmt.Printf("%-16s %7d  %s\n", name, pid, strings.TrimSuffix(file, ".pid")+".log")
		}
	}
	return nil
}
