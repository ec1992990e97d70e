package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// isTerminal reports whether a stream is a person's terminal.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// confirm asks the person at the terminal; instead is the flag that scripts give.
func (a *app) confirm(c *cobra.Command, question, instead string) error {
	if !a.interactive(c.InOrStdin()) {
		return fmt.Errorf("nobody is at the terminal to agree: look at what would be done, then run the command with %s", instead)
	}
	fmt.Fprintf(c.ErrOrStderr(), "%s [y/N] ", question)
	answer, err := readLine(c.Context(), c.InOrStdin())
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errors.New("not done: you did not agree")
	}
	return nil
}

// readLine reads a line, or gives up when the context ends, as a terminal's read cannot be cancelled.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	type answer struct {
		line string
		err  error
	}
	read := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(in).ReadString('\n')
		read <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case a := <-read:
		return a.line, a.err
	}
}

// progress shows how far a command is: a bar on a terminal, and elsewhere a line now and then and one at the end.
type progress struct {
	bar    *progressbar.ProgressBar
	out    io.Writer
	name   string
	total  int
	done   int
	spoken time.Time
}

// progressEvery is how often a line is printed where there is no terminal.
const progressEvery = 2 * time.Second

func newProgress(out io.Writer, name string, total int) *progress {
	p := &progress{out: out, name: name, total: total, spoken: time.Now()}
	if isTerminal(out) {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(name),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
	}
	return p
}

func (p *progress) add(n int) {
	p.done += n
	switch now := time.Now(); {
	case p.bar != nil:
		_ = p.bar.Add(n) // a bar that cannot be drawn is no reason to stop
	case p.done == p.total || now.Sub(p.spoken) >= progressEvery:
		p.spoken = now
		fmt.Fprintf(p.out, "%s: %d of %d\n", p.name, p.done, p.total)
	}
}

// clear takes an unfinished bar from the terminal.
func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
