package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// tools maps the programs to the packages in deploy/tools that they are built from.
var tools = map[string]string{
	"temporal-server":    "go.temporal.io/server/cmd/server",
	"temporal-sql-tool":  "go.temporal.io/server/cmd/tools/sql",
	"temporal-ui-server": "github.com/temporalio/ui-server/v2/cmd/server",
}

// Tools builds Temporal's programs from the module in root/deploy/tools into bin, unless they are there already, built
// from the same module files by the same Go. building is called before a build, with the program's name.
func Tools(ctx context.Context, root, bin string, building func(program string)) error {
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	module := filepath.Join(root, "deploy", "tools")
	version, err := moduleVersion(module)
	if err != nil {
		return err
	}
	unlock, err := Lock(filepath.Join(bin, ".lock"), true) // two stacks of one checkout share the programs
	if err != nil {
		return err
	}
	defer unlock()
	for _, name := range []string{"temporal-server", "temporal-sql-tool", "temporal-ui-server"} {
		stamp := filepath.Join(bin, "."+name+".version")
		built, _ := os.ReadFile(stamp)
		_, missing := os.Stat(filepath.Join(bin, name))
		if missing == nil && string(built) == version {
			continue
		}
		building(name)
		if err := Build(ctx, module, tools[name], filepath.Join(bin, name)); err != nil {
			return err
		}
		if err := WriteFile(stamp, []byte(version), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// moduleVersion changes with the module's requirements and with Go.
func moduleVersion(module string) (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, runtime.Version())
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			return "", err
		}
		hash.Write(text)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// Build builds a program of the module in dir. A running program of that name goes on with its old file.
func Build(ctx context.Context, dir, pkg, program string) error {
	fresh := fmt.Sprintf("%s.%d.new", program, os.Getpid())
	build := exec.CommandContext(ctx, "go", "build", "-o", fresh, pkg)
	build.Dir = dir
	if output, err := build.CombinedOutput(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return fmt.Errorf("go is not in PATH: install Go %s or newer (https://go.dev/dl) and put its bin folder there",
				strings.TrimPrefix(runtime.Version(), "go"))
		}
		return fmt.Errorf("go build %s in %s: %w\n%s", pkg, dir, err, strings.TrimSpace(string(output)))
	}
	return os.Rename(fresh, program)
}
