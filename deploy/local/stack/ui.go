package stack

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
	"time"
)

//go:embed ui.yaml.tmpl
var uiConfigText string

var uiConfig = template.Must(template.New("ui.yaml").Parse(uiConfigText))

// UIConfig says what a Temporal UI shows, and where.
type UIConfig struct {
	Bin       string // the folder of the programs that Tools built
	Dir       string // receives configuration, log and pid file; it must exist
	Port      int    // on the loopback
	Temporal  string // host:port of the server's frontend
	Namespace string // shown first
}

// StartUI starts the Temporal UI and waits until it answers.
func StartUI(ctx context.Context, config UIConfig) (*Process, error) {
	folder := filepath.Join(config.Dir, "ui")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := uiConfig.Execute(&text, map[string]any{
		"Host": Loopback, "Port": config.Port, "Temporal": config.Temporal, "Namespace": config.Namespace,
	}); err != nil {
		return nil, err
	}
	if err := WriteFile(filepath.Join(folder, "local.yaml"), text.Bytes(), 0o600); err != nil {
		return nil, err
	}
	process, err := Start(Spec{
		Name: "temporal-ui", Path: filepath.Join(config.Bin, "temporal-ui-server"),
		Args: []string{"--root", config.Dir, "--config", "ui", "--env", "local", "start"},
		Env:  WithoutTemporal(os.Environ()), Dir: config.Dir, StopTimeout: 3 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	return process, process.AwaitHTTP(ctx, fmt.Sprintf("http://%s/healthz", address(config.Port)), 30*time.Second)
}
