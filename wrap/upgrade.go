package wrap

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/internal/wire"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/transports"
)

// maxPark limits how long the end of a session waits for a probe to become quiet.
const maxPark = time.Second

// lastPoll is how long a poll may outlive its session.
const lastPoll = 250 * time.Millisecond

// nearEnd is how long before the host's timer ends an upgrade nothing else may end it.
const nearEnd = 100 * time.Millisecond

// probe is the connection of an upgrade from long-polling, until the session has moved to
// it. The host's MaybeUpgrade shares a variable between the reader of this connection,
// its writer, a timer and the end of the session, and sets it to nil without a lock
// (engine/socket.go:375): whichever comes second ends the process. So until then the
// reader gets nothing but the frames that an upgrade consists of, and no errors: neither
// those of the connection nor those that gorilla would derive from a frame, for which it
// also fails the writer. A session ends only while the reader is reading. Shortly before
// the timer fires, which closes the connection, no session ends and no frame is passed on.
type probe struct {
	*conn
	due time.Time // the host's timer ends the upgrade then or later

	mu      sync.Mutex
	changed sync.Cond
	reading bool // the reader is not handling a frame
	parked  bool // the session is ending
	moved   bool // the session has moved here
	closed  bool // by the engine

	deflate bool // compression was negotiated; set before there is a reader

	// Used only by the reader.
	held []byte // read, but not yet passed on
	pass int    // how many of these may be passed on
}

func newProbe(timeout time.Duration) *probe {
	p := &probe{due: time.Now().Add(timeout)}
	p.changed.L = &p.mu
	return p
}

// Read implements net.Conn.
func (p *probe) Read(b []byte) (int, error) {
	for p.pass == 0 {
		p.mu.Lock()
		p.reading = true
		p.changed.Broadcast()
		moved, ended := p.moved, p.parked
		p.mu.Unlock()
		if moved {
			if len(p.held) == 0 {
				return p.conn.Read(b)
			}
			p.pass = len(p.held)
			break
		}

		var err error
		n, ok := p.message()
		if ok && n == 0 && !ended {
			buf := make([]byte, 256)
			n, err = p.conn.Read(buf)
			p.held = append(p.held, buf[:n]...)
			n, ok = p.message()
		}

		p.mu.Lock()
		if !ok || err != nil || p.parked || (n > 0 && time.Until(p.due) < nearEnd) {
			_ = p.conn.Close() // tells the client; the engine hears of it when it closes
			for !p.closed {
				p.changed.Wait()
			}
			p.mu.Unlock()
			return 0, net.ErrClosed
		}
		p.reading = n == 0
		p.pass = n
		p.mu.Unlock()
	}
	n := copy(b, p.held[:p.pass])
	p.held, p.pass = p.held[n:], p.pass-n
	return n, nil
}

// maxSplit limits a message of an upgrade that comes in fragments, in bytes.
const maxSplit = 512

// message returns the length of the message at the start of held, 0 if it is incomplete,
// and whether it may be part of an upgrade: "2probe" or "5" (or a short compressed one),
// or a ping or pong. A client or a proxy may split a text, and send pings in between (RFC
// 6455, section 5.4): it is passed on when it is complete.
func (p *probe) message() (n int, ok bool) {
	const text, more, final = 0x01, 0x00, 0x80
	const deflated, ping, pong = 0xC1, 0x89, 0x8A // with the FIN bit
	var said []byte
	for split := false; n <= maxSplit && len(said) <= len("2probe"); {
		head, data, size, ok := clientFrame(p.held[n:])
		if !ok || size == 0 {
			return 0, ok
		}
		n += size
		switch kind := head &^ final; {
		case kind == text && !split, kind == more && split:
			said = append(said, data...)
			if split = head&final == 0; !split {
				return n, string(said) == "2probe" || string(said) == "5"
			}
		case head == ping, head == pong, head == deflated && p.deflate && !split:
			if !split {
				return n, true
			}
		default:
			return 0, false
		}
	}
	return 0, false
}

// clientFrame returns the first byte, the unmasked data and the length of the frame at the
// start of b. The length is 0 if the frame is incomplete; ok is false if it is not masked,
// or longer than 125 bytes.
func clientFrame(b []byte) (head byte, data []byte, size int, ok bool) {
	const fixed = 6 // the first byte, the length, the masking key
	if len(b) < 2 {
		return 0, nil, 0, true
	}
	n := int(b[1]) - 0x80
	if n < 0 || n > 125 {
		return 0, nil, 0, false
	}
	if len(b) < fixed+n {
		return 0, nil, 0, true
	}
	data = bytes.Clone(b[fixed : fixed+n])
	for i := range data {
		data[i] ^= b[2+i%4]
	}
	return b[0], data, fixed + n, true
}

// Write implements net.Conn.
func (p *probe) Write(b []byte) (int, error) {
	if bytes.HasPrefix(b, []byte("HTTP/1.1 101 ")) {
		p.deflate = bytes.Contains(b, []byte("permessage-deflate"))
	}
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

// park returns when the reader is not handling a frame and will not start, and the timer
// is not about to fire; after maxPark it returns anyway.
func (p *probe) park() {
	late := false // maxPark has passed
	timer := time.AfterFunc(maxPark, func() { p.set(&late) })
	defer timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parked = true
	for !late && !p.moved && !p.closed && (!p.reading || time.Until(p.due) < nearEnd) {
		p.changed.Wait()
	}
}

// follow lets the polls and probes of a session know what becomes of it. It runs before
// the engine starts the first probe, and so learns of the end before MaybeUpgrade does.
func (h *sessionMark) follow(s engine.Socket) {
	h.followed.Do(func() {
		h.life, h.over = context.WithCancel(context.Background())
		_ = s.On("close", func(args ...any) {
			h.over()
			if p := h.probe.Swap(nil); p != nil {
				p.park()
			}
			if c := h.conn.Load(); c != nil {
				c.hangUp(reason(args))
			}
		})
		_ = s.On("upgrade", func(...any) {
			if p := h.probe.Swap(nil); p != nil {
				p.set(&p.moved)
				h.conn.Store(p.conn) // to be watched
			}
		})
		if s.ReadyState() == "closed" {
			h.over()
		}
	})
}

// poll serves a poll. The host leaves one unanswered if it arrives as its session ends
// (engine/server.go:79 finds the session, and transports/polling.go:89 runs after its
// end): it gets lastPoll for what is still on its way.
func (p *passage) poll(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	stop := context.AfterFunc(p.mark.life, func() {
		timer := time.AfterFunc(lastPoll, cancel)
		context.AfterFunc(ctx, func() { timer.Stop() })
	})
	defer stop()
	if p.serve(&p.front, r.WithContext(ctx)) == 0 && r.Context().Err() == nil {
		badRequest(w)
	}
}

// free allows another upgrade if this one came to nothing.
func (p *passage) free() {
	if !p.front.hijacked.Load() {
		p.mark.probe.CompareAndSwap(p.probe, nil)
	}
}

// claimUpgrade refuses requests for a session that the host would not survive or would
// leave unanswered. It returns the probe that an upgrade is to use.
func (h *handler) claimUpgrade(r *http.Request, query url.Values, s engine.Socket, mark *sessionMark) (p *probe, ok bool) {
	polling := s.Transport().Name() == transports.POLLING
	if !websocket.IsWebSocketUpgrade(r) {
		// Nobody would answer a plain request for the WebSocket of a session
		// (transports/transport.go:160).
		return nil, wire.Last(query["transport"]) != transports.WEBSOCKET
	}
	// The new transport takes its protocol version from its own query
	// (transports/transport.go:143), and a heartbeat of the other version finds no timer
	// (engine/socket.go:210).
	if !polling || (wire.Last(query["EIO"]) == "4") != (s.Protocol() == 4) {
		return nil, false
	}
	if mark == nil {
		return nil, true // opened past us
	}
	p = newProbe(h.engine.Opts().UpgradeTimeout())
	if !mark.probe.CompareAndSwap(nil, p) {
		return nil, false // one at a time
	}
	mark.follow(s)
	return p, true
}
