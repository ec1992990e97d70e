package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A client that sends a large body before it reads anything gets the answer, and no reset (RFC 9112, section 9.6), whatever the
// body is refused for; and the connection can be used again.
func TestSCIMRefusalsReachWhoSendsFirst(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	const size = 20 << 20
	for name, test := range map[string]struct {
		method, path, token, contentType string
		status                           int
	}{
		"too large":      {http.MethodPost, "/Users", d.token, scimMedia, 413},
		"no token":       {http.MethodPost, "/Users", "", scimMedia, 401},
		"no such method": {http.MethodPut, "/Users", d.token, scimMedia, 405},
		"a wrong type":   {http.MethodPost, "/Users", d.token, "text/plain", 415},
		"nowhere":        {http.MethodPost, "/nothing", d.token, scimMedia, 404},
		"a form":         {http.MethodPost, "/token", "", "application/x-www-form-urlencoded", 400},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", chunked), func(t *testing.T) {
				c := d.dial(t)
				head := fmt.Sprintf("%s /scim/v2%s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n", test.method, test.path, test.contentType)
				if test.token != "" {
					head += "Authorization: Bearer " + test.token + "\r\n"
				}
				if chunked {
					c.send(t, head+"Transfer-Encoding: chunked\r\n\r\n"+fmt.Sprintf("%x\r\n", size), strings.Repeat("x", size), "\r\n0\r\n\r\n")
				} else {
					c.send(t, head+fmt.Sprintf("Content-Length: %d\r\n\r\n", size), strings.Repeat("x", size))
				}
				require.Equal(t, test.status, c.receive(t))
				c.send(t, "GET /scim/v2/ServiceProviderConfig HTTP/1.1\r\nHost: x\r\n\r\n")
				require.Equal(t, http.StatusOK, c.receive(t))
			})
		}
	}
	// Who waits to be asked for the body is not asked.
	c := d.dial(t)
	c.send(t, fmt.Sprintf("POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", size))
	require.Equal(t, http.StatusUnauthorized, c.receive(t))
}

// What docs/scim/support.md says of the lengths of texts.
func TestSCIMTextsAreLimited(t *testing.T) {
	t.Parallel()
	const acme = "urn:ietf:params:scim:schemas:extension:acme:2.0:User"
	d := start(t).directory("acme", "  scim:\n    schemas:\n      - {name: acme, id: "+acme+", attributes: [{name: note}]}\n")
	id := d.user("ada", `"addresses":[{"type":"work"},{"type":"home"}],"emails":[{"type":"work","value":"ada@acme.example"}]`)
	write := func(path string, size int) scimAnswer {
		return d.patch("/Users/"+id, fmt.Sprintf(`{"op":"add","path":%q,"value":%q}`, path, strings.Repeat("x", size)))
	}
	const enterprise = enterpriseURN + ":"
	for _, path := range []string{
		"name.formatted", "userName", "externalId", "displayName", `emails[type eq "work"].value`, "name.givenName", "name.familyName", "title", "userType",
		`addresses[type eq "work"].locality`, enterprise + "employeeNumber", enterprise + "department", enterprise + "manager.value",
	} {
		write(path, 1024).is(http.StatusOK)
		require.NotContains(t, write(path, 1025).refused(http.StatusBadRequest, "invalidValue").text("detail"), "xx", path)
	}
	for _, path := range []string{
		"name.formatted", "name.middleName", "nickName", "profileUrl", "locale", "timezone", `addresses[type eq "home"].locality`, `addresses[type eq "work"].streetAddress`,
		`phoneNumbers[type eq "work"].value`, `roles[type eq "work"].value`,
	} {
		write(path, 20<<10).is(http.StatusOK)
	}
	write("nickName", 128<<10).is(http.StatusOK)
	write("nickName", 128<<10+1).refused(http.StatusBadRequest, "invalidSyntax")

	// {"costCenter":"…","note":"…"}
	write(enterprise+"costCenter", 8<<10).is(http.StatusOK)
	const rest = 16<<10 - 8<<10 - len(`{"costCenter":"","note":""}`)
	write(acme+":note", rest).is(http.StatusOK)
	for _, path := range []string{acme + ":note", enterprise + "division"} {
		write(path, rest+1).refused(http.StatusBadRequest, "invalidValue")
	}
}

// wire is a connection to the server.
type wire struct {
	net.Conn

	read *bufio.Reader
}

func (d directory) dial(t *testing.T) wire {
	t.Helper()
	at, err := url.Parse(d.h.url)
	require.NoError(t, err)
	c, err := net.Dial("tcp", at.Host)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	return wire{c, bufio.NewReader(c)}
}

// send sends all of it, and reads nothing meanwhile.
func (c wire) send(t *testing.T, parts ...string) {
	t.Helper()
	for _, part := range parts {
		_, err := io.WriteString(c, part)
		require.NoError(t, err)
	}
}

// receive is the status of an answer.
func (c wire) receive(t *testing.T) int {
	t.Helper()
	answer, err := http.ReadResponse(c.read, nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode
}
