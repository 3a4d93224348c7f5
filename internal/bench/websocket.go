package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// appendFrame appends a client's text frame to b. The mask is zero, which saves the
// generator work but not the server.
func appendFrame(b []byte, text string) []byte {
	b = append(b, 0x81)
	if n := len(text); n < 126 {
		b = append(b, 0x80|byte(n))
	} else {
		b = append(b, 0x80|126)
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	b = append(b, 0, 0, 0, 0)
	return append(b, text...)
}

// frame reads the next text frame. The result is valid until the next call.
func (c *client) frame() ([]byte, error) {
	head, err := c.r.Peek(2)
	if err != nil {
		return nil, err
	}
	kind, n, skip := head[0], int(head[1]), 2
	switch {
	case kind == 0x88:
		return nil, io.EOF
	case kind != 0x81:
		return nil, fmt.Errorf("frame of kind %#x", kind)
	case n == 126:
		if head, err = c.r.Peek(4); err != nil {
			return nil, err
		}
		n, skip = int(binary.BigEndian.Uint16(head[2:])), 4
	case n > 126:
		return nil, errors.New("frame is too large")
	}
	whole, err := c.r.Peek(skip + n)
	if err != nil {
		return nil, err
	}
	_, err = c.r.Discard(skip + n)
	return whole[skip:], err
}

// packet reads the next packet other than a ping, and answers pings.
func (c *client) packet() ([]byte, error) {
	for {
		p, err := c.frame()
		if err != nil || len(p) != 1 || p[0] != '2' {
			return p, err
		}
		if _, err := c.conn.Write(appendFrame(nil, "3")); err != nil {
			return nil, err
		}
	}
}

// openWebSocket does a whole handshake: it returns when CONNECT has been answered. A
// refusal is a *refusedError.
func openWebSocket(addr string, id *identity, deadline time.Time) (*client, error) {
	c, err := dial(addr, deadline)
	if err != nil {
		return nil, err
	}
	if err := c.connectWebSocket(addr, id); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *client) connectWebSocket(addr string, id *identity) error {
	c.out = append(c.out[:0], "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: "...)
	c.out = append(c.out, addr...)
	c.out = append(c.out, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nUser-Agent: bench\r\nCookie: "...)
	c.out = append(c.out, id.cookie...)
	c.out = append(c.out, "\r\n\r\n"...)
	if _, err := c.conn.Write(c.out); err != nil {
		return err
	}
	for first := true; ; first = false {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !strings.HasPrefix(string(line), "HTTP/1.1 101 ") {
			return &refusedError{strings.TrimSpace(string(line))}
		}
		if len(line) <= 2 {
			break
		}
	}
	open, err := c.packet()
	if err != nil {
		return err
	}
	if len(open) == 0 || open[0] != '0' {
		return fmt.Errorf("no OPEN packet: %.80q", open)
	}
	c.out = appendFrame(c.out[:0], "40"+id.auth)
	if _, err := c.conn.Write(c.out); err != nil {
		return err
	}
	answer, err := c.packet()
	if err != nil {
		return err
	}
	return connected(string(answer))
}

// connected returns nil if the answer to CONNECT admits the client.
func connected(answer string) error {
	switch {
	case strings.HasPrefix(answer, "40{"):
		return nil
	case strings.HasPrefix(answer, "44"):
		return &refusedError{answer}
	}
	return fmt.Errorf("no answer to CONNECT: %.80q", answer)
}

// closeWebSocket sends a close frame and waits until the server has received it.
func (c *client) closeWebSocket() {
	defer c.close()
	if _, err := c.conn.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 1000 >> 8, 1000 & 0xff}); err != nil {
		return
	}
	for {
		if _, err := c.packet(); err != nil {
			return
		}
	}
}
