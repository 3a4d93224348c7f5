package redisstore

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redisclient"
	"github.com/sioware/sioware/presence"
)

// Defaults of [Options].
const (
	DefaultPrefix  = "sioware:presence:"
	DefaultTimeout = 250 * time.Millisecond
	DefaultLease   = 15 * time.Second
)

// maxCalls is how many calls may be under way: while Redis hangs, waiting callers
// must not pile up in the process before the breaker opens.
const maxCalls = 1000

// Options configure a [Store]. The zero value, and nil, mean the defaults.
type Options struct {
	// Prefix is that of all keys and of the channel, without braces; "" means
	// DefaultPrefix. Stores with one prefix in one Redis are nodes of one store. Two
	// applications need two prefixes even if they use two databases of one Redis, since
	// all databases share their channels.
	Prefix string

	// Timeout is how long a call may take; 0 means DefaultTimeout. If the context ends
	// earlier, so does the call, but that says nothing about Redis: an outage is noticed
	// only if Timeout is less than what callers wait.
	Timeout time.Duration

	// Lease is how long the seats of a node are held after its process has died, or can
	// no longer reach Redis; 0 means DefaultLease. It is at least a second, and is
	// renewed three times in its duration. All nodes should use the same.
	Lease time.Duration

	// Logger gets what goes wrong in the background. Nil means slog.Default().
	// Its records have the attribute "store", which is "presence".
	Logger *slog.Logger
}

// Store is a [presence.Store] in Redis. Create one with [New], for each process. It is
// safe for concurrent use.
type Store struct {
	client  redis.UniversalClient
	caller  redisclient.Caller
	worker  redisclient.Caller // for batches of seats, in the background
	prefix  string
	timeout time.Duration
	lease   time.Duration
	logger  *slog.Logger
	breaker redisclient.Breaker

	pingEvery time.Duration // a seam for tests

	running sync.WaitGroup // calls
	closing sync.Once
	over    chan struct{} // closed when Close has done its work

	mu     sync.Mutex
	closed bool
	calls  int // under way
	back   *background
	seats  seats
	node   node
	events eventQueue
}

var _ presence.Store = (*Store)(nil)

var errBusy = fmt.Errorf("%w: %d calls are already waiting", redisclient.ErrBroken, maxCalls)

// New returns a Store that uses client. The caller closes client, after the Store. client
// must not be a Ring, nor read from replicas. New does not connect: if Redis is away at
// the start, calls fail, not New. The error joins all faults.
func New(client redis.UniversalClient, opts *Options) (*Store, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := redisclient.Check("presence", client, o.Prefix, o.Timeout, o.Lease); err != nil {
		return nil, err
	}
	o.Prefix = cmp.Or(o.Prefix, DefaultPrefix)
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.Lease = cmp.Or(o.Lease, DefaultLease)
	o.Logger = redisclient.Logger(o.Logger, "presence")
	return &Store{
		client:  client,
		caller:  redisclient.New(client, o.Timeout),
		worker:  redisclient.New(client, patience(o.Timeout, o.Lease)),
		prefix:  o.Prefix,
		timeout: o.Timeout,
		lease:   o.Lease,
		logger:  o.Logger,
		breaker: redisclient.Breaker{Logger: o.Logger},

		pingEvery: redisclient.DefaultPing,
		over:      make(chan struct{}),
		seats:     newSeats(),
		node:      node{epoch: newEpoch()},
	}, nil
}

// do calls f with a context that ends after the timeout, and returns by then; f may go on.
func (s *Store) do(ctx context.Context, f func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	done, err := s.begin()
	if err != nil {
		return err
	}
	epoch, err := s.breaker.Enter()
	if err != nil {
		done()
		return unavailable(err)
	}
	err = s.caller.Do(ctx, f, done)
	switch {
	case err == nil:
		s.breaker.Leave(epoch, redisclient.Succeeded, nil)
		return nil
	case ctx.Err() != nil:
		s.breaker.Leave(epoch, redisclient.Unknown, nil)
		return fmt.Errorf("redisstore: %w", err)
	default:
		s.breaker.Leave(epoch, redisclient.Failed, err)
		return unavailable(err)
	}
}

// begin counts a call, which done ends.
func (s *Store) begin() (done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, presence.ErrClosed
	}
	if s.calls >= maxCalls {
		return nil, unavailable(errBusy)
	}
	s.calls++
	s.running.Add(1)
	return func() {
		s.mu.Lock()
		s.calls--
		s.mu.Unlock()
		s.running.Done()
	}, nil
}

// patience is how long to wait for calls in the background.
func patience(timeout, lease time.Duration) time.Duration { return max(timeout, lease/6) }

// try is do for calls in the background: it ignores the breaker, since they have to be
// done within a lease.
func (s *Store) try(ctx context.Context, f func(ctx context.Context) error) error {
	s.running.Add(1) // Close waits for the callers of try before it waits for calls
	return s.worker.Do(ctx, f, s.running.Done)
}

func unavailable(err error) error {
	return fmt.Errorf("redisstore: %w: %w", presence.ErrUnavailable, err)
}
