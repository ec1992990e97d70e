package stack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Spec says how to run a child process.
type Spec struct {
	Name string   // for people: "temporal"
	Path string   // the program
	Args []string // without the program's name
	Env  []string // the whole environment; nil inherits this process's
	// Dir is the folder that receives <Name>.log and <Name>.pid. It must exist.
	Dir string
	// Credential is the user to run as; nil is this process's.
	Credential *syscall.Credential
	// StopSignal asks for a clean end, and is also sent by the kernel when this process dies. 0 is SIGTERM.
	StopSignal syscall.Signal
	// StopTimeout bounds the clean end; SIGKILL follows. 0 is 10 s.
	StopTimeout time.Duration
}

// Process is a running child in a process group of its own.
type Process struct {
	spec Spec
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; read after done is closed
}

// startThread starts every child from one operating system thread that lives as long as this process: the kernel sends
// PDEATHSIG when the thread that forked ends, not the process, and Go ends threads as it likes.
var startThread = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// Start starts the child. Its output goes to <Dir>/<Name>.log, with that of the previous start kept as .log.old.
func Start(spec Spec) (*Process, error) {
	if spec.StopSignal == 0 {
		spec.StopSignal = syscall.SIGTERM
	}
	if spec.StopTimeout == 0 {
		spec.StopTimeout = 10 * time.Second
	}
	p := &Process{spec: spec, done: make(chan struct{})}
	if err := os.Rename(p.LogFile(), p.LogFile()+".old"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("keep the previous log of %s: %w", spec.Name, err)
	}
	logFile, err := os.OpenFile(p.LogFile(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", spec.Name, err)
	}
	defer logFile.Close() // the child has its own copy
	p.cmd = exec.Command(spec.Path, spec.Args...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = spec.Env, logFile, logFile, "/"
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: spec.Credential, Pdeathsig: spec.StopSignal}

	started := make(chan error)
	startThread() <- func() { started <- p.cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if err := writePID(p.pidFile(), p.cmd.Process.Pid); err != nil {
		p.Kill()
		return nil, fmt.Errorf("write the pid of %s: %w", spec.Name, err)
	}
	return p, nil
}

// Name is the child's name.
func (p *Process) Name() string { return p.spec.Name }

// PID is the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// LogFile is where the child's output goes.
func (p *Process) LogFile() string { return filepath.Join(p.spec.Dir, p.spec.Name+".log") }

func (p *Process) pidFile() string { return filepath.Join(p.spec.Dir, p.spec.Name+".pid") }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exited describes how the child ended, with the last 20 lines it wrote; nil while it runs.
func (p *Process) Exited() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	how := "exited with status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	return fmt.Errorf("%s ended (%s); the end of %s:\n%s", p.spec.Name, how, p.LogFile(), Tail(p.LogFile(), 20))
}

// Stop asks the child to end, kills it when it has not after StopTimeout, and returns when it is gone.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(p.spec.StopSignal)
	select {
	case <-p.done:
	case <-time.After(p.spec.StopTimeout):
	}
	p.Kill() // also what the child may have left in its group
}

// Kill ends the child and all its descendants with SIGKILL and returns when they are gone.
func (p *Process) Kill() {
	select {
	case <-p.done: // its pid may be another's by now; its group is not, while anything is left in it
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	default:
		killTree(p.PID())
		<-p.done
	}
	_ = os.Remove(p.pidFile())
}

// Tail is the last lines of a file, at most 64 KiB of it; empty when it cannot be read.
func Tail(path string, lines int) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	const most = 64 << 10
	if info, err := f.Stat(); err == nil && info.Size() > most {
		_, _ = f.Seek(-most, io.SeekEnd)
	}
	text, _ := io.ReadAll(f)
	all := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return string(bytes.Join(all, []byte("\n")))
}
