package main

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// footprint is what one idle connection costs the server, in bytes.
type footprint struct {
	heap, stacks, rss float64
	goroutines        float64
}

// warmConnections are made before the first measurement, so that one-time allocations are
// not counted.
const warmConnections = 200

// settleBound is how long a server may take to have as many sockets as it should.
const settleBound = 60 * time.Second

// idle measures a fresh server with n idle connections over WebSocket.
func idle(name string, n int, bound time.Duration, heapFile string) (footprint, error) {
	s, err := startServer(name)
	if err != nil {
		return footprint{}, err
	}
	defer s.stop()
	warm, err := identities(s, 0, warmConnections)
	if err != nil {
		return footprint{}, err
	}
	ids, err := identities(s, warmConnections, n) // before the first measurement: stores are not what is measured
	if err != nil {
		return footprint{}, err
	}
	if err := hold(s, warm, bound, nil); err != nil {
		return footprint{}, err
	}
	before, rssBefore, err := s.memory()
	if err != nil {
		return footprint{}, err
	}
	var after report
	var rssAfter int64
	err = hold(s, ids, bound, func() error {
		if after, rssAfter, err = s.memory(); err != nil || heapFile == "" {
			return err
		}
		_, err = s.ask("heap " + heapFile)
		return err
	})
	if err != nil {
		return footprint{}, err
	}
	per := func(before, after int64) float64 { return float64(after-before) / float64(n) }
	return footprint{
		heap: per(before.Heap, after.Heap), stacks: per(before.Stacks, after.Stacks), rss: per(rssBefore, rssAfter),
		goroutines: per(int64(before.Goroutines), int64(after.Goroutines)),
	}, nil
}

func (s *server) memory() (report, int64, error) {
	r, err := s.ask("memory")
	if err != nil {
		return r, 0, err
	}
	rss, err := s.rss()
	return r, rss, err
}

// hold connects one client for each identity, calls f while all of them are connected,
// and disconnects them. If f is nil it also waits until the server has noticed.
func hold(s *server, ids []*identity, bound time.Duration, f func() error) error {
	const workers = 32
	clients := make([]*client, len(ids))
	errs := make([]error, workers)
	var wg, readers sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(ids) && errs[w] == nil; i += workers {
				c, err := insist(s.addr, ids[i], bound)
				if clients[i], errs[w] = c, err; err != nil {
					return
				}
				_ = c.conn.SetDeadline(time.Time{})
				readers.Go(func() { // pings must be answered
					for {
						if _, err := c.packet(); err != nil {
							return
						}
					}
				})
			}
		})
	}
	wg.Wait()
	err := errors.Join(errs...)
	if err == nil {
		err = s.settle(len(ids))
	}
	if err == nil && f != nil {
		err = f()
	}
	for _, c := range clients {
		if c != nil {
			c.close()
		}
	}
	readers.Wait()
	if err == nil && f == nil {
		err = s.settle(0)
	}
	return err
}

// insist connects a client even if the bare host loses its CONNECT once or twice; bound
// applies to each attempt.
func insist(addr string, id *identity, bound time.Duration) (c *client, err error) {
	for range 4 {
		var refused *refusedError
		if c, err = openWebSocket(addr, id, time.Now().Add(bound)); err == nil || errors.As(err, &refused) {
			break
		}
	}
	return c, err
}

// settle waits until the server has n sockets.
func (s *server) settle(n int) error {
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		r, err := s.ask("count")
		if err != nil {
			return err
		}
		if r.Live == int64(n) {
			return nil
		}
		if time.Since(begin) > settleBound {
			return fmt.Errorf("%s has %d sockets after %v, not %d", s.name, r.Live, settleBound, n)
		}
	}
}
