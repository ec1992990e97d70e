package entra

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenurehq/tenure/connectors"
)

const (
	someTenant = "11111111-2222-3333-4444-555555555555"
	someClient = "66666666-7777-8888-9999-000000000000"
)

// with are complete settings with some put over them; a nil takes one away.
func with(over connectors.Settings) connectors.Settings {
	s := connectors.Settings{"tenantId": someTenant, "clientId": someClient, "clientSecret": "s3cr3t"}
	for name, value := range over {
		if s[name] = value; value == nil {
			delete(s, name)
		}
	}
	return s
}

func TestSettings(t *testing.T) {
	t.Parallel()
	got, err := parseSettings(with(nil))
	require.NoError(t, err)
	require.Equal(t, settings{
		tenantID: someTenant, clientID: someClient, clientSecret: "s3cr3t",
		authority: "https://login.microsoftonline.com", graph: "https://graph.microsoft.com/v1.0", scope: "https://graph.microsoft.com/.default",
		entitlements: []string{"group"}, pageSize: 500, inviteRedirectURL: "https://myapplications.microsoft.com",
	}, got)

	for _, good := range []connectors.Settings{
		{"tenantId": "contoso.onmicrosoft.com"},
		{"clientSecret": nil, "federatedTokenFile": "/var/run/secrets/token"},
		{"authority": "http://127.0.0.1:9", "graphUrl": "http://[::1]:9/v1.0/"},
		{"authority": "https://login.example.com", "graphUrl": "https://graph.example.com/v1.0"},
		{"entitlements": []any{"appRole", "licence", "group"}},
		{"attributes": []any{"extension_0a_costCentre", "employeeLeaveDateTime", "manager"}},
		{"pageSize": 1}, {"pageSize": int64(7)}, {"pageSize": uint64(7)}, {"pageSize": 999.0},
		{"sendInvitationMessage": true, "inviteRedirectUrl": "https://intranet.example.com/welcome"},
	} {
		_, err := New(with(good))
		require.NoError(t, err, "%v", good)
	}
}

func TestSettingsAreRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []struct {
		at   string // what the error names
		over connectors.Settings
	}{
		{"tenantId", connectors.Settings{"tenantId": nil}},
		{"tenantId", connectors.Settings{"tenantId": "common"}},
		{"tenantId", connectors.Settings{"tenantId": "a/b.c"}},
		{"clientId", connectors.Settings{"clientId": nil}},
		{"clientId", connectors.Settings{"clientId": "the application"}},
		{"clientSecret", connectors.Settings{"clientSecret": nil}},
		{"clientSecret", connectors.Settings{"clientSecret": ""}},
		{"clientSecret", connectors.Settings{"clientSecret": 7}},
		{"clientSecret, certificate and federatedTokenFile", connectors.Settings{"federatedTokenFile": "/x"}},
		{"certificatePassword", connectors.Settings{"certificatePassword": "s3cr3t"}},
		{"certificate", connectors.Settings{"clientSecret": nil, "certificate": "s3cr3t, but no certificate"}},
		{"cloud", connectors.Settings{"cloud": "germany"}},
		{"authority and graphUrl", connectors.Settings{"authority": "https://login.example.com"}},
		{"authority and graphUrl", connectors.Settings{"graphUrl": "https://graph.example.com/v1.0"}},
		{"graphUrl", connectors.Settings{"authority": "https://login.example.com", "graphUrl": "http://graph.example.com/v1.0"}},
		{"graphUrl", connectors.Settings{"authority": "https://login.example.com", "graphUrl": "http://127.0.0.2/v1.0"}},
		{"graphUrl", connectors.Settings{"authority": "https://login.example.com", "graphUrl": "http://127.0.0.1.example.com/v1.0"}},
		{"authority", connectors.Settings{"authority": "https://u:s3cr3t@login.example.com", "graphUrl": "https://graph.example.com"}},
		{"authority", connectors.Settings{"authority": "login.example.com", "graphUrl": "https://graph.example.com"}},
		{"authority", connectors.Settings{"authority": true, "graphUrl": "https://graph.example.com"}},
		{"caFile", connectors.Settings{"caFile": "/nowhere/ca.pem"}},
		{"caFile", connectors.Settings{"caFile": "settings_test.go"}},
		{"entitlements", connectors.Settings{"entitlements": []any{"group", "role"}}},
		{"entitlements", connectors.Settings{"entitlements": []any{"group", "group"}}},
		{"entitlements", connectors.Settings{"entitlements": "group"}},
		{"entitlements", connectors.Settings{"entitlements": []any{}}},
		{"attributes", connectors.Settings{"attributes": []any{"accountEnabled"}}},
		{"attributes", connectors.Settings{"attributes": []any{"displayName"}}},
		{"attributes", connectors.Settings{"attributes": []any{"employeeOrgData.division"}}},
		{"attributes", connectors.Settings{"attributes": []any{"a,b"}}},
		{"attributes", connectors.Settings{"attributes": []any{"manager.id"}}},
		{"pageSize", connectors.Settings{"pageSize": 0}},
		{"pageSize", connectors.Settings{"pageSize": 1000}},
		{"pageSize", connectors.Settings{"pageSize": 1.5}},
		{"pageSize", connectors.Settings{"pageSize": "7"}},
		{"sendInvitationMessage", connectors.Settings{"sendInvitationMessage": "yes"}},
		{"inviteRedirectUrl", connectors.Settings{"inviteRedirectUrl": "http://intranet.example.com"}},
		{"retries", connectors.Settings{"retries": 3}},
		{"tenantID", connectors.Settings{"tenantID": someTenant}},
	} {
		_, err := New(with(bad.over))
		require.ErrorContains(t, err, bad.at, "%v", bad.over)
		require.ErrorContains(t, err, "entra: ")
		require.NotContains(t, err.Error(), "s3cr3t")
	}
}

// The addresses are those of graph/deployments.
func TestNationalClouds(t *testing.T) {
	t.Parallel()
	for cloud, want := range map[string][3]string{
		"global":   {"https://login.microsoftonline.com", "https://graph.microsoft.com/v1.0", "https://graph.microsoft.com/.default"},
		"usGov":    {"https://login.microsoftonline.us", "https://graph.microsoft.us/v1.0", "https://graph.microsoft.us/.default"},
		"usGovDoD": {"https://login.microsoftonline.us", "https://dod-graph.microsoft.us/v1.0", "https://dod-graph.microsoft.us/.default"},
		"china":    {"https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn/v1.0", "https://microsoftgraph.chinacloudapi.cn/.default"},
	} {
		got, err := parseSettings(with(connectors.Settings{"cloud": cloud}))
		require.NoError(t, err)
		require.Equal(t, want, [3]string{got.authority, got.graph, got.scope}, cloud)
		c, err := New(with(connectors.Settings{"cloud": cloud}))
		require.NoError(t, err)
		require.Equal(t, want[1], c.(*Connector).client.adapter.GetBaseUrl())
	}
}
