package siotest

import (
	"sync"
	"testing"
)

// clientSet holds the living clients of one test, so that they end with it
// and a loop of many clients does not keep the dead ones.
type clientSet struct {
	mu      sync.Mutex
	clients map[*Client]struct{}
	closed  bool
}

// adopt makes the client end with the test.
func (s *Server) adopt(tb testing.TB, c *Client) bool {
	s.mu.Lock()
	set := s.owners[tb]
	fresh := set == nil
	if fresh {
		set = &clientSet{clients: make(map[*Client]struct{})}
		s.owners[tb] = set
	}
	s.mu.Unlock()
	if fresh {
		tb.Cleanup(func() {
			set.close()
			s.mu.Lock()
			delete(s.owners, tb)
			s.mu.Unlock()
		})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return true
	}
	c.set = set
	return set.add(c)
}

// closeClients ends the clients of all tests.
func (s *Server) closeClients() {
	s.mu.Lock()
	sets := make([]*clientSet, 0, len(s.owners))
	for _, set := range s.owners {
		sets = append(sets, set)
	}
	s.mu.Unlock()
	for _, set := range sets {
		set.close()
	}
}

func (set *clientSet) add(c *Client) bool {
	set.mu.Lock()
	defer set.mu.Unlock()
	if set.closed {
		return false
	}
	set.clients[c] = struct{}{}
	return true
}

func (set *clientSet) remove(c *Client) {
	set.mu.Lock()
	defer set.mu.Unlock()
	delete(set.clients, c)
}

// close closes the clients side by side: a polling client may have to wait
// for a request the server holds back.
func (set *clientSet) close() {
	set.mu.Lock()
	set.closed = true
	left := make([]*Client, 0, len(set.clients))
	for c := range set.clients {
		left = append(left, c)
	}
	set.mu.Unlock()
	var wg sync.WaitGroup
	for _, c := range left {
		wg.Go(c.Close)
	}
	wg.Wait()
}
