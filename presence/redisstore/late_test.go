package redisstore_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
)

// stuck makes calls of a script stick until they are given up, and carries them out on
// request.
type stuck struct {
	redistest.Hook

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

// A sweep that a Redis which stood still carries out after it has been given up ends no
// grace: Redis may not have been told who is back.
func TestSweepLate(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, client := server.Client(t), server.Client(t)
	opts := own()
	opts.Timeout, opts.Lease = 2*time.Second, 6*time.Second
	s := open(t, client, opts)
	if err := redisstore.SweepScript.Load(t.Context(), c).Err(); err != nil { // the first sweep may get stuck
		t.Fatal(err)
	}
	keys := s.Keys(redisstore.Partition("", "u"))
	h := &stuck{hash: redisstore.SweepScript.Hash(), key: keys[0]}
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

// While a node has more than one name, since it takes its seats again, it renews the leases
// of all of them, and sweeps the partitions of each.
func TestNames(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client, c := server.Client(t), server.Client(t)
	h := new(shard)
	client.AddHook(h)
	opts := own()
	opts.Timeout, opts.Lease = 500*time.Millisecond, 2*time.Second
	s := open(t, client, opts)
	users := spread("u")
	for _, user := range users {
		join(t, s, entryOf("", user, "1", 0))
	}
	h.away.Store(true) // so that some seats are held under the old names
	names := []string{s.Epoch()}
	for range 2 {
		s.Heal()
		siotest.Eventually(t, "a new name", func() bool { return s.Epoch() != names[len(names)-1] })
		names = append(names, s.Epoch())
	}
	for _, name := range names {
		lease := func() float64 { return c.ZScore(t.Context(), s.NodeKeys()[0], name).Val() }
		first := lease()
		siotest.Eventually(t, "the lease is renewed thrice", func() bool { return lease() > first+2e6 })
	}
	for p := range redisstore.Partitions {
		if !s.Owns(p) {
			t.Errorf("nobody sweeps partition %d", p)
		}
	}
	h.away.Store(false)
	siotest.Eventually(t, "settled", s.Settled)
	siotest.Eventually(t, "one name is left", func() bool { return c.ZCard(t.Context(), s.NodeKeys()[0]).Val() == 1 })
	for _, user := range users {
		if !seated(t, s, "", user) {
			t.Errorf("%s is not there", user)
		}
	}
}

// first holds the first call of a script until it is released, and reports leases that
// are given up.
type first struct {
	redistest.Hook

	hash     string
	once     sync.Once
	came     chan struct{}
	free     chan struct{}
	returned chan struct{}
}

func (h *first) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == "zrem" {
			defer close(h.returned)
		}
		if cmds[0].Args()[1] == h.hash {
			h.once.Do(func() {
				close(h.came)
				<-h.free
				ctx = context.WithoutCancel(ctx)
			})
		}
		return next(ctx, cmds)
	}
}

// A call for a lease that is under way when the node is closed does not bring the lease
// back. Nobody would renew it: until its end the graces in its charge would not end.
func TestCloseLease(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client, c := redistest.Patient(t, server.Addr), server.Client(t)
	opts := own()
	opts.Timeout = 2 * time.Second
	join(t, open(t, c, opts), entryOf("", "u", "1", 0)) // Redis has the scripts then
	s := open(t, client, opts)
	h := &first{
		hash: redisstore.BeatHash, came: make(chan struct{}), free: make(chan struct{}), returned: make(chan struct{}),
	}
	client.AddHook(h)
	s.Watch(func(presence.Event) {})
	<-h.came
	closed := make(chan error)
	go func() { closed <- s.Close(context.Background()) }()
	select {
	case <-h.returned: // too early
	case <-time.After(time.Second):
	}
	close(h.free)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if n := c.ZScore(t.Context(), s.NodeKeys()[0], s.Epoch()).Val(); n != 0 {
		t.Error("it has a lease")
	}
}

// unheard loses the answers to some calls by which nodes get a lease.
type unheard struct {
	redistest.Hook

	lost, want atomic.Int32
}

func (h *unheard) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		args := cmds[0].Args()
		if args[1] == redisstore.BeatHash && args[10] == any(true) && h.lost.Load() < h.want.Load() {
			h.lost.Add(1)
			cmds[0].SetErr(io.ErrUnexpectedEOF)
			return io.ErrUnexpectedEOF
		}
		return err
	}
}

// A node that does not learn of its new lease does not get another one: nobody would
// renew the first, and the graces in its charge would not end.
func TestLeaseUnheard(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client, c := server.Client(t), server.Client(t)
	opts := own()
	opts.Timeout, opts.Lease = 2*time.Second, 6*time.Second
	s := open(t, client, opts)
	h := new(unheard)
	client.AddHook(h)
	join(t, s, entryOf("", "u", "1", 0))
	old := s.Epoch()
	h.want.Store(2)
	s.Heal()
	siotest.Eventually(t, "a new name", func() bool { return s.Epoch() != old })
	if n := h.lost.Load(); n != 2 {
		t.Errorf("%d answers were lost", n)
	}
	for _, name := range c.ZRange(t.Context(), s.NodeKeys()[0], 0, -1).Val() {
		if name != old && name != s.Epoch() {
			t.Errorf("%s has a lease", name)
		}
	}
}

// Calls that were given up arrive in the end, in their order: a user who came and went
// twice is gone.
func TestTwiceLate(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client(t)
	calls := new(late)
	client.AddHook(calls)
	opts := own()
	opts.Lease = 10 * time.Minute // nothing is told again
	s, e := open(t, client, opts), entryOf("", "u", "1", 0)
	join(t, s, entryOf("", "other", "1", 0)) // Redis has the scripts then
	leave(t, s, entryOf("", "other", "1", 0), true)
	calls.set(true)
	for i := range 3 {
		var err error
		if i%2 == 0 {
			err = s.Join(t.Context(), e)
		} else {
			err = s.Leave(t.Context(), presence.CauseLeft, true, e.Seat)
		}
		if !errors.Is(err, presence.ErrUnavailable) {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	calls.set(false)
	leave(t, s, e, true)
	calls.arrive(t)
	if seated(t, s, "", "u") {
		t.Error("there is a seat that nobody holds")
	}
}

// A device that came back and was evicted stays evicted, though the call by which it left
// before arrives after that.
func TestLeaveLate(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client, c := server.Client(t), server.Client(t)
	calls := new(late)
	client.AddHook(calls)
	opts := own()
	opts.Lease = 10 * time.Minute // nothing is told again
	s, e := open(t, client, opts), entryOf("", "u", "1", 0)
	join(t, s, e)
	leave(t, s, e, true) // Redis has the scripts then
	join(t, s, e)
	calls.set(true)
	if err := s.Leave(t.Context(), presence.CauseLeft, true, e.Seat); !errors.Is(err, presence.ErrUnavailable) {
		t.Fatalf("Leave: %v", err)
	}
	calls.set(false)
	join(t, s, e)
	if n, err := s.Evict(t.Context(), "u", presence.CauseKicked, ""); n != 1 || err != nil {
		t.Fatalf("Evict: %d, %v", n, err)
	}
	marks := s.Keys(redisstore.Partition("", "u"))[3]
	n := c.HLen(t.Context(), marks).Val()
	calls.arrive(t)
	if m := c.HLen(t.Context(), marks).Val(); m != n {
		t.Errorf("%d marks, and then %d", n, m)
	}
	leave(t, s, e, true)
	if m := c.HLen(t.Context(), marks).Val(); m != n-1 {
		t.Errorf("%d marks at the end, not one less than %d", m, n)
	}
}

// Nothing is left of a node that closes before it has renewed a lease that was extended for it.
func TestCloseExtended(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := server.Client(t)
	opts := own()
	opts.Lease = 10 * time.Minute
	a, b := open(t, server.Client(t), opts), open(t, server.Client(t), opts)
	nodes := b.NodeKeys()
	c.Set(t.Context(), nodes[4], "", 0) // nobody walks, and renews the lease after that
	join(t, b, entryOf("", "u", "1", 0))
	siotest.Eventually(t, "the keeper rests", func() bool { return b.Owns(0) })
	c.Del(t.Context(), nodes[3]) // as if nobody had been here for long
	join(t, a, entryOf("", "other", "1", 0))
	if !c.HExists(t.Context(), nodes[2], b.Epoch()).Val() {
		t.Error("its lease has not been extended")
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.HExists(t.Context(), nodes[2], b.Epoch()).Val() {
		t.Error("something is left")
	}
}
