package stack

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// await calls ready until it answers without an error. It fails as soon as the process has ended, with the end of its
// log, and when atMost has passed, with the last error too.
func (p *Process) await(ctx context.Context, atMost time.Duration, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	var last error
	for {
		if last = p.try(ctx, ready); last == nil {
			return nil
		}
		select {
		case <-p.done:
			return p.Exited()
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s: %w; the end of %s:\n%s", p.spec.Name, atMost, last, p.LogFile(),
				Tail(p.LogFile(), 20))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (p *Process) try(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return ready(ctx)
}

// AwaitHTTP waits until a GET of the address answers 200. It fails as soon as the process has ended.
func (p *Process) AwaitHTTP(ctx context.Context, url string, atMost time.Duration) error {
	return p.await(ctx, atMost, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("GET %s answers %s", url, response.Status)
		}
		return nil
	})
}

// AwaitListener waits until something listens on the address, host:port. It fails as soon as the process has ended.
func (p *Process) AwaitListener(ctx context.Context, address string, atMost time.Duration) error {
	return p.await(ctx, atMost, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}
