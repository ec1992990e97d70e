package config

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"
)

// LogFormat is how log lines are written.
type LogFormat string

// The formats of log lines.
const (
	LogText LogFormat = "text" // key=value, for people
	LogJSON LogFormat = "json" // one object a line, for collectors
)

// Serve is what `tenure serve`, `tenure api` and `tenure worker` are told. How to reach Temporal is read by Temporal's
// own envconfig.
type Serve struct {
	DatabaseURL   string        // DATABASE_URL
	Listen        string        // TENURE_LISTEN, host:port; default 127.0.0.1:8080
	WorkerListen  string        // TENURE_WORKER_LISTEN, host:port; default empty: `tenure worker` listens nowhere
	TaskQueue     string        // TENURE_TASK_QUEUE; default tenure
	LogFormat     LogFormat     // TENURE_LOG_FORMAT; default text
	LogLevel      slog.Level    // TENURE_LOG_LEVEL: debug, info, warn or error; default info
	SweepInterval time.Duration // TENURE_SWEEP_INTERVAL, from 100ms to 1h; default 30s
}

// LoadServe reads the process's environment.
func LoadServe() (Serve, error) { return loadServe(environment) }

func loadServe(getenv Getenv) (Serve, error) {
	s := Serve{
		Listen:       valueOr(getenv, "TENURE_LISTEN", "127.0.0.1:8080"),
		WorkerListen: getenv("TENURE_WORKER_LISTEN"),
		TaskQueue:    valueOr(getenv, "TENURE_TASK_QUEUE", "tenure"),
		LogFormat:    LogFormat(valueOr(getenv, "TENURE_LOG_FORMAT", string(LogText))),
	}
	var err error
	if s.DatabaseURL, err = Database(getenv); err != nil {
		return s, err
	}
	if !isHostPort(s.Listen) {
		return s, fmt.Errorf("TENURE_LISTEN is %q: write it as host:port, as in 127.0.0.1:8080", s.Listen)
	}
	if s.WorkerListen != "" && !isHostPort(s.WorkerListen) {
		return s, fmt.Errorf("TENURE_WORKER_LISTEN is %q: write it as host:port, as in 127.0.0.1:8081, or leave it empty", s.WorkerListen)
	}
	if s.LogFormat != LogText && s.LogFormat != LogJSON {
		return s, fmt.Errorf("TENURE_LOG_FORMAT is %q: set it to %s or %s", s.LogFormat, LogText, LogJSON)
	}
	if s.LogLevel, err = logLevel(valueOr(getenv, "TENURE_LOG_LEVEL", "info")); err != nil {
		return s, err
	}
	s.SweepInterval, err = sweepInterval(valueOr(getenv, "TENURE_SWEEP_INTERVAL", "30s"))
	return s, err
}

func isHostPort(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && port != ""
}

func logLevel(text string) (slog.Level, error) {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[strings.ToLower(text)]
	if !ok {
		return 0, fmt.Errorf("TENURE_LOG_LEVEL is %q: set it to debug, info, warn or error", text)
	}
	return level, nil
}

func sweepInterval(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 100*time.Millisecond || d > time.Hour {
		return 0, fmt.Errorf("TENURE_SWEEP_INTERVAL is %q: set it to a duration from 100ms to 1h, as in 30s", text)
	}
	return d, nil
}
