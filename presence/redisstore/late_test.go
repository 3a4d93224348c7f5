package redisstore_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence/redisstore"
)

// stuck has calls of a script stick until they are given up, and carries them out when told.
type stuck struct {
	hash string
	key  string // of one of them

	mu   sync.Mutex
	on   bool
	kept []func() error
}

func (h *stuck) set(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.on = on
}

func (h *stuck) calls() []func() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.kept)
}

func (h *stuck) is(c redis.Cmder) bool {
	args := c.Args()
	return len(args) > 3 && args[1] == h.hash && slices.Contains(args, any(h.key))
}

func (h *stuck) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *stuck) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *stuck) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.mu.Lock()
		on := h.on
		h.mu.Unlock()
		if !on || !slices.ContainsFunc(cmds, h.is) {
			return next(ctx, cmds)
		}
		<-ctx.Done()
		var again []redis.Cmder
		for _, c := range cmds {
			again = append(again, redis.NewCmd(context.Background(), c.Args()...))
			c.SetErr(ctx.Err())
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.kept = append(h.kept, func() error { return next(context.Background(), again) })
		return ctx.Err()
	}
}

// A sweep that Redis, which stood still, carries out when it has been given up ends no grace:
// Redis may not have been told of who has come back.
func TestSweepLate(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, client := server.Client(t), server.Client(t)
	opts := own()
	opts.Timeout, opts.Lease = 2*time.Second, 6*time.Second
	s := open(t, client, opts)
	keys := s.Keys(redisstore.Partition("", "u"))
	h := &stuck{hash: redisstore.SweepHash, key: keys[0]}
	client.AddHook(h)
	e := entryOf("", "u", "1", 500*time.Millisecond)
	join(t, s, e)
	leave(t, s, e, false)
	h.set(true)
	siotest.Eventually(t, "a sweep is given up", func() bool { return len(h.calls()) > 0 })
	if ends := c.ZScore(t.Context(), keys[2], redisstore.Entity("", "u")).Val(); ends == 0 || ends > float64(time.Now().UnixMicro()) {
		t.Fatalf("the grace ends at %.0f", ends)
	}
	for _, f := range h.calls() {
		if err := f(); err != nil {
			t.Error(err)
		}
	}
	if r := record(t, s, "", "u"); r.Last.ID != "1" {
		t.Errorf("it is over: %+v", r)
	}
	h.set(false)
	siotest.Eventually(t, "it ends", func() bool { return record(t, s, "", "u").Last.ID == "" })
}
