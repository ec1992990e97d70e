package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/tenurehq/tenure/deploy/local/stack"
)

// envPair is one variable of an environment file.
type envPair struct{ name, value string }

// writeEnv writes a file that sh can source, readable by its owner only, at once or not at all.
func writeEnv(path, prefix string, pairs []envPair) error {
	var text bytes.Buffer
	for _, pair := range pairs {
		fmt.Fprintf(&text, "%s%s=%s\n", prefix, pair.name, shellQuote(pair.value))
	}
	return stack.WriteFile(path, text.Bytes(), 0o600)
}

// shellQuote leaves plain words alone, so that programs that do not speak sh can read the file too.
func shellQuote(value string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/@,+%="
	if value != "" && strings.Trim(value, plain) == "" {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// readEnv reads what writeEnv wrote without a prefix. Lines of another form are left out.
func readEnv(text string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok {
			continue
		}
		if strings.HasPrefix(value, "'") && strings.HasSuffix(value, "'") && len(value) > 1 {
			value = strings.ReplaceAll(value[1:len(value)-1], `'\''`, "'")
		}
		values[name] = value
	}
	return values
}
