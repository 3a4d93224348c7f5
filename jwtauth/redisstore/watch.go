package redisstore

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/sioware/sioware/internal/panics"
	"github.com/sioware/sioware/internal/redisclient"
	"github.com/sioware/sioware/jwtauth"
)

// watcher is a function given to Watch.
type watcher struct {
	f       func(jwtauth.Change)
	stopped atomic.Bool
}

// Watch implements [jwtauth.Store]. It waits for the subscription, but no longer
// than [Options].Timeout. If there is none by then, f is called with the zero Change
// as soon as there is one, as it is whenever the subscription was lost. f is called
// on a goroutine of the Store; a call that is under way when stop is called ends
// after stop has returned. After Close, Watch does nothing.
func (s *Store) Watch(f func(jwtauth.Change)) (stop func()) {
	w := &watcher{f: f}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return func() {}
	}
	s.watchers = append(slices.Clone(s.watchers), w)
	if s.feed == nil {
		s.feed = redisclient.NewFeed(s.client, s.channel(), s.logger, s.pingEvery, s.heard, s.subscribed)
	}
	feed := s.feed
	s.mu.Unlock()

	feed.Wait(s.timeout)
	return func() {
		w.stopped.Store(true)
		s.mu.Lock()
		defer s.mu.Unlock()
		if i := slices.Index(s.watchers, w); i >= 0 {
			s.watchers = slices.Delete(slices.Clone(s.watchers), i, i+1)
		}
	}
}

// Close ends the subscription and waits for its goroutine, and thus for a call of a
// function given to Watch, which must not call Close, and for an attempt to
// connect, up to the timeouts of the client; but no longer than ctx, whose error it
// then returns. Methods called afterwards return [ErrClosed]; calls under way are
// not waited for. It may be called again.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	feed := s.feed
	s.mu.Unlock()
	if feed == nil {
		return nil
	}
	return feed.Close(ctx)
}

// subscribed is called after each subscription. What was published before it may
// be lost. For the first one that does not matter to those whose Watch has waited.
func (s *Store) subscribed(first bool) {
	if !first {
		s.tell(jwtauth.Change{})
	}
}

// heard reports the change that a message holds, or the zero Change if the
// message is not of this version of the package.
func (s *Store) heard(message string) {
	c, err := decode(message)
	if err != nil {
		s.logger.ErrorContext(context.Background(), "redisstore: malformed message on the channel", "channel", s.channel(), "error", err)
		c = jwtauth.Change{}
	}
	s.tell(c)
}

// tell calls all watchers with c.
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

// call calls w. A panic must end neither the process nor the subscription.
func (s *Store) call(w *watcher, c jwtauth.Change) {
	defer func() {
		if v := recover(); v != nil {
			s.logger.Error("redisstore: the function given to Watch panicked", panics.Attr(v))
		}
	}()
	w.f(c)
}
