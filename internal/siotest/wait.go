package siotest

import (
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// waitBound is how long a helper waits before it gives up: longer than the 30 seconds
	// by which the host sometimes closes a long-polling session too late (engine.io/v2
	// transports/polling.go:391).
	waitBound = 45 * time.Second
	// closeBound is how long an orderly close may take before it becomes a kill.
	closeBound = time.Second
	// greetBound is how long the listeners of "connection" may take.
	greetBound = time.Second
	// probeInterval is how often an unanswered upgrade probe is repeated.
	probeInterval = 200 * time.Millisecond
	// noted is how many packets a failure message can name.
	noted = 40
)

// Eventually waits until cond holds and ends the test when it does not within
// 45 seconds.
func Eventually(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	if !until(waitBound, cond) {
		tb.Fatalf("siotest: not within %v: %s", waitBound, what)
	}
}

func until(bound time.Duration, cond func() bool) bool {
	if cond() {
		return true
	}
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	deadline := time.NewTimer(bound)
	defer deadline.Stop()
	for {
		select {
		case <-ticker.C:
			if cond() {
				return true
			}
		case <-deadline.C:
			return cond()
		}
	}
}

// inbox is the unbounded queue between the reader and the test.
type inbox struct {
	lock    sync.Mutex
	queue   []Packet
	seen    []string // the last packets of the engine, for messages
	partial *Packet  // a binary packet that waits for attachments
	missing int
	wake    chan struct{} // closed at the next packet; nil when nobody waits
	reason  string
	bound   time.Duration
	done    chan struct{}
}

// note remembers an engine packet for messages.
func (in *inbox) note(text string) {
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	in.lock.Lock()
	defer in.lock.Unlock()
	if len(in.seen) == noted {
		in.seen = append(in.seen[:0], in.seen[1:]...)
	}
	in.seen = append(in.seen, text)
}

// push queues a packet, or keeps it until its attachments are there.
func (in *inbox) push(raw string) {
	p, attachments := decodePacket(raw)
	in.lock.Lock()
	defer in.lock.Unlock()
	if attachments > 0 {
		in.partial, in.missing = &p, attachments
		return
	}
	in.put(p)
}

// attach adds a binary message to the packet that waits for it.
func (in *inbox) attach(data []byte) {
	in.lock.Lock()
	defer in.lock.Unlock()
	if in.partial == nil {
		return
	}
	in.partial.Binary = append(in.partial.Binary, data)
	if in.missing--; in.missing > 0 {
		return
	}
	p := *in.partial
	in.partial = nil
	p.Data = fill(p.Data, p.Binary)
	in.put(p)
}

func (in *inbox) put(p Packet) {
	in.queue = append(in.queue, p)
	if in.wake != nil {
		close(in.wake)
		in.wake = nil
	}
}

// end records why the session is over and releases those who wait.
func (in *inbox) end(reason string) {
	in.lock.Lock()
	in.reason = reason
	in.lock.Unlock()
	close(in.done)
}

func (in *inbox) ended() bool {
	select {
	case <-in.done:
		return true
	default:
		return false
	}
}

// take removes the first packet that matches and, when skip is set, those
// before it. It gives up after the bound or when the session is over.
func (in *inbox) take(bound time.Duration, skip bool, match func(Packet) bool) (Packet, bool) {
	timer := time.NewTimer(bound)
	defer timer.Stop()
	last := false
	for {
		in.lock.Lock()
		for i, p := range in.queue {
			if !match(p) {
				continue
			}
			if skip {
				in.queue = in.queue[i+1:]
			} else {
				in.queue = append(in.queue[:i:i], in.queue[i+1:]...)
			}
			in.lock.Unlock()
			return p, true
		}
		if in.wake == nil {
			in.wake = make(chan struct{})
		}
		wake := in.wake
		in.lock.Unlock()
		if last {
			return Packet{}, false
		}
		select {
		case <-wake:
		case <-in.done:
			last = true
		case <-timer.C:
			last = true
		}
	}
}

// history tells what happened so far, for messages.
func (in *inbox) history() string {
	in.lock.Lock()
	defer in.lock.Unlock()
	text := "received so far: " + strings.Join(in.seen, " | ")
	if in.reason != "" {
		text += "; session over: " + in.reason
	}
	return text
}

func (c *Client) wait(tb testing.TB, what string, skip bool, match func(Packet) bool) Packet {
	tb.Helper()
	p, ok := c.take(c.bound, skip, match)
	if !ok {
		tb.Fatalf("siotest: no %s; %s", what, c.history())
	}
	return p
}

func isConnectAnswer(p Packet) bool {
	return p.Type == TypeConnect || p.Type == TypeConnectError
}

// Connected waits for the answer to CONNECT, of whichever namespace, and ends
// the test when it is an error. Other packets stay in the queue.
//
// The host answers before it accepts packets of the socket: it ends the
// session when an event comes too early, and an event that comes before the
// listeners of "connection" have run may find no handler. Connected therefore
// also waits for those listeners, for at most a second, as one of them may
// wait for the test. It cannot do so for a [Child].
func (c *Client) Connected(tb testing.TB) Packet {
	tb.Helper()
	p := c.wait(tb, "answer to CONNECT", false, isConnectAnswer)
	if p.Type != TypeConnect {
		tb.Fatalf("siotest: CONNECT was refused: %s; %s", p, c.history())
	}
	if c.server.IO != nil {
		id := c.socketID(p)
		until(greetBound, func() bool {
			_, ok := c.server.greeted.LoadAndDelete(id)
			return ok || c.ended()
		})
	}
	return p
}

// socketID returns the id the host has given to the socket of a CONNECT.
func (c *Client) socketID(p Packet) string {
	if data, ok := p.Data.(map[string]any); ok {
		id, _ := data["sid"].(string)
		return id
	}
	if p.Namespace == "/" {
		return c.SID
	}
	return p.Namespace + "#" + c.SID
}

// ConnectError waits for the answer to CONNECT, of whichever namespace, and
// ends the test when it is a success. Other packets stay in the queue.
func (c *Client) ConnectError(tb testing.TB) Packet {
	tb.Helper()
	p := c.wait(tb, "answer to CONNECT", false, isConnectAnswer)
	if p.Type != TypeConnectError {
		tb.Fatalf("siotest: CONNECT was accepted: %s; %s", p, c.history())
	}
	return p
}

// Next waits for the next packet.
func (c *Client) Next(tb testing.TB) Packet {
	tb.Helper()
	return c.wait(tb, "packet", true, func(Packet) bool { return true })
}

// NextEvent waits for an event and drops the packets before it.
func (c *Client) NextEvent(tb testing.TB, name string) Packet {
	tb.Helper()
	return c.wait(tb, "event "+name, true, func(p Packet) bool { return p.Event() == name })
}

// NoPacket fails the test when a packet is queued or arrives within d.
func (c *Client) NoPacket(tb testing.TB, d time.Duration) {
	tb.Helper()
	if p, ok := c.take(d, true, func(Packet) bool { return true }); ok {
		tb.Errorf("siotest: unexpected packet %s; %s", p, c.history())
	}
}

// AwaitDone ends the test when the session is not over within 45 seconds.
func (c *Client) AwaitDone(tb testing.TB) {
	tb.Helper()
	Eventually(tb, "the session ends", c.ended)
}

// Reason says why the session is over, "" while it is not.
func (c *Client) Reason() string {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.reason
}
