package presence

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sioware/sioware/internal/deadline"
)

// maxBatch is how many seats are given up in one call.
const maxBatch = 500

// departure is a seat that is to be given up.
type departure struct {
	reason
	seat Seat
}

// departures tells the Store who has gone, on one goroutine, and many in one call:
// when a server loses all of its clients at once, there is one departure for each.
// The goroutine exists only while there is something to tell.
type departures struct {
	store   Store
	timeout time.Duration

	mu      sync.Mutex
	queue   []departure
	running chan struct{} // closed when the goroutine ends; nil if there is none
	open    map[string]*untold
}

// untold counts what the Store has not been told about a user: devices that have gone,
// and seats in the queue.
type untold struct {
	n    int
	told chan struct{} // closed when there is nothing left; nil if nobody waits
}

func (q *departures) init(s Store, timeout time.Duration) {
	q.store, q.timeout, q.open = s, timeout, make(map[string]*untold)
}

// expect records that a device of a user has gone, until settle is called.
func (q *departures) expect(user string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count(user, 1)
}

func (q *departures) settle(user string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count(user, -1)
}

// count adds n to what is open for a user. q.mu is held.
func (q *departures) count(user string, n int) {
	u := q.open[user]
	if u == nil {
		u = new(untold)
		q.open[user] = u
	}
	if u.n += n; u.n > 0 {
		return
	}
	delete(q.open, user)
	if u.told != nil {
		close(u.told)
	}
}

// await waits until the Store has been told which devices of a user have gone, or ctx ends.
func (q *departures) await(ctx context.Context, user string) {
	q.mu.Lock()
	u := q.open[user]
	if u == nil {
		q.mu.Unlock()
		return
	}
	if u.told == nil {
		u.told = make(chan struct{})
	}
	q.mu.Unlock()
	select {
	case <-u.told:
	case <-ctx.Done():
	}
}

func (q *departures) add(d departure) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = append(q.queue, d)
	q.count(d.seat.User, 1)
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
				ctx := deadline.After(context.Background(), q.timeout)
				_ = q.store.Leave(ctx, like.cause, like.now, some...) // the Store goes on trying by itself
				ctx.End()
				q.mu.Lock()
				for _, seat := range some {
					q.count(seat.User, -1)
				}
				q.mu.Unlock()
			}
		}
	}
}

// reason is what departures must have in common to be told in one call.
type reason struct {
	cause Cause
	now   bool
}

// alike groups the seats of a queue by their reasons.
func alike(queue []departure) map[reason][]Seat {
	seats := make(map[reason][]Seat)
	for _, d := range queue {
		seats[d.reason] = append(seats[d.reason], d.seat)
	}
	return seats
}

// close waits until the Store has been told of all.
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
