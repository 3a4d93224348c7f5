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
	// DefaultPing is how long a subscription may be silent before it is pinged. It is
	// given up if it then stays silent for as long again.
	DefaultPing = 5 * time.Second

	// The waits between attempts to subscribe double from one to the other.
	minBackOff = 50 * time.Millisecond
	maxBackOff = 2 * time.Second
)

// Feed is a subscription to a channel that is kept alive. Its methods may be called
// concurrently.
type Feed struct {
	client  redis.UniversalClient
	channel string
	logger  *slog.Logger
	every   time.Duration
	// Called one after the other, on the goroutine of the Feed.
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

// NewFeed returns a Feed, which starts to subscribe. message is called with each message,
// subscribed after each subscription: what was published before it may have been lost.
// first says that this matters to nobody who has called Wait, since it is the first
// subscription, and no Wait has timed out before it. pingEvery is DefaultPing except in
// tests.
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

// Wait waits until the subscription is established, or the Feed has ended, but at most
// for timeout.
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

// Close ends the subscription and waits for its goroutines. That includes a running call
// of a function given to NewFeed, so these must not call Close, and an attempt to
// connect, which may take up to the timeouts of the client. If ctx ends first, Close
// returns its error. It may be called again.
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
	_ = f.current().Close() // it may have been created after the guard ended
}

// receive handles what arrives, until ctx ends. The client reconnects and subscribes
// again by itself, within Receive, but that of a Cluster keeps asking the server that is
// away.
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
		if failed++; failed&(failed-1) == 0 { // less and less often
			f.logger.WarnContext(ctx, "redisstore: no subscription, trying again", "error", err, "failed", failed)
		}
		if failed > 1 { // what has just broken may be back at once
			// The guard gives up a subscription that nobody reads for longer than this.
			wait(ctx, min(minBackOff<<min(failed, 10), maxBackOff, f.every/2))
		}
	}
}

// first reports whether this is the first subscription and no Wait has timed out.
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

// wait waits for between d/2 and d; the spread prevents all processes of a deployment
// from coming back at once.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// renew replaces a closed or missing subscription.
func (f *Feed) renew(ctx context.Context) {
	// Without a channel it does not connect yet, and cannot fail.
	sub := f.client.Subscribe(ctx)
	f.mu.Lock()
	f.sub = sub
	f.mu.Unlock()
	if f.cluster() {
		_ = sub.Ping(ctx) // connects to any server; Subscribe would choose that of the channel's slot
	}
	_ = sub.Subscribe(ctx, f.channel) // Receive tries again, and returns the error
}

// cluster reports whether the client is that of a Cluster, in which messages reach all
// servers.
func (f *Feed) cluster() bool {
	_, ok := f.client.(*redis.ClusterClient)
	return ok
}

func (f *Feed) current() *redis.PubSub {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sub
}

// guard closes the subscription when ctx ends, or when it stays silent although it was
// pinged: a connection whose other end vanished looks like one on which nothing happens.
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
