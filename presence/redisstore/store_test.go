package redisstore_test

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/sioware/sioware/presence/storetest"
)

// prefixes keeps the stores of one server apart.
var prefixes atomic.Int64

func own() *redisstore.Options {
	o := *unhurried
	o.Prefix = fmt.Sprintf("test%d:", prefixes.Add(1))
	return &o
}

func TestStore(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for _, test := range []struct {
		name   string
		client redis.UniversalClient
	}{{"prompt", server.Client(t)}, {"patient", redistest.Patient(t, server.Addr)}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) presence.Store { return open(t, test.client, own()) })
		})
	}
}

func TestStoreShared(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	storetest.RunShared(t, func(t *testing.T, n int) []presence.Store {
		opts := own()
		stores := make([]presence.Store, n)
		for i := range stores {
			stores[i] = open(t, server.Client(t), opts)
		}
		return stores
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	redistest.New(t, redisstore.New, []redistest.Options[*redisstore.Options]{
		{Name: "no unit", Of: &redisstore.Options{Timeout: 5}, Want: []string{"unit missing"}},
		{Name: "least", Of: &redisstore.Options{Lease: time.Second, Timeout: time.Millisecond}},
		{Name: "short lease", Of: &redisstore.Options{Lease: time.Second - 1}, Want: []string{"Lease"}},
		{
			Name: "all", Of: &redisstore.Options{Prefix: "{a", Timeout: -1, Lease: -1}, None: true,
			Want: []string{"no client", "Prefix", "Timeout", "Lease"},
		},
	}...)
}

func TestClosed(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client(t)
	for _, used := range []bool{true, false} {
		s := open(t, client, own())
		if used {
			join(t, s, entryOf("", "u", "1", time.Minute))
		}
		for range 2 {
			if err := s.Close(context.Background()); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		for i, err := range []error{
			s.Join(t.Context(), entryOf("", "u", "2", 0)),
			s.Leave(t.Context(), presence.CauseLeft, true, presence.Seat{User: "u", Device: "1"}),
			func() error { _, err := s.Get(t.Context(), "", "u"); return err }(),
			func() error { _, _, err := s.List(t.Context(), "", "", 1); return err }(),
			func() error { _, _, err := s.Scan(t.Context(), "", 1); return err }(),
			func() error { _, err := s.Count(t.Context(), ""); return err }(),
			func() error { _, err := s.Evict(t.Context(), "u", presence.CauseKicked, ""); return err }(),
		} {
			if !errors.Is(err, presence.ErrClosed) || errors.Is(err, presence.ErrUnavailable) {
				t.Errorf("%d: %v", i, err)
			}
		}
		s.Watch(func(presence.Event) { t.Error("told") })()
	}
}

// A Close does not wait for longer than it is told.
func TestCloseInTime(t *testing.T) {
	t.Parallel()
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr)
	s, err := redisstore.New(redistest.Patient(t, proxy.Addr), brisk)
	if err != nil {
		t.Fatal(err)
	}
	join(t, s, entryOf("", "u", "1", 0))
	proxy.Hang()
	_ = s.Join(t.Context(), entryOf("", "v", "1", 0))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	proxy.Restore()
	if err := s.Close(context.Background()); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// trips counts round trips, each a pipeline, but for those by which connections say hello.
type trips struct {
	redistest.Hook

	n atomic.Int64
}

func (c *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { c.n.Add(1); return next(ctx, cmd) }
}
func (c *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { c.n.Add(1); return next(ctx, cmds) }
}

// Calls take as many round trips as the documentation says.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client, count := server.Client(t), &trips{}
	opts := own()
	opts.Lease = time.Hour // nothing comes in between
	s := open(t, client, opts)
	server.Client(t).Set(t.Context(), s.NodeKeys()[4], "nor does a walk", 0)
	for range 2 { // the scripts
		join(t, s, entryOf("", "u", "1", time.Hour))
		leave(t, s, entryOf("", "u", "1", 0), false)
		_, _ = s.Evict(t.Context(), "u", presence.CauseKicked, "")
		_, _, _ = s.List(t.Context(), "", "", 1)
	}
	siotest.Eventually(t, "settled", s.Settled)
	client.AddHook(count)
	var seats []presence.Seat
	for i := range 1000 {
		seats = append(seats, presence.Seat{User: fmt.Sprint(i), Device: "1"})
	}
	for i, call := range []struct {
		want int64
		f    func() error
	}{
		{1, func() error { return s.Join(t.Context(), entryOf("", "u", "1", time.Hour)) }},
		{1, func() error { return s.Join(t.Context(), entryOf("r", "u", "1", time.Hour)) }},
		{1, func() error { _, err := s.Get(t.Context(), "", "u", "v", "w"); return err }},
		{1, func() error { _, err := s.Get(t.Context(), "r", "u", "v", "w"); return err }},
		{1, func() error { _, _, err := s.List(t.Context(), "r", "", 10); return err }},
		{2, func() error { _, _, err := s.List(t.Context(), "", "", 10); return err }},
		{2, func() error { _, _, err := s.Scan(t.Context(), "", 10); return err }},
		{1, func() error { _, err := s.Count(t.Context(), "r"); return err }},
		{1, func() error { _, err := s.Count(t.Context(), ""); return err }},
		{1, func() error { _, err := s.Evict(t.Context(), "u", presence.CauseKicked, ""); return err }},
		{1, func() error {
			return s.Leave(t.Context(), presence.CauseLeft, false, presence.Seat{Room: "r", User: "u", Device: "1"})
		}},
		{1, func() error { return s.Leave(t.Context(), presence.CauseLeft, false, seats...) }},
	} {
		count.n.Store(0)
		if err := call.f(); err != nil {
			t.Errorf("call %d: %v", i, err)
		}
		if n := count.n.Load(); n != call.want {
			t.Errorf("call %d: %d round trips, want %d", i, n, call.want)
		}
	}
}

// A function that panics is called again, and so are others.
func TestWatchPanics(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Start(t).Client(t), own())
	s.Watch(func(presence.Event) { panic("on purpose") })
	h := watch(s)
	for i := range 3 {
		join(t, s, entryOf("", fmt.Sprint(i), "1", 0))
	}
	siotest.Eventually(t, "told", func() bool { return h.kind(presence.Online, "") == 3 })
}

// A slow watcher keeps neither the lease from being renewed, nor calls from returning.
func TestWatchBlocks(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := open(t, server.Client(t), brisk), open(t, server.Client(t), brisk)
	free := make(chan struct{})
	var n atomic.Int64
	a.Watch(func(presence.Event) { n.Add(1); <-free })
	h := watch(b)
	crowd(t, a, "a", 20, 0)
	<-time.After(3 * brisk.Lease)
	if n := h.kind(presence.Offline, ""); n != 0 {
		t.Errorf("%d have gone", n)
	}
	close(free)
	siotest.Eventually(t, "told", func() bool { return n.Load() >= 40 })
}

// If each seat of a crowd would take a call, none is lost.
func TestBatches(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, other := open(t, server.Client(t), own()), open(t, server.Client(t), own())
	h := watch(s)
	var seats []presence.Seat
	var wg sync.WaitGroup
	for i := range 3000 {
		seats = append(seats, presence.Seat{Room: "room", User: fmt.Sprint(i), Device: "1"})
	}
	for some := range slices.Chunk(seats, 100) {
		wg.Go(func() {
			for _, seat := range some {
				join(t, s, presence.Entry{Seat: seat})
			}
		})
	}
	wg.Wait()
	if err := s.Leave(t.Context(), presence.CauseLost, false, seats...); err != nil {
		t.Fatal(err)
	}
	siotest.Eventually(t, "all have left", func() bool { return h.kind(presence.Left, "") == len(seats) })
	if n, err := s.Count(t.Context(), "room"); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n := other.Held(); n != 0 {
		t.Errorf("%d", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(redisstore.Pack("1", "3", "7", "6", "c", "1", "mroom\x00user", "joined", "5", "1", "0", "dev", "5", "0", "{}"))
	f.Add(redisstore.Pack("1", "3", "7", "6", "e", "m\x00user", "kicked", "why", "a", "b"))
	f.Add(redisstore.Pack("1", "3", "7", "0", "l"))
	f.Add(redisstore.Pack("2", "3"))
	f.Add("99999999999999999999:a")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := redisstore.Decode(s)
		change, evictions, lost := m.Told()
		if (err == nil) == (change == nil && len(evictions) == 0 && !lost) {
			t.Fatalf("%+v, %v", m, err)
		}
		if change != nil && (change.User == "" || change.Kind < presence.Online || change.Kind > presence.Updated) {
			t.Errorf("%+v", change)
		}
		if fields, err := redisstore.Unpack(s); err == nil {
			if again, err := redisstore.Unpack(redisstore.Pack(fields...)); err != nil || !slices.Equal(again, fields) {
				t.Errorf("%q, %v, want %q", again, err, fields)
			}
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add("mroom\x00user", redisstore.Pack("5", "0", "0", "", "1", "d", "e", "7", "1", "0", "{}"))
	f.Add("m\x00user", redisstore.Pack("5", "1", "9", "lost", "0", "d", "e", "7", "1", "1", ""))
	f.Fuzz(func(t *testing.T, name, s string) {
		r, err := redisstore.ParseRecord(name, s)
		if err != nil {
			return
		}
		if redisstore.Entity(r.Room, r.User) != name || r.Version == 0 || len(r.Devices) > 0 && r.Last.ID != "" {
			t.Errorf("%+v", r)
		}
	})
}
