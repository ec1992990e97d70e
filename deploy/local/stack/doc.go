// Package stack runs the real Postgres and the real Temporal server as child processes on the loopback of this machine:
// it finds or builds the programs, writes their configuration, waits until they answer, and ends or kills them. The
// local stack (deploy/local) and the tests' private servers (internal/testkit) share it. It knows nothing of Tenure's
// tables or workflows. It needs Linux: children are told apart by /proc and end with their parent by PDEATHSIG.
package stack
