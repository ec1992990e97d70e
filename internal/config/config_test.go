package config

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func from(pairs ...string) Getenv {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestLoadServe(t *testing.T) {
	t.Parallel()
	const url = "postgres://tenure@localhost/tenure"
	s, err := loadServe(from("DATABASE_URL", url))
	require.NoError(t, err)
	require.Equal(t, Serve{DatabaseURL: url, Listen: "127.0.0.1:8080", TaskQueue: "tenure", LogFormat: LogText,
		LogLevel: slog.LevelInfo, SweepInterval: 30 * time.Second}, s)

	s, err = loadServe(from("DATABASE_URL", url, "TENURE_LISTEN", ":9", "TENURE_WORKER_LISTEN", "[::1]:0", "TENURE_TASK_QUEUE", "q", "TENURE_LOG_FORMAT", "json",
		"TENURE_LOG_LEVEL", "WARN", "TENURE_SWEEP_INTERVAL", "250ms"))
	require.NoError(t, err)
	require.Equal(t, Serve{DatabaseURL: url, Listen: ":9", WorkerListen: "[::1]:0", TaskQueue: "q", LogFormat: LogJSON,
		LogLevel: slog.LevelWarn, SweepInterval: 250 * time.Millisecond}, s)

	for name, value := range map[string]string{
		"DATABASE_URL":          "",
		"TENURE_LISTEN":         "8080",
		"TENURE_WORKER_LISTEN":  "127.0.0.1:",
		"TENURE_LOG_FORMAT":     "xml",
		"TENURE_LOG_LEVEL":      "loud",
		"TENURE_SWEEP_INTERVAL": "99ms",
	} {
		_, err := loadServe(from(name, value, "DATABASE_URL", url))
		require.ErrorContains(t, err, name)
	}
}

func TestLoadClient(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		env   Getenv
		scope Scope
		want  Client
		err   string
	}{
		{"defaults", from("TENURE_ADMIN_TOKEN", "a"), ScopeRead, Client{"http://127.0.0.1:8080", "a"}, ""},
		{"one for all", from("TENURE_TOKEN", "t", "TENURE_ADMIN_TOKEN", "a", "TENURE_HR_TOKEN", "h"), ScopeHR, Client{"http://127.0.0.1:8080", "t"}, ""},
		{"events", from("TENURE_ADMIN_TOKEN", "a", "TENURE_HR_TOKEN", "h"), ScopeHR, Client{"http://127.0.0.1:8080", "h"}, ""},
		{"the rest", from("TENURE_ADMIN_TOKEN", "a", "TENURE_HR_TOKEN", "h"), ScopeAdmin, Client{"http://127.0.0.1:8080", "a"}, ""},
		{"slash", from("TENURE_URL", "https://t.example/base/", "TENURE_TOKEN", "t"), ScopeRead, Client{"https://t.example/base", "t"}, ""},
		{"IPv6", from("TENURE_URL", "http://[::1]:1", "TENURE_TOKEN", "t"), ScopeRead, Client{"http://[::1]:1", "t"}, ""},
		{"no token", from("TENURE_HR_TOKEN", "h"), ScopeAdmin, Client{}, "set TENURE_TOKEN or TENURE_ADMIN_TOKEN to one that `tenure token create --scope admin`"},
		{"an administrator's events", from("TENURE_ADMIN_TOKEN", "a"), ScopeHR, Client{"http://127.0.0.1:8080", "a"}, ""},
		{"no token for events", from(), ScopeHR, Client{}, "TENURE_TOKEN or TENURE_HR_TOKEN or TENURE_ADMIN_TOKEN"},
		{"quoted token", from("TENURE_TOKEN", "secret\n"), ScopeRead, Client{}, "TENURE_TOKEN holds a character"},
		{"plain http to elsewhere", from("TENURE_URL", "http://t.example", "TENURE_TOKEN", "t"), ScopeRead, Client{}, "TENURE_URL: plain http"},
		{"no address", from("TENURE_URL", "tenure", "TENURE_TOKEN", "t"), ScopeRead, Client{}, "TENURE_URL: not an address"},
		{"another scheme", from("TENURE_URL", "ftp://t.example", "TENURE_TOKEN", "t"), ScopeRead, Client{}, "TENURE_URL: not an address"},
		{"credentials", from("TENURE_URL", "https://u:p@t.example", "TENURE_TOKEN", "t"), ScopeRead, Client{}, "TENURE_URL: must hold no credentials"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := LoadClient(test.env, test.scope)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				require.NotContains(t, err.Error(), "secret")
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestLoadMigrate(t *testing.T) {
	t.Parallel()
	m, err := LoadMigrate(from("DATABASE_URL", "serve", "TENURE_OWNER_DATABASE_URL", "owner", "TENURE_SERVE_ROLE", "r"))
	require.NoError(t, err)
	require.Equal(t, Migrate{OwnerURL: "owner", ServeRole: "r"}, m)
	m, err = LoadMigrate(from("DATABASE_URL", "serve"))
	require.NoError(t, err)
	require.Equal(t, Migrate{OwnerURL: "serve"}, m)
	_, err = LoadMigrate(from())
	require.ErrorContains(t, err, "TENURE_OWNER_DATABASE_URL")
}
