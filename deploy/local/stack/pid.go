package stack

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// birth identifies a process beyond the reuse of its pid: the machine's boot and the process's start in clock ticks
// since (proc(5), field 22 of stat).
func birth(pid int) (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	fields, err := procStat(pid)
	if err != nil {
		return "", err
	}
	return fields[21-2] + " " + strings.TrimSpace(string(boot)), nil
}

// procStat is the fields of /proc/<pid>/stat from the third on: state, parent, …. The second may hold spaces.
func procStat(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return nil, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields)+2)
	}
	return fields, nil
}

func writePID(path string, pid int) error {
	born, err := birth(pid)
	if errors.Is(err, os.ErrNotExist) {
		return nil // it has ended already; Exited tells
	}
	if err != nil {
		return err
	}
	return WriteFile(path, fmt.Appendf(nil, "%d %s\n", pid, born), 0o600)
}

// RecordSelf writes this process's pid to a file that Alive and Reap read.
func RecordSelf(path string) error { return writePID(path, os.Getpid()) }

// Alive is the pid in the file when that very process still runs; 0 otherwise.
func Alive(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	number, born, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	pid, err := strconv.Atoi(number)
	if err != nil || pid <= 1 {
		return 0
	}
	if now, err := birth(pid); err != nil || now != born {
		return 0
	}
	if fields, err := procStat(pid); err != nil || fields[0] == "Z" {
		return 0
	}
	return pid
}

// Reap ends the processes that an earlier, killed parent left behind in dir, and returns their names.
func Reap(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.pid"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range files {
		if pid := Alive(file); pid != 0 && pid != os.Getpid() {
			killTree(pid)
			if !waitGone(file, 10*time.Second) {
				return names, fmt.Errorf("process %d of an earlier run (%s) does not end: end it by hand", pid, file)
			}
			names = append(names, strings.TrimSuffix(filepath.Base(file), ".pid"))
		}
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return names, err
		}
	}
	return names, nil
}

// waitGone waits until the process of a pid file has ended.
func waitGone(file string, atMost time.Duration) bool {
	for deadline := time.Now().Add(atMost); Alive(file) != 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// Terminate asks the process of a pid file to end and waits. It reports whether there was one.
func Terminate(file string, atMost time.Duration) (bool, error) {
	pid := Alive(file)
	if pid == 0 {
		return false, nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return true, fmt.Errorf("end process %d: %w", pid, err)
	}
	if !waitGone(file, atMost) {
		return true, fmt.Errorf("process %d did not end within %s", pid, atMost)
	}
	return true, nil
}

// killTree kills a process, its group and its descendants. Postgres needs the last: its children make groups of their
// own, and a new server refuses to start while one of them holds the old shared memory. The parent is stopped before they
// are looked for: else it could start another that nobody sees.
func killTree(pid int) {
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline) && !stopped(pid); time.Sleep(time.Millisecond) {
	}
	descendants := descendantsOf(pid)
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for child, born := range descendants {
		if now, err := birth(child); err == nil && now == born {
			_ = syscall.Kill(child, syscall.SIGKILL)
		}
	}
	for child, born := range descendants {
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if now, err := birth(child); err != nil || now != born || zombie(child) {
				break
			}
		}
	}
}

// stopped reports whether the process runs no more; one that is gone does not either.
func stopped(pid int) bool {
	fields, err := procStat(pid)
	return err != nil || fields[0] == "T" || fields[0] == "Z"
}

func zombie(pid int) bool {
	fields, err := procStat(pid)
	return err != nil || fields[0] == "Z"
}

// descendantsOf maps each descendant's pid to its birth.
func descendantsOf(root int) map[int]string {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if fields, err := procStat(pid); err == nil {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], pid)
		}
	}
	found := map[int]string{}
	for queue := children[root]; len(queue) > 0; queue = queue[1:] {
		if born, err := birth(queue[0]); err == nil {
			found[queue[0]] = born
		}
		queue = append(queue, children[queue[0]]...)
	}
	return found
}
