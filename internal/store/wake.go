package store

import (
	"context"
	"time"
)

// wakeEvery is the shortest time between two notifications of one process.
const wakeEvery = 50 * time.Millisecond

// Waker tells the relays of other processes that the outbox has something for them, at most once in a while however
// often it is asked. The zero value is not usable: see NewWaker.
type Waker struct {
	store *Store
	asked chan struct{}
}

// NewWaker makes a Waker; Run must be running for it to do anything.
func (s *Store) NewWaker() *Waker { return &Waker{store: s, asked: make(chan struct{}, 1)} }

// Woken asks for a notification; it never blocks.
func (w *Waker) Woken() {
	select {
	case w.asked <- struct{}{}:
	default:
	}
}

// Run sends the notifications until ctx ends. One that fails is made up for by the relays' polling.
func (w *Waker) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.asked:
			_ = w.store.Wake(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wakeEvery):
		}
	}
}
