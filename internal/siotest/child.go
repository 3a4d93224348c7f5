package siotest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const (
	childEnv  = "SIOTEST_CHILD"
	urlPrefix = "SIOTEST_URL="
)

// Main is the body of a TestMain. It runs the tests and checks for leaked
// goroutines, or, in a process started by [ChildProcess], runs the child of
// that name.
//
// A child starts a server, most simply with [Config.Serve], and passes its URL
// to report. Its process lives until the parent stops it, also after the
// function has returned.
func Main(m *testing.M, children map[string]func(report func(url string)), options ...goleak.Option) {
	name := os.Getenv(childEnv)
	if name == "" {
		goleak.VerifyTestMain(patient{m, options}, options...)
		return
	}
	child, ok := children[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "siotest: no child named %q\n", name)
		os.Exit(2)
	}
	go func() {
		// The end of stdin is the end of the parent, however it went away.
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	child(func(url string) { fmt.Println(urlPrefix + url) })
	select {}
}

// patient gives timers of the host time to expire before the leak check: a
// ping that goes out while the session ends starts a timer that nobody stops,
// and the check itself waits less than half a second.
type patient struct {
	m       goleak.TestingM
	options []goleak.Option
}

func (p patient) Run() int {
	code := p.m.Run()
	if code == 0 {
		until(waitBound, func() bool { return goleak.Find(p.options...) == nil })
	}
	return code
}

// IgnoreHostTimers are options for [Main] in packages that open and close very
// many sessions. The host forgets a timer when a session ends while it is being
// set up, about once in 30,000 sessions, and one when an upgrade is aborted
// under load. Other packages go without: a forgotten connection shows up as
// such a timer too.
func IgnoreHostTimers() []goleak.Option {
	const utils = "github.com/zishang520/engine.io/v2/utils."
	return []goleak.Option{
		goleak.IgnoreTopFunction(utils + "SetTimeout.func1"),
		goleak.IgnoreTopFunction(utils + "SetInterval.func1"),
	}
}

// Child is a server in a process of its own, which may crash without taking
// the test with it.
type Child struct {
	// URL is what the child has reported.
	URL string

	cmd    *exec.Cmd
	stdin  io.Closer
	stdout watcher
	stderr buffer
	exited chan struct{}
	err    error
	server *Server
}

// ChildProcess starts the named child of [Main] and waits until it reports
// its URL. The process is stopped when the test ends.
func ChildProcess(tb testing.TB, name string) *Child {
	tb.Helper()
	exe, err := os.Executable()
	if err != nil {
		tb.Fatalf("siotest: child %s: %v", name, err)
	}
	c := &Child{
		cmd:    exec.Command(exe, "-test.run=^$"),
		exited: make(chan struct{}),
	}
	c.stdout.found = make(chan string, 1)
	// The race detector would otherwise hold every exit up for a second.
	race := strings.TrimSpace(os.Getenv("GORACE") + " atexit_sleep_ms=0")
	c.cmd.Env = append(os.Environ(), childEnv+"="+name, "GORACE="+race)
	c.cmd.Stdout = &c.stdout
	c.cmd.Stderr = &c.stderr
	c.cmd.WaitDelay = waitBound
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		tb.Fatalf("siotest: child %s: %v", name, err)
	}
	if err := c.cmd.Start(); err != nil {
		tb.Fatalf("siotest: child %s: %v", name, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.exited)
	}()
	tb.Cleanup(c.Stop)
	// A race-enabled binary on a busy machine takes its time to start.
	bound := time.NewTimer(4 * waitBound)
	defer bound.Stop()
	select {
	case c.URL = <-c.stdout.found:
	case <-c.exited:
		tb.Fatalf("siotest: child %s ended before it reported a URL: %v\n%s", name, c.err, c.Stderr())
	case <-bound.C:
		tb.Fatalf("siotest: child %s reported no URL\n%s", name, c.Stderr())
	}
	c.server = &Server{URL: c.URL, owners: make(map[testing.TB]*clientSet)}
	return c
}

// Server returns a handle for Open and Dial; its IO is nil.
func (c *Child) Server() *Server {
	return c.server
}

// Alive reports whether the process runs. A crash takes a moment to become
// visible; see [Eventually].
func (c *Child) Alive() bool {
	select {
	case <-c.exited:
		return false
	default:
		return true
	}
}

// Err returns how the process ended: nil while it runs and after a clean end.
func (c *Child) Err() error {
	if c.Alive() {
		return nil
	}
	return c.err
}

// Stderr returns what the process has written to its standard error so far.
func (c *Child) Stderr() string {
	return c.stderr.String()
}

// Signal sends the process a signal: SIGKILL for what no process can prepare for,
// SIGSTOP for one that has frozen.
func (c *Child) Signal(tb testing.TB, sig os.Signal) {
	tb.Helper()
	if err := c.cmd.Process.Signal(sig); err != nil {
		tb.Fatalf("siotest: %v to the child: %v", sig, err)
	}
}

// Exited is closed when the process has ended.
func (c *Child) Exited() <-chan struct{} { return c.exited }

// Stop ends the process and waits for it. It may be called more than once.
func (c *Child) Stop() {
	_ = c.stdin.Close()
	bound := time.NewTimer(waitBound)
	defer bound.Stop()
	select {
	case <-c.exited:
		return
	case <-bound.C:
	}
	_ = c.cmd.Process.Kill()
	<-c.exited
}

// watcher finds the URL in the output of a child.
type watcher struct {
	mu    sync.Mutex
	line  strings.Builder
	found chan string
}

func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range p {
		if b != '\n' {
			w.line.WriteByte(b)
			continue
		}
		if url, ok := strings.CutPrefix(w.line.String(), urlPrefix); ok {
			select {
			case w.found <- url:
			default:
			}
		}
		w.line.Reset()
	}
	return len(p), nil
}
