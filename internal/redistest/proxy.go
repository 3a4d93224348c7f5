package redistest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy forwards TCP connections to a server, until it is told otherwise. It ends with
// its test. Its methods may be called concurrently.
type Proxy struct {
	// Addr is where it listens.
	Addr string

	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	target string
	conns  map[net.Conn]struct{}
	gate   chan struct{} // closed while data passes
	cut    bool
}

// NewProxy returns a Proxy in front of target.
func NewProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	p := &Proxy{
		Addr:     l.Addr().String(),
		target:   target,
		listener: l,
		conns:    make(map[net.Conn]struct{}),
		gate:     make(chan struct{}),
	}
	close(p.gate)
	p.running.Go(p.accept)
	tb.Cleanup(func() {
		_ = l.Close()
		p.Cut()
		p.Restore()
		p.running.Wait()
	})
	return p
}

// Cut closes all connections, and new ones as they arrive, until Restore.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for c := range p.conns {
		_ = c.Close()
	}
}

// Hang keeps all connections, and accepts new ones, but forwards nothing until Restore,
// which forwards what has arrived in between.
func (p *Proxy) Hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
		p.gate = make(chan struct{})
	default:
	}
}

// Restore ends Cut and Hang.
func (p *Proxy) Restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
	select {
	case <-p.gate:
	default:
		close(p.gate)
	}
}

// Retarget cuts all connections, and forwards new ones to another server, as a failover
// would.
func (p *Proxy) Retarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
	for c := range p.conns {
		_ = c.Close()
	}
}

// Conns returns how many connections it has.
func (p *Proxy) Conns() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) / 2
}

func (p *Proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		out, err := net.Dial("tcp", target)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.conns[in], p.conns[out] = struct{}{}, struct{}{}
		if p.cut {
			_, _ = in.Close(), out.Close()
		}
		p.mu.Unlock()
		p.running.Go(func() {
			var both sync.WaitGroup
			both.Go(func() { p.pass(out, in) })
			p.pass(in, out)
			both.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.conns, in)
			delete(p.conns, out)
		})
	}
}

// pass copies from src to dst, and closes both when either ends.
func (p *Proxy) pass(dst, src net.Conn) {
	defer func() { _, _ = dst.Close(), src.Close() }()
	_, _ = io.Copy(gated{p, dst}, src)
}

// gated is a connection that is written to only while the gate is open.
type gated struct {
	p *Proxy
	net.Conn
}

func (g gated) Write(b []byte) (int, error) {
	g.p.mu.Lock()
	gate := g.p.gate
	g.p.mu.Unlock()
	<-gate
	return g.Conn.Write(b)
}
