package session

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

var errStuck = errors.New("an earlier call to the store has not returned")

// locks has one lock for each session that is in use. The lock of a session is held
// during calls of the store: no other session has to wait.
type locks struct {
	mu  sync.Mutex
	all map[string]*lock
}

type lock struct {
	free  chan struct{} // holds a token while the lock is free
	stuck chan struct{} // closed while the holder's call is given up
	turn  uint64        // counts the holders
	users int
}

// acquire waits for a lock until ctx ends, or until it is known that waiting is no use.
func (ls *locks) acquire(ctx context.Context, key string) (*lock, error) {
	ls.mu.Lock()
	l := ls.all[key]
	if l == nil {
		l = &lock{free: make(chan struct{}, 1), stuck: make(chan struct{})}
		l.free <- struct{}{}
		if ls.all == nil {
			ls.all = make(map[string]*lock)
		}
		ls.all[key] = l
	}
	l.users++
	stuck := l.stuck
	ls.mu.Unlock()

	var err error
	select {
	case <-l.free:
		return l, nil
	case <-stuck:
		err = errStuck
	case <-ctx.Done():
		err = ctx.Err()
	}
	ls.leave(key, l)
	return nil, err
}

// giveUp makes all who wait for l fail, unless l is released within the given time. It does
// nothing, and returns false, if settled is set already: then the call has returned in time.
func (ls *locks) giveUp(l *lock, settled *atomic.Bool, within time.Duration) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if !settled.CompareAndSwap(false, true) {
		return false
	}
	if within <= 0 {
		close(l.stuck)
		return true
	}
	turn := l.turn
	time.AfterFunc(within, func() {
		ls.mu.Lock()
		defer ls.mu.Unlock()
		if l.turn == turn {
			close(l.stuck)
		}
	})
	return true
}

// release gives l back.
func (ls *locks) release(key string, l *lock) {
	ls.mu.Lock()
	l.turn++
	select {
	case <-l.stuck:
		l.stuck = make(chan struct{})
	default:
	}
	ls.mu.Unlock()
	l.free <- struct{}{}
	ls.leave(key, l)
}

func (ls *locks) leave(key string, l *lock) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(ls.all, key)
	}
}
