package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tenurehq/tenure/api/scim"
)

// scimClient is a client of the SCIM server with a fixed number of connections, which take turns.
type scimClient struct {
	all  []*connection
	free chan *connection
}

// connection speaks HTTP/1.1 by itself: what else the client of net/http does would take as much of two cores as what is
// measured.
type connection struct {
	host    string
	socket  net.Conn // nil before the first use
	in      *bufio.Reader
	used    time.Time
	headers string
	out     []byte
	answer  bytes.Buffer

	number  int // from 0
	rand    *rand.Rand
	toggled int // PATCHes of active that it has sent
	took    []time.Duration
}

// idleMost is how long a connection may do nothing before it is made anew, since the server ends those that do nothing.
const idleMost = 5 * time.Second

func newScimClient(base, token string) (*scimClient, error) {
	at, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	c := &scimClient{free: make(chan *connection, writers)}
	for i := range writers {
		one := &connection{host: at.Host, number: i, rand: rand.New(rand.NewPCG(uint64(i), 1)), //nolint:gosec // chance, not a secret
			headers: " HTTP/1.1\r\nHost: " + at.Host + "\r\nAuthorization: Bearer " + token + "\r\nContent-Type: " + scim.ContentType + "\r\nContent-Length: "}
		c.all = append(c.all, one)
		c.free <- one
	}
	return c, nil
}

func (c *scimClient) close() {
	for _, one := range c.all {
		one.hangUp()
	}
}

// connect sees to a connection that the server keeps open.
func (c *connection) connect() (err error) {
	if c.socket != nil && time.Since(c.used) < idleMost {
		return nil
	}
	c.hangUp()
	c.socket, err = net.Dial("tcp", c.host) //nolint:noctx,gosec // to the loopback
	c.in = bufio.NewReaderSize(c.socket, 64<<10)
	return err
}

func (c *connection) hangUp() {
	if c.socket != nil {
		_ = c.socket.Close()
	}
}

// with lends a connection to fn and notes how long that took.
func (c *scimClient) with(fn func(on *connection) error) error {
	on := <-c.free
	defer func() { c.free <- on }()
	began := time.Now()
	err := fn(on)
	on.took = append(on.took, time.Since(began))
	return err
}

// times takes, sorted, what all connections have noted.
func (c *scimClient) times() []time.Duration {
	var all []time.Duration
	for _, one := range c.all {
		all, one.took = append(all, one.took...), one.took[:0]
	}
	slices.Sort(all)
	return all
}

var errAnswer = errors.New("the SCIM server did not answer as it should")

// call sends a request below the server's root and reads the whole answer, which is good until the next call. The answer
// must have the status, and contain the text.
func (c *connection) call(method, path, body string, status int, contains string) ([]byte, error) {
	c.out = append(c.out[:0], method...)
	c.out = append(append(append(c.out, ' '), scim.Root...), path...)
	c.out = strconv.AppendInt(append(c.out, c.headers...), int64(len(body)), 10)
	c.out = append(append(c.out, "\r\n\r\n"...), body...)
	if err := c.connect(); err != nil {
		return nil, err
	}
	if _, err := c.socket.Write(c.out); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	c.answer.Reset()
	if _, err := c.answer.ReadFrom(response.Body); err != nil {
		return nil, err
	}
	c.used = time.Now()
	answer := c.answer.Bytes()
	if response.StatusCode != status || !bytes.Contains(answer, []byte(contains)) {
		return nil, fmt.Errorf("%w: %s %s: %s: %s", errAnswer, method, path, response.Status, answer[:min(len(answer), 500)])
	}
	return answer, nil
}

// get reads what is there.
func (c *connection) get(path, contains string) ([]byte, error) {
	return c.call(http.MethodGet, path, "", http.StatusOK, contains)
}

// patch sends one operation.
func (c *connection) patch(path, operation, contains string) error {
	_, err := c.call(http.MethodPatch, path, patchBody(operation), http.StatusOK, contains)
	return err
}

func patchBody(operation string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operation + `]}`
}

// field is the value of a key with a text without quotes in an answer; "" when it has none. Of several it is the first.
func field(answer []byte, key string) string {
	_, after, _ := bytes.Cut(answer, []byte(`"`+key+`":"`))
	value, _, _ := bytes.Cut(after, []byte(`"`))
	return string(value)
}

// Users of SCIM have numbers, too, which stand in all that is theirs alone.

// scimNumber begins with a hyphen so that it is found nowhere else.
func scimNumber(n int64) string       { return fmt.Sprintf("-%06d", n) }
func scimUserName(n int64) string     { return "user" + scimNumber(n) + "@" + domain }
func scimExternalID(n int64) string   { return "ext" + scimNumber(n) }
func scimHomeAddress(n int64) string  { return "home" + scimNumber(n) + "@example.net" }
func scimUserFilter(n int64) string   { return `userName eq "` + scimUserName(n) + `"` }
func scimSearch(filter string) string { return "/Users?filter=" + url.QueryEscape(filter) }

// scimUser is a User as directories send them.
func scimUser(n int64) string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
		"userName":%q,"externalId":%q,"displayName":"Given Family%[3]s","active":true,"title":"Clerk","userType":"employee","locale":"en-GB",
		"name":{"givenName":"Given","familyName":"Family%[3]s","formatted":"Given Family%[3]s"},
		"emails":[{"value":%[1]q,"type":"work","primary":true},{"value":%[4]q,"type":"home"}],
		"phoneNumbers":[{"value":"+44 20 7946%[3]s","type":"work"}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"E%[3]s","department":"Sales"}}`,
		scimUserName(n), scimExternalID(n), scimNumber(n), scimHomeAddress(n))
}
