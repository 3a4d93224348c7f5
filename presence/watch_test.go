package presence_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
)

// event is one of a user.
func event(kind presence.Kind, user string, version uint64) presence.Event {
	return presence.Event{Change: &presence.Change{Kind: kind, User: user, Version: version}}
}

// TestKindString: kinds are logged by name, and one without a name by its number.
func TestKindString(t *testing.T) {
	t.Parallel()
	for kind, want := range map[presence.Kind]string{
		presence.Online: "online", presence.Offline: "offline", presence.Joined: "joined",
		presence.Left: "left", presence.Updated: "updated", presence.Missed: "missed", 0: "Kind(0)", 7: "Kind(7)",
	} {
		if got := kind.String(); got != want {
			t.Errorf("%d is %q, want %q", int(kind), got, want)
		}
	}
}

// TestMissed: a function that blocks is told that it has missed changes, and others get
// all of them.
func TestMissed(t *testing.T) {
	t.Parallel()
	const n = 70_000
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store})
	began, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var missed, slow, quick atomic.Int64
	var last atomic.Int64
	defer p.Watch(func(c presence.Change) {
		once.Do(func() { close(began); <-free })
		if c.Kind == presence.Missed {
			missed.Add(1)
		} else if slow.Add(1); true {
			last.Store(int64(c.Version))
		}
	})()
	defer p.Watch(func(presence.Change) { quick.Add(1) })()
	siotest.Eventually(t, "the Store was looked at", func() bool { return presence.Settled(p) })
	store.tell(event(presence.Online, "first", 1))
	<-began
	for i := range n {
		store.tell(event(presence.Online, strconv.Itoa(i), uint64(i)+2))
		if i%10_000 == 0 { // the other one is not to fall behind
			siotest.Eventually(t, "the quick one has all", func() bool { return quick.Load() == int64(i)+2 })
		}
	}
	siotest.Eventually(t, "the quick one has all", func() bool { return quick.Load() == n+1 })
	close(free)
	siotest.Eventually(t, "the slow one has the last", func() bool { return last.Load() == n+1 })
	if missed.Load() != 1 || slow.Load() != n+1-1<<16 {
		t.Errorf("missed %d times, got %d", missed.Load(), slow.Load())
	}
	if presence.Waiting(p) != 0 {
		t.Error("changes wait")
	}
}

// TestWatchPanics: a function that panics is called again, and one may stop itself,
// and start others.
func TestWatchPanics(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Logger: quiet})
	var bad, own, more atomic.Int64
	defer p.Watch(func(presence.Change) { bad.Add(1); panic("no") })()
	var stop func()
	var mu sync.Mutex
	mu.Lock()
	stop = p.Watch(func(presence.Change) {
		mu.Lock()
		defer mu.Unlock()
		own.Add(1)
		stop()
		stop()
		p.Watch(func(presence.Change) { more.Add(1) })
	})
	mu.Unlock()
	siotest.Eventually(t, "the Store was looked at", func() bool { return presence.Settled(p) })
	store.tell(event(presence.Online, "a", 1))
	siotest.Eventually(t, "it was called", func() bool { return own.Load() == 1 })
	for i := range 10 {
		store.tell(event(presence.Updated, "a", uint64(i)+2))
	}
	siotest.Eventually(t, "all are called", func() bool { return bad.Load() == 11 && more.Load() == 10 })
	if own.Load() != 1 {
		t.Errorf("%d calls after stop", own.Load())
	}
}

// TestResync: what a Store has lost is reported when it says so; members who are
// missing are given time.
func TestResync(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Grace: -1})
	l := watch(t, p)
	s := serve(t, p)
	alice, _ := s.join(t, as("alice"))
	l.await(t, presence.Online, "alice", 1)
	store.pick(func(e presence.Event) []presence.Event { return nil })
	alice.Close()
	s.join(t, as("bob"))
	siotest.Eventually(t, "alice is gone", func() bool { return !status(t, p, "alice").Online })
	store.pick(nil)
	const patience = 2 * short
	began := time.Now()
	store.tell(presence.Event{Lost: patience}, presence.Event{Lost: patience}, presence.Event{Lost: 0})
	if c := l.await(t, presence.Online, "bob", 1); c.Cause != presence.CauseUnknown || c.Devices != 1 {
		t.Errorf("%+v", c)
	}
	c := l.await(t, presence.Offline, "alice", 1)
	if d := time.Since(began); c.Cause != presence.CauseUnknown || c.Seen.IsZero() || d < patience {
		t.Errorf("after %v: %+v", d, c)
	}
	store.pick(func(e presence.Event) []presence.Event { return []presence.Event{e, e, e} })
	for i := range 5 {
		c, _ := s.join(t, as("carol"))
		c.Close()
		l.await(t, presence.Offline, "carol", i+1)
		l.await(t, presence.Online, "carol", i+1)
	}
}

// TestPatience: a user who comes back within the time that the Store has set was never away.
func TestPatience(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Grace: -1})
	l := watch(t, p)
	s := serve(t, p)
	alice, _ := s.join(t, as("alice"))
	l.await(t, presence.Online, "alice", 1)
	store.pick(func(presence.Event) []presence.Event { return nil })
	alice.Close()
	siotest.Eventually(t, "alice is gone", func() bool { return !status(t, p, "alice").Online })
	store.tell(presence.Event{Lost: 3 * short})
	s.join(t, as("alice"))
	siotest.Eventually(t, "it was looked at", func() bool { return presence.Settled(p) })
	if n := len(l.of(presence.Offline, "alice")); n != 0 {
		t.Errorf("gone %d times: %+v", n, l.all())
	}
}
