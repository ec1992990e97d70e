package stack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// OldestPostgres is the oldest major version that Tenure runs on.
const OldestPostgres = 15

// ErrNoPostgres is what NewPostgres answers on a machine without the Postgres programs.
var ErrNoPostgres = fmt.Errorf("PostgreSQL %d or newer is not installed: apt-get install postgresql%s", OldestPostgres, elsewhere)

// elsewhere is what helps a machine that cannot have a Postgres. Both are needed: a local Temporal keeps its data in a local
// Postgres.
const elsewhere = "; or set DATABASE_URL and TEMPORAL_ADDRESS to ones that run elsewhere, which `make run` then uses"

// PostgresConfig says where a private Postgres lives.
type PostgresConfig struct {
	// Dir holds the data folder. When this process is root, Postgres runs as the user postgres, who must be able to
	// reach it (Reachable).
	Dir string
	// StateDir receives the log and the pid file.
	StateDir string
	// Port on the loopback.
	Port int
	// Secret is the superuser's password, and what Password derives the roles' passwords from.
	Secret string
	// Volatile leaves commits to the operating system, which is enough for a server whose data nobody needs once the machine
	// stops. What they mean while it runs is the same.
	Volatile bool
}

// Postgres is a private Postgres server on the loopback. Commits are durable, as in production, unless it is volatile.
type Postgres struct {
	config     PostgresConfig
	bin        string
	credential *syscall.Credential
	process    *Process
}

// NewPostgres makes the data folder when there is none. It does not start the server.
func NewPostgres(ctx context.Context, config PostgresConfig) (*Postgres, error) {
	bin, err := PostgresBin(ctx)
	if err != nil {
		return nil, err
	}
	credential, err := PostgresUser()
	if err != nil {
		return nil, err
	}
	p := &Postgres{config: config, bin: bin, credential: credential}
	if err := p.makeFolder(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(p.dataDir(), "PG_VERSION")); errors.Is(err, os.ErrNotExist) {
		return p, p.initialize(ctx)
	}
	return p, p.dropStalePID()
}

// PostgresBin is the folder of the Postgres programs: the newest of Debian's, else that of pg_ctl in PATH. Its error is
// ErrNoPostgres when there is none, and another when there are only some that are too old.
func PostgresBin(ctx context.Context) (string, error) { return postgresBin(ctx, "/usr/lib/postgresql") }

// postgresBin looks in a folder like Debian's, which has one of each version, and in PATH.
func postgresBin(ctx context.Context, debian string) (string, error) {
	found, _ := filepath.Glob(filepath.Join(debian, "*", "bin", "pg_ctl"))
	sort.Slice(found, func(i, j int) bool { return debianVersion(found[i]) > debianVersion(found[j]) })
	if path, err := exec.LookPath("pg_ctl"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return "", err
		}
		if !slices.Contains(found, path) {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		return "", ErrNoPostgres
	}
	var old []string
	for _, program := range found {
		version, err := postgresVersion(ctx, program)
		if err != nil {
			return "", err
		}
		if version >= OldestPostgres {
			return filepath.Dir(program), nil
		}
		old = append(old, fmt.Sprintf("%d in %s", version, filepath.Dir(program)))
	}
	return "", fmt.Errorf("PostgreSQL is too old (%s): install %d or newer (https://www.postgresql.org/download)%s",
		strings.Join(old, ", "), OldestPostgres, elsewhere)
}

// postgresVersion is the major version of a pg_ctl.
func postgresVersion(ctx context.Context, program string) (version int, err error) {
	output, err := exec.CommandContext(ctx, program, "--version").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s --version: %w\n%s", program, err, output)
	}
	if _, err := fmt.Sscanf(string(output), "pg_ctl (PostgreSQL) %d", &version); err != nil {
		return 0, fmt.Errorf("%s --version answers %q", program, output)
	}
	return version, nil
}

// debianVersion is 15 for /usr/lib/postgresql/15/bin/pg_ctl, 0 for what is no number.
func debianVersion(path string) int {
	version, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return version
}

// PostgresUser is whom Postgres runs as: nil for this process's user; the user postgres when that is root, since
// Postgres refuses root.
func PostgresUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // as exec has it: no credential is this process's own
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("postgres refuses to run as root, and there is no user postgres to run it as: "+
			"make one (adduser --system --group postgres), or be another user than root: %w", err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (p *Postgres) dataDir() string { return filepath.Join(p.config.Dir, "data") }

func (p *Postgres) makeFolder() error {
	if err := os.MkdirAll(p.config.Dir, 0o755); err != nil {
		return err
	}
	if p.credential == nil {
		return nil
	}
	if err := os.Chown(p.config.Dir, int(p.credential.Uid), int(p.credential.Gid)); err != nil {
		return err
	}
	if !Reachable(p.config.Dir, p.credential) {
		return fmt.Errorf("the user postgres cannot reach %s: a folder on the way is closed to others", p.config.Dir)
	}
	return nil
}

// initialize makes the data folder in a neighbour and renames it, so that an interrupted run leaves no half of one.
func (p *Postgres) initialize(ctx context.Context) error {
	fresh, passwordFile := p.dataDir()+".new", filepath.Join(p.config.Dir, "password")
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	defer os.Remove(passwordFile)
	if err := WriteFile(passwordFile, []byte(p.config.Secret+"\n"), 0o600); err != nil {
		return err
	}
	if p.credential != nil {
		if err := os.Chown(passwordFile, int(p.credential.Uid), int(p.credential.Gid)); err != nil {
			return err
		}
	}
	initdb := exec.CommandContext(ctx, filepath.Join(p.bin, "initdb"), "--pgdata", fresh, "--username", "postgres",
		"--pwfile", passwordFile, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8")
	initdb.Dir = p.config.Dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: p.credential}
	if output, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, output)
	}
	return os.Rename(fresh, p.dataDir())
}

// dropStalePID removes the lock file of a server that was killed when its pid has gone to a process that is none:
// Postgres would take that process for itself and refuse to start.
func (p *Postgres) dropStalePID() error {
	file := filepath.Join(p.dataDir(), "postmaster.pid")
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var pid int
	_, _ = fmt.Sscan(string(text), &pid)
	if program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && filepath.Base(program) == "postgres" {
		return nil
	}
	return os.Remove(file)
}

// Start starts the server and waits until it takes connections.
func (p *Postgres) Start(ctx context.Context) error {
	settings := map[string]string{
		"listen_addresses":        Loopback,
		"port":                    strconv.Itoa(p.config.Port),
		"unix_socket_directories": "", // TCP only: a socket's path is limited to 107 bytes, and checkouts lie deep
		"max_connections":         "400",
		"shared_buffers":          "256MB",
		"max_wal_size":            "2GB",
		"fsync":                   "on",
		"synchronous_commit":      "on",
		"jit":                     "off", // of no use to short queries
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		// Neither statements nor the values in an error's detail go to the log: they may name people.
		"log_error_verbosity":                 "terse",
		"log_min_error_statement":             "panic",
		"log_parameter_max_length_on_error":   "0",
		"idle_in_transaction_session_timeout": "10min",
	}
	if p.config.Volatile {
		for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
			settings[name] = "off"
		}
		settings["max_wal_size"] = "4GB"
	}
	args := []string{"-D", p.dataDir()}
	for name, value := range settings {
		args = append(args, "--"+name+"="+value)
	}
	sort.Strings(args[2:])
	process, err := Start(Spec{
		Name: "postgres", Path: filepath.Join(p.bin, "postgres"), Args: args,
		Env: []string{"LC_ALL=C.UTF-8", "PATH=" + os.Getenv("PATH")}, Dir: p.config.StateDir, Credential: p.credential,
		StopSignal: syscall.SIGINT, // fast shutdown: ends connections, writes a checkpoint
	})
	if err != nil {
		return err
	}
	p.process = process
	return p.process.await(ctx, 60*time.Second, func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, p.AdminURL())
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	})
}

// Process is the running server.
func (p *Postgres) Process() *Process { return p.process }

// Address is host:port.
func (p *Postgres) Address() string { return address(p.config.Port) }

// AdminURL is the superuser's connection string.
func (p *Postgres) AdminURL() string { return p.url("postgres", p.config.Secret, "postgres") }

// RoleURL is the connection string of a role that EnsureRoles made.
func (p *Postgres) RoleURL(role, database string) string {
	return p.url(role, Password(p.config.Secret, role), database)
}

func (p *Postgres) url(role, password, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(role, password), Host: p.Address(), Path: "/" + database,
		RawQuery: "sslmode=disable"}
	return u.String()
}

// Stop shuts the server down, if it runs.
func (p *Postgres) Stop() {
	if p.process != nil {
		p.process.Stop()
	}
}

// Kill ends the server and all its processes with SIGKILL, and returns when they are gone. Start may follow.
func (p *Postgres) Kill() {
	if p.process != nil {
		p.process.Kill()
	}
}
