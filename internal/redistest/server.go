package redistest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// bound is how long the package waits for a server.
const bound = 10 * time.Second

// Server is a Redis server that ends with its test. Its methods may be called
// concurrently, except those that break it.
type Server struct {
	// Addr is where it listens, also after a restart.
	Addr string

	dir  string
	args []string
	mini *miniredis.Miniredis // nil if it is a real one

	process *process // nil while killed
}

// Start starts an empty redis-server. If there is none in PATH it starts a miniredis and
// says so, or fails if the environment has CI=true, so that nobody mistakes a run without
// Redis for one with it.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	switch {
	case err == nil:
		return startReal(tb, path, args)
	case os.Getenv("CI") == "true":
		tb.Fatalf("redistest: CI has no redis-server: %v", err)
	case len(args) > 0:
		tb.Skipf("redistest: no redis-server: %v", err)
	}
	tb.Logf("redistest: miniredis in place of Redis: %v", err)
	return startMini(tb)
}

func startReal(tb testing.TB, path string, args []string) *Server {
	tb.Helper()
	s := &Server{dir: tb.TempDir()}
	tb.Cleanup(func() { s.stop() })
	var failed error
	for range 10 { // another process may have the port
		// Avoid the ports that the system assigns to connections: while the server is
		// killed another process might get it.
		port := strconv.Itoa(10_000 + rand.N(20_000))
		s.Addr = net.JoinHostPort("127.0.0.1", port)
		s.args = append([]string{
			path, "--port", port, "--bind", "127.0.0.1", "--dir", s.dir,
			"--save", "", "--appendonly", "no", "--daemonize", "no",
		}, args...)
		if failed = s.start(); failed == nil {
			return s
		}
	}
	tb.Fatalf("redistest: %v", failed)
	return nil
}

func startMini(tb testing.TB) *Server {
	tb.Helper()
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	// Its keys expire only when it is told that time has passed.
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		last := time.Now()
		for {
			select {
			case now := <-tick.C:
				m.FastForward(now.Sub(last))
				last = now
			case <-stop:
				return
			}
		}
	}()
	tb.Cleanup(func() {
		close(stop)
		<-stopped
		m.Close()
	})
	return &Server{Addr: m.Addr(), mini: m}
}

// Real reports whether the server is Redis itself.
func (s *Server) Real() bool { return s.mini == nil }

// NeedReal skips the test if the server is not Redis itself.
func (s *Server) NeedReal(tb testing.TB) {
	tb.Helper()
	if !s.Real() {
		tb.Skip("redistest: no redis-server in PATH")
	}
}

// Client returns a client that is closed with the test. It honors the deadlines
// of contexts.
func (s *Server) Client(tb testing.TB) *redis.Client {
	tb.Helper()
	return Client(tb, s.Addr)
}

// Client returns a client of addr, which may be that of a [Proxy].
func Client(tb testing.TB, addr string) *redis.Client {
	tb.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// Kill ends the server at once, losing everything that it holds.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	s.NeedReal(tb)
	s.stop()
}

// Restart starts the server again, empty, at the same address, after killing it if it is
// running.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.NeedReal(tb)
	s.stop()
	if err := s.start(); err != nil {
		tb.Fatalf("redistest: %v", err)
	}
}

// Pause suspends the server until Resume, while its connections stay open.
func (s *Server) Pause(tb testing.TB) {
	tb.Helper()
	s.NeedReal(tb)
	if err := pause(s.process.cmd.Process); err != nil {
		tb.Fatalf("redistest: %v", err)
	}
}

// Resume ends a Pause.
func (s *Server) Resume(tb testing.TB) {
	tb.Helper()
	s.NeedReal(tb)
	if err := resume(s.process.cmd.Process); err != nil {
		tb.Fatalf("redistest: %v", err)
	}
}

// process is a running server, and a shell that kills it if the test process ends without
// a cleanup, as it does at a timeout.
type process struct {
	cmd   *exec.Cmd
	over  chan struct{}
	out   bytes.Buffer
	guard *exec.Cmd
	hold  io.Closer // stdin of guard
}

// start starts the server and waits until it answers.
func (s *Server) start() error {
	p := &process{over: make(chan struct{})}
	p.cmd = exec.Command(s.args[0], s.args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(p.over)
		_ = p.cmd.Wait()
	}()
	p.guard = exec.Command("sh", "-c", `cat >/dev/null; kill -9 "$0" 2>/dev/null`, strconv.Itoa(p.cmd.Process.Pid))
	if in, err := p.guard.StdinPipe(); err == nil && p.guard.Start() == nil {
		p.hold = in
	} else {
		p.guard = nil
	}
	s.process = p

	c := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1})
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		// Another server may have the port: only this one was given this directory.
		conf, err := c.ConfigGet(ctx, "dir").Result()
		if err == nil && sameDir(conf["dir"], s.dir) {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.over:
			s.process = nil
			p.release()
			return fmt.Errorf("redis-server ended: %s", p.out.String())
		case <-ctx.Done():
			s.stop()
			return fmt.Errorf("redis-server does not answer: %w\n%s", err, p.out.String())
		}
	}
}

// sameDir reports whether two paths are the same directory: Redis resolves links.
func sameDir(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// stop kills the server, if it is running, and waits for its end.
func (s *Server) stop() {
	p := s.process
	if p == nil {
		return
	}
	s.process = nil
	_ = p.cmd.Process.Kill() // works on a paused one too
	<-p.over
	p.release()
}

// release ends the guard, before its process id can be reused.
func (p *process) release() {
	if p.guard == nil {
		return
	}
	_ = p.guard.Process.Kill()
	_ = p.hold.Close()
	_ = p.guard.Wait()
}
