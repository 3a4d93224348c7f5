package main

import (
	"bufio"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// The generator speaks the protocols itself, with prepared bytes: it shares the
// processors with the server, and what it does not use is left to the server.

// sources is how many addresses the clients connect from: each has only 28,000 ports.
const sources = 20

var source atomic.Uint32

// client is one connection of one client.
type client struct {
	conn *net.TCPConn
	r    *bufio.Reader
	out  []byte
}

// dial connects from each address in turn. Everything that the client does must be done
// by the deadline.
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
	// A closed connection must not keep its port for a minute.
	if err := tcp.SetLinger(0); err != nil {
		return nil, err
	}
	if err := tcp.SetDeadline(deadline); err != nil {
		return nil, err
	}
	return &client{conn: tcp, r: bufio.NewReaderSize(tcp, 4096)}, nil
}

func (c *client) close() { _ = c.conn.Close() }

// identity is who a client claims to be.
type identity struct {
	user   string
	cookie string // name=value
	auth   string // the payload of CONNECT
}

// refusedError is an answer other than the expected one, but an answer.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return "refused: " + e.text }
