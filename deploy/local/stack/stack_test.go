package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shell runs a script as a child in dir.
func shell(t *testing.T, dir, name, script string, timeout time.Duration) *Process {
	t.Helper()
	p, err := Start(Spec{Name: name, Path: "/bin/sh", Args: []string{"-c", script}, Dir: dir, StopTimeout: timeout})
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	return p
}

// says waits until the child's log holds a text.
func says(t *testing.T, p *Process, text string) {
	t.Helper()
	require.NoError(t, p.await(t.Context(), 10*time.Second, func(context.Context) error {
		if log := Tail(p.LogFile(), 100); !strings.Contains(log, text) {
			return fmt.Errorf("the log is %q", log)
		}
		return nil
	}))
}

func TestStopAsksFirst(t *testing.T) {
	t.Parallel()
	p := shell(t, t.TempDir(), "polite", `trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done`, time.Minute)
	says(t, p, "up")
	require.NoError(t, p.Exited(), "it runs")
	p.Stop()
	require.Equal(t, "up\nbye", Tail(p.LogFile(), 9))
	require.ErrorContains(t, p.Exited(), "polite ended (exited with status 0)")
}

func TestStopKillsWhatDoesNotListen(t *testing.T) {
	t.Parallel()
	p := shell(t, t.TempDir(), "deaf", `trap '' TERM; echo up; while :; do sleep 0.01; done`, 50*time.Millisecond)
	says(t, p, "up")
	p.Stop()
	require.ErrorContains(t, p.Exited(), "deaf ended (signal: killed)")
}

func TestKillReachesDescendantsInOtherGroups(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := shell(t, dir, "parent", `setsid sh -c 'echo $$; exec sleep 1000' & wait`, time.Minute)
	var child int
	require.NoError(t, p.await(t.Context(), 10*time.Second, func(context.Context) error {
		_, err := fmt.Sscan(Tail(p.LogFile(), 1), &child)
		return err
	}))
	file := filepath.Join(dir, "child")
	require.NoError(t, writePID(file, child))
	require.Equal(t, child, Alive(file))
	p.Kill()
	require.Zero(t, Alive(file))
}

func TestAnExitIsReportedWithTheEndOfTheLog(t *testing.T) {
	t.Parallel()
	p := shell(t, t.TempDir(), "broken", `seq 100; exit 3`, time.Minute)
	err := p.await(t.Context(), time.Minute, func(context.Context) error { return errors.New("not ready") })
	require.ErrorContains(t, err, "broken ended (exit status 3)")
	require.True(t, strings.HasSuffix(err.Error(), ":\n81\n82\n83\n84\n85\n86\n87\n88\n89\n90\n91\n92\n93\n94\n95\n96\n97\n98\n99\n100"), err)
}

func TestAwaitEndsInTime(t *testing.T) {
	t.Parallel()
	p := shell(t, t.TempDir(), "slow", `exec sleep 1000`, time.Minute)
	err := p.await(t.Context(), 20*time.Millisecond, func(context.Context) error { return errors.New("not yet up") })
	require.ErrorContains(t, err, "slow is not ready after 20ms: not yet up")
}

func TestThePreviousLogIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, word := range []string{"first", "second"} {
		<-shell(t, dir, "log", "echo "+word, time.Minute).Done()
	}
	require.Equal(t, "second", Tail(filepath.Join(dir, "log.log"), 9))
	require.Equal(t, "first", Tail(filepath.Join(dir, "log.log.old"), 9))
}

// orphan starts a process that this package knows only by its pid file, as after a kill -9 of the supervisor.
func orphan(t *testing.T, file string) *exec.Cmd {
	t.Helper()
	command := exec.Command("sleep", "1000")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, command.Start())
	ended := make(chan struct{})
	go func() { _ = command.Wait(); close(ended) }()
	t.Cleanup(func() { _ = command.Process.Kill(); <-ended })
	require.NoError(t, writePID(file, command.Process.Pid))
	return command
}

func TestReapEndsWhatAKilledSupervisorLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "temporal.pid")
	orphan(t, file)
	names, err := Reap(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"temporal"}, names)
	require.NoFileExists(t, file)
	names, err = Reap(dir)
	require.NoError(t, err)
	require.Empty(t, names)
}

func TestReapSparesAStrangerWhoGotThePid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, witness := filepath.Join(dir, "temporal.pid"), filepath.Join(t.TempDir(), "witness")
	pid := orphan(t, witness).Process.Pid
	born, err := birth(pid)
	require.NoError(t, err)
	for _, text := range []string{
		fmt.Sprintf("%d 1%s\n", pid, born), // the same pid, started at another time
		fmt.Sprintf("%d\n", pid),
		"1 x\n", "-1 x\n", "x\n", "",
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		require.Zero(t, Alive(file), text)
		names, err := Reap(dir)
		require.NoError(t, err)
		require.Empty(t, names, text)
		require.Equal(t, pid, Alive(witness), text)
	}
}

func TestTerminate(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.pid")
	ran, err := Terminate(file, time.Second)
	require.NoError(t, err)
	require.False(t, ran)
	orphan(t, file)
	ran, err = Terminate(file, time.Minute)
	require.NoError(t, err)
	require.True(t, ran)
	require.Zero(t, Alive(file))
}

func TestFreePortsAreGivenOnce(t *testing.T) {
	t.Parallel()
	const callers, each = 8, 20
	results := make(chan []int, callers)
	for range callers {
		go func() {
			ports, err := FreePorts(each)
			if err != nil {
				t.Error(err)
			}
			results <- ports
		}()
	}
	seen := map[int]bool{}
	for range callers {
		for _, port := range <-results {
			require.False(t, seen[port], "port %d was given twice", port)
			require.Less(t, port, 1<<15, "Temporal keeps members' ports in 16 signed bits")
			seen[port] = true
		}
	}
	require.Len(t, seen, callers*each)
}

func TestLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(path, false)
	require.NoError(t, err)
	require.NotNil(t, unlock)
	second, err := Lock(path, false)
	require.NoError(t, err)
	require.Nil(t, second, "taken twice")
	unlock()
	third, err := Lock(path, true)
	require.NoError(t, err)
	third()
}

func TestSecret(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	first, err := Secret(path)
	require.NoError(t, err)
	require.Len(t, first, 64)
	again, err := Secret(path)
	require.NoError(t, err)
	require.Equal(t, first, again)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NotEqual(t, Password(first, "a"), Password(first, "b"))
	require.Regexp(t, "^[0-9a-f]{40}$", Password(first, "a"), "it stands in SQL between quotes")
}

func TestReachable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	closed := filepath.Join(dir, "closed")
	require.NoError(t, os.Mkdir(closed, 0o700))
	stranger := &syscall.Credential{Uid: 4_000_000_000, Gid: 4_000_000_000}
	self := &syscall.Credential{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}
	require.False(t, Reachable(filepath.Join(closed, "not", "there", "yet"), stranger))
	require.True(t, Reachable(closed, self))
	require.True(t, Reachable(closed, nil))
	require.True(t, Reachable("/", stranger))
}

func TestLoginURL(t *testing.T) {
	t.Parallel()
	const admin = "postgres://postgres:se%2Fcret@h:1/postgres?sslmode=disable"
	require.Equal(t, "postgres://role:p%2Fw@h:1/db?sslmode=disable", LoginURL(admin, "role", "p/w", "db"))
	require.Equal(t, "postgres://postgres:se%2Fcret@h:1/db?sslmode=disable", LoginURL(admin, "", "", "db"))
	secret, err := SecretOf(admin)
	require.NoError(t, err)
	require.Equal(t, "se/cret", secret)
	_, err = SecretOf("postgres://u:hunter2@h:port/")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}

func TestWithoutTemporal(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"PATH=/bin", "TENURE_URL=x"},
		WithoutTemporal([]string{"PATH=/bin", "TEMPORAL_API_KEY=k", "TENURE_URL=x", "TEMPORAL_ADDRESS=a"}))
}

func TestWriteFileReplacesAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	require.NoError(t, WriteFile(path, []byte("one"), 0o600))
	require.NoError(t, WriteFile(path, []byte("two"), 0o640))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "two", string(text))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "something was left beside it")
}
