package siotest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// readWebSocket runs until the connection breaks: read errors of gorilla are
// permanent.
func (c *Client) readWebSocket(conn *websocket.Conn) {
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			c.finish("websocket: " + err.Error())
			return
		}
		f := frame{data: data, binary: kind == websocket.BinaryMessage}
		if f.binary && c.dial.eio() == 3 && len(data) > 0 {
			// Engine.IO 3 puts the packet type in front of the bytes.
			f.data = data[1:]
		}
		c.receive(f)
	}
}

// writeWebSocket sends frames; the caller holds c.mu. An error needs no
// handling, the reader meets it too.
func (c *Client) writeWebSocket(frames []frame) {
	_ = c.ws.SetWriteDeadline(time.Now().Add(waitBound))
	for _, f := range frames {
		kind, data := websocket.TextMessage, f.data
		if f.binary {
			kind = websocket.BinaryMessage
			if c.dial.eio() == 3 {
				data = append([]byte{4}, data...)
			}
		}
		if c.ws.WriteMessage(kind, data) != nil {
			return
		}
	}
}

// closeWebSocket sends the close frame and gives the server time to close the
// connection: closing it here could turn into a reset that eats the frame.
func (c *Client) closeWebSocket(bound <-chan time.Time) {
	c.mu.Lock()
	ws := c.ws
	c.mu.Unlock()
	if ws == nil {
		return
	}
	message := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if ws.WriteControl(websocket.CloseMessage, message, time.Now().Add(closeBound)) != nil {
		return
	}
	select {
	case <-c.done:
	case <-bound:
	}
}

// Upgrade moves a polling client to WebSocket as the official client does:
// probe, pause the polling, upgrade.
func (c *Client) Upgrade(tb testing.TB) {
	tb.Helper()
	if err := c.upgrade(); err != nil {
		c.Kill()
		tb.Fatalf("siotest: upgrade: %v; %s", err, c.history())
	}
}

func (c *Client) upgrade() error {
	if c.Transport() != "polling" {
		return fmt.Errorf("the client is on %s", c.Transport())
	}
	d := c.dial
	d.Polling = false
	conn, resp, err := d.websocket(c.ctx, c.server, c.SID)
	c.UpgradeResponse = resp
	if err != nil {
		return err
	}
	err = c.probe(conn)
	if err == nil {
		err = c.switchTo(conn)
	}
	if err != nil {
		_ = conn.Close()
		return err
	}
	if !c.start(func() { c.readWebSocket(conn) }) {
		_ = conn.Close()
		return fmt.Errorf("the session is over: %s", c.Reason())
	}
	return nil
}

// probe asks whether the host serves the session on conn. The host loses a
// probe that arrives before it listens, as it loses an early CONNECT, and would
// then wait for its upgrade timeout. Hence the probe is repeated; the host
// answers each one, and answers that come late are ignored.
func (c *Client) probe(conn *websocket.Conn) error {
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		_, data, err := conn.ReadMessage()
		answers <- answer{string(data), err}
	}()
	_ = conn.SetWriteDeadline(time.Now().Add(waitBound))
	again := time.NewTicker(probeInterval)
	defer again.Stop()
	bound := time.NewTimer(waitBound)
	defer bound.Stop()
	for {
		if err := conn.WriteMessage(websocket.TextMessage, []byte("2probe")); err != nil {
			return err
		}
		select {
		case got := <-answers:
			if got.err == nil && got.text != "3probe" {
				return fmt.Errorf("answer to the probe is %.80q", got.text)
			}
			return got.err
		case <-again.C:
		case <-bound.C:
			return fmt.Errorf("no answer to the probe")
		}
	}
}

// switchTo pauses polling, moves the session to conn and sends over it what is
// still queued.
func (c *Client) switchTo(conn *websocket.Conn) error {
	bound := time.NewTimer(waitBound)
	defer bound.Stop()
	c.pause.Store(true)
	barrier := job{last: true, sent: make(chan struct{})}
	c.enqueue(barrier)
	for _, ready := range []<-chan struct{}{c.polled, barrier.sent} {
		select {
		case <-ready:
		case <-bound.C:
			return fmt.Errorf("polling does not pause")
		}
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return fmt.Errorf("the session is over")
	}
	if err := conn.WriteMessage(websocket.TextMessage, []byte("5")); err != nil {
		return err
	}
	c.ws = conn
	for _, j := range c.outbox {
		c.writeWebSocket(j.frames)
	}
	c.outbox = nil
	return nil
}
