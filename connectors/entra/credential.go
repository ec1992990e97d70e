package entra

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azcloud "github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/tenurehq/tenure/connectors"
)

// newHTTPClient makes the client for both the authority and Graph: no time-out of its own, since the caller's context
// has one, no retry, no redirect.
func newHTTPClient(s settings) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // net/http makes it one, and nothing in Tenure replaces it
	transport.MaxIdleConnsPerHost = 32
	if s.caFile != "" {
		pool, err := readCertificates(s.caFile)
		if err != nil {
			return nil, &connectors.SettingError{Setting: "caFile", Err: err}
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// readCertificates adds the file's certificates to those that the machine trusts.
func readCertificates(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file) //nolint:gosec // the administrator names it
	if err != nil {
		return nil, errors.New("the file cannot be read")
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("the file holds no certificate in PEM")
	}
	return pool, nil
}

// newCredential makes the credential that asks the authority for tokens. It keeps a token until shortly before its end.
func newCredential(s settings, client *http.Client) (azcore.TokenCredential, error) {
	options, err := clientOptions(s, client)
	if err != nil {
		return nil, err
	}
	// The authority is configured, so that asking the public cloud which authorities there are proves nothing.
	const noDiscovery = true
	switch {
	case s.clientSecret != "":
		return named("clientSecret")(azidentity.NewClientSecretCredential(s.tenantID, s.clientID, s.clientSecret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: noDiscovery}))
	case s.certificate != "":
		certificates, key, err := azidentity.ParseCertificates([]byte(s.certificate), []byte(s.certificatePassword))
		if err != nil {
			return nil, &connectors.SettingError{
				Setting: "certificate",
				Err:     errors.New("must hold a certificate and its private key, as PEM, or as PKCS#12 with the setting certificatePassword"),
			}
		}
		return named("certificate")(azidentity.NewClientCertificateCredential(s.tenantID, s.clientID, certificates, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: noDiscovery}))
	default:
		return named("federatedTokenFile")(azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: options, DisableInstanceDiscovery: noDiscovery,
			TenantID: s.tenantID, ClientID: s.clientID, TokenFilePath: s.federatedTokenFile,
		}))
	}
}

// named turns the refusal of a credential into an error about its setting, without the library's words: they may hold
// what the setting holds.
func named(setting string) func(azcore.TokenCredential, error) (azcore.TokenCredential, error) {
	return func(credential azcore.TokenCredential, err error) (azcore.TokenCredential, error) {
		if err != nil {
			return nil, &connectors.SettingError{Setting: setting, Err: errors.New("no credential can be made from it")}
		}
		return credential, nil
	}
}

// clientOptions turn the library's retries off.
func clientOptions(s settings, client *http.Client) (policy.ClientOptions, error) {
	authority, err := url.Parse(s.authority)
	if err != nil {
		return policy.ClientOptions{}, &connectors.SettingError{Setting: "authority", Err: errors.New("must be a URL")}
	}
	var transport policy.Transporter = client
	if authority.Scheme == "http" {
		transport = plainAuthority{client: client, host: authority.Host}
		authority.Scheme = "https"
	}
	return policy.ClientOptions{
		Cloud:     azcloud.Configuration{ActiveDirectoryAuthorityHost: authority.String()},
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Telemetry: policy.TelemetryOptions{Disabled: true},
		Transport: transport,
	}, nil
}

// plainAuthority lets the library, which insists on https, speak to a simulator on this machine that has no certificate:
// it takes the s away from requests, and puts it back into the addresses that the simulator tells of itself. A client
// assertion names the authority, so that only a client secret works this way.
type plainAuthority struct {
	client *http.Client
	host   string
}

func (p plainAuthority) Do(req *http.Request) (*http.Response, error) {
	if req.URL.Host == p.host {
		req = req.Clone(req.Context())
		req.URL.Scheme = "http"
	}
	resp, err := p.client.Do(req) //nolint:gosec // the library asks for the authority that the administrator configured
	if err != nil || !strings.HasSuffix(req.URL.Path, "/.well-known/openid-configuration") {
		return resp, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if err != nil {
		return nil, err
	}
	body = bytes.ReplaceAll(body, []byte("http://"+p.host), []byte("https://"+p.host))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}
