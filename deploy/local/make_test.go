package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// makeTarget asks make what it would do for a target of the Makefile, in a folder with that go.mod, and answers what it says
// when it refuses. No more of the machine is in PATH than the named programs.
func makeTarget(t *testing.T, target, goMod string, programs ...string) string {
	t.Helper()
	root, err := checkout()
	require.NoError(t, err)
	dir, bin := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(goMod), 0o600))
	for _, program := range programs {
		path, err := exec.LookPath(program)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(bin, program)))
	}
	path, err := exec.LookPath("make")
	require.NoError(t, err)
	command := exec.Command(path, "--dry-run", "--file", filepath.Join(root, "Makefile"), target)
	command.Dir, command.Env = dir, []string{"PATH=" + bin, "HOME=" + t.TempDir(), "GOTOOLCHAIN=local"}
	output, err := command.CombinedOutput()
	if err == nil {
		return ""
	}
	return string(output)
}

func TestATargetWithoutGoSaysInOneLineHowToGetIt(t *testing.T) {
	t.Parallel()
	root, err := checkout()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	targets := regexp.MustCompile(`(?m)^([a-z]+):.*## `).FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, targets)
	for _, match := range targets {
		said := makeTarget(t, match[1], "module x\n\ngo 1.2.3\n", "awk", "sed")
		if match[1] == "help" {
			require.Empty(t, said, "it needs no Go")
			continue
		}
		require.Contains(t, said, "Go 1.2.3 or newer is needed (go is not in PATH): get it from https://go.dev/dl ", match[1])
		require.Equal(t, 1, strings.Count(said, "\n"), said)
	}
}

func TestATargetWithAnOldGoSaysInOneLineHowToGetAnother(t *testing.T) {
	t.Parallel()
	said := makeTarget(t, "run", "module x\n\ngo 1.999.0\n", "awk", "sed", "go")
	require.Contains(t, said, "Go 1.999.0 or newer is needed (go: go.mod requires go >= 1.999.0 (running go")
	require.Contains(t, said, "get it from https://go.dev/dl ")
	require.Equal(t, 1, strings.Count(said, "\n"), said)
}

func TestATargetWithTheRightGoHasNoMoreToSay(t *testing.T) {
	t.Parallel()
	require.Empty(t, makeTarget(t, "run", "module x\n\ngo 1.21.0\n", "awk", "sed", "go"))
}
