package main

import (
	"slices"

	"github.com/tenurehq/tenure/deploy/local/stack"
)

// children are the running processes, in the order of their start.
type children struct {
	running []*stack.Process
	ended   chan *stack.Process // receives the first that ends by itself
	stopped chan struct{}
}

func newChildren() *children {
	return &children{ended: make(chan *stack.Process, 1), stopped: make(chan struct{})}
}

func (c *children) add(p *stack.Process) {
	c.running = append(c.running, p)
	go func() {
		select {
		case <-c.stopped:
		case <-p.Done():
			select {
			case c.ended <- p:
			default: // another ended first
			}
		}
	}()
}

// stop ends all children, the last started first. Each has its own bound on the time it may take.
func (c *children) stop() {
	close(c.stopped)
	for _, p := range slices.Backward(c.running) {
		p.Stop()
	}
}
