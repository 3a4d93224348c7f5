package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// sample is one round of one server.
type sample struct {
	n          int           // handshakes or events that were answered in time
	rate       float64       // of these per second
	serverCPU  time.Duration // what each cost the server
	clientCPU  time.Duration // what each cost the generator
	p50, p99   time.Duration
	unanswered int // after config.bound
}

// recorder is what one worker has recorded.
type recorder struct {
	took       []time.Duration
	unanswered int
	err        error
}

// warmTime is how long a round runs before it counts.
const warmTime = 300 * time.Millisecond

// errNothing says that a round was too short for the machine.
var errNothing = errors.New("nothing was answered")

// round makes workers work for a while and adds up what they recorded. work runs until
// stop, and records only what ends between begin and stop.
func round(s *server, workers int, length time.Duration, work func(w int, r *recorder, begin, stop time.Time)) (sample, error) {
	begin := time.Now().Add(warmTime)
	stop := begin.Add(length)
	all := make([]recorder, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { work(w, &all[w], begin, stop) })
	}
	var server, client time.Duration
	var errs []error
	for _, at := range []struct {
		time time.Time
		sign time.Duration
	}{{begin, -1}, {stop, 1}} {
		time.Sleep(time.Until(at.time))
		s, err1 := s.cpu()
		c, err2 := cpu(os.Getpid())
		server, client, errs = server+at.sign*s, client+at.sign*c, append(errs, err1, err2)
	}
	wg.Wait()
	var got sample
	var took []time.Duration
	for _, r := range all {
		took = append(took, r.took...)
		got.unanswered += r.unanswered
		errs = append(errs, r.err)
	}
	if err := errors.Join(errs...); err != nil {
		return got, fmt.Errorf("%s: %w", s.name, err)
	}
	if len(took) == 0 {
		return got, fmt.Errorf("%s: %w within %v", s.name, errNothing, length)
	}
	slices.Sort(took)
	got.n = len(took)
	got.rate = float64(got.n) / length.Seconds()
	got.serverCPU, got.clientCPU = server/time.Duration(got.n), client/time.Duration(got.n)
	got.p50, got.p99 = took[got.n/2], took[got.n*99/100]
	return got, nil
}

// shake does one handshake, from the first TCP packet to the answer to CONNECT, and
// closes the connection.
func shake(s *server, id *identity, polling bool, deadline time.Time) (time.Duration, error) {
	begin := time.Now()
	if polling {
		c, sid, err := openPolling(s.addr, id, deadline)
		took := time.Since(begin)
		if err == nil {
			c.closePolling(s.addr, sid, id.cookie)
		}
		return took, err
	}
	c, err := openWebSocket(s.addr, id, deadline)
	took := time.Since(begin)
	if err == nil {
		c.closeWebSocket()
	}
	return took, err
}

// handshakes runs a round of handshakes.
func (c *config) handshakes(s *server, ids []*identity, polling bool, length time.Duration) (sample, error) {
	workers := c.workers
	return round(s, workers, length, func(w int, r *recorder, begin, stop time.Time) {
		for i := w; time.Now().Before(stop); i += workers {
			took, err := shake(s, ids[i%len(ids)], polling, time.Now().Add(c.bound))
			var refused *refusedError
			switch now := time.Now(); {
			case errors.As(err, &refused):
				r.err = err
				return
			case err != nil:
				r.unanswered++
			case now.After(begin) && now.Before(stop):
				r.took = append(r.took, took)
			}
		}
	})
}

// lose makes n handshakes as fast as it can and returns how many were not answered.
func (c *config) lose(s *server, ids []*identity, polling bool, n int) (int, error) {
	workers := c.workers
	all := make([]recorder, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := &all[w]
			for i := w; i < n && r.err == nil; i += workers {
				_, err := shake(s, ids[i%len(ids)], polling, time.Now().Add(c.bound))
				var refused *refusedError
				if errors.As(err, &refused) {
					r.err = err
				} else if err != nil {
					r.unanswered++
				}
			}
		})
	}
	wg.Wait()
	sum := 0
	var errs []error
	for _, r := range all {
		sum += r.unanswered
		errs = append(errs, r.err)
	}
	return sum, errors.Join(errs...)
}
