package stack

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// The range that FreePorts draws from lies below the kernel's ephemeral ports (32768), so that no outgoing connection
// takes one between the choice and the use; and Temporal stores its members' ports in a signed 16-bit column.
const (
	firstPort = 15000
	lastPort  = 32000
)

// reserved keeps the locks' files from being collected, and so closed, while this process lives.
var reserved struct {
	sync.Mutex

	unlock []func()
}

// FreePorts finds n free ports on the loopback and keeps other callers, in this process and others, from finding the
// same ones for as long as this process lives. The ports themselves stay unbound.
func FreePorts(n int) ([]int, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("tenure-ports-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	reserved.Lock()
	defer reserved.Unlock()
	var ports []int
	for range 100 * n {
		port := firstPort + rand.IntN(lastPort-firstPort)
		unlock, err := Lock(filepath.Join(dir, strconv.Itoa(port)), false)
		if err != nil {
			return nil, err
		}
		if unlock == nil {
			continue // another stack has it
		}
		if !PortFree(port) {
			unlock()
			continue
		}
		reserved.unlock = append(reserved.unlock, unlock)
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("no %d free ports between %d and %d on 127.0.0.1", n, firstPort, lastPort)
}

// PortFree reports whether a port of the loopback can be listened on.
func PortFree(port int) bool {
	listener, err := net.Listen("tcp", net.JoinHostPort(Loopback, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// Loopback is the only address that anything of the stack listens on.
const Loopback = "127.0.0.1"

func address(port int) string { return net.JoinHostPort(Loopback, strconv.Itoa(port)) }
