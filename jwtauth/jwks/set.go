package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/jwtauth"
)

var (
	errZero   = errors.New("jwks: zero Set; use New")
	errClosed = errors.New("jwks: the Set is closed")
)

// Set is the key set of a server. It is safe for concurrent use. Create one with [New] and
// end it with [Set.Close]; until then it fetches in the background, and is not collected.
type Set struct {
	url    string
	name   string // url, redacted
	client *http.Client
	opts   Options
	ctx    context.Context // of fetches; it belongs to no caller
	cancel context.CancelFunc

	current atomic.Pointer[snapshot] // nil if there is none yet, or if it is too old

	mu       sync.Mutex
	closed   bool
	flight   *flight     // the fetch under way, or nil
	err      error       // of the last fetch; nil if it was good
	failures int         // fetches that failed since the last good one
	unknown  time.Time   // no fetch for an unknown key before this
	good     time.Time   // when the last good fetch ended
	sum      [32]byte    // hash of what it got
	next     *time.Timer // starts the next fetch
	stale    *time.Timer // drops current
}

// flight is one fetch, shared by all who wait for it.
type flight struct {
	done chan struct{}
	err  error // valid once done is closed
}

// New returns the key set at url, with opts, which may be nil. It does not fetch
// it: the first token does, so that a server can start while the key server is
// down. The error joins all faults.
func New(url string, opts *Options) (*Set, error) {
	o, u, err := opts.audit(url)
	if err != nil {
		return nil, err
	}
	s := &Set{url: url, name: redact(u), client: newClient(o.Client), opts: o}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// String returns the URL without user, password and query.
func (s *Set) String() string {
	if s == nil {
		return "jwks.Set(nil)"
	}
	return s.name
}

// Check implements [jwtauth.Keys]. It returns an error for a Set that was not
// created by [New], and after Close. It does not fetch.
func (s *Set) Check() error {
	if s == nil || s.url == "" {
		return errZero
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	return nil
}

// Find implements [jwtauth.Keys]. It returns the keys with the key ID of h that
// may be used for its algorithm or, if h has no key ID, the first 4 for that
// algorithm. The result must not be changed.
//
// For a known key it never waits. For an unknown one it waits for one fetch, until
// ctx ends, unless there has already been one within Options.UnknownEvery: then
// there is no such key. The fetch is shared, and goes on if the caller leaves.
//
// It returns an error at once if the last fetch failed and the key is not
// known; when ctx ends; and after Close.
func (s *Set) Find(ctx context.Context, h jwtauth.Unverified) ([]jwtauth.Key, error) {
	if s == nil {
		return nil, errZero
	}
	if current := s.current.Load(); current != nil {
		if keys, ok := current.find(h); ok {
			return keys, nil
		}
	}
	return s.ask(ctx, h)
}

// ask is Find for a key that is not known.
func (s *Set) ask(ctx context.Context, h jwtauth.Unverified) ([]jwtauth.Key, error) {
	if s.url == "" {
		return nil, errZero
	}
	if !slices.Contains(s.opts.Algorithms, h.Algorithm) {
		return nil, nil // nobody causes a fetch with "none" or HS256
	}
	f, keys, err := s.join(h)
	if f == nil {
		return keys, err
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("jwks: %s: waiting for the key set: %w", s.name, context.Cause(ctx))
	}
	if f.err != nil {
		return nil, f.err
	}
	if current := s.current.Load(); current != nil {
		keys, _ = current.find(h)
		return keys, nil
	}
	return nil, errClosed
}

// join returns the fetch to wait for or, if there is none, the answer.
func (s *Set) join(h jwtauth.Unverified) (*flight, []jwtauth.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.current.Load()
	if current != nil {
		if keys, ok := current.find(h); ok {
			return nil, keys, nil // fetched while we waited for the lock
		}
	}
	switch {
	case s.closed:
		return nil, nil, errClosed
	case s.err != nil:
		// A retry is already scheduled. Waiting for a server that hangs would keep
		// the client waiting, too.
		return nil, nil, s.err
	case s.flight != nil:
		return s.flight, nil, nil
	case current != nil:
		now := time.Now()
		if now.Before(s.unknown) {
			return nil, nil, nil
		}
		s.unknown = now.Add(s.opts.UnknownEvery)
	}
	return s.start(), nil, nil
}

// Close ends the background fetches and waits, until ctx ends, for one that is
// under way. From then on Find returns an error: keys that nobody refreshes must
// not stay good. The error is that of ctx. It may be called again.
func (s *Set) Close(ctx context.Context) error {
	if s == nil || s.url == "" {
		return nil
	}
	s.mu.Lock()
	s.closed = true
	s.current.Store(nil)
	s.cancel()
	for _, t := range []*time.Timer{s.next, s.stale} {
		if t != nil {
			t.Stop()
		}
	}
	f := s.flight
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("jwks: %s: closing: %w", s.name, context.Cause(ctx))
	}
}
