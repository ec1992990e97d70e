package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// report prints the progress of the set-up: one short line a step, with the time it took.
type report struct{ out io.Writer }

func newReport() report { return report{out: os.Stderr} }

// step runs one step and prints its line when it is done.
func (r report) step(name string, do func() error) error {
	start := time.Now()
	if err := do(); err != nil {
		fmt.Fprintf(r.out, "  ✗ %s\n", name)
		return err
	}
	fmt.Fprintf(r.out, "  ✓ %-58s %6.1fs\n", name, time.Since(start).Seconds())
	return nil
}

func (r report) linef(format string, args ...any) { fmt.Fprintf(r.out, "  "+format+"\n", args...) }
