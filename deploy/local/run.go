package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tenurehq/tenure/deploy/local/stack"
)

// run runs everything until the context ends, or until one of the processes does.
func run(ctx context.Context, config Config) error {
	r := newReport()
	if err := makeRunDir(config); err != nil {
		return err
	}
	unlock, err := stack.Lock(filepath.Join(config.RunDir, "lock"), false)
	if err != nil {
		return err
	}
	if unlock == nil {
		return fmt.Errorf("a stack runs in %s already: `make down` ends it; for another beside it set TENURE_RUN_DIR "+
			"and the ports", config.RunDir)
	}
	defer unlock()
	if err := stack.RecordSelf(supervisorFile(config.RunDir)); err != nil {
		return err
	}
	defer os.Remove(supervisorFile(config.RunDir))
	c := newChildren()
	defer func() {
		if len(c.running) > 0 {
			r.linef("stopping")
		}
		c.stop()
	}()
	life, end := context.WithCancelCause(ctx) // ends, too, when a process does
	defer end(nil)
	go func() {
		select {
		case ended := <-c.ended:
			end(ended.Exited())
		case <-life.Done():
		}
	}()
	p, err := startAll(life, config, r, c)
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case life.Err() != nil: // what failed for want of a process matters less than that it ended
		return context.Cause(life)
	case err != nil:
		return err
	}
	p.printAddresses()
	if err := os.WriteFile(readyFile(config.RunDir), nil, 0o644); err != nil {
		return err
	}
	defer os.Remove(readyFile(config.RunDir))
	ready()
	<-life.Done()
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(life)
}

func startAll(ctx context.Context, config Config, r report, c *children) (*product, error) {
	e, err := newEngine(config.RunDir, r)
	if err != nil {
		return nil, err
	}
	config.forgetOwn(e.secret)
	if err := config.findTemporal(); err != nil {
		return nil, err
	}
	if err := checkPorts(config, stack.PortFree); err != nil {
		return nil, err
	}
	p := &product{config: config, program: filepath.Join(config.RunDir, "bin", "tenure")}
	if config.DatabaseURL != "" { // before the minutes of a first build
		if p.database, err = externalDatabase(ctx, config, e.secret); err != nil {
			return nil, err
		}
	}
	if config.needsPostgres() {
		if err := installPostgres(ctx, r, stack.PostgresBin); err != nil {
			return nil, err
		}
	}
	if !config.ExternalTemporal {
		if err := buildTools(ctx, config, r); err != nil {
			return nil, err
		}
	}
	if err := buildTenure(ctx, config, r, p.program); err != nil {
		return nil, err
	}
	if err := startEngine(ctx, config, r, c, e); err != nil {
		return nil, err
	}
	if config.DatabaseURL == "" {
		if p.database, err = localDatabase(ctx, config, e); err != nil {
			return nil, err
		}
	}
	p.setEnv(e)
	return p, p.start(ctx, r, c)
}

// startEngine starts what the environment does not say to be elsewhere.
func startEngine(ctx context.Context, config Config, r report, c *children, e *engine) error {
	if config.needsPostgres() {
		if err := e.startPostgres(ctx, r, c, config.PostgresPort, false); err != nil {
			return err
		}
	}
	if config.ExternalTemporal {
		return nil
	}
	if err := e.startTemporal(ctx, r, c, config.Bin, config.TemporalPort); err != nil {
		return err
	}
	return r.step(fmt.Sprintf("Temporal UI on http://%s:%d", stack.Loopback, config.UIPort), func() error {
		ui, err := stack.StartUI(ctx, stack.UIConfig{Bin: config.Bin, Dir: e.services(), Port: config.UIPort,
			Temporal: e.temporal.Address(), Namespace: config.Namespace})
		if ui != nil {
			c.add(ui)
		}
		return err
	})
}

func buildTenure(ctx context.Context, config Config, r report, program string) error {
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(program); errors.Is(err, os.ErrNotExist) {
		r.linef("building tenure; the first build takes several minutes")
	}
	return r.step("tenure built", func() error { return stack.Build(ctx, config.Root, "./cmd/tenure", program) })
}

// checkPorts finds a taken port before anything is started; free says whether one can be listened on.
func checkPorts(config Config, free func(port int) bool) error {
	type use struct {
		variable string
		port     int
	}
	uses := []use{{"TENURE_PORT", config.Port}}
	for n := range targets {
		uses = append(uses, use{"TENURE_SIM_PORT", config.SimPort + n})
	}
	if !config.ExternalTemporal {
		uses = append(uses, use{"TEMPORAL_PORT", config.TemporalPort}, use{"TENURE_UI_PORT", config.UIPort})
	}
	if config.needsPostgres() {
		uses = append(uses, use{"TENURE_PG_PORT", config.PostgresPort})
	}
	by := map[int]string{}
	for _, u := range uses {
		if other, taken := by[u.port]; taken {
			return fmt.Errorf("port %d is wanted twice: set %s or %s to another", u.port, other, u.variable)
		}
		by[u.port] = u.variable
		if !free(u.port) {
			return fmt.Errorf("port %d of %s is taken: set %s to another", u.port, stack.Loopback, u.variable)
		}
	}
	return nil
}

// setEnv fills what tenure.env holds, but the tokens.
func (p *product) setEnv(e *engine) {
	temporal, ui := p.config.TemporalAddress, os.Getenv("TENURE_UI_URL")
	if e.temporal != nil {
		temporal, ui = e.temporal.Address(), "http://"+address(p.config.UIPort)
	}
	p.env = []envPair{
		{"TENURE_URL", p.url()},
		{"TENURE_UI_URL", ui},
		{"TEMPORAL_ADDRESS", temporal},
		{"TEMPORAL_NAMESPACE", p.config.Namespace},
		{"DATABASE_URL", p.database.serve},
		{"TENURE_OWNER_DATABASE_URL", p.database.owner},
	}
	p.env = append(p.env, targetEnv(p.config, e.secret)...)
}

func (p *product) printAddresses() {
	fmt.Println()
	for _, pair := range p.env {
		if label, ok := addressLabels[pair.name]; ok && pair.value != "" {
			fmt.Printf("  %-12s %s\n", label, pair.value)
		}
	}
	fmt.Printf("  %-12s %s\n", "environment", p.envFile())
}

var addressLabels = map[string]string{
	"TENURE_URL": "Tenure", "TENURE_UI_URL": "Temporal UI", "TEMPORAL_ADDRESS": "Temporal",
}
