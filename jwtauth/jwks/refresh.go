package jwks

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/sioware/sioware/internal/panics"
)

const (
	minRetry = 5 * time.Second
	maxRetry = time.Minute
)

// start returns the fetch under way, or starts one. s.mu is held.
func (s *Set) start() *flight {
	if s.flight == nil {
		s.flight = &flight{done: make(chan struct{})}
		go s.fly(s.flight)
	}
	return s.flight
}

// tick starts a fetch when the timer fires.
func (s *Set) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.start()
	}
}

// expire drops keys that are too old.
func (s *Set) expire() {
	s.mu.Lock()
	// A fetch may have ended while the timer fired.
	old := !s.closed && time.Since(s.good) >= s.opts.MaxStale
	if old {
		s.current.Store(nil)
	}
	s.mu.Unlock()
	if old {
		s.log(slog.LevelError, "key set dropped: too old", "after", s.opts.MaxStale)
	}
}

// fly runs one fetch.
func (s *Set) fly(f *flight) {
	got, err := s.load()

	s.mu.Lock()
	s.flight = nil
	if s.closed {
		f.err = errClosed
		s.mu.Unlock()
		close(f.done)
		return
	}
	var wait time.Duration
	back, changed := false, false
	if err == nil {
		back, changed = s.err != nil, got.sum != s.sum
		s.err, s.failures, s.sum, s.good = nil, 0, got.sum, time.Now()
		s.current.Store(got.set)
		s.stale = after(s.stale, s.opts.MaxStale, s.expire)
		wait = s.opts.RefreshEvery
	} else {
		err = fmt.Errorf("jwks: %s: %w", s.name, err)
		s.err, f.err = err, err
		wait = min(minRetry<<min(s.failures, 4), maxRetry, s.opts.RefreshEvery)
		s.failures++
	}
	wait -= rand.N(wait/10 + 1)
	s.next = after(s.next, wait, s.tick)
	s.mu.Unlock()

	// The fetch is logged before those who wait for it go on.
	defer close(f.done)
	switch {
	case err != nil && s.current.Load() == nil:
		s.log(slog.LevelError, "no key set", "error", err, "retry", wait)
	case err != nil:
		s.log(slog.LevelWarn, "key set not refreshed", "error", err, "retry", wait)
	case changed:
		s.report(got)
	case back:
		s.log(slog.LevelInfo, "key set refreshed again")
	}
}

// after sets t, or a new timer if it is nil, to call f after d.
func after(t *time.Timer, d time.Duration, f func()) *time.Timer {
	if t == nil {
		return time.AfterFunc(d, f)
	}
	t.Reset(d)
	return t
}

// loaded is what a good fetch got.
type loaded struct {
	set    *snapshot
	unused []unused
	sum    [32]byte
}

// load fetches a key set.
func (s *Set) load() (got loaded, err error) {
	defer func() {
		// This is our own goroutine: a panic in the client's parts, which may be
		// anybody's, would end the process.
		if p := recover(); p != nil {
			s.log(slog.LevelError, "panic in a fetch", panics.Attr(p))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	body, err := fetch(s.ctx, s.client, s.url)
	if err != nil {
		return loaded{}, err
	}
	got.set, got.unused, err = parse(body, s.opts.Algorithms)
	got.sum = sha256.Sum256(body)
	return got, err
}

// report logs a key set that differs from the previous one.
func (s *Set) report(got loaded) {
	for _, k := range got.unused {
		s.log(k.level, "key skipped", "kid", fmt.Sprintf("%.64q", k.kid), "error", fmt.Sprintf("%.200s", k.err))
	}
	level := slog.LevelInfo
	if got.set.count == 0 {
		level = slog.LevelWarn
	}
	s.log(level, "new key set", "keys", got.set.count, "left_out", len(got.unused))
}

func (s *Set) log(level slog.Level, text string, args ...any) {
	s.opts.Logger.Log(s.ctx, level, "jwks: "+text, append(args, "url", s.name)...)
}
