package redisclient

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// DefaultPing is how long a subscription may be silent before it is asked whether
	// it lives. It is given up if it then stays silent for as long.
	DefaultPing = 5 * time.Second

	// The waits between attempts to subscribe double from one to the other.
	minBackOff = 50 * time.Millisecond
	maxBackOff = 2 * time.Second
)

// Feed is a subscription to a channel, which is kept alive. Its methods may be called
// concurrently.
type Feed struct {
	client  redis.UniversalClient
	channel string
	logger  *slog.Logger
	every   time.Duration
	// They are called one after the other, on the goroutine of the Feed.
	message    func(payload string)
	subscribed func(first bool)

	cancel context.CancelFunc
	ended  chan struct{} // closed when its goroutines have ended
	ready  chan struct{} // closed at the first subscription
	heard  atomic.Bool   // since the guard last looked

	mu   sync.Mutex
	sub  *redis.PubSub
	late bool // a Wait has returned before ready
}

// NewFeed returns a Feed, which begins to subscribe. message is called with each message,
// subscribed after each subscription: what was published before it may be lost. first is
// whether that matters to nobody who has called Wait, since it is the first one, and
// nobody has waited in vain. pingEvery is DefaultPing but in tests.
func NewFeed(client redis.UniversalClient, channel string, logger *slog.Logger, pingEvery time.Duration, message func(payload string), subscribed func(first bool)) *Feed {
	ctx, cancel := context.WithCancel(context.Background())
	f := &Feed{
		client: client, channel: channel, logger: logger, every: pingEvery,
		message: message, subscribed: subscribed,
		cancel: cancel, ended: make(chan struct{}), ready: make(chan struct{}),
	}
	go f.run(ctx)
	return f
}

// Wait waits until the subscription stands, or the Feed has ended, but not longer than
// timeout.
func (f *Feed) Wait(timeout time.Duration) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-f.ready:
	case <-f.ended:
	case <-timer.C:
		f.mu.Lock()
		f.late = true
		f.mu.Unlock()
	}
}

// Close ends the subscription and waits for its goroutines, thus also for a call of a
// function given to NewFeed, which must not call it, and for an attempt to connect, up to
// the timeouts of the client; but no longer than ctx, whose error it returns then. It may
// be called again.
func (f *Feed) Close(ctx context.Context) error {
	f.cancel()
	select {
	case <-f.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run keeps a subscription until ctx ends.
func (f *Feed) run(ctx context.Context) {
	defer close(f.ended)
	f.renew(ctx)
	var guard sync.WaitGroup
	guard.Go(func() { f.guard(ctx) })
	f.receive(ctx)
	guard.Wait()
	_ = f.current().Close() // if it came after the guard had gone
}

// receive tells what comes, until ctx ends. The client connects and subscribes again by
// itself, within Receive, but that of a Cluster asks the server again that is away.
func (f *Feed) receive(ctx context.Context) {
	failed := 0
	for ctx.Err() == nil {
		m, err := f.current().Receive(ctx)
		switch m := m.(type) {
		case *redis.Subscription:
			f.subscribed(f.first())
		case *redis.Message:
			f.message(m.Payload)
		}
		if err == nil {
			if failed > 0 {
				f.logger.InfoContext(ctx, "redisstore: subscribed again", "failed", failed)
			}
			failed = 0
			f.heard.Store(true)
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if f.cluster() || errors.Is(err, redis.ErrClosed) { // the latter by the guard
			_ = f.current().Close()
			f.renew(ctx)
		}
		if failed++; failed&(failed-1) == 0 { // ever less often
			f.logger.WarnContext(ctx, "redisstore: no subscription, trying again", "error", err, "failed", failed)
		}
		if failed > 1 { // what has just broken may be there again at once
			// The guard takes a subscription for dead that nobody reads for longer.
			wait(ctx, min(minBackOff<<min(failed, 10), maxBackOff, f.every/2))
		}
	}
}

// first reports whether this is the first subscription, and nobody has waited in vain.
func (f *Feed) first() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.ready:
		return false
	default:
		close(f.ready)
		return !f.late
	}
}

// wait waits for about d, so that the processes of a deployment do not all come back at
// once.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// renew puts a new subscription in the place of one that is closed, or none.
func (f *Feed) renew(ctx context.Context) {
	// Without a channel it does not connect yet, and cannot fail.
	sub := f.client.Subscribe(ctx)
	f.mu.Lock()
	f.sub = sub
	f.mu.Unlock()
	if f.cluster() {
		_ = sub.Ping(ctx) // connects to any server, Subscribe to that of the channel's slot
	}
	_ = sub.Subscribe(ctx, f.channel) // Receive tries again, and has the error
}

// cluster reports whether what is published reaches all of several servers.
func (f *Feed) cluster() bool {
	_, ok := f.client.(*redis.ClusterClient)
	return ok
}

func (f *Feed) current() *redis.PubSub {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sub
}

// guard closes the subscription when ctx ends, or when it stays silent though it is asked:
// a connection whose other end is gone without a word looks like one on which nothing
// happens.
func (f *Feed) guard(ctx context.Context) {
	tick := time.NewTicker(f.every)
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
