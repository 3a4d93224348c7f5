package wrap

import (
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/transports"
)

// maxPark bounds how long the end of a session waits for a probe to be quiet.
const maxPark = time.Second

// probe is the connection of an upgrade from long-polling, until the session has
// moved to it. The host's MaybeUpgrade shares a variable between the reader of
// this connection, its writer, a timer and the end of the session, and sets it
// to nil without a lock (engine/socket.go:375): whoever comes second ends the
// process. So, until then, the engine hears of a broken connection only when it
// closes it itself, and a session ends only while the reader is reading.
type probe struct {
	*conn

	mu      sync.Mutex
	changed sync.Cond
	reading bool // the reader handles no frame
	parked  bool // the session is ending
	moved   bool // the session has moved here
	closed  bool // by the engine
}

func newProbe() *probe {
	p := new(probe)
	p.changed.L = &p.mu
	return p
}

// Read implements net.Conn.
func (p *probe) Read(b []byte) (int, error) {
	p.mu.Lock()
	p.reading = true
	p.changed.Broadcast()
	ended := p.parked
	p.mu.Unlock()

	n, err := 0, error(nil)
	if !ended {
		n, err = p.conn.Read(b)
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.moved {
		return n, err
	}
	if err != nil || p.parked {
		for !p.closed {
			p.changed.Wait()
		}
		return 0, net.ErrClosed
	}
	p.reading = false
	return n, nil
}

// Write implements net.Conn.
func (p *probe) Write(b []byte) (int, error) {
	n, err := p.conn.Write(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && !p.moved {
		return len(b), nil
	}
	return n, err
}

// Close implements net.Conn.
func (p *probe) Close() error {
	p.set(&p.closed)
	p.mark.probe.CompareAndSwap(p, nil) // another may be started
	return p.conn.Close()
}

func (p *probe) set(flag *bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*flag = true
	p.changed.Broadcast()
}

// park returns when the reader handles no frame, and will not any more.
func (p *probe) park() {
	quiet := &p.reading // after maxPark it has to be
	timer := time.AfterFunc(maxPark, func() { p.set(quiet) })
	defer timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parked = true
	for !p.reading && !p.moved && !p.closed {
		p.changed.Wait()
	}
}

// follow lets the probes of a session know what becomes of it. It runs before
// the engine starts the first one, and so hears of the end before MaybeUpgrade.
func (h *handshake) follow(s engine.Socket) {
	_ = s.On("close", func(...any) {
		if p := h.probe.Swap(nil); p != nil {
			p.park()
		}
	})
	_ = s.On("upgrade", func(...any) {
		if p := h.probe.Swap(nil); p != nil {
			p.set(&p.moved)
		}
	})
}

// checkRoute refuses requests for a session which the host would not survive, or
// leave without an answer. It returns the probe that an upgrade is to use.
func checkRoute(r *http.Request, query url.Values, s engine.Socket, mark *handshake) (p *probe, ok bool) {
	polling := s.Transport().Name() == transports.POLLING
	if !websocket.IsWebSocketUpgrade(r) {
		// A plain request for the WebSocket of a session finds nobody to answer it
		// (transports/transport.go:160).
		return nil, polling || lastOf(query["transport"]) == transports.POLLING
	}
	// The new transport takes its protocol from its own query
	// (transports/transport.go:143), and a heartbeat of the other version finds no
	// timer (engine/socket.go:210).
	if !polling || (lastOf(query["EIO"]) == "4") != (s.Protocol() == 4) {
		return nil, false
	}
	if mark == nil {
		return nil, true // opened past us
	}
	p = newProbe()
	if !mark.probe.CompareAndSwap(nil, p) {
		return nil, false // one at a time
	}
	if mark.follows.CompareAndSwap(false, true) {
		mark.follow(s)
	}
	return p, true
}
