package presence_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/zishang520/socket.io/v2/socket"
)

var (
	errRefused = errors.New("no")
	quiet      = slog.New(slog.DiscardHandler)
)

// rogue is a Store that does what a test says.
type rogue struct {
	presence.Store
	mu       sync.Mutex
	away     bool
	late     []func() // what was asked while it was away
	hook     hook
	filter   func(presence.Event) []presence.Event
	watchers []func(presence.Event)
}

// hook is called in place of an operation on a room, or a user for "evict", which pass
// carries out.
type hook func(ctx context.Context, op, room string, pass func() error) error

func newRogue(t testing.TB) *rogue {
	t.Helper()
	r := &rogue{Store: presence.NewMemoryStore()}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// set has f called from now on.
func (r *rogue) set(f hook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hook = f
}

// pick lets f replace events.
func (r *rogue) pick(f func(presence.Event) []presence.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.filter = f
}

// tell reports an event of the test's own.
func (r *rogue) tell(all ...presence.Event) {
	r.mu.Lock()
	watchers := r.watchers
	r.mu.Unlock()
	for _, e := range all {
		for _, f := range watchers {
			f(e)
		}
	}
}

// leave has the store not answer, as the contract wants it.
func (r *rogue) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = true
}

// comeBack has it do what it was asked meanwhile, and tell that events were lost.
func (r *rogue) comeBack(patience time.Duration) {
	r.mu.Lock()
	late := r.late
	r.away, r.late = false, nil
	r.mu.Unlock()
	for _, f := range late {
		f()
	}
	r.tell(presence.Event{Lost: patience})
}

// call carries an operation out, or not.
func (r *rogue) call(ctx context.Context, op, room string, keep bool, f func() error) error {
	r.mu.Lock()
	hook := r.hook
	if r.away {
		if keep {
			r.late = append(r.late, func() { r.redo(f) })
		}
		r.mu.Unlock()
		return presence.ErrUnavailable
	}
	r.mu.Unlock()
	if hook != nil {
		return hook(ctx, op, room, f)
	}
	return f()
}

// redo reports what f would have returned.
func (r *rogue) redo(f func() error) {
	var e *presence.Eviction
	if errors.As(f(), &e) {
		r.tell(presence.Event{Eviction: e})
	}
}

func (r *rogue) Join(ctx context.Context, e presence.Entry) error {
	return r.call(ctx, "join", e.Room, true, func() error { return r.Store.Join(context.Background(), e) })
}

func (r *rogue) Leave(ctx context.Context, cause presence.Cause, now bool, seats ...presence.Seat) error {
	return r.call(ctx, "leave", seats[0].Room, true, func() error { return r.Store.Leave(context.Background(), cause, now, seats...) })
}

func (r *rogue) Evict(ctx context.Context, user string, cause presence.Cause, reason string, except ...string) (n int, err error) {
	err = r.call(ctx, "evict", user, false, func() (err error) {
		n, err = r.Store.Evict(ctx, user, cause, reason, except...)
		return err
	})
	return n, err
}

func (r *rogue) Get(ctx context.Context, room string, users ...string) (all []presence.Record, err error) {
	err = r.call(ctx, "get", room, false, func() (err error) {
		all, err = r.Store.Get(ctx, room, users...)
		return err
	})
	return all, err
}

func (r *rogue) List(ctx context.Context, room, cursor string, n int) (all []presence.Record, next string, err error) {
	err = r.call(ctx, "list", room, false, func() (err error) {
		all, next, err = r.Store.List(ctx, room, cursor, n)
		return err
	})
	return all, next, err
}

func (r *rogue) Scan(ctx context.Context, cursor string, n int) (all []presence.Record, next string, err error) {
	err = r.call(ctx, "scan", "", false, func() (err error) {
		all, next, err = r.Store.Scan(ctx, cursor, n)
		return err
	})
	return all, next, err
}

func (r *rogue) Count(ctx context.Context, room string) (n int, err error) {
	err = r.call(ctx, "count", room, false, func() (err error) {
		n, err = r.Store.Count(ctx, room)
		return err
	})
	return n, err
}

func (r *rogue) Watch(f func(presence.Event)) (stop func()) {
	var mu sync.Mutex
	stopped := false
	one := func(e presence.Event) { // one after the other
		mu.Lock()
		defer mu.Unlock()
		if !stopped {
			f(e)
		}
	}
	r.mu.Lock()
	r.watchers = append(r.watchers, one)
	r.mu.Unlock()
	inner := r.Store.Watch(func(e presence.Event) {
		r.mu.Lock()
		filter := r.filter
		r.mu.Unlock()
		all := []presence.Event{e}
		if filter != nil {
			all = filter(e)
		}
		for _, e := range all {
			one(e)
		}
	})
	return func() {
		inner()
		mu.Lock()
		defer mu.Unlock()
		stopped = true
	}
}

// gate holds operations up: those that come are counted, and go on when it is opened.
type gate struct {
	came chan struct{}
	free chan struct{}
	open func()
}

func newGate(t testing.TB) *gate {
	t.Helper()
	g := &gate{came: make(chan struct{}, 1000), free: make(chan struct{})}
	g.open = sync.OnceFunc(func() { close(g.free) })
	t.Cleanup(g.open)
	return g
}

// pass waits until the gate is open, or ctx ends.
func (g *gate) pass(ctx context.Context) error {
	g.came <- struct{}{}
	select {
	case <-g.free:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// holds has the operations of a store that are about a room pass through g.
func (g *gate) holds(store *rogue, op, room string) {
	store.set(func(ctx context.Context, o, r string, pass func() error) error {
		if o == op && r == room {
			if err := g.pass(ctx); err != nil {
				return err
			}
		}
		return pass()
	})
}

// await waits until an operation has come.
func (g *gate) await(t testing.TB) {
	t.Helper()
	select {
	case <-g.came:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing has come to the gate")
	}
}

// nobody waits until nobody is there, in the Store and in the Tracker.
func nobody(t testing.TB, p *presence.Tracker, rooms ...string) {
	t.Helper()
	for _, room := range append(rooms, "") {
		siotest.Eventually(t, "nobody is in "+room, func() bool {
			n, err := p.Count(context.Background(), room)
			return n == 0 && err == nil
		})
	}
	siotest.Eventually(t, "the Tracker forgets", func() bool {
		devices, users, rooms := presence.Held(p)
		return devices == 0 && users == 0 && rooms == 0
	})
}

// both connects a client that goes on to /other, and returns both of its sockets.
func (s *server) both(t testing.TB, user string) (c *siotest.Client, one, two *socket.Socket) {
	t.Helper()
	c, one = s.join(t, as(user))
	c.Connect("/other", nil)
	c.Connected(t)
	return c, one, <-s.sockets
}
