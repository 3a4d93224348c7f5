package presence

import (
	"context"
	"slices"
	"sync"
	"time"
)

// maxBatch is how many seats are given up in one call.
const maxBatch = 500

// departure is a seat that is to be given up.
type departure struct {
	reason
	seat Seat
}

// departures have the Store told who has gone, on one goroutine, and many in one call:
// where a server loses all of its clients at once, there is one for each of them that
// ends. It exists as long as there is something to tell.
type departures struct {
	store   Store
	timeout time.Duration

	mu      sync.Mutex
	queue   []departure
	running chan struct{} // closed when the goroutine ends; nil if there is none
}

func (q *departures) init(s Store, timeout time.Duration) { q.store, q.timeout = s, timeout }

func (q *departures) add(d departure) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = append(q.queue, d)
	if q.running == nil {
		q.running = make(chan struct{})
		go q.run(q.running)
	}
}

func (q *departures) run(ended chan struct{}) {
	defer close(ended)
	for {
		q.mu.Lock()
		queue := q.queue
		q.queue = nil
		if len(queue) == 0 {
			q.running = nil
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		for like, seats := range alike(queue) {
			for some := range slices.Chunk(seats, maxBatch) {
				ctx, cancel := context.WithTimeout(context.Background(), q.timeout)
				_ = q.store.Leave(ctx, like.cause, like.now, some...) // it goes on trying by itself
				cancel()
			}
		}
	}
}

// reason is what departures have in common that can be told in one call.
type reason struct {
	cause Cause
	now   bool
}

// alike returns the seats of a queue by their reasons.
func alike(queue []departure) map[reason][]Seat {
	seats := make(map[reason][]Seat)
	for _, d := range queue {
		seats[d.reason] = append(seats[d.reason], d.seat)
	}
	return seats
}

// close waits until all have been told.
func (q *departures) close(ctx context.Context) error {
	for {
		q.mu.Lock()
		running := q.running
		q.mu.Unlock()
		if running == nil {
			return nil
		}
		select {
		case <-running:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
