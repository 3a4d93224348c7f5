package redisstore

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redisclient"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/ratelimit/internal/gcra"
)

// Defaults of [Options].
const (
	DefaultPrefix  = "sioware:limit:"
	DefaultTimeout = 250 * time.Millisecond
	DefaultLease   = 15 * time.Second
)

// maxCalls is how many calls may be under way: while Redis hangs, waiting callers
// must not pile up in the process before the breaker opens.
const maxCalls = 1000

// Options configure a [Store]. The zero value, and nil, mean the defaults.
type Options struct {
	// Prefix is that of all keys, without braces; "" means DefaultPrefix. Stores
	// with one prefix in one Redis share their buckets and slots.
	Prefix string

	// Timeout is how long a call may take; 0 means DefaultTimeout. If the context ends
	// earlier, so does the call, but that says nothing about Redis: an outage is noticed only
	// if Timeout is less than what callers wait, which is a second in package ratelimit.
	Timeout time.Duration

	// Lease is how long a slot is held after its process has died, or can no
	// longer reach Redis; 0 means DefaultLease. It is at least a second. Slots are
	// renewed three times in each lease.
	Lease time.Duration

	// Logger is told when Redis begins and ceases to fail. Nil means slog.Default().
	// Its records have the attribute "store", which is "ratelimit".
	Logger *slog.Logger
}

// Store is a [ratelimit.SlotStore] in Redis. Create one with [New], for all limits of a
// process: they then share what is known about an outage. It is safe for concurrent use.
type Store struct {
	client  redis.UniversalClient
	caller  redisclient.Caller
	prefix  string
	timeout time.Duration
	lease   time.Duration
	logger  *slog.Logger

	closed  atomic.Bool
	calls   atomic.Int64 // under way
	breaker redisclient.Breaker
	slots   slots
}

var _ ratelimit.SlotStore = (*Store)(nil)

// ErrClosed is returned by methods after [Store.Close].
var ErrClosed = errors.New("redisstore: closed")

// ErrBroken is returned by methods at once, wrapped, while Redis is not asked: after
// some failed calls in a row, except for one call now and then to see whether it is
// back, and while too many calls wait for an answer.
var ErrBroken = redisclient.ErrBroken

var errBusy = fmt.Errorf("%w: %d calls are already waiting", ErrBroken, maxCalls)

// New returns a Store that uses client. The caller closes client, after the
// Store. client must not be a Ring, nor read from replicas. New does not connect:
// if Redis is away at the start, calls fail, not New. The error joins all faults.
func New(client redis.UniversalClient, opts *Options) (*Store, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := redisclient.Check("ratelimit", client, o.Prefix, o.Timeout, o.Lease); err != nil {
		return nil, err
	}
	o.Prefix = cmp.Or(o.Prefix, DefaultPrefix)
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.Lease = cmp.Or(o.Lease, DefaultLease)
	o.Logger = redisclient.Logger(o.Logger, "ratelimit")
	return &Store{
		client:  client,
		caller:  redisclient.New(client, o.Timeout),
		prefix:  o.Prefix,
		timeout: o.Timeout,
		lease:   o.Lease,
		logger:  o.Logger,
		breaker: redisclient.Breaker{Logger: o.Logger},
		slots:   newSlots(),
	}, nil
}

// do calls f with a context that ends after the timeout, and returns by then; f may
// go on.
func (s *Store) do(ctx context.Context, f func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	if s.closed.Load() {
		return ErrClosed
	}
	if s.calls.Add(1) > maxCalls {
		s.calls.Add(-1)
		return errBusy
	}
	epoch, err := s.breaker.Enter()
	if err != nil {
		s.calls.Add(-1)
		return err
	}
	err = s.caller.Do(ctx, f, func() { s.calls.Add(-1) })
	switch {
	case err == nil:
		s.breaker.Leave(epoch, redisclient.Succeeded, nil)
		return nil
	case ctx.Err() != nil:
		s.breaker.Leave(epoch, redisclient.Unknown, nil)
	default:
		s.breaker.Leave(epoch, redisclient.Failed, err)
	}
	return fmt.Errorf("redisstore: %w", err)
}

//go:embed take.lua
var takeSource string

var takeScript = redis.NewScript(takeSource)

// errReply means that the reply is not one of the script, or not of Redis.
var errReply = errors.New("unexpected reply")

// Take implements [ratelimit.Store]. It takes one round trip.
func (s *Store) Take(ctx context.Context, key string, l ratelimit.Limit, n int64) (ratelimit.Verdict, error) {
	return s.take(ctx, takeScript, key, l, n)
}

// take is Take with a script that gets further arguments.
func (s *Store) take(ctx context.Context, script *redis.Script, key string, l ratelimit.Limit, n int64, more ...any) (ratelimit.Verdict, error) {
	if err := l.Check(); err != nil {
		return ratelimit.Verdict{}, err
	}
	if n < 0 {
		return ratelimit.Verdict{}, fmt.Errorf("%w: %d", ratelimit.ErrCost, n)
	}
	count, per := l.Rate()
	rate, err := gcra.New(count, per, l.Size())
	if err != nil {
		return ratelimit.Verdict{}, fmt.Errorf("redisstore: %w", err) // not after Check
	}
	takes := n
	if n > rate.Burst {
		takes = 0 // only to learn how the bucket stands
	}
	reply := new(takeReply) // of this call alone: a call that was given up may still write
	err = s.do(ctx, func(ctx context.Context) (err error) {
		keys, args := []string{s.bucketKey(key)}, append(takeArgs(rate, takes), more...)
		*reply, err = parseTake(script.Run(ctx, s.client, keys, args...), rate)
		return err
	})
	if err != nil {
		return ratelimit.Verdict{}, err
	}
	v := ratelimit.Verdict{
		Allowed:    reply.allowed && n <= rate.Burst,
		Limit:      rate.Burst,
		Remaining:  rate.Remaining(reply.wait),
		ResetAfter: gcra.Duration(reply.wait),
	}
	if !v.Allowed {
		v.RetryAfter = rate.Until(reply.wait, n)
	}
	return v, nil
}

// takeArgs returns the arguments of the script.
func takeArgs(r gcra.Rate, n int64) []any {
	args := make([]any, 0, 8)
	for _, ticks := range [...]int64{n * r.Interval, r.Room(n), r.Full()} {
		args = append(args, ticks/gcra.Microsecond, ticks%gcra.Microsecond)
	}
	return args
}

// takeReply is what the script returns.
type takeReply struct {
	allowed bool
	wait    int64 // ticks until the bucket is full
}

func parseTake(c *redis.Cmd, r gcra.Rate) (takeReply, error) {
	reply, err := c.Int64Slice()
	if err != nil {
		return takeReply{}, err
	}
	if len(reply) == 3 {
		us, ticks := reply[1], reply[2]
		if us >= 0 && us <= r.Full()/gcra.Microsecond && ticks >= 0 && ticks < gcra.Microsecond {
			return takeReply{reply[0] == 1, r.Clamp(us*gcra.Microsecond + ticks)}, nil
		}
	}
	return takeReply{}, fmt.Errorf("%w: %.100v", errReply, reply)
}
