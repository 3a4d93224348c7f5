package main

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// pipelined is how many events a connection sends before it waits for an ack.
const pipelined = 16

// echoText is the payload of each event.
const echoText = "hello, world: thirty-two bytes.."

// events runs a round of events with acks, over c.conns connections.
func (c *config) events(s *server, ids []*identity, length time.Duration) (sample, error) {
	clients := make([]*client, c.conns)
	defer func() {
		for _, c := range clients {
			if c != nil {
				c.close()
			}
		}
		_ = s.settle(0)
	}()
	for i := range clients {
		var err error
		if clients[i], err = insist(s.addr, ids[i%len(ids)], c.bound); err != nil {
			return sample{}, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	// The bare host answers CONNECT before there are listeners.
	if err := s.settle(len(clients)); err != nil {
		return sample{}, err
	}
	return round(s, len(clients), length, func(w int, r *recorder, begin, stop time.Time) {
		_ = clients[w].conn.SetDeadline(stop.Add(c.bound))
		r.unanswered, r.err = clients[w].echo(begin, stop, &r.took)
	})
}

// echo keeps events in flight until stop, and then waits for the last acks. It returns
// how many never came.
func (c *client) echo(begin, stop time.Time, took *[]time.Duration) (int, error) {
	var frames [pipelined][]byte
	var sent [pipelined]time.Time
	c.out = c.out[:0]
	for id := range frames {
		frames[id] = appendFrame(nil, "42"+strconv.Itoa(id)+`["echo","`+echoText+`"]`)
		sent[id] = time.Now()
		c.out = append(c.out, frames[id]...)
	}
	under := pipelined
	for under > 0 {
		// Only when everything received has been read: one call for many events.
		if c.r.Buffered() == 0 && len(c.out) > 0 {
			if _, err := c.conn.Write(c.out); err != nil {
				return under, nil
			}
			c.out = c.out[:0]
		}
		p, err := c.packet()
		if err != nil {
			return under, nil
		}
		id, ok := ackOf(p)
		if !ok {
			return under, fmt.Errorf("not an ack: %.80q", p)
		}
		now := time.Now()
		if now.After(begin) && now.Before(stop) {
			*took = append(*took, now.Sub(sent[id]))
		}
		if now.After(stop) {
			under--
			continue
		}
		sent[id] = now
		c.out = append(c.out, frames[id]...)
	}
	return 0, nil
}

// ackOf returns the id of the event that p acknowledges, and whether p is as expected.
func ackOf(p []byte) (int, bool) {
	open := bytes.IndexByte(p, '[')
	if open < 3 || string(p[:2]) != "43" || !bytes.Equal(p[open:], []byte(`["`+echoText+`"]`)) {
		return 0, false
	}
	id := 0
	for _, digit := range p[2:open] {
		if digit < '0' || digit > '9' || id >= pipelined {
			return 0, false
		}
		id = id*10 + int(digit-'0')
	}
	return id, id < pipelined
}
