package stack

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"
)

const (
	temporalDB   = "temporal"
	visibilityDB = "temporal_visibility"
)

//go:embed temporal.yaml.tmpl
var temporalConfigText string

//go:embed dynamicconfig.yaml
var dynamicConfig []byte

var temporalConfig = template.Must(template.New("temporal.yaml").Parse(temporalConfigText))

// TemporalConfig says where a private Temporal server lives.
type TemporalConfig struct {
	// Bin is the folder of the programs that Tools built.
	Bin string
	// Dir receives configuration, log and pid file; it must exist.
	Dir string
	// Port of the frontend on the loopback. The internal ports are free ones.
	Port int
	// Postgres is the running server that keeps Temporal's two databases.
	Postgres *Postgres
}

// Temporal is a private Temporal server: all four services in one process, on the loopback.
type Temporal struct {
	config  TemporalConfig
	worker  int // the port of the worker service
	process *Process
}

// NewTemporal prepares the databases and writes the configuration. It does not start the server.
func NewTemporal(ctx context.Context, config TemporalConfig) (*Temporal, error) {
	t := &Temporal{config: config}
	if err := config.Postgres.prepareTemporal(ctx); err != nil {
		return nil, err
	}
	if err := t.updateSchemas(ctx); err != nil {
		return nil, err
	}
	return t, t.writeConfig()
}

// updateSchemas brings both databases to the server's schema, which the tool carries within itself.
func (t *Temporal) updateSchemas(ctx context.Context) error {
	schemas := map[string]string{temporalDB: "postgresql/v12/temporal", visibilityDB: "postgresql/v12/visibility"}
	errs := make(chan error, len(schemas))
	for database, schema := range schemas {
		go func() { errs <- t.updateSchema(ctx, database, schema) }()
	}
	var first error
	for range schemas {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (t *Temporal) updateSchema(ctx context.Context, database, schema string) error {
	versioned, err := t.config.Postgres.hasTable(ctx, database, "schema_version")
	if err != nil {
		return err
	}
	if !versioned {
		if err := t.sqlTool(ctx, database, "setup-schema", "--version", "0.0"); err != nil {
			return err
		}
	}
	return t.sqlTool(ctx, database, "update-schema", "--schema-name", schema)
}

func (t *Temporal) sqlTool(ctx context.Context, database string, args ...string) error {
	tool := exec.CommandContext(ctx, filepath.Join(t.config.Bin, "temporal-sql-tool"), args...)
	tool.Dir = t.config.Dir
	tool.Env = append(os.Environ(), "SQL_PLUGIN=postgres12_pgx", "SQL_HOST="+Loopback,
		"SQL_PORT="+strconv.Itoa(t.config.Postgres.config.Port), "SQL_USER="+TemporalRole,
		"SQL_PASSWORD="+Password(t.config.Postgres.config.Secret, TemporalRole), "SQL_DATABASE="+database)
	if output, err := tool.CombinedOutput(); err != nil {
		return fmt.Errorf("temporal-sql-tool %s on %s: %w\n%s", args[0], database, err, output)
	}
	return nil
}

func (t *Temporal) configFile() string { return filepath.Join(t.config.Dir, "temporal.yaml") }

func (t *Temporal) writeConfig() error {
	ports, err := FreePorts(7)
	if err != nil {
		return err
	}
	t.worker = ports[5]
	dynamicFile := filepath.Join(t.config.Dir, "dynamicconfig.yaml")
	if err := WriteFile(dynamicFile, dynamicConfig, 0o600); err != nil {
		return err
	}
	var text bytes.Buffer
	err = temporalConfig.Execute(&text, map[string]any{
		"Postgres": t.config.Postgres.Address(), "User": TemporalRole,
		"Password":   Password(t.config.Postgres.config.Secret, TemporalRole),
		"DefaultDB":  temporalDB,
		"Visibility": visibilityDB, "Host": Loopback, "Frontend": t.config.Port, "Ports": ports, "Dynamic": dynamicFile,
	})
	if err != nil {
		return err
	}
	return WriteFile(t.configFile(), text.Bytes(), 0o600)
}

// Start starts the server and waits until all its services answer. It may follow Stop or Kill.
func (t *Temporal) Start(ctx context.Context) error {
	if err := t.config.Postgres.prepareTemporal(ctx); err != nil {
		return err
	}
	process, err := Start(Spec{
		Name: "temporal", Path: filepath.Join(t.config.Bin, "temporal-server"),
		Args: []string{"--config-file", t.configFile(), "--allow-no-auth", "start"},
		Env:  WithoutTemporal(os.Environ()), Dir: t.config.Dir,
	})
	if err != nil {
		return err
	}
	t.process = process
	return t.Await(ctx)
}

// Await waits until all services of the running server answer: after its start, or after its database was away.
func (t *Temporal) Await(ctx context.Context) error {
	return t.process.await(ctx, 90*time.Second, func(ctx context.Context) error {
		return errors.Join(answers(ctx, t.Address()), workerServes(ctx, address(t.worker)))
	})
}

// Process is the running server.
func (t *Temporal) Process() *Process { return t.process }

// Address is host:port of the frontend.
func (t *Temporal) Address() string { return address(t.config.Port) }

// WithoutTemporal leaves out of an environment the variables of Temporal: those for a client of another cluster are
// wrong for a local one, and the server would read some as its own.
func WithoutTemporal(environ []string) []string {
	var kept []string
	for _, pair := range environ {
		if !strings.HasPrefix(pair, "TEMPORAL_") {
			kept = append(kept, pair)
		}
	}
	return kept
}

// Stop shuts the server down, if it runs.
func (t *Temporal) Stop() {
	if t.process != nil {
		t.process.Stop()
	}
}

// Kill ends the server with SIGKILL and returns when it is gone. Start may follow.
func (t *Temporal) Kill() {
	if t.process != nil {
		t.process.Kill()
	}
}
