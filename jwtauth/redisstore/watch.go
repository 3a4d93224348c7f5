package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/jwtauth"
)

const (
	// A subscription that has been silent for so long is asked whether it lives,
	// and is given up if it then stays silent for as long.
	defaultPing = 5 * time.Second

	// The waits between attempts to subscribe double from one to the other.
	minBackOff = 50 * time.Millisecond
	maxBackOff = 2 * time.Second
)

// watcher is a function given to Watch.
type watcher struct {
	f       func(jwtauth.Change)
	stopped atomic.Bool
}

// feed is the subscription, which all watchers share.
type feed struct {
	cancel context.CancelFunc
	ended  chan struct{} // closed when its goroutines have ended
	ready  chan struct{} // closed at the first subscription
	heard  atomic.Bool   // since the guard last looked

	mu   sync.Mutex
	sub  *redis.PubSub
	late bool // a Watch has returned before ready
}

// Watch implements [jwtauth.Store]. It waits until the subscription stands, but not
// for longer than [Options].Timeout: f is then called with the zero Change once it
// does, as it is whenever the subscription was lost. f is called on a goroutine of
// the Store; a call that is under way when stop is called ends after stop has
// returned. After Close, Watch does nothing.
func (s *Store) Watch(f func(jwtauth.Change)) (stop func()) {
	w := &watcher{f: f}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return func() {}
	}
	s.watchers = append(slices.Clone(s.watchers), w)
	if s.feed == nil {
		ctx, cancel := context.WithCancel(context.Background())
		s.feed = &feed{cancel: cancel, ended: make(chan struct{}), ready: make(chan struct{})}
		go s.run(ctx, s.feed)
	}
	feed := s.feed
	s.mu.Unlock()

	timer := time.NewTimer(s.timeout)
	defer timer.Stop()
	select {
	case <-feed.ready:
	case <-feed.ended:
	case <-timer.C:
		feed.mu.Lock()
		feed.late = true
		feed.mu.Unlock()
	}
	return func() {
		w.stopped.Store(true)
		s.mu.Lock()
		defer s.mu.Unlock()
		if i := slices.Index(s.watchers, w); i >= 0 {
			s.watchers = slices.Delete(slices.Clone(s.watchers), i, i+1)
		}
	}
}

// Close ends the subscription and waits for its goroutine, thus also for a call of
// a function given to Watch, which must not call it, and for an attempt to connect,
// up to the timeouts of the client; but no longer than ctx, whose error it returns
// then. Methods called afterwards return [ErrClosed]; calls under way are not
// waited for. It may be called again.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	feed := s.feed
	s.mu.Unlock()
	if feed == nil {
		return nil
	}
	feed.cancel()
	select {
	case <-feed.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run keeps a subscription until ctx ends.
func (s *Store) run(ctx context.Context, f *feed) {
	defer close(f.ended)
	f.renew(ctx, s)
	var guard sync.WaitGroup
	guard.Go(func() { f.guard(ctx, s.pingEvery) })
	s.receive(ctx, f)
	guard.Wait()
	_ = f.current().Close() // if it came after the guard had gone
}

// receive tells what comes, until ctx ends. The client connects and subscribes
// again by itself, within Receive.
func (s *Store) receive(ctx context.Context, f *feed) {
	failed := 0
	for ctx.Err() == nil {
		m, err := f.current().Receive(ctx)
		switch m := m.(type) {
		case *redis.Subscription:
			s.subscribed(f)
		case *redis.Message:
			s.tell(s.decode(ctx, m.Payload))
		}
		if err == nil {
			if failed > 0 {
				s.logger.InfoContext(ctx, "redisstore: subscribed again", "failed", failed)
			}
			failed = 0
			f.heard.Store(true)
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, redis.ErrClosed) { // by the guard
			f.renew(ctx, s)
		}
		if failed++; failed&(failed-1) == 0 { // ever less often
			s.logger.WarnContext(ctx, "redisstore: no subscription, trying again", "error", err, "failed", failed)
		}
		if failed > 1 { // what has just broken may be there again at once
			wait(ctx, min(minBackOff<<min(failed, 10), maxBackOff))
		}
	}
}

// wait waits for about d, so that the processes of a deployment do not all come
// back at once.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// renew puts a new subscription in the place of one that is closed, or none.
func (f *feed) renew(ctx context.Context, s *Store) {
	// Without a channel it does not connect yet, and cannot fail.
	sub := s.client.Subscribe(ctx)
	f.mu.Lock()
	f.sub = sub
	f.mu.Unlock()
	_ = sub.Subscribe(ctx, s.channel()) // Receive tries again, and has the error
}

func (f *feed) current() *redis.PubSub {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sub
}

// guard closes the subscription when ctx ends, or when it stays silent though it
// is asked: a connection whose other end is gone without a word looks like one on
// which nothing happens.
func (f *feed) guard(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var asked *redis.PubSub
	for {
		select {
		case <-ctx.Done():
			_ = f.current().Close()
			return
		case <-tick.C:
		}
		sub := f.current()
		switch {
		case f.heard.Swap(false):
			asked = nil
		case asked == sub:
			_ = sub.Close()
		case sub.Ping(ctx) == nil:
			asked = sub
		}
	}
}

// subscribed is called after each subscription. What was published before it may
// be lost. That does not matter at the first one to those whose Watch has waited.
func (s *Store) subscribed(f *feed) {
	f.mu.Lock()
	first := false
	select {
	case <-f.ready:
	default:
		close(f.ready)
		first = !f.late
	}
	f.mu.Unlock()
	if !first {
		s.tell(jwtauth.Change{})
	}
}

// decode returns the change that a message holds, or the zero Change if it is not
// a message of this package: it may be that of another version.
func (s *Store) decode(ctx context.Context, message string) jwtauth.Change {
	c, err := decode(message)
	if err != nil {
		s.logger.ErrorContext(ctx, "redisstore: malformed message on the channel", "channel", s.channel(), "error", err)
		return jwtauth.Change{}
	}
	return c
}

// tell calls all watchers.
func (s *Store) tell(c jwtauth.Change) {
	s.mu.Lock()
	watchers := s.watchers
	s.mu.Unlock()
	for _, w := range watchers {
		if !w.stopped.Load() {
			s.call(w, c)
		}
	}
}

// call calls w. A panic must not end the process, nor the subscription.
func (s *Store) call(w *watcher, c jwtauth.Change) {
	defer func() {
		if v := recover(); v != nil {
			s.logger.Error("redisstore: the function given to Watch panicked",
				"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	w.f(c)
}
