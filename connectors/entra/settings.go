package entra

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tenurehq/tenure/connectors"
)

// Bounds of the pageSize setting (graph/api/user-list: at most 999).
const (
	defaultPageSize = 500
	maxPageSize     = 999
)

// defaultRedirect is where a guest lands after the invitation was accepted: the page with the guest's applications.
const defaultRedirect = "https://myapplications.microsoft.com"

// cloud is one deployment of the vendor's cloud (graph/deployments, entra/identity-platform/authentication-national-cloud).
type cloud struct {
	authority string
	graph     string
}

var clouds = map[string]cloud{
	"global":   {"https://login.microsoftonline.com", "https://graph.microsoft.com"},
	"usGov":    {"https://login.microsoftonline.us", "https://graph.microsoft.us"},
	"usGovDoD": {"https://login.microsoftonline.us", "https://dod-graph.microsoft.us"},
	"china":    {"https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"},
}

// settings are a target's settings after the check.
type settings struct {
	tenantID, clientID string
	// Exactly one of these is set.
	clientSecret       string
	certificate        string
	federatedTokenFile string

	certificatePassword string
	authority           string // without a slash at the end
	graph               string // without a slash at the end, with the version
	scope               string
	caFile              string

	entitlements          []string
	attributes            []string
	manager               bool // named among the attributes, and read by other means
	pageSize              int
	sendInvitationMessage bool
	inviteRedirectURL     string
}

// parseSettings checks every setting; its error names those at fault and never shows a secret.
func parseSettings(in connectors.Settings) (settings, error) {
	out := settings{
		entitlements: []string{kindGroup}, pageSize: defaultPageSize, inviteRedirectURL: defaultRedirect,
	}
	cloudName, authority, graph := "global", "", ""
	readers := connectors.SettingReaders{
		"tenantId":              reader(&out.tenantID, tenant),
		"clientId":              reader(&out.clientID, guid),
		"clientSecret":          reader(&out.clientSecret, text),
		"certificate":           reader(&out.certificate, text),
		"certificatePassword":   reader(&out.certificatePassword, text),
		"federatedTokenFile":    reader(&out.federatedTokenFile, text),
		"cloud":                 reader(&cloudName, cloudNamed),
		"authority":             reader(&authority, baseURL),
		"graphUrl":              reader(&graph, baseURL),
		"caFile":                reader(&out.caFile, text),
		"entitlements":          reader(&out.entitlements, kinds),
		"attributes":            reader(&out.attributes, attributeNames),
		"pageSize":              reader(&out.pageSize, pageSize),
		"sendInvitationMessage": reader(&out.sendInvitationMessage, boolean),
		"inviteRedirectUrl":     reader(&out.inviteRedirectURL, httpsURL),
	}
	if err := readers.Read(in, checkSet); err != nil {
		return settings{}, err
	}
	if i := slices.Index(out.attributes, attributeManager); i >= 0 {
		out.attributes, out.manager = slices.Delete(out.attributes, i, i+1), true
	}
	c := clouds[cloudName]
	out.scope = c.graph + "/.default"
	out.authority, out.graph = c.authority, c.graph+"/v1.0"
	if in.Has("authority") {
		out.authority, out.graph = authority, graph
	}
	return out, nil
}

// checkSet asks for exactly one credential, and for authority and graphUrl together: a secret is never sent to one system
// for use at another.
func checkSet(in connectors.Settings) error {
	for _, required := range []string{"tenantId", "clientId"} {
		if !in.Has(required) {
			return fmt.Errorf("setting %s is missing", required)
		}
	}
	given := 0
	for _, name := range []string{"clientSecret", "certificate", "federatedTokenFile"} {
		if in.Has(name) {
			given++
		}
	}
	switch {
	case given != 1:
		return errors.New("exactly one of the settings clientSecret, certificate and federatedTokenFile must be given")
	case in.Has("certificatePassword") && !in.Has("certificate"):
		return &connectors.SettingError{Setting: "certificatePassword", Err: errors.New("there is no certificate that it could be for")}
	case in.Has("authority") != in.Has("graphUrl"):
		return errors.New("settings authority and graphUrl: give both or neither")
	}
	return nil
}

// reader stores what check makes of a setting's value.
func reader[T any](to *T, check func(any) (T, error)) func(any) error {
	return func(v any) error {
		checked, err := check(v)
		if err == nil {
			*to = checked
		}
		return err
	}
}

func text(v any) (string, error) {
	s, ok := v.(string)
	if !ok || s == "" {
		return "", errors.New("must be text and not empty")
	}
	return s, nil
}

func boolean(v any) (bool, error) {
	b, ok := v.(bool)
	if !ok {
		return false, errors.New("must be true or false")
	}
	return b, nil
}

var (
	guidPattern   = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	domainPattern = regexp.MustCompile(`^[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)+$`)
)

func guid(v any) (string, error) {
	s, ok := v.(string)
	if !ok || !guidPattern.MatchString(s) {
		return "", errors.New("must be a GUID such as 11111111-2222-3333-4444-555555555555")
	}
	return s, nil
}

// tenant takes an id or one of the tenant's domains. The words common, organizations and consumers stand for any tenant
// and cannot be used by a client that signs in as itself.
func tenant(v any) (string, error) {
	s, ok := v.(string)
	if !ok || !guidPattern.MatchString(s) && !domainPattern.MatchString(s) {
		return "", errors.New("must be the tenant's GUID or one of its domains, such as contoso.onmicrosoft.com")
	}
	return s, nil
}

func cloudNamed(v any) (string, error) {
	s, _ := v.(string)
	if _, known := clouds[s]; !known {
		return "", fmt.Errorf("must be one of %s", strings.Join(slices.Sorted(maps.Keys(clouds)), ", "))
	}
	return s, nil
}

// baseURL refuses plain HTTP but to this machine, since every request carries a secret or a token.
func baseURL(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", errors.New("must be text")
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return "", errors.New("must be an absolute URL such as https://graph.microsoft.com/v1.0")
	}
	switch {
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("must not hold credentials, a query or a fragment")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return strings.TrimRight(s, "/"), nil
	default:
		return "", errors.New("must be https: plain http is for localhost, 127.0.0.1 and ::1 only")
	}
}

// loopback names the hosts to which the SDK sends a token in the clear.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && (ip.Equal(net.IPv4(127, 0, 0, 1)) || ip.Equal(net.IPv6loopback))
}

func httpsURL(v any) (string, error) {
	s, _ := v.(string)
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", errors.New("must be an absolute https URL")
	}
	return s, nil
}

func kinds(v any) ([]string, error) {
	all := []string{kindGroup, kindLicence, kindAppRole}
	list, err := texts(v)
	for _, kind := range list {
		if !slices.Contains(all, kind) {
			err = errors.New("not a kind")
		}
	}
	if err != nil || len(list) == 0 {
		return nil, fmt.Errorf("must be a list of some of %s, each once", strings.Join(all, ", "))
	}
	return list, nil
}

func attributeNames(v any) ([]string, error) {
	list, err := texts(v)
	for _, name := range list {
		if !namePattern.MatchString(name) || strings.Contains(name, ".") || reserved(name) || slices.Contains(readAlways, name) {
			err = errors.New("not a name")
		}
	}
	if err != nil {
		return nil, errors.New("must be a list of the user's properties that are not read anyway, such as manager or extension_{appId}_costCentre, each once")
	}
	return list, nil
}

// texts reads a list without repetition.
func texts(v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, errors.New("no list")
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		s, ok := item.(string)
		if !ok || s == "" || slices.Contains(out, s) {
			return nil, errors.New("not text, or twice")
		}
		out = append(out, s)
	}
	return out, nil
}

// pageSize takes whichever number type the settings' decoder made.
func pageSize(v any) (int, error) {
	var f float64
	switch n := v.(type) {
	case int:
		f = float64(n)
	case int64:
		f = float64(n)
	case uint64:
		f = float64(n)
	case float64:
		f = n
	}
	if f != math.Trunc(f) || f < 1 || f > maxPageSize {
		return 0, fmt.Errorf("must be a whole number from 1 to %d", maxPageSize)
	}
	return int(f), nil
}
