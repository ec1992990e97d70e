package scim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	with := func(name string, value any) connectors.Settings {
		s := connectors.Settings{"baseUrl": "https://app.example.com/scim/v2/", "token": "t0k3n"}
		if name != "" {
			s[name] = value
		}
		return s
	}
	got, err := parseSettings(with("", nil))
	require.NoError(t, err)
	require.Equal(t, settings{baseURL: "https://app.example.com/scim/v2", token: "t0k3n", update: "patch", pageSize: 100}, got)

	for _, good := range []struct {
		name  string
		value any
	}{
		{"baseUrl", "http://127.0.0.1:9/x"}, {"baseUrl", "http://[::1]:9"}, {"baseUrl", "http://localhost"},
		{"update", "put"}, {"membership", "patch"}, {"pageSize", 1}, {"pageSize", int64(7)}, {"pageSize", uint64(7)}, {"pageSize", 1000.0},
	} {
		_, err := New(with(good.name, good.value))
		require.NoError(t, err, "%s=%v", good.name, good.value)
	}
	for _, bad := range []struct {
		name  string
		value any
	}{
		{"baseUrl", "http://app.example.com"}, {"baseUrl", "app.example.com"}, {"baseUrl", "ftp://localhost"}, {"baseUrl", 3},
		{"baseUrl", "https://u:p@app.example.com"}, {"baseUrl", "https://app.example.com?x=y"}, {"baseUrl", "http://127.0.0.1.example.com"},
		{"token", ""}, {"token", "two words"}, {"token", "s3cr3t\r\nX: y"}, {"token", nil},
		{"update", "post"}, {"update", true}, {"membership", "put"},
		{"pageSize", 0}, {"pageSize", 1001}, {"pageSize", 1.5}, {"pageSize", "7"},
		{"baseURL", "https://app.example.com"}, {"retries", 3},
	} {
		_, err := New(with(bad.name, bad.value))
		require.ErrorContains(t, err, bad.name, "%v", bad.value)
		require.NotContains(t, err.Error(), "s3cr3t")
	}
	for _, missing := range []string{"baseUrl", "token"} {
		s := with("", nil)
		delete(s, missing)
		_, err := New(s)
		require.ErrorContains(t, err, missing)
	}
}
