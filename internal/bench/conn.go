package main

import (
	"bufio"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// The generator speaks the protocols itself, by prepared bytes: what it does not use of
// the processors, which it shares with the server, the server can.

// sources are how many addresses the clients come from: one has 28,000 ports.
const sources = 20

var source atomic.Uint32

// client is one connection of one client.
type client struct {
	conn *net.TCPConn
	r    *bufio.Reader
	out  []byte
}

// dial connects from one address after the other. All that the client does has to be
// done by the deadline.
func dial(addr string, deadline time.Time) (*client, error) {
	from := net.IPv4(127, 0, 0, byte(2+source.Add(1)%sources))
	d := net.Dialer{Deadline: deadline, LocalAddr: &net.TCPAddr{IP: from}, KeepAlive: -1}
	conn, err := d.Dial("tcp4", addr)
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("%T is no TCP connection", conn)
	}
	// A connection that is closed must not keep its port for a minute.
	if err := tcp.SetLinger(0); err != nil {
		return nil, err
	}
	if err := tcp.SetDeadline(deadline); err != nil {
		return nil, err
	}
	return &client{conn: tcp, r: bufio.NewReaderSize(tcp, 4096)}, nil
}

func (c *client) close() { _ = c.conn.Close() }

// identity is who a client says that it is.
type identity struct {
	user   string
	cookie string // name=value
	auth   string // the payload of CONNECT
}

// refusedError is an answer that is not the one that was hoped for, but an answer.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return "refused: " + e.text }
